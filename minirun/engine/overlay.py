"""Step 5 of 13: the overlay, one tree of the image's layers and the container's own directory on top.

    merged/   what the container sees          lowerdir   the image's layers, read-only, shared by all
    upper/    what it has changed              workdir    overlayfs's own scratch space

See      Documentation/filesystems/overlayfs.rst
By hand  mount -t overlay overlay -o lowerdir=L2:L1,upperdir=U,workdir=W merged
Next     engine/bundle.py
"""

from __future__ import annotations

import errno
import fcntl
import os

from minirun.errors import MinirunError
from minirun.linux import syscalls

PAGE = 4096  # bytes of data that mount(2) takes
LAYERS_MAX = 500  # that overlayfs takes: OVL_MAX_STACK in fs/overlayfs/params.h

_WHY_DIRECTORY = {
    "work": "scratch space that overlayfs wants beside the upper directory",
    "merged": "where the container's tree will be seen",
    "upper": "what the container changes lands here",
}


def lock(directory: str) -> int:
    """Wait until nobody else has the overlay of the container at `directory` mounted: overlayfs would let both
    write, and the result is undefined.  Returns the lock's descriptor; close it after the umount.
    """
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return fd


def mount(directory: str, layers: list[str], more: str = "") -> None:
    """Mount the overlay of `layers` (lowest first) on `directory`/merged, in this process's mount namespace.

    `more` options begin with a comma.
    """
    if not os.path.isdir(f"{directory}/upper"):  # made last, so where it is the others are
        make_upper(directory)
    data, short = _options(directory, layers or [_empty(directory)], more)
    try:
        syscalls.mount("overlay", f"{directory}/merged", "overlay", 0, data, why="one tree of all layers")
    except syscalls.SyscallError as error:
        hint = "an overlay needs ext4, xfs or tmpfs below it, not another overlay; put --root on one"
        raise MinirunError(str(error), hint if error.errno == errno.EINVAL else "") from None
    finally:
        if short:
            syscalls.chdir("/", why="the short names have served")


def _empty(directory: str) -> str:
    """The lowerdir of an image without layers: overlayfs wants one."""
    path = f"{directory}/empty"
    with syscalls.tolerating(errno.EEXIST):
        syscalls.mkdir(path, why="the image has no layers, and overlayfs wants something below")
    return path


def _options(directory: str, layers: list[str], more: str) -> tuple[str, bool]:
    """The options of the overlay, and whether they hold short names, good only where we stand now."""
    if len(layers) > LAYERS_MAX:
        raise MinirunError(
            f"the image has {len(layers)} layers, and overlayfs takes no more than {LAYERS_MAX}",
            "build it with fewer instructions that change files",
        )
    changes = f"upperdir={directory}/upper,workdir={directory}/work{more}"
    data = f"lowerdir={':'.join(reversed(layers))},{changes}"
    if len(os.fsencode(data)) < PAGE:
        return data, False
    return f"lowerdir={':'.join(reversed(_short_names(directory, layers)))},{changes}", True


def _short_names(directory: str, layers: list[str]) -> list[str]:
    """Numbers for names: a link to each layer, and we stand beside the links.  So does Docker, so can a shell."""
    links = f"{directory}/lower"
    with syscalls.tolerating(errno.EEXIST):
        syscalls.mkdir(links, why="short names for many layers: mount(2) takes one page of options")
    names = [str(number) for number in range(len(layers))]
    for name, layer in zip(names, layers, strict=True):
        with syscalls.tolerating(errno.EEXIST):  # the container ran before
            syscalls.symlink(layer, f"{links}/{name}", why="one for each layer, the lowest first")
    syscalls.chdir(links, why="overlayfs looks for the short names here")
    return names


def make_upper(directory: str) -> None:
    """The merged root has mode and owner of the upper directory: root's, 0755, whatever an image says, as in Docker."""
    for name in ("work", "merged", "upper"):
        with syscalls.tolerating(errno.EEXIST):
            syscalls.mkdir(f"{directory}/{name}", why=_WHY_DIRECTORY[name])
    syscalls.chmod(f"{directory}/upper", 0o755, why="anybody may enter the container's /")
