"""`doctor`: whether this machine can run containers, in one line each."""

from __future__ import annotations

import shutil
import textwrap

import click

from minirun.cli import format
from minirun.cli.commands import Session
from minirun.cli.printing import draw, say
from minirun.engine.diagnose import doctor
from minirun.printable import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.engine.diagnose.doctor import Check

_COLOURS = {doctor.OK: "green", doctor.WARN: "yellow", doctor.FAIL: "red"}
_HEADINGS = {"Check": "CHECK", "Status": "STATUS", "Found": "FOUND", "Advice": "ADVICE"}
_INDENT = " " * 23


@click.command("doctor")
@click.option("--format", "form", default="", help="json, 'table {{.Check}}', '{{.Status}}: {{.Found}}'.")
@click.pass_obj
def doctor_command(session: Session, form: str) -> int:
    """Check whether this machine can run containers, and say what to do where it cannot.

    Nothing is changed.  The exit code is 1 when something is missing that every container needs.
    """
    found = []
    for check in doctor.checks(session):
        found.append(check)
        if not form:
            draw(_line(check))  # one at a time: some take a moment
    if form:
        for line in format.lines(map(_row, found), form, _HEADINGS, list(_HEADINGS)):
            say(line)
    else:
        say(f"\n{_summary(found)}")
    return int(any(check.status == doctor.FAIL for check in found))


def _row(check: Check) -> format.Row:
    return {"Check": check.name, "Status": check.status, "Found": check.found, "Advice": check.advice}


def _line(check: Check) -> str:
    status = click.style(
        f"{check.status:<5}", fg=_COLOURS[check.status], bold=check.status == doctor.FAIL or None
    )
    line = f"{status} {check.name:<16} {printable(check.found)}"
    if check.status == doctor.OK or not check.advice:
        return line
    width = max(shutil.get_terminal_size((100, 24)).columns, 60)
    advice = textwrap.fill(
        printable(check.advice), width, initial_indent=f"{_INDENT}-> ", subsequent_indent=f"{_INDENT}   "
    )
    return f"{line}\n{advice}"


def _summary(found: list[Check]) -> str:
    failed = [check.name for check in found if check.status == doctor.FAIL]
    warned = [check.name for check in found if check.status == doctor.WARN]
    if failed:
        return f"Containers cannot run here as they should: {', '.join(failed)}."
    if warned:
        return f"Containers run here, but not everything is to be had: {', '.join(warned)}."
    return "Everything is as it should be."
