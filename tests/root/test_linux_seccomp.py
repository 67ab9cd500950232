"""Filters loaded for real: a child loads one and makes calls; the kernel answers, /proc shows."""

import errno
import os
import signal

import pytest

from minirun.linux import capabilities, seccomp, syscalls
from tests.support import in_child

pytestmark = pytest.mark.root


def outcome(program, act, flags=0):
    """(wait status, errno of `act` under the filter, or 0) of a child."""

    def filtered():
        syscalls.seccomp(program, flags)
        act()

    status = in_child(filtered)
    return status, os.waitstatus_to_exitcode(status)


@pytest.fixture
def default(tmp_path):
    oci = seccomp.docker_profile_to_oci(seccomp.default_profile(), capabilities.DEFAULT)
    return seccomp.compile(oci, str(tmp_path))


def raw(number):
    return lambda: syscalls._syscall(syscalls.ctypes.c_long(number), None, None, None, None, None)


def test_the_kernel_takes_the_default_profile_and_shows_it(default):
    def act():
        with open("/proc/self/status") as file:
            if "Seccomp:\t2\n" not in file.read():
                os._exit(98)

    assert outcome(default, act, seccomp.flags({}))[1] == 0


def test_mount_is_refused_although_we_are_root(default):
    assert outcome(default, lambda: syscalls.umount2("/nowhere"))[1] == errno.EPERM
    assert outcome(default, lambda: syscalls.unshare(0x04000000))[1] == errno.EPERM


def test_programs_still_start(default):
    assert outcome(default, lambda: os.execv("/bin/true", ["true"]))[0] == 0


@pytest.mark.parametrize("number", [435, 1000])  # clone3, and none that exists
def test_what_the_c_library_should_work_around_is_enosys(default, number):
    assert outcome(default, raw(number))[1] == errno.ENOSYS


@pytest.mark.parametrize(("action", "killer"), [("KILL_PROCESS", signal.SIGSYS), ("TRAP", signal.SIGSYS)])
def test_actions_that_kill_do(tmp_path, action, killer):
    rules = [{"names": ["mkdir"], "action": f"SCMP_ACT_{action}"}]
    program = seccomp.compile({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}, str(tmp_path))
    assert outcome(program, lambda: os.mkdir(tmp_path / "x"))[1] == -killer


def test_a_listed_errno_is_returned(tmp_path):
    rules = [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.EXDEV}]
    program = seccomp.compile({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}, str(tmp_path))
    assert outcome(program, lambda: os.mkdir(tmp_path / "x"))[1] == errno.EXDEV
