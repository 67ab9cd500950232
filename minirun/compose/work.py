"""What all the actions of one command share, and how they tell of themselves."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from minirun.compose.observed import require_made
from minirun.compose.scheduler import Scheduler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from minirun.compose.actions import Action
    from minirun.compose.choice import Choice
    from minirun.compose.language.model import Project
    from minirun.compose.observed import Observed
    from minirun.compose.plan import Facts
    from minirun.compose.report import Report
    from minirun.engine.shim.spawn import Shim, Spawn
    from minirun.paths import Paths


class Work:
    """What all the actions of one command share."""

    def __init__(
        self,
        paths: Paths,
        there: Observed,
        choice: Choice,
        report: Report,
        spawn: Spawn | None = None,
        *,
        project: Project | None = None,
        facts: Facts | None = None,
    ) -> None:
        self.paths = paths
        self.project = project  # these two for what makes something
        self.facts = facts
        self.choice = choice
        self.report = report
        self.scheduler = Scheduler(choice.at_once)
        self._spawn = spawn
        self._one_spawn = threading.Lock()
        self.records = {
            (one.service, one.number): one.record for one in there.containers if not one.is_one_off
        }

    def spawn(self, expect_network: bool) -> Shim:
        """The process that makes shims hears one request at a time."""
        from minirun.engine.shim import spawn

        with self._one_spawn:
            return (self._spawn or spawn.spawn)(expect_network)

    def record_id(self, service: str) -> str:
        """The first container of another service, for `network_mode: service:x` and its like."""
        found = sorted(key for key in self.records if key[0] == service)
        return require_made(service, [self.records[key]["id"] for key in found])


def resource(action: Action) -> str:
    """As Docker Compose names it: `Container p-web-1`."""
    kind = action.kind.split()[-1]
    return f"{kind.title() if kind in ('network', 'volume', 'image') else 'Container'} {action.name}"


# {first word of an action's kind: what is told while it is done, and then}
WORDS = {
    "create": ("Creating", "Created"),
    "remake": ("Recreate", "Recreated"),
    "rename": ("Recreate", "Recreated"),
    "start": ("Starting", "Started"),
    "stop": ("Stopping", "Stopped"),
    "restart": ("Restarting", "Started"),
    "kill": ("Killing", "Killed"),
    "pause": ("Pausing", "Paused"),
    "unpause": ("Unpausing", "Unpaused"),
    "remove": ("Removing", "Removed"),
}


@contextlib.contextmanager
def told(work: Work, action: Action, kind: str = "") -> Iterator[None]:
    """`Container p-web-1 Starting`, and `Started` when that was no failure.  `kind`: where it is not the action's."""
    doing, done = WORDS[(kind or action.kind).split()[0]]
    work.report.working(resource(action), doing)
    yield
    work.report.done(resource(action), done)
