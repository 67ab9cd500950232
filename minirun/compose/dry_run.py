"""`--dry-run`: what a plan's actions would tell, told without doing them.

See  carry_out.py, which does them
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from minirun.compose.work import WORDS

if TYPE_CHECKING:
    from minirun.compose.actions import Action
    from minirun.compose.report import Report


def tell(report: Report, action: Action, resource: str) -> None:
    """The words for one action on the `resource`."""
    is_up = action.container is not None and action.container.is_up
    if action.kind == "leave":
        if is_up and action.why:
            report.done(resource, "Running")
        return
    if action.kind == "wait":
        completed = action.condition == "service_completed_successfully"
        _told(report, resource, "Waiting", "Exited" if completed else "Healthy")
        return
    if action.kind == "remove" and is_up:
        _told(report, resource, *WORDS["stop"])
    _told(report, resource, *WORDS[action.kind.split()[0]])


def _told(report: Report, resource: str, doing: str, done: str) -> None:
    report.working(resource, doing)
    report.done(resource, done)
