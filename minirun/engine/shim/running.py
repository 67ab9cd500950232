"""What a shim holds open for its container: until it runs, while it runs, and between two runs.

    Held       the container is ours alone: its lock, its socket, its record, which nobody else writes meanwhile;
               and the ports of the host that it publishes
    Running    a program runs in it: its pid, its streams, the overlay beneath it

Start.py makes both, supervisor.py keeps them going and lets go of them.

See  flock(2); records.py for who else looks at the lock
"""

from __future__ import annotations

import errno
import os

from minirun.engine import sandbox
from minirun.engine.shim.streams import Input, Streams
from minirun.linux import syscalls
from minirun.linux.constants import MNT_DETACH
from minirun.network import ports

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from minirun.engine.record_types import Record
    from minirun.network.ledger import Port
    from minirun.paths import Paths


class Held:
    """A container whose shim this process is, and nobody else can be."""

    def __init__(self, paths: Paths, record: Record, lock: int, listener: socket.socket) -> None:
        self.paths = paths
        self.record = record
        self.id = record["id"]
        self.directory = paths.container(self.id)
        self.rootfs = f"{self.directory}/merged"
        self.lock = lock
        self.listener = listener
        self.reservation = ports.Reservation()

    def hold_ports(self) -> list[Port]:
        """The host's ports that are published, kept until the shim goes, restarts of the program included.

        A container without a network that leads outside has none, until it is connected to one.
        """
        options = self.record["options"]
        if not self.reservation.ports and (options["ports"] or options["publish_all"]):
            self.reservation = sandbox.reserve_ports(self.paths, self.record)
        return self.reservation.ports

    def release(self) -> None:
        """From here on another process may be its shim."""
        os.close(self.lock)
        self.listener.close()
        self.reservation.close()  # whoever starts it next wants the same ports


class Running:
    """A container's program, and what stays from one run to the next.

    `home` is a descriptor of the host's mount namespace.  `once`: the input ends with that of the first client.
    """

    def __init__(self, held: Held, home: int, *, once: bool) -> None:
        self.held = held
        self.home = home
        self.once = once
        self.overlay = -1  # the lock on it, see overlay.py
        self.pid = 0  # of the program; 0 before the first, and while one is being made
        self.streams = Streams({}, Input(-1, is_terminal=False), None)

    def unmount_overlay(self) -> None:
        """The tree is not needed any more: this process may live on a while, and the next shim is to have it alone."""
        try:
            syscalls.umount2(self.held.rootfs, MNT_DETACH, why="the next one to mount it is to have it alone")
        except syscalls.SyscallError as error:
            if error.errno not in (errno.EINVAL, errno.ENOENT):
                return  # then it goes with this process, and the lock with both
        os.close(self.overlay)
