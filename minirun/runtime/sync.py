"""How `create` and the container's first process talk until execve ends the conversation.

      create (parent)                              init (child)
      ------------------------------ fork ------------------------------
      puts the child into its cgroup
      "placed"      ------------------------------>  await_placement
                                                     makes or joins namespaces
                    <------------------------------  "namespaced"
      runs the hooks that want namespaces
      "go on"       ------------------------------>  await_hooks
                                                     mounts ... drops privileges
                    <------------------------------  "ready"
      writes state.json: created
                                                     waits on exec.fifo for `start`
                    <--------- end of file --------  execve closes the pipe

At any point the child may send a report instead: one JSON line that becomes an exception on the parent's side.
An execve that fails is reported the same way.  (CPython's subprocess finds out about a failed exec like this.)

Where other processes are in the pid namespace already, it is entered last, by one more fork, and what appears there
must not hold a pipe of ours.  Its last words are left on a page of memory instead, which execve takes away:

      execute (parent)                  the child                    its sibling, in the pid namespace
      ---------------- fork -----------------
                     ...  as above  ...
                    <---- "ready" ----  closes its pipes
                                        ------------- clone(CLONE_PARENT) ---------------
                    <----- exit ------  waits (vfork)                execve, or last words

What stands on the page is not believed further than an error message: a container that may trace could write there.
"""

from __future__ import annotations

import os
import select
import time

from minirun import jsontext
from minirun.errors import InitError, MinirunError, ProgramNotFound, ProgramNotInvocable
from minirun.linux import trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from minirun.linux.memory import SharedMemory

NEVER = float("inf")
_ERRORS = {"not found": ProgramNotFound, "not invocable": ProgramNotInvocable, "error": MinirunError}


class Sync:
    """Two pipes, of which each side keeps one end each: call `in_parent` or `in_child` after the fork.

    `until` is when the parent stops waiting, on the clock of time.monotonic().
    """

    def __init__(self, until: float = NEVER) -> None:
        self._parent_reads, self._child_writes = os.pipe()
        self._child_reads, self._parent_writes = os.pipe()
        self._received = b""
        self.until = until
        self.last_words: SharedMemory | None = (
            None  # in the place of the pipes, once the child has closed its own
        )

    def in_parent(self) -> None:
        os.close(self._child_reads)
        os.close(self._child_writes)

    def in_child(self) -> None:
        os.close(self._parent_reads)
        os.close(self._parent_writes)

    def close(self) -> None:
        """The parent's last word."""
        os.close(self._parent_reads)
        os.close(self._parent_writes)

    # ---- the parent's side

    def tell(self, word: str) -> None:
        """Answer the child.  A child that died will be noticed by the next `expect`."""
        try:
            os.write(self._parent_writes, word.encode() + b"\n")
        except BrokenPipeError:
            pass

    def expect(self, word: str) -> None:
        """Wait for `word`.  Raises what the child reports, or MinirunError when it died or takes too long."""
        line = self._read_line(self._parent_reads, self.until)
        if line == word:
            return
        if line.startswith("{"):
            raise_report(line)
        raise MinirunError(f'the first process of the container ended before it was "{word}"')

    def expect_exec(self) -> None:
        """Wait until execve has closed the child's end.  Raises its report if execve failed."""
        line = self._read_line(self._parent_reads, self.until)
        if line:
            raise_report(line)

    # ---- the child's side

    def say(self, word: str) -> None:
        os.write(self._child_writes, word.encode() + b"\n")

    def hear(self, word: str) -> None:
        """Wait for the parent's `word`.  Raises EOFError when the parent is gone."""
        if self._read_line(self._child_reads) != word:
            raise EOFError("the parent went away")

    def report(self, **report: object) -> None:
        """Tell the parent what went wrong; nobody listening is no reason to stay."""
        line = jsontext.dumps(report).encode()
        if self.last_words:
            return self.last_words.write(line)
        try:
            os.write(self._child_writes, line + b"\n")
        except BrokenPipeError:
            pass

    def descriptors(self) -> set[int]:
        """The child's ends."""
        return {self._child_reads, self._child_writes}

    def leave(self, last_words: SharedMemory) -> None:
        """The child's last word through the pipes; what it still has to report is left on that page."""
        self.say("ready")
        os.close(self._child_reads)
        os.close(self._child_writes)
        self.last_words = last_words

    def parent_is_gone(self) -> bool:
        """Whether the parent's end is closed (it never writes while this is asked)."""
        os.set_blocking(self._child_reads, False)
        try:
            return os.read(self._child_reads, 1) == b""
        except BlockingIOError:
            return False
        finally:
            os.set_blocking(self._child_reads, True)

    def _read_line(self, fd: int, until: float = NEVER) -> str:
        while b"\n" not in self._received:
            if until != NEVER:
                _await_readable(fd, until)
            chunk = os.read(fd, 4096)
            if not chunk:
                break
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        return line.decode()


def _await_readable(fd: int, until: float) -> None:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
        raise TooLate()


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
            error: Exception = InitError(
                report["step"], report["call"], int(report["errno"]), report["path"], hint
            )
        else:
            cancelled = kind == "cancelled" and trusted
            error = trace.Cancelled(message) if cancelled else _ERRORS[kind](message, hint)
    except (ValueError, KeyError, AttributeError, RecursionError, OverflowError):
        raise MinirunError("the new process ended with words that make no sense") from None
    raise error


def _plain(text: str) -> str:
    """Without half characters, which JSON can have and no file."""
    return text.encode(errors="replace").decode()
