"""`minirun network why`: a packet's way, with a mark at each hop.

See      teach/packet_path.py, where it is walked; docs/networks.md
"""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING

import click

from minirun.cli import format
from minirun.cli.printing import draw, say
from minirun.errors import UsageError
from minirun.printable import printable
from minirun.teach import packet_path, path_checks

if TYPE_CHECKING:
    from minirun.paths import Paths
    from minirun.teach.path_checks import Hop

_MARKS = {
    path_checks.OK: ("✓", "green"),
    path_checks.FAIL: ("✗", "red"),
    path_checks.NONE: ("–", "bright_black"),
}
_HEADINGS = {"Hop": "HOP", "Status": "STATUS", "Found": "FOUND", "Advice": "ADVICE"}
_NAME = 12  # columns
_INDENT = " " * (_NAME + 3)
_NARROWEST, _USUAL = 60, 100


@click.command("why", short_help="Walk a packet's way and say where it ends")
@click.option("--format", "form", default="", help="json, 'table {{.Hop}}', '{{.Status}}: {{.Found}}'.")
@click.argument("words", nargs=-1, required=True, metavar="[CONTAINER] TARGET:PORT[/udp]")
@click.pass_obj
def why_command(paths: Paths, form: str, words: tuple[str, ...]) -> int:
    """Walk a packet's way, and say which hop fails and what to do.

    \b
    minirun network why host:8080        this host's port: published, and answered?
    minirun network why localhost:8080   the same as the host itself sees it
    minirun network why app db:5432      from one container to another
    minirun network why app example.org:443

    Nothing is changed.  The exit code is 0 when the way is free, and 1 when a hop fails.
    """
    if len(words) > 2:
        raise UsageError("a way has two ends", "minirun network why [CONTAINER] TARGET:PORT")
    found = []
    for hop in packet_path.walk(paths, words):
        found.append(hop)
        if not form:
            draw("\n".join(_lines(hop)))  # one at a time: some take a moment
    if form:
        for line in format.lines(map(_row, found), form, _HEADINGS, list(_HEADINGS)):
            say(line)
    else:
        say(f"\n{path_checks.verdict(found)}")
    return int(path_checks.failed(found) is not None)


def _row(hop: Hop) -> format.Row:
    return {"Hop": hop.name, "Status": hop.status, "Found": hop.found, "Advice": hop.advice}


def _lines(hop: Hop) -> list[str]:
    mark, colour = _MARKS[hop.status]
    width = max(shutil.get_terminal_size((_USUAL, 24)).columns, _NARROWEST)
    found = textwrap.wrap(printable(hop.found), width - len(_INDENT), break_on_hyphens=False)
    lines = [
        f"{click.style(mark, fg=colour)} {hop.name:<{_NAME}} {found[0]}",
        *(_INDENT + more for more in found[1:]),
    ]
    if hop.advice:
        wrapped = textwrap.wrap(printable(hop.advice), width - len(_INDENT) - 3, break_on_hyphens=False)
        lines += [f"{_INDENT}{'-> ' if number == 0 else '   '}{text}" for number, text in enumerate(wrapped)]
    return lines
