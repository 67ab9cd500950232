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

See  unix(7) "SCM_RIGHTS", pidfd_open(2)
"""

from __future__ import annotations

import gc
import os
import select
import sys

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
    """A shim that waits for its order: the socket to it, and its pid; `pidfd` when it is no child of ours."""

    def __init__(self, sock: socket.socket, pid: int, pidfd: int = -1) -> None:
        self.sock = sock
        self.pid = pid
        self.pidfd = pidfd

    def wait(self) -> None:
        """Wait until it is gone, and everything it cleans up is."""
        if self.pidfd < 0:
            os.waitpid(self.pid, 0)
            return
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        poll.poll()


def spawn(expect_network: bool = False) -> Shim:
    """Start a shim.  It ends by itself when the socket is closed without an order.

    `expect_network`: there will probably be a network to make, so what that needs is loaded meanwhile.
    """
    if interpreter.is_secure():
        return _fork(expect_network)
    with Spawner() as spawner:
        return spawner.spawn(expect_network)


def _fork(expect_network: bool) -> Shim:
    ours, theirs = channel.pair()

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
        self.sock, theirs = channel.pair()
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
            raise MinirunError("the process that starts shims has ended", "it has to run as root")
        import socket

        sock, pidfd = descriptors
        return Shim(socket.socket(fileno=sock), int(channel.value(content)["pid"]), pidfd)

    def close(self) -> None:
        self.sock.close()
        os.waitpid(self.pid, 0)


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
        pidfd = os.pidfd_open(shim.pid)
        channel.send_descriptors(sock, channel.ANSWER, {"pid": shim.pid}, [shim.sock.fileno(), pidfd])
        os.close(pidfd)


# ---- for a program that does not run from the copies ---------------------------------------------------------


def _execute(sock: socket.socket) -> int:
    """Become main() below, in an interpreter that has loaded nothing."""
    sock.set_inheritable(True)
    path = [directory for directory in sys.path if os.path.isabs(directory)]
    program = f"import sys; sys.path[:] = {path!r}; from minirun.engine.shim.spawn import main; main()"
    words = [sys.executable, "-I", "-S", "-X", "utf8", "-c", program, "minirun-spawner", str(sock.fileno())]
    os.execv(words[0], words)


def main() -> None:
    """The program `minirun-spawner`: the descriptor that is its argument leads to whoever wants shims."""
    sys.argv = sys.argv[-2:]
    interpreter.secure()
    import socket

    sock = socket.socket(fileno=int(sys.argv[1]))
    sock.set_inheritable(False)
    _serve(sock)
