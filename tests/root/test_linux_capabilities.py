"""Capabilities given up for real: a child gives them up, /proc/PID/status is read from outside."""

import os

import pytest

from minirun.linux import capabilities, syscalls
from minirun.linux.constants import PR_SET_KEEPCAPS

pytestmark = pytest.mark.root

DEFAULT = 0xA80425FB


def sets_after(act):
    """The capability sets of a forked child, as the kernel shows them after it has run `act`."""
    ready, done = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            act()
            os.write(ready[1], b"1")
            os.close(done[1])
            os.read(done[0], 1)
        finally:
            os._exit(0)
    os.close(ready[1])
    try:
        assert os.read(ready[0], 1) == b"1", "the child failed"
        return capabilities.read_sets(pid)
    finally:
        for fd in (ready[0], *done):
            os.close(fd)
        os.waitpid(pid, 0)


def test_the_bounding_set_shrinks_to_the_mask():
    assert sets_after(lambda: capabilities.limit_bounding(DEFAULT))["CapBnd"] == DEFAULT


def test_root_keeps_what_it_is_given_and_no_ambient():
    def act():
        capabilities.limit_bounding(DEFAULT, capabilities.bounding(), capabilities.last_cap())
        capabilities.set_all(DEFAULT, DEFAULT, 0, 0)

    expected = {"CapInh": 0, "CapPrm": DEFAULT, "CapEff": DEFAULT, "CapBnd": DEFAULT, "CapAmb": 0}
    assert sets_after(act) == expected


def test_another_user_gets_an_ambient_capability():
    bit = capabilities.mask(["NET_BIND_SERVICE"])

    def act():
        syscalls.prctl(PR_SET_KEEPCAPS, 1)
        syscalls.setresuid(1000, 1000, 1000)
        capabilities.set_all(bit, bit, bit, bit)

    sets = sets_after(act)
    assert {name: sets[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {
        "CapInh": bit,
        "CapPrm": bit,
        "CapEff": bit,
        "CapAmb": bit,
    }
