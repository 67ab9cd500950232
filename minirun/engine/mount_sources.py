"""What is mounted in a container and is no whole directory of the host's: an image, a part of an image or of a volume.

    containers/ID/sources/      a tmpfs, in the mount namespace of the container's shim
        0                       what the mount shows: config.json binds it
        0.tree                  an image: its layers as one tree, read-only
        0.root                  the uppermost of them, empty: / belongs to whom the image says

The part is found inside the volume by openat2(2), and what was found is mounted here at once.  So whoever may write to
the volume cannot lead the mount to the host with a link, before or after (CVE-2023-5043 is of this kind).

See      openat2(2) RESOLVE_IN_ROOT; overlayfs.rst; moby volume/safepath for the same with volumes
By hand  mount -t overlay overlay -o ro,lowerdir=ROOT:L2:L1 0.tree; mount --bind 0.tree/PART 0
"""

from __future__ import annotations

import errno
import os
import stat

from minirun.engine import overlay
from minirun.engine.files import detached
from minirun.errors import NotFoundError
from minirun.linux import inroot, syscalls
from minirun.linux.constants import MNT_DETACH, MS_BIND, MS_NODEV, MS_NOSUID, MS_REC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.engine.record_types import MountPoint, Record
    from minirun.paths import Paths


def locate(paths: Paths, record: Record, number: int, mount: MountPoint) -> None:
    """Where the mount's source will be, and of an image the layers, which the record then has a claim on."""
    mount["place"] = f"{directory(paths, record['id'])}/{number}"
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
        _show(_tree(mount) if mount["kind"] == "image" else mount["source"], mount)


def unmount(paths: Paths, container_id: str) -> None:
    """Let go of them: what is shown there is somebody else's, and not to be deleted with the container's directory."""
    with syscalls.tolerating(errno.EINVAL, errno.ENOENT):
        syscalls.umount2(directory(paths, container_id), MNT_DETACH, why="the sources of its mounts")


def _tree(mount: MountPoint) -> str:
    """The image's layers as one tree; returns where it is."""
    root, tree = f"{mount['place']}.root", f"{mount['place']}.tree"
    os.mkdir(root)
    os.mkdir(tree)
    like = os.stat(overlay.root_layer(mount["layers"]))
    os.chown(root, like.st_uid, like.st_gid)
    os.chmod(root, stat.S_IMODE(like.st_mode))
    detached.mount_readonly([root, *reversed(mount["layers"])], tree)
    syscalls.chdir("/", why="the short names have served")
    return tree


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
