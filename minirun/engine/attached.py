"""In front of a program whose shim we talk to: what it prints to us, our input to it, until it ends or we leave.

    attached = containers.start(paths, record, streams=["stdout", "stderr"])
    end = attached.follow(lambda stream, data: os.write(1, data))

What stands at our end, a person's terminal or somebody else's program, is the caller's matter.

See  channel.py for the messages; cli/attach.py for a terminal
"""

from __future__ import annotations

from minirun.engine import channel
from minirun.errors import MinirunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from minirun.engine.channel import Exit

    Write = Callable[[str, bytes], object]
    """What is called with "stdout" or "stderr" and some bytes that the program printed there."""


class ShimLost(MinirunError):
    """The shim has ended, and did not say how the program did."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message, "the next `minirun ps -a` puts away what is left of the container; `dmesg` shows a crash"
        )


class Attached:
    """A connection to the shim of one program, the container's own or one of `exec`.  Close it to leave."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def __enter__(self) -> Attached:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave; the program goes on."""
        self.sock.close()

    def fileno(self) -> int:
        """For poll(2): readable when there is something to receive()."""
        return self.sock.fileno()

    # ---- from the program ---------------------------------------------------------------------------------------

    def wait_until_running(self) -> None:
        """Return when the program has begun.  Raises what kept it from that, ShimLost among it."""
        while True:
            kind, content = channel.receive(self.sock)
            if kind == channel.RUNNING:
                return
            if kind == channel.FAILED:
                raise channel.error(content)
            if not kind:
                raise ShimLost("the shim ended before the container ran")

    def follow(self, write: Write) -> Exit:
        """Hand all that is printed to `write` until the program ends.

        Raises what kept it from starting, and ShimLost when its shim is killed.
        """
        while True:
            if end := self.receive(write):
                return end

    def receive(self, write: Write) -> Exit | None:
        """One message, when there is one: something printed, or the end of the program, which is returned.

        Raises as follow() does.
        """
        kind, content = channel.receive(self.sock)
        if kind == channel.STDOUT:
            write("stdout", content)
        elif kind == channel.STDERR:
            write("stderr", content)
        elif kind == channel.EXITED:
            return channel.Exit(content)
        elif kind == channel.FAILED:
            raise channel.error(content)
        elif not kind:
            raise ShimLost("the shim of the container was killed")
        return None

    def wait_for_shim(self) -> None:
        """After the last run of a container: return when all of it is put away.

        The shim hangs up then; it may live on for others, who have not read all yet.
        """
        while channel.receive(self.sock)[0]:
            pass

    def show(self, streams: Sequence[str]) -> None:
        """From now on receive "stdout", "stderr" or both of a program that runs."""
        channel.send_json(self.sock, channel.ATTACH, list(streams))

    # ---- to the program -----------------------------------------------------------------------------------------

    def send_input(self, data: bytes) -> None:
        """Bytes for its standard input, at most channel.LARGEST at once."""
        channel.send(self.sock, channel.STDIN, data)

    def end_input(self) -> None:
        """No more will come: a program without a terminal sees the end of its input."""
        channel.send(self.sock, channel.STDIN_END)

    def resize(self, rows: int, columns: int) -> None:
        channel.send_json(self.sock, channel.RESIZE, [rows, columns])

    def send_signal(self, number: int) -> None:
        channel.send_json(self.sock, channel.SIGNAL, number)
