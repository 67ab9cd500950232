"""Reading a file of lines that is put aside when it is full, while others write it: no line missed, none twice.

    log.json.2   log.json.1   log.json          oldest to newest; names change, the files behind them do not

So the reader goes by descriptors, not by names.  A file is finished when a newer one is known; then, at its end, the
reader goes on to that.  It is the kernel that says when one is put aside (inotify), so a reader that was too slow,
and lost a file that had been put aside and removed, knows it.

See  writer.py and events.py, which write such files; inotify(7)
"""

from __future__ import annotations

import contextlib
import glob
import os
import select
import time

from minirun import jsontext
from minirun.engine.logs.writer import name
from minirun.linux import inotify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

BLOCK = 1 << 17  # bytes read at once
_BEGINNINGS = inotify.IN_CREATE | inotify.IN_MOVED_TO  # what is heard of when a new file takes the name
FOLLOWED = _BEGINNINGS | inotify.IN_MODIFY
_TRIES = 20


class Tail:
    """The files at `path`, from the beginning of the oldest.  `follow`: it will go on; else it is as it is now.

    Who follows many gives the `changes` of the directory, of FOLLOWED, and waits for all of them himself.
    """

    def __init__(
        self, path: str, *, follow: bool = False, changes: inotify.Inotify | inotify.Part | None = None
    ) -> None:
        self.path = path
        self.files: list[int] = []  # descriptors, the oldest first
        self.current = 0  # the one that is being read
        self.at = 0  # where the next line begins in it
        self.missed = False  # whether there was a file that came and went too quickly
        self.changes = changes
        self._begun = self._found = 0  # files that took the name while we looked; those of them we have met
        if follow:
            self.changes = inotify.Inotify()
            self.changes.watch(os.path.dirname(path), FOLLOWED)
        self._open_first()

    def _open_first(self) -> None:
        """Open all there are, again when one was put aside meanwhile, for then it is not known which were met."""
        for _ in range(_TRIES):
            self.files = self._new_files()
            if not self._hear():
                break
            for fd in self.files:
                os.close(fd)
            self.files = []
        else:
            self.files = self._new_files()

    def close(self) -> None:
        for fd in self.files:
            os.close(fd)
        if self.changes:
            self.changes.close()

    # ---- which files there are -----------------------------------------------------------------------------

    def _new_files(self) -> list[int]:
        """Descriptors of the files newer than those we have, the oldest first.

        Looked for from the newest to the oldest, the way they go themselves: one that is put aside meanwhile is met
        twice, not missed.
        """
        known = {_identity(fd) for fd in self.files}
        found: list[int] = []
        for number in range(self._highest() + 2):
            try:
                fd = os.open(name(self.path, number), os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue  # it is being renamed just now
            identity = _identity(fd)
            if identity not in known:
                known.add(identity)
                found.insert(0, fd)
                continue
            os.close(fd)
            if self.files and identity == _identity(self.files[-1]):
                break
        return found

    def _highest(self) -> int:
        numbers = (found.rpartition(".")[2] for found in glob.iglob(f"{glob.escape(self.path)}.*"))
        return max((int(number) for number in numbers if number.isdecimal()), default=0)

    def _hear(self) -> int:
        """How often the name has gone to a new file since the last time."""
        heard = list(self.changes.read()) if self.changes else []
        base = os.path.basename(self.path)
        return sum(1 for mask, changed in heard if changed == base and mask & _BEGINNINGS)

    def look(self) -> None:
        """See whether newer files are there."""
        for fd in self.files[: self.current]:
            os.close(fd)  # read to its end; it may long be gone, and takes up space
        del self.files[: self.current]
        self.current = 0
        self._begun += self._hear()
        new = self._new_files()
        self.files += new
        self._found += len(new)
        if self._found < self._begun:
            self.missed = True
            self._found = self._begun

    # ---- lines ---------------------------------------------------------------------------------------------

    def read(self) -> bytes:
        """The next lines, whole ones; b"" when there are none now."""
        size = BLOCK
        while self.files:
            finished = self.current < len(self.files) - 1  # known before we see its end
            data = os.pread(self.files[self.current], size, self.at)
            end = data.rfind(b"\n") + 1
            if end:
                self.at += end
                return data[:end]
            if len(data) == size:
                size *= 2  # a very long line
            elif finished:
                self.current += 1
                self.at, size = 0, BLOCK
            else:
                break
        return b""

    def line(self) -> bytes:
        """The next line alone."""
        lines = self.read()
        return lines[: lines.find(b"\n") + 1]

    def wait(self, others: Iterable[int] = (), deadline: float | None = None) -> list[int]:
        """Sleep until the files change or `deadline` (time.time()) passes; which of `others` had something, too."""
        poll = select.poll()
        if self.changes:
            poll.register(self.changes.fd, select.POLLIN)
        for fd in others:
            poll.register(
                fd, select.POLLIN if fd > 2 else 0
            )  # of our own output only whether its reader has gone
        seconds = None if deadline is None else max(0.0, deadline - time.time())
        ready = poll.poll(None if seconds is None else seconds * 1000 + 1)
        self.look()
        return [fd for fd, _ in ready if fd in others]

    # ---- places --------------------------------------------------------------------------------------------

    def size(self) -> int:
        """Bytes in all the files."""
        return sum(os.fstat(fd).st_size for fd in self.files)

    def go(self, place: int) -> None:
        """Read on at the first line that begins at `place` or after it, counted in bytes over all the files."""
        self.current = 0
        while self.current < len(self.files) - 1:
            length = os.fstat(self.files[self.current]).st_size
            if place < length:
                break
            place -= length
            self.current += 1
        self.at = place
        while place and self.files:
            data = os.pread(self.files[self.current], BLOCK, self.at - 1)  # a line begins after a newline
            newline = data.find(b"\n")
            if newline >= 0 or not data:
                self.at += max(newline, 0)
                break
            self.at += len(data)


def _identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def parse(lines: bytes) -> list[dict[str, Any]]:
    """The objects of whole lines, one JSON text each; what is none, after a crash say, is passed over.

    All are read as one array: a newline within a string is escaped, so each newline may become a comma.
    """
    try:
        found: list[Any] = jsontext.loads(b"[" + lines.rstrip(b"\n").replace(b"\n", b",") + b"]")
    except ValueError:
        found = []
        for line in lines.split(b"\n"):
            with contextlib.suppress(ValueError):
                found.append(jsontext.loads(line))
    return [one for one in found if isinstance(one, dict)]
