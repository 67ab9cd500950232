"""What a plan has to know beside the file and what is there: hashes of what is wanted, ids of images.

Next     plan.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from minirun.compose import secrets
from minirun.compose.language import hashing
from minirun.compose.plan import Facts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from minirun.compose.language.model import Project


def gather(project: Project, services: Iterable[str], image_ids: dict[str, str]) -> Facts:
    """Of these services, whose images are `image_ids`."""
    facts = Facts()
    for name in services:
        service = project.services[name]
        configuration = hashing.configuration(service)
        facts.configurations[name] = configuration
        facts.config_hashes[name] = _hash(
            hashing.digest(configuration), secrets.content_hash(project, service)
        )
    facts.image_ids = image_ids
    facts.network_hashes = {key: hashing.network_hash(one) for key, one in project.networks.items()}
    facts.volume_hashes = {key: hashing.volume_hash(one) for key, one in project.volumes.items()}
    return facts


def _hash(configuration: str, content: str) -> str:
    """Of a service without secrets and configs it is Compose's own."""
    return hashing.digest(f"{configuration} {content}") if content else configuration
