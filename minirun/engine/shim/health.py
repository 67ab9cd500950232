"""Health checks: a probe in the container now and then, and what its exit codes come to.

    starting --a success--> healthy            a success always makes healthy and ends a row of failures
    starting, healthy --`retries` failures in a row--> unhealthy

A probe is due an interval after the one before has ended.  As long as the container is starting and its start period
lasts, the start interval counts instead and failures are not counted.  A probe may take `timeout` seconds; then it is
killed and has failed.

See      docs.docker.com "HEALTHCHECK"; daemon/health.go of Docker, whose rules these are
By hand  minirun exec NAME PROBE; echo $?
"""

from __future__ import annotations

import os
import select
import time

from minirun.engine import records
from minirun.engine.shim import loop
from minirun.errors import in_words
from minirun.linux import signals
from minirun.runtime import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from minirun.engine.record_types import HealthSettings, HealthState, ProbeResult

INTERVAL, TIMEOUT, START_PERIOD, START_INTERVAL, RETRIES = 30.0, 30.0, 0.0, 5.0, 3  # where the settings say 0
OUTPUT_MAX = 4096  # bytes of what a probe prints that are kept
RESULTS_MAX = 5  # that are kept
PIPE_SIZE = 65536  # bytes: what a pipe holds, see pipe(7)


def fresh(previous: HealthState | None) -> HealthState:
    """The state a container starts with; it keeps the results of its run before."""
    return {"status": "starting", "failing_streak": 0, "log": previous["log"] if previous else []}


class Probe:
    """One run of the check: a child of ours, and the pipe it prints to."""

    def __init__(self, pid: int, output: int) -> None:
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.output = output
        self.text = b""
        self.killed = self.over = False
        os.set_blocking(output, False)

    def interests(self) -> Iterator[tuple[int, int]]:
        if not self.over:
            yield self.pidfd, select.POLLIN
        if self.output >= 0:
            yield self.output, select.POLLIN

    def read(self) -> None:
        """Take what is in the pipe; one byte more than is kept tells that there was more."""
        try:
            data = os.read(self.output, PIPE_SIZE)
        except BlockingIOError:
            return
        self.text = (self.text + data)[: OUTPUT_MAX + 1]
        if not data:
            self._close()

    def kill(self) -> None:
        """End it, with what it has started: a shell's children are in its process group.  (Docker forgets them.)"""
        self.killed = True
        if os.getpgid(self.pid) == self.pid:  # not reaped yet, so both numbers are still its own
            os.killpg(self.pid, signals.SIGKILL)
        else:
            os.kill(self.pid, signals.SIGKILL)

    def reap(self) -> int | None:
        """Its exit code, once it has ended; None while somebody who traces it keeps it back.

        Whoever it left behind may hold the pipe open for ever, so what is in there now is all that counts.
        """
        self.over = True
        status = process.reap(self.pid)
        if status is None:
            return None
        if self.output >= 0:
            self.read()
        self.close()
        return process.exit_code(status)

    def close(self) -> None:
        """Nobody listens to it any more."""
        self._close()
        os.close(self.pidfd)

    def _close(self) -> None:
        if self.output >= 0:
            os.close(self.output)
            self.output = -1

    def words(self) -> str:
        """What it printed, cut as Docker cuts it."""
        kept = self.text[:OUTPUT_MAX].decode(errors="replace")
        return kept + ("..." if len(self.text) > OUTPUT_MAX else "")


class Health(loop.Part):
    """The health of one running container.

    `launch(args)` starts a probe in the container as our child and returns its pid and the reading end of what it
    prints; `state` is kept up to date; `changed(old_status)` is called after each result.
    """

    def __init__(
        self,
        settings: HealthSettings,
        state: HealthState,
        launch: Callable[[list[str]], tuple[int, int]],
        changed: Callable[[str], None],
    ) -> None:
        self.settings = settings
        self.state = state
        self.launch = launch
        self.changed = changed
        self.start_period_end = time.monotonic() + (settings["start_period"] or START_PERIOD)
        self.timeout = settings["timeout"] or TIMEOUT
        self.probe: Probe | None = None
        self.began, self.began_at = (
            "",
            0.0,
        )  # of the probe that runs: for people, and by the clock that only goes on
        self.next = time.monotonic() + self._interval()

    # ---- the part ---------------------------------------------------------------------------------------------

    def interests(self) -> Iterator[tuple[int, int]]:
        if self.probe:
            yield from self.probe.interests()

    def ready(self, fd: int, events: int) -> None:
        if self.probe and fd == self.probe.output:
            self.probe.read()
        elif self.probe and fd == self.probe.pidfd:
            self._ended(self.probe)

    def deadline(self) -> float:
        """When the probe that runs has had its time, or the next one is due."""
        return self.next

    def expired(self) -> None:
        if self.probe and self.probe.over:
            self._ended(self.probe)
        elif self.probe:
            self.next = loop.NEVER  # its end is what counts now: those that do not die must not pile up
            self.probe.kill()
        else:
            self._start_probe()

    # ---- for the shim -----------------------------------------------------------------------------------------

    def stop(self) -> None:
        """No more probes: the container has ended, or is frozen.  One that runs now is given up, without a result.

        What does not run is not healthy: Docker says so too, without an event.
        """
        if self.probe:
            self.probe.kill()
            process.kill_and_wait(self.probe.pid)
            self.probe.close()
            self.probe = None
        self.next = loop.NEVER
        self.state["status"] = "unhealthy"

    pause = stop

    def resume(self) -> None:
        """Probe again; a success is needed to be healthy again."""
        self.next = time.monotonic() + self._interval()

    # ---- a probe ----------------------------------------------------------------------------------------------

    def _interval(self) -> float:
        if self._is_starting(time.monotonic()):
            return self.settings["start_interval"] or START_INTERVAL
        return self.settings["interval"] or INTERVAL

    def _is_starting(self, moment: float) -> bool:
        """Whether failures are forgiven still."""
        return self.state["status"] == "starting" and moment < self.start_period_end

    def _start_probe(self) -> None:
        self.began, self.began_at = records.now(), time.monotonic()
        self.next = self.began_at + self.timeout
        try:
            self.probe = Probe(*self.launch(command(self.settings["test"])))
        except (
            Exception
        ) as error:  # the container may be ending, or full of processes; it is not to end by this
            self._record(-1, in_words(error))

    def _ended(self, probe: Probe) -> None:
        code = probe.reap()
        if code is None:
            self.next = time.monotonic() + process.TRACED_SECONDS
            return
        self.probe = None
        if probe.killed:
            words = probe.words()
            said = f": {words}" if words else ""
            self._record(-1, f"Health check exceeded timeout ({duration(self.timeout)}){said}")
        else:
            self._record(code, probe.words())

    def _record(self, code: int, output: str) -> None:
        """One more result: it may change the status, and the next probe is due an interval from now."""
        before = self.state["status"]
        result: ProbeResult = {"start": self.began, "end": records.now(), "exit_code": code, "output": output}
        self.state["log"] = [*self.state["log"], result][-RESULTS_MAX:]
        if code == 0:
            self.state["status"], self.state["failing_streak"] = "healthy", 0
        elif not self._is_starting(self.began_at):
            self._count_failure()
        self.next = time.monotonic() + self._interval()
        self.changed(before)

    def _count_failure(self) -> None:
        self.state["failing_streak"] += 1
        if self.state["failing_streak"] >= (self.settings["retries"] or RETRIES):
            self.state["status"] = "unhealthy"


def command(test: list[str]) -> list[str]:
    """The arguments of ["CMD", program, ...], or the shell for ["CMD-SHELL", text]."""
    kind, *words = test
    return ["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else words


def duration(seconds: float) -> str:
    """As Go prints one: 1m30s, 1.5s, 100ms."""
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{rest:g}s"
