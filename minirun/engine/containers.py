"""What people do to containers that exist: stop, remove, look at, enter.

See  signal(7); Docker's `stop`: TERM, ten seconds, KILL
"""

from __future__ import annotations

import contextlib

from minirun.engine import cleanup, control, endpoints, events, network_repair, records, sandbox
from minirun.engine.restart import stop_seconds
from minirun.errors import ConflictError, MinirunError, NotFoundError, UsageError
from minirun.linux import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from minirun.engine.record_types import Record
    from minirun.paths import Paths

_SHIM_SECONDS = 2.0  # that a shim may take to answer, where there is a way without it
_DEATH_SECONDS = 10.0  # that a shim may take to put things away after its container's end


def find(paths: Paths, text: str) -> Record:
    """The container `text` names, as it truly is.  Raises NotFoundError."""
    network_repair.repair_names(paths)
    record = cleanup.reconcile(paths, records.find(paths, text))
    if cleanup.is_removed(paths, record):
        raise NotFoundError(f"No such container: {text}")
    return record


def all_containers(paths: Paths) -> list[Record]:
    """All records as they truly are, newest first."""
    cleanup.clear(paths)
    found = [cleanup.reconcile(paths, record) for record in reversed(records.list_all(paths))]
    network_repair.repair_for(paths, found)
    return [record for record in found if not cleanup.is_removed(paths, record)]


def is_under_way(record: Record) -> bool:
    """Whether a shim looks after it: it runs, is paused, or waits to be started again."""
    return record["state"]["status"] in ("running", "paused", "restarting")


def start(paths: Paths, record: Record) -> None:
    """Run a container that does not run; one that does is left alone.  Raises what kept it from starting."""
    from minirun.engine import create
    from minirun.engine.shim import spawn

    if record["state"]["status"] == "paused":
        raise ConflictError("cannot start a paused container, try unpause instead")
    if is_under_way(record):
        return
    shim = spawn.spawn(expect_network=sandbox.has_own(record))
    with shim.sock:
        create.order(paths, record, shim, (0, 0), [], once=False)
        create.wait_until_running(shim)


def restart(paths: Paths, record: Record, timeout_seconds: int | None = None, signal_name: str = "") -> str:
    """Stop it if it runs, and start it.  Returns stop()'s remark.  --rm does not act in between."""
    remark = ""
    with contextlib.suppress(control.LeftOverError):  # the start puts it away
        remark = stop(paths, record, timeout_seconds, signal_name, keep=True)
    start(paths, find(paths, record["id"]))
    events.of_container(paths, record, "restart")
    return remark


def stop(
    paths: Paths,
    record: Record,
    timeout_seconds: int | None = None,
    signal_name: str = "",
    *,
    keep: bool = False,
) -> str:
    """Ask the first process to end, and after the timeout (negative: never) make it.

    `keep`: --rm is not to act.  Returns a remark for the person, or "".
    """
    sock = control.connect(paths, record)
    if sock is None:
        return ""
    with sock:
        number = signal_number(signal_name or record["stop_signal"])
        ignored = _ignores(record["state"]["pid"], number)
        ask_to_stop(paths, record, sock, number, keep=keep)
        try:
            in_time = control.ended(sock, _stop_seconds(record, timeout_seconds), gone=True)
            if not in_time:
                kill(paths, record)
        finally:
            events.of_container(paths, record, "stop")
    if in_time or not ignored:
        return ""
    name = (signal_name or record["stop_signal"]).upper().removeprefix("SIG")
    return f"{record['name']} has no handler for SIG{name} as PID 1, so it had to be killed"


def _stop_seconds(record: Record, given: int | None) -> float:
    """Seconds to wait for the end: what was asked for, what the container was made with, or Docker's ten."""
    return stop_seconds(record["options"]["stop_timeout"] if given is None else given)


def _ignores(pid: int, number: int) -> bool:
    """Whether PID 1 `pid` has no handler for the signal: the kernel then drops it (pid_namespaces(7))."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            caught = next(line for line in file if line.startswith("SigCgt"))
    except (OSError, StopIteration):
        return False
    return not int(caught.split()[1], 16) >> (number - 1) & 1


def ask_to_stop(
    paths: Paths,
    record: Record,
    sock: socket.socket,
    number: int,
    *,
    keep: bool = False,
    by_hand: bool = True,
) -> None:
    """Have the shim send a signal that is to end the container; it may have ended already.

    A shim that does not answer hears of it later; the signal goes to the processes without it, then.
    """
    try:
        control.ask(sock, record, "stop", seconds=_SHIM_SECONDS, number=number, keep=keep, by_hand=by_hand)
    except ConflictError:
        pass  # it is just ending by itself, or by another stop
    except control.Unanswered:
        _signal_without_shim(paths, record, number)


def _signal_without_shim(paths: Paths, record: Record, number: int) -> None:
    from minirun.runtime import container  # with all that init needs: this is seldom

    with contextlib.suppress(ConflictError, NotFoundError):  # it has just ended
        container.kill(paths.state, record["id"], number, all_processes=number == signals.SIGKILL)


def kill(paths: Paths, record: Record) -> None:
    """End a container at once, and wait until its shim has put everything away.

    A shim that does not even do that is killed, too.  Raises MinirunError when there are processes left.
    """
    sock = control.connect(paths, record)
    if sock is None:
        return
    with sock:
        ask_to_stop(paths, record, sock, signals.SIGKILL)
        events.of_container(paths, record, "kill", signal=str(signals.SIGKILL))
        await_death(paths, record, sock)


def await_death(paths: Paths, record: Record, sock: socket.socket, *, gone: bool = True) -> None:
    """Wait for the end of a container that was killed.  `gone`: for that of its shim, which may have to be killed."""
    if control.ended(sock, _DEATH_SECONDS, gone=gone):
        return
    if not control.end_shim(paths, record, sock, _DEATH_SECONDS):
        raise MinirunError(
            f"container {record['name']} does not end though it was killed",
            "a process hangs in the kernel",
        )


def send(paths: Paths, record: Record, number: int) -> None:
    """`kill`: a signal for the first process, SIGKILL for all.  Raises ConflictError when it does not run."""
    if not records.is_up(record):
        raise ConflictError(
            f"Cannot kill container: {record['name']}: Container {record['id']} is not running"
        )
    final = number in (signals.SIGKILL, signal_number(record["stop_signal"]))
    with control.require(paths, record) as sock:
        try:
            seconds = _SHIM_SECONDS if final else control.ANSWER_SECONDS
            control.ask(sock, record, "stop" if final else "signal", seconds=seconds, number=number)
        except control.Unanswered:
            _signal_without_shim(paths, record, number)
        events.of_container(paths, record, "kill", signal=str(number))
        if number == signals.SIGKILL:
            await_death(paths, record, sock, gone=False)


def wait(paths: Paths, record: Record) -> int:
    """Wait until the program ends, or has ended; returns its exit code."""
    if is_under_way(record):
        sock = control.connect(paths, record)
        if sock:
            with sock:
                code = control.wait_for_exit(sock)
            if code is not None:
                return code
        record = find(paths, record["id"])
    return record["state"]["exit_code"]


def pause(paths: Paths, record: Record) -> None:
    """Freeze all its processes."""
    if record["state"]["status"] == "paused":
        raise ConflictError(f"Container {record['id']} is already paused")
    if record["state"]["status"] != "running":
        raise ConflictError(f"Container {record['id']} is not running")
    control.request(paths, record, "pause")


def unpause(paths: Paths, record: Record) -> None:
    """Let them go on."""
    if record["state"]["status"] != "paused":
        raise ConflictError(f"Container {record['id']} is not paused")
    control.request(paths, record, "unpause")


def rename(paths: Paths, record: Record, name: str) -> None:
    """Give it another name that nobody has.  Raises UsageError, ConflictError."""
    from minirun.engine.options import run_options  # few commands need all that is known of options

    run_options.check_name(name)
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
            kill(paths, record)
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


def signal_number(name: str) -> int:
    """SIGTERM, TERM and 15 are the same.  Raises UsageError for what is no signal."""
    number = signals.named(name)
    if not number:
        raise UsageError(f"Invalid signal: {name}", "as in TERM, SIGINT or 9")
    return number


def require_running(record: Record) -> None:
    if record["state"]["status"] != "running":
        raise ConflictError(f"Container {record['id']} is not running", "`minirun ps -a` shows how it ended")
