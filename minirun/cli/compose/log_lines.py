"""The lines that several containers print, each after the name of who printed it, in a colour of its own.

    db-1   | ready for connections
    web-1  | listening on 8000
    web-1 exited with code 0

The names are padded to the longest that is known so far.  With an attached `up` standard error goes to ours; `logs`
writes all to standard output, as Docker Compose, so that `logs | grep` finds it.

See  compose/following.py, which tells of the lines; Docker Compose's cmd/formatter for the colours and their order
"""

from __future__ import annotations

import os
from itertools import groupby

from minirun.cli.printing import say
from minirun.compose import labels
from minirun.compose.following import Listener

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from minirun.engine.record_types import Record

_COLOURS = (
    "36",
    "33",
    "32",
    "35",
    "34",
    "36;1",
    "33;1",
    "32;1",
    "35;1",
    "34;1",
)  # ECMA-48 SGR: cyan, yellow ...
_AT_ONCE = 1000  # lines that are kept before they are written
_ERASE_LINE = "\r\x1b[K"


class LogLines(Listener):
    """Shows what it hears; `register` those that are known before, so that all names are padded alike."""

    def __init__(
        self, *, colours: bool = False, prefixes: bool = True, timestamps: bool = False, apart: bool = True
    ) -> None:
        self.colours, self.prefixes, self.timestamps = colours, prefixes, timestamps
        self.apart = apart  # whether standard error goes to ours; else all goes to standard output
        self._names: dict[str, str] = {}  # of containers, by their ids
        self._colour_of: dict[str, str] = {}  # by their names: one that is made anew keeps it
        self._prefix_of: dict[str, str] = {}
        self._waiting: list[tuple[int, str]] = []  # (descriptor, text)

    def register(self, records: Iterable[Record]) -> None:
        for record in sorted(records, key=_order):
            self._name(record)

    # ---- what is heard --------------------------------------------------------------------------------------

    def line(self, record: Record, stream: str, text: str, time: str) -> None:
        prefix = self._prefix(record) if self.prefixes else ""
        moment = f"{time} " if self.timestamps else ""
        fd = 2 if stream == "stderr" and self.apart else 1
        self._waiting.append((fd, f"{prefix}{moment}{text}\n"))
        if len(self._waiting) >= _AT_ONCE:  # of a long past, say
            self.flush()

    def missed(self, record: Record) -> None:
        name = self._name(record)
        say(
            f"minirun: lines of {name} were missed here: its log was removed faster than it was read",
            err=True,
        )

    def ended(self, record: Record, exit_code: int, restarting: bool) -> None:
        again = " (restarting)" if restarting else ""
        self.status(record, f"exited with code {exit_code}{again}")

    def status(self, record: Record, words: str) -> None:
        """A line about a container, in its colour."""
        name = self._name(record)
        erase = _ERASE_LINE if self.colours else ""
        self._waiting.append((1, self._coloured(name, f"{erase}{name} {words}") + "\n"))

    def flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for fd, group in groupby(waiting, key=lambda one: one[0]):
            self.write(fd, "".join(text for _, text in group).encode(errors="replace"))

    def write(self, fd: int, data: bytes) -> None:
        """For those who draw below the lines to put something around it."""
        while data:
            data = data[os.write(fd, data) :]

    # ---- names and colours ----------------------------------------------------------------------------------

    def _prefix(self, record: Record) -> str:
        name = self._names.get(record["id"]) or self._name(record)
        return self._prefix_of[name]

    def _name(self, record: Record) -> str:
        name = self._names[record["id"]] = short_name(record)
        if name not in self._colour_of:
            self._colour_of[name] = _COLOURS[len(self._colour_of) % len(_COLOURS)]
            width = max(map(len, self._colour_of))
            self._prefix_of = {one: self._coloured(one, f"{one:{width}}  | ") for one in self._colour_of}
        return name

    def _coloured(self, name: str, text: str) -> str:
        return f"\x1b[{self._colour_of[name]}m{text}\x1b[0m" if self.colours else text


def short_name(record: Record) -> str:
    """`web-1` of `demo-web-1` in the project demo; the whole name of one that is called otherwise.

    >>> labels = {"com.docker.compose.project": "demo", "com.docker.compose.service": "web",
    ...           "com.docker.compose.container-number": "1"}
    >>> short_name({"name": "demo-web-1", "labels": labels}), short_name({"name": "www", "labels": labels})
    ('web-1', 'www')
    """
    given, name = record["labels"], record["name"]
    project, service, number = (given.get(key, "") for key in (labels.PROJECT, labels.SERVICE, labels.NUMBER))
    usual = name in ("-".join((project, service, number)), "_".join((project, service, number)))
    return name[len(project) + 1 :] if usual else name


def _order(record: Record) -> tuple[str, int]:
    number = record["labels"].get(labels.NUMBER, "")
    return record["labels"].get(labels.SERVICE, ""), int(number) if number.isdecimal() else 0
