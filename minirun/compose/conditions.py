"""Waiting for a container to be as others need it, and why it has not come to that.

    service_started                   it runs
    service_healthy                   its health check says so
    service_completed_successfully    it has ended, with 0

See  compose-spec 05-services.md "depends_on"
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from minirun.compose import labels
from minirun.compose.scheduler import Stopped
from minirun.engine import containers, waiting
from minirun.engine.logs import reader
from minirun.errors import ConflictError, MinirunError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from minirun.engine.record_types import Record
    from minirun.paths import Paths

    Want = Literal["running", "healthy", "exited"]

_SLICE_SECONDS = 0.5  # after which somebody who waits looks whether it is still wanted
_LINES = 5  # of the log, in a reason
WANTED: dict[str, Want] = {
    "service_started": "running",
    "service_healthy": "healthy",
    "service_completed_successfully": "exited",
}
DONE = {
    name: "Exited" if want == "exited" else "Healthy" for name, want in WANTED.items()
}  # what is told then


def wait(
    paths: Paths,
    record: Record,
    condition: str,
    is_stopped: Callable[[], bool],
    deadline: float = float("inf"),
) -> Record:
    """Wait until `condition` has come; returns the record as it is then.  `deadline` is of time.monotonic().

    Raises ConflictError when it cannot come any more, with the reason; TimeoutError; Stopped when nobody waits.
    """
    while not is_stopped():
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        try:
            found = waiting.wait_until(paths, record, WANTED[condition], min(left, _SLICE_SECONDS))
        except ConflictError as error:
            raise _never(paths, record, condition) from error
        except MinirunError:
            continue  # not yet
        if condition == "service_completed_successfully" and found["state"]["exit_code"]:
            raise _never(paths, found, condition)
        return found
    raise Stopped


def require_up(paths: Paths, record: Record) -> None:
    """Raises ConflictError for one that has ended meanwhile, with whatever code."""
    if not containers.is_under_way(containers.find(paths, record["id"])):
        raise _never(paths, record, "service_started")


def _never(paths: Paths, record: Record, condition: str) -> MinirunError:
    """What there is to say of a container that others wait for in vain."""
    try:
        record = containers.find(paths, record["id"])
    except NotFoundError:
        return ConflictError(f"container {record['name']} was removed", "minirun compose events")
    return ConflictError(failure(record, condition), reason(paths, record))


def failure(record: Record, condition: str) -> str:
    """In Compose's words: `container p-db-1 is unhealthy`."""
    name, state = record["name"], record["state"]
    if condition == "service_completed_successfully" and state["status"] == "exited":
        service = record["labels"].get(labels.SERVICE, name)
        return f'service "{service}" didn\'t complete successfully: exit {state["exit_code"]}'
    if state["error"]:
        return f"container {name} could not be started: {state['error']}"
    if state["status"] != "running":
        return f"container {name} {state['status']} ({state['exit_code']})"
    if not state["health"]:
        return f"container {name} has no healthcheck configured"
    return f"container {name} is {state['health']['status']}"


def reason(paths: Paths, record: Record) -> str:
    """What its last probe and its log say, and where there is more; for a hint."""
    found = []
    health = record["state"]["health"]
    probe = health["log"][-1] if health and health["log"] else None
    if probe and probe["exit_code"]:
        said = last_words(probe["output"].splitlines())
        found.append(f"its last probe exited {probe['exit_code']}{said}")
    elif record["state"]["status"] == "exited" and record["state"]["exit_code"] > 128:
        found.append(f"it was ended by signal {record['state']['exit_code'] - 128}")
    if lines := last_lines(paths, record):
        found.append(f"its log ends{last_words(lines)}")
    return "; ".join([*found, f"minirun logs {record['name']}"])


def last_lines(paths: Paths, record: Record, count: int = _LINES) -> list[str]:
    """The last lines of its log, without what cannot be read."""
    try:
        log = reader.Reader(paths.container(record["id"]), tail=count)
    except OSError:
        return []
    try:
        text = "".join(entry["log"] for block in log.now() for entry in block)
    finally:
        log.close()
    return text.splitlines()


def last_words(lines: list[str]) -> str:
    lines = [line.strip() for line in lines if line.strip()]
    return f": {' | '.join(lines[-_LINES:])}" if lines else " with nothing said"
