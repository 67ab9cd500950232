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
from minirun.build import copying, digests, keys, nodes, ownership, run, selection
from minirun.build.layer import Workspace
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

    from minirun.build.cache import Record
    from minirun.build.explain_run import Tracing
    from minirun.build.jobs import Report
    from minirun.build.means import Means
    from minirun.build.nodes import CopyStep, RunStep, Step, WorkdirStep
    from minirun.build.selection import Order, Selection


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
        self.read: list[str] = []  # digests of what was found in the stages that it reads from
        self.tracing: Tracing | None = None  # of --explain
        self.trees: list[Tree | None] = [None for _ in sources]

    def __call__(self, report: Report, streams: tuple[int, int, int]) -> None:
        lock = self.means.cache.lock(self.keys[0])  # another build may be at this very step
        workspace = Workspace(self.means.paths)
        try:
            record = self._known() or self._known_by_content(workspace)
            if record:
                report({"record": record, "hit": True, "read": self.read})
                return
            code = self._do(workspace, streams)
            if code:
                report({"exit_code": code})
            else:
                report({"record": self._publish(workspace), "hit": False, "read": self.read})
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
        self.read = read
        parent = chain.chain_id(self.diff_ids)
        self.keys.append(caching.key(self.step.kind, **keys.inputs(self.step, self.means, parent, read)))
        record = self._known()
        if record:
            self.means.cache.add(self.keys[0], record)
        return record

    def _do(self, workspace: Workspace, streams: tuple[int, int, int]) -> int:
        """The work itself; returns the exit code of a RUN."""
        step = self.step
        if isinstance(step, nodes.RunStep):
            with self.tracing.on() if self.tracing else contextlib.nullcontext():
                trace.step("overlay", "the layers so far below, read-only; what the RUN changes on top")
                workspace.mount(self.below)
                return self._run(step, workspace, streams)
        is_linked = isinstance(step, nodes.CopyStep) and step.instruction.link
        workspace.mount([] if is_linked else self.below)
        if isinstance(step, nodes.CopyStep):
            self._copy(step, workspace)
        elif isinstance(step, nodes.WorkdirStep):
            make_workdir(workspace.merged, step, self.means.epoch)
        return 0

    def open_shell(self, streams: tuple[int, int, int], console: socket.socket) -> int:
        """A shell in the state before a RUN, on a tree of its own that nothing is kept of."""
        assert isinstance(self.step, nodes.RunStep)
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
            if step.instruction.link and keys.needs_names(step):
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
    if isinstance(step, nodes.CopyStep):
        return selection.select(tree, order_of(step))
    assert isinstance(step, nodes.RunStep)
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
