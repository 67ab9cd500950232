"""`minirun build`: a Dockerfile becomes an image, layer by layer.  The story; each of its steps has a file.

    context      what COPY reads from: a directory, an archive, an address                     context.py
    file         text -> lines -> stages of typed instructions                                 dockerfile.py, stages.py
    plan         instructions -> steps: words expanded, configs grown, what is needed          plan.py
    digests      what the steps read from the context, by content: the only look at its files  digests.py
    solve        from the cache, or done: RUN, COPY, WORKDIR, side by side                     solve.py, steps.py
    result       config, history and layers: an image                                          result.py, outputs.py

There is no daemon and nothing is sent anywhere: the context is read where it is, and a layer is the directory that a
step has written, renamed.

See      docs.docker.com "Dockerfile reference"
By hand  for each RUN: minirun run IMAGE ...; minirun commit
Next     dockerfile.py
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import sys
from typing import TYPE_CHECKING

from minirun.build import (
    calls,
    context,
    digests,
    dockerfile,
    keys,
    layer,
    nodes,
    outputs,
    plan,
    result,
    run_state,
    solve,
    stages,
    steps,
)
from minirun.build.cache import Cache
from minirun.build.image_parts import ImageParts
from minirun.build.layer import Layer
from minirun.build.means import Built, Means
from minirun.build.network import Network
from minirun.build.progress import Vertex, Warning
from minirun.build.source import BuildError, Source, excerpt
from minirun.engine import images
from minirun.errors import MinirunError, UnsupportedError, in_words
from minirun.image import names, platforms, reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from minirun.build.dockerfile import Dockerfile
    from minirun.build.explain_run import Tell
    from minirun.build.failed_shell import Terminal
    from minirun.build.options import BuildOptions
    from minirun.build.progress import Progress
    from minirun.build.tree import Context
    from minirun.image.image import Image
    from minirun.image.store import Store
    from minirun.paths import Paths


class Outcome:
    """What a build has come to."""

    def __init__(self) -> None:
        self.image_id = ""  # "" where no image was made
        self.metadata: dict[str, Any] = {}  # for --metadata-file
        self.warnings: list[Warning] = []
        self.source: Source | None = None  # the Dockerfile they are about
        self.report = ""  # of --call outline and targets
        self.explanation: list[str] = []  # of --explain-cache


def build(
    paths: Paths,
    options: BuildOptions,
    progress: Progress,
    terminal: Terminal | None = None,
    tell: Tell | None = None,
) -> Outcome:
    """Build what `options` ask for, and tell `progress` how it goes.

    `terminal` is for --on-error shell, `tell` for --explain.

    Standard input is read where the context or the Dockerfile is "-".  Raises MinirunError; a BuildError points at the
    lines of the Dockerfile that it is about.
    """
    store = images.store(paths)
    with contextlib.ExitStack() as held:
        one = _Build(paths, options, progress, store, held)
        one.terminal, one.tell = terminal, tell
        held.callback(one.sweep)
        held.enter_context(store.lease())  # new layers are in no image yet, and in no container
        return one.run()


class _Build:
    """One build, from its options to its outputs."""

    def __init__(
        self,
        paths: Paths,
        options: BuildOptions,
        progress: Progress,
        store: Store,
        held: contextlib.ExitStack,
    ) -> None:
        self.paths = paths
        self.options = options
        self.progress = progress
        self.store = store
        self.held = held  # given back at the end, however that comes
        self.contexts: dict[str, Context] = {}  # "" is that of the build, the others are --build-context
        self.image_contexts: dict[str, str] = {}
        self.outcome = Outcome()
        self.terminal: Terminal | None = None
        self.tell: Tell | None = None
        self.has_worked = False  # whether there may be anything that nothing leads to

    def run(self) -> Outcome:
        layer.clear_leftovers(self.paths)
        run_state.clear_leftovers(self.paths)
        file = self.load()
        if self.options["call"] != "build":
            return self.answer(file)
        self.name_contexts()
        with self.located():
            found = self.planned(file)
            self.outcome.warnings = calls.warnings(file, self.options, self.contexts[""].ignore, found)
            means = self.shared(found)
            told = outputs.vertices(self.options["outputs"])
            solver = solve.Solver(self.paths, found, means, self.progress)
            self.progress.expect([*solver.vertices.values(), *told])
            self.read_context(found, means)
            try:
                solver.run()
            except solve.StepFailed as error:
                self.account(solver, complete=False)
                self.open_shell(error)
                raise
            finally:
                self.has_worked = not all(solver.hits.values()) or len(solver.hits) < len(solver.steps)
        self.write(found, solver, told)
        self.account(solver)
        self.warn_of_unused(found)
        return self.outcome

    def answer(self, file: Dockerfile) -> Outcome:
        """--check and --call: nothing is built."""
        with self.located():
            if self.options["call"] == "check":
                self.outcome.warnings = calls.check(file, self.options, self.contexts[""].ignore)
            else:
                self.outcome.report = calls.report(file, self.options)
        return self.outcome

    def sweep(self) -> None:
        """What a failure has left, and of the cache what is too much; not where all came from there."""
        if self.has_worked:
            from minirun.build import usage

            usage.trim(self.paths)
        if self.has_worked or not all(output.is_image for output in self.options["outputs"]):
            self.store.sweep()

    # -- what it is made from --

    def load(self) -> Dockerfile:
        inline = self.options["dockerfile_inline"].encode()
        with self.vertex("[internal] load build definition from Dockerfile"):
            made, data, name = context.load(
                self.paths,
                self.options["context"],
                io.BytesIO(inline) if inline else sys.stdin.buffer,
                dockerfile="-" if inline else self.options["dockerfile"],
                keep_git_dir=self.options["build_args"].get("BUILDKIT_CONTEXT_KEEP_GIT_DIR") in ("1", "true"),
            )
            self.add_context("", made)
            self.outcome.source = Source(name, data.decode("utf-8", "replace"))
            with self.located():
                return dockerfile.parse(data, name)

    def add_context(self, name: str, made: Context) -> None:
        self.contexts[name] = made
        self.held.callback(made.close)

    def name_contexts(self) -> None:
        """--build-context: a directory, what an address leads to, or an image."""
        for name, value in self.options["build_contexts"].items():
            kind, _, rest = value.partition("://")
            if kind == "docker-image":
                self.image_contexts[name] = rest
            elif kind == "oci-layout" or value.startswith("target:"):
                hint = (
                    "a directory, an address, or docker-image://NAME; `minirun load` takes an OCI layout in"
                )
                raise UnsupportedError(f"--build-context {name}={value}: there is no such kind here", hint)
            else:
                with self.vertex(f"[context {name}] load {value}"):
                    self.add_context(name, context.named(self.paths, value))

    def planned(self, file: Dockerfile) -> plan.Plan:
        options = self.options
        arguments, found = stages.stages(file)
        settings = plan.Settings(
            target=options["target"],
            build_args=options["build_args"],
            platform=options["platform"],
            contexts=self.contexts.keys() - {""},
            image=self.image,
            image_contexts=self.image_contexts,
            can_run=_can_run,
            network=options["network"],
            labels=options["labels"],
            insecure_allowed="security.insecure" in options["allow"],
        )
        return plan.Plan(arguments, found, settings, file.escape)

    def image(self, name: str, platform: str) -> Image:
        """A base: from here, or from its registry."""
        shown = name if names.is_whole_id(name) else str(reference.parse(name))
        with self.vertex(f"[internal] load metadata for {shown}") as vertex:
            policy = "always" if self.options["pull"] else "missing"
            parts = ImageParts(self.progress, vertex)
            ensure = functools.partial(images.ensure, self.paths, name, policy, parts, platform)
            is_here = policy == "missing" and self.store.find(name) is not None
            return ensure() if is_here else parts.watch(ensure)

    # -- what is done --

    def shared(self, found: plan.Plan) -> Means:
        options = self.options
        made = Means(self.paths, self.cache(), self.store)
        made.tell = self.tell
        made.epoch = options["epoch"]
        made.no_cache = options["no_cache"]
        made.no_cache_stages = frozenset(options["no_cache_filter"])
        if any(output.kind in ("image", "oci", "docker") for output in options["outputs"]):
            made.packed = frozenset(step for _, step in found.target.history if step)
        made.contexts = dict(self.contexts)
        made.extra_hosts, made.shm_size = options["extra_hosts"], options["shm_size"]
        made.secrets, made.ssh = options["secrets"], options["ssh"]
        made.rlimits, made.resources = options["rlimits"], dict(options["resources"])
        if any(isinstance(node, nodes.RunStep) for node in found.nodes()):
            made.run_state = run_state.RunState(self.paths)
            self.held.callback(made.run_state.close)
            made.network = Network(made.run_state)
            self.held.callback(made.network.close)
        return made

    def cache(self) -> Cache:
        """The cache, with those of --cache-from beside it."""
        if not self.options["cache_from"]:
            return Cache(self.paths)
        from minirun.build import cache_import

        return cache_import.opened(self.store, self.options["cache_from"], self.progress)

    def read_context(self, found: plan.Plan, means: Means) -> None:
        """The digests of what the steps read from a context: nothing else of it is looked at."""
        reading = [
            (step, place, source)
            for step in found.nodes()
            if isinstance(step, nodes.Step)
            for place, source in enumerate(keys.sources(step))
            if source and source.node is None
        ]
        if not reading:
            return
        with self.vertex("[internal] load build context"):
            remembered = {
                name: digests.Remembered(self.paths, made.key) for name, made in self.contexts.items()
            }
            for step, place, source in reading:
                try:
                    self.fetch(step)
                    chosen = steps.select(step, place, means.contexts[source.context])
                except MinirunError as error:
                    raise nodes.located(error, step.line) from None
                means.selections[step, place] = chosen
                means.rows[step, place] = rows = chosen.entries(remembered[source.context])
                means.digests[step, place] = digests.digest(rows)
            for one in remembered.values():
                one.save()

    def fetch(self, step: nodes.Step) -> None:
        """What ADD takes from elsewhere: part of what its step is known by, so it comes first."""
        if isinstance(step, nodes.CopyStep) and (step.checksum or any(":" in one for one in step.sources)):
            from minirun.build import remote

            step.remotes = remote.fetch_all(
                self.paths,
                step.sources,
                is_add=step.instruction.is_add,
                checksum=step.checksum,
                keep_git_dir=step.instruction.keep_git_dir,
            )
            for one in step.remotes.values():
                self.held.callback(one.close)

    def open_shell(self, error: solve.StepFailed) -> None:
        """--on-error shell: where a program has failed, one more look at what it has found."""
        if self.terminal and error.exit_code and self.outcome.source:
            from minirun.build import failed_shell

            self.progress.pause()
            shown = excerpt(self.outcome.source, error.failed.line.start, error.failed.line.end)
            failed_shell.open_shell(error.work, [*shown, error.message], self.terminal)

    # -- what comes out --

    def write(self, found: plan.Plan, solver: solve.Solver, told: list[Vertex]) -> None:
        target = solver.built[found.target.node]
        layers = self.squashed(target) if self.options["squash"] else target.layers
        diff_ids = [*target.base.diff_ids, *(layer.diff_id for layer in layers)]
        document = result.document(
            found.target,
            solver.records,
            diff_ids,
            self.options["platform"],
            self.options["epoch"],
            squashed=layers != target.layers,
        )
        with self.caches(found, solver, document):
            self.write_outputs(outputs.Result(document, [*_layers_of(target.base), *layers]), told)

    def write_outputs(self, made: outputs.Result, told: list[Vertex]) -> None:
        self.outcome.metadata = outputs.write_all(
            self.paths, made, self.options["outputs"], self.options["tags"], self.progress, told
        )
        if any(output.is_image for output in self.options["outputs"]):
            self.outcome.image_id = made.id

    def squashed(self, target: Built) -> list[Layer]:
        """--squash: the layers of the steps as one."""
        from minirun.build import squash

        self.has_worked = True
        base = Built(target.base, []).directories(self.paths)
        with self.vertex("squashing layers"):
            return squash.squash(
                self.paths, base, target.base.diff_ids, target.layers, self.options["epoch"], self.store
            )

    @contextlib.contextmanager
    def caches(self, found: plan.Plan, solver: solve.Solver, document: dict[str, Any]) -> Iterator[None]:
        """--cache-to: in the image that the block writes, and after it what is beside the image."""
        wanted = self.options["cache_to"]
        is_inline = any(entry["type"] == "inline" for entry in wanted) or _is_on(
            self.options["build_args"].get("BUILDKIT_INLINE_CACHE", "")
        )
        if not wanted and not is_inline:
            yield
            return
        from minirun.build import cache_export

        made = solver.made({step for _, step in found.target.history if step})
        if is_inline:
            cache_export.add_inline(self.store, document, made)
        yield
        machine: dict[str, Any] = {
            key: document[key] for key in ("os", "architecture", "variant") if key in document
        }
        cache_export.export(self.store, wanted, made, machine, self.progress)

    def account(self, solver: solve.Solver, *, complete: bool = True) -> None:
        """Leave for the next build what went into this one; tell why each step was done, if that was asked."""
        if self.has_worked or self.options["explain_cache"]:
            from minirun.build import explain

            assert self.outcome.source
            facts = solver.facts()
            file = (self.outcome.source.name, self.options["dockerfile"], self.options["target"])
            told = explain.Account(self.paths, self.contexts[""].key, *file)
            if self.options["explain_cache"]:
                self.outcome.explanation = told.explain(facts)
            if complete:
                told.write(facts)

    def warn_of_unused(self, found: plan.Plan) -> None:
        """BuildKit says nothing about a --build-arg that no ARG asks for, and people look for hours."""
        asked = (name for name in self.options["build_args"] if not name.startswith("BUILDKIT_"))  # switches
        if unused := sorted(set(asked) - found.consumed - {"SOURCE_DATE_EPOCH"}):
            message = f"One or more build-args [{' '.join(unused)}] were not consumed"
            self.outcome.warnings.append(Warning("UnusedBuildArg", message))

    # -- telling --

    @contextlib.contextmanager
    def vertex(self, name: str) -> Iterator[Vertex]:
        """A line of the display, for what is done in the block."""
        made = Vertex(name)
        self.progress.start(made)
        try:
            yield made
        except KeyboardInterrupt:
            self.progress.canceled(made)
            raise
        except BaseException as error:
            self.progress.failed(made, in_words(error))
            raise
        self.progress.done(made)

    @contextlib.contextmanager
    def located(self) -> Iterator[None]:
        """An error that knows its lines gets the file they are in."""
        try:
            yield
        except MinirunError as error:
            if isinstance(error, solve.StepFailed):
                start, end = error.failed.line.start, error.failed.line.end
            else:
                start = getattr(error, "line", 0)
                end = getattr(error, "end", start)
            if isinstance(error, BuildError) or not start:
                raise
            shown = BuildError(error.message, error.hint, self.outcome.source, (start, end))
            shown.explanation = self.outcome.explanation
            raise shown from error


def _is_on(text: str) -> bool:
    """Whether a switch among the build arguments is."""
    return text.lower() in ("1", "t", "true")


def _can_run(platform: str) -> bool:
    """Whether this machine's processor does, or an interpreter that the kernel knows (binfmt_misc)."""
    wanted = platforms.parse(platform)
    if platforms.runs_here(wanted):
        return True
    interpreters = {"amd64": "x86_64", "arm64": "aarch64", "386": "i386"}
    name = interpreters.get(wanted[1], wanted[1])
    return os.path.exists(f"/proc/sys/fs/binfmt_misc/qemu-{name}")


def _layers_of(base: nodes.Base) -> list[Layer]:
    """Of an image that a build stands on, lowest first."""
    if base.image is None:
        return []
    return [
        Layer(os.path.basename(path) if path else diff_id[7:], diff_id, descriptor=descriptor)
        for path, diff_id, descriptor in zip(
            base.image.unpacked(), base.image.diff_ids, base.image.manifest["layers"], strict=True
        )
    ]
