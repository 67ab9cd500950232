"""What a file is, in a few words that are the same as long as it is, whatever the clock says.

    path, kind, mode, owner, size, where a link leads, device number, extended attributes, content; no times

A file that was read once is not read again: its digest is kept under its device, inode, size, mtime and ctime, which
cannot all stay the same when it is changed.  But for one case: a file that is changed twice within one tick of the
clock looks the same after the second time as after the first.  So nothing is kept of a file whose ctime is as young
as that when it is read; the next build reads it again.

See      moby/buildkit cache/contenthash (what counts); git's Documentation/technical/racy-git.txt
By hand  column -ts "$(printf '\\t')" ROOT/build/digests/*
Next     copying.py
"""

from __future__ import annotations

import hashlib
import os
import stat
import time

from minirun import files
from minirun.build.entries import entry_of, identity, xattrs
from minirun.build.tree import DIRECTORY, Tree, open_beneath
from minirun.errors import MinirunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from minirun.build.entries import Entry, Source
    from minirun.paths import Paths

Row = list[str | int]
"""[path, kind, mode, uid, gid, size, link target, device number, digest of xattrs or "", digest of content or ""]"""

KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
}
_TICK_NS = 20_000_000  # a jiffy is 10 ms at most
_COARSE_TICK_NS = 2_000_000_000  # of file systems that keep whole seconds
_BLOCK_BYTES = 1 << 20
_FIELDS_AT_ONCE = 10_000
_KEPT_UNUSED = 5_000  # digests that this build did not ask for
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Remembered:
    """The digests of a tree's files from earlier builds, by what `identity` says of the file."""

    def __init__(self, paths: Paths, key: str) -> None:
        """`key` names the tree: "" remembers nothing."""
        self._path = f"{paths.build}/digests/{key}" if key else ""
        self._known = self._load()
        self._new: dict[str, str] = {}
        self._used: set[str] = set()

    def _load(self) -> dict[str, str]:
        try:
            text = files.read_bytes(self._path).decode("ascii") if self._path else ""
            return dict(line.split("\t") for line in text.splitlines())
        except (OSError, ValueError):  # missing, or cut short by a full disk
            return {}

    def get(self, identity: str) -> str | None:
        """What is remembered."""
        value = self._known.get(identity)
        if value is not None:
            self._used.add(identity)
        return value

    def keep(self, status: os.stat_result, value: str, started_ns: int) -> None:
        """Remember `value` of the file that had `status` when it was read, from `started_ns` on."""
        whole_seconds = status.st_ctime_ns % 10**9 == 0
        if status.st_ctime_ns + (_COARSE_TICK_NS if whole_seconds else _TICK_NS) < started_ns:
            self._new[identity(status)] = value

    def save(self) -> None:
        """Write what is new; what others wrote meanwhile stays, what nobody asked for goes when it is too much."""
        if not (self._path and self._new):
            return
        known = {**self._load(), **self._new}
        used = self._used | self._new.keys()
        if len(known) - len(used) > _KEPT_UNUSED + len(used):
            known = {key: value for key, value in known.items() if key in used}
        text = "".join(f"{key}\t{value}\n" for key, value in known.items())
        try:
            files.make_private(os.path.dirname(self._path))
            files.write_whole(self._path, text.encode("ascii"), 0o600)
        except OSError:
            return  # a full disk will be told by who cannot do without
        self._known, self._new = known, {}


# ---- rows -------------------------------------------------------------------------------------------------


def digest(rows: Iterable[Row]) -> str:
    """`sha256:...` of all rows, in their order."""
    hashed = hashlib.sha256()
    fields: list[str] = []  # a name cannot hold a NUL, and neither can where a link leads
    for row in rows:
        fields += map(str, row)
        if len(fields) > _FIELDS_AT_ONCE:
            hashed.update("\0".join([*fields, ""]).encode("utf-8", "surrogateescape"))
            fields.clear()
    hashed.update("\0".join([*fields, ""]).encode("utf-8", "surrogateescape"))
    return f"sha256:{hashed.hexdigest()}"


def rows(
    sources: list[Source], heredocs: list[tuple[str, bytes]], remembered: Remembered, *, whole: bool
) -> Iterator[Row]:
    """A row for each file; `whole`: for a source that is a directory, too.  An entry found outdated is replaced."""
    reader = _Reader(remembered)
    try:
        for source in sources:
            reader.tree = source.tree
            if source.directories is None:
                yield reader.row_of_file(source)
            elif whole:
                yield _row(source.asked, source.entry)
            for directory in source.directories or []:
                asked = f"{source.asked}/{source.below(directory)}".strip("/")
                yield from reader.rows(directory.path, asked, directory.entries)
    finally:
        reader.close()
    for name, content in heredocs:
        yield [name, "file", 0o644, 0, 0, len(content), "", 0, "", hashlib.sha256(content).hexdigest()]


def _row(path: str, entry: Entry, target: str = "", known: str = "- -") -> Row:
    content, xattrs = known.replace("-", "").split(" ")
    _, mode, uid, gid, size, device, _ = entry
    is_file = stat.S_ISREG(mode)
    is_device = stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
    kind = KINDS[stat.S_IFMT(mode)]
    return [
        path,
        kind,
        stat.S_IMODE(mode),
        uid,
        gid,
        size if is_file else 0,
        target,
        device if is_device else 0,
        xattrs,
        content,
    ]


class _Reader:
    """Reads what is not remembered, a directory's files after each other."""

    tree: Tree

    def __init__(self, remembered: Remembered) -> None:
        self._remembered = remembered
        self._directory = -1
        self._buffer = memoryview(bytearray(_BLOCK_BYTES))

    def close(self) -> None:
        if self._directory >= 0:
            os.close(self._directory)
            self._directory = -1

    def row_of_file(self, source: Source) -> Row:
        """Of a source that is a file, under the name that it was asked for by."""
        alone = [source.entry]
        [row] = self.rows(os.path.dirname(source.path), "", alone)
        [source.entry] = alone
        return [source.asked, *row[1:]]

    def rows(self, path: str, shown: str, entries: list[Entry]) -> Iterator[Row]:
        """Of `entries` in the directory `path`, which are updated."""
        self.close()
        for index, entry in enumerate(entries):
            name, mode, *_, known_as = entry
            kind, target, known = stat.S_IFMT(mode), "", "- -"
            if kind in (stat.S_IFREG, stat.S_IFDIR):
                remembered = self._remembered.get(known_as)
                if remembered is None:
                    remembered, entries[index] = self._read(path, name, kind)
                known = remembered
            elif kind == stat.S_IFLNK:
                target = os.readlink(name, dir_fd=self._enter(path))
            yield _row(f"{shown}/{name}" if shown else name, entries[index], target, known)

    def _enter(self, path: str) -> int:
        if self._directory < 0:
            self._directory = open_beneath(self.tree.fd, path, DIRECTORY)
        return self._directory

    def _read(self, path: str, name: str, kind: int) -> tuple[str, Entry]:
        """The digests of a file or directory, and what it is like now."""
        started = time.time_ns()
        try:
            fd = os.open(name, _READ, dir_fd=self._enter(path))
            try:
                status = os.fstat(fd)
                if stat.S_IFMT(status.st_mode) != kind:
                    raise MinirunError(f"/{path}/{name}: it was replaced while the build looked at it")
                content = self._content(fd, status.st_size) if kind == stat.S_IFREG else "-"
                value = f"{content} {_digest_of(xattrs(fd))}"
            finally:
                os.close(fd)
        except OSError as error:
            raise MinirunError(f"{self.tree.shown}: /{path}/{name}: {error.strerror}") from None
        self._remembered.keep(status, value, started)
        return value, entry_of(name, status, self.tree.owner)

    def _content(self, fd: int, size: int) -> str:
        """Of all that is in the file, which is mostly small, and then read in one go."""
        data = os.read(fd, size + 1) if size < len(self._buffer) else b""
        hashed = hashlib.sha256(data)
        if len(data) != size or not data:
            while count := os.readv(fd, [self._buffer]):
                hashed.update(self._buffer[:count])
        return hashed.hexdigest()


def _digest_of(attributes: list[tuple[str, bytes]]) -> str:
    return hashlib.sha256(repr(attributes).encode()).hexdigest() if attributes else "-"
