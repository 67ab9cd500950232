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
    from minirun.compose.language.model import Project, Service

SEPARATOR = "-"
_SLUG_SHOWN = 12  # digits of a slug that a name has


def container(project: Project, service: Service, number: int, separator: str = SEPARATOR) -> str:
    """Of the container that is the service's `number`, from 1."""
    return service.get("container_name") or separator.join((project.name, service["name"], str(number)))


def slug() -> str:
    """What tells one `compose run` from all others: 64 hexadecimal digits."""
    return os.urandom(32).hex()


def one_off(project: Project, service: Service, slug: str, separator: str = SEPARATOR) -> str:
    """Of the container that a `compose run` makes."""
    return separator.join((project.name, service["name"], "run", slug[:_SLUG_SHOWN]))


def image(project: Project, service: Service, separator: str = SEPARATOR) -> str:
    """Of the image it runs: the one it names, or the one that is built for it."""
    return service.get("image") or separator.join((project.name, service["name"]))


def network(project: Project, key: str) -> str:
    """What the engine calls the network that the files call `key`."""
    name: str = project.networks[key]["name"]
    return name


def volume(project: Project, key: str) -> str:
    """What the engine calls the volume that the files call `key`."""
    name: str = project.volumes[key]["name"]
    return name
