"""A container's limits and counts as the kernel's files have them, on hosts of every kind, without minirun's help.

Tests ask for the v2 file.  Where a v1 hierarchy holds the controller its file is read and put as v2 would: a second
conversion beside the one in linux/cgroups_v1.py, of what the tests look at alone.
"""

import re
from collections.abc import Callable
from pathlib import Path

NO_LIMIT = 2**63 - 4096  # what v1 shows where v2 says "max"


def v1_mounts() -> dict[str, Path]:
    """{"memory": /sys/fs/cgroup/memory, ...} of those that limit or count; {} on a v2 host."""
    found = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ")
        if right.startswith("cgroup "):
            found.update(dict.fromkeys(right.split()[2].split(","), Path(left.split()[4])))
    return {
        name: found[name] for name in ("memory", "cpu", "cpuacct", "cpuset", "pids", "blkio") if name in found
    }


def cgroup2_mount() -> Path | None:
    """Where the cgroup2 hierarchy is mounted, if it is."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ")
        if right.startswith("cgroup2 "):
            return Path(left.split()[4])
    return None


def controllers() -> set[str]:
    """Those by which this host can limit, by their v2 names."""
    top = cgroup2_mount()
    here = set((top / "cgroup.controllers").read_text().split()) if top else set()
    return here | {"io" if name == "blkio" else name for name in v1_mounts()}


def groups(path: str) -> list[Path]:
    """The directories of a group that are there: cgroup2's, and those in v1 hierarchies."""
    tops = [cgroup2_mount(), *v1_mounts().values()]
    return [top / path.strip("/") for top in tops if top and (top / path.strip("/")).is_dir()]


def kernel(path: str, file: str) -> str:
    """The group's v2 `file` without the last newline.  FileNotFoundError when the kernel has not got it."""
    controller = "blkio" if file.startswith("io.") else file.partition(".")[0]
    if file not in _V1 or controller not in v1_mounts():
        top = cgroup2_mount()
        assert top
        return (top / path.strip("/") / file).read_text().strip()
    where = v1_mounts()[controller] / path.strip("/")
    return _V1[file](lambda name: (where / name).read_text().strip())


def keyed(path: str, file: str) -> dict[str, int]:
    """A file of `key number` lines."""
    return {name: int(value) for name, value in map(str.split, kernel(path, file).splitlines())}


Read = Callable[[str], str]


def _bytes(text: str) -> str:
    return "max" if int(text) >= NO_LIMIT else text


def _swap(read: Read) -> str:
    both = int(read("memory.memsw.limit_in_bytes"))
    return "max" if both >= NO_LIMIT else str(both - int(read("memory.limit_in_bytes")))


def _low(read: Read) -> str:
    text = _bytes(read("memory.soft_limit_in_bytes"))
    return "0" if text == "max" else text


def _quota(read: Read) -> str:
    return f"{read('cpu.cfs_quota_us').replace('-1', 'max')} {read('cpu.cfs_period_us')}"


def _weight(read: Read) -> str:
    return {"1024": "100", "512": "59", "2": "1"}[read("cpu.shares")]  # runc issue 4772's table


def _throttles(read: Read) -> str:
    names = {"rbps": "read_bps", "wbps": "write_bps", "riops": "read_iops", "wiops": "write_iops"}
    found = {kind: read(f"blkio.throttle.{name}_device").split() for kind, name in names.items()}
    device = next((words[0] for words in found.values() if words), "")
    return " ".join([device, *(f"{kind}={words[1] if words else 'max'}" for kind, words in found.items())])


_V1: dict[str, Callable[[Read], str]] = {
    "memory.max": lambda read: _bytes(read("memory.limit_in_bytes")),
    "memory.swap.max": _swap,
    "memory.low": _low,
    "memory.events": lambda read: "\n".join(re.findall("oom_kill [0-9]+", read("memory.oom_control"))),
    "cpu.max": _quota,
    "cpu.weight": _weight,
    "cpuset.cpus": lambda read: read("cpuset.cpus"),
    "pids.max": lambda read: read("pids.max"),
    "io.max": _throttles,
}


# ---- other hosts ------------------------------------------------------------------------------------------------


def in_mounts(script: str) -> list[str]:
    """Words before a command, which then runs in a mount namespace of its own after `script`."""
    return ["unshare", "--mount", "sh", "-ec", f'{script}; exec "$@"', "sh"]


# A host on which nothing holds a controller: no v1 hierarchy, and an empty list on cgroup2.
WITHOUT_CONTROLLERS = in_mounts(
    "findmnt -rno TARGET -t cgroup | xargs -r umount -l;"
    "mount --bind /dev/null $(findmnt -rno TARGET -t cgroup2 | head -n 1)/cgroup.controllers"
)
