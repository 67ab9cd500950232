"""What the shim does while the program runs, and when it has ended.

    start -> [ serve those attached, `exec`, `pause`, the health probe ] -> the program ends
      ^                                                                          |
      └---------- wait (restart policy) <-- what only a run needs is given back -┤
                                                                                 v
                                               the record says "exited"; the shim goes

Only this process writes the record meanwhile, so there is nothing to lock; others ask, see server.py.

See      server.py for those who come; loop.py, streams.py, execs.py, health.py for the parts
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time

from minirun import files
from minirun.engine import channel, cleanup, events, records, restart, volumes
from minirun.engine.shim import execs, loop
from minirun.engine.shim.child import Child, Unreaped
from minirun.engine.shim.loop import Part
from minirun.engine.shim.oom import OomWatch
from minirun.engine.shim.server import Server
from minirun.engine.shim.termination import Termination
from minirun.errors import ConflictError, MinirunError, UsageError, sentence
from minirun.linux import signals
from minirun.runtime import container, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Any

    from minirun.engine.record_types import Record
    from minirun.engine.shim.execs import ExecProcess
    from minirun.engine.shim.health import Health
    from minirun.engine.shim.running import Running
    from minirun.engine.shim.streams import Streams

LOCK_SECONDS = 0.005  # between two tries
# what others may have the record say, as JSON has it
CHANGEABLE = {"name": str, "options": dict, "attachments": list}
FAREWELL_SECONDS = 5.0  # how long an onlooker who is behind may take to hear the end


class Supervisor:
    """One container from its first run to its last, and all who have something to do with it.

    `start_again(running)` begins another run of the program.  Nobody else writes `record` meanwhile.
    """

    def __init__(self, running: Running, record: Record, start_again: Callable[[Running], None]) -> None:
        self.running = running
        self.record = record
        self.start_again = start_again
        self.id = record["id"]
        self.paths = running.held.paths
        self.parts: list[Part] = []  # what the loop serves
        self.server = Server(running.held.listener, self.parts, self)
        arrivals = loop.Waiting(running.held.listener.fileno(), self.server.accept)
        self.parts += [arrivals, self._termination(), Unreaped()]
        # of this run of the program
        self.run_parts: list[Part] = []
        self.oom: OomWatch | None = None
        self.health: Health | None = None
        self.status: int | None = None  # of wait(2), when the program has ended
        self.began = 0.0  # on the clock of time.monotonic()
        self.trouble = ""  # what could not be given back after it, as a sentence
        # of its end
        self.stopping = False  # somebody wants it
        self.kept = False  # and --rm is not to act
        self.delay_seconds = 0.0  # before the last restart

    def welcome(self, first: socket.socket, streams: list[str]) -> None:
        """The program has begun: look after it, and tell who has ordered it, who sees `streams` of it."""
        if streams:
            self.emit("attach")
        self._watch_run()
        client = self.server.add(first)
        client.send(channel.RUNNING)
        if streams:
            self.streams.attach(client, streams, patient=True)

    def supervise(self) -> None:
        """Serve until the last run of the program has ended, then put everything away."""
        while True:
            loop.serve(self.parts, lambda: self.status is not None)
            code = self._end_run()
            if not self._restarts(code):
                break
        self._put_away()
        self._announce_end(code)

    # ---- one run ----------------------------------------------------------------------------------------------

    def _watch_run(self) -> None:
        self.status = None
        self.began = time.monotonic()
        program = Child(self.running.pid, self._reaped)
        self.run_parts = [program, self.streams, *self._watches()]
        self.parts += self.run_parts
        events.of_networks(self.paths, self.record, "connect")
        self.emit("start")

    def _reaped(self, status: int) -> None:
        self.status = status

    def _watches(self) -> list[Part]:
        """What looks after the program while it runs."""
        self.oom = OomWatch(records.cgroup(self.record), self._out_of_memory)
        self.oom.look()
        self.health = self._health()
        return [self.oom, self.health] if self.health else [self.oom]

    def _out_of_memory(self) -> None:
        self.record["state"]["oom_killed"] = True
        self._remember()
        self.emit("oom")

    def _end_run(self) -> int:
        """Take in all it printed, record how it ended, give back what only a run needs.  Returns the exit code."""
        code = process.exit_code(self.status or 0)
        self.parts[:] = [part for part in self.parts if part not in self.run_parts]
        if self.health:
            self.health.stop()
        self.streams.drain()
        state = self.record["state"]
        state.update({"status": "exited", "pid": 0, "exit_code": code, "finished": records.now()})
        if self.oom:
            self.oom.look()
            self.oom.close()
        self.emit("die", exitCode=str(code))
        self.trouble = cleanup.try_release(self.paths, self.record)  # also kills what `exec` began
        events.of_networks(self.paths, self.record, "disconnect")
        loop.serve(self.parts, lambda: not self.server.exec_processes)
        return code

    def _restarts(self, code: int) -> bool:
        """Whether the restart policy has it run again; then it does, after a while, unless somebody stops it first."""
        while True:
            up_seconds = time.monotonic() - self.began
            policy, count = self.record["options"]["restart"], self.record["restart_count"]
            delay = restart.delay_after(policy, code, count, up_seconds, self.delay_seconds, self.stopping)
            if delay is None:
                return False
            self.delay_seconds = delay
            self.record["restart_count"] += 1
            self.record["state"]["status"] = "restarting"
            self._remember()
            self._announce_exit(code, last=False)
            if not self._wait(delay):
                self.record["state"]["status"] = "exited"
                return False
            try:
                self.start_again(self.running)
                self._watch_run()
                return True
            except Exception as error:
                code = self._failed_again(error)

    def _wait(self, seconds: float) -> bool:
        """Let the time pass, serving those who ask.  False when the end is wanted before it is over."""
        timer = loop.Timer(seconds)
        self.parts.append(timer)
        loop.serve(self.parts, lambda: timer.over or self.stopping)
        self.parts.remove(timer)
        return not self.stopping

    def _failed_again(self, error: Exception) -> int:
        """A restart that did not come to a running program.  Returns the exit code it counts as."""
        self.trouble = cleanup.try_release(self.paths, self.record)
        process.kill_and_wait(self.running.pid)
        code = cleanup.code_of(error)
        state = self.record["state"]
        state.update({"pid": 0, "exit_code": code, "error": sentence(error), "finished": records.now()})
        self.began = time.monotonic()
        return code

    # ---- the end ----------------------------------------------------------------------------------------------

    def _put_away(self) -> None:
        """The last act: from here on others may start the container, or remove it.

        While something is left of it its run directory stays, so that whoever looks next tries again: see cleanup.py.
        """
        removed = self.record["options"]["auto_remove"] and not self.kept and not self.trouble
        lock = self._lock_changes()
        try:
            self._remember()
            self.running.unmount_overlay()
            if removed:
                cleanup.remove_files(self.paths, self.id, with_volumes=True)
            elif not self.trouble:
                cleanup.remove_run_directory(self.paths, self.id)
            self.running.held.release()
        finally:
            os.close(lock)
        self.parts[:] = self.server.clients
        volumes.emit_unmounted(self.paths, self.record)
        if removed:
            cleanup.sweep(self.paths)
            self.emit("destroy")

    def _lock_changes(self) -> int:
        """The lock of records.changing(), without going deaf meanwhile: who holds it may wait for our answer."""
        lock = files.open_lock(records.change_lock(self.paths))
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lock
            except BlockingIOError:
                timer = loop.Timer(LOCK_SECONDS)
                loop.serve([*self.parts, timer], lambda timer=timer: timer.over)  # type: ignore[misc]

    def _announce_end(self, code: int) -> None:
        """Announce the end; wait for those who belong to the program's pipeline, and a little for onlookers.

        Whoever has heard it is hung up on, which says that all is put away: who stops the container, or starts it
        again, waits for that, and not for others who do not read.
        """
        self._announce_exit(code, last=True)
        timer = loop.Timer(FAREWELL_SECONDS)

        def is_delivered() -> bool:
            self.server.hang_up()
            behind = self.server.clients
            return not behind or (timer.over and not any(client.patient for client in behind))

        loop.serve([*self.server.clients, timer], is_delivered)

    def _announce_exit(self, code: int, *, last: bool) -> None:
        how = {"code": code, "oom": self.record["state"]["oom_killed"], "last": last, "trouble": self.trouble}
        for client in self.server.clients:
            client.send_json(channel.EXITED, how)
            client.streams = frozenset()  # it was told the end; another run is not its own

    # ---- health -----------------------------------------------------------------------------------------------

    def _health(self) -> Health | None:
        """What probes this run, if its settings say so."""
        settings = self.record["health"]
        if not settings or not records.is_probed(self.record):
            return None
        from minirun.engine.shim import healthcheck  # for those that have one

        health = healthcheck.start(self.paths, self.record, settings, self._remember, self.emit)
        self._remember()
        return health

    # ---- the server's verbs -----------------------------------------------------------------------------------

    @property
    def streams(self) -> Streams:
        """Those of the program, of this run."""
        return self.running.streams

    def is_up(self) -> bool:
        """Whether the program has not ended yet."""
        return self.status is None

    def hold_ports(self) -> object:
        return self.running.held.hold_ports()

    def execute(
        self, request: dict[str, Any], descriptors: list[int], ended: Callable[[ExecProcess, int], None]
    ) -> ExecProcess:
        return execs.start(self.paths, self.record, request, descriptors, ended)

    def signal(self, number: int) -> None:
        if not self.record["state"]["pid"]:
            raise ConflictError(f"Container {self.record['id']} is not running")
        with contextlib.suppress(ConflictError):  # it has just ended
            container.kill(self.paths.state, self.id, number, all_processes=number == signals.SIGKILL)

    def stop(self, number: int, keep: bool = False, by_hand: bool = True) -> None:
        self.stopping = True
        self.record["stopped_by_hand"] = self.record["stopped_by_hand"] or by_hand
        self.record["kept"] = self.kept = self.kept or keep
        self._remember()
        if self.record["state"]["pid"]:
            self.signal(number)
        if self.record["state"]["status"] == "paused" and number != signals.SIGKILL:
            self.unpause()  # a frozen process does not hear the signal

    def _termination(self) -> Termination:
        """Ends the container in its own time when somebody ends the shim."""
        number = signals.named(self.record["stop_signal"]) or signals.SIGTERM
        return Termination(self._stop_unasked, number, self.record["options"]["stop_timeout"])

    def _stop_unasked(self, number: int) -> None:
        """It is stopped, but nobody asked for that.  Who was asked before is not asked again."""
        if not self.stopping or number == signals.SIGKILL:
            with contextlib.suppress(MinirunError):  # it has just ended
                self.stop(number, by_hand=False)

    def pause(self) -> None:
        self.require_running("pause")
        container.pause(self.paths.state, self.id)
        if self.health:
            self.health.pause()
        self._freeze("paused", "pause")

    def unpause(self) -> None:
        if self.record["state"]["status"] != "paused":
            raise ConflictError(f"Container {self.record['name']} is not paused")
        container.resume(self.paths.state, self.id)
        self._freeze("running", "unpause")
        if self.health:
            self.health.resume()

    def _freeze(self, status: str, action: str) -> None:
        self.record["state"]["status"] = status
        self._remember()
        self.emit(action)

    def change(self, fields: dict[str, Any]) -> None:
        for key, value in fields.items():
            if key not in CHANGEABLE or type(value) is not CHANGEABLE[key]:
                raise UsageError(f"the shim cannot change {key} to that")
        self.record.update(fields)  # type: ignore[typeddict-item]
        records.write(self.paths, self.record)
        process.set_title("minirun:shim", f"minirun:shim {self.record['name']}")

    def require_running(self, verb: str) -> None:
        status, name = self.record["state"]["status"], self.record["name"]
        if status == "paused":
            hint = "unpause the container first"
            raise ConflictError(f"cannot {verb} container {name}: it is paused", hint)
        if status == "restarting":
            hint = "wait until the container is running"
            raise ConflictError(f"cannot {verb} container {name}: it is restarting", hint)
        if status != "running":
            raise ConflictError(f"Container {self.record['id']} is not running")

    # ---- what others hear  -----------------------------------------------------------------------------------

    def _remember(self) -> None:
        """Write the record.  A full disk must not end the container: the next change writes it all."""
        with contextlib.suppress(OSError):
            records.write(self.paths, self.record)

    def emit(self, action: str, **attributes: str) -> None:
        events.of_container(self.paths, self.record, action, **attributes)
