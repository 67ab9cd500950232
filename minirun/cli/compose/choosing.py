"""Which containers a command of Compose means.

See  compose/observed.py
"""

from __future__ import annotations

from minirun.compose import observed
from minirun.errors import NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from minirun.cli.compose.group import Compose
    from minirun.compose.language.model import Project
    from minirun.compose.observed import Container


def containers(compose: Compose, services: Sequence[str], *, one_off: bool = False) -> list[Container]:
    """The project's containers, or those of `services`, by their names.  `one_off`: those of `run`, too."""
    found = [
        one
        for one in observed.containers_of(compose.session, compose.name())
        if one_off or not one.is_one_off
    ]
    require_services(compose, services, found)
    chosen = [one for one in found if not services or one.service in services]
    return sorted(chosen, key=lambda one: one.name)


def require_services(compose: Compose, services: Sequence[str], found: list[Container]) -> None:
    """Raise NotFoundError for one that the files do not have.  They are read only if it has no container, either."""
    unseen = [service for service in services if service not in {one.service for one in found}]
    require_in(compose.load_if_asked() if unseen else None, unseen)


def require_in(project: Project | None, services: Iterable[str]) -> None:
    """Raise NotFoundError for one that the files, where there are some, do not have."""
    for name in services:
        if project and name not in project.services and name not in project.disabled:
            there = ", ".join(sorted(project.services))
            raise NotFoundError(f"no such service: {name}", f"there are {there}" if there else "")


def one(compose: Compose, service: str, index: int = 0, *, up: bool = False) -> Container:
    """The container of a service, the first or the one of that number.  `up`: that runs.  Raises NotFoundError."""
    found = [one for one in observed.containers_of(compose.session, compose.name()) if one.service == service]
    numbered = sorted((one for one in found if not one.is_one_off), key=lambda one: one.number)
    chosen = [one for one in numbered if index in (0, one.number) and (one.is_up or not up)]
    if not chosen:
        which = f" container #{index}" if index else ""
        raise NotFoundError(
            f'service "{service}" is not running{which}', "`minirun compose ps -a` lists them all"
        )
    return chosen[0]
