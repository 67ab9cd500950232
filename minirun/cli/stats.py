"""`stats`: what containers use, drawn anew each second.

See  engine/view/stats.py for where each number comes from
"""

from __future__ import annotations

import sys
import time

import click

from minirun.cli import format, units
from minirun.cli.commands import Session
from minirun.cli.printing import draw, say
from minirun.engine import containers as engine
from minirun.engine.view import stats
from minirun.printable import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minirun.engine.record_types import Record
    from minirun.engine.view.stats import Sample

    Found = list[tuple[Record, Sample | None]]

_HEADINGS = {
    "ID": "CONTAINER ID",
    "Name": "NAME",
    "CPUPerc": "CPU %",
    "MemUsage": "MEM USAGE / LIMIT",
    "MemPerc": "MEM %",
    "NetIO": "NET I/O",
    "BlockIO": "BLOCK I/O",
    "PIDs": "PIDS",
    "Throttled": "THROTTLED",
    "MemAnon": "ANON",
    "MemFile": "FILE",
    "MemShmem": "SHMEM",
    "MemKernel": "KERNEL",
    "CPUPressure": "CPU WAIT",
    "MemPressure": "MEM WAIT",
    "IOPressure": "IO WAIT",
    "Container": "CONTAINER",
}
_COLUMNS = list(_HEADINGS)[:8]
_WIDE = list(_HEADINGS)[:16]
INTERVAL = 1.0  # seconds
_NOTHING = "--"  # Docker's word for what is not known
_HOME_AND_CLEAR = "\x1b[H\x1b[J"


@click.command("stats")
@click.option("-a", "--all", "every", is_flag=True, help="Those that do not run, too.")
@click.option("--no-stream", is_flag=True, help="Once, not until Ctrl-C.")
@click.option("--no-trunc", is_flag=True, help="Whole IDs.")
@click.option("-w", "--wide", is_flag=True, help="Throttling, kinds of memory and pressure, too.")
@click.option("--format", "form", default="", help="json, 'table {{.Name}}', '{{.Name}}: {{.CPUPerc}}'.")
@click.argument("containers", nargs=-1)
@click.pass_obj
def stats_command(
    session: Session,
    every: bool,
    no_stream: bool,
    no_trunc: bool,
    wide: bool,
    form: str,
    containers: tuple[str, ...],
) -> None:
    """Display what containers use, once a second until Ctrl-C."""
    show(lambda: _look(session, containers, every), form, whole=no_trunc, wide=wide, once=no_stream)


def show(
    look: Callable[[], Found], form: str, *, whole: bool = False, wide: bool = False, once: bool = False
) -> None:
    """What the containers that `look` finds have used since it looked before, `once` or until Ctrl-C."""
    before = look()
    while True:
        time.sleep(INTERVAL)
        now = look()
        earlier = {record["id"]: sample for record, sample in before}
        rows = [row(record, earlier.get(record["id"]), sample, whole=whole) for record, sample in now]
        lines = format.lines(rows, form, _HEADINGS, _WIDE if wide else _COLUMNS)
        text = "".join(f"{line}\n" for line in lines)
        if sys.stdout.isatty() and not once:
            draw(_HOME_AND_CLEAR + printable(text), end="")
        else:
            say(text, end="")
        if once:
            return
        before = now


def _look(session: Session, names: tuple[str, ...], every: bool) -> Found:
    """A sample of each container.  Raises NotFoundError for a name that none has."""
    if names:
        chosen = [engine.find(session, name) for name in names]
    else:
        chosen = [one for one in engine.all_containers(session) if every or engine.is_under_way(one)]
    return [(record, stats.sample(record)) for record in chosen]


def row(record: Record, before: Sample | None, now: Sample | None, *, whole: bool = False) -> format.Row:
    """The fields of `--format`."""
    name = {
        "Container": record["id"] if whole else record["id"][:12],
        "ID": record["id"] if whole else record["id"][:12],
        "Name": record["name"],
    }
    if now is None:
        return dict.fromkeys(_HEADINGS, _NOTHING) | {"MemUsage": _of(_NOTHING, _NOTHING)} | name
    return {
        **name,
        "CPUPerc": _percent(stats.cpu_percent(before, now) if before else None),
        "MemUsage": _of(_binary(now.memory_bytes), _binary(now.memory_max)),
        "MemPerc": _percent(_part(now.memory_bytes, now.memory_max)),
        "NetIO": _pair(now.network),
        "BlockIO": _pair(now.io),
        "PIDs": _NOTHING if now.tasks is None else str(now.tasks),
        "Throttled": _percent(stats.throttled_percent(before, now) if before else None),
        **{f"Mem{part.title()}": _binary(now.memory_parts.get(part)) for part in stats.PARTS},
        "CPUPressure": _percent(now.pressure["cpu"]),
        "MemPressure": _percent(now.pressure["memory"]),
        "IOPressure": _percent(now.pressure["io"]),
    }


def _part(used: int | None, whole: int | None) -> float | None:
    return 100 * used / whole if used is not None and whole else None


def _percent(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.2f}%"


def _binary(count: int | None) -> str:
    return _NOTHING if count is None else units.binary_size(count)


def _pair(counts: tuple[int, int] | None) -> str:
    return _of(*(units.size(count) for count in counts)) if counts else _of(_NOTHING, _NOTHING)


def _of(left: str, right: str) -> str:
    return f"{left} / {right}"
