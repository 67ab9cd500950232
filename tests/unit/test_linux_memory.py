"""What of a process's memory others may see."""

import faulthandler
import os
import signal

from minirun.linux.memory import PAGE_SIZE, SharedMemory
from tests.support import CHECKOUT, run

FORGET = f"""
import os, sys
sys.path += [{str(CHECKOUT)!r}, {str(CHECKOUT / ".venv/site-packages")!r}]
from minirun.linux import memory
memory.forget_environment()
memory.forget_environment()
print(open("/proc/self/environ", "rb").read().strip(b"\\0"), dict(os.environ))
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as mem:
    regions = [line.split() for line in maps]
    spans = [[int(word, 16) for word in one[0].split("-")] for one in regions if one[-1] in ("[heap]", "[stack]")]
    print(sum(mem.seek(start) and mem.read(end - start).count(bytes(reversed(b"yeklaed"))) for start, end in spans))
"""


def test_the_environment_is_forgotten_wherever_it_stands():
    """`dealkey` is in the environment only; the needle that looks for it is found itself, at most a few times."""
    python = CHECKOUT / ".venv/bin/python3"
    result = run(
        "env", "-i", "PATH=/bin", "SECRET=" + "dealkey" * 50, python, "-I", "-S", "-c", FORGET, check=True
    )
    said, count = result.stdout.splitlines()
    assert said == "b'' {'PATH': '/bin'}"
    assert int(count) < 10


def in_a_child(act):
    """The wait status of a forked process that does `act`."""
    pid = os.fork()
    if pid == 0:
        act()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_what_a_child_writes_is_read_here():
    page = SharedMemory()
    assert page.read() == b""
    assert in_a_child(lambda: page.write(b"last words")) == 0
    assert page.read() == b"last words"


def test_a_message_is_cut_to_the_page():
    page = SharedMemory()
    page.write(b"x" * (PAGE_SIZE + 1))
    assert page.read() == b"x" * PAGE_SIZE


def test_children_do_not_have_a_page_that_is_hidden():
    page = SharedMemory()
    page.hide_from_children()

    def read() -> None:
        faulthandler.disable()  # pytest's, which would tell about it
        page.read()

    assert in_a_child(read) == -signal.SIGSEGV
