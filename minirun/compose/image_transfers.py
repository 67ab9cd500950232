"""`compose pull` and `push`: the images of services, side by side.

See  images.py for what `up` does by itself
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from minirun.compose.images import id_of
from minirun.compose.scheduler import Scheduler
from minirun.engine import images
from minirun.errors import MinirunError, UsageError, sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from minirun.compose.language.model import Project, Service
    from minirun.compose.report import Report
    from minirun.paths import Paths

POLICIES = ("", "missing", "always")


class Transfer:
    """How images are to be pulled or pushed."""

    def __init__(
        self,
        *,
        policy: str = "",
        ignore_failures: bool = False,
        ignore_buildable: bool = False,
        at_once: int = 0,
        dry_run: bool = False,
    ) -> None:
        if policy not in POLICIES:
            raise UsageError(f'invalid pull_policy "{policy}"', "missing or always")
        self.policy = policy  # instead of what each service says
        self.ignore_failures = ignore_failures
        self.ignore_buildable = ignore_buildable
        self.at_once = at_once
        self.dry_run = dry_run


def pull(
    paths: Paths, project: Project, services: Iterable[str], wish: Transfer, report: Report
) -> list[str]:
    """Pull what their policies let be pulled.  Returns the services whose images have to be built instead.

    Raises what kept an image from coming that cannot be built, unless that is to be ignored.
    """
    wanted: dict[str, Service] = {}
    for service in (project.services[name] for name in services):
        image = service.get("image", "")
        if why := _reason_to_skip(paths, service, wish):
            report.done(f"Image {image}" if image else service["name"], why)
        else:
            wanted.setdefault(image, service)
    missed: list[str] = []
    acts = {
        image: functools.partial(_pull, paths, one, wish, report, missed) for image, one in wanted.items()
    }
    _side_by_side(acts, wish)
    return sorted(missed)


def _reason_to_skip(paths: Paths, service: Service, wish: Transfer) -> str:
    """Why a service's image is not pulled; "": it is."""
    if not service.get("image"):
        return "Skipped No image to be pulled"
    policy = wish.policy or service.get("pull_policy") or ""
    if policy in ("never", "build"):
        return "Skipped"
    if policy in ("missing", "if_not_present") and id_of(paths, service["image"]):
        return "Skipped Image is already present locally"
    if service.get("build") and wish.ignore_buildable:
        return "Skipped Image can be built"
    return ""


def _pull(paths: Paths, service: Service, wish: Transfer, report: Report, missed: list[str]) -> None:
    image = service["image"]
    resource = f"Image {image}"
    report.working(resource, "Pulling")
    try:
        if not wish.dry_run:
            images.pull(paths, image, report.pull(resource), service.get("platform") or "")
    except (MinirunError, OSError) as error:
        if service.get("build"):
            missed.append(service["name"])
            report.warn(resource, sentence(error))
            return
        report.failed(resource, sentence(error))
        if not wish.ignore_failures:
            raise
        return
    report.done(resource, "Pulled")


def push(paths: Paths, project: Project, services: Iterable[str], wish: Transfer, report: Report) -> None:
    """Push what is built and has a name, under each of its names."""
    acts = {}
    for service in (project.services[name] for name in services):
        build = service.get("build")
        if not build or not service.get("image"):
            report.done(service["name"], "Skipped")
            continue
        for name in [service["image"], *(build.get("tags") or [])]:
            acts[name] = functools.partial(_push, paths, name, wish, report)
    _side_by_side(acts, wish)


def _push(paths: Paths, name: str, wish: Transfer, report: Report) -> None:
    resource = f"Image {name}"
    report.working(resource, "Pushing")
    try:
        if not wish.dry_run:
            images.push(paths, name, report.pull(resource))
    except (MinirunError, OSError) as error:
        report.failed(resource, sentence(error))
        if not wish.ignore_failures:
            raise
        return
    report.done(resource, "Pushed")


def _side_by_side(acts: Mapping[str, Callable[[], None]], wish: Transfer) -> None:
    Scheduler(wish.at_once).run({name: (act, ()) for name, act in acts.items()})
