"""What a container printed, from its log: the last lines, those of some time, or all that are still to come.

The log's entries are pieces of lines (writer.py); an entry is the beginning of a line unless the one before it on the
same stream had no newline.  Where nothing is known of the one before, it is taken for a beginning.

See  tail.py for the files; moby daemon/logger/jsonfilelog/read.go
"""

from __future__ import annotations

import time

from minirun.engine.logs import writer
from minirun.engine.logs.tail import Tail, parse
from minirun.engine.options import logging
from minirun.errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from typing import Any, TypedDict

    from minirun.engine.record_types import Record
    from minirun.linux import inotify

    class Entry(TypedDict, total=False):
        log: str
        stream: str
        time: str
        attrs: dict[str, str]
        goes_on: bool  # whether it is more of a line that has begun


ALL = -1
_WINDOW = 1 << 16  # bytes from the end in which the last lines are looked for first


class Reader:
    """The entries of a container's log, in order.

    `since` and `until` are times as they are in the log ("" for none), both still in; `tail` is how many lines of
    those there are now, or ALL.
    """

    def __init__(
        self,
        directory: str,
        *,
        since: str = "",
        until: str = "",
        tail: int = ALL,
        follow: bool = False,
        changes: inotify.Part | None = None,
    ) -> None:
        self.tail = Tail(f"{directory}/{writer.NAME}", follow=follow, changes=changes)
        self.since, self.until = since, until
        self.over = False  # `until` has passed
        self.open: set[str] = set()  # streams in the middle of a line
        self.skipped: set[str] = set()  # and of one that is left out
        self.skip = 0
        if tail != ALL:
            self._find_tail(tail)
        elif since:
            self._find_time(since)

    def close(self) -> None:
        self.tail.close()

    def now(self) -> Iterator[list[Entry]]:
        """All that is there and has not been read yet, some entries at a time."""
        while not self.over and (block := self.tail.read()):
            entries = self._mark(parse(block))
            if self.since or self.until:
                entries = self._in_time(entries)
            if entries:
                yield entries

    def coming(self, shim: socket.socket, reader: int, deadline: float | None) -> Iterator[list[Entry]]:
        """The same, and all that comes until the container's shim has gone, `reader` (a descriptor) closes, or
        the time is `deadline`."""
        going = True
        while going:
            yield from self.now()
            going = not self.over and (deadline is None or time.time() < deadline)
            ready = self.tail.wait([shim.fileno(), reader], deadline) if going else []
            if reader in ready:
                return
            if shim.fileno() in ready and not shim.recv(65536):
                going = False
        yield from self.now()  # what it printed last

    # ---- lines ---------------------------------------------------------------------------------------------

    def _mark(self, entries: list[Any]) -> list[Entry]:
        """Find out which are the beginnings of lines, and leave out those before the last `tail`."""
        if not (self.open or self.skip) and all(entry["log"][-1:] == "\n" for entry in entries):
            return entries  # nearly always: whole lines, all wanted
        kept = []
        for entry in entries:
            stream = entry["stream"]
            if stream in self.open:
                entry["goes_on"] = True
            elif self.skip:
                self.skip -= 1
                self.skipped.add(stream)
            if stream not in self.skipped:
                kept.append(entry)
            if entry["log"].endswith("\n"):
                self.open.discard(stream)
                self.skipped.discard(stream)
            else:
                self.open.add(stream)
        return kept

    def _in_time(self, entries: list[Entry]) -> list[Entry]:
        if self.until and entries and entries[-1]["time"] > self.until:
            self.over = True
            entries = [entry for entry in entries if entry["time"] <= self.until]
        return [entry for entry in entries if entry["time"] >= self.since]

    # ---- where to begin ------------------------------------------------------------------------------------

    def _find_tail(self, count: int) -> None:
        """Go back from the end until there are more lines than wanted, and see how many of those to skip."""
        whole, size = self.tail.size(), _WINDOW
        while True:
            place = max(0, whole - size)
            lines = self._count_lines(place)
            if lines > count or not place:
                break
            size *= 4
        self.tail.go(place)
        self.skip = max(0, lines - count)

    def _count_lines(self, place: int) -> int:
        self.tail.go(place)
        count = 0
        while block := self.tail.read():
            count += sum("goes_on" not in entry for entry in self._mark(parse(block)))
        self.open.clear()
        return count

    def _find_time(self, since: str) -> None:
        """Go to the first entry that is not older, by halving: times only grow."""
        low, high = 0, self.tail.size()
        while low < high:
            middle = (low + high) // 2
            self.tail.go(middle)
            entries = parse(self.tail.line())
            if entries and entries[0]["time"] < since:
                low = middle + 1
            else:
                high = middle
        self.tail.go(low)


def require_readable(record: Record) -> None:
    """Raises UnsupportedError for a container whose output is not kept."""
    if not logging.is_kept(record["options"]["log"]):
        raise UnsupportedError("configured logging driver does not support reading")
