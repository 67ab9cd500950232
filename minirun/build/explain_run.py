"""`build --explain`: the acts of a RUN that change kernel state, as they are announced (linux/trace.py), for who tells.

    the RUN's child, its container's first process,
    the maker of the network, if this RUN was the first to want one  ── a message for each act ──>  coordinator

The coordinator keeps them until the RUN has ended, for others may run beside it, and then they are told whole.

See      linux/trace.py for the messages; teach/narrate.py, which tells them; unix(7) SO_PASSCRED
By hand  strace -f minirun build ...
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct

from minirun.linux import trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Message = tuple[bytes, int]
    """What was announced, and the pid of who did."""
    Tell = Callable[[str, int, list[Message]], None]
    """Told of one RUN: its label, the pid of its child, and the messages."""

_LARGEST = 1 << 20  # bytes of one message, and of what may wait to be read
_CREDENTIALS = struct.Struct("=iII")  # struct ucred: pid, uid, gid


class Tracing:
    """Of one RUN."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours.setblocking(False)
        self.ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LARGEST)
        self.messages: list[Message] = []

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        """Announce what this process does in the block, and what those do that it forks there."""
        fault = os.environ.get("MINIRUN_FAULT", "")
        trace.start(self.theirs.fileno(), fault=fault)
        try:
            yield
        finally:
            trace.stop()
            if fault:
                trace.start(-1, fault=fault)

    def fileno(self) -> int:
        return self.ours.fileno()

    def read(self) -> None:
        """Take in what is there."""
        while True:
            try:
                message, extra, _, _ = self.ours.recvmsg(_LARGEST, socket.CMSG_SPACE(_CREDENTIALS.size))
            except BlockingIOError:
                return
            if not message:
                return
            self.messages.append((message, _CREDENTIALS.unpack(extra[0][2])[0]))

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()
