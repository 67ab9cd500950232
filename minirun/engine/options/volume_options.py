"""`volume create -o type=nfs,o=addr=10.0.0.5,device=:/export`: what the local driver mounts for a volume.

    type     of the file system, as mount(8) -t has it: nfs, tmpfs, ext4 ...; none or bind with o=bind
    device   what is mounted: a path, HOST:/EXPORT, a word
    o        mount(8)'s options, with commas

See      docs.docker.com "docker volume create", Driver-specific options; engine/mount_sources.py, which mounts it
"""

from __future__ import annotations

from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_KNOWN = ("type", "o", "device")


def check(options: Mapping[str, str]) -> None:
    """Raises UsageError for an option that there is not, or one that is missing, in Docker's words."""
    for name in options:
        if name not in _KNOWN:
            raise UsageError(f'invalid option: "{name}"', f"there are {', '.join(_KNOWN)}")
    if not options:
        return
    for name in ("device", "type"):
        if not options.get(name):
            raise UsageError(f'missing required option: "{name}"', "as in -o type=tmpfs -o device=tmpfs")
    if is_bind(options) and not options["device"].startswith("/"):
        raise UsageError(f'invalid option: device "{options["device"]}" is no absolute path')


def is_bind(options: Mapping[str, str]) -> bool:
    """Whether a directory of the host is the volume."""
    words = options.get("o", "").split(",")
    return options["type"] == "bind" or "bind" in words or "rbind" in words
