"""The health of one container: probes are started as an `exec` is, and what they find is recorded and announced.

See  health.py for when one is due and what its exit code comes to
"""

from __future__ import annotations

import os

from minirun.engine.shim import execs
from minirun.engine.shim.health import Health, fresh

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minirun.engine.record_types import HealthSettings, Record
    from minirun.paths import Paths


def start(
    paths: Paths,
    record: Record,
    settings: HealthSettings,
    remember: Callable[[], None],
    emit: Callable[..., None],
) -> Health:
    """Begin to probe the run of `record`'s program; `remember` writes the record, `emit` announces an event of it."""
    record["state"]["health"] = state = fresh(record["state"]["health"])
    probes = _Probes(paths, record, remember, emit)
    return Health(settings, state, probes.start, probes.finished)


class _Probes:
    """The probes of one run, each an `exec` like any other for those who read the events."""

    def __init__(
        self, paths: Paths, record: Record, remember: Callable[[], None], emit: Callable[..., None]
    ) -> None:
        self.paths = paths
        self.record = record
        self.remember = remember
        self.emit = emit
        self.id = ""  # of the one that runs; "" when it could not be started

    def start(self, args: list[str]) -> tuple[int, int]:
        """Start one; returns its pid and the reading end of what it prints."""
        self.id, words = "", " ".join(args)
        started = execs.probe(self.paths, self.record, args)
        self.id = os.urandom(32).hex()
        self.emit(f"exec_create: {words}", execID=self.id)
        self.emit(f"exec_start: {words}", execID=self.id)
        return started

    def finished(self, status_before: str) -> None:
        """One more result is there."""
        self.remember()
        health = self.record["state"]["health"]
        if health and self.id:
            code = health["log"][-1]["exit_code"]
            self.emit("exec_die", execID=self.id, exitCode=str(137 if code < 0 else code))
        if health and health["status"] != status_before:
            self.emit(f"health_status: {health['status']}")
