"""`build --squash`: the layers that the steps have made become one.

The directories are laid on top of each other, the lowest first, as overlayfs would show them: what a layer deletes
goes, or hides what the base has.  Files are linked, not copied: an unpacked layer is never written to.

See      Documentation/filesystems/overlayfs.rst "whiteouts and opaque directories"; link(2)
By hand  cp -al LAYER1/. LAYER2/. ONE/
"""

from __future__ import annotations

import os
import stat

from minirun.build.layer import Workspace
from minirun.files import remove_tree
from minirun.image.tarentry import OVERLAY_XATTRS, set_xattr
from minirun.image.unpacking import find_below, is_opaque
from minirun.linux import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.build.layer import Layer
    from minirun.image.store import Store
    from minirun.paths import Paths

_OPAQUE = "trusted.overlay.opaque"


def squash(
    paths: Paths,
    base: list[str],
    diff_ids: list[str],
    layers: list[Layer],
    epoch: int | None,
    store: Store | None,
) -> list[Layer]:
    """One layer of all `layers` (lowest first), or none where they come to nothing.

    `base` are the directories of the layers below, lowest first, and `diff_ids` their digests.
    """
    if len(layers) < 2:
        return layers
    workspace = Workspace(paths)
    try:
        workspace.make_upper(base)
        for layer in layers:
            _lay(layer.path(paths), workspace.upper, "", workspace.below[::-1])
        made = workspace.finish(diff_ids, epoch=epoch, store=store)
        return [made] if made else []
    finally:
        workspace.close()


def _lay(layer: str, upper: str, name: str, base: list[str]) -> None:
    """Lay the directory `name` of a layer over that of `upper`, which is there; `base` is uppermost first."""
    source, target = f"{layer}/{name}".rstrip("/"), f"{upper}/{name}".rstrip("/")
    with os.scandir(source) as listing:
        entries = list(listing)
    for entry in entries:
        inside = f"{name}/{entry.name}" if name else entry.name
        status = entry.stat(follow_symlinks=False)
        place = f"{target}/{entry.name}"
        if stat.S_ISDIR(status.st_mode):
            _make_directory(entry.path, place, inside, base)
            _lay(layer, upper, inside, base)
        elif stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            _remove(place)
            _hide(place, inside, base)
        else:
            _remove(place)
            os.link(entry.path, place, follow_symlinks=False)
    _copy_attributes(source, target)


def _make_directory(source: str, place: str, name: str, base: list[str]) -> None:
    replaces = is_opaque(source) or not os.path.isdir(place) or os.path.islink(place)
    if not replaces:
        return
    was_hidden = os.path.lexists(
        place
    )  # by a whiteout or a file of a layer before, or by what is replaced now
    _remove(place)
    os.mkdir(place)
    if (was_hidden or is_opaque(source)) and find_below(base, name) is not None:
        os.setxattr(place, _OPAQUE, b"y")


def _hide(place: str, name: str, base: list[str]) -> None:
    """A whiteout, if there is anything to hide."""
    if find_below(base, name) is not None:
        syscalls.mknod(place, stat.S_IFCHR, 0, why="what the base has here is gone")


def _remove(place: str) -> None:
    if os.path.lexists(place):
        remove_tree(place)


def _copy_attributes(source: str, target: str) -> None:
    """Of a directory; after its content, which changes its times."""
    status = os.stat(source)
    os.chown(target, status.st_uid, status.st_gid)
    for name in os.listxattr(source):
        if not name.startswith(OVERLAY_XATTRS):
            set_xattr(target, name, os.getxattr(source, name))
    os.chmod(target, stat.S_IMODE(status.st_mode))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
