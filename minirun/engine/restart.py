"""Restart policies: whether a container that has ended starts again, and when; and how long a stop may take.

    policy            starts again                                    at boot, `minirun system restore`
    no                never                                           no
    on-failure[:n]    when it failed, at most n times                 when it failed, at most n times
    always            unless it was stopped by hand                   yes
    unless-stopped    unless it was stopped by hand                   unless it was stopped by hand

See  docs.docker.com "Start containers automatically"; restartmanager/restartmanager.go of Docker
"""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.engine.record_types import Record, RestartPolicy

FIRST_DELAY, LONGEST_DELAY = 0.1, 60.0  # seconds; each is twice the one before
STEADY = 10.0  # seconds: one that ran for so long begins with the first delay again
STOP_SECONDS = 10.0  # that a container has to end, if it does not say; as Docker gives it


def delay_after(
    policy: RestartPolicy,
    code: int,
    restart_count: int,
    up_seconds: float,
    last_delay: float,
    stopped_by_hand: bool,
) -> float | None:
    """Seconds to wait before the next start of a container that ended with `code`; None: it stays down.

    `restart_count` restarts have been made, the last after `last_delay` (0 before the first), and then it ran for
    `up_seconds`.
    """
    try:
        wanted = not stopped_by_hand and _wanted(policy, code, restart_count)
    except (KeyError, TypeError):  # of a record from when nobody looked; the shim, which asks, has to live
        wanted = False
    if not wanted:
        return None
    if up_seconds >= STEADY or not last_delay:
        return FIRST_DELAY
    return min(last_delay * 2, LONGEST_DELAY)


def _wanted(policy: RestartPolicy, code: int, restart_count: int) -> bool:
    if policy["name"] == "on-failure":
        return code != 0 and (policy["maximum"] == 0 or restart_count < policy["maximum"])
    return policy["name"] in ("always", "unless-stopped")


def wanted_at_boot(record: Record) -> bool:
    """Whether a container that does not run is to be started when the machine has started.

    One that never ran is not: to start it is for the person who made it.
    """
    policy = record["options"]["restart"]
    if not record["state"]["started"] or (policy["name"] == "unless-stopped" and record["stopped_by_hand"]):
        return False
    return _wanted(policy, record["state"]["exit_code"], record["restart_count"])


def stop_seconds(stop_timeout: int | None) -> float:
    """Seconds that a container may take to end once it was asked to; `stop_timeout` is the option: None is not said,
    less than 0 for ever."""
    if stop_timeout is None:
        return STOP_SECONDS
    return stop_timeout if stop_timeout >= 0 else math.inf
