"""The OCI runtime: create, start, kill, delete and exec, on a bundle.

Step 5 of `minirun run`, and all of `minirun-oci`.  Neither knows what an image or a bridge is: a bundle is a
directory with a config.json and a root filesystem, and here it becomes a process.

See      runtime-spec runtime.md "Lifecycle"; the protocol with the child is drawn in sync.py
By hand  unshare, then what init.py says
Next     process.py (the fork), init.py (the child)
"""

from __future__ import annotations

import errno
import os
import time

from minirun import files
from minirun.errors import ConflictError, MinirunError, UnsupportedError, UsageError
from minirun.linux import cgroup_files, cgroup_processes, cgroups, devices, processes, signals, trace
from minirun.runtime import init, process, state
from minirun.runtime.plan import Plan, limits
from minirun.runtime.sync import Sync, TooLate, raise_report

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from typing import Any

    from minirun.runtime.config import Config, Linux, Process, State


# that a process may take to join a container; less than a shim's client waits for an answer
EXEC_SECONDS = 8.0


class Created:
    """A container that is ready to start: its init's pid, and the pipe that will tell whether execve worked."""

    def __init__(self, pid: int, sync: Sync) -> None:
        self.pid = pid
        self.sync = sync


class Undo:
    """What to take back, last first, when a with block fails.  (contextlib.ExitStack costs 3 ms to import.)"""

    def __init__(self) -> None:
        self.acts: list[tuple[Callable[..., object], tuple[Any, ...]]] = []

    def add(self, function: Callable[..., object], *args: Any) -> None:
        self.acts.append((function, args))

    def __enter__(self) -> Undo:
        return self

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        for function, args in reversed(self.acts) if error else ():
            try:
                function(*args)
            except (MinirunError, OSError):
                pass  # the error to tell is the first one


def load_config(bundle: str) -> Config:
    """config.json of a bundle.  Raises MinirunError naming the file and what is wrong with it."""
    return _load(bundle)[0]


def _load(bundle: str) -> tuple[Config, bytes]:
    """The same, and the file's text."""
    path = f"{bundle}/config.json"
    try:
        text = files.read_bytes(path)
        config: Config = files.parse_json(text, path)
    except OSError as error:
        raise MinirunError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise MinirunError(str(error)) from None
    for key in ("process", "root"):
        if key not in config:
            raise MinirunError(f"{path}: there is no {key}")
    if not config["process"].get("args"):
        raise MinirunError(f"{path}: process.args is empty")
    if not config["process"].get("cwd", "").startswith("/"):
        raise MinirunError(f"{path}: process.cwd has to be an absolute path")
    return config, text


def create(
    state_root: str,
    container_id: str,
    bundle: str,
    *,
    cache: str = "",
    stdio: tuple[int, int, int] | None = None,
    console: socket.socket | None = None,
    die_with_parent: bool = False,
    keyring: bool = True,
) -> Created:
    """Make the container of a bundle, all but running: what `minirun-oci create` does.

    `stdio` are descriptors for the program's 0, 1 and 2 (default: ours); `console` is the connected unix socket
    that gets the master of its terminal.  Raises MinirunError; an error leaves things as they were before.
    """
    trace.step("create", "the bundle becomes a process that is ready and waits")
    bundle = os.path.abspath(bundle)
    config, text = _load(bundle)
    linux = config.get("linux", {})
    plan = Plan(config, bundle, container_id if keyring else "")
    plan.take_seccomp(linux, cache or f"{state_root}/.seccomp")
    plan.stdio, plan.die_with_parent = stdio, die_with_parent
    if console:
        plan.take_console(console)
    cgroup = cgroup_path(linux, container_id)
    owner = state.directory(state_root, container_id)
    with Undo() as undo:
        plan.fifo = state.claim(state_root, container_id)
        undo.add(os.close, plan.fifo)
        undo.add(state.discard, state_root, container_id)
        current = state.new(container_id, config, bundle, plan.rootfs, cgroup)
        state.keep(state_root, container_id, text, plan.seccomp)
        state.write(state_root, current)
        undo.add(cgroups.delete_own, cgroup, owner)
        plan.cgroup_directory = _make_cgroup(cgroup, linux, owner)
        created = _spawn(plan, cgroup, undo)
        cgroups.require_alone(cgroup, owner, created.pid)
        current.update(
            {"status": "created", "pid": created.pid, "start_time": processes.start_time(created.pid)}
        )
        state.write(state_root, current)
    os.close(plan.fifo)
    return created


def cgroup_path(linux: Linux, container_id: str) -> str:
    """The container's group below the cgroup2 mount; `/minirun/<id>` unless config.json says."""
    path = linux.get("cgroupsPath") or f"/minirun/{container_id}"
    if "\0" in path:
        raise UsageError("config.json: linux.cgroupsPath: a path has no NUL in it")
    if ":" in path:
        raise UnsupportedError(
            f'config.json: cgroupsPath "{path}": only paths, not systemd slices, are supported yet'
        )
    return "/" + path.strip("/")


def _make_cgroup(cgroup: str, linux: Linux, owner: str) -> str:
    """Make the group with its limits and device rules; returns its directory."""
    trace.step("cgroup", "limits are set while the group is empty: no process ever runs without them")
    cgroups.create(cgroup, limits(linux), owner)
    rules = linux.get("resources", {}).get("devices")
    if rules:
        devices.apply(cgroup, [*rules, *devices.ALLOWED])  # later rules win: the default nodes always work
    return cgroup_files.mount_point() + cgroup


def _spawn(plan: Plan, cgroup: str, undo: Undo) -> Created:
    """Fork the init, put it into its cgroup, and talk to it until it is ready."""
    trace.step("fork", "PID 1 of the container begins as a copy of this process")
    if plan.pid_namespace:
        return _spawn_beside(plan, cgroup, undo, init.CREATE_BESIDE)
    sync = Sync()
    undo.add(sync.close)
    child = lambda: init.main(plan, sync, init.CREATE)  # noqa: E731
    fork = process.fork if plan.pid_namespace is None else process.fork_into_new_pid_namespace
    pid = fork(child, cgroup)
    undo.add(process.end, pid)
    sync.in_parent()
    _lead(sync, pid, cgroup)
    return Created(pid, sync)


def _spawn_beside(plan: Plan, cgroup: str, undo: Undo, steps: Sequence[init.Step]) -> Created:
    """The same for a program that appears among others: it is begun by the process that we fork, and is our child.

    What can be seen from a container can be stopped from there, so nothing waits for it without a deadline.
    """
    born, last_words = plan.enter_pid_namespace_last()
    sync = Sync(until=time.monotonic() + EXEC_SECONDS)
    undo.add(sync.close)
    child = process.fork(lambda: init.main(plan, sync, steps), cgroup)
    undo.add(lambda: process.end(born.number()))
    undo.add(process.end, child)
    sync.in_parent()
    _lead(sync, child, cgroup)
    status = process.wait(child, sync.until)
    if status is None:
        raise TooLate()
    if words := last_words.read():
        raise_report(words.decode(errors="replace"), trusted=False)
    if status or not born.number():
        raise MinirunError("the process that was to enter the container was killed")
    return Created(born.number(), sync)


def _lead(sync: Sync, pid: int, cgroup: str) -> None:
    """The parent's half of the protocol in sync.py."""
    if cgroup_files.path_of(pid) != cgroup:
        cgroup_processes.add(cgroup, pid)
    sync.tell("placed")
    sync.expect("namespaced")
    sync.tell("go on")
    sync.expect("ready")


def start(state_root: str, container_id: str) -> None:
    """Let a created container's program begin."""
    current = state.read(state_root, container_id)
    if current["status"] == "stopped":
        raise ConflictError(f'cannot start container "{container_id}": process already finished')
    state.require(current, "created")
    trace.step("start", "one byte through exec.fifo, and init goes on to execve")
    path = state.fifo_path(state_root, container_id)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno != errno.ENXIO:  # nobody reads: init died since we looked
            raise
        raise ConflictError(f'cannot start container "{container_id}": process already finished') from None
    os.unlink(path)
    os.write(fd, b"\n")
    os.close(fd)


def kill(state_root: str, container_id: str, number: int, *, everybody: bool = False) -> None:
    """Signal the container's first process, or all in its cgroup."""
    current = state.read(state_root, container_id)
    if everybody and number == signals.SIGKILL and _owns_cgroup(state_root, current):
        return cgroup_processes.kill(current["cgroup"])
    state.require(current, "created", "running")
    if not processes.send_signal(current["pid"], current["start_time"], number):
        raise ConflictError(f'container not running: "{container_id}" has just ended')


def pause(state_root: str, container_id: str) -> None:
    """Stop every process of a running container, where it stands.  Returns when all have stopped."""
    _running_cgroup(state_root, container_id, cgroup_processes.freeze)


def resume(state_root: str, container_id: str) -> None:
    """Let a paused container run on."""
    _running_cgroup(state_root, container_id, cgroup_processes.thaw)


def _running_cgroup(state_root: str, container_id: str, act: Callable[[str], None]) -> None:
    """Do `act` to the cgroup of a container that runs.  ConflictError when it does not, or has just ended."""
    current = state.read(state_root, container_id)
    state.require(current, "running")
    try:
        act(current["cgroup"])
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):
            raise
        raise ConflictError(f'container not running: "{container_id}" has just ended') from None


def delete(state_root: str, container_id: str, *, force: bool = False) -> None:
    """Remove a stopped container's cgroup and state; with `force`, kill what runs first."""
    current = state.read(state_root, container_id)
    if current["status"] != "stopped" and not force and current["status"] != "creating":
        hint = "kill it first, or delete with --force"
        raise ConflictError(
            f'cannot delete container "{container_id}" that is not stopped: it is {current["status"]}', hint
        )
    remove(state_root, current)


def remove(state_root: str, current: State) -> None:
    """Kill all that is left of a container, and take away its cgroup and its state directory.

    A cgroup that was there before the container keeps all but the container's first process.
    """
    if _owns_cgroup(state_root, current):
        cgroup_processes.kill(current["cgroup"])
    if current["pid"]:
        processes.send_signal(current["pid"], current["start_time"], signals.SIGKILL)
        processes.wait_until_gone(current["pid"], current["start_time"], 10)
    cgroups.delete_own(current["cgroup"], state.directory(state_root, current["id"]))
    state.discard(state_root, current["id"])


def _owns_cgroup(state_root: str, current: State) -> bool:
    return cgroups.owner_of(current["cgroup"]) == state.directory(state_root, current["id"])


def execute(
    state_root: str,
    container_id: str,
    spec: Process,
    *,
    stdio: tuple[int, int, int] | None = None,
    console: socket.socket | None = None,
) -> Created:
    """Start one more process in a running container: the same namespaces, cgroup, filter and rules.

    Returns when its program has begun; it is a child of the caller.
    """
    current = state.read(state_root, container_id)
    state.require(current, "running", "created")
    trace.step("exec", "a second process joins all that makes the container")
    config = state.read_config(state_root, container_id)
    plan = Plan({**config, "process": spec}, current["bundle"], container_id, f"/proc/{current['pid']}/root")
    plan.take_compiled(config.get("linux", {}), state.read_filter(state_root, container_id))
    plan.stdio = stdio
    if console:
        plan.take_console(console)
    return _spawn_exec(plan, current)


def _spawn_exec(plan: Plan, current: State) -> Created:
    pidfd = processes.open_pidfd(current["pid"], current["start_time"])
    if pidfd is None:
        raise ConflictError(f'container not running: "{current["id"]}" has just ended')
    plan.target_pid, plan.target_pidfd = current["pid"], pidfd
    try:
        with Undo() as undo:
            return _spawn_beside(plan, current["cgroup"], undo, init.EXEC)
    finally:
        os.close(pidfd)
