"""The host's device nodes, which `--privileged` gives to a container.

See      runtime-spec config-linux.md "Devices"
By hand  find /dev -type c -o -type b
"""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from minirun.runtime.config import Device

_OWN = ("/dev/pts", "/dev/shm", "/dev/mqueue")  # file systems of which each container has its own
_TERMINALS = ("console", "ptmx")  # likewise


def all_nodes() -> Iterator[Device]:
    """Every device node of the host's /dev, for config.json's linux.devices; terminals and what is a mount of the
    container's own left out."""
    for directory, names, nodes in os.walk("/dev"):
        names[:] = [name for name in names if f"{directory}/{name}" not in _OWN]
        for name in sorted(nodes):
            status = os.lstat(f"{directory}/{name}")
            if name not in _TERMINALS and (stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)):
                yield _node(f"{directory}/{name}", status)


def _node(path: str, status: os.stat_result) -> Device:
    return {
        "path": path,
        "type": "b" if stat.S_ISBLK(status.st_mode) else "c",
        "major": os.major(status.st_rdev),
        "minor": os.minor(status.st_rdev),
        "fileMode": stat.S_IMODE(status.st_mode),
        "uid": status.st_uid,
        "gid": status.st_gid,
    }
