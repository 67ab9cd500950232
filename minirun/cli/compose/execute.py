"""`compose exec`: one more process in a running container of a service, with a terminal where there is one.

See  cli/execute.py
"""

from __future__ import annotations

import os

import click

from minirun.cli import execute
from minirun.cli.compose import options
from minirun.engine.options import key_values
from minirun.errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.cli.compose.group import Compose


@click.command(
    "exec",
    context_settings={"allow_interspersed_args": False},
    short_help="Execute a command in a running container",
)
@click.option("-d", "--detach", is_flag=True, help="Leave it running in the background.")
@click.option("-e", "--env", multiple=True, help="NAME=VALUE, or NAME for the value it has here.")
@click.option("--index", type=int, default=0, help="Of a service's containers, this one.")
@click.option("-T", "--no-tty", "--no-TTY", is_flag=True, help="No terminal, though there is one here.")
@click.option("--privileged", is_flag=True, help="All capabilities.")
@click.option("-u", "--user", default="", help="NAME or UID, and :GROUP or :GID.")
@click.option("-w", "--workdir", default="", help="Working directory.")
@click.option("-i", "--interactive/--no-interactive", default=True, hidden=True)
@click.option("-t", "--tty", is_flag=True, hidden=True)
@click.argument("service")
@click.argument("args", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def exec_command(compose: Compose, /, service: str, args: tuple[str, ...], **words: Any) -> int:
    """Execute a command in a running container."""
    record = options.running(compose, service, words["index"]).record
    if compose.dry_run:
        raise UnsupportedError("interactive exec is not supported in dry-run mode")
    return execute.execute(
        compose.session,
        record,
        args,
        env=key_values.environment(words["env"], ()),
        user=words["user"],
        workdir=words["workdir"],
        privileged=words["privileged"],
        tty=not words["detach"] and not words["no_tty"] and (words["tty"] or has_terminal()),
        interactive=words["interactive"] and not words["detach"],
        detach=words["detach"],
    )


def has_terminal() -> bool:
    """Whether a person types here and looks here."""
    return os.isatty(0) and os.isatty(1)
