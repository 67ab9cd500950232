"""What people do to containers that exist: stop, remove, look at, enter.

See  signal(7); Docker's `stop`: TERM, ten seconds, KILL
"""

from __future__ import annotations

import contextlib
import signal

from minirun.engine import cleanup, control, events, records
from minirun.errors import ConflictError, MinirunError, NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.engine.record_types import Record
    from minirun.paths import Paths

STOP_TIMEOUT = 10  # seconds
_DEATH_TIMEOUT = 10  # seconds that a shim may take to put things away after its container's end


def find(paths: Paths, text: str) -> Record:
    """The container `text` names, as it truly is.  Raises NotFoundError."""
    return cleanup.reconcile(paths, records.find(paths, text))


def all_containers(paths: Paths) -> list[Record]:
    """All records as they truly are, newest first."""
    return [cleanup.reconcile(paths, record) for record in reversed(records.everything(paths))]


def stop(paths: Paths, record: Record, timeout_seconds: int = STOP_TIMEOUT) -> str:
    """Ask the first process to end, and after the timeout make it.  Returns a remark for the person, or ""."""
    sock = control.connect(paths, record)
    if sock is None:
        return ""
    with sock:
        number = signal_number(record["stop_signal"])
        ignored = _ignores(record["state"]["pid"], number)
        control.ask(sock, record, "stop", number=number)
        if control.ended(sock, timeout_seconds, gone=True):
            return ""
        kill(paths, record)
    name = signal.Signals(number).name
    return f"{record['name']} has no handler for {name} as PID 1, so it had to be killed" if ignored else ""


def _ignores(pid: int, number: int) -> bool:
    """Whether PID 1 `pid` has no handler for the signal: the kernel then drops it (pid_namespaces(7))."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            caught = next(line for line in file if line.startswith("SigCgt"))
    except (OSError, StopIteration):
        return False
    return not int(caught.split()[1], 16) >> (number - 1) & 1


def kill(paths: Paths, record: Record) -> None:
    """End a container at once, and wait until its shim has put everything away."""
    sock = control.connect(paths, record)
    if sock is None:
        return
    with sock:
        with contextlib.suppress(ConflictError):  # it is just ending by itself
            control.ask(sock, record, "stop", number=int(signal.SIGKILL))
        if not control.ended(sock, _DEATH_TIMEOUT, gone=True):
            raise MinirunError(
                f"container {record['name']} does not end though it was killed",
                "a process hangs in the kernel",
            )


def remove(paths: Paths, record: Record, *, force: bool) -> None:
    """Take a container away with all it has.  Raises ConflictError when it runs and `force` is not given."""
    if force:
        kill(paths, record)
    with records.changing(paths):
        try:
            record = cleanup.repair(paths, records.read(paths, record["id"]))
        except NotFoundError:
            if record["auto_remove"] and force:
                return  # --rm has been quicker
            raise
        if records.has_shim(paths, record["id"]):
            raise ConflictError(
                f'cannot remove container "/{record["name"]}": container is running: '
                "stop the container before removing or force remove"
            )
        cleanup.release(paths, record)
        cleanup.remove_files(paths, record["id"])
    cleanup.sweep(paths)
    events.of_container(paths, record, "destroy")


def signal_number(name: str) -> int:
    """SIGTERM, TERM and 15 are the same.  Raises MinirunError for what is no signal."""
    if name.isdigit():
        return int(name)
    try:
        return int(signal.Signals[name if name.startswith("SIG") else f"SIG{name}"])
    except KeyError:
        raise MinirunError(f'unknown signal "{name}"') from None


def require_running(record: Record) -> None:
    if record["state"]["status"] != "running":
        raise ConflictError(
            f"container {record['name']} is not running", "`minirun ps -a` shows how it ended"
        )
