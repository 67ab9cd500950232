"""The conversation between a shim and its clients: `run`, `attach`, `exec`, `stop`, whoever wants to know.

A unix socket of type SOCK_SEQPACKET keeps messages whole, so a message is one byte for its kind and the rest its
content, and no framing is needed.  Each direction has its own kinds.  A client that says nothing hears when the
program ends (EXITED, once for each run of a container that is restarted), and from the end of the connection that
the shim has gone and everything is put away.  What is larger than the kernel likes to send at once, the words of an
`exec` say, is left in a file in memory whose descriptor is the message (IN_MEMORY).

    run      ORDER, STDIN..., STDIN_END     RUNNING, STDOUT..., STDERR..., EXITED
    attach   ATTACH, STDIN...               STDOUT..., STDERR..., EXITED
    exec     EXEC with descriptors          RUNNING, EXITED
    pause    REQUEST                        ANSWER, or FAILED

See      docs/containers.md "The shim's socket"; unix(7), memfd_create(2)
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys

from minirun import errors, jsontext
from minirun.errors import MinirunError
from minirun.linux import trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, TypeVar

    T = TypeVar("T")

_KINDS = {
    "ConflictError": errors.ConflictError,
    "NotFoundError": errors.NotFoundError,
    "ProgramNotFound": errors.ProgramNotFound,
    "ProgramNotInvocable": errors.ProgramNotInvocable,
    "UnsupportedError": errors.UnsupportedError,
    "UsageError": errors.UsageError,
}

LARGEST = 65536  # bytes of the content of one message; of a larger one only its descriptor travels
_INT = 4  # bytes of a C int
_ROOM = socket.CMSG_SPACE(4 * _INT)  # for four descriptors: those of a program, and that of a large message

# client -> shim
ORDER = b"o"  # JSON {"root", "state", "id", "rows", "columns", "streams", "once"}: start this container
ATTACH = b"a"  # JSON ["stdout", "stderr"]: send me these from now on, and take my input
EXEC = b"c"  # JSON, see shim/execs.py; with the program's descriptors 0, 1 and 2 unless it gets a terminal
REQUEST = b"q"  # JSON {"do": name, ...}, see shim/server.py
STDIN, STDIN_END = b"i", b"e"  # bytes for the program; no more will come
RESIZE = b"w"  # JSON [rows, columns]
SIGNAL = b"k"  # JSON number: for the container's first process
# either way
IN_MEMORY = b"m"  # nothing; the first descriptor is a file that holds the message, its kind first
# shim -> client
STDOUT, STDERR = b"1", b"2"  # bytes of the program
RUNNING = b"r"  # the program has begun
EXITED = b"x"  # JSON {"code", "oom", "last"}, of a container's program "trouble", too: the program has ended
ANSWER = b"="  # JSON: what was asked for
FAILED = b"!"  # JSON [class name, message, hint, step]: what was ordered or asked for cannot be


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(sock: socket.socket, kind: bytes, content: bytes = b"") -> None:
    """Send one message; a peer that has gone away is not an error."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        post(sock, kind + content)


def send_json(sock: socket.socket, kind: bytes, value: object) -> None:
    send(sock, kind, jsontext.dumps(value).encode())


def send_descriptors(sock: socket.socket, kind: bytes, value: object, descriptors: list[int]) -> None:
    """Send one message with open descriptors, three at most; the receiver gets copies of them (unix(7), SCM_RIGHTS).

    A peer that has gone away is not an error.
    """
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        post(sock, kind + jsontext.dumps(value).encode(), descriptors)


def post(sock: socket.socket, message: bytes, descriptors: Sequence[int] = ()) -> None:
    """One message, kind and content, of any size.  Raises OSError as sendmsg(2) does."""
    if len(message) <= 1 + LARGEST:
        _post(sock, message, descriptors)
        return
    memory = os.memfd_create("minirun:message", os.MFD_CLOEXEC)
    try:
        with open(memory, "wb", closefd=False) as file:
            file.write(message)
        _post(sock, IN_MEMORY, [memory, *descriptors])
    finally:
        os.close(memory)


def _post(sock: socket.socket, message: bytes, descriptors: Sequence[int]) -> None:
    rights = b"".join(fd.to_bytes(_INT, sys.byteorder) for fd in descriptors)
    sock.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if rights else [])


def receive_descriptors(sock: socket.socket) -> tuple[bytes, bytes, list[int]]:
    """(kind, content, descriptors) of the next message.  Raises MinirunError for one that is no message of ours."""
    message, extra, flags, _ = _again(lambda: sock.recvmsg(LARGEST + 1, _ROOM, socket.MSG_CMSG_CLOEXEC))
    rights = b"".join(data for _, kind, data in extra if kind == socket.SCM_RIGHTS)
    numbers = [rights[at : at + _INT] for at in range(0, len(rights) - _INT + 1, _INT)]
    descriptors = [int.from_bytes(number, sys.byteorder) for number in numbers]
    try:
        if message == IN_MEMORY and descriptors:
            message = _read(descriptors.pop(0))
        elif flags & socket.MSG_TRUNC:  # what is left of it may be cut anywhere
            raise MinirunError(
                f"a message of more than {LARGEST} bytes", "is the other side another minirun?"
            )
    except BaseException:
        for fd in descriptors:
            os.close(fd)
        raise
    return message[:1], message[1:], descriptors


def _read(memory: int) -> bytes:
    """What post() wrote; its position is at the end, for the descriptor is a copy of the writer's."""
    try:
        return os.pread(memory, os.fstat(memory).st_size, 0)
    finally:
        os.close(memory)


def receive(sock: socket.socket) -> tuple[bytes, bytes]:
    """(kind, content) of the next message; (b"", b"") when the peer has gone."""
    kind, content, descriptors = receive_descriptors(sock)
    for fd in descriptors:  # none was wanted
        os.close(fd)
    return kind, content


def _again(read: Callable[[], T]) -> T:
    """What `read` returns.  A peer that closes with words of ours unread makes the kernel say so once, before the
    messages that it sent are read: they are there all the same, and after them the end.

    See  unix(7), ECONNRESET in recv(2); net/unix/af_unix.c unix_release_sock
    """
    try:
        return read()
    except ConnectionResetError:
        return read()


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


def peer(sock: socket.socket) -> int:
    """The pid of who listens at the other end: unix(7), SO_PEERCRED."""
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 3 * _INT)
    return int.from_bytes(credentials[:_INT], sys.byteorder)


def report(error: Exception) -> list[str]:
    """[class name, message, hint, step] as error() reads it.  What is no MinirunError knows no step: it was ours."""
    if isinstance(error, MinirunError):
        return [type(error).__name__, str(error), error.hint, error.step]
    if isinstance(error, trace.Cancelled):
        return ["MinirunError", str(error), "", ""]
    if not isinstance(error, OSError):
        error = errors.unforeseen(error)
        return ["MinirunError", error.message, error.hint, trace.phase()]
    return ["MinirunError", errors.sentence(error), "", trace.phase()]


def error(content: bytes) -> MinirunError:
    """The exception that a FAILED message stands for."""
    name, message, hint, step = jsontext.loads(content)
    made: MinirunError = _KINDS.get(name, MinirunError)(message, hint)
    made.step = step
    return made


def value(content: bytes) -> Any:
    """What an ANSWER message says."""
    return jsontext.loads(content)


class Exit:
    """An EXITED message: the exit code, whether memory.max killed the program, whether the shim goes as well, and what
    could not be put away, or ""."""

    def __init__(self, content: bytes) -> None:
        fields = jsontext.loads(content)
        self.code, self.oom, self.last = int(fields["code"]), bool(fields["oom"]), bool(fields["last"])
        self.trouble = str(fields.get("trouble", ""))  # what `exec` began leaves nothing

    def __repr__(self) -> str:
        return f"Exit(code={self.code}, oom={self.oom}, last={self.last}, trouble={self.trouble!r})"
