"""Fork 1 of `minirun run`: the shim begins as a copy of the command line, made before that has grown.

The command line imports click, the shim the runtime, side by side on two cores; and a shim that never saw click
is a third smaller for all of the container's life.  Whoever starts many containers, later or from a program that is
large, has a Spawner forked while it is small, which forks the shims:

    run          command line --fork--> shim
    many, later  command line --fork--> Spawner --fork--> shim
                              ...................request
                              <..................the shim's socket

A program that uses the engine as a library runs from an interpreter that containers could write (CVE-2019-5736, see
linux/interpreter.py).  Its Spawner is executed, not only forked, and runs from the copies.

See  unix(7) "SCM_RIGHTS"
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import sys

import minirun
from minirun import jsontext
from minirun.engine import channel
from minirun.errors import MinirunError
from minirun.linux import interpreter, signals
from minirun.runtime import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    Spawn = Callable[[bool], "Shim"]
    """What makes a shim; the argument says whether there will probably be a network to make."""


class Shim:
    """A shim that waits for its order: the socket to it, and its pid."""

    def __init__(self, sock: socket.socket, pid: int) -> None:
        self.sock = sock
        self.pid = pid

    def close(self) -> None:
        """Hang up: without an order it ends."""
        self.sock.close()

    def wait(self) -> None:
        """Wait until it is gone, where it is a child of ours."""
        _wait_for_child(self.pid)


def _wait_for_child(pid: int) -> None:
    """waitpid(2).  Where the caller ignores SIGCHLD the kernel keeps no exit status, and says ECHILD at the end."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _pair() -> tuple[socket.socket, socket.socket]:
    """Two ends, with numbers above those of the standard streams: a caller may have closed these."""
    ours, theirs = channel.pair()
    return _moved_up(ours), _moved_up(theirs)


def _moved_up(sock: socket.socket) -> socket.socket:
    if sock.fileno() > 2:
        return sock
    import socket

    with sock:
        return socket.socket(fileno=fcntl.fcntl(sock, fcntl.F_DUPFD_CLOEXEC, 3))


def spawn(expect_network: bool = False) -> Shim:
    """Start a shim.  It ends by itself when the socket is closed without an order.

    `expect_network`: there will probably be a network to make, so what that needs is loaded meanwhile.
    """
    if interpreter.is_secure():
        return _fork(expect_network)
    with Spawner() as spawner:
        return spawner.spawn(expect_network)


def _fork(expect_network: bool) -> Shim:
    ours, theirs = _pair()

    def child() -> int:
        ours.close()
        from minirun.engine.shim import start  # in the child, beside the parent's own imports

        gc.freeze()  # what is loaded stays: a collection would only copy the pages it is on
        gc.enable()  # off since the launcher
        return start.main(theirs, expect_network)

    pid = process.fork(child)
    theirs.close()
    return Shim(ours, pid)


class Spawner:
    """A small process that makes shims.  It ends when it is closed, or we end; the shims go on."""

    def __init__(self) -> None:
        self.sock, theirs = _pair()
        is_secure = interpreter.is_secure()

        def child() -> int:
            self.sock.close()
            return _serve(theirs) if is_secure else _execute(theirs)

        self.pid = process.fork(child)
        theirs.close()

    def __enter__(self) -> Spawner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def spawn(self, expect_network: bool = False) -> Shim:
        """As spawn() of this module.  Raises MinirunError when there can be no more processes."""
        channel.send_json(self.sock, channel.REQUEST, {"expect_network": expect_network})
        kind, content, descriptors = channel.receive_descriptors(self.sock)
        if kind == channel.FAILED:
            raise channel.error(content)
        if kind != channel.ANSWER:
            raise MinirunError("the process that starts shims has ended", _hint_for_its_end())
        if not descriptors:
            raise MinirunError(
                "this process has no file descriptor left for a shim", "ulimit -n; Attached.close()"
            )
        import socket

        return Shim(socket.socket(fileno=descriptors[0]), int(channel.value(content)["pid"]))

    def close(self) -> None:
        """Let it end; once more is no error."""
        self.sock.close()
        if self.pid:
            _wait_for_child(self.pid)
        self.pid = 0


def _hint_for_its_end() -> str:
    if os.geteuid():
        return "it has to run as root"
    return "standard error may have the reason; another Spawner starts more"


def _serve(sock: socket.socket) -> int:
    """The Spawner's own life: fork a shim for each request."""
    process.daemonize({sock.fileno()}, "minirun:spawner")
    signals.signal(
        signals.SIGCHLD, signals.SIG_IGN
    )  # the kernel waits for them, see sigaction(2) SA_NOCLDWAIT
    from minirun.engine.shim import start  # noqa: F401  (once for all of them: they share these pages)

    while True:
        kind, content = channel.receive(sock)
        if not kind:
            return 0
        try:
            _answer(sock, jsontext.loads(content)["expect_network"])
        except (MinirunError, OSError) as error:
            channel.send_json(sock, channel.FAILED, channel.report(error))


def _answer(sock: socket.socket, expect_network: bool) -> None:
    shim = _fork(expect_network)
    with shim.sock:
        channel.send_descriptors(sock, channel.ANSWER, {"pid": shim.pid}, [shim.sock.fileno()])


# ---- for a program that does not run from the copies ---------------------------------------------------------


def _execute(sock: socket.socket) -> int:
    """Become main() below, in an interpreter that has loaded nothing."""
    sock.set_inheritable(True)
    _open_standard_streams()
    own = os.path.dirname(os.path.dirname(os.path.abspath(minirun.__file__)))
    # what is relative there, the "" of `python3 -c` say, has led to us or is of no use to us
    path = [directory if os.path.isabs(directory) else own for directory in [*sys.path, own]]
    program = f"import sys; sys.path[:] = {path!r}; from minirun.engine.shim.spawn import main; main()"
    words = [sys.executable, "-I", "-S", "-X", "utf8", "-c", program, "minirun-spawner", str(sock.fileno())]
    os.execv(words[0], words)


def _open_standard_streams() -> None:
    """Have something behind 0, 1 and 2, or what an interpreter opens first would get these numbers."""
    while (fd := os.open("/dev/null", os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)


def main() -> None:
    """The program `minirun-spawner`: the descriptor that is its argument leads to whoever wants shims."""
    sys.argv = sys.argv[-2:]
    interpreter.secure()
    import socket

    sock = socket.socket(fileno=int(sys.argv[1]))
    sock.set_inheritable(False)
    _serve(sock)
