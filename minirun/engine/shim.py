"""Step 4b of `minirun run`: the container's parent, one small process for each container.

There is no daemon.  The shim mounts the container's overlay in a mount namespace of its own, has the network made,
calls the runtime, then sits between the container and the world: it holds the terminal or the pipes, writes the log,
passes signals on, waits, records the exit and cleans up.  It outlives the `minirun run` that started it.

What is the shim's own dies with it: the overlay (the kernel drops a mount namespace with its last process), the
pinned network namespace, and the container (PR_SET_PDEATHSIG).  So `kill -9` leaks nothing that needs a mount table.

See      prctl(2), mount_namespaces(7), Documentation/filesystems/overlayfs.rst
By hand  unshare -m; mount -t overlay overlay -o lowerdir=L2:L1,upperdir=U,workdir=W merged
Next     bundle.py, then runtime/container.py
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import socket

from minirun import files, jsontext
from minirun.engine import bundle, channel, cleanup, logs, netmaker, records
from minirun.engine.streams import Client, Input, Streams
from minirun.errors import MinirunError
from minirun.linux import cgroups, syscalls, trace
from minirun.linux.constants import CLONE_NEWNS, MS_REC, MS_SLAVE
from minirun.paths import ROOT_MARK, Paths
from minirun.runtime import container, process, terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.engine.record_types import Record


def main(client: socket.socket, expect_network: bool = False) -> int:
    """Wait for an order and see one container through its life.  Runs in a process of its own (fork 1).

    `expect_network`: there will probably be a network to make.
    """
    _settle(client)
    network = netmaker.Maker(ahead=True) if expect_network and not trace.on else None
    kind, content = channel.receive(client)
    if kind != channel.ORDER:  # the command line was wrong, or only asked for help
        if network:
            network.dismiss()
        return 0
    order = jsontext.loads(content)
    paths = Paths(order["root"], order["state"])
    try:
        shim = Shim(paths, records.read(paths, order["id"]), client, network)
        shim.start((order["rows"], order["columns"]))
    except Exception as error:
        # whatever it is: nothing may stay of the container, and the person has to hear of it
        _give_up(paths, order["id"], client, error)
        return 125
    shim.attend()
    return 0


def _settle(client: socket.socket) -> None:
    """Become a process of its own: no terminal, no streams of the caller, only its trace and this socket."""
    os.setsid()
    os.chdir("/")  # the caller's directory may be unmounted while we live
    syscalls.set_name("minirun:shim")
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for fd in (0, 1, 2):
        os.dup2(null, fd, inheritable=True)
    os.close(null)
    keep = {client.fileno(), *trace.descriptors()}
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in keep:
            with syscalls.tolerating(errno.EBADF):  # the one that listdir itself had open
                os.close(int(name))  # what the caller left open, a pipe's end say, is not ours to hold
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _give_up(paths: Paths, container_id: str, client: socket.socket, error: Exception) -> None:
    """Undo a start that failed, then say why: even when undoing fails, too."""
    report = _report(error)  # before undoing begins, while the trace knows the step
    try:
        cleanup.abandon(paths, container_id, error)
    finally:
        channel.send_json(client, channel.FAILED, report)


def _report(error: Exception) -> list[str]:
    """[class name, message, hint, step] as channel.error() reads it.  An OSError knows no step: it was ours."""
    if isinstance(error, MinirunError):
        return [type(error).__name__, str(error), error.hint, error.step]
    if isinstance(error, trace.Cancelled):
        return ["MinirunError", str(error), "", ""]
    message = str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
    return ["MinirunError", message, "", trace.phase()]


def root_layer(layers: list[str]) -> str:
    """Of an image's layers (lowest first) the uppermost one whose tar has an entry for / itself."""
    for layer in reversed(layers):
        try:
            os.getxattr(layer, ROOT_MARK)
            return layer
        except OSError:
            continue
    return layers[0]


PAGE = 4096  # bytes of data that mount(2) takes
LAYERS_MAX = 500  # that overlayfs takes: OVL_MAX_STACK in fs/overlayfs/params.h


_WHY_DIRECTORY = {
    "work": "scratch space that overlayfs wants beside the upper directory",
    "merged": "where the container's tree will be seen",
    "upper": "what the container changes lands here",
}


class Shim:
    """One container and what is held open for it."""

    def __init__(
        self, paths: Paths, record: Record, client: socket.socket, network: netmaker.Maker | None
    ) -> None:
        self.paths = paths
        self.record = record
        self.id = record["id"]
        self.client = client
        self.network = network
        self.directory = paths.container(self.id)
        self.run_directory = paths.run(self.id)
        self.rootfs = f"{self.directory}/merged"
        syscalls.set_name("minirun:shim", f"minirun:shim {record['name']}")

    # ---- until the program runs -----------------------------------------------------------------------------

    def start(self, size: tuple[int, int]) -> None:
        """Everything up to execve.  Raises what went wrong, with nothing undone yet."""
        self._lock()
        self._own_mounts()
        self._begin_network()
        try:
            self._mount_overlay()
        finally:  # whatever happened: nobody may undo a network that is still being made
            self._finish_network()
        self._write_bundle()
        self._create(size)
        self._begin()

    def _lock(self) -> None:
        os.makedirs(self.run_directory, mode=0o700, exist_ok=True)
        self.lock = files.open_lock(records.shim_lock(self.paths, self.id))
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        os.write(self.lock, f"{os.getpid()}\n".encode())  # for people; nobody relies on it
        self.listener = channel.listen(f"{self.run_directory}/shim.sock")

    def _own_mounts(self) -> None:
        trace.step("own_mounts", "what the shim mounts vanishes with the shim, and nobody else sees it")
        syscalls.unshare(CLONE_NEWNS, why="a mount table of the shim's own")
        syscalls.mount(None, "/", None, MS_SLAVE | MS_REC, why="mounts made here do not travel to the host")

    def _begin_network(self) -> None:
        """Have a short-lived child make the network beside us, if there is one to make."""
        if self.record["network"] == "bridge":
            trace.step("network", "made before the container exists; the runtime joins it by its path")
            self.network = self.network or netmaker.Maker(ahead=False)
            self.network.order(self.paths, self.record, self._network_namespace())
        elif self.network:
            self.network.dismiss()
            self.network = None

    def _network_namespace(self) -> str:
        return f"{self.run_directory}/netns" if self.record["network"] == "bridge" else ""

    def _finish_network(self) -> None:
        if self.network:
            self.record["endpoint"] = self.network.finish()

    def _mount_overlay(self) -> None:
        trace.step("overlay", "the image's layers below, read-only; the container's own changes on top")
        if not os.path.isdir(f"{self.directory}/upper"):
            self._make_upper()
        data, short = self._overlay_data()
        try:
            syscalls.mount("overlay", self.rootfs, "overlay", 0, data, why="one tree of all layers")
        except syscalls.SyscallError as error:
            hint = "an overlay needs ext4, xfs or tmpfs below it, not another overlay; put --root on one"
            raise MinirunError(str(error), hint if error.errno == errno.EINVAL else "") from None
        finally:
            if short:
                syscalls.chdir("/", why="the short names have served")

    def _overlay_data(self) -> tuple[str, bool]:
        """The options of the overlay, and whether they hold short names, good only where we stand now."""
        layers: list[str] = self.record["layers"]
        if len(layers) > LAYERS_MAX:
            raise MinirunError(
                f"the image has {len(layers)} layers, and overlayfs takes no more than {LAYERS_MAX}",
                "build it with fewer instructions that change files",
            )
        changes = f"upperdir={self.directory}/upper,workdir={self.directory}/work"
        data = f"lowerdir={':'.join(reversed(layers))},{changes}"
        if len(os.fsencode(data)) < PAGE:
            return data, False
        return f"lowerdir={':'.join(reversed(self._short_names(layers)))},{changes}", True

    def _short_names(self, layers: list[str]) -> list[str]:
        """Numbers for names: a link to each layer, and we stand beside the links.  So does Docker, so can a shell."""
        links = f"{self.directory}/lower"
        with syscalls.tolerating(errno.EEXIST):
            syscalls.mkdir(links, why="short names for many layers: mount(2) takes one page of options")
        names = [str(number) for number in range(len(layers))]
        for name, layer in zip(names, layers, strict=True):
            with syscalls.tolerating(errno.EEXIST):  # the container ran before
                syscalls.symlink(layer, f"{links}/{name}", why="one for each layer, the lowest first")
        syscalls.chdir(links, why="overlayfs looks for the short names here")
        return names

    def _make_upper(self) -> None:
        """The merged root shows the mode and owner of the upper directory, so those come from the image."""
        for name in ("work", "merged", "upper"):
            with syscalls.tolerating(errno.EEXIST):
                syscalls.mkdir(f"{self.directory}/{name}", why=_WHY_DIRECTORY[name])
        root = os.stat(root_layer(self.record["layers"]))
        upper = f"{self.directory}/upper"
        os.chown(upper, root.st_uid, root.st_gid)
        trace.announce(
            "chown", [upper, root.st_uid, root.st_gid], "the container's / belongs to whom the image says"
        )
        os.chmod(upper, root.st_mode & 0o7777)
        trace.announce("chmod", [upper, root.st_mode & 0o7777], "and who may enter it")

    def _write_bundle(self) -> None:
        trace.step("bundle", "config.json: all that the runtime will know about this container")
        namespace = self._network_namespace()
        bundle.write(self.paths, self.record, self.rootfs, namespace)

    def _create(self, size: tuple[int, int]) -> None:
        """The container, all but running, and its streams: the master of its terminal, or three pipes."""
        if self.record["tty"]:
            ours, theirs = socket.socketpair()
            self._call_create(console=theirs, stdio=None)
            theirs.close()
            master = terminal.receive_master(ours)
            if any(size):
                terminal.set_size(master, *size)
            outputs, source = {master: "stdout"}, Input(master, is_terminal=True)
        else:
            stdio, outputs, source = self._pipes()
            self._call_create(console=None, stdio=stdio)
            for fd in stdio:
                os.close(fd)
        self.streams = Streams(outputs, source, logs.Writer(f"{self.directory}/log.json"))

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

    def _pipes(self) -> tuple[tuple[int, int, int], dict[int, str], Input]:
        """The program's ends of its three streams, and ours."""
        out_reader, out_writer = os.pipe()
        err_reader, err_writer = os.pipe()
        if self.record["interactive"]:
            in_reader, in_writer = os.pipe()
        else:
            in_reader, in_writer = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC), -1
        outputs = {out_reader: "stdout", err_reader: "stderr"}
        return (in_reader, out_writer, err_writer), outputs, Input(in_writer, is_terminal=False)

    def _begin(self) -> None:
        container.start(self.paths.state, self.id)
        self.created.sync.expect_exec()
        self.created.sync.close()
        self.record["state"].update({"status": "running", "pid": self.created.pid, "started": records.now()})
        records.write(self.paths, self.record)
        first = Client(self.client)
        first.send(channel.RUNNING)
        self.streams.clients.append(first)

    # ---- while it runs, and afterwards ------------------------------------------------------------------------

    def attend(self) -> None:
        """Serve those attached until the program has ended, then put everything away."""
        self.streams.attend(os.pidfd_open(self.created.pid), self.listener, self._signal)
        _, status = os.waitpid(self.created.pid, 0)
        state = self.record["state"]
        code = process.exit_code(status)
        state.update({"status": "exited", "pid": 0, "exit_code": code, "finished": records.now()})
        state["oom_killed"] = bool(cgroups.oom_kills(f"/minirun/{self.id}"))
        self._put_away()
        self.streams.finish(channel.EXITED, {"code": code, "oom": state["oom_killed"]})

    def _signal(self, number: int) -> None:
        with contextlib.suppress(MinirunError):  # it has just ended
            container.kill(self.paths.state, self.id, number)

    def _put_away(self) -> None:
        self.streams.log.close()
        cleanup.release(self.paths, self.record)
        self.record["endpoint"] = None
        records.write(self.paths, self.record)
        if self.record["auto_remove"]:
            cleanup.remove_files(self.paths, self.id)
        else:
            cleanup.remove_run_directory(self.paths, self.id)
