"""`compose up`, `create`, `scale`: the project as its files want it.

    images     pulled or built where they are missing                 images.py
    plan       what is there against what is wanted                   plan.py
    work       each action of the plan                                carry_out.py

What is done to containers that are there, and `down`, is in existing.py.

Next     plan.py
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from minirun.compose import (
    carry_out,
    conditions,
    images,
    network_options,
    observed,
    order,
    plan,
    project_lock,
    secrets,
    unsupported,
    volume_options,
)
from minirun.compose.work import Work
from minirun.errors import ConflictError, MinirunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from minirun.compose.actions import Plan
    from minirun.compose.choice import Choice
    from minirun.compose.language.model import Project
    from minirun.compose.observed import Container
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
        known = facts.gather(project, services, image_ids)
        made = plan.up(project, there, known, choice)
        for warning in made.warnings:
            report.say(warning)
        carry_out.run(Work(paths, there, choice, report, spawn, project=project, facts=known), made)
    found = observed.containers_of(paths, project.name) if made.changes else there.containers
    return [one for one in found if one.service in services]


def _require_possible(project: Project, services: Iterable[str], report: Report) -> None:
    """Raises MinirunError for what cannot be had, before anything is made; tells what is left out."""
    unsupported.refuse(project, services)
    for name in services:
        secrets.check(project, project.services[name])
    for key, network in project.networks.items():
        if not network.get("external"):
            network_options.make(project, key, "")
    for key, volume in project.volumes.items():
        if not volume.get("external"):
            volume_options.make(project, key, "")
    for text in unsupported.left_out(project, services):
        report.say(text)


def planned(paths: Paths, project: Project, choice: Choice) -> Plan:
    """What `up` would do now, with the images that are here; nothing is changed."""
    from minirun.compose import facts

    services = order.selected(project, choice.services, dependencies=choice.dependencies)
    there = observed.look(paths, project.name)
    ids = images.here(paths, project, services)
    made = plan.up(project, there, facts.gather(project, services, ids), choice)
    made.images = images.wanted(paths, project, ids, choice)
    return made


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
