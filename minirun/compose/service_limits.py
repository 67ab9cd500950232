"""A service's limits as the engine's: its own keys, and what `deploy.resources` says, which has the last word.

See   compose-spec 05-services.md, deploy.md "resources"; engine/options/limits.py
"""

from __future__ import annotations

from minirun.engine.options import limits, run_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from minirun.compose.language.model import Service
    from minirun.engine.record_types import RunOptions
    from minirun.runtime.config import Rlimit

_RATES = ("device_read_bps", "device_read_iops", "device_write_bps", "device_write_iops")  # of blkio_config


def apply(options: RunOptions, service: Service) -> None:
    """All that the service says about limits into the options."""
    options["resources"] = limits.with_swap(limits.resources(**_words(service)))
    options["cgroup_parent"] = service.get("cgroup_parent", "")
    options["shm_size"] = limits.size(str(service.get("shm_size") or 0), "shm_size")
    options["oom_score_adj"] = service.get("oom_score_adj", 0)
    options["rlimits"] = list(rlimits(service.get("ulimits") or {}))


def _words(service: Service) -> dict[str, Any]:
    """What limits.resources() is to be told.

    A reservation of CPUs means something to a scheduler alone.  What is 0 or empty was not said.
    """
    blkio = service.get("blkio_config") or {}
    resources = (service.get("deploy") or {}).get("resources") or {}
    most, least = resources.get("limits") or {}, resources.get("reservations") or {}
    said = {
        "memory": most.get("memory") or service.get("mem_limit"),
        "memory_swap": service.get("memswap_limit"),
        "memory_reservation": least.get("memory") or service.get("mem_reservation"),
        "cpus": most.get("cpus") or service.get("cpus"),
        "cpu_quota": service.get("cpu_quota"),
        "cpu_period": service.get("cpu_period"),
        "cpu_shares": service.get("cpu_shares"),
        "cpuset_cpus": service.get("cpuset"),
        "pids_limit": most.get("pids") or service.get("pids_limit"),
        "blkio_weight": blkio.get("weight"),
        "blkio_weight_device": [_of_device(one, "weight") for one in blkio.get("weight_device") or []],
        **{key: [_of_device(one, "rate") for one in blkio.get(key) or []] for key in _RATES},
    }
    texts = ("memory", "memory_swap", "memory_reservation", "cpus")
    return {word: str(value) if word in texts else value for word, value in said.items() if value}


def _of_device(given: dict[str, Any], key: str) -> str:
    """`/dev/sda:500`.  Docker Compose spells these keys with a capital letter when it prints them."""
    lowered = {name.lower(): value for name, value in given.items()}
    return f"{lowered['path']}:{lowered[key]}"


def rlimits(ulimits: dict[str, Any]) -> Iterator[Rlimit]:
    """`nofile: 1024`, `nofile: {soft: 1024, hard: 2048}`"""
    for name, value in ulimits.items():
        both = f"{value['soft']}:{value['hard']}" if isinstance(value, dict) else str(value)
        yield run_options.ulimit(f"{name}={both}")
