"""What a plan has to know beside the file and what is there: hashes of what is wanted, ids of images.

Next     plan.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from minirun.compose import names, secrets
from minirun.compose.language import hashing
from minirun.compose.plan import Facts
from minirun.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from minirun.compose.language.model import Project
    from minirun.paths import Paths


def gather(
    paths: Paths, project: Project, services: Iterable[str], image_ids: dict[str, str] | None = None
) -> Facts:
    """Of these services; the images are those that are here now, unless somebody has just made sure of them."""
    facts = Facts()
    for name in services:
        service = project.services[name]
        facts.configurations[name] = hashing.configuration(service)
        facts.config_hashes[name] = _hash(
            hashing.config_hash(service), secrets.content_hash(project, service)
        )
    facts.image_ids = here(paths, project, services) if image_ids is None else image_ids
    facts.network_hashes = {key: hashing.network_hash(one) for key, one in project.networks.items()}
    facts.volume_hashes = {key: hashing.volume_hash(one) for key, one in project.volumes.items()}
    return facts


def _hash(configuration: str, content: str) -> str:
    """Of a service without secrets and configs it is Compose's own."""
    if not content:
        return configuration
    import hashlib  # most services have none

    return hashlib.sha256(f"{configuration} {content}".encode()).hexdigest()


def here(paths: Paths, project: Project, services: Iterable[str]) -> dict[str, str]:
    """{service: the id of its image, "" where that is not here}."""
    from minirun.engine import images

    store = images.store(paths)
    found: dict[str, str] = {}
    known: dict[str, str] = {}
    for name in services:
        image = names.image(project, project.services[name])
        if image not in known:
            try:
                known[image] = store.get(image).id
            except NotFoundError:
                known[image] = ""
        found[name] = known[image]
    return found
