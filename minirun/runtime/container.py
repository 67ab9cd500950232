"""Step 8 of 13: the OCI runtime: create, start, kill and delete, on a bundle.

The shim calls this for `minirun run`, and `minirun-oci` for other engines.  No image and no bridge is known here: a
bundle is a directory with a config.json and a root filesystem, and it becomes a process.

    create   creating -> created    cgroup, state.json, fork; init gets everything ready and waits on exec.fifo
    start    created  -> running    one byte through exec.fifo, and init goes on to execve
    (exit)   running  -> stopped    nobody writes that: state.py looks whether the process lives
    delete   stopped  -> gone

Whoever calls create is the parent of init, and has to wait for it.  There is no lock: an id belongs to who has made its
exec.fifo, which mkfifo(3) does once, and a status is looked up when it is asked for (state.py).

See      runtime-spec runtime.md "Lifecycle" and "Operations"; fifo(7), cgroups(7)
By hand  minirun-oci create -b BUNDLE x; minirun-oci state x; minirun-oci start x; minirun-oci delete x
Left out hooks; systemd as the manager of cgroups; exec (joining.py), checkpoint and restore
Next     runtime/plan.py
"""

from __future__ import annotations

import errno
import os

from minirun import files, jsontext
from minirun.errors import ConflictError, MinirunError, UnsupportedError
from minirun.linux import cgroup_files, cgroup_processes, cgroups, devices, processes, signals, trace
from minirun.runtime import init, process, schema, state
from minirun.runtime.plan import Plan, limits
from minirun.runtime.sync import Created, EndedEarly, Sync, await_ready
from minirun.runtime.undo import Undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from minirun.runtime.config import Config, Linux, State


def load_config(bundle: str, file: str = "") -> Config:
    """config.json of a bundle, or `file` in its place.  Raises MinirunError that says what is wrong with it."""
    return _load(bundle, file)[0]


def _load(bundle: str, file: str) -> tuple[Config, bytes]:
    """The same, and the file's text."""
    path = file or f"{bundle}/config.json"
    try:
        text = files.read_bytes(path)
        config: Config = files.parse_json(text, path)
    except OSError as error:
        raise MinirunError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise MinirunError(str(error)) from None
    schema.check(config)
    if b"null" in text:  # the parts that were null are out: what is kept for exec is what is checked here
        text = jsontext.dumps(config).encode()
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
    config_file: str = "",
    own_cgroup: bool = True,
    preserved: int = 0,
    secrets: dict[str, str] | None = None,
) -> Created:
    """Make the container of a bundle, all but running: what `minirun-oci create` does.

    `cache` is a directory for compiled seccomp filters.  `stdio` are descriptors for the program's 0, 1 and 2
    (default: ours), and `preserved` how many more it keeps, from 3 on; `console` is the connected unix socket that gets
    the master of its terminal; `keyring`: it has a session keyring of its own; `config_file` is read in the place of
    the bundle's config.json; without `own_cgroup` it stays in the caller's group, without limits; `secrets` are
    variables that are written nowhere.  Raises MinirunError; an error leaves things as they were before.
    """
    trace.step("create", "the bundle becomes a process that is ready and waits")
    bundle = os.path.abspath(bundle)
    config, text = _load(bundle, config_file)
    linux = config.get("linux", {})
    plan = Plan(config, bundle, container_id if keyring else "")
    plan.use_seccomp(linux, cache or f"{state_root}/.seccomp")
    plan.stdio, plan.die_with_parent, plan.preserved = stdio, die_with_parent, preserved
    plan.secrets = secrets or {}
    if console:
        plan.use_console(console)
    cgroup = cgroup_path(linux, container_id) if own_cgroup else ""
    owner = state.directory(state_root, container_id)
    with Undo() as undo:
        # the id first, for nobody else may have it; the state before the cgroup and the process, so that after a
        # kill -9 of this process here `delete` finds what there is to take away
        plan.fifo = state.reserve(state_root, container_id)
        undo.add(os.close, plan.fifo)
        undo.add(state.discard, state_root, container_id)
        current = state.new(container_id, config, bundle, plan.rootfs, cgroup)
        state.keep(state_root, container_id, text, plan.seccomp)
        state.write(state_root, current)
        if cgroup:
            undo.add(cgroups.delete_own, cgroup, owner)
            plan.cgroup_directory = make_cgroup(cgroup, linux, owner)
            plan.cgroups_v1 = cgroups.to_join(cgroup)
        created = _spawn(plan, cgroup, undo)
        if cgroup:
            # one that was there and empty may be given to two creates at a time: who is not alone gives way
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
    if ":" in path:
        raise UnsupportedError(
            f'config.json: cgroupsPath "{path}": only paths, not systemd slices, are supported yet'
        )
    return "/" + path.strip("/")


def make_cgroup(cgroup: str, linux: Linux, owner: str) -> str:
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
        from minirun.runtime import joining  # few want that; what the child needs is loaded before the fork

        return joining.create_beside(plan, cgroup, undo)
    sync = Sync()
    undo.add(sync.close)
    child = lambda: init.main(plan, sync, init.CREATE)  # noqa: E731
    fork = process.fork if plan.pid_namespace is None else process.fork_into_new_pid_namespace
    pid = fork(child, cgroup)
    undo.add(process.kill_and_wait, pid)
    sync.in_parent()
    try:
        await_ready(sync, pid, cgroup)
    except EndedEarly as error:  # the count may be of before, in a group that was there: a report is believed
        if cgroup and cgroup_files.keyed(cgroup, "memory.events").get("oom_kill"):
            raise MinirunError(
                "the first process of the container was killed for lack of memory, before its program began",
                "the limit on memory is too low: linux.resources.memory.limit, --memory",
            ) from error
        raise
    return Created(pid, sync)


def start(state_root: str, container_id: str) -> None:
    """Let a created container's program begin.  Raises ConflictError unless it is created, and init alive."""
    current = state.read(state_root, container_id)
    if current["status"] == "stopped":
        raise ConflictError(f'cannot start container "{container_id}": process already finished')
    state.require(current, "created")
    trace.step("start", "one byte through exec.fifo, and init goes on to execve")
    path = state.fifo_path(state_root, container_id)
    # fifo(7): opened for writing without waiting it is ENXIO while nobody has it open for reading.  The parent has
    # closed it after create, so the only reader there can be is init.
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno != errno.ENXIO:  # nobody reads: init died since we looked
            raise
        raise ConflictError(f'cannot start container "{container_id}": process already finished') from None
    os.unlink(path)  # before the byte: who sees the program run must not read `created` in the state
    os.write(fd, b"\n")
    os.close(fd)


def kill(state_root: str, container_id: str, number: int, *, all_processes: bool = False) -> None:
    """Signal the container's first process; with `all_processes` all in its cgroup, if that is its own.

    When PID 1 of a pid namespace dies the kernel kills the others in it (pid_namespaces(7)); cgroup.kill is for those
    that are in none of the container's own.
    """
    current = state.read(state_root, container_id)
    everyone = all_processes and _owns_cgroup(state_root, current)
    if everyone and number == signals.SIGKILL:
        return cgroup_processes.kill(current["cgroup"])
    state.require(current, "created", "running", "paused")
    if everyone:
        return _to_cgroup(current, lambda cgroup: cgroup_processes.signal_all(cgroup, number))
    if not processes.send_signal(current["pid"], current["start_time"], number):
        raise ConflictError(f'container not running: "{container_id}" has just ended')


def pause(state_root: str, container_id: str) -> None:
    """Stop every process of a container, where it stands.  Returns when all have stopped."""
    current = state.read(state_root, container_id)
    state.require(current, "running", "created")
    _to_cgroup(current, cgroup_processes.freeze)


def resume(state_root: str, container_id: str) -> None:
    """Let a paused container run on."""
    current = state.read(state_root, container_id)
    state.require(current, "paused")
    _to_cgroup(current, cgroup_processes.thaw)


def _to_cgroup(current: State, act: Callable[[str], None]) -> None:
    """Do `act` to the cgroup of a container.  ConflictError when it has just ended."""
    if not current["cgroup"]:
        raise UnsupportedError(f'container "{current["id"]}" has no control group: --cgroup-manager disabled')
    try:
        act(current["cgroup"])
    except OSError as error:
        if error.errno not in (
            errno.ENOENT,
            errno.ENODEV,
        ):  # the group is gone, or was while its file was open
            raise
        raise ConflictError(f'container not running: "{current["id"]}" has just ended') from None


def delete(state_root: str, container_id: str, *, force: bool = False) -> None:
    """Remove a stopped container's cgroup and state; with `force`, kill what runs first.

    One that is created and not started needs no force, as in runc: no program of anybody would end.
    """
    current = state.read(state_root, container_id)
    # one that is `creating` is a create that was killed halfway, or goes on: both are to be rid of it
    if current["status"] not in ("stopped", "created", "creating") and not force:
        raise ConflictError(
            f'cannot delete container "{container_id}" that is not stopped: it is {current["status"]}',
            "kill it first, or delete with --force",
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
    if current["cgroup"]:
        cgroups.delete_own(current["cgroup"], state.directory(state_root, current["id"]))
    state.discard(state_root, current["id"])


def _owns_cgroup(state_root: str, current: State) -> bool:
    """Whether the group was made for this container: cgroups.create has written who owns it."""
    return bool(current["cgroup"]) and cgroups.owner_of(current["cgroup"]) == state.directory(
        state_root, current["id"]
    )
