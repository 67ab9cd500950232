"""Unpacked trees, described and compared entry by entry: what two tools made of one image has to be the same.

    trees.of(directory)          a tree that this process sees
    trees.of_layers([...])       the overlay of minirun's layers (lowest first), mounted where nobody else sees it
    trees.differences(one, two)  [] or lines that say which entry differs in what

Looked at: type, mode, owner, mtime in nanoseconds, extended attributes, link targets, which names are hard links
of one another, device numbers, size and content.
"""

import hashlib
import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

Entry = dict[str, Any]
Tree = dict[str, Entry]
"""Name below the root ("" is the root) -> what it is; bytes that are not UTF-8 as os.fsdecode has them."""

# A label of this machine's policy, overlayfs's own books and ours: no part of an image.
_NOT_THE_IMAGES = ("security.selinux", "trusted.overlay.", "user.overlay.", "trusted.minirun.")


def of(root: str | Path) -> Tree:
    """The tree below `root`."""
    tree: Tree = {}
    groups: dict[tuple[int, int], list[str]] = {}
    for name in sorted(_names(str(root))):
        path = os.path.join(root, name)
        status = os.lstat(path)
        tree[name] = _entry(path, status)
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            groups.setdefault((status.st_dev, status.st_ino), []).append(name)
    for names in groups.values():
        for name in names if len(names) > 1 else []:  # a name of it may be hidden by an upper layer
            tree[name]["hard links"] = names
    return tree


def of_layers(layers: list[str]) -> Tree:
    """What a container of these layers (lowest first) would see, by an overlay in a mount namespace of its own."""
    if len(layers) == 1:  # overlayfs wants two
        return of(layers[0])
    with tempfile.TemporaryDirectory() as place:
        for number, layer in enumerate(layers):  # short names: mount(2) takes one page of them
            os.symlink(layer, f"{place}/{number}")
        script = 'mount -t overlay overlay -o "$1" merged && exec "$2" "$3" merged'
        options = "lowerdir=" + ":".join(map(str, reversed(range(len(layers)))))
        os.mkdir(f"{place}/merged")
        words = ["sh", options, sys.executable, os.path.abspath(__file__)]
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, *words], cwd=place, capture_output=True, check=False
        )
    assert done.returncode == 0, done.stderr.decode()
    tree: Tree = json.loads(done.stdout)
    return tree


def _names(root: str) -> list[str]:
    names = [""]
    for directory, directories, files in os.walk(root, onerror=_raise):
        below = os.path.relpath(directory, root) if directory != root else ""
        names += [os.path.join(below, name) for name in (*directories, *files)]
    return names


def _raise(error: OSError) -> None:
    raise error


def _entry(path: str, status: os.stat_result) -> Entry:
    entry: Entry = {
        "type": stat.filemode(status.st_mode)[0],
        "mode": oct(stat.S_IMODE(status.st_mode)),
        "owner": f"{status.st_uid}:{status.st_gid}",
        "mtime": status.st_mtime_ns,
        "xattrs": _xattrs(path),
    }
    if stat.S_ISLNK(status.st_mode):
        entry["target"] = os.readlink(path)
    elif stat.S_ISREG(status.st_mode):
        entry["size"] = status.st_size
        with open(path, "rb") as file:
            entry["content"] = hashlib.file_digest(file, "sha256").hexdigest()
    elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        entry["device"] = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    return entry


def _xattrs(path: str) -> dict[str, str]:
    return {
        name: os.getxattr(path, name, follow_symlinks=False).hex()
        for name in sorted(os.listxattr(path, follow_symlinks=False))
        if not name.startswith(_NOT_THE_IMAGES)
    }


def differences(one: Tree, two: Tree, ignore: tuple[str, ...] = ()) -> list[str]:
    """One line for each entry that only one tree has, and for each field that differs; `ignore` are fields.

    The root is left out: what it is like is not for an image to say, and umoci obeys an entry for it all the same.
    """
    one, two = ({name: tree[name] for name in tree if name} for tree in (one, two))
    lines = [f"{name!r}: only in the first" for name in one if name not in two]
    lines += [f"{name!r}: only in the second" for name in two if name not in one]
    for name in one:
        if name in two:
            fields = (one[name].keys() | two[name].keys()) - set(ignore)
            lines += [
                f"{name!r}: {field} {one[name].get(field)} and {two[name].get(field)}"
                for field in sorted(fields)
                if one[name].get(field) != two[name].get(field)
            ]
    return lines


if __name__ == "__main__":  # of_layers, on the other side of unshare
    json.dump(of(sys.argv[1]), sys.stdout)
