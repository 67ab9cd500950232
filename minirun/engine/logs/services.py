"""The drivers `syslog` and `journald`: each line goes to a service of the host's, or of another one, as it comes.

    syslog     <30>Nov 23 20:00:00 3f1c9e2b7a40[812]: hello       a datagram, or a line of TCP
    journald   MESSAGE=hello PRIORITY=6 CONTAINER_NAME=web ...    fields of one entry, a datagram

What `logs` shows is kept in log.json beside it, as Docker's daemon does (cache-max-size, cache-max-file), unless
cache-disabled.  The container does not wait for a service that is behind or away, but for a few seconds now and then
when a connection is tried anew: those lines are in log.json alone, and how many they are goes to the service when it
takes some again.

See      RFC 5424; systemd's "Native Journal Protocol"; moby daemon/logger/syslog, daemon/logger/journald
By hand  logger -d -u /dev/log hello; journalctl CONTAINER_NAME=web
Left out TLS
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time

from minirun.engine.logs.writer import Writer, attributes, split
from minirun.engine.options import log_services
from minirun.errors import MinirunError, in_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from minirun.engine.record_types import Record

_SEVERITIES = {"stdout": 6, "stderr": 3}  # informational, error: RFC 5424, section 6.2.1
_CONNECT_SECONDS = 3.0
_AGAIN_SECONDS = 0.3  # the same of a connection that was lost: the shim has its container to look after
_RETRY_SECONDS = 5.0
_LAST_SECONDS = 1.0  # for what still waits when the container has ended
_BACKLOG = 1 << 20  # bytes of TCP that may wait


class Both(Writer):
    """What goes to a service is kept in a file, too."""

    def __init__(self, writers: Iterable[Writer]) -> None:
        self.writers = list(writers)

    def write(self, stream: str, data: bytes) -> None:
        for writer in self.writers:
            writer.write(stream, data)

    def close(self) -> None:
        for writer in self.writers:
            writer.close()


class Service(Writer):
    """A connection to a service, and the lines that have no end yet."""

    def __init__(self, family: int, kind: int, address: str | tuple[str, int]) -> None:
        self.family, self.kind, self.address = family, kind, address
        self.pending = {"stdout": b"", "stderr": b""}
        self.lost = 0
        self.backlog = b""
        self.retry_at = 0.0  # time.monotonic(), after which a lost connection is made anew
        self.sock: socket.socket | None = self._connected(_CONNECT_SECONDS)

    def _connected(self, seconds: float) -> socket.socket:
        """Raises MinirunError."""
        sock = socket.socket(self.family, self.kind | socket.SOCK_CLOEXEC)
        try:
            sock.settimeout(seconds)
            sock.connect(self.address)
        except OSError as error:
            sock.close()
            where = self.address if isinstance(self.address, str) else "{}:{}".format(*self.address)
            reason = (error.strerror or in_words(error)).lower()
            raise MinirunError(f"failed to initialize logging driver: {where}: {reason}") from None
        sock.setblocking(False)
        return sock

    def write(self, stream: str, data: bytes) -> None:
        pieces, self.pending[stream] = split(self.pending[stream] + data)
        for piece in pieces:
            for line in piece.splitlines(keepends=True):
                self._take(stream, line)

    def close(self) -> None:
        for stream, rest in self.pending.items():
            if rest:
                self._take(stream, rest)
        if self.sock:
            if self.backlog:
                with contextlib.suppress(OSError):  # what it does not take by then is in log.json
                    self.sock.settimeout(_LAST_SECONDS)
                    self.sock.sendall(self.backlog)
            self.sock.close()

    def _take(self, stream: str, line: bytes) -> None:
        """A whole line, or a piece of a long one, which has no newline."""
        if self.lost and self._send(
            self.message("stderr", f"minirun: {self.lost} lines were lost here".encode())
        ):
            self.lost = 0
        if line.strip(b"\r\n") and not self._send(self.message(stream, line)):
            self.lost += 1

    def message(self, stream: str, line: bytes) -> bytes:
        """The line as the service wants it."""
        raise NotImplementedError

    def _send(self, message: bytes) -> bool:
        """Whether the service has it, or will have it; a connection that is gone is made anew, not at once."""
        if not self.sock and time.monotonic() < self.retry_at:
            return False
        try:
            self.sock = self.sock or self._connected(_AGAIN_SECONDS)
            if self.kind == socket.SOCK_DGRAM:
                self.sock.send(message)
                return True
            self.backlog += message
            self.backlog = self.backlog[self.sock.send(self.backlog) :]
        except BlockingIOError:
            if len(self.backlog) > _BACKLOG:
                self.backlog = self.backlog[: -len(message)]
                return False
            return self.kind != socket.SOCK_DGRAM
        except (OSError, MinirunError) as error:
            if (
                getattr(error, "errno", 0) == errno.EMSGSIZE
            ):  # no datagram has room for it, the next may be shorter
                return False
            if self.sock:
                self.sock.close()
            waiting = self.backlog.count(b"\n") - 1  # besides this one, of which the caller hears
            self.lost += max(waiting, 0)
            self.sock, self.backlog, self.retry_at = None, b"", time.monotonic() + _RETRY_SECONDS
            return False
        return True


# ---- syslog ------------------------------------------------------------------------------------------------


class Syslog(Service):
    def __init__(self, record: Record) -> None:
        options = record["options"]["log"]["options"]
        self.facility = log_services.FACILITIES.index(options.get("syslog-facility", "daemon"))
        self.format = options.get("syslog-format", "")
        self.tag = tag(record, "{{.ID}}")
        super().__init__(*log_services.syslog_address(options))

    def message(self, stream: str, line: bytes) -> bytes:
        priority = self.facility * 8 + _SEVERITIES[stream]
        text = line.rstrip(b"\r\n").replace(b"\0", b"")
        begin = header(priority, self.format, self.tag, os.uname().nodename, os.getpid())
        return os.fsencode(begin) + text + b"\n"


def header(priority: int, form: str, tag: str, host: str, pid: int, now: float | None = None) -> str:
    """What stands before the text; `now` is in seconds since 1970.

    >>> header(30, "", "web", "host", 7, 0.0)[-8:]
    'web[7]: '
    """
    now = time.time() if now is None else now
    local = time.localtime(now)
    if form.startswith("rfc5424"):
        zone = time.strftime("%z", local)
        part = f".{int(now % 1 * 10**6):06}" if form == "rfc5424micro" else ""
        moment = f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}{part}{zone[:3]}:{zone[3:]}"
        return f"<{priority}>1 {moment} {host} {tag} {pid} {tag} - "
    moment = f"{time.strftime('%b', local)} {local.tm_mday:2} {time.strftime('%H:%M:%S', local)}"
    return f"<{priority}>{moment} {f'{host} ' if form else ''}{tag}[{pid}]: "


# ---- journald ----------------------------------------------------------------------------------------------


class Journald(Service):
    def __init__(self, record: Record) -> None:
        name = tag(record, "{{.ID}}")
        self.fields = {
            "CONTAINER_ID": record["id"][:12],
            "CONTAINER_ID_FULL": record["id"],
            "CONTAINER_NAME": record["name"],
            "CONTAINER_TAG": name,
            "SYSLOG_IDENTIFIER": name,
            "IMAGE_NAME": record["options"]["image"],
            **{_field(key): value for key, value in attributes(record).items() if key != "tag"},
        }
        super().__init__(socket.AF_UNIX, socket.SOCK_DGRAM, log_services.JOURNAL)

    def message(self, stream: str, line: bytes) -> bytes:
        fields = {**self.fields, "PRIORITY": str(_SEVERITIES[stream])}
        if not line.endswith(b"\n"):
            fields["CONTAINER_PARTIAL_MESSAGE"] = "true"
        made = [entry(key, os.fsencode(value)) for key, value in fields.items()]
        return b"".join([*made, entry("MESSAGE", line.rstrip(b"\r\n"))])


def _field(key: str) -> str:
    """A label's or variable's name as a field may be called: moby's journald.sanitizeKeyMod."""
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in key.upper()).lstrip("_")


def entry(key: str, value: bytes) -> bytes:
    """`KEY=value`, or with its length where a newline is in it.

    >>> entry("A", b"x"), entry("A", b"x\\ny")
    (b'A=x\\n', b'A\\n\\x03\\x00\\x00\\x00\\x00\\x00\\x00\\x00x\\ny\\n')
    """
    if b"\n" not in value:
        return b"%s=%s\n" % (key.encode(), value)
    return b"%s\n%s%s\n" % (key.encode(), len(value).to_bytes(8, "little"), value)


def open_service(record: Record) -> Service:
    """Raises MinirunError when it cannot be reached."""
    return Journald(record) if record["options"]["log"]["driver"] == "journald" else Syslog(record)


# ---- both --------------------------------------------------------------------------------------------------


def tag(record: Record, otherwise: str) -> str:
    """`--log-opt tag`, with what its fields stand for: {{.Name}}, {{.ID}} ..."""
    values = {
        "ID": record["id"][:12],
        "FullID": record["id"],
        "Name": record["name"],
        "ImageID": record["image_id"].removeprefix("sha256:")[:12],
        "ImageFullID": record["image_id"],
        "ImageName": record["options"]["image"],
        "Command": " ".join(record["args"]),
        "Hostname": os.uname().nodename,
        "DaemonName": "minirun",
    }
    return log_services.filled(record["options"]["log"]["options"].get("tag") or otherwise, values)
