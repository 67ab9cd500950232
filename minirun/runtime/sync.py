"""Step 11 of 13: what `create` and the container's first process say to each other, until execve ends it.

      create (parent)                              init (child)
      ------------------------------ fork ------------------------------
      moves it into its cgroup, unless
      clone3(2) has put it there
      "placed"      ------------------------------>  await_placement
                                                     enter_namespaces
                    <------------------------------  "namespaced"
      "go on"       ------------------------------>  await_hooks
                                                     mounts ... gives privileges up
                    <------------------------------  "ready"
      writes state.json: created
                                                     await_start, on exec.fifo
                    <--------- end of file --------  execute: execve(2) closes the pipe

Between "namespaced" and "go on" the specification runs prestart and createRuntime hooks.  plan.py refuses a
config.json that has any, so nothing happens there.

At any point the child may send a report instead: one JSON line that becomes an exception on the parent's side.  An
execve that fails is reported the same way: both pipes are close-on-exec, so the parent reads either a report or the
end of the file, and needs no other sign of success.  (CPython's subprocess finds out about a failed exec like this.)

See      pipe(2), open(2) "O_CLOEXEC"; runc libcontainer/sync.go; runtime-spec runtime.md "Lifecycle"
By hand  strace -f -e trace=read,write minirun-oci run -b BUNDLE x 2>&1 | grep -E 'placed|namespaced|go on|ready'
Left out what is said when a process joins a container: joining.py
Next     runtime/init.py
"""

from __future__ import annotations

import os
import select
import time

from minirun import jsontext
from minirun.errors import InitError, MinirunError, ProgramNotFound, ProgramNotInvocable
from minirun.linux import cgroup_files, cgroup_processes, trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

NEVER = float("inf")
_ERRORS = {"not found": ProgramNotFound, "not invocable": ProgramNotInvocable, "error": MinirunError}


class Created:
    """A process that is ready to start: its pid, and the pipe that will tell whether execve worked."""

    def __init__(self, pid: int, sync: Sync) -> None:
        self.pid = pid
        self.sync = sync


class Sync:
    """Two pipes, of which each side keeps one end each: call `in_parent` or `in_child` after the fork.

    `deadline` is when the parent stops waiting, on the clock of time.monotonic().
    """

    def __init__(self, deadline: float = NEVER) -> None:
        self._parent_reads, self._child_writes = os.pipe()
        self._child_reads, self._parent_writes = os.pipe()
        self._received = b""
        self.deadline = deadline

    # Each side closes the other's ends: while anybody holds the writing end of a pipe, its reader never sees the
    # end of the file, and the death of the other side would go unnoticed.

    def in_parent(self) -> None:
        os.close(self._child_reads)
        os.close(self._child_writes)

    def in_child(self) -> None:
        os.close(self._parent_reads)
        os.close(self._parent_writes)

    def close(self) -> None:
        """The end of the conversation, on the parent's side."""
        os.close(self._parent_reads)
        os.close(self._parent_writes)

    # ---- the parent's side

    def send(self, word: str) -> None:
        """Answer the child.  A child that died will be noticed by the next `expect`."""
        try:
            os.write(self._parent_writes, word.encode() + b"\n")
        except BrokenPipeError:
            pass

    def expect(self, word: str) -> None:
        """Wait for `word`.  Raises what the child reports, EndedEarly when it died, or TooLate."""
        line = self._read_line(self._parent_reads, self.deadline)
        if line == word:
            return
        if line.startswith("{"):
            raise_report(line)
        raise EndedEarly(f'the first process of the container ended before it was "{word}"')

    def expect_exec(self) -> None:
        """Wait until execve has closed the child's end.  Raises its report if execve failed."""
        line = self._read_line(self._parent_reads, self.deadline)
        if line:
            raise_report(line)

    # ---- the child's side

    def notify(self, word: str) -> None:
        os.write(self._child_writes, word.encode() + b"\n")

    def wait_for(self, word: str) -> None:
        """Wait for the parent's `word`.  Raises EOFError when the parent is gone."""
        if self._read_line(self._child_reads) != word:
            raise EOFError("the parent went away")

    def report(self, **report: object) -> None:
        """Say what went wrong; nobody listening is no reason to stay."""
        self._write_report(jsontext.dumps(report).encode() + b"\n")

    def _write_report(self, line: bytes) -> None:
        try:
            os.write(self._child_writes, line)
        except BrokenPipeError:
            pass

    def parent_is_gone(self) -> bool:
        """Whether the parent's end is closed (it never writes while this is asked)."""
        os.set_blocking(self._child_reads, False)
        try:
            return os.read(self._child_reads, 1) == b""
        except BlockingIOError:
            return False
        finally:
            os.set_blocking(self._child_reads, True)

    # ---- both

    def _read_line(self, fd: int, deadline: float = NEVER) -> str:
        while b"\n" not in self._received:
            if deadline != NEVER:
                _await_readable(fd, deadline)
            chunk = os.read(fd, 4096)
            if not chunk:
                break
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        return line.decode()


def _await_readable(fd: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TooLate()


def await_ready(sync: Sync, pid: int, cgroup: str) -> None:
    """The parent's half of the conversation, up to "ready".  Raises what the child reports."""
    if cgroup and cgroup_files.path_of(pid) != cgroup:
        cgroup_processes.add(cgroup, pid)
    sync.send("placed")
    sync.expect("namespaced")
    sync.send("go on")
    sync.expect("ready")


class EndedEarly(MinirunError):
    """The child has ended and has reported nothing: it was killed."""


class TooLate(MinirunError):
    """The child did not get ready in time: it, or the container it has joined, was stopped."""

    def __init__(self) -> None:
        super().__init__(
            "the new process was not ready in time, and was killed",
            "is the container frozen, or does something in it hold new processes up?",
        )


def raise_report(line: str, *, trusted: bool = True) -> NoReturn:
    """Raise what a report says.  One that makes no sense is a MinirunError, too.

    Not `trusted` are words that may be a container's own: they can be no more than an error message.
    """
    try:
        report = {str(key): _plain(str(value)) for key, value in jsontext.loads(line).items()}
        kind, message, hint = report["kind"], report.get("message", ""), report.get("hint", "")
        if kind == "call":
            number = int(report["errno"])
            error: Exception = InitError(report["step"], report["call"], number, report["path"], hint)
        else:
            cancelled = kind == "cancelled" and trusted
            error = trace.Cancelled(message) if cancelled else _ERRORS[kind](message, hint)
    except (ValueError, KeyError, AttributeError, RecursionError, OverflowError):
        raise MinirunError("the new process ended with words that make no sense") from None
    raise error


def _plain(text: str) -> str:
    """Without half characters, which JSON can have and no file."""
    return text.encode(errors="replace").decode()
