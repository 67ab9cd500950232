"""The images of a project's services: pulled or built, as each service's pull_policy and the command say.

    missing (the default)    what is not here is built where there is a `build`, else pulled
    always, daily, weekly, every_<duration>    pulled again, at once or when the last pull is that long ago
    build                    built each time
    never                    what is here, or nothing

Pulls go side by side; builds go one after the other, for each uses all of the machine.

See  compose-spec 05-services.md "pull_policy"
"""

from __future__ import annotations

import functools
import os
import time
from typing import TYPE_CHECKING

from minirun.compose import names
from minirun.compose.order import sorted_services
from minirun.compose.scheduler import Scheduler
from minirun.engine import images
from minirun.engine.options import policies
from minirun.errors import MinirunError, NotFoundError, UsageError, sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from minirun.build.build import Outcome
    from minirun.build.options import BuildOptions
    from minirun.compose.choice import Choice
    from minirun.compose.language.model import Project, Service
    from minirun.compose.report import Report
    from minirun.paths import Paths

_DAYS = {"daily": 86400.0, "weekly": 7 * 86400.0}


def ensure(
    paths: Paths, project: Project, services: Sequence[str], choice: Choice, report: Report
) -> dict[str, str]:
    """Have the image of each service here; returns their ids.  Raises what kept one from coming."""
    wanted = [project.services[name] for name in services]
    ids = here(paths, project, services)
    pulls: dict[str, Service] = {}
    for service in wanted:
        if _has_to_be_pulled(paths, service, choice, ids):
            pulls.setdefault(names.image(project, service), service)
    if pulls:
        _pull_all(paths, project, list(pulls.values()), choice.at_once, report)
        ids = here(paths, project, services)
    to_build = [one["name"] for one in wanted if _has_to_be_built(one, choice, ids)]
    for name in build_order(project, to_build):
        build(paths, project, project.services[name], report)
    if to_build:
        ids = here(paths, project, services)
    for service in wanted:
        if not ids[service["name"]] and not report.dry_run:
            raise _missing(project, service)
    return ids


def wanted(paths: Paths, project: Project, ids: Mapping[str, str], choice: Choice) -> list[tuple[str, str]]:
    """What ensure() would do: (image, `pulled` or `built`).  `ids` are as here() has them."""
    found: dict[str, str] = {}
    for service in (project.services[name] for name in ids):
        if _has_to_be_pulled(paths, service, choice, ids):
            found[names.image(project, service)] = "pulled"
        elif _has_to_be_built(service, choice, ids):
            found[names.image(project, service)] = "built"
    return list(found.items())


def here(paths: Paths, project: Project, services: Iterable[str]) -> dict[str, str]:
    """{service: the id of its image, "" where that is not here}.  Each image is looked for once."""
    ids: dict[str, str] = {}
    found: dict[str, str] = {}
    for name in services:
        image = names.image(project, project.services[name])
        if image not in ids:
            ids[image] = id_of(paths, image)
        found[name] = ids[image]
    return found


def id_of(paths: Paths, image: str) -> str:
    """Of the image that this machine has under the name; "" where it has none."""
    try:
        return images.store(paths).get(image).id
    except NotFoundError:
        return ""


def _policy(service: Service, choice: Choice) -> str:
    return choice.pull or service.get("pull_policy") or "missing"


def _has_to_be_pulled(paths: Paths, service: Service, choice: Choice, ids: Mapping[str, str]) -> bool:
    policy = _policy(service, choice)
    if policy in ("never", "build") or not service.get("image"):
        return False
    image_id = ids[service["name"]]
    if policy in ("missing", "if_not_present"):
        return not image_id and not service.get("build")
    return policy == "always" or not image_id or _is_old(paths, service, policy, image_id)


def _is_old(paths: Paths, service: Service, policy: str, image_id: str) -> bool:
    """`daily`, `weekly`, `every_12h`: whether its last pull is that long ago.  Raises UsageError for another word."""
    if policy not in _DAYS and not policy.startswith("every_"):
        raise UsageError(f'services.{service["name"]}.pull_policy: no policy "{policy}"')
    seconds = _DAYS.get(policy) or policies.duration(policy.removeprefix("every_"), "pull_policy")
    blob = f"{paths.images}/blobs/{image_id.replace(':', '/')}"
    return time.time() - os.stat(blob).st_mtime > seconds


def _has_to_be_built(service: Service, choice: Choice, ids: Mapping[str, str]) -> bool:
    if not service.get("build") or choice.build is False:
        return False
    if choice.build or service.get("pull_policy") == "build":
        return True
    return not ids[service["name"]]


def _missing(project: Project, service: Service) -> NotFoundError:
    image = names.image(project, service)
    hint = "--no-build was given" if service.get("build") else f"minirun pull {image}"
    return NotFoundError(f"No such image: {image} (of service {service['name']})", hint)


# ---- pulling ------------------------------------------------------------------------------------------------


def _pull_all(paths: Paths, project: Project, services: list[Service], at_once: int, report: Report) -> None:
    for service in services:
        report.expect([f"Image {names.image(project, service)}"])
    acts = {
        service["name"]: (functools.partial(_pull, paths, project, service, report), ())
        for service in services
    }
    Scheduler(at_once).run(acts)


def _pull(paths: Paths, project: Project, service: Service, report: Report) -> None:
    """One that can be built instead is not missed."""
    image = names.image(project, service)
    resource = f"Image {image}"
    report.working(resource, "Pulling")
    try:
        if not report.dry_run:
            images.pull(paths, image, report.pull(resource), service.get("platform") or "")
    except MinirunError as error:
        if service.get("build"):
            report.warn(resource, f"cannot be pulled, so it is built: {error.message}")
            return
        report.failed(resource, error.message)
        raise
    report.done(resource, "Pulled")


# ---- building -----------------------------------------------------------------------------------------------


def build_order(project: Project, services: Iterable[str]) -> list[str]:
    """Those that are built from another one's image (additional_contexts: service:x) behind it."""
    wanted = set(services)
    return sorted_services(
        {name: wanted & set(names.build_parents(project.services[name])) for name in wanted}
    )


def build(
    paths: Paths,
    project: Project,
    service: Service,
    report: Report,
    change: Callable[[BuildOptions], None] = lambda _: None,
) -> Outcome | None:
    """Build its image, as the file says and then as `change` has changed it; None in a dry run."""
    from minirun.build import build as builder
    from minirun.compose import build_options

    resource = f"Image {names.image(project, service)}"
    options = build_options.make(project, service)
    change(options)
    report.working(resource, "Building")
    outcome = None
    try:
        if not report.dry_run:
            outcome = builder.build(paths, options, report.build(f"Service {service['name']}"))
    except BaseException as error:
        report.failed(
            resource, sentence(error) if isinstance(error, (MinirunError, OSError)) else "interrupted"
        )
        raise
    report.done(resource, "Built")
    return outcome
