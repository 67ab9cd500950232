"""What is mounted in a container and is no whole directory of ours: an image, a part of one or of a volume, and a
volume for which something is mounted itself, `volume create -o type=nfs`.

    containers/ID/sources/      a tmpfs, in the mount namespace of the container's shim
        0                       what the mount shows: config.json binds it
        0.tree                  an image: its layers as one tree, read-only
                                a volume: what its options say; a tmpfs is one for all that run, by copies of the mount
        0.root                  of an image the uppermost of them, empty: / is root's and 0755, whatever it says

The part is found inside the volume by openat2(2), and what was found is mounted here at once.  So whoever may write to
the volume cannot lead the mount to the host with a link, before or after (CVE-2023-5043 is of this kind).

See      openat2(2) RESOLVE_IN_ROOT; overlayfs.rst; moby volume/safepath for the same with volumes
By hand  mount -t overlay overlay -o ro,lowerdir=ROOT:L2:L1 0.tree; mount --bind 0.tree/PART 0
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from minirun import files
from minirun.engine import namespaces, records
from minirun.engine.files import detached
from minirun.errors import MinirunError, NotFoundError, in_words
from minirun.linux import inroot, syscalls
from minirun.linux.constants import (
    MNT_DETACH,
    MOVE_MOUNT_F_EMPTY_PATH,
    MOVE_MOUNT_T_EMPTY_PATH,
    MS_BIND,
    MS_NODEV,
    MS_NOSUID,
    MS_REC,
    MS_REMOUNT,
)
from minirun.runtime import mounts
from minirun.runtime.mounts import PER_MOUNT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.engine.record_types import MountPoint, Record, Volume
    from minirun.paths import Paths
    from minirun.runtime.config import MountEntry
    from minirun.runtime.mounts import Mount


def locate(paths: Paths, record: Record, number: int, mount: MountPoint) -> None:
    """Where the mount's source will be, and of an image the layers, which the record then has a claim on."""
    mount["place"] = f"{directory(paths, record['id'])}/{number}"
    mount["copy"] = False  # what is there is there
    if mount["kind"] == "image":
        from minirun.image.store import Store

        mount["layers"] = Store(paths).get(mount["source"]).layer_paths()


def directory(paths: Paths, container_id: str) -> str:
    return f"{paths.container(container_id)}/sources"


def prepare(paths: Paths, record: Record) -> None:
    """Mount them, in a mount namespace of this process's own.  Raises NotFoundError for a part that is not there."""
    wanted = [mount for mount in record["mounts"] if mount["place"]]
    if not wanted:
        return
    top = directory(paths, record["id"])
    with syscalls.tolerating(errno.EEXIST):
        syscalls.mkdir(top, 0o700, why="for the sources of mounts")
    why = "what is made in here goes with the shim"
    syscalls.mount("tmpfs", top, "tmpfs", MS_NOSUID | MS_NODEV, "mode=700", why=why)
    for mount in wanted:
        if mount["kind"] == "image":
            tree = _tree(mount)
        elif options := _options(paths, mount["name"]):
            tree = _volume(paths, mount, options)
        else:
            tree = mount["source"]
        _show(tree, mount)


def unmount(paths: Paths, container_id: str) -> None:
    """Let go of them: what is shown there is somebody else's, and not to be deleted with the container's directory."""
    with syscalls.tolerating(errno.EINVAL, errno.ENOENT):
        syscalls.umount2(directory(paths, container_id), MNT_DETACH, why="the sources of its mounts")


def _tree(mount: MountPoint) -> str:
    """The image's layers as one tree; returns where it is."""
    root, tree = f"{mount['place']}.root", f"{mount['place']}.tree"
    os.mkdir(root)
    os.mkdir(tree)
    os.chmod(root, 0o755)
    detached.mount_readonly([root, *reversed(mount["layers"])], tree)
    syscalls.chdir("/", why="the short names have served")
    return tree


def _options(paths: Paths, name: str) -> dict[str, str]:
    volume: Volume = files.read_json(f"{paths.volumes}/{name}/volume.json")
    return volume.get("options", {})


def _volume(paths: Paths, mount: MountPoint, options: dict[str, str]) -> str:
    """What the volume's options say, mounted; returns where."""
    tree = f"{mount['place']}.tree"
    os.mkdir(tree)
    entry: MountEntry = {"destination": tree, "type": options["type"], "source": options["device"]}
    entry["options"] = [_numbered(mount["name"], word) for word in options.get("o", "").split(",") if word]
    (wanted,) = mounts.plan([entry], "/")
    with files.locked(f"{paths.volumes}/{mount['name']}/.lock"):  # of two at once, one copies the other's
        shared = -1 if wanted.is_bind else _mounted_by_another(paths, mount["name"])
        if shared < 0:
            _mount_volume(mount["name"], wanted, tree)
            return tree
        place = os.open(tree, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
        syscalls.move_mount(shared, place, flags, path=tree, why="the volume, as others have it")
        os.close(place)
        os.close(shared)
    return tree


def _numbered(volume: str, word: str) -> str:
    """`addr=files.example` with the address in place of the name: the kernel looks up none, see nfs(5)."""
    key, equals, host = word.partition("=")
    if key != "addr" or not equals:
        return word
    import socket

    try:
        return f"addr={socket.getaddrinfo(host, None)[0][4][0]}"
    except (OSError, UnicodeError) as error:
        raise MinirunError(f"the volume {volume}: {word} cannot be resolved: {in_words(error)}") from error


def _mounted_by_another(paths: Paths, name: str) -> int:
    """A copy of the mount that another container's shim has for the volume; -1 when none has."""
    for record in records.list_all(paths):
        for mount in record["mounts"]:
            if mount["name"] == name and mount["place"] and records.has_shim(paths, record["id"]):
                with contextlib.suppress(OSError, ValueError):  # it is just going, or not as far yet
                    with open(records.shim_lock(paths, record["id"]), encoding="ascii") as file:
                        pid = int(file.read())
                    if pid != os.getpid() and os.path.ismount(f"/proc/{pid}/root{mount['place']}.tree"):
                        return namespaces.copy_of_mount(pid, f"{mount['place']}.tree")
    return -1


def _mount_volume(name: str, wanted: Mount, tree: str) -> None:
    kind = None if wanted.is_bind else wanted.type
    why = f"what the volume {name} was made with"
    try:
        syscalls.mount(wanted.source, tree, kind, wanted.flags, wanted.data or None, why=why)
        if wanted.is_bind and wanted.flags & PER_MOUNT:
            syscalls.mount(
                None, tree, None, MS_REMOUNT | wanted.flags, why="a bind's flags take a second call"
            )
    except syscalls.SyscallError as error:
        words = f"mount {wanted.source}, type {wanted.type}: {os.strerror(error.errno or 0).lower()}"
        hint = f"`minirun volume inspect {name}` shows its options"
        raise MinirunError(f"failed to mount local volume {name}: {words}", hint) from None


def _show(tree: str, mount: MountPoint) -> None:
    """Mount what `subpath` leads to inside of the tree."""
    root = os.open(tree, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = inroot.open_in_root(root, mount["subpath"])
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            raise
        whose = f"{mount['kind']} {mount['name'] or mount['source']}"
        raise NotFoundError(
            f"failed to mount subpath: {mount['subpath']} of {whose}: no such file or directory"
        ) from None
    finally:
        os.close(root)
    place = mount["place"]
    if stat.S_ISDIR(os.fstat(found).st_mode):
        os.mkdir(place)
    else:
        os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    why = "under a name that leads nowhere else"
    shown = f"{tree}/{mount['subpath']}"
    syscalls.mount(f"/proc/self/fd/{found}", place, None, MS_BIND | MS_REC, path=place, origin=shown, why=why)
    os.close(found)
