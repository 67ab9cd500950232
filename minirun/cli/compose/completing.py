"""What can follow in `minirun compose ...`: services and profiles of the files, projects that there are.

Files that are wrong complete nothing, and the services of those that cannot be found are known by their containers.

See  cli/completion.py; group.py asks
"""

from __future__ import annotations

from click.shell_completion import CompletionItem

from minirun.compose import labels, observed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from minirun.compose.language.discovery import Sources
    from minirun.compose.language.model import Project
    from minirun.paths import Paths

    Look = Callable[[Paths, Sources], Iterable[tuple[str, str]]]


def complete(what: str, paths: Paths, sources: Sources) -> list[CompletionItem[str]]:
    """All "services", "profiles", "projects", "statuses", and of "paths" those in services, that there are."""
    try:
        return [CompletionItem(name, help=text) for name, text in dict(_LOOKS[what](paths, sources)).items()]
    except Exception:  # not root, or a file that is wrong: no place to complain
        return []


def _services(paths: Paths, sources: Sources) -> Iterable[tuple[str, str]]:
    from minirun.compose.language import discovery

    try:
        project = _project(sources)
    except Exception:
        every = observed.containers_of(paths, discovery.name(sources))
        return sorted((one.service, one.status) for one in every)
    services = {**project.services, **project.disabled}
    return sorted((name, service.get("image", "")) for name, service in services.items())


def _paths(paths: Paths, sources: Sources) -> Iterable[tuple[str, str]]:
    return [(f"{name}:", text) for name, text in _services(paths, sources)]


def _statuses(_paths: Paths, _sources: Sources) -> Iterable[tuple[str, str]]:
    return [(status, "") for status in ("created", "exited", "paused", "restarting", "running")]


def _profiles(_paths: Paths, sources: Sources) -> Iterable[tuple[str, str]]:
    project = _project(sources)
    every = [*project.services.values(), *project.disabled.values()]
    return sorted((profile, "") for service in every for profile in service.get("profiles", []))


def _projects(paths: Paths, _sources: Sources) -> Iterable[tuple[str, str]]:
    every = observed.of_all_projects(paths)
    return sorted((one.labels[labels.PROJECT], one.labels.get(labels.WORKING_DIR, "")) for one in every)


def _project(sources: Sources) -> Project:
    """Without a word about what is doubtful in it."""
    from minirun.compose.language import loading

    return loading.load(sources)


_LOOKS: dict[str, Look] = {
    "paths": _paths,
    "profiles": _profiles,
    "projects": _projects,
    "services": _services,
    "statuses": _statuses,
}
