"""`stop`, `kill`, `restart`, `wait`, `rm`, `pause`, `unpause`, `rename`: containers that exist, from outside.

See  engine/containers.py
"""

from __future__ import annotations

import click

from minirun.cli import failures
from minirun.cli.commands import Session
from minirun.cli.printing import say
from minirun.engine import containers as engine
from minirun.errors import MinirunError, NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def for_each(
    names: tuple[str, ...], act: Callable[[str], object], fine: type[MinirunError] | None = None
) -> int:
    """Do `act` to each and print its name; go on after a failure.  Returns the exit code.

    A failure is told with its hint; one that is `fine` counts as none.
    """
    code = 0
    for name in names:
        try:
            act(name)
        except (MinirunError, OSError) as error:
            failures.show("minirun", error)
            code = code if fine and isinstance(error, fine) else 1
        else:
            say(name)
    return code


def _remark(words: str) -> None:
    if words:
        say(f"minirun: {words}", err=True)


_seconds = click.option("-t", "--time", "--timeout", "timeout", type=int, help="Seconds to wait for its end.")
_signal = click.option("-s", "--signal", "signal_name", default="", help="Signal to send: TERM, 9, SIGHUP.")
_containers = click.argument("containers", nargs=-1, required=True)


@click.command("stop")
@_seconds
@_signal
@_containers
@click.pass_obj
def stop_command(session: Session, timeout: int | None, signal_name: str, containers: tuple[str, ...]) -> int:
    """Stop one or more running containers."""

    def stop(name: str) -> None:
        _remark(engine.stop(session, engine.find(session, name), timeout, signal_name))

    return for_each(containers, stop)


@click.command("restart")
@_seconds
@_signal
@_containers
@click.pass_obj
def restart_command(
    session: Session, timeout: int | None, signal_name: str, containers: tuple[str, ...]
) -> int:
    """Restart one or more containers."""

    def restart(name: str) -> None:
        _remark(engine.restart(session, engine.find(session, name), timeout, signal_name, session.spawn))

    return for_each(containers, restart)


@click.command("kill")
@click.option("-s", "--signal", "signal_name", default="KILL", help="Signal to send instead of KILL.")
@_containers
@click.pass_obj
def kill_command(session: Session, signal_name: str, containers: tuple[str, ...]) -> int:
    """Kill one or more running containers."""
    number = engine.signal_number(signal_name)
    return for_each(containers, lambda name: engine.kill(session, engine.find(session, name), number))


@click.command("wait")
@_containers
@click.pass_obj
def wait_command(session: Session, containers: tuple[str, ...]) -> int:
    """Block until containers stop, then print their exit codes."""
    code = 0
    for name in containers:
        try:
            say(str(engine.wait(session, engine.find(session, name))))
        except MinirunError as error:
            failures.show("minirun", error)
            code = 1
    return code


@click.command("rm")
@click.option("-f", "--force", is_flag=True, help="Kill it first if it runs.")
@click.option("-v", "--volumes", is_flag=True, help="Its anonymous volumes, too.")
@click.option("-l", "--link", is_flag=True, help="Not the container: WEB/DB is what WEB calls another one.")
@_containers
@click.pass_obj
def rm_command(session: Session, force: bool, volumes: bool, link: bool, containers: tuple[str, ...]) -> int:
    """Remove one or more containers."""

    def remove(name: str) -> None:
        if link:
            from minirun.engine import networks  # with what makes bridges, which few removals need

            networks.unlink(session, name)
            return
        engine.remove(session, engine.find(session, name), force=force, with_volumes=volumes)

    return for_each(containers, remove, fine=NotFoundError if force else None)


@click.command("pause")
@_containers
@click.pass_obj
def pause_command(session: Session, containers: tuple[str, ...]) -> int:
    """Freeze all processes of one or more containers."""
    return for_each(containers, lambda name: engine.pause(session, engine.find(session, name)))


@click.command("unpause")
@_containers
@click.pass_obj
def unpause_command(session: Session, containers: tuple[str, ...]) -> int:
    """Let frozen containers go on."""
    return for_each(containers, lambda name: engine.unpause(session, engine.find(session, name)))


@click.command("rename")
@click.argument("container")
@click.argument("name")
@click.pass_obj
def rename_command(session: Session, container: str, name: str) -> None:
    """Give a container another name."""
    engine.rename(session, engine.find(session, container), name)
