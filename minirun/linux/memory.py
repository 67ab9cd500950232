"""Memory that others may see: a page shared across a fork, and the words and environment we were started with.

See  mmap(2) MAP_SHARED and MAP_ANONYMOUS, madvise(2) MADV_DONTFORK; proc_pid_cmdline(5), proc_pid_environ(5)
"""

from __future__ import annotations

import ctypes
import os
import posix

PAGE_SIZE = 4096
_MADV_DONTFORK = 10


class SharedMemory:
    """One page that a process shares with those forked from it, all zeros at first.

    To tell something across a fork a pipe would do as well, but a descriptor is seen in /proc/PID/fd, and by everybody
    who may trace the process.  A page has no name, and execve(2) takes it away.
    """

    def __init__(self) -> None:
        import mmap

        self._page = mmap.mmap(-1, PAGE_SIZE)

    def address(self) -> int:
        """Where it is, for a system call that writes there."""
        return ctypes.addressof(ctypes.c_char.from_buffer(self._page))

    def hide_from_children(self) -> None:
        """Those forked from now on do not have it."""
        self._page.madvise(_MADV_DONTFORK)

    def number(self) -> int:
        """What the kernel has written there as a pid_t; 0 when it has not."""
        return int.from_bytes(self._page[:4], "little", signed=True)

    def write(self, message: bytes) -> None:
        """Leave a message, cut to the size of the page."""
        cut = message[:PAGE_SIZE]
        self._page[: len(cut)] = cut

    def read(self) -> bytes:
        """The message that was left, b"" when there is none."""
        return self._page[:].partition(b"\0")[0]


_KEPT = ("PATH", "DBUS_SYSTEM_BUS_ADDRESS")  # for the programs of the host that we start: nft, firewall-cmd
_forgotten = False


def forget_environment() -> None:
    """Write zeros over the environment this process began with, where /proc/PID/environ shows it, and Python's copy.

    For a process that is to become somebody else's, or has children that do.  What is in _KEPT stays.
    """
    global _forgotten
    if _forgotten:
        return
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    start, end = _bounds(_ENV_START)
    ctypes.memset(start, 0, end - start)
    for word in (*posix.environ, *posix.environ.values()):
        if len(word) > 1:  # a shorter one is shared with everybody
            ctypes.memset(id(word) + bytes.__basicsize__ - 1, 0, len(word))
    posix.environ.clear()
    os.environ.update(kept)
    _forgotten = True


def set_title(title: str) -> None:
    """Write `title`, cut to what there is room for, over the words this process began with, which ps(1) shows."""
    start, end = _bounds(_ARG_START)
    words = os.fsencode(title)[: end - start - 1]
    ctypes.memset(start, 0, end - start)
    ctypes.memmove(start, words, len(words))


_ARG_START, _ENV_START = 48, 50  # fields of proc_pid_stat(5); the end is the next


def _bounds(field: int) -> tuple[int, int]:
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()  # from the third on: the second may hold anything
    return int(fields[field - 3]), int(fields[field - 2])
