"""What the commands of Compose do to a whole project: up, create, down, start, stop and their like.

    up, create               images, then a plan (plan.py), carried out (carry_out.py)
    down                     the other way round: from the labels of what is there, and from the file if there is one
    start, stop, restart, kill, pause, unpause, remove
                             to containers that are there, each behind those that it was made to come after, or before

Next     plan.py
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from minirun.compose import (
    carry_out,
    conditions,
    images,
    names,
    observed,
    order,
    plan,
    plan_down,
    project_lock,
    secrets,
    unsupported,
)
from minirun.compose.actions import Plan, on
from minirun.compose.choice import Choice
from minirun.compose.language.model import Project
from minirun.compose.observed import Container, Observed
from minirun.compose.plan import Facts
from minirun.errors import ConflictError, MinirunError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from minirun.compose.actions import Kind
    from minirun.compose.report import Report
    from minirun.engine.shim.spawn import Spawn
    from minirun.paths import Paths


def up(
    paths: Paths, project: Project, choice: Choice, report: Report, spawn: Spawn | None = None
) -> list[Container]:
    """Make it so; returns the containers of the services that were chosen.  `choice.start` false: only make them."""
    from minirun.compose import facts  # YAML comes with it, and those below have no use for that

    services = order.selected(project, choice.services, dependencies=choice.dependencies)
    _require_possible(project, services, report)
    with project_lock.held(paths, project.name, report):
        image_ids = images.ensure(paths, project, services, choice, report)
        there = observed.look(paths, project.name)
        known = facts.gather(paths, project, services, image_ids)
        made = plan.up(project, there, known, choice)
        for warning in made.warnings:
            report.say(warning)
        carry_out.run(carry_out.Work(paths, project, there, known, choice, report, spawn), made)
    return [one for one in observed.containers_of(paths, project.name) if one.service in services]


def _require_possible(project: Project, services: Iterable[str], report: Report) -> None:
    """Raises MinirunError for what cannot be had, before anything is made; tells what is left out."""
    unsupported.refuse(project, services)
    for name in services:
        secrets.check(project, project.services[name])
    for text in unsupported.left_out(project, services):
        report.say(text)


def planned(paths: Paths, project: Project, choice: Choice) -> Plan:
    """What `up` would do now, with the images that are here; nothing is changed."""
    from minirun.compose import facts

    services = order.selected(project, choice.services, dependencies=choice.dependencies)
    there = observed.look(paths, project.name)
    return plan.up(project, there, facts.gather(paths, project, services), choice)


def wait_until_ready(
    paths: Paths,
    found: Sequence[Container],
    report: Report,
    timeout_seconds: float = 0,
    is_stopped: Callable[[], bool] = lambda: False,
) -> None:
    """`--wait`: until each is healthy, or runs where it has no health check.  0 seconds: for ever.

    Raises ConflictError when that cannot come any more, MinirunError when it has not come in time.
    """
    deadline = time.monotonic() + timeout_seconds if timeout_seconds else float("inf")
    ending = {name for one in found for name in one.completing}
    for container in found:
        condition = _ready_when(container, ending)
        resource = f"Container {container.name}"
        report.working(resource, "Waiting")
        try:
            conditions.wait(paths, container.record, condition, is_stopped, deadline)
        except TimeoutError:
            raise MinirunError(
                f"application not healthy after {timeout_seconds:g}s",
                f"container {container.name}: {conditions.reason(paths, container.record)}",
            ) from None
        except ConflictError as error:
            report.failed(resource, error.message)
            raise
        report.done(resource, conditions.DONE[condition])
    for container in found:
        if container.service not in ending:
            conditions.require_up(paths, container.record)


def _ready_when(container: Container, ending: set[str]) -> str:
    """The condition that `--wait` waits for; `ending` are services whose end others wait for."""
    if container.service in ending:
        return "service_completed_successfully"
    health = container.record["health"]
    return "service_healthy" if health and health["test"][:1] != ["NONE"] else "service_started"


# ---- containers that are there --------------------------------------------------------------------------------------


def start(
    paths: Paths,
    name: str,
    services: Sequence[str],
    report: Report,
    spawn: Spawn | None = None,
    project: Project | None = None,
) -> None:
    """Start what does not run, each behind what it depends on, as its condition says where there is a file."""
    there = observed.look(paths, name)
    _require_all(there, project, services)
    wanted = [one for one in _chosen(there, services) if not one.is_up]
    _carry_out(paths, name, there, plan_down.forwards("start", wanted), report, spawn=spawn, project=project)


def stop(
    paths: Paths,
    name: str,
    services: Sequence[str],
    report: Report,
    timeout_seconds: int | None = None,
    project: Project | None = None,
) -> None:
    """Stop what runs, each before what it depends on."""
    there = observed.look(paths, name)
    wanted = [one for one in _chosen(there, services) if one.is_up]
    choice = Choice(timeout_seconds=timeout_seconds)
    _carry_out(paths, name, there, plan_down.backwards("stop", wanted), report, choice, project=project)


def restart(
    paths: Paths,
    name: str,
    services: Sequence[str],
    report: Report,
    timeout_seconds: int | None = None,
    spawn: Spawn | None = None,
    project: Project | None = None,
) -> None:
    """Stop and start what is there, each behind what it depends on."""
    there = observed.look(paths, name)
    choice = Choice(timeout_seconds=timeout_seconds)
    made = plan_down.forwards("restart", _chosen(there, services))
    _carry_out(paths, name, there, made, report, choice, spawn=spawn, project=project)


def kill(paths: Paths, name: str, services: Sequence[str], report: Report, signal: int) -> bool:
    """Send a signal to what runs.  Returns whether there was anything."""
    there = observed.look(paths, name)
    made = Plan()
    for one in _chosen(there, services):
        if one.is_up:
            made.add(on("kill", one, condition=str(signal)))
    _carry_out(paths, name, there, made, report)
    return bool(made.actions)


def pause(paths: Paths, name: str, services: Sequence[str], report: Report) -> None:
    """Freeze what runs."""
    _of_all(paths, name, services, report, "pause", "running")


def unpause(paths: Paths, name: str, services: Sequence[str], report: Report) -> None:
    """Let what is frozen go on."""
    _of_all(paths, name, services, report, "unpause", "paused")


def _of_all(
    paths: Paths, name: str, services: Sequence[str], report: Report, kind: Kind, status: str
) -> None:
    there = observed.look(paths, name)
    made = Plan()
    for one in _chosen(there, services):
        if one.status == status:
            made.add(on(kind, one))
    _carry_out(paths, name, there, made, report)


def remove(
    paths: Paths, name: str, found: Iterable[Container], report: Report, *, with_volumes: bool = False
) -> None:
    """Remove these containers, whether they run or not; `with_volumes`: their anonymous volumes, too."""
    there = observed.look(paths, name)
    made = Plan()
    for one in found:
        made.add(on("remove", one))
    _carry_out(paths, name, there, made, report, Choice(renew_anonymous_volumes=with_volumes))


def to_remove(paths: Paths, name: str, services: Sequence[str], *, running: bool = False) -> list[Container]:
    """What `compose rm` would remove: the containers that have ended, or with `running` all."""
    there = observed.look(paths, name)
    return [one for one in _chosen(there, services) if running or not one.is_up]


def _require_all(there: Observed, project: Project | None, services: Sequence[str]) -> None:
    """Raises NotFoundError for a service that has no container to start."""
    for service in services or (project.services if project else ()):
        wanted = names.scale(project.services[service], {}) if project else 1
        if wanted and not there.of(service):
            raise NotFoundError(
                f'service "{service}" has no container to start', f"minirun compose up {service}"
            )


def _chosen(there: Observed, services: Sequence[str]) -> list[Container]:
    return [one for name in services or there.services() for one in there.of(name)]


def _carry_out(
    paths: Paths,
    name: str,
    there: Observed,
    made: Plan,
    report: Report,
    choice: Choice | None = None,
    *,
    spawn: Spawn | None = None,
    project: Project | None = None,
) -> None:
    with project_lock.held(paths, name, report):
        work = carry_out.Work(
            paths, project or Project(name, ""), there, Facts(), choice or Choice(), report, spawn
        )
        carry_out.run(work, made)


# ---- down -----------------------------------------------------------------------------------------------------------


def down(paths: Paths, name: str, project: Project | None, wish: plan_down.Down, report: Report) -> bool:
    """Take it all away, and what is left in use stays with a word.  Returns whether there was anything."""
    there = observed.look(paths, name)
    made = plan_down.down(project, name, there, wish)
    for warning in made.warnings:
        report.say(warning)
    choice = Choice(timeout_seconds=wish.timeout_seconds, renew_anonymous_volumes=wish.volumes)
    _carry_out(paths, name, there, made, report, choice, project=project)
    return bool(made.actions)
