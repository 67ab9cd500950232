"""The graph of steps, walked: what is in the cache is taken, the rest is done, side by side where it can be.

    ready   all that a node needs is there
    hit     its key is in the cache: nothing is done, and nothing below it need be unpacked
    job     a child works on it (steps.py); as many at a time as there are CPUs, four at least: many a RUN only waits

A step that starts from a stage which the target does not need is not in the graph at all (plan.py).  The first failure
ends those that still run; what was complete by then stays in the cache.

See      poll(2)
Next     means.py
"""

from __future__ import annotations

import contextlib
import os
import select

from minirun.build import cache as caching
from minirun.build import history, keys, nodes, steps
from minirun.build import layer as layers
from minirun.build.cache_format import Made
from minirun.build.explain_run import Tracing
from minirun.build.jobs import Job
from minirun.build.means import Built
from minirun.build.progress import Vertex
from minirun.errors import MinirunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from minirun.build.cache import Record
    from minirun.build.means import Means
    from minirun.build.nodes import Node, Step
    from minirun.build.plan import Plan
    from minirun.build.progress import Progress
    from minirun.paths import Paths

    Json = dict[str, Any]

_JOBS_MIN = 4
_IDLE_MILLISECONDS = 100


class StepFailed(MinirunError):
    """A step that could not be done; `exit_code` is that of a RUN's program, `work` what was to be done."""

    def __init__(self, message: str, hint: str, work: steps.Work, exit_code: int = 0) -> None:
        super().__init__(message, hint)
        self.failed = work.step
        self.work = work
        self.exit_code = exit_code


class Solver:
    """One walk.  `built` and `records` have what came of each node."""

    def __init__(self, paths: Paths, found: Plan, means: Means, progress: Progress) -> None:
        self.paths = paths
        self.nodes = found.nodes()
        self.steps = [node for node in self.nodes if isinstance(node, nodes.Step)]
        self.cache = means.cache
        self.means = means
        self.progress = progress
        self.built: dict[Node, Built] = {}
        self.records: dict[Step, Record] = {}
        self.hits: dict[Step, bool] = {}
        self.inputs: dict[Step, Json] = {}
        self.contents: dict[
            Step, list[str]
        ] = {}  # what a step found in stages it reads from, where it looked
        self.vertices = {node: Vertex(node.label, getattr(node, "stage", "")) for node in self.nodes}
        self._running: dict[Job, Step] = {}
        self._works: dict[Step, steps.Work] = {}
        self._limit = max(_JOBS_MIN, os.cpu_count() or 1)

    def run(self) -> None:
        """All of it.  Raises StepFailed, with nothing running any more."""
        waiting = list(self.nodes)
        try:
            while waiting or self._running:
                waiting = self._begin_ready(waiting)
                if self._running:
                    self._poll()
        finally:
            self._stop()

    def _begin_ready(self, waiting: list[Node]) -> list[Node]:
        """Take or begin what is ready; returns what is not.  Nodes come after what they need, so one pass does."""
        left: list[Node] = []
        for node in waiting:
            if isinstance(node, nodes.Base):
                self.built[node] = Built(node, [])
                self.progress.cached(self.vertices[node])
            elif not all(need in self.built for need in node.needs()) or not self._begin(node):
                left.append(node)
        return left

    def _begin(self, step: Step) -> bool:
        """From the cache, or by a job; False where there is no room for one."""
        if step not in self.inputs:  # else it waits for room, and is what it was
            self.inputs[step] = keys.first_inputs(step, self.means, self.built)
        key = caching.key(step.kind, **self.inputs[step])
        record = None if self._unwanted(step) else self.cache.find(key)
        if record:
            self._complete(step, record, hit=True)
            return True
        if len(self._running) >= self._limit:
            return False
        parents = self.built[step.parent].directories(self.paths)
        sources = keys.source_directories(step, self.built, self.paths)
        work = steps.Work(step, key, self.means, self.built[step.parent].diff_ids, parents, sources)
        work.ignores_cache = bool(self._unwanted(step))
        layers.load()
        self.progress.start(self.vertices[step])
        self._works[step] = work
        if isinstance(step, nodes.RunStep):
            self._prepare_run(step, work)
        job = Job(work)
        job.tracing = work.tracing
        self._running[job] = step
        return True

    def _prepare_run(self, step: nodes.RunStep, work: steps.Work) -> None:
        """What a RUN's child finds when it begins."""
        if self.means.tell:
            work.tracing = Tracing()
        if step.network == "default":
            with work.tracing.on() if work.tracing else contextlib.nullcontext():
                self.means.network.start()

    def _unwanted(self, step: Step) -> str:
        """The option by which it is to be done again, whatever the cache has, or ""."""
        if self.means.no_cache:
            return "--no-cache"
        return "--no-cache-filter" if step.stage in self.means.no_cache_stages else ""

    # -- jobs at work --

    def _poll(self) -> None:
        """Wait for something to happen, a tenth of a second at most."""
        poll = select.poll()
        jobs = {fd: job for job in self._running for fd in job.descriptors()}
        for fd in jobs:
            poll.register(fd, select.POLLIN)
        events = poll.poll(_IDLE_MILLISECONDS)
        # what a program has written is shown before its end is
        for fd, _ in sorted(events, key=lambda event: event[0] == jobs[event[0]].sock.fileno()):
            self._ready(jobs[fd], fd)
        self.progress.idle()

    def _ready(self, job: Job, fd: int) -> None:
        if job not in self._running:
            return
        step = self._running[job]
        if fd in job.outputs:
            stream = job.outputs[fd]
            if block := job.read_output(fd):
                self.progress.output(self.vertices[step], stream, block)
            return
        if fd == job.sock.fileno():
            self._report(job, step)
        elif job.tracing:
            job.tracing.read()

    def _report(self, job: Job, step: Step) -> None:
        try:
            report = job.next_report()
        except MinirunError as error:
            self._drain(job, step)
            self._fail(step, error.message, error.hint)
        if report is None:
            self._fail(step, "the process that was at work on it was killed", "`dmesg` may know why")
        self._drain(job, step)
        self._finish(job)
        if "exit_code" in report:
            self._fail(step, self._words(step, report["exit_code"]), "", report["exit_code"])
        self.contents[step] = report["read"]
        self._complete(step, report["record"], hit=report["hit"])

    def _words(self, step: Step, code: int) -> str:
        command = " ".join(step.args) if isinstance(step, nodes.RunStep) else step.shown
        return f"process {history.quoted(command)} did not complete successfully: exit code: {code}"

    def _drain(self, job: Job, step: Step) -> None:
        """The last of its output: it has ended, so whatever there is is in the pipes."""
        for fd in list(job.outputs):
            os.set_blocking(fd, False)
            try:
                while block := job.read_output(fd):
                    self.progress.output(self.vertices[step], job.outputs.get(fd, 1), block)
            except BlockingIOError:  # somebody it has started holds the other end
                pass
        if job.tracing and self.means.tell:
            job.tracing.read()
            self.progress.pause()
            self.means.tell(self.vertices[step].name, job.pid, job.tracing.messages)

    def _finish(self, job: Job) -> None:
        del self._running[job]
        job.close()

    def _complete(self, step: Step, record: Record, *, hit: bool) -> None:
        below = self.built[step.parent]
        self.built[step] = Built(below.base, [*below.layers, caching.layer_of(record)])
        self.records[step] = record
        self.hits[step] = hit
        if hit:
            self.progress.cached(self.vertices[step])
        else:
            self.progress.done(self.vertices[step])

    def _fail(self, step: Step, message: str, hint: str, code: int = 0) -> NoReturn:
        self.progress.failed(self.vertices[step], message)
        raise StepFailed(message, hint, self._works[step], code)

    def made(self, in_result: set[Step]) -> list[Made]:
        """The steps that are done, as a cache carries them elsewhere."""
        return [
            Made(
                caching.key(step.kind, **self.inputs[step]),
                self.records[step],
                self.built[step.parent].diff_ids,
                step in in_result,
            )
            for step in self.steps
            if step in self.records
        ]

    def facts(self) -> list[Json]:
        """What --explain-cache tells of each step that was begun, as plain data."""
        places: dict[str, int] = {}
        found = []
        for step in self.steps:
            places[step.stage] = places.get(step.stage, 0) + 1
            if step not in self.hits and self._works.get(step) is None:
                continue
            above = step.parent if isinstance(step.parent, nodes.Step) else None
            found.append(
                {
                    "label": step.label,
                    "stage": step.stage,
                    "place": places[step.stage],
                    "kind": step.kind,
                    "shown": step.shown,
                    "arguments": step.arguments if isinstance(step, nodes.RunStep) else [],
                    "inputs": self.inputs[step],
                    "rows": [
                        self.means.rows.get((step, place)) for place, _ in enumerate(keys.sources(step))
                    ],
                    "layer": self.records[step]["layer"] if step in self.records else "",
                    "hit": self.hits.get(step, False),
                    "content": self.contents.get(step, []),
                    "unwanted": self._unwanted(step),
                    "above": above is not None,
                    "above_hit": above is None or self.hits[above],
                    "base": self.built[step.parent].base.name,
                }
            )
        return found

    def _stop(self) -> None:
        """End what still runs, since something else has failed or a person has typed Ctrl-C."""
        running = list(self._running.items())
        for job, step in running:
            job.kill()
            self._finish(job)
            if not self.vertices[step].completed:
                self.progress.canceled(self.vertices[step])
        if running:
            layers.clear_leftovers(self.paths)
