"""What can be done with containers: by the command line, by what is built on the engine, by a Python program.

    record = containers.create(paths, options, progress)         container.json is there
    with containers.start(paths, record, streams=["stdout"]) as attached:
        attached.follow(write)                                   it runs, until it has ended
    containers.wait_until(paths, record, "healthy", 30)          where it is left alone instead
    containers.stop(paths, record)                               see stopping.py
    containers.remove(paths, record, force=False)

A `record` is what create() or find() has returned: how things were then.  Each function looks how they are now.  All
raise MinirunError, NotFoundError and ConflictError where Docker would refuse, and change nothing then.

See  create.py for the first two, attached.py for what comes of them; shim/spawn.py for a caller that starts many
"""

from __future__ import annotations

import contextlib

from minirun.engine import cleanup, control, events, network_repair, records, sandbox
from minirun.engine.attached import Attached
from minirun.engine.stopping import kill, kill_and_wait, signal_number, stop
from minirun.engine.waiting import wait, wait_until
from minirun.errors import ConflictError, MinirunError, NotFoundError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from minirun.engine.record_types import Record, RunOptions
    from minirun.engine.shim.spawn import Spawn
    from minirun.image.progress import Progress
    from minirun.paths import Paths

    Report = Callable[[str, Exception | None], object]
    """What hears a container's name, and what went wrong with it or None."""

__all__ = [  # with what has a file of its own
    "all_containers",
    "attach",
    "create",
    "execute",
    "find",
    "is_under_way",
    "kill",
    "pause",
    "remove",
    "rename",
    "restart",
    "signal_number",
    "start",
    "start_all",
    "stop",
    "unpause",
    "wait",
    "wait_until",
]
AT_ONCE = 4  # containers that are being started at the same time


def find(paths: Paths, text: str) -> Record:
    """The container `text` names, as it truly is.  Raises NotFoundError."""
    network_repair.repair_names(paths)
    return cleanup.verified(paths, records.find(paths, text))


def all_containers(paths: Paths) -> list[Record]:
    """All records as they truly are, newest first."""
    cleanup.clear(paths)
    found = [cleanup.reconcile(paths, record) for record in reversed(records.list_all(paths))]
    network_repair.repair_for(paths, found)
    return [record for record in found if not cleanup.is_removed(paths, record)]


def is_under_way(record: Record) -> bool:
    """Whether a shim looks after it: it runs, is paused, or waits to be started again."""
    return record["state"]["status"] in ("running", "paused", "restarting")


def create(paths: Paths, options: RunOptions, progress: Progress) -> Record:
    """Make a container that can be started; its image is pulled where the options say so.  See options/ for these."""
    from minirun.engine.create import prepare

    return prepare(paths, options, progress)[0]


def start(
    paths: Paths,
    record: Record,
    *,
    streams: Sequence[str] = (),
    size: tuple[int, int] = (0, 0),
    once: bool = False,
    spawn: Spawn | None = None,
    wait: bool = True,
) -> Attached:
    """Run a container that does not run, and return when its program has begun.  One that runs is attached to.

    `streams` are what the caller wants of "stdout" and "stderr"; `size` is its terminal's (rows, columns); `once`: the
    program's input ends when the caller's does; `spawn` makes its shim, see shim/spawn.py.  Raises what kept it from
    starting; without `wait` that is raised by what is called next, `wait_until_running` or `follow`.
    """
    record = cleanup.current(paths, record)
    if record["state"]["status"] == "paused":
        raise ConflictError("cannot start a paused container, try unpause instead")
    if is_under_way(record):
        return attach(paths, record, streams=streams)
    from minirun.engine.create import order
    from minirun.engine.shim import spawn as spawning

    shim = (spawn or spawning.spawn)(sandbox.has_own(record))
    try:
        attached = order(paths, record, shim, size, list(streams), once=once)
        if wait:
            attached.wait_until_running()
    except BaseException:
        shim.close()
        raise
    return attached


def start_all(
    paths: Paths,
    found: Iterable[Record],
    report: Report,
    *,
    at_once: int = AT_ONCE,
    spawn: Spawn | None = None,
) -> None:
    """Start containers that do not run, in this order and `at_once` at the same time.

    `report` hears each name, and what went wrong or None; `spawn` as for start().  An error that `report` itself raises
    keeps none of the others from its start; it is raised at the end.
    """
    if at_once < 1:
        raise UsageError(f"cannot start {at_once} containers at once", "1 or more")
    under_way: list[tuple[Record, Attached]] = []
    raised: list[Exception] = []

    def tell(record: Record, error: Exception | None) -> None:
        try:
            report(record["name"], error)
        except Exception as failure:
            raised.append(failure)

    with contextlib.ExitStack() as stack:
        for record in found:
            while under_way and (len(under_way) == at_once or _needs_one_of(record, under_way)):
                tell(*_await_start(*under_way.pop(0)))
            try:
                attached = stack.enter_context(start(paths, record, spawn=spawn, wait=False))
            except (MinirunError, OSError) as error:  # it has just been removed, say
                tell(record, error)
            else:
                under_way.append((record, attached))
        for one in under_way:
            tell(*_await_start(*one))
    if raised:
        raise raised[0]


def _needs_one_of(record: Record, under_way: Iterable[tuple[Record, Attached]]) -> bool:
    """Whether it is to live in a namespace of one that does not run yet."""
    modes = [record["network"], *record["namespaces"].values()]
    return any(f"container:{one['id']}" in modes for one, _ in under_way)


def _await_start(record: Record, attached: Attached) -> tuple[Record, Exception | None]:
    """Wait until it runs; returns what kept it from that beside it, or None."""
    with attached:
        try:
            attached.wait_until_running()
        except (MinirunError, OSError) as failure:
            return record, failure
    return record, None


def attach(paths: Paths, record: Record, *, streams: Sequence[str] = ()) -> Attached:
    """Be told of what a running container prints from now on, and of its end.  Raises ConflictError without one."""
    attached = Attached(control.require(paths, record))
    if streams:
        attached.show(streams)
    return attached


def execute(
    paths: Paths,
    record: Record,
    args: Sequence[str],
    *,
    env: Sequence[str] = (),
    user: str = "",
    workdir: str = "",
    privileged: bool = False,
    tty: bool = False,
    size: tuple[int, int] = (0, 0),
    interactive: bool = False,
    detach: bool = False,
    descriptors: Sequence[int] = (),
) -> Attached:
    """Start one more program in a running container, and return when it has begun.

    `descriptors` are to be its 0, 1 and 2, pipes or sockets alone; without them what it prints can be followed, and
    `interactive`: its input be written.  `detach`: its end is not heard of.  Raises what kept it from starting.
    """
    from minirun.engine.options import run_options

    run_options.check_program(args, env)
    run_options.check_workdir(workdir)
    record = cleanup.current(paths, record)
    if record["state"]["status"] == "paused":
        raise ConflictError(
            f"Container {record['name']} is paused, unpause the container before exec", "minirun unpause"
        )
    if record["state"]["status"] != "running":
        raise ConflictError(f"Container {record['id']} is not running", "`minirun ps -a` shows how it ended")
    request = {
        "args": list(args),
        "env": list(env),
        "user": user,
        "workdir": workdir,
        "privileged": privileged,
        "tty": tty,
        "interactive": interactive,
        "detach": detach,
        "rows": size[0],
        "columns": size[1],
    }
    sock = control.require(paths, record)
    try:
        control.execute(sock, request, list(descriptors))
    except BaseException:
        sock.close()
        raise
    return Attached(sock)


def restart(
    paths: Paths,
    record: Record,
    timeout_seconds: int | None = None,
    signal_name: str = "",
    spawn: Spawn | None = None,
) -> str:
    """Stop it if it runs, and start it.  Returns stop()'s remark.  --rm does not act in between."""
    remark = ""
    with contextlib.suppress(control.LeftOverError):  # the start puts it away
        remark = stop(paths, record, timeout_seconds, signal_name, keep=True)
    start(paths, find(paths, record["id"]), spawn=spawn).close()
    events.of_container(paths, record, "restart")
    return remark


def pause(paths: Paths, record: Record) -> None:
    """Freeze all its processes."""
    record = cleanup.current(paths, record)
    if record["state"]["status"] == "paused":
        raise ConflictError(f"Container {record['id']} is already paused")
    if record["state"]["status"] != "running":
        raise ConflictError(f"Container {record['id']} is not running")
    control.request(paths, record, "pause")


def unpause(paths: Paths, record: Record) -> None:
    """Let them go on."""
    record = cleanup.current(paths, record)
    if record["state"]["status"] != "paused":
        raise ConflictError(f"Container {record['id']} is not paused")
    control.request(paths, record, "unpause")


def rename(paths: Paths, record: Record, name: str) -> None:
    """Give it another name that nobody has.  Raises UsageError, ConflictError."""
    # here, not above: few commands need all that is known of options and of networks
    from minirun.engine import endpoints
    from minirun.engine.options import run_options

    run_options.check_name(name)
    record = cleanup.current(paths, record)
    if name == record["name"]:
        raise ConflictError("Renaming a container with the same name as its current name")
    with records.changing(paths):
        records.require_free(paths, name)
        control.change_locked(paths, record, {"name": name})
    endpoints.rename(paths, record, name)
    events.of_container(paths, {**record, "name": name}, "rename", oldName=f"/{record['name']}")


def remove(paths: Paths, record: Record, *, force: bool, with_volumes: bool = False) -> None:
    """Take a container away with all it has.  Raises ConflictError when it runs and `force` is not given."""
    if force:
        with contextlib.suppress(control.LeftOverError):  # it is put away below
            kill_and_wait(paths, record)
    with records.changing(paths):
        try:
            record = cleanup.repair(paths, records.read(paths, record["id"]))
        except NotFoundError:
            if record["options"]["auto_remove"] and force:
                return  # --rm has been quicker
            raise
        if records.has_shim(paths, record["id"]):
            raise ConflictError(
                f'cannot remove container "/{record["name"]}": container is {record["state"]["status"]}: '
                "stop the container before removing or force remove"
            )
        cleanup.release(paths, record)
        cleanup.remove_files(paths, record["id"], with_volumes=with_volumes)
    cleanup.sweep(paths)
    events.of_container(paths, record, "destroy")
