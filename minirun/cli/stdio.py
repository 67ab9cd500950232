"""Descriptors 0, 1 and 2, which cron, a daemon or `>&-` may have closed.

Whatever is opened first would get the number of the missing one, and what we print would go into it: a pipe, a
container's file.  /dev/null takes its place, for us and for all that we start.  Python has noticed at its own start
that there was none: sys.stdout is None then, and is made anew.

See      execve(2) and POSIX exec, "file descriptors 0, 1 and 2"; sys.__stdout__ in Python's documentation
By hand  minirun version >&- ; echo $?
"""

from __future__ import annotations

import os
import sys


def fill() -> None:
    """Before anything else is opened.  open(2) takes the lowest number that is free."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)
    sys.stdin = sys.stdin or open(0, closefd=False)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)
    sys.stderr = sys.stderr or open(2, "w", closefd=False)
