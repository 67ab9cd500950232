"""What is done to the containers of a project that are there: start, stop, restart, kill, pause, unpause, rm, down.

What they have to come after, and their hooks, stand in their labels and annotations, so no file is needed.  Each is
planned under the project's lock: what another command has just changed is seen.

Next     plan_down.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from minirun.compose import carry_out, observed, plan_down, project_lock
from minirun.compose.actions import Plan, on
from minirun.compose.choice import Choice
from minirun.compose.work import Work
from minirun.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from minirun.compose.actions import Kind
    from minirun.compose.language.model import Project
    from minirun.compose.observed import Container, Observed
    from minirun.compose.report import Report
    from minirun.engine.shim.spawn import Spawn
    from minirun.paths import Paths


def start(
    paths: Paths,
    name: str,
    services: Sequence[str],
    report: Report,
    spawn: Spawn | None = None,
    expected: Iterable[str] = (),
) -> None:
    """Start what does not run, and what it depends on, in order and as each condition says.

    Raises NotFoundError for one of `services`, or of those `expected`, that has no container.
    """

    def plan(there: Observed) -> Plan:
        for service in services or expected:
            if not there.of(service):
                raise NotFoundError(
                    f'service "{service}" has no container to start', f"minirun compose up {service}"
                )
        return plan_down.starts(there, services or there.services())

    _carry_out(paths, name, plan, report, spawn=spawn)


def stop(
    paths: Paths, name: str, services: Sequence[str], report: Report, timeout_seconds: int | None = None
) -> None:
    """Stop what runs, each before what it depends on."""

    def plan(there: Observed) -> Plan:
        return plan_down.backwards("stop", _running(there, services))

    _carry_out(paths, name, plan, report, Choice(timeout_seconds=timeout_seconds))


def restart(
    paths: Paths,
    name: str,
    services: Sequence[str],
    report: Report,
    timeout_seconds: int | None = None,
    spawn: Spawn | None = None,
    *,
    dependents: bool = True,
) -> None:
    """Stop and start what is there, each behind what it depends on.

    `dependents`: those as well that depend on one of `services` with `restart: true`.
    """

    def plan(there: Observed) -> Plan:
        chosen = _chosen(there, services)
        if dependents and services:
            others = (one for one in there.containers if one.service not in services and not one.is_one_off)
            chosen += [one for one in others if set(one.restarts_with) & set(services)]
        return plan_down.forwards("restart", chosen)

    _carry_out(paths, name, plan, report, Choice(timeout_seconds=timeout_seconds), spawn=spawn)


def kill(paths: Paths, name: str, services: Sequence[str], report: Report, signal: int) -> bool:
    """Send a signal to what runs.  Returns whether there was anything."""

    def plan(there: Observed) -> Plan:
        return _each("kill", _running(there, services), str(signal))

    return bool(_carry_out(paths, name, plan, report).actions)


def pause(paths: Paths, name: str, services: Sequence[str], report: Report) -> None:
    """Freeze what runs.  Raises ConflictError for what is frozen already."""
    _carry_out(paths, name, lambda there: _each("pause", _running(there, services)), report)


def unpause(paths: Paths, name: str, services: Sequence[str], report: Report) -> None:
    """Let what is frozen go on.  Raises ConflictError for what is not."""
    _carry_out(paths, name, lambda there: _each("unpause", _running(there, services)), report)


def to_remove(paths: Paths, name: str, services: Sequence[str], *, running: bool = False) -> list[Container]:
    """What `compose rm` would remove: the containers that have ended, or with `running` all."""
    there = observed.look(paths, name)
    return [one for one in _chosen(there, services) if running or not one.is_up]


def remove(
    paths: Paths, name: str, found: Sequence[Container], report: Report, *, with_volumes: bool = False
) -> None:
    """Remove these containers, whether they run or not; `with_volumes`: their anonymous volumes, too."""
    choice = Choice(renew_anonymous_volumes=with_volumes)
    _carry_out(paths, name, lambda _: _each("remove", found), report, choice)


def down(paths: Paths, name: str, project: Project | None, wish: plan_down.Down, report: Report) -> bool:
    """Take it all away, and what is left in use stays with a word.  Returns whether there was anything."""
    choice = Choice(timeout_seconds=wish.timeout_seconds, renew_anonymous_volumes=wish.volumes)
    made = _carry_out(paths, name, lambda there: plan_down.down(project, name, there, wish), report, choice)
    return bool(made.actions)


def _chosen(there: Observed, services: Sequence[str]) -> list[Container]:
    return [one for name in services or there.services() for one in there.of(name)]


def _running(there: Observed, services: Sequence[str]) -> list[Container]:
    return [one for one in _chosen(there, services) if one.is_up]


def _each(kind: Kind, found: Iterable[Container], condition: str = "") -> Plan:
    """The same for each, in no order."""
    made = Plan()
    for one in found:
        made.add(on(kind, one, condition=condition))
    return made


def _carry_out(
    paths: Paths,
    name: str,
    plan: Callable[[Observed], Plan],
    report: Report,
    choice: Choice | None = None,
    *,
    spawn: Spawn | None = None,
) -> Plan:
    with project_lock.held(paths, name, report):
        there = observed.look(paths, name)
        made = plan(there)
        for warning in made.warnings:
            report.say(warning)
        carry_out.run(Work(paths, there, choice or Choice(), report, spawn), made)
    return made
