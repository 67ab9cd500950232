"""One step, done by a child of the build: its overlay, its work, its layer, its line in the cache.

    key       before anything: may it be taken from the cache?
    Work      in the child: wait for another build that is at the same step; look again; work; publish

Some inputs are known only by reading them in a stage that was just built.  Such a step has two keys, one by where it
reads from (the stage's layers) and one by what it finds there; it is recorded under both, so a stage that was built
anew with the same result in the place that matters is no reason to go on anew.

See      jobs.py, layer.py, cache.py
Next     run.py
"""

from __future__ import annotations

import contextlib
import os

from minirun.build import cache as caching
from minirun.build import copying, digests, ownership, plan, run, selection
from minirun.build.layer import Layer, Workspace
from minirun.build.run_mounts import Supply
from minirun.build.tree import Tree
from minirun.engine import records
from minirun.engine.files import detached
from minirun.image import chain
from minirun.linux import trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from typing import Any

    from minirun.build.cache import Cache, Record
    from minirun.build.digests import Row
    from minirun.build.explain_run import Tell, Tracing
    from minirun.build.jobs import Report
    from minirun.build.network import Network
    from minirun.build.options import Agent, Secret
    from minirun.build.plan import CopyStep, Node, RunStep, Source, Step, WorkdirStep
    from minirun.build.run_state import RunState
    from minirun.build.selection import Order, Selection
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
        self.selections: dict[
            tuple[Step, int], Selection
        ] = {}  # of what is read from a context, by the place in the step
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

    def __init__(self, base: plan.Base, layers: list[Layer]) -> None:
        self.base = base
        self.layers = layers

    @property
    def diff_ids(self) -> list[str]:
        return [*self.base.diff_ids, *(layer.diff_id for layer in self.layers)]

    @property
    def chain_id(self) -> str:
        """What it is, by content; "" for nothing at all."""
        return chain.chain_ids(self.diff_ids)[-1] if self.diff_ids else ""

    def directories(self, paths: Paths) -> list[str]:
        """For overlayfs's lowerdir, lowest first.  What is not unpacked yet is unpacked now."""
        below = self.base.image.layer_paths() if self.base.image else []
        return chain.each_once([*below, *(layer.path(paths) for layer in self.layers)])


# ---- keys -------------------------------------------------------------------------------------------------


def first_inputs(step: Step, means: Means, built: dict[Node, Built]) -> dict[str, Any]:
    """What it is looked for by at first: stages that it reads from are told by their layers."""
    read = []
    for place, source in enumerate(sources(step)):
        if source is None or source.node is None:
            read.append(means.digests.get((step, place), ""))
        else:
            read.append(f"chain {built[source.node].chain_id}")
    return inputs(step, means, built[step.parent].chain_id, read)


def inputs(step: Step, means: Means, parent: str, read: list[str]) -> dict[str, Any]:
    """All that decides what a step makes; `read` are digests of what it reads, in the order of its sources."""
    found: dict[str, Any] = {"parent": parent, "read": read, "epoch": means.epoch}
    if isinstance(step, plan.RunStep):
        found |= {
            "args": step.args,
            "files": step.files,
            "env": step.env,
            "user": step.user,
            "workdir": step.workdir,
            "network": step.network,
            "insecure": step.insecure,
            "mounts": [vars(mount) for mount in step.mounts],
            "hosts": means.extra_hosts,
        }
    elif isinstance(step, plan.CopyStep):
        instruction = step.instruction
        found |= {
            "word": "ADD" if instruction.is_add else "COPY",
            "target": step.target,
            "workdir": step.workdir,
            "chown": step.chown,
            "chmod": step.chmod,
            "link": instruction.link,
            "parents": instruction.parents,
            "unpack": instruction.unpack,
        }
        if instruction.link and not _needs_names(step):
            found["parent"] = ""  # it is laid over whatever is there
    elif isinstance(step, plan.WorkdirStep):
        found |= {"path": step.path, "user": step.user}
    return found


def _needs_names(step: CopyStep) -> bool:
    """Whether --chown has names, which the image's /etc/passwd and /etc/group explain."""
    return bool(step.chown) and not all(part.isdecimal() for part in step.chown.split(":"))


def sources(step: Step) -> list[Source | None]:
    """Where it reads, in its instruction's order."""
    if isinstance(step, plan.CopyStep):
        return [step.source]
    return list(step.sources) if isinstance(step, plan.RunStep) else []


def source_directories(step: Step, built: dict[Node, Built], paths: Paths) -> list[list[str]]:
    """The layers of the stages and images it reads from, lowest first; [] for a context."""
    return [
        built[source.node].directories(paths) if source and source.node else [] for source in sources(step)
    ]


def order_of(step: CopyStep) -> Order:
    """What one COPY or ADD asks for, as selection.py and copying.py take it."""
    instruction = step.instruction
    return selection.Order(
        step.sources,
        step.target,
        files=step.files,
        workdir=step.workdir,
        exclude=step.exclude,
        parents=instruction.parents,
        is_add=instruction.is_add,
        unpack=instruction.unpack,
        remotes=step.remotes,
    )


# ---- the child --------------------------------------------------------------------------------------------


class Work:
    """What a job does.  `below` are the layers it stands on, `sources` those of the stages it reads from."""

    def __init__(
        self,
        step: Step,
        key: str,
        means: Means,
        diff_ids: list[str],
        below: list[str],
        sources: list[list[str]],
    ) -> None:
        self.step = step
        self.keys = [key]
        self.means = means
        self.diff_ids = diff_ids
        self.below = below
        self.sources = sources
        self.ignores_cache = False
        self.tracing: Tracing | None = None  # of --explain
        self.trees: list[Tree | None] = [None for _ in sources]

    def __call__(self, report: Report, streams: tuple[int, int, int]) -> None:
        lock = self.means.cache.lock(self.keys[0])  # another build may be at this very step
        workspace = Workspace(self.means.paths)
        try:
            record = self._known() or self._known_by_content(workspace)
            if record:
                report({"record": record, "hit": True})
                return
            code = self._do(workspace, streams)
            if code:
                report({"exit_code": code})
            else:
                report({"record": self._publish(workspace), "hit": False})
        finally:
            workspace.close()
            os.close(lock)

    def _known(self) -> Record | None:
        return None if self.ignores_cache else self.means.cache.find_again(self.keys[-1])

    def _known_by_content(self, workspace: Workspace) -> Record | None:
        """The same by what it finds in the stages that it reads from."""
        if not any(self.sources):
            return None
        read, nothing = [], digests.Remembered(self.means.paths, "")
        self.trees = [
            _mounted(workspace, place, layers, self.step.shown) for place, layers in enumerate(self.sources)
        ]
        for place, tree in enumerate(self.trees):
            if tree is None:
                read.append(self.means.digests.get((self.step, place), ""))
            else:
                chosen = select(self.step, place, tree)
                self.means.selections[self.step, place] = chosen
                read.append(chosen.digest(nothing))
        parent = chain.chain_ids(self.diff_ids)[-1] if self.diff_ids else ""
        self.keys.append(caching.key(self.step.kind, **inputs(self.step, self.means, parent, read)))
        record = self._known()
        if record:
            self.means.cache.add(self.keys[0], record)
        return record

    def _do(self, workspace: Workspace, streams: tuple[int, int, int]) -> int:
        """The work itself; returns the exit code of a RUN."""
        step = self.step
        if isinstance(step, plan.RunStep):
            with self.tracing.on() if self.tracing else contextlib.nullcontext():
                trace.step("overlay", "the layers so far below, read-only; what the RUN changes on top")
                workspace.mount(self.below)
                return self._run(step, workspace, streams)
        is_linked = isinstance(step, plan.CopyStep) and step.instruction.link
        workspace.mount([] if is_linked else self.below)
        if isinstance(step, plan.CopyStep):
            self._copy(step, workspace)
        elif isinstance(step, plan.WorkdirStep):
            make_workdir(workspace.merged, step, self.means.epoch)
        return 0

    def open_shell(self, streams: tuple[int, int, int], console: socket.socket) -> int:
        """A shell in the state before a RUN, on a tree of its own that nothing is kept of."""
        assert isinstance(self.step, plan.RunStep)
        workspace = Workspace(self.means.paths)
        try:
            workspace.mount(self.below)
            return self._run(self.step, workspace, streams, console)
        finally:
            workspace.close()

    def _copy(self, step: CopyStep, workspace: Workspace) -> None:
        with contextlib.ExitStack() as opened:
            root = opened.enter_context(_opened(workspace.merged))
            users = None
            if step.instruction.link and _needs_names(step):
                users = opened.enter_context(_opened(_view(workspace, "users", self.below)))
            changed = copying.copy(
                self.means.selections[step, 0],
                order_of(step),
                root,
                chown=step.chown,
                chmod=step.chmod,
                epoch=self.means.epoch,
                users=users,
            )
        if changed:  # what was made is not what the key says
            self.keys = []

    def _run(
        self,
        step: RunStep,
        workspace: Workspace,
        streams: tuple[int, int, int],
        console: socket.socket | None = None,
    ) -> int:
        """Its program, or with a `console` a shell in the place of that."""
        means = self.means
        order = run.RunOrder(
            step.shell[:1] if console else step.args,
            env=[f"{name}={value}" for name, value in {**step.hidden_env, **step.env}.items()],
            user=step.user,
            workdir=step.workdir,
            mounts=step.mounts,
            files=step.files,
            network=step.network,
            insecure=step.insecure,
            extra_hosts=means.extra_hosts,
            shm_size=means.shm_size,
            rlimits=means.rlimits,
            resources=means.resources,
        )
        supply = Supply(self._mount_sources(step), means.secrets, means.ssh)
        namespace = means.network.path() if step.network == "default" else ""
        return run.run(means.run_state, order, workspace.merged, streams, namespace, supply, console)

    def _mount_sources(self, step: RunStep) -> dict[str, Tree | list[str]]:
        """What --mount reads from, by the name that from= has; "" is the build's context."""
        found: dict[str, Tree | list[str]] = {}
        for place, (mount, source) in enumerate(zip(step.mounts, step.sources, strict=True)):
            if source:
                found[mount.source_stage] = (
                    self.sources[place] if source.node else self.means.contexts[source.context]
                )
        return found

    def _publish(self, workspace: Workspace) -> Record:
        store = self.means.store if self.step in self.means.packed else None
        layer = workspace.finish(self.diff_ids, epoch=self.means.epoch, store=store)
        record: Record = {
            "created": records.now(),
            "step": self.step.shown,
            "layer": layer.name,
            "diff_id": layer.diff_id,
            "size": layer.size,
            "blob": layer.descriptor,
        }
        for one in self.keys:
            self.means.cache.add(one, record)
        return record


def select(step: Step, place: int, tree: Tree) -> Selection:
    """What the step reads of a tree: its COPY's sources, or a mount's."""
    if isinstance(step, plan.CopyStep):
        return selection.select(tree, order_of(step))
    assert isinstance(step, plan.RunStep)
    return selection.select_path(tree, step.mounts[place].source or "/")


def _mounted(workspace: Workspace, place: int, layers: list[str], shown: str) -> Tree | None:
    """A stage or an image to read from, `shown` so in errors; None for a context, which is there."""
    if not layers:
        return None
    directory = _view(workspace, f"from-{place}", layers)
    return Tree(os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), shown)


def _view(workspace: Workspace, name: str, layers: list[str]) -> str:
    """A directory where `layers` (lowest first) are seen as one tree, to be read only."""
    if len(layers) == 1:
        return layers[0]
    directory = f"{workspace.directory}/{name}"
    os.mkdir(directory)
    return detached.mount_readonly(layers[::-1], directory) if layers else directory


@contextlib.contextmanager
def _opened(directory: str) -> Iterator[int]:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def make_workdir(merged: str, step: WorkdirStep, epoch: int | None) -> None:
    """WORKDIR: the directory and those above it, as far as they are missing, USER's."""
    with _opened(merged) as root:
        copying.make_directory(root, step.path, ownership.owner_of_workdir(step.user, root), epoch)
