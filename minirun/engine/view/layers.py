"""What each layer of an image adds, changes and removes: its layers' directories compared, lowest first.

A layer directory is an overlayfs lowerdir, so this reads what overlayfs reads: a character device 0:0 is a
whiteout, a directory with trusted.overlay.opaque=y hides all that is below it.  While the layers are walked,
every directory knows what is visible in it so far; a name that is there already is a change and not an
addition, and the file it covers is wasted: its bytes are in the image and nobody sees them any more.

A hard link shares its bytes: they are counted at the first name, and wasted when the last name is covered.

See      image-spec layer.md, config.md "history"; kernel Documentation/filesystems/overlayfs.rst
By hand  find /var/lib/minirun/layers/DIFF_ID -printf '%y %m %s %P\\n'; getfattr -d -m - DIR
Left out extended attributes of files that did not change otherwise
"""

from __future__ import annotations

import os
import stat
from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, BinaryIO

    from minirun.image.image import Image
    from minirun.image.mediatypes import Json

ADDED, CHANGED, REMOVED, ATTRIBUTES, SAME = "added", "changed", "removed", "attributes", "same"
CHANGES = (ADDED, CHANGED, ATTRIBUTES, REMOVED)  # SAME is on the way to a change, or there once more

_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK_BYTES = 1 << 20
_COMPARED_BYTES_MAX = 256 << 20  # of a larger file the time of change says whether it is the same
_by_name = attrgetter("name")


class Entry:
    """One name in one layer."""

    __slots__ = (
        "change",
        "children",
        "first",
        "hidden_by",
        "hides",
        "kind",
        "layer",
        "links",
        "mode",
        "name",
        "opaque",
        "owner",
        "parent",
        "rdev",
        "size",
        "target",
        "times",
        "total",
        "visible",
        "wasted",
    )

    def __init__(
        self, name: str, parent: Entry | None, layer: int, kind: str, mode: int, owner: tuple[int, int]
    ) -> None:
        self.name = name  # as os.fsdecode gives it
        self.parent = parent
        self.layer = layer
        self.kind = kind
        self.change = ADDED
        self.mode = mode  # permissions only
        self.owner = owner
        self.times = self.rdev = 0
        self.size = 0  # of a file; not of its second name
        self.target = ""  # of a symbolic link
        self.first: Entry = self  # of a hard link: the entry that has the bytes
        self.links = 1  # names of `first` that are visible
        self.hides = 0  # bytes of lower layers that this one covers
        self.hidden_by = -1  # the layer that covers this one
        self.opaque = False  # a directory that shows nothing of the layers below
        self.total = 0  # bytes of itself and all below it, in this layer
        self.wasted = 0  # how many of these later layers cover
        self.children: dict[str, Entry] = {}  # what this layer says of the names in it
        self.visible: dict[str, Entry] = {}  # of a directory: what is seen in it so far

    @property
    def path(self) -> str:
        """From the image's root, without the leading slash; "" is the root."""
        names, entry = [], self
        while entry.parent is not None:
            names.append(entry.name)
            entry = entry.parent
        return "/".join(reversed(names))

    def walk(self) -> Iterator[tuple[Entry, int]]:
        """All below this one with its depth, parents first, in the order of their names."""
        pending = [(child, 1) for child in reversed(self.children.values())]
        while pending:
            entry, depth = pending.pop()
            yield entry, depth
            pending.extend((child, depth + 1) for child in reversed(entry.children.values()))


class Layer:
    """What one layer of the image did."""

    def __init__(self, number: int, directory: str) -> None:
        self.number = number  # 0 is the lowest
        self.directory = directory
        self.counts = dict.fromkeys(CHANGES, 0)
        self.root = _entry("", None, number, os.stat(directory))
        self.root.change = SAME
        self.diff_id = ""
        self.digest = ""
        self.packed_bytes = 0
        self.history: Json = {}  # its line of the config's history, or empty

    def lay_over(self, lower: Layer) -> None:
        """Begin with all that `lower` and those below it show."""
        self.root.visible = lower.root.visible
        self.root.change = _change_of_attributes(lower.root, self.root)


def _entry(name: str, parent: Entry | None, layer: int, status: os.stat_result) -> Entry:
    mode = status.st_mode
    kind = _KINDS[stat.S_IFMT(mode)]
    entry = Entry(name, parent, layer, kind, stat.S_IMODE(mode), (status.st_uid, status.st_gid))
    if kind == "file":
        entry.size = status.st_size
    if kind != "directory":  # whose time changes with every name in it
        entry.times = status.st_mtime_ns
    entry.rdev = status.st_rdev
    return entry


def read(image: Image) -> list[Layer]:
    """The layers of `image`, lowest first; what is not unpacked yet is unpacked now."""
    image.layer_paths()
    layers = compare([path for path in image.unpacked() if path])
    for layer, diff_id, blob in zip(layers, image.diff_ids, image.manifest["layers"], strict=True):
        layer.diff_id = diff_id
        layer.digest, layer.packed_bytes = str(blob["digest"]), int(blob["size"])
    for line, made in steps(image.document.get("history"), layers):
        if made:
            made.history = line
    return layers


def steps(history: Any, layers: list[Layer]) -> list[tuple[Json, Layer | None]]:
    """The lines of the config's history, each with the layer it made; {} for layers that have no line.

    A line with `empty_layer` changed the config only.  Other tools leave lines out, or write too many.
    """
    rest = iter(layers)
    lines = [line for line in history if isinstance(line, dict)] if isinstance(history, list) else []
    known = [(line, None if line.get("empty_layer") else next(rest, None)) for line in lines]
    return known + [({}, layer) for layer in rest]


# ---- comparing --------------------------------------------------------------------------------------------


def compare(directories: list[str]) -> list[Layer]:
    """The layers in these directories, lowest first, each with its tree of changes."""
    layers: list[Layer] = []
    for number, directory in enumerate(directories):
        layers.append(Layer(number, directory))
        if number:
            layers[-1].lay_over(layers[-2])
        _Walk(layers).run()
    for layer in layers:  # only now is it known what of each was covered later
        _sum_up(layer)
    return layers


class _Walk:
    """One layer's directory, laid over what the layers below it show."""

    def __init__(self, layers: list[Layer]) -> None:
        self.layers = layers
        self.layer = layers[-1]
        self.number = self.layer.number
        self.inodes: dict[int, Entry] = {}  # files with several names
        self.doubtful: list[tuple[Entry, Entry]] = []  # files of the same size: (lower, upper)
        self.pending = [(self.layer.root, False)]

    def run(self) -> None:
        root_fd = os.open(self.layer.directory, _DIRECTORY)
        try:
            while self.pending:
                entry, hidden = self.pending.pop()
                # by descriptors, as the unpacker did: a path from the host's root might be too long
                fd = os.open(entry.path or ".", _DIRECTORY, dir_fd=root_fd)
                try:
                    self._directory(entry, fd, hidden)
                finally:
                    os.close(fd)
        finally:
            os.close(root_fd)
        for lower, upper in self.doubtful:
            upper.change = _change_of_file(lower, upper, self.layers)

    def _directory(self, entry: Entry, fd: int, hidden: bool) -> None:
        """Look at what is in the directory `entry`; `hidden`: a directory above it is opaque."""
        entry.opaque = _is_opaque(fd)
        hidden = hidden or entry.opaque
        below = entry.visible
        with os.scandir(fd) as items:
            found = sorted(items, key=_by_name)
        directories = []
        for item in found:
            old = below.get(item.name)
            child = self._entry_of(item.name, item.stat(follow_symlinks=False), entry, old)
            if child.kind == "directory" and child.change != REMOVED:
                directories.append((child, hidden))
            elif child.kind == "symlink" and child.change != REMOVED:
                child.target = os.readlink(item.name, dir_fd=fd)
            if old is not None:
                self._cover(old, child)
        self.pending.extend(reversed(directories))
        if hidden:
            for name in below.keys() - entry.children.keys():
                self._remove(name, entry, below[name])
            entry.children = dict(sorted(entry.children.items()))

    def _entry_of(self, name: str, status: os.stat_result, parent: Entry, old: Entry | None) -> Entry:
        """One name found in this layer; `old` is what was visible there so far."""
        entry = _entry(name, parent, self.number, status)
        if entry.rdev == 0 and entry.kind == "character device":
            return self._remove(name, parent, old or entry)
        if status.st_nlink > 1 and entry.kind == "file":
            self._link(entry, status.st_ino)
        parent.children[name] = parent.visible[name] = entry
        return entry

    def _link(self, entry: Entry, inode: int) -> None:
        first = self.inodes.setdefault(inode, entry)
        if first is not entry:
            entry.first = first
            entry.size = 0
            first.links += 1

    def _remove(self, name: str, parent: Entry, old: Entry) -> Entry:
        entry = Entry(name, parent, self.number, old.kind, old.mode, old.owner)
        entry.change = REMOVED
        parent.children[name] = entry
        parent.visible.pop(name, None)
        entry.hides = self._hide(old)
        return entry

    def _cover(self, old: Entry, entry: Entry) -> None:
        """`entry` takes the place of `old`, or, a directory over a directory, joins it."""
        if entry.change == REMOVED:
            return
        if old.kind == "directory" == entry.kind:
            entry.change = _change_of_attributes(old, entry)
            entry.visible = old.visible
            return
        entry.hides = self._hide(old)
        entry.change = CHANGED
        if (old.kind, old.rdev, old.target, old.first.size) == _nature(entry):
            self.doubtful.append((old, entry))

    def _hide(self, old: Entry) -> int:
        """Mark `old` and all that is visible below it as covered; returns the bytes that wastes."""
        pending, wasted = [old], 0
        while pending:
            entry = pending.pop()
            pending.extend(entry.visible.values())
            entry.hidden_by = self.number
            first = entry.first
            first.links -= 1
            if not first.links:
                first.wasted = first.size
                wasted += first.size
        return wasted


def _nature(entry: Entry) -> tuple[str, int, str, int]:
    return entry.kind, entry.rdev, entry.target, entry.first.size


def _is_opaque(fd: int) -> bool:
    try:
        return os.getxattr(fd, "trusted.overlay.opaque") == b"y"
    except OSError:
        return False


def _change_of_attributes(old: Entry, new: Entry) -> str:
    same = (old.mode, old.owner, old.times) == (new.mode, new.owner, new.times)
    return SAME if same else ATTRIBUTES


def _change_of_file(lower: Entry, upper: Entry, layers: list[Layer]) -> str:
    """What became of something whose kind and size are as before; a regular file is compared byte by byte."""
    change = _change_of_attributes(lower, upper)
    if lower.kind != "file":
        return change
    if lower.first.size > _COMPARED_BYTES_MAX:
        return change if lower.times == upper.times else CHANGED
    with _opened(lower, layers) as old, _opened(upper, layers) as new:
        while block := old.read(_CHUNK_BYTES):
            if block != new.read(len(block)):
                return CHANGED
        return change if _xattrs(old.fileno()) == _xattrs(new.fileno()) else ATTRIBUTES


def _opened(entry: Entry, layers: list[Layer]) -> BinaryIO:
    root_fd = os.open(layers[entry.layer].directory, _DIRECTORY)
    try:
        return open(os.open(entry.path, _FILE, dir_fd=root_fd), "rb", buffering=0)
    finally:
        os.close(root_fd)


def _xattrs(fd: int) -> dict[str, bytes]:
    return {name: os.getxattr(fd, name) for name in os.listxattr(fd)}


def _sum_up(layer: Layer) -> None:
    """Add up bytes and changes from the leaves; a directory that only leads nowhere is left out."""
    for entry, _ in reversed(list(layer.root.walk())):
        parent = entry.parent
        assert parent is not None
        if entry.kind == "directory" and entry.change == SAME and not entry.children:
            del parent.children[entry.name]
            continue
        entry.total += entry.size
        parent.total += entry.total
        parent.wasted += entry.wasted
        if entry.change != SAME:
            layer.counts[entry.change] += 1
