"""Groups made and removed for real, on whatever cgroup2 mount this machine has."""

import os
import signal
import subprocess

import pytest

from minirun.errors import MinirunError, UnsupportedError, UsageError
from minirun.linux import cgroup_controllers, cgroup_files, cgroup_processes, cgroups

pytestmark = pytest.mark.root


@pytest.fixture
def sleeper():
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def test_the_mount_is_a_cgroup2_mount():
    assert os.path.exists(f"{cgroup_files.mount_point()}/cgroup.controllers")


def test_a_process_moves_in_and_is_listed(group, sleeper):
    where = cgroups.create(group, {})
    cgroup_processes.add(group, sleeper.pid)
    with open(f"/proc/{sleeper.pid}/cgroup") as file:
        assert f"0::{group}\n" in file.read()
    assert cgroup_files.path_of(sleeper.pid) == group
    assert cgroup_processes.pids(group) == [sleeper.pid]
    assert where == cgroup_files.directory(group)


def test_kill_ends_all_of_it_below_too(group, sleeper):
    cgroups.create(group, {})
    cgroups.create(f"{group}/inner", {})
    cgroup_processes.add(f"{group}/inner", sleeper.pid)
    cgroup_processes.kill(group)
    assert sleeper.wait(5) == -signal.SIGKILL
    assert cgroup_processes.pids(group) == []


def test_kill_works_on_kernels_without_the_file(group, sleeper):
    cgroups.create(group, {})
    cgroup_processes.add(group, sleeper.pid)
    cgroup_processes._kill_each(group)
    assert sleeper.wait(5) == -signal.SIGKILL


def test_delete_takes_the_tree(group):
    cgroups.create(f"{group}/a/b", {})
    cgroups.create(f"{group}/c", {})
    cgroups.delete(group)
    assert not os.path.exists(cgroup_files.directory(group))


def test_delete_of_a_missing_group_is_success(group):
    cgroups.delete(group)


def test_delete_waits_and_then_names_who_is_in(group, sleeper, monkeypatch):
    monkeypatch.setattr(cgroups, "_SECONDS_TO_EMPTY", 0.05)
    cgroups.create(group, {})
    cgroup_processes.add(group, sleeper.pid)
    with pytest.raises(MinirunError, match="still in use"):
        cgroups.delete(group)


def test_freeze_stops_and_thaw_lets_run(group, sleeper):
    cgroups.create(group, {})
    cgroup_processes.add(group, sleeper.pid)
    cgroup_processes.freeze(group)
    assert cgroup_processes.is_frozen(group)
    cgroup_processes.thaw(group)
    assert not cgroup_processes.is_frozen(group)


def test_a_limit_of_a_missing_controller_makes_nothing(group):
    with pytest.raises(UnsupportedError, match="nonsense controller"):
        cgroups.create(group, {"nonsense.max": "67108864"})
    assert not os.path.exists(cgroup_files.directory(group))


def test_a_limit_is_written_and_read_back(group):
    cgroups.create(group, {"cgroup.max.depth": "5"})
    assert cgroup_files.read(group, "cgroup.max.depth") == "5"


def test_a_value_the_kernel_refuses_leaves_no_group(group):
    with pytest.raises(UsageError, match=r'"many" for cgroup\.max\.depth'):
        cgroups.create(group, {"cgroup.max.depth": "many"})
    assert not os.path.exists(cgroup_files.directory(group))


def test_a_file_this_kernel_lacks_is_named(group):
    with pytest.raises(UnsupportedError, match=r"no cgroup\.nonsense"):
        cgroups.create(group, {"cgroup.nonsense": "1"})


def test_counts_that_are_not_there_are_none_or_zero(group):
    cgroups.create(group, {})
    assert cgroup_files.keyed(group, "memory.events").get("oom_kill", 0) == 0


def test_two_at_once_survive_each_others_delete(group):
    """One process makes and removes groups beside another: the shared parent comes and goes under both."""

    def churn(name):
        for _ in range(100):
            cgroups.create(f"{group}-{name}", {})
            cgroups.delete(f"{group}-{name}")

    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            churn("child")
            status = 0
        finally:
            os._exit(status)
    churn("parent")
    assert os.waitpid(pid, 0)[1] == 0


def test_a_controller_this_host_has_is_passed_down_and_used(group):
    """Hybrid hosts have at least hugetlb; the root's subtree_control is put back as it was."""
    if "hugetlb" not in cgroup_controllers.available() or not os.path.isdir(
        "/sys/kernel/mm/hugepages/hugepages-2048kB"
    ):
        pytest.skip("this kernel has no hugetlb controller on cgroup2")
    before = cgroup_files.read("/", "cgroup.subtree_control").split()
    try:
        cgroups.create(group, {"hugetlb.2MB.max": "4194304"})
        assert cgroup_files.read(group, "hugetlb.2MB.max") == "4194304"
    finally:
        cgroups.delete(group)
        if "hugetlb" not in before:
            with open(f"{cgroup_files.mount_point()}/cgroup.subtree_control", "w") as file:
                file.write("-hugetlb")
