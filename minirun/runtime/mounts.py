"""Mounts as data: config.json's list becomes a list of plain mount(2) calls, which mounting.py then makes.

Planning apart from doing lets the table below be tested without root, and shows a student the whole file
system of a container on one page.

See  mount(8) for the options' names, runtime-spec config.md "mounts"
"""

from __future__ import annotations

from minirun.errors import MinirunError
from minirun.linux.constants import (
    MS_BIND,
    MS_DIRSYNC,
    MS_LAZYTIME,
    MS_MANDLOCK,
    MS_NOATIME,
    MS_NODEV,
    MS_NODIRATIME,
    MS_NOEXEC,
    MS_NOSUID,
    MS_NOSYMFOLLOW,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_RELATIME,
    MS_SHARED,
    MS_SLAVE,
    MS_STRICTATIME,
    MS_SYNCHRONOUS,
    MS_UNBINDABLE,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.runtime.config import MountEntry

# option -> (flag, whether the option sets it or clears it)
_FLAGS = {
    "async": (MS_SYNCHRONOUS, False),
    "atime": (MS_NOATIME, False),
    "bind": (MS_BIND, True),
    "defaults": (0, True),
    "dev": (MS_NODEV, False),
    "diratime": (MS_NODIRATIME, False),
    "dirsync": (MS_DIRSYNC, True),
    "exec": (MS_NOEXEC, False),
    "lazytime": (MS_LAZYTIME, True),
    "loud": (0, True),
    "mand": (MS_MANDLOCK, True),
    "noatime": (MS_NOATIME, True),
    "nodev": (MS_NODEV, True),
    "nodiratime": (MS_NODIRATIME, True),
    "noexec": (MS_NOEXEC, True),
    "nolazytime": (MS_LAZYTIME, False),
    "nomand": (MS_MANDLOCK, False),
    "norelatime": (MS_RELATIME, False),
    "nostrictatime": (MS_STRICTATIME, False),
    "nosuid": (MS_NOSUID, True),
    "nosymfollow": (MS_NOSYMFOLLOW, True),
    "rbind": (MS_BIND | MS_REC, True),
    "relatime": (MS_RELATIME, True),
    "remount": (0, True),
    "ro": (MS_RDONLY, True),
    "rw": (MS_RDONLY, False),
    "silent": (0, True),
    "strictatime": (MS_STRICTATIME, True),
    "suid": (MS_NOSUID, False),
    "symfollow": (MS_NOSYMFOLLOW, False),
    "sync": (MS_SYNCHRONOUS, True),
}

# mount_setattr(2) reaches the mounts below a bind as well; only these flags have a recursive spelling here
_RECURSIVE = {"rro": MS_RDONLY, "rnosuid": MS_NOSUID, "rnodev": MS_NODEV, "rnoexec": MS_NOEXEC}

PROPAGATION = {
    "private": MS_PRIVATE,
    "shared": MS_SHARED,
    "slave": MS_SLAVE,
    "unbindable": MS_UNBINDABLE,
    "rprivate": MS_PRIVATE | MS_REC,
    "rshared": MS_SHARED | MS_REC,
    "rslave": MS_SLAVE | MS_REC,
    "runbindable": MS_UNBINDABLE | MS_REC,
}

# flags a bind mount takes from its source and only a second, remounting call can change
PER_MOUNT = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME


class Mount:
    """One line of the container's mount table.

    `target` is a path inside the root filesystem; `flags` and `data` are mount(2)'s; `propagation` is a list of
    flags for calls of their own; `recursive` are attributes for everything below; `tmpcopyup` fills a tmpfs with
    what was there.
    """

    __slots__ = (
        "cleared",
        "data",
        "flags",
        "propagation",
        "recursive",
        "source",
        "target",
        "tmpcopyup",
        "type",
    )

    def __init__(self, source: str, target: str, type: str, flags: int = 0, data: str = "") -> None:
        self.source, self.target, self.type = source, target, type
        self.flags, self.data = flags, data
        self.cleared = 0
        self.propagation: list[int] = []
        self.recursive = 0
        self.tmpcopyup = False

    @property
    def is_bind(self) -> bool:
        return bool(self.flags & MS_BIND)


def known() -> list[str]:
    """All words of mount(8) for any file system, and none that is one system's own, sorted."""
    return sorted({*_FLAGS, *PROPAGATION, *_RECURSIVE, "tmpcopyup"})


def plan(entries: list[MountEntry], bundle: str) -> list[Mount]:
    """config.json's mounts as Mount objects, in order.  Raises MinirunError naming a bad entry."""
    return [_plan_one(entry, bundle) for entry in entries]


def _plan_one(entry: MountEntry, bundle: str) -> Mount:
    target = entry.get("destination", "")
    if not target:
        raise MinirunError("config.json: a mount has no destination")
    kind = entry.get("type") or "none"
    mount = Mount(entry.get("source") or kind, "/" + target.strip("/"), kind)
    data = [word for word in entry.get("options", []) if word and not _apply_option(mount, word)]
    mount.data = ",".join(data)
    if (
        kind == "cgroup" and data
    ):  # cgroup2 is mounted for it, whose options are those of its first mount, the host's
        raise MinirunError(f'config.json: mount {mount.target}: a cgroup mount has no option "{data[0]}"')
    if kind == "bind" and not mount.is_bind:
        mount.flags |= MS_BIND | MS_REC
    if mount.is_bind and not mount.source.startswith("/"):
        mount.source = f"{bundle}/{mount.source}"
    return mount


def _apply_option(mount: Mount, option: str) -> bool:
    """Apply one option to `mount`; False when it is the file system's own business (`size=64m`)."""
    if option in _FLAGS:
        flag, sets = _FLAGS[option]
        mount.flags = mount.flags | flag if sets else mount.flags & ~flag
        mount.cleared = mount.cleared & ~flag if sets else mount.cleared | flag
    elif option in PROPAGATION:
        mount.propagation.append(PROPAGATION[option])
    elif option in _RECURSIVE:
        mount.recursive |= _RECURSIVE[option]
    elif option == "tmpcopyup":
        mount.tmpcopyup = True
    elif option in ("idmap", "ridmap"):
        raise MinirunError(f"config.json: mount {mount.target}: id-mapped mounts are not supported yet")
    else:
        return False
    return True
