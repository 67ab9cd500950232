"""What /proc says about a process, and signals that cannot hit the wrong one.

A pid is reused sooner or later; a pid with the start time beside it is not.  See proc(5), pidfd_open(2).
"""

from __future__ import annotations

import os
import select

from minirun.linux import signals

ZOMBIE_STATES = "ZX"


def stat(pid: int) -> tuple[str, int] | None:
    """(state letter, start time in clock ticks after boot) of a process; None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()  # the name before ")" may hold anything
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0].decode(), int(fields[19])


def start_time(pid: int) -> int:
    """When the process started, in clock ticks after boot; 0 when it is gone."""
    found = stat(pid)
    return found[1] if found else 0


def is_alive(pid: int, started: int) -> bool:
    """Whether `pid` is still the process that started at `started`, and more than a zombie."""
    found = stat(pid) if pid > 0 else None
    return found is not None and found[1] == started and found[0] not in ZOMBIE_STATES


def open_pidfd(pid: int, started: int) -> int | None:
    """A pidfd of exactly that process, or None when it has gone (checked after opening: no race)."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    if is_alive(pid, started):
        return pidfd
    os.close(pidfd)
    return None


def send_signal(pid: int, started: int, number: int) -> bool:
    """Signal that process and no other.  False when it has gone."""
    pidfd = open_pidfd(pid, started)
    if pidfd is None:
        return False
    try:
        signals.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        pass
    os.close(pidfd)
    return True


def wait_until_gone(pid: int, started: int, timeout_seconds: float) -> bool:
    """Wait for a process that may be nobody's child of ours.  False when it is still there."""
    pidfd = open_pidfd(pid, started)
    if pidfd is None:
        return True
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(timeout_seconds * 1000))
    finally:
        os.close(pidfd)


def network_counts(pid: int) -> dict[str, list[int]]:
    """{interface: its 16 numbers} of the process's network, bytes, packets, errors and drops received first, sent
    from the ninth: proc_pid_net(5) "dev".  FileNotFoundError when the process is gone.
    """
    with open(f"/proc/{pid}/net/dev", encoding="ascii") as file:
        lines = (line.partition(":") for line in file.read().splitlines()[2:])
    return {name.strip(): [int(word) for word in counts.split()] for name, _, counts in lines}
