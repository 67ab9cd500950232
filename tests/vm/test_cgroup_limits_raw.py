"""Limits as the kernel keeps them: groups of linux/cgroup*.py alone, no containers."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from minirun.errors import UnsupportedError, UsageError
from minirun.linux import cgroup_controllers, cgroup_files, cgroup_limits, cgroup_processes, cgroups, devices

pytestmark = pytest.mark.vm

MEBIBYTE = 2**20


@pytest.fixture
def start(group):
    """Starts a Python process that moves into the group and then runs the given code."""
    with contextlib.ExitStack() as ends:

        def start(code):
            joined = [f"{cgroup_files.directory(group)}/cgroup.procs"]
            joined += [f"{where}/tasks" for where in cgroups.to_join(group)]
            move = (
                f"import os, time\nfor name in {joined}:\n    with open(name, 'w') as file: file.write('0')\n"
            )
            command = [sys.executable, "-I", "-S", "-c", move + code]
            process = ends.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            ends.callback(process.kill)
            return process

        yield start


def test_the_controllers_are_passed_down_on_the_way(group):
    cgroups.create(f"{group}/inner", {"memory.max": str(64 * MEBIBYTE)})
    if "memory" in cgroup_controllers.available():
        assert "memory" in cgroup_files.read(group, "cgroup.subtree_control").split()
    assert cgroup_files.read(f"{group}/inner", "memory.max") == str(64 * MEBIBYTE)


def test_counts_are_there_without_a_limit(group):
    cgroups.create(group, {})
    assert all(cgroup_files.has(group, file) for file in ("memory.current", "pids.current"))


def test_memory_above_the_limit_is_killed_and_counted(group, start):
    cgroups.create(group, {"memory.max": str(32 * MEBIBYTE), "memory.swap.max": "0"})
    process = start(f"hog = b'x' * {64 * MEBIBYTE}")
    assert process.wait(60) == -signal.SIGKILL
    assert cgroup_files.keyed(group, "memory.events")["oom_kill"] == 1


def test_a_fork_bomb_stops_at_the_limit(group, start):
    cgroups.create(group, {"pids.max": "5"})
    code = """
made = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(60)
        made += 1
except BlockingIOError:
    print(made)
"""
    process = start(code)
    assert process.stdout.readline() == "4\n"
    process.wait(60)
    assert len(cgroup_processes.pids(group)) == 4


def test_a_busy_loop_gets_its_quota(group, start):
    cgroups.create(group, cgroup_limits.from_resources({"cpu": {"quota": 20000, "period": 100000}}))
    process = start("print('here', flush=True)\nwhile True: pass")
    assert process.stdout.readline() == "here\n"
    before, began = cgroup_files.keyed(group, "cpu.stat")["usage_usec"], time.monotonic()
    time.sleep(3)
    used = (cgroup_files.keyed(group, "cpu.stat")["usage_usec"] - before) / 1e6 / (time.monotonic() - began)
    cgroup_processes.kill(group)
    process.wait(60)
    assert 0.17 < used < 0.23
    assert cgroup_files.keyed(group, "cpu.stat")["nr_throttled"] > 10


def test_frozen_processes_do_not_run(group, start):
    cgroups.create(group, {})
    process = start("print('here', flush=True)\nwhile True: pass")
    assert process.stdout.readline() == "here\n"  # it is in the group
    cgroup_processes.freeze(group)
    before = cgroup_files.keyed(group, "cpu.stat")["usage_usec"]
    time.sleep(0.5)
    assert cgroup_files.keyed(group, "cpu.stat")["usage_usec"] == before
    cgroup_processes.kill(group)
    assert process.wait(60) == -signal.SIGKILL  # even frozen


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"memory.max": "much"}, '--memory: the kernel refuses "much" for memory.max'),
        ({"cpu.max": "10 100000"}, '--cpus: the kernel refuses "10 100000"'),
        ({"cpu.weight": "0"}, "--cpu-shares"),
        ({"io.max": "250:250 rbps=1"}, "--device-read-bps"),
    ],
)
def test_a_refused_value_is_told_and_nothing_is_left(group, limits, message):
    with pytest.raises(UsageError, match=message):
        cgroups.create(group, limits)
    assert not os.path.exists(cgroup_files.directory(group))


def test_a_file_of_a_newer_kernel_is_told(group):
    with pytest.raises(UnsupportedError, match=r"no memory\.nonsense|memory\.nonsense exists only"):
        cgroups.create(group, {"memory.nonsense": "1"})


def test_limits_change_while_it_runs(group):
    cgroups.create(group, {"pids.max": "5"})
    cgroup_controllers.set_limits(group, {"pids.max": "max"})
    assert cgroup_files.read(group, "pids.max") == "max"


def test_swap_as_much_again_needs_no_swap_accounting(group):
    limits = cgroup_limits.from_resources({"memory": {"limit": 32 * MEBIBYTE, "swap": 64 * MEBIBYTE}})
    where = cgroups.create(group, limits)
    assert cgroup_files.read(group, "memory.max") == str(32 * MEBIBYTE)
    if os.path.exists(f"{where}/memory.swap.max"):
        assert cgroup_files.read(group, "memory.swap.max") == str(32 * MEBIBYTE)


def test_device_rules_are_kept_by_this_kernel_too(group, start):
    cgroups.create(group, {})
    devices.apply(group, [{"allow": False, "access": "rwm"}])
    process = start("try: open('/dev/zero')\nexcept PermissionError: print('no')")
    assert process.stdout.readline() == "no\n"
