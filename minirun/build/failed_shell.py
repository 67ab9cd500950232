"""`build --on-error shell`: a RUN has failed, and here is a shell where it was, before it changed anything.

The same layers in a fresh overlay, the same mounts, network, user, variables and directory; only the program is another
one, the image's SHELL.  Nothing is kept of what is done there, except in cache mounts, which the failed RUN has had as
well.

    coordinator                                child (jobs.py)
      |  <── the master of its terminal ────── run() with a console, from the container's first process
      |  the person's keys and the screen
      |  <── exit code ─────────────────────── when the shell has ended

See      pty(7), unix(7) SCM_RIGHTS; runtime/terminal.py
By hand  minirun run -it IMAGE-SO-FAR sh
"""

from __future__ import annotations

import os
import socket

from minirun.build.jobs import Job
from minirun.errors import MinirunError
from minirun.runtime import terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from minirun.build.steps import Work

    class Terminal(Protocol):
        """The person's."""

        def announce(self, lines: list[str]) -> bool:
            """Say what has failed; whether there is a terminal to work at."""

        def attend(self, master: int) -> None:
            """Connect it with the terminal that `master` is of, until nobody in there has it open."""

        def say(self, line: str) -> None: ...


def open_shell(work: Work, lines: list[str], person: Terminal) -> None:
    """Have the shell, until it ends.  `lines` say what has failed.  Never raises MinirunError: that is said, too."""
    if not person.announce(lines):
        return
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            job = Job(lambda report, streams: report({"exit_code": work.open_shell(streams, theirs)}))
        try:
            _attend(job, ours, person)
        except MinirunError as error:
            person.say(f"there can be no shell: {error}")
        finally:
            job.kill()
            job.close()


def _attend(job: Job, ours: socket.socket, person: Terminal) -> None:
    try:
        master = terminal.receive_master(ours)
    except EOFError:
        master = -1
    if master >= 0:
        try:
            person.attend(master)
        finally:
            os.close(master)
    job.next_report()
    for fd in sorted(job.outputs)[::-1]:  # what cannot be started is said there, as for any RUN
        if text := job.read_output(fd).decode(errors="replace").strip():
            person.say(f"there can be no shell: {text}")
