"""What a project's things are called: Docker Compose's names, so that people's scripts find them.

    demo-web-1             the first container of the service web
    demo-web-run-4f0a...   what `compose run web` made
    demo-web               the image that is built for it
    demo_default           a network, demo_data a volume: the language has made these names whole already

With --compatibility a container's and an image's parts are joined by `_`.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from minirun.compose.language.model import Project, Service

_SLUG_SHOWN = 12  # digits of a slug that a name has


def container(project: Project, service: Service, number: int) -> str:
    """Of the container that is the service's `number`, from 1."""
    return service.get("container_name") or project.separator.join(
        (project.name, service["name"], str(number))
    )


def slug() -> str:
    """What tells one `compose run` from all others: 64 hexadecimal digits."""
    return os.urandom(32).hex()


def one_off(project: Project, service: Service, slug: str) -> str:
    """Of the container that a `compose run` makes."""
    return project.separator.join((project.name, service["name"], "run", slug[:_SLUG_SHOWN]))


def image(project: Project, service: Service) -> str:
    """Of the image it runs: the one it names, or the one that is built for it."""
    return service.get("image") or project.separator.join((project.name, service["name"]))


def network(project: Project, key: str) -> str:
    """What the engine calls the network that the files call `key`."""
    name: str = project.networks[key]["name"]
    return name


def volume(project: Project, key: str) -> str:
    """What the engine calls the volume that the files call `key`."""
    name: str = project.volumes[key]["name"]
    return name


def coming(replaced_id: str, name: str) -> str:
    """Of a container that is made while the one it replaces has the `name` still."""
    return f"{replaced_id[:_SLUG_SHOWN]}_{name}"


def replaced(name: str) -> str:
    """What the id of the one it replaces begins with, of a container that is called so; "" of all others."""
    before, line, _ = name.partition("_")
    digits = len(before) == _SLUG_SHOWN and set(before) <= set("0123456789abcdef")
    return before if line and digits else ""


def scale(service: Service, chosen: Mapping[str, int]) -> int:
    """How many containers a service is to have: as was `chosen` now, or as the file says."""
    if service["name"] in chosen:
        return chosen[service["name"]]
    replicas = (service.get("deploy") or {}).get("replicas")
    return int(service.get("scale", 1 if replicas is None else replicas))


def build_parents(service: Service) -> list[str]:
    """The services whose images its own is built from: `additional_contexts: base: service:web`."""
    contexts = (service.get("build") or {}).get("additional_contexts") or {}
    return [text.removeprefix("service:") for text in contexts.values() if text.startswith("service:")]
