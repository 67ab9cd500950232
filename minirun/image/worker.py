"""A layer unpacked by a process of its own, so that large ones do not wait for each other's Python.

Threads of one process share the interpreter's lock: two of them unpack hardly faster than one.  Starting a
process costs 40 ms, so that is for large layers only (LARGE_BYTES); the rest of the program sees no difference,
since Worker has the methods of Unpacking that it needs.

    Worker (in pull, load)                          main (the process)
      blob          ──── its standard input ───>    Unpacking.stream
                    <─── its standard output ──     {"diff_id", "depends", "size"}
      {"below": []} ──── orders ───────────────>    Unpacking.complete
                    <─── its standard output ──     {}
    instead of an answer  {"error", "hint"}  or  {"errno"}; a closed pipe ends the process without a word

Next     unpacking.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from minirun.errors import MinirunError, none_left
from minirun.image.tarstream import Limits
from minirun.image.unpacking import Unpacking

if TYPE_CHECKING:
    from typing import Any

    from minirun.image.tarstream import Readable

LARGE_BYTES = 4 << 20  # packed; takes longer than a process to start
_READ_BYTES = 1 << 18
_PROGRAM = "import sys; sys.path[:] = {!r}; from minirun.image.worker import main; main()"


class Worker:
    """The near end.  As an Unpacking, but its work is done elsewhere."""

    def __init__(self, path: str, root_fd: int, limits: Limits) -> None:
        self.path = path
        self.depends = False
        self.size = 0
        self._root_fd = root_fd
        orders, self._orders = os.pipe()
        job = json.dumps([path, root_fd, orders, limits.unpacked_bytes, limits.ratio, limits.entries])
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-X", "utf8", "-c", _PROGRAM.format(sys.path), job],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=(root_fd, orders),
                process_group=0,  # Ctrl-C is for us
            )
        except BaseException as error:
            os.close(self._orders)
            os.close(root_fd)
            raise (none_left("processes") if isinstance(error, BlockingIOError) else error) from None
        finally:
            os.close(orders)

    def stream(self, file: Readable) -> str:
        """Feed it the whole blob; returns the diff_id."""
        assert self._process.stdin is not None
        pipe = self._process.stdin.fileno()
        try:
            while block := file.read(_READ_BYTES):
                _write_all(pipe, block)
        except BrokenPipeError:
            pass  # it has found a fault already, and says which
        self._process.stdin.close()
        answer = self._answer()
        self.depends, self.size = bool(answer["depends"]), int(answer["size"])
        return str(answer["diff_id"])

    def complete(self, below: list[str]) -> None:
        os.write(self._orders, json.dumps({"below": below}).encode() + b"\n")
        self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise MinirunError(f"the process that unpacks it has ended: {self._process.wait()}")
        answer = json.loads(line)
        if "errno" in answer:
            raise OSError(answer["errno"], os.strerror(answer["errno"]))
        if "error" in answer:
            raise MinirunError(answer["error"], answer["hint"])
        return answer

    def close(self) -> None:
        """End the process, at work or not, and give up the lock on the directory.  May be called again."""
        if self._root_fd < 0:
            return
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        os.close(self._orders)
        self._process.kill()
        self._process.wait()
        os.close(self._root_fd)
        self._root_fd = -1


def _write_all(fd: int, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(fd, rest) :]


# ---- the process ------------------------------------------------------------------------------------------


def main() -> None:
    """What Worker starts: one layer, then the end."""
    path, root_fd, orders, *limits = json.loads(sys.argv[1])
    unpacking = Unpacking(path, root_fd, Limits(*limits))
    try:
        with open(0, "rb", buffering=0) as blob:
            diff_id = unpacking.stream(blob)
        _answer({"diff_id": diff_id, "depends": unpacking.depends, "size": unpacking.size})
        with open(orders, "rb") as file:
            if line := file.readline():
                unpacking.complete(json.loads(line)["below"])
                _answer({})
    except MinirunError as error:
        _answer({"error": error.message, "hint": error.hint})
    except OSError as error:
        _answer({"errno": error.errno})


def _answer(answer: dict[str, object]) -> None:
    try:
        os.write(1, json.dumps(answer).encode() + b"\n")
    except BrokenPipeError:
        pass  # nobody is interested any more
