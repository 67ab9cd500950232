"""Writing down what a container prints: one JSON object a line, the format of Docker's json-file driver.

    {"log":"hello\\n","stream":"stdout","time":"2026-11-23T20:00:00.000000000Z"}

A piece without a newline is the beginning of a longer line; readers join them (reader.py).  With `max-size` the
file is put aside when it is full: log.json becomes log.json.1, that log.json.2, and the oldest of `max-file` goes.

The container waits in write(2) while its pipe is full, so what happens here is its speed.  Nothing is done for each
line: a chunk of some hundred lines is escaped as a whole, and then each newline becomes the end of one object and
the beginning of the next.

A full disk does not stop the container: what cannot be written is dropped and counted, and the log says so as soon
as there is room again.

See  docs/logs-and-events.md; docs.docker.com "JSON File logging driver"; RFC 8259 section 7 on what is escaped
"""

from __future__ import annotations

import contextlib
import errno
import os

from minirun import jsontext
from minirun.engine import records
from minirun.linux import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.engine.record_types import Record

NAME = "log.json"
PARTIAL = 16384  # bytes: a line longer than this is written in pieces
_CHUNK = 65536  # bytes escaped at once: lines of one byte become 37 times as much
_FREED = 1 << 20  # bytes: the buffers of one chunk
_BEGIN = b'{"log":"'
_CONTROLS = [(bytes([code]), b"\\u%04x" % code) for code in range(32) if code not in b"\t\n\r"]
_IS_CONTROL = bytes(0 if code < 32 and code not in b"\t\n\r" else 255 for code in range(256))


def attributes(record: Record) -> dict[str, str]:
    """What `logs --details` shows: the labels and variables that `--log-opt labels=A,B` and `env=C` name, and `tag`."""
    options = record["options"]["log"]["options"]
    variables = dict(entry.partition("=")[::2] for entry in record["env"] if "=" in entry)
    found = {"tag": options["tag"]} if options.get("tag") else {}
    for key, values in (("labels", record["labels"]), ("env", variables)):
        names = options.get(key, "").split(",")
        found.update({name: values[name] for name in names if name in values})
    return found


class Writer:
    """The driver `none`: nothing is kept."""

    def write(self, stream: str, data: bytes) -> None:
        """Take what the program printed to "stdout" or "stderr"."""

    def close(self) -> None:
        """No more will come."""


class FileWriter(Writer):
    """The drivers `json-file` and `local`.  A line is written when it is whole, or has more than PARTIAL bytes."""

    def __init__(
        self, path: str, limit: int = 0, count: int = 1, attrs: dict[str, str] | None = None
    ) -> None:
        self.files = Files(path, limit, count)
        syscalls.keep_freed_memory(_FREED)
        self.attrs = f',"attrs":{jsontext.dumps(attrs)}' if attrs else ""
        self.pending = {"stdout": b"", "stderr": b""}
        self.lost_lines = self.lost_bytes = 0
        self.reason = ""

    def write(self, stream: str, data: bytes) -> None:
        for at in range(0, len(data), _CHUNK):
            pieces, self.pending[stream] = split(self.pending[stream] + data[at : at + _CHUNK])
            self._append(stream, pieces)

    def close(self) -> None:
        """Write what has no newline at its end, and close."""
        for stream, rest in self.pending.items():
            self._append(stream, [rest] if rest else [])
        self.files.close()

    def _append(self, stream: str, pieces: list[bytes]) -> None:
        if not pieces:
            return
        end = self._end(stream)
        lines = b"".join([entries(piece, end) for piece in pieces])
        try:
            if self.lost_lines:
                self._report_loss()
            self.files.append(lines)
        except OSError as error:
            self._count_loss(error, lines[self.files.taken :])

    def _end(self, stream: str) -> bytes:
        """What follows the text in each object, and ends the line."""
        return f'","stream":"{stream}"{self.attrs},"time":"{records.now()}"}}\n'.encode()

    def _report_loss(self) -> None:
        words = f"minirun: {self.lost_lines} lines ({self.lost_bytes} bytes of the log) were lost here: {self.reason}\n"
        self.files.append(entries(words.encode(), self._end("stderr")))
        self.lost_lines = self.lost_bytes = 0

    def _count_loss(self, error: OSError, lost: bytes) -> None:
        self.lost_lines += lost.count(b"\n")
        self.lost_bytes += len(lost)
        self.reason = error.strerror or str(error)


def split(text: bytes) -> tuple[list[bytes], bytes]:
    """(runs of whole lines and pieces of lines longer than PARTIAL, the rest that waits for its newline)."""
    pieces: list[bytes] = []
    start = at = 0
    while len(text) - at > PARTIAL:
        end = text.rfind(b"\n", at, at + PARTIAL + 1) + 1
        if end:
            at = end
            continue
        pieces += [text[start:at]] if at > start else []
        start, at = at, _before_character(text, at + PARTIAL)
        pieces.append(text[start:at])
        start = at
    end = max(text.rfind(b"\n", at) + 1, at)
    pieces += [text[start:end]] if end > start else []
    return pieces, text[end:]


def _before_character(text: bytes, cut: int) -> int:
    """`cut`, or a little less, so that it is not within a character of UTF-8."""
    for back in range(4):
        if text[cut - back] & 0xC0 != 0x80:
            return cut - back
    return cut  # that was no UTF-8


def entries(piece: bytes, end: bytes) -> bytes:
    """The JSON lines for whole lines, or for one piece without a newline."""
    escaped = escape(piece)
    if escaped.endswith(b"\n"):
        inner = escaped[:-1].replace(b"\n", b"\\n" + end + _BEGIN)
        return b"".join([_BEGIN, inner, b"\\n", end])
    return b"".join([_BEGIN, escaped, end])


def escape(text: bytes) -> bytes:
    """`text` as it stands between the quotes of a JSON string, its newlines as they are.

    Bytes that are not UTF-8 become U+FFFD, the replacement character, as in Docker.
    """
    if not text.isascii():
        text = text.decode(errors="replace").encode()
    text = text.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\t", b"\\t").replace(b"\r", b"\\r")
    if b"\0" in text.translate(_IS_CONTROL):  # seldom: colours, progress bars
        for control, escaped in _CONTROLS:
            text = text.replace(control, escaped)
    return text


# ---- its files ----------------------------------------------------------------------------------------------


class Files:
    """log.json and those put aside, `path`.1 the newest of them.  `limit` is in bytes, 0 for none."""

    def __init__(self, path: str, limit: int, count: int) -> None:
        self.path = path
        self.limit = limit
        self.count = count
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.size = _mend(self.fd)
        self.taken = 0

    def append(self, lines: bytes) -> None:
        """Write whole lines.  Raises OSError when not all of them could be; `taken` is how many bytes were."""
        self.taken = 0
        while self.taken < len(lines):
            if self.limit and self.size >= self.limit:
                self._rotate()
            part = self._fitting(lines)
            written = os.write(self.fd, part)
            if written < len(part):
                written = self._cut_off(part, written)
            self.size += written
            self.taken += written

    def _fitting(self, lines: bytes) -> bytes:
        """Of what is still to write, the lines that fit in the file, and the one with which it is full."""
        end = self.taken + self.limit - self.size
        if not self.limit or end >= len(lines):
            return lines[self.taken :] if self.taken else lines
        return lines[self.taken : lines.index(b"\n", max(end - 1, self.taken)) + 1]

    def _cut_off(self, part: bytes, written: int) -> int:
        """The disk is full in the middle of a line: that line has not been written."""
        whole = part.rfind(b"\n", 0, written) + 1
        os.ftruncate(self.fd, self.size + whole)
        if not whole:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return whole

    def _rotate(self) -> None:
        """Put log.json aside and begin a new one, made first: if there is no room for it, all stays as it is."""
        temporary = f"{self.path}.new"
        new = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if self.count > 1:  # first, for a file that replaces another is written to the disk at once by ext4
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name(self.path, self.count - 1))
        for number in range(self.count - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                os.rename(name(self.path, number - 1), name(self.path, number))
        os.rename(temporary, self.path)
        os.close(self.fd)
        self.fd, self.size = new, 0

    def close(self) -> None:
        os.close(self.fd)


def name(path: str, number: int) -> str:
    """The file that was put aside `number` times."""
    return f"{path}.{number}" if number else path


def _mend(fd: int) -> int:
    """Cut off a line that a killed shim has left half written.  Returns the size."""
    size = os.fstat(fd).st_size
    at = size
    while at:
        begin = max(0, at - _CHUNK)
        newline = os.pread(fd, at - begin, begin).rfind(b"\n")
        if newline >= 0:
            at = begin + newline + 1
            break
        at = begin
    if at < size:
        os.ftruncate(fd, at)
    return at
