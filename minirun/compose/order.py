"""Which services come with which, and in which order: depends_on, read forwards and backwards.

By hand  minirun compose graph
"""

from __future__ import annotations

import graphlib
from typing import TYPE_CHECKING

from minirun.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from minirun.compose.language.model import Project, Service

_NAMESPACES = ("network_mode", "pid", "ipc")


def sorted_services(dependencies: Mapping[str, Iterable[str]]) -> list[str]:
    """{service: what it comes after} -> all of them, each behind what it comes after; else by name.

    Raises UsageError for a circle.
    """
    graph = {name: sorted(dependencies[name]) for name in sorted(dependencies)}
    try:
        return list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        raise UsageError(f"dependency cycle detected: {' -> '.join(reversed(error.args[1]))}") from None


def of_project(project: Project, chosen: Iterable[str]) -> list[str]:
    """The `chosen` services, each behind those of them that it depends on."""
    wanted = set(chosen)
    return sorted_services({name: wanted & set(depends_on(project.services[name])) for name in wanted})


def depends_on(service: Service) -> dict[str, str]:
    """{service: condition} of all that it comes after."""
    return {name: one["condition"] for name, one in (service.get("depends_on") or {}).items()}


def selected(project: Project, names: Sequence[str], *, dependencies: bool) -> list[str]:
    """The services that `names` stand for (none: all), with what they depend on, in order.  Raises NotFoundError."""
    for name in names:
        if name not in project.services:
            raise NotFoundError(f"no such service: {name}", _services_there_are(project))
    wanted = set(names or project.services)
    todo = list(wanted) if dependencies else []
    while todo:
        more = set(depends_on(project.services[todo.pop()])) & set(project.services) - wanted
        wanted |= more
        todo += more
    return of_project(project, wanted)


def _services_there_are(project: Project) -> str:
    return f"there are {', '.join(sorted(project.services))}" if project.services else "the file has none"


def parents(service: Service) -> list[str]:
    """The services whose containers its own live with: when those are made anew, so are these."""
    shared = [str(service.get(key) or "") for key in _NAMESPACES]
    found = [text.removeprefix("service:") for text in shared if text.startswith("service:")]
    for text in service.get("volumes_from") or []:
        if not text.startswith("container:"):
            found.append(text.split(":")[0])
    return list(dict.fromkeys(found))
