"""A real terminal for a program under test: a pseudo-terminal pair, as a terminal emulator holds it."""

import fcntl
import os
import select
import struct
import subprocess
import termios
import time
from types import TracebackType


class Terminal:
    """Runs `command` in a terminal of its own, as the leader of the session.  Use it in a with block."""

    def __init__(self, command: list[str], rows: int = 33, columns: int = 101) -> None:
        self.master, self.slave = os.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.seen = ""
        streams = {"stdin": self.slave, "stdout": self.slave, "stderr": self.slave}
        self.process = subprocess.Popen(command, preexec_fn=lambda: os.login_tty(0), **streams)

    def resize(self, rows: int, columns: int) -> None:
        """The kernel tells whoever is in the foreground by SIGWINCH."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def expect(self, text: str, seconds: float = 10) -> str:
        """Waits until `text` is on the screen; returns everything up to it, and forgets it."""
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            assert self._read(deadline - time.monotonic()), f"no {text!r} but {self.seen!r}"
        before, _, self.seen = self.seen.partition(text)
        return before + text

    def wait(self, seconds: float = 10) -> tuple[int, str]:
        """The exit code and the rest of the output."""
        code = None
        deadline = time.monotonic() + seconds
        while code is None:
            assert time.monotonic() < deadline, f"it does not end; {self.seen!r}"
            self._read(0.02)
            code = self.process.poll()
        while self._read(0.02):
            pass
        return code, self.seen

    def is_as_before(self) -> bool:
        """Are echo, line editing and the rest as they were before the program began?"""
        return termios.tcgetattr(self.slave) == self.before

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self.master], [], [], max(0, seconds))
        if ready:
            self.seen += os.read(self.master, 65536).decode(errors="replace")
        return bool(ready)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)
