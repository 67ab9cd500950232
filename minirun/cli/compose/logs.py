"""`compose logs`: what the containers of a project printed, in the order in which they did, each line with its name.

See  log_lines.py; compose/following.py
"""

from __future__ import annotations

import signal

import click

from minirun.cli import moments
from minirun.cli.compose import choosing
from minirun.cli.compose.log_lines import LogLines
from minirun.compose.following import Follower
from minirun.engine.logs import reader
from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.cli.compose.group import Compose


@click.command("logs", short_help="View what containers printed")
@click.option("-f", "--follow", is_flag=True, help="Go on until all have ended, and follow those that start.")
@click.option("-n", "--tail", default="all", metavar="N", help="Begin with the last N lines of each.")
@click.option("--since", default="", metavar="TIME", help="Only what is not older: 10m, 2024-01-31T12:00:00.")
@click.option("--until", default="", metavar="TIME", help="Only what is not newer.")
@click.option("-t", "--timestamps", is_flag=True, help="Show when each line was written.")
@click.option("--no-color", is_flag=True, help="Show no colours.")
@click.option("--no-log-prefix", is_flag=True, help="Show no names.")
@click.option("--index", type=int, default=0, help="Of a service's containers, this one.")
@click.argument("services", nargs=-1)
@click.pass_obj
def logs_command(
    compose: Compose,
    follow: bool,
    tail: str,
    since: str,
    until: str,
    timestamps: bool,
    no_color: bool,
    no_log_prefix: bool,
    index: int,
    services: tuple[str, ...],
) -> None:
    """View what containers printed."""
    if index and len(services) != 1:
        raise UsageError("--index asks for one service")
    begin = moments.utc(moments.nanoseconds(since, "since")) if since else ""
    end = moments.nanoseconds(until, "until") if until else 0
    colours = not no_color and compose.colours()
    lines = LogLines(colours=colours, prefixes=not no_log_prefix, timestamps=timestamps, apart=False)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `minirun compose logs | head` ends quietly
    with Follower(
        compose.session, compose.name(), lines, services, moments.utc(end) if end else ""
    ) as follower:
        chosen = choosing.containers(
            compose, services
        )  # after the follower is there: nothing comes in between
        found = [one.record for one in chosen if index in (0, one.number)]
        lines.register(found)
        for record in found:
            if record["options"]["log"]["driver"] == "none" and not follow:
                compose.warn(
                    f'"{record["name"]}" keeps no log: configured logging driver does not support reading'
                )
            follower.add(record, since=begin, tail=_count(tail))
        if follow:
            follower.expected = {one.id for one in chosen if not one.is_up}  # they may be started yet
            follower.output, follower.deadline = 1, end / 1e9 if end else None
            follower.run()
        else:
            follower.tell_now()


def _count(tail: str) -> int:
    """Docker takes what is no number for "all"."""
    return int(tail) if tail.isdecimal() else reader.ALL
