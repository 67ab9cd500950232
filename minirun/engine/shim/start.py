"""Step 4 of 13: the container's parent, one small process for each container.

There is no daemon.  The shim mounts the container's overlay in a mount namespace of its own, has the network made,
calls the runtime, then sits between the container and the world: it holds the terminal or the pipes, writes the log,
passes signals on, waits, records the exit and cleans up.  It outlives the `minirun run` that started it.

    ORDER -> hold -> own mounts -> ports -> network (beside us) -> program runs -> supervisor.py
                                            overlay, volumes

    Held      the container is ours alone: its lock, socket and record, and the host's ports that it publishes,
              kept from others by a Reservation                                                running.py
    Running   a program runs in it: its pid, its streams, the overlay                          running.py
    Maker     a child that makes the network meanwhile; there ahead of the order where one is likely, and
              dismissed where none is to be made                                               netmaker.py

What is the shim's own dies with it: the overlay (the kernel drops a mount namespace with its last process), the
network namespace (which no process needs to be in: it is mounted on `netns` in the run directory, here), and the
container (PR_SET_PDEATHSIG).  So `kill -9` leaks nothing that needs a mount table.

See      prctl(2), mount_namespaces(7), Documentation/filesystems/overlayfs.rst
By hand  unshare -m
Next     engine/overlay.py
"""

from __future__ import annotations

import fcntl
import os
import signal

from minirun import files, jsontext
from minirun.engine import bundle, channel, cleanup, etc, overlay, records, sandbox, volumes
from minirun.engine.logs import drivers
from minirun.engine.shim import netmaker, stdio
from minirun.engine.shim.running import Held, Running
from minirun.engine.shim.streams import Streams
from minirun.engine.shim.supervisor import Supervisor
from minirun.errors import ConflictError, MinirunError
from minirun.linux import syscalls, trace
from minirun.linux.constants import CLONE_NEWNS, MS_REC, MS_SLAVE
from minirun.paths import Paths
from minirun.runtime import container, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from minirun.engine.record_types import RunState
    from minirun.engine.shim.netmaker import Maker
    from minirun.runtime.sync import Created


def main(client: socket.socket, expect_network: bool = False) -> int:
    """Wait for an order and see one container through its life.  Runs in a process of its own (fork 1).

    `expect_network`: there will probably be a network to make.
    """
    _leave_caller(client)
    maker = netmaker.ahead() if expect_network and not trace.on else None
    kind, content, start_locks = channel.receive_descriptors(client)
    if kind != channel.ORDER:  # the command line was wrong, or only asked for help
        if maker:
            maker.dismiss()
        return 0
    order = jsontext.loads(content)
    paths = Paths(order["root"], order["state"])
    try:
        held = hold(paths, order["id"])
    except (MinirunError, OSError) as error:  # it runs already, or is gone: not ours to undo
        channel.send_json(client, channel.FAILED, channel.report(error))
        return 125
    try:
        running = start(held, (order["rows"], order["columns"]), once=order["once"], maker=maker)
        supervisor = Supervisor(running, held.record, start_again)
        supervisor.welcome(client, order["streams"])  # whoever has ordered it hears that it runs
    except Exception as error:
        # whatever it is: nothing may stay of the container, and the person has to hear of it
        _give_up(held, client, error)
        return 125
    records.forget_start(paths, held.id)
    for lock in start_locks:  # of create.order(): held until our own lock says that somebody looks after it
        os.close(lock)
    cleanup.load_for(held.record)  # what its end will need is imported while it runs
    supervisor.supervise()
    return 0


def _leave_caller(client: socket.socket) -> None:
    """Become a process of its own: no terminal, no streams of the caller, only its trace and this socket."""
    process.daemonize({client.fileno(), *trace.descriptors()}, "minirun:shim")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a Spawner does not wait for its children; we do


def _give_up(held: Held, client: socket.socket, error: Exception) -> None:
    """Undo a start that failed, then say why: even when undoing fails, too."""
    words = channel.report(error)  # before undoing begins, while the trace knows the step
    held.listener.close()  # who waits for our answer may hold the lock that undoing needs, records.changing()
    held.reservation.close()
    try:
        cleanup.abandon(held.paths, held.id, error)
    finally:
        channel.send_json(client, channel.FAILED, words)


# ---- the container is ours ----------------------------------------------------------------------------------


def hold(paths: Paths, container_id: str) -> Held:
    """Become the container's shim.  Raises ConflictError when it has one, NotFoundError when it is gone."""
    with records.changing(paths):  # nobody removes it now, and no other shim comes in between
        record = cleanup.repair(paths, records.read(paths, container_id))
        files.make_private(paths.run(container_id))
        lock = _lock(paths, record["id"], record["name"])
        listener = channel.listen(f"{paths.run(container_id)}/shim.sock")
    record.update({"restart_count": 0, "stopped_by_hand": False, "kept": False})
    process.set_title("minirun:shim", f"minirun:shim {record['name']}")
    return Held(paths, record, lock, listener)


def _lock(paths: Paths, container_id: str, name: str) -> int:
    """The lock that says "this container has a shim": the kernel lets go of it however the shim ends, see flock(2)."""
    lock = files.open_lock(records.shim_lock(paths, container_id))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConflictError(f"container {name} is already running") from None
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())  # for people; nobody relies on it
    return lock


# ---- until the program runs ---------------------------------------------------------------------------------


def start(held: Held, size: tuple[int, int], *, once: bool, maker: Maker | None = None) -> Running:
    """Everything up to execve.  Raises what went wrong, with nothing undone yet.

    `size` is the terminal's (rows, columns).  `once`: the input ends with that of the first client.  `maker` is a
    process that may make the network, if there is one already.
    """
    running = Running(held, _own_mounts(), once=once)
    held.hold_ports()
    maker = _order_network(running, maker)
    try:
        running.overlay = _mount_overlay(held)
        volumes.prepare(held.paths, held.record)
    finally:  # whatever happened: nobody may undo a network that is still being made
        if maker:
            maker.finish()
    held.reservation.refuse_early()
    _run_program(running, size)
    return running


def start_again(running: Running) -> None:
    """Another run of the program, for the restart policy: in the same tree, with all else made anew."""
    if maker := _order_network(running, None):
        maker.finish()
        running.held.reservation.refuse_early()
    _run_program(running, (0, 0))


def _own_mounts() -> int:
    """Leave the host's mount namespace.  Returns a descriptor of it, for what outlives the shim."""
    trace.step("own_mounts", "what the shim mounts vanishes with the shim, and nobody else sees it")
    home = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    syscalls.unshare(CLONE_NEWNS, why="a mount table of the shim's own")
    syscalls.mount(None, "/", None, MS_SLAVE | MS_REC, why="mounts made here do not travel to the host")
    return home


def _order_network(running: Running, maker: Maker | None) -> Maker | None:
    """Have a short-lived child make the network beside us, if there is one to make; returns it then."""
    record = running.held.record
    if sandbox.has_own(record):
        trace.step("network", "made before the container exists; the runtime joins it by its path")
        maker = maker or netmaker.Maker(running.home)
        maker.order(running.held.paths, record, running.held.reservation.ports)
        return maker
    if maker:
        maker.dismiss()
    return None


def _mount_overlay(held: Held) -> int:
    """The container's root filesystem.  Returns the lock on it, which `cp` may have while the container is down."""
    trace.step("overlay", "the image's layers below, read-only; the container's own changes on top")
    lock = overlay.lock(held.directory)
    overlay.mount(held.directory, held.record["layers"])
    etc.link_mtab(held.rootfs)
    return lock


def _run_program(running: Running, size: tuple[int, int]) -> None:
    """From the record to a program that runs, with its streams in our hands."""
    held = running.held
    trace.step("bundle", "config.json: all that the runtime will know about this container")
    bundle.write(held.paths, held.record, held.rootfs)
    created = _create(running, size)
    try:
        _begin(held)
        created.sync.expect_exec()
    except BaseException:  # where this was another run the shim lives on, and tries again
        running.streams.drain()
        raise
    finally:
        created.sync.close()
    state: RunState = {**records.new_state(), "status": "running", "pid": created.pid}
    state.update({"started": records.now(), "health": held.record["state"]["health"]})
    held.record["state"] = state
    records.write(held.paths, held.record)


def _begin(held: Held) -> None:
    if program := held.record["options"]["runtime"]:
        from minirun.runtime import foreign

        foreign.start(program, held.paths.state, held.id)
    else:
        container.start(held.paths.state, held.id)


def _create(running: Running, size: tuple[int, int]) -> Created:
    """The container, all but running, and its streams: the master of its terminal, or three pipes."""
    held, options = running.held, running.held.record["options"]
    running.pid = 0

    def create(descriptors: stdio.Stdio | None, console: socket.socket | None) -> Created:
        if options["runtime"]:
            from minirun.runtime import foreign  # for the few that want another one

            where, cache = (held.paths.state, held.id, held.directory), f"{held.paths.cache}/seccomp"
            return foreign.create(options["runtime"], *where, cache=cache, stdio=descriptors, console=console)
        return container.create(
            held.paths.state,
            held.id,
            held.directory,
            cache=f"{held.paths.cache}/seccomp",
            console=console,
            stdio=descriptors,
            die_with_parent=True,
        )

    created, outputs, source = stdio.connect(create, tty=options["tty"], interactive=options["interactive"])
    running.pid = created.pid
    log = drivers.open_writer(held.record, held.directory)
    running.streams = Streams(outputs, source, log, once=running.once)
    if any(size):
        running.streams.resize(*size)
    return created
