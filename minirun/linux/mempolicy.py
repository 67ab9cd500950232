"""From which NUMA nodes a process gets its memory: the words of `linux.memoryPolicy`, for set_mempolicy(2).

See      set_mempolicy(2), numa(7); runtime-spec config-linux.md "Memory policy"
By hand  numactl --membind=0 COMMAND; grep bind /proc/PID/numa_maps
"""

from __future__ import annotations

from minirun.errors import UsageError
from minirun.linux import cgroup_limits, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_MODES = {  # <linux/mempolicy.h>
    "MPOL_DEFAULT": 0,
    "MPOL_PREFERRED": 1,
    "MPOL_BIND": 2,
    "MPOL_INTERLEAVE": 3,
    "MPOL_LOCAL": 4,
    "MPOL_PREFERRED_MANY": 5,
    "MPOL_WEIGHTED_INTERLEAVE": 6,
}
_FLAGS = {"MPOL_F_NUMA_BALANCING": 1 << 13, "MPOL_F_RELATIVE_NODES": 1 << 14, "MPOL_F_STATIC_NODES": 1 << 15}
_NODES_MAX = 1024  # MAX_NUMNODES of the largest configuration


class Policy:
    """What set_mempolicy(2) is to be told."""

    def __init__(self, asked: Mapping[str, Any]) -> None:
        """From config.json's object.  Raises UsageError that names what is wrong in it."""
        self.words = asked["mode"], str(asked.get("nodes") or "")
        self.mode = _number(_MODES, asked["mode"], "mode")
        for number, flag in enumerate(asked.get("flags") or []):
            self.mode |= _number(_FLAGS, flag, f"flags[{number}]")
        try:
            nodes = cgroup_limits.numbers(self.words[1].replace(" ", ""))
        except UsageError as error:
            raise UsageError(f"config.json: linux.memoryPolicy.nodes: {error}") from None
        if nodes and max(nodes) >= _NODES_MAX:
            raise UsageError(f"config.json: linux.memoryPolicy.nodes: there is no node {max(nodes)}")
        self.nodes = sum(1 << node for node in nodes)

    def apply(self) -> None:
        """For this process, and what it becomes.  SyscallError EINVAL: a node is not there, or not for this mode."""
        syscalls.set_mempolicy(
            self.mode, self.nodes, shown=self.words, why="from which nodes its memory is to be"
        )


def known() -> dict[str, list[str]]:
    """Its words, as features-linux.md "Memory policy" has them."""
    return {"modes": list(_MODES), "flags": list(_FLAGS)}


def _number(table: Mapping[str, int], word: str, key: str) -> int:
    if word not in table:
        hint = f"it is one of {', '.join(table)}"
        raise UsageError(f'config.json: linux.memoryPolicy.{key}: "{word}" is not known', hint)
    return table[word]
