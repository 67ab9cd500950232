"""Step 4b of `minirun run`: the container's parent, one small process for each container.

There is no daemon.  The shim mounts the container's overlay in a mount namespace of its own, has the network made,
calls the runtime, then sits between the container and the world: it holds the terminal or the pipes, writes the log,
passes signals on, waits, records the exit and cleans up.  It outlives the `minirun run` that started it.

What is the shim's own dies with it: the overlay (the kernel drops a mount namespace with its last process), the
pinned network namespace, and the container (PR_SET_PDEATHSIG).  So `kill -9` leaks nothing that needs a mount table.

See      prctl(2), mount_namespaces(7), Documentation/filesystems/overlayfs.rst
By hand  unshare -m
Next     overlay.py, bundle.py, then runtime/container.py; supervisor.py for what follows
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket

from minirun import files, jsontext
from minirun.engine import bundle, channel, cleanup, networks, overlay, records, volumes
from minirun.engine.logs import writer
from minirun.engine.shim import netmaker, supervisor
from minirun.engine.shim.streams import Input, Streams, pipes
from minirun.errors import ConflictError, MinirunError
from minirun.linux import syscalls, trace
from minirun.linux.constants import CLONE_NEWNS, MNT_DETACH, MS_REC, MS_SLAVE
from minirun.network import ports
from minirun.paths import Paths
from minirun.runtime import container, process, terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.engine.record_types import RunState
    from minirun.network.ledger import Port


def main(client: socket.socket, expect_network: bool = False) -> int:
    """Wait for an order and see one container through its life.  Runs in a process of its own (fork 1).

    `expect_network`: there will probably be a network to make.
    """
    _settle(client)
    network = netmaker.ahead() if expect_network and not trace.on else None
    kind, content, start = channel.receive_descriptors(client)
    if kind != channel.ORDER:  # the command line was wrong, or only asked for help
        if network:
            network.dismiss()
        return 0
    order = jsontext.loads(content)
    paths = Paths(order["root"], order["state"])
    try:
        shim = Shim(paths, order["id"], network)
    except (MinirunError, OSError) as error:  # it runs already, or is gone: not ours to undo
        channel.send_json(client, channel.FAILED, channel.report(error))
        return 125
    try:
        shim.start((order["rows"], order["columns"]), once=order["once"])
        running = supervisor.Life(shim, client, order["streams"])
    except Exception as error:
        # whatever it is: nothing may stay of the container, and the person has to hear of it
        shim.reservation.close()
        _give_up(paths, order["id"], client, error)
        return 125
    records.forget_start(paths, order["id"])
    for lock in start:
        os.close(lock)
    running.live()
    return 0


def _settle(client: socket.socket) -> None:
    """Become a process of its own: no terminal, no streams of the caller, only its trace and this socket."""
    process.settle({client.fileno(), *trace.descriptors()}, "minirun:shim")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _give_up(paths: Paths, container_id: str, client: socket.socket, error: Exception) -> None:
    """Undo a start that failed, then say why: even when undoing fails, too."""
    words = channel.report(error)  # before undoing begins, while the trace knows the step
    try:
        cleanup.abandon(paths, container_id, error)
    finally:
        channel.send_json(client, channel.FAILED, words)


class Shim:
    """One container and what is held open for it."""

    def __init__(self, paths: Paths, container_id: str, network: netmaker.Maker | None) -> None:
        """Become the container's shim.  Raises ConflictError when it has one, NotFoundError when it is gone."""
        self.paths = paths
        self.id = container_id
        self.network = network
        self.reservation = ports.Reservation()
        self.directory = paths.container(self.id)
        self.run_directory = paths.run(self.id)
        self.rootfs = f"{self.directory}/merged"
        with records.changing(paths):  # nobody removes it now, and no other shim comes in between
            self.record = cleanup.repair(paths, records.read(paths, self.id))
            self._lock()
        self.record.update({"restart_count": 0, "stopped_by_hand": False, "kept": False})
        process.call_itself("minirun:shim", f"minirun:shim {self.record['name']}")

    # ---- until the program runs -----------------------------------------------------------------------------

    def start(self, size: tuple[int, int], *, once: bool) -> None:
        """Everything up to execve.  Raises what went wrong, with nothing undone yet.

        `size` is the terminal's (rows, columns).  `once`: the input ends with that of the first client.
        """
        self.once = once
        self._own_mounts()
        self.hold_ports()
        self._begin_network()
        try:
            self._mount_overlay()
            volumes.prepare(self.paths, self.record)
        finally:  # whatever happened: nobody may undo a network that is still being made
            self._finish_network()
        self._write_bundle()
        self._create(size)
        self._begin()

    def start_again(self) -> None:
        """Another run of the program, for the restart policy: in the same tree, with all else made anew."""
        self._begin_network()
        self._finish_network()
        self._write_bundle()
        self._create((0, 0))
        try:
            self._begin()
        except BaseException:  # the shim lives on, and tries again
            self.created.sync.close()
            self.streams.drain()
            raise

    def _lock(self) -> None:
        files.make_private(self.run_directory)
        self.lock = files.open_lock(records.shim_lock(self.paths, self.id))
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(f"container {self.record['name']} is already running") from None
        os.ftruncate(self.lock, 0)
        os.write(self.lock, f"{os.getpid()}\n".encode())  # for people; nobody relies on it
        self.listener = channel.listen(f"{self.run_directory}/shim.sock")

    def _own_mounts(self) -> None:
        trace.step("own_mounts", "what the shim mounts vanishes with the shim, and nobody else sees it")
        self.home = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)  # for what outlives the shim
        syscalls.unshare(CLONE_NEWNS, why="a mount table of the shim's own")
        syscalls.mount(None, "/", None, MS_SLAVE | MS_REC, why="mounts made here do not travel to the host")

    def hold_ports(self) -> list[Port]:
        """The host's ports that are published, kept until the shim goes, restarts of the program included.

        A container without a network that leads outside has none, until it is connected to one.
        """
        if not self.reservation.ports and (
            self.record["options"]["ports"] or self.record["options"]["publish_all"]
        ):
            self.reservation = networks.reserve(self.paths, self.record)
        return self.reservation.ports

    def _begin_network(self) -> None:
        """Have a short-lived child make the network beside us, if there is one to make."""
        if networks.has_own(self.record):
            trace.step("network", "made before the container exists; the runtime joins it by its path")
            self.network = self.network or netmaker.Maker(self.home)
            self.network.order(self.paths, self.record, self.reservation.ports)
        elif self.network:
            self.network.dismiss()
            self.network = None

    def _finish_network(self) -> None:
        if self.network:
            network, self.network = self.network, None
            network.finish()

    def _mount_overlay(self) -> None:
        trace.step("overlay", "the image's layers below, read-only; the container's own changes on top")
        self.claim = overlay.claim(self.directory)  # `cp` may have it, while the container does not run
        overlay.mount(self.directory, self.record["layers"])

    def let_go_of_overlay(self) -> None:
        """Unmount the tree: this process may live on a while, and the next shim is to have it alone."""
        try:
            syscalls.umount2(self.rootfs, MNT_DETACH, why="the next one to mount it is to have it alone")
        except syscalls.SyscallError as error:
            if error.errno not in (errno.EINVAL, errno.ENOENT):
                return  # then it goes with this process, and the claim with both
        os.close(self.claim)

    def _write_bundle(self) -> None:
        trace.step("bundle", "config.json: all that the runtime will know about this container")
        bundle.write(self.paths, self.record, self.rootfs)

    def _create(self, size: tuple[int, int]) -> None:
        """The container, all but running, and its streams: the master of its terminal, or three pipes."""
        if self.record["options"]["tty"]:
            ours, theirs = socket.socketpair()
            self._call_create(console=theirs, stdio=None)
            theirs.close()
            master = terminal.receive_master(ours)
            if any(size):
                terminal.set_size(master, *size)
            outputs, source = {master: "stdout"}, Input(master, is_terminal=True)
        else:
            stdio, outputs, source = pipes(self.record["options"]["interactive"])
            try:
                self._call_create(console=None, stdio=stdio)
            except BaseException:
                Streams(outputs, source, None).close()
                raise
            finally:
                for fd in stdio:
                    os.close(fd)
        self.streams = Streams(
            outputs, source, writer.open_writer(self.record, self.directory), once=self.once
        )

    def _call_create(self, console: socket.socket | None, stdio: tuple[int, int, int] | None) -> None:
        self.created = container.create(
            self.paths.state,
            self.id,
            self.directory,
            cache=f"{self.paths.cache}/seccomp",
            console=console,
            stdio=stdio,
            die_with_parent=True,
        )

    def _begin(self) -> None:
        container.start(self.paths.state, self.id)
        self.created.sync.expect_exec()
        self.created.sync.close()
        state: RunState = {**records.new_state(), "status": "running", "pid": self.created.pid}
        state.update({"started": records.now(), "health": self.record["state"]["health"]})
        self.record["state"] = state
        records.write(self.paths, self.record)
