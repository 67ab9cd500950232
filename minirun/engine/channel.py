"""The conversation between a shim and its clients: `run`, `stop`, whoever is attached.

A unix socket of type SOCK_SEQPACKET keeps messages whole, so a message is one byte for its kind and the rest its
content, and no framing is needed.  Each direction has its own kinds.
"""

from __future__ import annotations

import contextlib
import os
import socket

from minirun import errors, jsontext
from minirun.errors import MinirunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_KINDS = {
    "ConflictError": errors.ConflictError,
    "NotFoundError": errors.NotFoundError,
    "ProgramNotFound": errors.ProgramNotFound,
    "ProgramNotInvocable": errors.ProgramNotInvocable,
    "UnsupportedError": errors.UnsupportedError,
    "UsageError": errors.UsageError,
}

LARGEST = 65536  # bytes of one message

# client -> shim
ORDER = b"o"  # JSON {"root", "state", "id", "rows", "columns"}: start this container
STDIN, STDIN_END = b"i", b"e"  # bytes for the program; no more will come
RESIZE = b"w"  # JSON [rows, columns]
SIGNAL = b"k"  # JSON number: for the container's first process
# shim -> client
STDOUT, STDERR = b"1", b"2"  # bytes of the program
RUNNING = b"r"  # the program has begun
EXITED = b"x"  # JSON exit code; the last message
FAILED = b"!"  # JSON [class name, message, hint]; the last message


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(sock: socket.socket, kind: bytes, content: bytes = b"") -> None:
    """Send one message; a peer that has gone away is not an error."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        sock.sendall(kind + content)


def send_json(sock: socket.socket, kind: bytes, value: object) -> None:
    send(sock, kind, jsontext.dumps(value).encode())


def receive(sock: socket.socket) -> tuple[bytes, bytes]:
    """(kind, content) of the next message; (b"", b"") when the peer has gone."""
    try:
        message = sock.recv(LARGEST + 1)
    except ConnectionResetError:
        return b"", b""
    return message[:1], message[1:]


@contextlib.contextmanager
def _reachable(path: str) -> Iterator[str]:
    """A short name for `path`: a socket's address holds only 107 bytes, see unix(7)."""
    directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{os.path.basename(path)}"
    finally:
        os.close(directory)


def listen(path: str) -> socket.socket:
    """A listening socket at `path`, for the owner alone."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    previous = os.umask(0o077)
    with _reachable(path) as name:
        sock.bind(name)
    os.umask(previous)
    sock.listen()
    return sock


def connect(path: str) -> socket.socket | None:
    """A connection to the shim that listens at `path`; None when there is none."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with _reachable(path) as name:
            sock.connect(name)
    except (FileNotFoundError, ConnectionRefusedError):
        sock.close()
        return None
    return sock


def error(content: bytes) -> MinirunError:
    """The exception that a FAILED message stands for."""
    name, message, hint, step = jsontext.loads(content)
    made: MinirunError = _KINDS.get(name, MinirunError)(message, hint)
    made.step = step
    return made


def exited(content: bytes) -> tuple[int, bool]:
    """(exit code, killed for memory) of an EXITED message."""
    value = jsontext.loads(content)
    return int(value["code"]), bool(value["oom"])
