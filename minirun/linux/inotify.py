"""Being told of changes in directories, instead of looking again and again.

See      inotify(7)
By hand  inotifywait -m DIRECTORY
"""

from __future__ import annotations

import os
import struct

from minirun.linux import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

IN_MODIFY, IN_ATTRIB, IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO = 0x2, 0x4, 0x8, 0x40, 0x80
IN_CREATE, IN_DELETE = 0x100, 0x200
IN_Q_OVERFLOW = 0x4000  # in what is read: more has happened than the queue had room for
IN_ISDIR = 0x40000000
_EVENT = struct.Struct("iIII")  # wd, mask, cookie, len; then the name, filled up with NUL


class Inotify:
    """Told of by the kernel from now on; nothing is in its queue yet.  poll(2) for `fd` tells when something is."""

    def __init__(self) -> None:
        self.fd = syscalls.inotify_init(os.O_NONBLOCK | os.O_CLOEXEC)
        self._parts: dict[int, Part] = {}
        self.overflowed = False  # sort() has found that something was not told

    def watch(self, path: str, mask: int) -> int:
        """Also tell of `mask` at `path`; returns the number of this watch.  Raises SyscallError."""
        return syscalls.inotify_add_watch(self.fd, path, mask)

    def part(self, path: str, mask: int) -> Part:
        """The same, for one of several who each hear of their own directory: a user has few inotify instances."""
        number = self.watch(path, mask)
        part = self._parts[number] = Part(self)
        return part

    def read(self) -> Iterator[tuple[int, str]]:
        """(mask, name of the directory's entry) of all that has happened since the last time."""
        return ((mask, name) for _, mask, name in self._read())

    def sort(self) -> set[Part]:
        """Give each part what was heard of its directory; returns those that heard something."""
        heard = set()
        for number, mask, name in self._read():
            self.overflowed |= bool(mask & IN_Q_OVERFLOW)
            if part := self._parts.get(number):
                part.heard.append((mask, name))
                heard.add(part)
        return heard

    def _read(self) -> Iterator[tuple[int, int, str]]:
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return
        at = 0
        while at < len(data):
            number, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size + length
            yield number, mask, os.fsdecode(data[at - length : at].rstrip(b"\0"))

    def close(self) -> None:
        os.close(self.fd)


class Part:
    """One directory of an Inotify that watches several.  Closing it is the whole's business."""

    def __init__(self, whole: Inotify) -> None:
        self.whole = whole
        self.fd = whole.fd
        self.heard: list[tuple[int, str]] = []

    def read(self) -> Iterator[tuple[int, str]]:
        """As Inotify.read(), of this directory."""
        self.whole.sort()
        heard, self.heard = self.heard, []
        return iter(heard)

    def close(self) -> None:
        """Nothing: the others go on."""
