"""The fork: what becomes of a signal that comes at that moment."""

import signal
import sys

import pytest

from tests.support import CHECKOUT, run

# Functions that are called in fork() itself cannot be taken back, so this is a process of its own.
PROGRAM = """
import os, signal
from minirun.runtime import process

def end(number, frame):
    raise KeyboardInterrupt

for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, end)
os.register_at_fork({moment}=lambda: os.kill(os.getpid(), {number}))
try:
    process.fork(lambda: len(os.read(0, 1)))
except KeyboardInterrupt:
    print("heard")
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print("nobody is left")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("moment", ["before", "after_in_parent"])
def test_a_signal_that_comes_during_a_fork_is_heard_and_leaves_no_child(moment: str, number: int) -> None:
    program = PROGRAM.format(moment=moment, number=int(number))
    done = run(sys.executable, "-c", program, cwd=CHECKOUT, timeout=20)
    assert done.stdout == "heard\nnobody is left\n"
    assert done.stderr == ""
