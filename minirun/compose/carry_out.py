"""Carrying out a plan: each action does one thing with the engine, in a thread of its own, and tells of it.

The shims of all containers come from one small process (engine/shim/spawn.py), so a start costs no interpreter.  What
an action finds done already, by a command that was killed say, it leaves; so a plan can be carried out again.

See      running.py, making.py for the acts
Next     scheduler.py
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from minirun.compose import running
from minirun.compose.work import resource
from minirun.errors import MinirunError, sentence

if TYPE_CHECKING:
    from minirun.compose.actions import Action, Plan
    from minirun.compose.work import Work


def run(work: Work, plan: Plan) -> None:
    """Do all of it.  Raises the first failure when those that were under way have ended."""
    work.report.expect([resource(action) for action in plan if action.kind != "wait"])
    left = plan.of("leave")
    for action in left:
        _do(work, action)  # there is nothing to wait for
    work.scheduler.ended |= set(left)
    todo = [action for action in plan if action.kind != "leave"]
    work.scheduler.run({action: (functools.partial(_do, work, action), action.after) for action in todo})


def _do(work: Work, action: Action) -> None:
    if work.report.dry_run:
        from minirun.compose import dry_run

        dry_run.tell(work.report, action, resource(action))
        return
    try:
        _act(work, action)
    except (MinirunError, OSError) as error:
        work.report.failed(resource(action), _failure(action, error))
        raise


def _failure(action: Action, error: Exception) -> str:
    """What the resource's line says; the error itself is the command's last word."""
    if action.kind == "wait" and action.condition != "service_completed_successfully":
        return f"dependency {action.service} failed to start"
    return sentence(error)


def _act(work: Work, action: Action) -> None:
    if action.kind in running.ACTS:
        running.ACTS[action.kind](work, action)
        return
    from minirun.compose import (
        making,
    )  # it knows all that a service may have; those who stop something need none of it

    making.ACTS[action.kind](work, action)
