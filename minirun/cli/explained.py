"""`minirun run --explain`, `--step` and `--break`: the same run, with its trace read aloud.

The trace is on before the fork, so the shim and everything below it inherits the socket; a thread reads the
other end and hands the events to whoever was asked for: the narrator, the JSON lines, the script.

See      teach/ for what is said, linux/trace.py for the protocol
"""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import sys
from typing import TYPE_CHECKING, TextIO

from minirun.cli.prompt import Prompt
from minirun.engine.shim.spawn import spawn
from minirun.errors import MinirunError, UnsupportedError, UsageError
from minirun.linux import trace
from minirun.teach import jsonlines, narrate
from minirun.teach.events import Register
from minirun.teach.names import Names
from minirun.teach.reader import Observer, Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from minirun.cli.commands import Session
    from minirun.engine.record_types import RunOptions
    from minirun.engine.shim.spawn import Shim
    from minirun.teach.events import Act, Step

FORMS = ("text", "json", "sh")
_BUFFER_BYTES = 1 << 20  # of the socket: no message is larger


def run(
    session: Session,
    options: RunOptions,
    start: Callable[[Shim, Callable[[], None]], int],
    explain: str | None,
    stops: list[str],
    *,
    detach: bool,
) -> int:
    """Let `start` run the container as `minirun run` does, and tell about it.  Returns the exit code.

    `start` is given a shim, and what to call when the program has begun; `stops` are of stepping.breakpoints().
    """
    if explain and explain not in FORMS:
        raise UsageError(f"--explain={explain}: no such form", f"there are {', '.join(FORMS)}")
    joined = options["namespaces"].get("pid", "host") != "host"
    if explain == "sh" and (options["runtime"] or joined):
        option = "--runtime" if options["runtime"] else f"--pid {options['namespaces']['pid']}"
        raise UnsupportedError(
            f"--explain=sh: a script makes its processes itself, so {option} cannot be in it",
            "--explain tells about this one, too",
        )
    names = Names(session)
    prompt = Prompt(names, own_stdin=options["interactive"]) if stops else None
    listening = _Listening(stops, prompt)
    shim = spawn()
    with _output(
        explain
    ) as out:  # after the fork: a shim that held standard output open would outlive its readers
        return _run(shim, start, listening, _observer(explain, out, names), detach=detach)


@contextlib.contextmanager
def _output(explain: str | None) -> Iterator[TextIO]:
    """Where to write: standard error; for a script standard output, and the program's output goes to the other."""
    if explain != "sh":
        yield sys.stderr
        return
    sys.stdout.flush()
    with open(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        yield out


def _observer(explain: str | None, out: TextIO, names: Names) -> Observer:
    words = "minirun " + shlex.join(sys.argv[1:])
    if explain == "json":
        return jsonlines.Writer(out)
    if explain == "sh":
        from minirun.teach import script

        return script.Writer(out, names, words)
    if explain == "text":
        colour = out.isatty() and not os.environ.get("NO_COLOR")
        return narrate.Narrator(out, names, words, colour)
    return _Silent(names)


class _Silent:
    """For --step alone: only listens for the container's id."""

    def __init__(self, names: Names) -> None:
        self.names = names

    def notify(self, event: Step | Act) -> None:
        self.names.learn(repr(getattr(event, "args", "")))

    def finish(self) -> None:
        pass


class _Listening:
    """The two sockets of the trace, and what is wanted of it."""

    def __init__(self, stops: list[str], prompt: Prompt | None) -> None:
        self.prompt = prompt
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours.setsockopt(
            socket.SOL_SOCKET, socket.SO_PASSCRED, 1
        )  # each message comes with its sender's pid
        self.theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        self.answers, self.questions = socket.socketpair()
        replies = self.questions.fileno() if stops else -1
        trace.start(self.theirs.fileno(), replies, stops, os.environ.get("MINIRUN_FAULT", ""))

    def start_reading(self, shim: Shim, observer: Observer) -> Reader:
        """Start reading.  Only now, for a process with threads must not fork."""
        register = Register(os.getpid(), shim.pid)
        ask = self.prompt.ask if self.prompt else lambda _step: b"c"
        reader = Reader(self.ours, register, observer, ask, self.answers.fileno())
        reader.start()
        return reader

    def end(self) -> None:
        """Close this process's ends, so that the last of the others to go ends the reading."""
        trace.stop()
        self.theirs.close()
        self.questions.close()


def _run(
    shim: Shim,
    start: Callable[[Shim, Callable[[], None]], int],
    listening: _Listening,
    observer: Observer,
    *,
    detach: bool,
) -> int:
    reader = listening.start_reading(shim, observer)
    left = False  # whether the container goes on without us
    try:
        code = start(shim, reader.catch_up)
        left = detach
        return code
    except trace.Cancelled as error:
        raise MinirunError(str(error)) from None
    except KeyboardInterrupt:
        if listening.prompt:
            listening.prompt.give_up()
        raise
    finally:
        shim.sock.close()
        if not left:
            shim.wait()
        listening.end()
        reader.finish(at_end=not left)
