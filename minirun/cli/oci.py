"""minirun-oci: the command line that engines expect of an OCI runtime.

The runtime spec defines no command line; this one is runc's, as containerd's shim and conmon use it.  It needs neither
click nor the engine: what it costs over a bare Python is a few milliseconds.

See  runc(8); runtime-spec runtime.md "Operations"
"""

from __future__ import annotations

import os
import sys

from minirun import __version__, files, jsontext
from minirun.cli import failures, foreground, stdio
from minirun.cli.arguments import Command, Given, HelpWanted, Option, parse
from minirun.cli.leaving import leave
from minirun.cli.printing import say, say_line
from minirun.errors import MinirunError, NotFoundError, UsageError
from minirun.linux import interpreter, signals
from minirun.runtime import container, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from minirun.runtime.config import Process
    from minirun.runtime.sync import Created

DEFAULT_STATE = "/run/minirun"


def main() -> None:
    stdio.fill()
    leave(_run(sys.argv[1:]))


def _run(argv: list[str]) -> int:
    if argv[:1] in (["--version"], ["-v"]):  # what engines ask first
        argv = ["version"]
    try:
        options = parse("minirun-oci", argv, OPTIONS, COMMANDS)
    except HelpWanted as text:
        say(str(text))
        return 0
    except UsageError as error:
        _report(None, error)
        return 1
    try:
        interpreter.secure()
        return options.command.function(options) or 0
    except (MinirunError, OSError) as error:
        _report(options, error)
        return failures.exit_code(error, otherwise=1)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        hint = "is everything in config.json of the type that the specification asks for?"
        _report(options, MinirunError(f"config.json makes no sense: {error}", hint))
        return 1


def _report(options: Given | None, error: Exception) -> None:
    """To the log that the engine named, and to stderr for people."""
    failures.show("minirun-oci", error, debug=bool(options and options.debug))
    if options and options.log:
        _log(options, failures.one_line(error))


def _log(options: Given, text: str) -> None:
    import time

    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = {"level": "error", "msg": text, "time": now}
    with open(options.log, "a") as log:
        if options.log_format == "json":
            log.write(jsontext.dumps(line) + "\n")
        else:
            log.write(f'time="{now}" level=error msg={jsontext.dumps(text)}\n')


# ---- the commands -------------------------------------------------------------------------------------------


def create(options: Given) -> int:
    created = _create(options)
    _write_pid_file(options, created.pid)
    return 0


def run(options: Given) -> int:
    """create and start; unless detached also wait, pass signals on, and delete."""
    master = -1
    if options.detach or not _wants_terminal(options.bundle):
        created = _create(options)
    else:
        created, master = _create_with_own_terminal(options)
    _write_pid_file(options, created.pid)
    if not options.detach:
        foreground.hold_signals()
    container.start(options.root, options.id)
    try:
        created.sync.expect_exec()
        if options.detach:
            return 0
        return foreground.wait(created.pid, master)
    finally:
        if not options.detach and not options.keep:
            container.delete(options.root, options.id, force=True)


def start(options: Given) -> None:
    container.start(options.root, options.id)


def show_state(options: Given) -> None:
    _print_json(state.read(options.root, options.id))


def kill(options: Given) -> None:
    container.kill(options.root, options.id, signal_number(options.signal), all_processes=options.all)


def delete(options: Given) -> None:
    """With --force what is gone already is success, as runc has it: an engine may have to try twice."""
    try:
        container.delete(options.root, options.id, force=options.force)
    except NotFoundError:
        if not options.force:
            raise


def execute(options: Given) -> int:
    created, master = _execute(options)
    _write_pid_file(options, created.pid)
    if options.detach:
        return 0
    return foreground.wait(created.pid, master)


def list_containers(options: Given) -> None:
    states = [state.read(options.root, name) for name in state.all_ids(options.root)]
    if options.quiet:
        say("".join(f"{one['id']}\n" for one in states), end="")
    elif options.format == "json":
        _print_json(states)
    else:
        say(f"{'ID':<20} {'PID':<8} {'STATUS':<10} {'BUNDLE':<30} CREATED")
        for one in states:
            say_line(
                f"{one['id']:<20} {one['pid']:<8} {one['status']:<10} {one['bundle']:<30} {one['created']}"
            )


def write_spec(options: Given) -> None:
    from minirun.runtime import spec

    path = os.path.join(options.bundle, "config.json")
    if os.path.exists(path):
        raise MinirunError(f"{path} exists already", "move it away first")
    files.write_json(path, spec.default_config(), 0o644)


# ---- what they share ----------------------------------------------------------------------------------------


def _create(options: Given) -> Created:
    wants = _wants_terminal(options.bundle)
    if wants != bool(options.console_socket):
        raise UsageError(
            "the container wants a terminal, so a --console-socket is needed"
            if wants
            else "--console-socket is only for a container with a terminal (process.terminal)"
        )
    console = _connect(options.console_socket) if wants else None
    keyring = not options.no_new_keyring
    return container.create(options.root, options.id, options.bundle, console=console, keyring=keyring)


def _create_with_own_terminal(options: Given) -> tuple[Created, int]:
    import socket

    from minirun.runtime import terminal

    ours, theirs = socket.socketpair()
    created = container.create(options.root, options.id, options.bundle, console=theirs)
    theirs.close()
    return created, terminal.receive_master(ours)


def _execute(options: Given) -> tuple[Created, int]:
    from minirun.runtime import joining

    process_spec = _exec_process(options)
    if not process_spec.get("terminal"):
        return joining.execute(options.root, options.id, process_spec), -1
    if options.console_socket:
        console = _connect(options.console_socket)
        return joining.execute(options.root, options.id, process_spec, console=console), -1
    import socket

    from minirun.runtime import terminal

    ours, theirs = socket.socketpair()
    created = joining.execute(options.root, options.id, process_spec, console=theirs)
    theirs.close()
    return created, terminal.receive_master(ours)


def _exec_process(options: Given) -> Process:
    """The process to start: a whole one from --process, or the container's with some things changed."""
    if options.process:
        whole: Process = files.read_json(options.process)
        return whole
    base = state.read_config(options.root, options.id)["process"]
    if not options.args:
        raise UsageError("exec needs a command, or --process FILE")
    changed = base.copy()
    changed.update({"args": options.args, "terminal": options.tty, "env": base.get("env", []) + options.env})
    if options.cwd:
        changed["cwd"] = options.cwd
    if options.user:
        uid, _, gid = options.user.partition(":")
        changed["user"] = {"uid": int(uid), "gid": int(gid or 0)}
    return changed


def _connect(path: str) -> socket.socket:
    import socket

    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.connect(path)
    except OSError as error:
        raise MinirunError(f"--console-socket {path}: {error.strerror}") from None
    return sock


def _wants_terminal(bundle: str) -> bool:
    return bool(container.load_config(bundle)["process"].get("terminal"))


def _write_pid_file(options: Given, pid: int) -> None:
    if options.pid_file:
        files.write_whole(os.path.abspath(options.pid_file), str(pid).encode())


def _print_json(value: object) -> None:
    say(jsontext.dumps(value, indent=2))


def signal_number(text: str) -> int:
    """9, KILL and SIGKILL are the same signal.  UsageError for what is none."""
    number = signals.named(text)
    if number is None:
        raise UsageError(f'unknown signal "{text}"')
    return number


# ---- the command line ---------------------------------------------------------------------------------------


def _print_version(_options: Given) -> None:
    say(f"minirun-oci version {__version__}\nspec: {state.OCI_VERSION}")


OPTIONS = (
    Option("--root", "DIR", f"directory of the containers' state (default {DEFAULT_STATE})", DEFAULT_STATE),
    Option("--log", "FILE", "file that gets error messages"),
    Option("--log-format", "FORMAT", "text or json", "text", ("text", "json")),
    Option("--debug", text="show a traceback with an error"),
)
_BUNDLE = Option("--bundle -b", "DIR", "directory with config.json (default: this one)", ".")
_CONSOLE = Option("--console-socket", "PATH", "socket that gets the master of the terminal")
_PID_FILE = Option("--pid-file", "FILE", "gets the pid of the process")
_NO_KEYRING = Option("--no-new-keyring", text="keep the session keyring of the caller")
_DETACH = Option("--detach -d", text="do not wait for the end")
_CREATE = (_BUNDLE, _CONSOLE, _PID_FILE, _NO_KEYRING)
COMMANDS = {
    "create": Command(create, "id", "make a container that waits for start", *_CREATE),
    "run": Command(
        run,
        "id",
        "create, start, wait and delete",
        *_CREATE,
        _DETACH,
        Option("--keep", text="leave the container's state behind"),
    ),
    "start": Command(start, "id", "let a created container's program begin"),
    "state": Command(show_state, "id", "print the state as JSON"),
    "kill": Command(
        kill,
        "id signal=TERM",
        "send a signal (default TERM)",
        Option("--all -a", text="to every process of the container"),
    ),
    "delete": Command(delete, "id", "remove a stopped container", Option("--force -f", text="kill it first")),
    "exec": Command(
        execute,
        "id args...",
        "start another process in a running container",
        Option("--process -p", "FILE", "the process as JSON"),
        _DETACH,
        Option("--tty -t", text="give it a terminal"),
        _CONSOLE,
        _PID_FILE,
        Option("--cwd", "DIR", "working directory"),
        Option("--user -u", "UID[:GID]", "who it runs as"),
        Option("--env -e", "NAME=VALUE", "one more variable", []),
    ),
    "list": Command(
        list_containers,
        "",
        "list the containers",
        Option("--format -f", "FORMAT", "table or json", "table", ("table", "json")),
        Option("--quiet -q", text="only the ids"),
    ),
    "spec": Command(write_spec, "", "write a config.json to start from", _BUNDLE),
    "version": Command(_print_version, "", "print the version"),
}
