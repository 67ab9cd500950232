"""A volume of the project's as what volumes.create() takes.

See  compose-spec 07-volumes.md
"""

from __future__ import annotations

from minirun.compose import labels, names
from minirun.errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict

    from minirun.compose.language.model import Project

    class VolumeOptions(TypedDict):
        """The keywords of volumes.create()."""

        name: str
        labels: dict[str, str]
        options: dict[str, str]


def make(project: Project, key: str, volume_hash: str) -> VolumeOptions:
    """Of the volume that the files call `key`.  Raises UnsupportedError for a driver that is not here."""
    driver = project.volumes[key].get("driver") or "local"
    if driver != "local":
        raise UnsupportedError(
            f"volume {key}: there is no volume driver {driver} here", "local is what there is"
        )
    given = project.volumes[key].get("driver_opts") or {}
    return {
        "name": names.volume(project, key),
        "labels": labels.of_volume(project, key, volume_hash),
        "options": {name: str(value) for name, value in given.items()},
    }
