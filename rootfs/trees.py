"""Directories become layers: what a later tree has that an earlier one had not is a tar of its own.

Two images that stand on the same base then hold the same bytes for it, so it is packed, kept and unpacked once.

See      image-spec layer.md (whiteouts), tar(5)
By hand  rsync -a --compare-dest=/base /changed/ /new/; tar -C /new -cf layer.tar .
Left out extended attributes: no package that the recipes install has any
"""

import io
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import layout

WHITEOUT = ".wh."
DEVICES = "dev/"  # a container's /dev is made when it starts


def names(tree: Path) -> Iterator[str]:
    """Every file below `tree`, relative to it, sorted, a directory before what is in it."""
    with os.scandir(tree) as found:
        for item in sorted(found, key=lambda item: item.name):
            yield item.name
            if item.is_dir(follow_symlinks=False):
                yield from (f"{item.name}/{name}" for name in names(Path(item.path)))


def changes(before: Path, after: Path) -> list[str]:
    """The names in `after` that differ from `before`, with the directories above them."""
    found: set[str] = set()
    for name in names(after):
        if differ(before / name, after / name):
            found |= {name, *(str(parent) for parent in Path(name).parents[:-1])}
    return sorted(found)


def gone(before: Path, after: Path) -> list[str]:
    """What `after` lacks of `before`; of a directory that is missing only its own name."""
    lost = [name for name in names(before) if not os.path.lexists(after / name)]
    return [name for name in lost if os.path.lexists(after / Path(name).parent)]


def differ(before: Path, after: Path) -> bool:
    """Whether a layer has to carry `after`. Times alone are no difference: installing touches every directory."""
    if not os.path.lexists(before):
        return True
    old, new = before.lstat(), after.lstat()
    if (old.st_mode, old.st_uid, old.st_gid) != (new.st_mode, new.st_uid, new.st_gid):
        return True
    if stat.S_ISLNK(new.st_mode):
        return os.readlink(before) != os.readlink(after)
    if not stat.S_ISREG(new.st_mode) or (old.st_size, old.st_mtime_ns) == (new.st_size, new.st_mtime_ns):
        return False
    return before.read_bytes() != after.read_bytes()


def layer(tree: Path, chosen: Iterable[str], since: float, lost: Iterable[str] = ()) -> bytes:
    """A layer's tar: the `chosen` names of `tree`, and whiteouts for the `lost`.

    What is newer than `since` (seconds) was made by us, not by a package, and gets layout.EPOCH for its time: so two
    days' layers differ in what Debian changed and in nothing else.
    """
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in lost:
            parent, _, last = name.rpartition("/")
            tar.addfile(layout.entry(os.path.join(parent, WHITEOUT + last), 0o644)[0])
        for name in chosen:
            if not name.startswith(DEVICES):
                _add(tar, tree, name, since)
    return out.getvalue()


def _add(tar: tarfile.TarFile, tree: Path, name: str, since: float) -> None:
    info = tar.gettarinfo(tree / name, name)
    if info is None:  # a socket
        return
    info.uname = info.gname = ""
    info.mtime = layout.EPOCH if info.mtime >= since else int(info.mtime)
    if info.isreg():
        with open(tree / name, "rb") as content:
            tar.addfile(info, content)
    else:
        tar.addfile(info)
