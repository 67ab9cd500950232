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
"""

from __future__ import annotations

import os

from minirun import jsontext
from minirun.errors import InitError, MinirunError, ProgramNotFound, ProgramNotInvocable
from minirun.linux import trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_ERRORS = {"not found": ProgramNotFound, "not invocable": ProgramNotInvocable, "error": MinirunError}


class Sync:
    """Two pipes, of which each side keeps one end each: call `in_parent` or `in_child` after the fork."""

    def __init__(self) -> None:
        self._parent_reads, self._child_writes = os.pipe()
        self._child_reads, self._parent_writes = os.pipe()
        self._received = b""

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
        """Wait for `word`.  Raises what the child reports, or MinirunError when it died without a word."""
        line = self._read_line(self._parent_reads)
        if line == word:
            return
        if line.startswith("{"):
            _raise_report(jsontext.loads(line))
        raise MinirunError(f'the first process of the container ended before it was "{word}"')

    def expect_exec(self) -> None:
        """Wait until execve has closed the child's end.  Raises its report if execve failed."""
        line = self._read_line(self._parent_reads)
        if line:
            _raise_report(jsontext.loads(line))

    # ---- the child's side

    def say(self, word: str) -> None:
        os.write(self._child_writes, word.encode() + b"\n")

    def hear(self, word: str) -> None:
        """Wait for the parent's `word`.  Raises EOFError when the parent is gone."""
        if self._read_line(self._child_reads) != word:
            raise EOFError("the parent went away")

    def report(self, **report: object) -> None:
        """Tell the parent what went wrong; nobody listening is no reason to stay."""
        try:
            os.write(self._child_writes, jsontext.dumps(report).encode() + b"\n")
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

    def _read_line(self, fd: int) -> str:
        while b"\n" not in self._received:
            chunk = os.read(fd, 4096)
            if not chunk:
                break
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        return line.decode()


def _raise_report(report: dict[str, str]) -> NoReturn:
    kind, message, hint = report["kind"], report.get("message", ""), report.get("hint", "")
    if kind == "cancelled":
        raise trace.Cancelled(message)
    if kind == "call":
        raise InitError(report["step"], report["call"], int(report["errno"]), report["path"], hint)
    raise _ERRORS[kind](message, hint)
