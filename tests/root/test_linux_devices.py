"""Device rules in the kernel: a child in a group of its own opens and makes nodes."""

import errno
import os
import uuid

import pytest

from minirun.errors import MinirunError
from minirun.linux import cgroup_files, cgroup_processes, cgroups, devices
from tests.support import in_child

pytestmark = pytest.mark.root

DEFAULT_RULES = [{"allow": False, "access": "rwm"}, *devices.ALLOWED]  # as `minirun run` has them


@pytest.fixture
def group():
    path = f"{cgroup_files.PARENT}/test-{uuid.uuid4().hex[:12]}"
    cgroups.create(path, {})
    yield path
    cgroup_processes.kill(path)
    cgroups.delete(path)


@pytest.fixture
def node(tmp_path):
    """Makes a character device node, from outside the group."""

    def make(major, minor):
        path = str(tmp_path / f"{major}-{minor}")
        os.mknod(path, 0o020666, os.makedev(major, minor))
        return path

    return make


def errno_inside(group, act):
    """The errno of `act` in a child that has moved into the group; 0 when it worked."""

    def inside():
        cgroup_processes.add(group, os.getpid())
        act()

    return os.waitstatus_to_exitcode(in_child(inside))


def opened(path, flags=os.O_RDWR):
    return lambda: os.close(os.open(path, flags))


def test_default_rules_allow_null_and_deny_memory_and_log(group, node):
    devices.apply(group, DEFAULT_RULES)
    assert errno_inside(group, opened("/dev/null")) == 0
    assert errno_inside(group, opened(node(1, 1), os.O_RDONLY)) == errno.EPERM
    assert errno_inside(group, opened(node(1, 11), os.O_RDONLY)) == errno.EPERM


def test_making_a_node_is_allowed_using_it_is_not(group, tmp_path):
    devices.apply(group, DEFAULT_RULES)
    path = str(tmp_path / "made")
    assert errno_inside(group, lambda: os.mknod(path, 0o020666, os.makedev(1, 11))) == 0
    assert errno_inside(group, opened(path, os.O_RDONLY)) == errno.EPERM


def test_without_m_no_node_is_made(group, tmp_path):
    devices.apply(group, [{"allow": False, "access": "rwm"}])
    act = lambda: os.mknod(tmp_path / "x", 0o020666, os.makedev(1, 3))  # noqa: E731
    assert errno_inside(group, act) == errno.EPERM


def test_reading_may_be_allowed_without_writing(group, node):
    devices.apply(group, [{"allow": True, "type": "c", "major": 1, "minor": 5, "access": "r"}])
    zero = node(1, 5)
    assert errno_inside(group, opened(zero, os.O_RDONLY)) == 0
    assert errno_inside(group, opened(zero, os.O_RDWR)) == errno.EPERM


def test_a_denied_one_among_all(group, node):
    rules = [
        {"allow": True, "access": "rwm"},
        {"allow": False, "type": "c", "major": 1, "minor": 5, "access": "rwm"},
    ]
    devices.apply(group, rules)
    assert errno_inside(group, opened(node(1, 5))) == errno.EPERM
    assert errno_inside(group, opened(node(1, 3))) == 0


def test_outside_the_group_nothing_changes(group, node):
    devices.apply(group, [{"allow": False, "access": "rwm"}])
    opened(node(1, 3))()


def test_rules_that_allow_everything_attach_nothing(group, node, monkeypatch):
    monkeypatch.setattr(devices, "_load", lambda code: pytest.fail("a program was loaded"))
    devices.apply(group, [{"allow": True, "access": "rwm"}])
    assert errno_inside(group, opened(node(1, 5))) == 0


def test_hundreds_of_rules_pass_the_verifier(group, node):
    rules = [{"allow": True, "type": "c", "major": 200, "minor": n, "access": "rw"} for n in range(500)]
    devices.apply(group, [*DEFAULT_RULES, *rules])
    assert errno_inside(group, opened(node(1, 3))) == 0


def test_the_verifiers_words_are_in_the_error():
    with pytest.raises(MinirunError, match=r"verifier says: .*R0 !read_ok"):
        devices._load(devices._op(devices._EXIT))
