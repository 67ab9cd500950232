"""`minirun exec`: one more process in a running container.  It is a child of this command, not of the shim."""

from __future__ import annotations

import os
import socket

import click

from minirun.cli import foreground
from minirun.cli.commands import Session
from minirun.engine import lifecycle, options
from minirun.errors import UsageError
from minirun.runtime import terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.runtime.config import Process


@click.command("exec", context_settings={"allow_interspersed_args": False})
@click.option("-i", "--interactive", is_flag=True, help="Keep STDIN open.")
@click.option("-t", "--tty", is_flag=True, help="Give it a terminal.")
@click.option("-d", "--detach", is_flag=True, help="Leave it running in the background.")
@click.option("-e", "--env", multiple=True, help="NAME=VALUE, or NAME for the value it has here.")
@click.option("--env-file", multiple=True, help="File with one NAME=VALUE a line.")
@click.option("-u", "--user", default="", help="NAME or UID, and :GROUP or :GID.")
@click.option("-w", "--workdir", default="", help="Working directory.")
@click.option("--privileged", is_flag=True, help="All capabilities.")
@click.argument("container")
@click.argument("args", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def exec_command(
    session: Session, /, container: str, args: tuple[str, ...], detach: bool, **words: Any
) -> int:
    """Execute a command in a running container."""
    if words["tty"] and words["interactive"] and not detach and not os.isatty(0):
        raise UsageError(
            "the input device is not a TTY", "leave -t out when input comes from a pipe or a file"
        )
    words["env"] = options.environment(words["env"], words["env_file"])
    record = lifecycle.find(session, container)
    lifecycle.require_running(record)
    process = lifecycle.exec_process(record, list(args), words)
    if words["tty"] and not detach:
        return _with_terminal(session, record, process)
    process["terminal"] = False
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    stdio = (null, null, null) if detach else (0 if words["interactive"] else null, 1, 2)
    created = lifecycle.execute(session, record, process, stdio, None)
    return 0 if detach else foreground.wait(created.pid)


def _with_terminal(session: Session, record: Any, process: Process) -> int:
    ours, theirs = socket.socketpair()
    if os.isatty(0):
        rows, columns = terminal.size(0)
        process["consoleSize"] = {"height": rows, "width": columns}
    created = lifecycle.execute(session, record, process, None, theirs)
    theirs.close()
    return foreground.wait(created.pid, terminal.receive_master(ours))
