"""The oracle for limits: the same words to minirun and to a dockerd, and the kernel's files beside each other.

On a hybrid host both write cgroup v1 files, on a v2 host both write v2's; what is compared is every file that holds a
limit, also those that nobody asked to change.
"""

from pathlib import Path

import pytest

from tests import containers, limits
from tests.docker import Docker
from tests.support import Minirun

DISK = next((path for path in ("/dev/vda", "/dev/sda", "/dev/nvme0n1") if Path(path).exists()), "/dev/loop0")
FILES = [
    *("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes"),
    *("memory.swappiness", "memory.oom_control", "cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us"),
    *("cpu.cfs_burst_us", "cpu.idle", "cpuset.cpus", "cpuset.mems", "pids.max"),
    *(f"blkio.throttle.{way}_{unit}_device" for way in ("read", "write") for unit in ("bps", "iops")),
    *("blkio.bfq.weight", "blkio.bfq.weight_device", "blkio.weight", "blkio.weight_device"),
    *("memory.max", "memory.swap.max", "memory.low", "memory.high", "memory.min", "cpu.max", "cpu.weight"),
    *("io.max", "io.weight", "io.bfq.weight", "cpuset.cpus.effective", "hugetlb.2MB.max"),
]
# Files that differ, and why.
WEIGHT = (
    "this dockerd looks for blkio.weight, which kernels since 5.0 have not got, and leaves the weight out"
)
WEIGHT_FILES = ("blkio.bfq.weight", "blkio.bfq.weight_device", "io.bfq.weight", "io.weight")
PAGES = "the sum is made of the limit as the kernel rounded it, at most a page less"
CURVE = "runc before 1.3 makes a weight of 39 of 1024 shares, runc issue 4772"
OLDER_RUNC = {"cpu.weight": CURVE}

COMBINATIONS: list[tuple[str, dict[str, str]]] = [
    ("", {}),
    ("--memory 64m", {}),
    ("--memory 6m", {}),
    ("--memory 33000000", {"memory.memsw.limit_in_bytes": PAGES, "memory.swap.max": PAGES}),
    ("--memory 64m --memory-swap 128m --memory-swappiness 20", {}),
    ("--memory 64m --memory-swap 64m", {}),
    ("--memory 64m --memory-swap 100m", {}),
    ("--memory 64m --memory-swap -1", {}),
    ("--memory-reservation 32m", {}),
    ("--memory 64m --memory-reservation 32m --oom-kill-disable", {}),
    ("--cpus 0.2", {}),
    ("--cpus 1.5", {}),
    ("--cpu-quota 50000", {}),
    ("--cpu-period 50000", {}),
    ("--cpu-quota 20000 --cpu-period 50000", {}),
    ("--cpu-shares 2", OLDER_RUNC),
    ("--cpu-shares 512", OLDER_RUNC),
    ("--cpu-shares 1024", OLDER_RUNC),
    ("--cpu-shares 3000", OLDER_RUNC),
    ("--cpuset-cpus 0", {}),
    ("--cpuset-cpus 0-1", {}),
    ("--cpuset-mems 0", {}),
    ("--cpuset-cpus 1 --cpuset-mems 0", {}),
    ("--pids-limit 20", {}),
    ("--pids-limit -1", {}),
    (f"--device-read-bps {DISK}:1mb", {}),
    (f"--device-write-bps {DISK}:2mb --device-write-iops {DISK}:100", {}),
    (f"--device-read-iops {DISK}:50 --device-read-bps {DISK}:1mb", {}),
    ("--blkio-weight 300", dict.fromkeys(WEIGHT_FILES, WEIGHT)),
    (
        "--memory 96m --memory-swap 192m --cpus 0.5 --pids-limit 30 --cpuset-cpus 0 --cpu-shares 2048",
        OLDER_RUNC,
    ),
    (f"--memory 64m --memory-reservation 16m --device-read-bps {DISK}:4mb --cpu-quota 10000", {}),
]


@pytest.fixture(scope="module")
def loaded(docker: Docker, busybox_for_docker: Path) -> Docker:
    docker("load", "-i", busybox_for_docker)
    return docker


def held(group: str) -> dict[str, str]:
    """The text of each of FILES that a group of this path has in some hierarchy."""
    places = [where / file for where in limits.groups(group) for file in FILES]
    return {place.name: place.read_text().strip() for place in places if place.exists()}


@pytest.mark.parametrize(
    ("words", "differing"), COMBINATIONS, ids=[words or "none" for words, _ in COMBINATIONS]
)
def test_the_kernel_holds_the_same(
    minirun: Minirun, loaded: Docker, words: str, differing: dict[str, str]
) -> None:
    """But for the files that are listed, each with its reason, and only on hosts that have them."""
    theirs = (
        loaded("run", "-d", "--network", "none", *words.split(), "busybox", "sleep", "1000")
        .strip()
        .splitlines()[-1]
    )
    ours = containers.start(minirun, *words.split(), "busybox", "sleep", "1000")
    of_docker, of_minirun = held(f"/docker/{theirs}"), held(f"/minirun/{ours.id}")
    loaded("rm", "-f", theirs)
    assert of_docker, "dockerd has its groups somewhere else"
    different = {file for file in of_docker if of_docker[file] != of_minirun.get(file)}
    assert different <= set(differing), {file: (of_docker[file], of_minirun.get(file)) for file in different}
