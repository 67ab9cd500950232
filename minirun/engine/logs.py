"""What a container printed: one JSON object a line, the format of Docker's json-file driver.

    {"log": "hello\\n", "stream": "stdout", "time": "2026-11-23T20:00:00.000000000Z"}

A piece without a newline is the beginning of a longer line; readers join them.
"""

from __future__ import annotations

import os

from minirun import jsontext
from minirun.engine import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypedDict

    class Line(TypedDict):
        log: str
        stream: str
        time: str


PARTIAL = 16384  # bytes: a line longer than this is written in pieces


class Writer:
    """Appends the output of one container.  A line is written when it is whole, or has more than PARTIAL bytes."""

    def __init__(self, path: str) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        self.pending = {"stdout": b"", "stderr": b""}

    def write(self, stream: str, data: bytes) -> None:
        text = self.pending[stream] + data
        *whole, rest = text.split(b"\n")
        lines = [line + b"\n" for line in whole]
        while len(rest) > PARTIAL:
            cut = PARTIAL
            while rest[cut] & 0xC0 == 0x80 and cut > PARTIAL - 4:
                cut -= 1  # not within a character of UTF-8
            lines.append(rest[:cut])
            rest = rest[cut:]
        self.pending[stream] = rest
        self._append(stream, lines)

    def close(self) -> None:
        """Write what has no newline at its end, and close."""
        for stream, rest in self.pending.items():
            self._append(stream, [rest] if rest else [])
        os.close(self.file)

    def _append(self, stream: str, lines: list[bytes]) -> None:
        if lines:
            time = records.now()
            entries = (
                {"log": line.decode(errors="replace"), "stream": stream, "time": time} for line in lines
            )
            os.write(self.file, "".join(jsontext.dumps(entry) + "\n" for entry in entries).encode())


def read(path: str) -> Iterator[Line]:
    """The lines written so far, oldest first, each whole again and with the time of its first piece."""
    open_lines: dict[str, Line] = {}
    for piece in _pieces(path):
        line = open_lines.setdefault(piece["stream"], {**piece, "log": ""})
        line["log"] += piece["log"]
        if piece["log"].endswith("\n"):
            yield open_lines.pop(piece["stream"])
    yield from open_lines.values()


def _pieces(path: str) -> Iterator[Line]:
    """What is in the file.  A piece cut off by a crash is passed over."""
    try:
        with open(path, encoding="utf-8") as file:
            for text in file:
                if text.endswith("\n"):
                    yield jsontext.loads(text)
    except FileNotFoundError:
        return
