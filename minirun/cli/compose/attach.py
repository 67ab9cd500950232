"""`compose attach`: in front of a service's container that runs already.

See  cli/starting.py
"""

from __future__ import annotations

import click

from minirun.cli import attach as front
from minirun.cli import starting
from minirun.cli.compose import options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.cli.compose.group import Compose


@click.command("attach", short_help="See the output of a service's container")
@click.option("--detach-keys", default="", help="Keys that leave it running: ctrl-p,ctrl-q.")
@click.option("--index", type=int, default=0, help="Of a service's containers, this one.")
@click.option("--no-stdin", is_flag=True, help="Only look on.")
@click.option("--sig-proxy/--no-sig-proxy", default=True, help="Pass signals on to the program.")
@click.argument("service")
@click.pass_obj
def attach_command(
    compose: Compose, detach_keys: str, index: int, no_stdin: bool, sig_proxy: bool, service: str
) -> int:
    """See the output of a service's container, and type into it."""
    keys = front.detach_keys(detach_keys)
    record = options.running(compose, service, index).record
    return starting.attach_to(compose.session, record, keys=keys, no_stdin=no_stdin, signals=sig_proxy)
