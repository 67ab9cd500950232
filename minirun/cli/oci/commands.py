"""The table of minirun-oci's commands: their words, and the function of each."""

from __future__ import annotations

from minirun.cli.arguments import Command, Option
from minirun.cli.oci import life, limits, looking

DEFAULT_STATE = "/run/minirun"

_MANAGERS = ("cgroupfs", "systemd", "disabled")
OPTIONS = (
    Option("--root", "DIR", f"directory of the containers' state (default {DEFAULT_STATE})", DEFAULT_STATE),
    Option("--log", "FILE", "file that gets error messages"),
    Option("--log-format", "FORMAT", "text or json", "text", ("text", "json")),
    Option("--debug", text="show a traceback with an error"),
    Option(
        "--cgroup-manager", "MANAGER", "cgroupfs, or disabled: no groups, no limits", "cgroupfs", _MANAGERS
    ),
    Option("--systemd-cgroup", text="refused: as --cgroup-manager systemd"),
    Option(
        "--rootless",
        "WORD",
        "auto or false; true is refused, for root runs this",
        "auto",
        ("auto", "true", "false"),
    ),
    Option("--version -v", text="print the version"),
)
_BUNDLE = Option("--bundle -b", "DIR", "directory with config.json (default: this one)", ".")
_CONFIG = Option("--config -f", "FILE", "read in the place of the bundle's config.json", "")
_CONSOLE = Option("--console-socket", "PATH", "socket that gets the master of the terminal")
_PID_FILE = Option("--pid-file", "FILE", "gets the pid of the process")
_NO_KEYRING = Option("--no-new-keyring", text="keep the session keyring of the caller")
_DETACH = Option("--detach -d", text="do not wait for the end")
_PRESERVE = Option("--preserve-fds", "N", "descriptors from 3 on that the program gets, too", "0")
_NO_PIVOT = Option("--no-pivot", text="refused: a root that is only a chroot can be left")
_CREATE = (_BUNDLE, _CONFIG, _CONSOLE, _PID_FILE, _NO_KEYRING, _PRESERVE, _NO_PIVOT)
_FORMAT = Option("--format -f", "FORMAT", "table or json", "table", ("table", "json"))
COMMANDS = {
    "create": Command(life.create, "id", "make a container that waits for start", *_CREATE),
    "run": Command(
        life.run,
        "id",
        "create, start, wait and delete",
        *_CREATE,
        _DETACH,
        Option("--keep", text="leave the container's state behind"),
    ),
    "start": Command(life.start, "id", "let a created container's program begin"),
    "state": Command(looking.show_state, "id", "print the state as JSON"),
    "kill": Command(
        life.kill,
        "id signal=TERM",
        "send a signal (default TERM)",
        Option("--all -a", text="to every process of the container"),
    ),
    "delete": Command(
        life.delete,
        "id",
        "remove a stopped container",
        Option("--force -f", text="kill it first"),
        Option("--regex -r", text="ID is a regular expression: all whose id matches"),
    ),
    "exec": Command(
        life.execute,
        "id args...",
        "start another process in a running container",
        Option("--process -p", "FILE", "the process as JSON"),
        _DETACH,
        Option("--tty -t", text="give it a terminal"),
        _CONSOLE,
        _PID_FILE,
        _PRESERVE,
        Option("--cwd", "DIR", "working directory"),
        Option("--user -u", "UID[:GID]", "who it runs as"),
        Option("--additional-gids -g", "GID", "one more group", []),
        Option("--env -e", "NAME=VALUE", "one more variable", []),
        Option("--cap -c", "CAPABILITY", "one more capability", []),
        Option("--apparmor", "PROFILE", "its AppArmor profile"),
        Option("--no-new-privs", text="it can never get more privileges"),
    ),
    "list": Command(
        looking.list_containers, "", "list the containers", _FORMAT, Option("--quiet -q", text="only the ids")
    ),
    "ps": Command(looking.ps, "id args...", "show its processes; what follows is for ps(1)", _FORMAT),
    "pause": Command(limits.pause, "id", "stop all its processes where they stand"),
    "resume": Command(limits.resume, "id", "let a paused container run on"),
    "update": Command(limits.update, "id", "give it other limits", *limits.OPTIONS),
    "events": Command(
        looking.events,
        "id",
        "print what it uses, and when the kernel killed in it, as lines of JSON",
        Option("--stats", text="what it uses now, once"),
        Option("--interval", "TIME", "how often (default 5s)", "5s"),
    ),
    "features": Command(looking.show_features, "", "print what of the specification is known here, as JSON"),
    "spec": Command(looking.write_spec, "", "write a config.json to start from", _BUNDLE),
    "version": Command(looking.version, "", "print the version"),
}
