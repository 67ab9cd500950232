"""Secrets and configs: files of the project's that its containers see.

    file:                      the host's file, mounted read-only at its place
    environment:, content:     no file has it: it is written into the container once that is made

See      compose-spec 09-secrets.md, 08-configs.md
By hand  minirun exec demo-web-1 cat /run/secrets/password
"""

from __future__ import annotations

import os

from minirun.engine.options import mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from minirun.compose.language.model import Content, Project, Reference, Service
    from minirun.engine.record_types import MountPoint

_PLACES = {"secrets": "/run/secrets/", "configs": "/"}  # of a target that is no absolute path


def used(project: Project, service: Service) -> Iterator[tuple[str, Reference, Content]]:
    """What the service uses: where it sees it, how it asks for it, what it is."""
    for kind, defined in (("secrets", project.secrets), ("configs", project.configs)):
        for one in service.get(kind, []):  # type: ignore[attr-defined]
            target = one.get("target") or one["source"]
            yield os.path.join(_PLACES[kind], target), one, defined[one["source"]]


def binds(project: Project, service: Service) -> Iterator[MountPoint]:
    """The mounts of those that are files of the host's."""
    for place, _, content in used(project, service):
        if "file" in content:
            made = mounts.point("bind", content["file"], place, "--mount")
            made["options"].append("ro")
            yield made
