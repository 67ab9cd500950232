"""Fork 1 of `minirun run`: the shim begins as a copy of the command line, made before that has grown.

The command line imports click, the shim the runtime, side by side on two cores; and a shim that never saw click
is a third smaller for all of the container's life.
"""

from __future__ import annotations

import gc
import os

from minirun.engine import channel
from minirun.runtime import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket


class Shim:
    """A shim that waits for its order: the socket to it, and its pid."""

    def __init__(self, sock: socket.socket, pid: int) -> None:
        self.sock = sock
        self.pid = pid

    def wait(self) -> None:
        """Wait until it is gone, and everything it cleans up is."""
        os.waitpid(self.pid, 0)


def spawn(expect_network: bool = False) -> Shim:
    """Start a shim.  It ends by itself when the socket is closed without an order.

    `expect_network`: there will probably be a network to make, so what that needs is loaded meanwhile.
    """
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
