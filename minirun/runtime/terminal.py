"""The container's terminal: made inside, held outside.

The pty pair comes from the container's own devpts, so that /dev/pts/0 in there is the terminal the program
has.  The slave stays; the master goes to whoever holds the other end, over a unix socket (SCM_RIGHTS).

See  pty(7), devpts in mount(8), unix(7) "SCM_RIGHTS", ioctl_tty(2); runtime-spec config.md "terminal"
"""

from __future__ import annotations

import array
import fcntl
import os
import socket
import struct
import termios

from minirun.linux import inroot, syscalls
from minirun.linux.constants import MS_BIND

TIOCGPTPEER = 0x5441  # ioctl_tty(2): open the slave without looking its path up
TIOCSPTLCK = 0x40045431


def open_pair(root_fd: int, rows_and_columns: tuple[int, int] | None = None) -> tuple[int, int]:
    """(master, slave) of a new terminal on the devpts inside the root."""
    master = inroot.open_in_root(root_fd, "/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(master, TIOCSPTLCK, struct.pack("i", 0))
    slave = fcntl.ioctl(master, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    if rows_and_columns:
        set_size(slave, *rows_and_columns)
    return master, slave


def bind_console(root_fd: int, slave: int) -> None:
    """/dev/console is the container's terminal too: that is where some programs write errors."""
    inroot.make_file(root_fd, "/dev/console", 0o600)
    with inroot.opened(root_fd, "/dev/console") as fd:
        why = "the console is this terminal"
        source, target = f"/proc/self/fd/{slave}", f"/proc/self/fd/{fd}"
        syscalls.mount(source, target, None, MS_BIND, path="/dev/console", origin="/dev/pts/0", why=why)


def hand_over(sock: socket.socket, master: int) -> None:
    """Send the master to the other end of `sock`, and close it here.  The data says what it is; receivers ignore it."""
    rights = array.array("i", [master])
    sock.sendmsg([b"/dev/ptmx"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    os.close(master)


def receive_master(sock: socket.socket) -> int:
    """The descriptor that `hand_over` sent.  Raises EOFError when the sender went away first."""
    _data, fds, _flags, _address = socket.recv_fds(sock, 64, 1)
    if not fds:
        raise EOFError("no terminal came")
    os.set_inheritable(fds[0], False)
    return fds[0]


def set_size(fd: int, rows: int, columns: int) -> None:
    """TIOCSWINSZ: the kernel sends SIGWINCH to the terminal's foreground group when it changes."""
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def size(fd: int) -> tuple[int, int]:
    """(rows, columns) of the terminal `fd`; (0, 0) when it does not know."""
    rows, columns, _x, _y = struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8)))
    return rows, columns


def become_controlling(fd: int) -> None:
    """Make the terminal `fd` the controlling terminal of this session, whose leader we are."""
    fcntl.ioctl(fd, termios.TIOCSCTTY, 0)
