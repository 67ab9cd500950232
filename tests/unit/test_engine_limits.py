"""Limits: words become resources, and resources files of the cgroup."""

import os

import pytest

from minirun.engine.options import limits
from minirun.errors import UnsupportedError, UsageError

MEBIBYTE = 2**20


def of(**words):
    """The resources of a container to be made."""
    made = limits.with_swap(limits.resources(**words))
    limits.check(made)
    return made


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [("64m", 64 * MEBIBYTE), ("64M", 64 * MEBIBYTE), ("64mb", 64 * MEBIBYTE), ("64MiB", 64 * MEBIBYTE), ("1g", 2**30),
     ("512k", 2**19), ("1.5k", 1536), ("100", 100), ("100b", 100), ("0", 0)],
)  # fmt: skip
def test_sizes(text, bytes_):
    assert limits.size(text, "--memory") == bytes_


@pytest.mark.parametrize("text", ["", "m", "much", "-1", "-2", "1x", "nan", "inf", "1e400"])
def test_what_is_no_size_is_quoted(text):
    with pytest.raises(UsageError, match=f'invalid size "{text}" for --memory'):
        limits.size(text, "--memory")


def test_nothing_asked_for_is_nothing():
    assert of() == {}


@pytest.mark.parametrize(
    ("memory", "swap", "expected"),
    [
        ("8m", None, {"limit": 8 * MEBIBYTE, "swap": 16 * MEBIBYTE}),
        ("8m", "0", {"limit": 8 * MEBIBYTE, "swap": 16 * MEBIBYTE}),
        ("8m", "8m", {"limit": 8 * MEBIBYTE, "swap": 8 * MEBIBYTE}),
        ("8m", "-1", {"limit": 8 * MEBIBYTE, "swap": -1}),
    ],
)
def test_swap_counts_memory_and_is_twice_it_by_default(memory, swap, expected):
    assert of(memory=memory, memory_swap=swap) == {"memory": expected}


@pytest.mark.parametrize(
    "words",
    [
        {"memory": "5m"},
        {"memory": "8m", "memory_swap": "7m"},
        {"memory_swap": "8m"},
        {"memory": "8m", "memory_reservation": "9m"},
        {"memory": "-1"},
        {"cpus": "-1"},
        {"cpus": "many"},
        {"cpus": "nan"},
        {"cpus": str((os.cpu_count() or 1) + 1)},
        {"cpus": "1", "cpu_quota": 5000},
        {"cpu_period": 10},
        {"cpu_quota": 10},
        {"cpu_shares": -1},
        {"cpu_rt_runtime": 2000, "cpu_rt_period": 1000},
        {"cpu_rt_runtime": -1},
        {"memory_swappiness": 101},
        {"cpuset_cpus": "0-"},
        {"cpuset_cpus": "4000"},
        {"blkio_weight": 5},
        {"device_read_bps": ["/nosuch:1m"]},
        {"device_read_bps": ["/dev/null"]},
    ],
)
def test_what_makes_no_sense_is_refused(words):
    with pytest.raises((UsageError, UnsupportedError)):
        of(**words)


def test_cpus_are_a_quota():
    assert of(cpus="0.2") == {"cpu": {"quota": 20000, "period": 100000}}
    assert of(cpu_shares=512, cpuset_cpus="0") == {"cpu": {"shares": 512, "cpus": "0"}}


@pytest.mark.parametrize(
    ("given", "expected"), [(20, {"pids": {"limit": 20}}), (-1, {"pids": {"limit": -1}}), (0, {})]
)
def test_processes(given, expected):
    assert of(pids_limit=given) == expected


def test_files_are_what_the_kernel_knows():
    wanted = of(memory="8m", memory_reservation="7m", cpus="0.5", cpu_shares=1024, pids_limit=30)
    assert limits.files(wanted, {"memory.high": "6M"}) == {
        "memory.max": str(8 * MEBIBYTE),
        "memory.swap.max": str(8 * MEBIBYTE),
        "memory.low": str(7 * MEBIBYTE),
        "cpu.max": "50000 100000",
        "cpu.weight": "100",
        "pids.max": "30",
        "memory.high": "6M",
    }


@pytest.mark.parametrize(
    "entry", ["memory.high", "high=1", "a/b.c=1", "cgroup.procs=1", "cgroup.kill=1", "=1"]
)
def test_a_raw_file_has_to_be_a_setting(entry):
    with pytest.raises(UsageError, match="invalid --cgroup-conf"):
        limits.raw([entry])


def test_raw_files_are_taken_as_they_are():
    assert limits.raw(["memory.high=64M", "io.latency=8:0 target=10"]) == {
        "memory.high": "64M",
        "io.latency": "8:0 target=10",
    }
