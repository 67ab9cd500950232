"""Plans for what is there: one act on each container, in the order of their dependencies; and taking all of it away.

The labels say what a container was made to come after, so no file is needed.

Next     carry_out.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from minirun.compose import labels, names, order
from minirun.compose.actions import Action, Plan, on

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from minirun.compose.actions import Kind
    from minirun.compose.language.model import Project
    from minirun.compose.observed import Container, Observed


def forwards(kind: Kind, wanted: Iterable[Container]) -> Plan:
    """Each behind those it was made to come after."""
    made = Plan()
    acts: dict[str, list[Action]] = {}
    by_service = _by_service(wanted)
    for name in order.sorted_services(_dependencies(by_service)):
        before = {dependency for one in by_service[name] for dependency in one.dependencies}
        after = [action for dependency in sorted(before) for action in acts.get(dependency, [])]
        acts[name] = [made.add(on(kind, one, after=after)) for one in by_service[name]]
    return made


def starts(there: Observed, services: Iterable[str]) -> Plan:
    """What does not run of these services and of those that they come after, each as its condition says."""
    by_service = {name: there.of(name) for name in _with_dependencies(there, services)}
    made = Plan()
    ready: dict[str, list[Action]] = {}
    for name in order.sorted_services(_dependencies(by_service)):
        ready[name] = []
        for one in by_service[name]:
            if one.is_up:
                ready[name].append(made.add(on("leave", one)))
                continue
            waits = [
                action
                for before, condition in sorted(one.conditions.items())
                for action in _ready(made, condition, ready.get(before, []))
            ]
            ready[name].append(made.add(on("start", one, after=waits)))
    return made


def _with_dependencies(there: Observed, services: Iterable[str]) -> set[str]:
    found: set[str] = set()
    todo = list(services)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += [before for one in there.of(name) for before in one.dependencies]
    return found


def _ready(made: Plan, condition: str, started: list[Action]) -> list[Action]:
    """What has to have ended for the `condition` to hold of all that was `started`."""
    if condition == "service_started":
        return started
    found = []
    for action in started:
        same = [one for one in made.of("wait") if (one.name, one.condition) == (action.name, condition)]
        assert action.container
        found += same or [made.add(on("wait", action.container, condition=condition, after=[action]))]
    return found


def backwards(kind: Kind, wanted: Iterable[Container]) -> Plan:
    """Each before those it was made to come after."""
    made = Plan()
    by_service = _by_service(wanted)
    acts: dict[str, list[Action]] = {}
    for name in reversed(order.sorted_services(_dependencies(by_service))):
        after = [
            action
            for other, actions in acts.items()
            if any(name in one.dependencies for one in by_service[other])
            for action in actions
        ]
        acts[name] = [made.add(on(kind, one, after=after)) for one in by_service[name]]
    return made


def _by_service(wanted: Iterable[Container]) -> dict[str, list[Container]]:
    found: dict[str, list[Container]] = {}
    for one in wanted:
        found.setdefault(one.service, []).append(one)
    return found


def _dependencies(by_service: dict[str, list[Container]]) -> dict[str, set[str]]:
    return {
        name: {dependency for one in found for dependency in one.dependencies} & set(by_service)
        for name, found in by_service.items()
    }


# ---- down -----------------------------------------------------------------------------------------------------------


class Down:
    """What `compose down` takes away beside containers and networks."""

    def __init__(
        self,
        services: Sequence[str] = (),
        *,
        volumes: bool = False,
        images: str = "",
        orphans: bool = False,
        timeout_seconds: int | None = None,
    ) -> None:
        self.services = list(services)  # none: all
        self.volumes = volumes
        self.images = images  # all, local; "": none
        self.orphans = orphans
        self.timeout_seconds = timeout_seconds


def down(project: Project | None, name: str, there: Observed, wish: Down) -> Plan:
    """What `compose down` has to do; without a file all that has the project's labels belongs to it."""
    found, others = _own_and_orphans(project, there)
    wanted = [one for one in found if not wish.services or one.service in wish.services]
    if wish.orphans:
        wanted += others
    made = backwards("remove", wanted)
    if others and not wish.orphans and not wish.services:
        made.warnings.append(orphans_remark(others))
    gone = list(made.actions)
    _add_networks(made, name, there, wish, gone)
    if wish.volumes and not wish.services:
        for key, volume in _volumes(project, name, there):
            made.add(Action("remove volume", volume, key=key, after=gone, why=["-v"]))
    for image in _images(project, found, wish):
        made.add(Action("remove image", image, after=gone, why=[f"--rmi {wish.images}"]))
    return made


def orphans_remark(found: Iterable[Container]) -> str:
    """Compose's words for containers whose service is not in the file."""
    listed = ", ".join(container.name for container in found)
    return (
        f"Found orphan containers ({listed}) for this project. If you removed or renamed this service in your "
        "compose file, you can run this command with the --remove-orphans flag to clean it up."
    )


def _own_and_orphans(project: Project | None, there: Observed) -> tuple[list[Container], list[Container]]:
    """What goes, and what goes with --remove-orphans.

    Services that are off by their profile are neither, as in Compose, nor is what `compose run` has made while it runs.
    """
    if project is None:
        return there.containers, []
    own = [one for one in there.containers if one.service in project.services and not one.is_one_off]
    return own, orphans(there, [*project.services, *project.disabled])


def orphans(there: Observed, services: Iterable[str]) -> list[Container]:
    """Containers whose service is not one of `services`; those of `compose run` once they have ended."""
    known = set(services)
    return [
        one
        for one in there.containers
        if (one.status == "exited" if one.is_one_off else one.service not in known)
    ]


def _add_networks(made: Plan, name: str, there: Observed, wish: Down, gone: list[Action]) -> None:
    """One that others are on is left with a word, unless only some services go: then it stays without."""
    leaving = {action.container.id for action in gone if action.container}
    for network in there.networks.values():
        if network["labels"].get(labels.PROJECT) != name:
            continue
        if wish.services and set(network["endpoints"]) - leaving:
            continue
        why = ["nothing of the project is on it any more"]
        made.add(Action("remove network", network["name"], after=gone, why=why))


def _volumes(project: Project | None, name: str, there: Observed) -> Iterator[tuple[str, str]]:
    """(key, name) of the project's own volumes: those of the file, or without one those that say so."""
    if project is None:
        for volume in there.volumes.values():
            if volume["labels"].get(labels.PROJECT) == name:
                yield volume["labels"].get(labels.VOLUME, ""), volume["name"]
        return
    for key, wanted in sorted(project.volumes.items()):
        if not wanted.get("external") and wanted["name"] in there.volumes:
            yield key, wanted["name"]


def _images(project: Project | None, found: Sequence[Container], wish: Down) -> list[str]:
    """`local`: of services without `image`, which were built under a name of Compose's own."""
    if not wish.images:
        return []
    if project is None:
        return sorted({one.record["image"] for one in found}) if wish.images == "all" else []
    services = [*project.services.values(), *project.disabled.values()]
    chosen = [one for one in services if not wish.services or one["name"] in wish.services]
    return sorted(
        {tagged(names.image(project, one)) for one in chosen if wish.images == "all" or not one.get("image")}
    )


def tagged(image: str) -> str:
    """The name with the tag that it means."""
    return image if ":" in image.rpartition("/")[2] or "@" in image else f"{image}:latest"
