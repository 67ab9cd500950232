"""`logs`: what a container printed, its standard output to ours, its standard error to ours.

See  engine/logs/reader.py; docs/logs-and-events.md
"""

from __future__ import annotations

import os
import signal
from itertools import groupby

import click

from minirun.cli import moments
from minirun.cli.commands import Session
from minirun.cli.printing import say
from minirun.engine import containers, control
from minirun.engine.logs import reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from minirun.engine.logs.reader import Entry, Reader


@click.command("logs", short_help="Fetch the logs of a container")
@click.option("-f", "--follow", is_flag=True, help="Go on until the container has ended.")
@click.option("-n", "--tail", default="all", metavar="N", help="Begin with the last N lines.")
@click.option("--since", default="", metavar="TIME", help="Only what is not older: 10m, 2024-01-31T12:00:00.")
@click.option("--until", default="", metavar="TIME", help="Only what is not newer.")
@click.option("-t", "--timestamps", is_flag=True, help="Show when each line was written.")
@click.option("--details", is_flag=True, help="Show what --log-opt labels, env and tag added.")
@click.argument("container")
@click.pass_obj
def logs_command(
    session: Session,
    follow: bool,
    tail: str,
    since: str,
    until: str,
    timestamps: bool,
    details: bool,
    container: str,
) -> None:
    """Fetch the logs of a container."""
    begin, end = (
        moments.nanoseconds(text, name) if text else 0 for text, name in ((since, "since"), (until, "until"))
    )
    record = containers.find(session, container)
    reader.require_readable(record)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `minirun logs C | head` ends quietly, as cat would
    shim = control.connect(session, record) if follow else None  # before we read: nothing comes in between
    log = reader.Reader(
        session.container(record["id"]),
        since=moments.utc(begin) if since else "",
        until=moments.utc(end) if until else "",
        tail=_count(tail),
        follow=shim is not None,
    )
    batches = log.coming(shim, 1, end / 1e9 if until else None) if shim else log.now()
    for entries in batches:
        _show(entries, timestamps, details)
        _warn(log)


def _count(tail: str) -> int:
    """Docker takes what is no number of 64 bits for "all"."""
    return int(tail) if tail.isdecimal() and len(tail) < 20 else reader.ALL


def _show(entries: Iterable[Entry], timestamps: bool, details: bool) -> None:
    for stream, group in groupby(entries, key=lambda entry: entry["stream"]):
        if timestamps or details:
            text = "".join(_prefix(entry, timestamps, details) + entry["log"] for entry in group)
        else:
            text = "".join(entry["log"] for entry in group)
        _write(2 if stream == "stderr" else 1, text.encode(errors="replace"))


def _prefix(entry: Entry, timestamps: bool, details: bool) -> str:
    if "goes_on" in entry:
        return ""
    return (f"{entry['time']} " if timestamps else "") + (f"{_attributes(entry)} " if details else "")


def _attributes(entry: Entry) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(entry.get("attrs", {}).items()))


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _warn(log: Reader) -> None:
    if log.tail.missed:
        log.tail.missed = False
        words = "lines were missed here: the log was put aside and removed faster than it was read"
        say(f"minirun: {words}", err=True)
