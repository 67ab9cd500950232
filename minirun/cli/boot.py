"""`system restore`, `shutdown`, `install-service`, `uninstall-service` and `reset`: the machine's coming and going.

By hand  systemctl cat minirun; systemctl status minirun
"""

from __future__ import annotations

import os
import shutil
import sys

import click

from minirun import files
from minirun.cli.commands import Session
from minirun.cli.printing import say
from minirun.engine import records
from minirun.errors import ConflictError, MinirunError, UnsupportedError, in_words
from minirun.linux import programs
from minirun.paths import DEFAULT_REGISTRIES, DEFAULT_ROOT, DEFAULT_STATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minirun.engine.containers import Report

UNIT = "minirun.service"
_PLACE = "/etc/systemd/system"
_BOOTED = "/run/systemd/system"  # there when systemd is PID 1: sd_booted(3)


@click.command("restore", short_help="Start the containers whose restart policy wants it")
@click.pass_obj
def restore_command(session: Session) -> int:
    """Start the containers that are to run after a boot and do not run; print their names."""
    from minirun.engine import restore

    return _for_all(lambda report: restore.restore(session, report, session.spawn))


@click.command("shutdown", short_help="Stop all containers until the next restore")
@click.pass_obj
def shutdown_command(session: Session) -> int:
    """Stop all containers, all at once, so that `system restore` starts them again; print their names."""
    from minirun.engine import restore

    return _for_all(lambda report: restore.shut_down(session, report))


def _for_all(act: Callable[[Report], None]) -> int:
    """One line for each container, a name or an error.  Returns the exit code."""
    failed = []

    def report(name: str, error: Exception | None) -> None:
        if error:
            failed.append(name)
            say(f"minirun: {name}: {in_words(error)}", err=True)
        else:
            say(name)

    act(report)
    return 1 if failed else 0


# ---- the unit ---------------------------------------------------------------------------------------------


@click.command("install-service", short_help="Have systemd restore containers at boot")
@click.option("--prefix", default="", help="Root of the system to install into, if it is not this one.")
@click.pass_obj
def install_command(session: Session, prefix: str) -> None:
    """Write and enable minirun.service: `system restore` at boot, `system shutdown` before the machine goes down."""
    program = _program()
    text = unit([program, *_global_options(session)], session.root)
    _require_systemctl(program)
    path = f"{prefix}{_PLACE}/{UNIT}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    files.write_whole(path, text.encode())
    say(f"Wrote {path}")
    _systemctl(prefix, "enable", UNIT)
    if _is_booted(prefix):
        _systemctl("", "daemon-reload")
        _systemctl("", "start", UNIT)
        say("Containers come back when this machine boots.")
    else:
        say("Containers come back when a machine boots on which systemd runs; here it does not run now.")


@click.command("uninstall-service", short_help="Take minirun.service away")
@click.option("--prefix", default="", help="Root of the system it is in, if it is not this one.")
def uninstall_command(prefix: str) -> None:
    """Disable and remove minirun.service.  Containers that run go on."""
    path = f"{prefix}{_PLACE}/{UNIT}"
    if not os.path.exists(path):
        raise MinirunError(f"{path} is not there", "`minirun system install-service` writes it")
    _systemctl(prefix, "disable", UNIT)
    os.unlink(path)
    if _is_booted(prefix):
        _systemctl("", "daemon-reload")
    say(f"Removed {path}")


def unit(command: list[str], root: str) -> str:
    """The unit file, for the words that start minirun and the directory that has to be mounted first."""
    with open(f"{os.path.dirname(__file__)}/{UNIT}", encoding="utf-8") as file:
        text = file.read()
    return text.replace("@MINIRUN@", " ".join(map(quoted, command))).replace("@ROOT@", quoted(root, "%"))


def quoted(word: str, special: str = "%$") -> str:
    """One word of a unit file, see systemd.service(5) "COMMAND LINES": % and $ are doubled, spaces need quotes."""
    for letter in special:
        word = word.replace(letter, letter * 2)
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if set(word) & set(" \t\"'\\;") else word


def _program() -> str:
    """Where this minirun is started from: the installed command, or the launcher of the checkout."""
    launcher = os.path.realpath(f"{os.path.dirname(__file__)}/../../scripts/minirun")
    for path in (sys.argv[0], launcher, shutil.which("minirun") or ""):
        if os.path.isabs(path) and os.access(path, os.X_OK):
            return path
    raise MinirunError("there is no program for systemd to start", "install minirun, or call scripts/minirun")


def _global_options(session: Session) -> list[str]:
    """--root and its like, where they are not what they are by default."""
    given = (
        ("--root", session.root, DEFAULT_ROOT),
        ("--state", session.state, DEFAULT_STATE),
        ("--config", session.registries, DEFAULT_REGISTRIES),
    )
    return [word for option, value, default in given if value != default for word in (option, value)]


def _is_booted(prefix: str) -> bool:
    return not prefix and os.path.isdir(_BOOTED)


def _require_systemctl(program: str) -> None:
    if not shutil.which("systemctl"):
        hint = f"have your init run `{program} system restore` at boot, and `{program} system shutdown` at the end"
        raise UnsupportedError("this machine has no systemd, so there is no service to install", hint)


def _systemctl(prefix: str, *words: str) -> None:
    command = ["systemctl", *([f"--root={prefix}"] if prefix else []), *words]
    result = programs.run(command)
    if result.code:
        raise MinirunError(f"{' '.join(command)}: {result.errors.strip() or f'exit code {result.code}'}")


# ---- reset ------------------------------------------------------------------------------------------------

_WARNING = """WARNING! This will remove:
  - all containers{running}
  - all images
  - all volumes, with the data in them
  - all networks
  - the directories {root} and {state}
Are you sure you want to continue?"""


@click.command("reset", short_help="Remove all containers, images, volumes and networks")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.pass_obj
def reset_command(session: Session, force: bool) -> None:
    """Remove all that minirun keeps under --root and --state, running containers too."""
    from minirun.build import run_state
    from minirun.engine import reset

    if run_state.is_building(session):
        raise ConflictError("a build is running here", "Ctrl-C ends it")
    run_state.clear_leftovers(session)
    up = sum(records.is_up(record) for record in records.list_all(session))
    running = f", {up} of them running" if up else ""
    words = _WARNING.format(running=running, root=session.root, state=session.state)
    if not force and not click.confirm(words, prompt_suffix=" "):
        raise MinirunError("system reset has been cancelled")
    for path in reset.reset(session):
        say(f"minirun: {path} is kept: what is left in it is not minirun's, or it is mounted", err=True)
