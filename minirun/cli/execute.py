"""`minirun exec`: one more process in a running container, started by its shim with our own streams."""

from __future__ import annotations

import os
import stat

import click

from minirun.cli import attach, foreground
from minirun.cli.commands import Session
from minirun.engine import containers
from minirun.engine.options import key_values
from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from minirun.engine.record_types import Record


@click.command("exec", context_settings={"allow_interspersed_args": False})
@click.option("-i", "--interactive", is_flag=True, help="Keep STDIN open.")
@click.option("-t", "--tty", is_flag=True, help="Give it a terminal.")
@click.option("-d", "--detach", is_flag=True, help="Leave it running in the background.")
@click.option("-e", "--env", multiple=True, help="NAME=VALUE, or NAME for the value it has here.")
@click.option("--env-file", multiple=True, help="File with one NAME=VALUE a line.")
@click.option("-u", "--user", default="", help="NAME or UID, and :GROUP or :GID.")
@click.option("-w", "--workdir", default="", help="Working directory.")
@click.option("--privileged", is_flag=True, help="All capabilities.")
@click.option("--detach-keys", default="", help="Keys that leave it running: ctrl-p,ctrl-q.")
@click.argument("container")
@click.argument("args", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def exec_command(
    session: Session,
    /,
    container: str,
    args: tuple[str, ...],
    detach: bool,
    interactive: bool,
    tty: bool,
    detach_keys: str,
    **words: Any,
) -> int:
    """Execute a command in a running container."""
    keys = attach.detach_keys(detach_keys)
    env = key_values.environment(words["env"], words["env_file"])
    return execute(
        session,
        containers.find(session, container),
        args,
        env=env,
        user=words["user"],
        workdir=words["workdir"],
        privileged=words["privileged"],
        tty=tty,
        interactive=interactive,
        detach=detach,
        keys=keys,
    )


def execute(
    session: Session,
    record: Record,
    args: Sequence[str],
    *,
    env: Sequence[str],
    user: str,
    workdir: str,
    privileged: bool,
    tty: bool,
    interactive: bool,
    detach: bool,
    keys: bytes = attach.DETACH_KEYS,
) -> int:
    """Run it, and stay in front of it until it ends unless `detach`.  Returns the exit code."""
    if tty and interactive and not detach and not os.isatty(0):
        raise UsageError(
            "the input device is not a TTY", "leave -t out when input comes from a pipe or a file"
        )
    passed = [] if tty else _descriptors(interactive, detach)
    foreground.hold_signals()
    with containers.execute(
        session,
        record,
        args,
        env=env,
        user=user,
        workdir=workdir,
        privileged=privileged,
        tty=tty,
        size=attach.own_size() if tty else (0, 0),
        interactive=interactive,
        detach=detach,
        descriptors=passed,
    ) as attached:
        if detach:
            return 0
        end = attach.attach(attached, interactive=interactive and not passed, tty=tty, keys=keys)
        return end.code if end else 0


def _descriptors(interactive: bool, detach: bool) -> list[int]:
    """What is to be the program's 0, 1 and 2; none when one is not for a container, and pipes have to do."""
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    wanted = [null, null, null] if detach else [0 if interactive else null, 1, 2]
    return wanted if all(map(_can_be_given, wanted)) else []


def _can_be_given(fd: int) -> bool:
    """Whether it is a pipe, a socket, or the null device.

    A terminal could be read when nobody thinks of it any more; a file could be opened anew through /proc/self/fd, for
    more than it was opened for here, or its mode be changed.
    """
    try:
        status, name = os.fstat(fd), os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return False
    is_null = stat.S_ISCHR(status.st_mode) and status.st_rdev == os.makedev(1, 3)
    return is_null or name.startswith(("pipe:[", "socket:["))
