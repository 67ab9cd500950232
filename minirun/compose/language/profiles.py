"""Which services are on: those without profiles, and those of a profile that is asked for.

See  compose-spec 15-profiles.md
"""

from __future__ import annotations

from minirun.errors import NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from minirun.compose.language.model import Content, Project, Service


def apply(project: Project, active: Iterable[str]) -> None:
    """Sorts the services into those that are on and those that are not."""
    project.profiles = list(dict.fromkeys(active))
    services = {**project.services, **project.disabled}
    on = {name: service for name, service in services.items() if _is_on(service, project.profiles)}
    project.disabled = {name: service for name, service in services.items() if name not in on}
    project.services = {name: on[name] for name in sorted(on)}


def _is_on(service: Service, active: Sequence[str]) -> bool:
    own = service.get("profiles")
    return not own or "*" in active or any(profile in active for profile in own)


def enable(project: Project, names: Iterable[str]) -> None:
    """Whoever names a service means its profiles, too.  Raises NotFoundError."""
    more = []
    for name in names:
        if name not in project.services and name not in project.disabled:
            raise no_such_service(name, project)
        if name not in project.services:
            more += project.disabled[name]["profiles"]
    if more:
        apply(project, [*project.profiles, *more])


def select(project: Project, names: Sequence[str], *, dependencies: bool = True) -> None:
    """These alone stay on, and what they depend on.  Raises NotFoundError."""
    enable(project, names)
    chosen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in chosen and name in project.services:
            chosen.add(name)
            waiting += project.services[name].get("depends_on", ()) if dependencies else ()
    if names:
        off = {name: service for name, service in project.services.items() if name not in chosen}
        project.disabled.update(off)
        project.services = {name: project.services[name] for name in project.services if name in chosen}


def no_such_service(name: str, project: Project) -> NotFoundError:
    from difflib import get_close_matches

    close = get_close_matches(name, [*project.services, *project.disabled], 1)
    return NotFoundError(f"no such service: {name}", f"did you mean {close[0]}?" if close else "")


def drop_unused(project: Project) -> None:
    """Networks, volumes, secrets and configs that no service uses which is on are none of the project's."""
    services = list(project.services.values())
    mounts = [mount for service in services for mount in service.get("volumes", ())]
    secrets = [
        *(secret for service in services for secret in service.get("secrets", ())),
        *(secret for service in services for secret in service.get("build", {}).get("secrets", ())),
    ]
    _keep(project.networks, [name for service in services for name in service.get("networks") or ()])
    _keep(project.volumes, [mount.get("source", "") for mount in mounts if mount["type"] == "volume"])
    _keep(project.secrets, [secret["source"] for secret in secrets])
    _keep(
        project.configs, [config["source"] for service in services for config in service.get("configs", ())]
    )


def _keep(section: dict[str, Any] | dict[str, Content], used: Iterable[str]) -> None:
    kept = set(used)
    for name in list(section):
        if name not in kept:
            del section[name]
