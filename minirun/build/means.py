"""What all steps of a build share, and what a step leaves for those that stand on it.

Next     keys.py
"""

from __future__ import annotations

from minirun.image import chain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.build import nodes
    from minirun.build.cache import Cache
    from minirun.build.digests import Row
    from minirun.build.explain_run import Tell
    from minirun.build.layer import Layer
    from minirun.build.network import Network
    from minirun.build.nodes import Step
    from minirun.build.options import Agent, Secret
    from minirun.build.run_state import RunState
    from minirun.build.selection import Selection
    from minirun.build.tree import Tree
    from minirun.image.store import Store
    from minirun.paths import Paths
    from minirun.runtime.config import Rlimit


class Means:
    """What all steps of a build share."""

    def __init__(self, paths: Paths, cache: Cache, store: Store) -> None:
        self.paths = paths
        self.cache = cache
        self.store = store
        self.epoch: int | None = None  # SOURCE_DATE_EPOCH
        self.no_cache = False
        self.no_cache_stages: frozenset[str] = frozenset()
        self.packed: frozenset[Step] = frozenset()  # steps whose layers will be in the image
        self.contexts: dict[str, Tree] = {}
        # what is read from a context, by the step and the place among its sources
        self.selections: dict[tuple[Step, int], Selection] = {}
        self.rows: dict[tuple[Step, int], list[Row]] = {}  # what digests.py says of it
        self.digests: dict[tuple[Step, int], str] = {}
        self.run_state: RunState
        self.extra_hosts: list[list[str]] = []
        self.shm_size = 0
        self.rlimits: list[Rlimit] = []
        self.resources: dict[str, Any] = {}
        self.secrets: dict[str, Secret] = {}
        self.ssh: dict[str, Agent] = {}
        self.network: Network  # of all RUNs
        self.tell: Tell | None = None  # of --explain


class Built:
    """A node that is there: the base it stands on, and the layers of the steps since."""

    def __init__(self, base: nodes.Base, layers: list[Layer]) -> None:
        self.base = base
        self.layers = layers

    @property
    def diff_ids(self) -> list[str]:
        return [*self.base.diff_ids, *(layer.diff_id for layer in self.layers)]

    @property
    def chain_id(self) -> str:
        """What it is, by content; "" for nothing at all."""
        return chain.chain_id(self.diff_ids)

    def directories(self, paths: Paths) -> list[str]:
        """For overlayfs's lowerdir, lowest first.  What is not unpacked yet is unpacked now."""
        below = self.base.image.layer_paths() if self.base.image else []
        return chain.each_once([*below, *(layer.path(paths) for layer in self.layers)])
