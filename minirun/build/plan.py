"""From a Dockerfile's stages to steps: everything that can be known before anything is done.

    stages of instructions ──expand──> a State for each stage that the target needs
                                         node      what it stands on: a base, then step after step
                                         config    as the image will have it
                                         env       what RUN sees and $NAME means: ENV and ARG, the last one wins
                                         history   a line for each instruction

Only what the target reaches is planned, so a stage that nothing needs may be wrong.  Images are looked up on the way (a
base says what is in the environment), by functions that are handed in: nothing here touches a disk or a network.

See      docs.docker.com "Dockerfile reference"; moby/buildkit frontend/dockerfile/dockerfile2llb
Next     nodes.py
"""

from __future__ import annotations

import copy as copying

from minirun.build import history, mounts, scopes, stages
from minirun.build.nodes import (
    SCRIPTS,
    SHELL,
    Base,
    CopyStep,
    Node,
    PlanError,
    RunStep,
    Source,
    Step,
    WorkdirStep,
    located,
)
from minirun.engine.overlay import LAYERS_MAX
from minirun.errors import MinirunError, UsageError
from minirun.image import instructions, platforms, suggestions, words
from minirun.runtime.spec import DEFAULT_PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from minirun.build.dockerfile import Line
    from minirun.image.image import Image

    Json = dict[str, Any]

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
_URLS = ("http://", "https://")
PREDEFINED = frozenset(_PROXIES) | {name.lower() for name in _PROXIES}  # ARGs without a declaration


class State:
    """A stage as far as it is planned."""

    def __init__(self, stage: stages.Stage, node: Node, config: Json, document: Json) -> None:
        self.stage = stage
        self.node = node
        self.base_node = node
        self.config = config
        self.document = document  # the base's config file: platform, history
        self.history: list[tuple[Json, Step | None]] = []
        self.env: dict[str, str] = dict(entry.partition("=")[::2] for entry in config.get("Env") or [])
        self.args: dict[str, str | None] = {}
        self.author = ""
        self.has_command = False
        self.steps: list[Step] = []

    def base_of(self) -> Base:
        """What it stands on in the end: FROM an earlier stage is FROM what that stands on."""
        node = self.node
        while isinstance(node, Step):
            node = node.parent
        return node

    @property
    def shell(self) -> list[str]:
        return self.config.get("Shell") or SHELL

    @property
    def workdir(self) -> str:
        return self.config.get("WorkingDir") or "/"


class Settings:
    """What is asked of the plan beside the file; and the functions by which it learns of images."""

    def __init__(
        self,
        *,
        target: str,
        build_args: Mapping[str, str],
        platform: str,
        contexts: Iterable[str],
        image: Callable[[str, str], Image],
        image_contexts: Mapping[str, str] | None = None,
        can_run: Callable[[str], bool] = lambda platform: True,
        network: str = "default",
        labels: Mapping[str, str] | None = None,
        insecure_allowed: bool = False,
    ) -> None:
        self.target = target
        self.build_args = build_args
        self.platform = platform  # linux/arm64; "" is this machine's
        self.contexts = frozenset(contexts)  # names of --build-context that are trees of files
        self.image = image  # (reference, platform) -> Image
        self.image_contexts = image_contexts or {}  # the others: name -> reference of the image
        self.can_run = can_run  # whether this machine runs programs of a platform
        self.network = network
        self.labels = labels or {}
        self.insecure_allowed = insecure_allowed


class Plan:
    """The states of all stages that the target needs; `target` is the last of them."""

    def __init__(
        self, global_args: list[stages.Arg], found: list[stages.Stage], settings: Settings, escape: str
    ) -> None:
        self.settings = settings
        self.escape = escape
        self.stages = found
        self.states: dict[int, State] = {}
        self._underway: list[int] = []
        self.images: dict[tuple[str, str], Base] = {}
        self.consumed: set[str] = set(PREDEFINED)  # names of --build-arg that something has asked for
        self.globals = self._global_values(global_args)
        index = self._target_index()
        self.target = self._state(index)
        self._label_bases()
        self._check_layers()
        if settings.labels:
            self.target.config["Labels"] = {**(self.target.config.get("Labels") or {}), **settings.labels}

    def nodes(self) -> list[Node]:
        """All there is to do, each after what it needs."""
        found: dict[int, Node] = {}
        waiting: list[tuple[Node, bool]] = [(self.target.node, False)]
        while waiting:
            node, complete = waiting.pop()
            if complete:
                found.setdefault(id(node), node)
            elif id(node) not in found:
                waiting.append((node, True))
                if isinstance(node, Step):
                    waiting += [(need, False) for need in reversed(node.needs())]
        return list(found.values())

    # -- names --

    def _target_index(self) -> int:
        if not self.settings.target:
            return len(self.stages) - 1
        wanted = self.settings.target.lower()
        index = scopes.find(self.stages, wanted, len(self.stages))
        if index is None:
            raise UsageError(f"target stage {self.settings.target!r} could not be found", self._stage_names())
        return index

    def _stage_names(self) -> str:
        names = [stage.name for stage in self.stages if stage.name]
        return f"the file has {', '.join(names)}" if names else "no stage of the file has a name"

    # -- global ARGs --

    def _global_values(self, global_args: list[stages.Arg]) -> dict[str, str | None]:
        """What FROM lines may use, and a stage's ARG without a default takes."""
        values: dict[str, str | None] = {
            **scopes.platform_arguments(self.settings.platform, self.settings.target)
        }
        for arg in global_args:
            for name, default in arg.pairs:
                known = {key: value for key, value in values.items() if value is not None}
                self.consumed.add(name)
                if name in self.settings.build_args:
                    values[name] = self.settings.build_args[name]
                elif default is not None:
                    values[name] = self._expand(default, known, arg.line)
                else:
                    values.setdefault(name, None)
        return values

    # -- stages --

    def _state(self, index: int) -> State:
        """The stage, planned; what it needs is planned before, in a loop, for a thousand may stand on each other."""
        waiting, seen = [(index, False)], set()
        while waiting:
            one, ready = waiting.pop()
            if one in self.states:
                continue
            if ready:
                self._plan_stage(one)
            elif one not in seen:
                seen.add(one)
                waiting += [(one, True), *((need, False) for need in self._needs(self.stages[one]))]
        return self.states[index]

    def _needs(self, stage: stages.Stage) -> list[int]:
        """The stages of this file that it names, as far as its words show that; whether they may is looked at later."""
        names = [name for name in scopes.read_from(stage) if not self._is_context(name)]
        found = [self._below(stage), *(scopes.find(self.stages, name, len(self.stages)) for name in names)]
        return [index for index in found if index is not None]

    def _below(self, stage: stages.Stage) -> int | None:
        """The stage that a stage is FROM, if it is one of this file."""
        name = self._base_name(stage)
        return None if self._is_context(name) else self._index_by_name(name, stage.index)

    def _is_context(self, name: str) -> bool:
        """Whether --build-context says what the name means, whatever else has it."""
        return name in self.settings.contexts or name in self.settings.image_contexts

    def _index_by_name(self, name: str, before: int) -> int | None:
        """FROM's way: stages are known in small letters, and what has others is the name of an image."""
        return None if name.isdecimal() or name != name.lower() else scopes.find(self.stages, name, before)

    def _base_name(self, stage: stages.Stage) -> str:
        name = self._expand(stage.base.image, self._known_globals(), stage.base.line)
        if not name:
            hint = "an ARG that FROM uses has to stand before the first FROM, with a default or a --build-arg"
            raise PlanError(f"base name ({stage.base.image}) should not be blank", hint, stage.base.line)
        return name

    def _known_globals(self) -> dict[str, str]:
        return {name: value for name, value in self.globals.items() if value is not None}

    def _plan_stage(self, index: int) -> None:
        stage = self.stages[index]
        if index in self._underway:
            raise PlanError(_circular(stage.name or str(index)), "", stage.base.line)
        self._underway.append(index)
        try:
            state = self._begin(stage)
            for instruction in [*self._triggers(state), *stage.instructions]:
                self._instruction(state, instruction)
        finally:
            self._underway.pop()
        self._label(state)
        self.states[index] = state

    def _begin(self, stage: stages.Stage) -> State:
        below = self._below(stage)
        if below is not None:
            if below not in self.states:  # it needs this one
                raise PlanError(_circular(stage.name or str(stage.index)), "", stage.base.line)
            return _inherited(stage, self.states[below])
        name = self._base_name(stage)
        platform = self._expand(stage.base.platform, self._known_globals(), stage.base.line)
        if name in self.settings.contexts:
            hint = (
                "FROM scratch and COPY --from have the files of a directory; docker-image://NAME is an image"
            )
            raise PlanError(
                f"FROM {name}: --build-context says that this is a directory", hint, stage.base.line
            )
        if name == "scratch" and not self._is_context(name):
            config: Json = {"Env": [f"PATH={DEFAULT_PATH}"], "WorkingDir": "/"}
            node = Base(None, "scratch")
            return State(stage, node, config, {})
        node = self._image(name, platform or self.settings.platform, stage.base.line)
        assert node.image
        return State(stage, node, copying.deepcopy(node.image.config), node.image.document)

    def _image(self, name: str, platform: str, line: Line) -> Base:
        key = (name, platform)
        if key not in self.images:
            meant = self.settings.image_contexts.get(name, name)
            try:
                image = self.settings.image(meant, platform)
            except MinirunError as error:
                raise located(error, line) from None
            self.images[key] = Base(image, name, meant)
        return self.images[key]

    def _triggers(self, state: State) -> list[stages.Instruction]:
        """The ONBUILD instructions of what the stage is FROM: they run first, and are not handed on."""
        found = state.config.pop("OnBuild", None) or []
        return [stages.one(text) for text in found]

    def _label(self, state: State) -> None:
        """`[builder 2/4]`: FROM is the first."""
        stage = state.stage
        names = [stage.name] if stage.name else [f"stage-{stage.index}"] if len(self.stages) > 1 else []
        total = len(state.steps) + 1
        for number, step in enumerate(state.steps, 2):
            step.stage = stage.name or f"stage-{stage.index}"
            step.label = f"[{' '.join([*names, f'{number}/{total}'])}] {step.shown}"
        if isinstance(state.base_node, Base) and not state.base_node.label:
            state.base_node.label = f"[{' '.join([*names, f'1/{total}'])}] FROM {state.base_node.shown}"

    def _check_layers(self) -> None:
        """Each step becomes a layer, and the kernel mounts only so many: said now, not when all the others are done."""
        layers: dict[Node, int] = {}
        for node in self.nodes():
            layers[node] = layers[node.parent] + 1 if isinstance(node, Step) else len(node.diff_ids)
            if isinstance(node, Step) and layers[node] > LAYERS_MAX:
                message = f"this would be layer {layers[node]}, and overlayfs takes no more than {LAYERS_MAX}"
                raise PlanError(message, "use fewer instructions that change files", node.line)

    def _label_bases(self) -> None:
        """What no stage begins with, but COPY --from or a mount reads, has no number."""
        for node in self.nodes():
            if isinstance(node, Base) and not node.label:
                node.label = f"FROM {node.shown}"

    # -- instructions --

    def _instruction(self, state: State, instruction: stages.Instruction) -> None:
        try:
            if isinstance(instruction, stages.Run):
                self._run(state, instruction)
            elif isinstance(instruction, stages.Copy):
                self._copy(state, instruction)
            elif isinstance(instruction, stages.Arg):
                self._arg(state, instruction)
            elif isinstance(instruction, (stages.Env, stages.Label)):
                self._pairs(state, instruction)
            elif isinstance(instruction, stages.Metadata):
                self._metadata(state, instruction)
        except PlanError:
            raise
        except MinirunError as error:
            raise located(error, instruction.line) from None

    def _expand(self, text: str, variables: Mapping[str, str], line: Line) -> str:
        try:
            return words.expand(text, variables, self.escape)
        except MinirunError as error:
            raise located(error, line) from None

    def _arg(self, state: State, instruction: stages.Arg) -> None:
        shown: list[tuple[str, str | None]] = []
        for name, default in instruction.pairs:
            value = None if default is None else self._expand(default, state.env, instruction.line)
            shown.append((name, value))
            self.consumed.add(name)
            if name in self.settings.build_args:
                value = self.settings.build_args[name]
            elif value is None:
                value = self.globals.get(name)
            state.args[name] = value
            if value is not None:
                state.env[name] = value
        state.history.append((history.line(history.pairs("ARG", shown)), None))

    def _pairs(self, state: State, instruction: stages.Env | stages.Label) -> None:
        """ENV and LABEL: all values of a line are expanded with the environment before it."""
        line = instruction.line
        found = [
            (self._expand(name, state.env, line), self._expand(value, state.env, line))
            for name, value in instruction.pairs
        ]
        if isinstance(instruction, stages.Label):
            state.config["Labels"] = {**(state.config.get("Labels") or {}), **dict(found)}
        else:
            kept = dict(entry.partition("=")[::2] for entry in state.config.get("Env") or [])
            state.config["Env"] = [f"{name}={value}" for name, value in {**kept, **dict(found)}.items()]
            state.env.update(found)
        state.history.append((history.line(history.pairs(line.word, found)), None))

    def _metadata(self, state: State, instruction: stages.Metadata) -> None:
        line = instruction.line
        effect: Json = {"Shell": state.shell, "WorkingDir": state.workdir}
        instructions.change(effect, line.word, instruction.text, state.env, self.escape, line.flags)
        if line.word == "WORKDIR":
            return self._workdir(state, instruction, effect["WorkingDir"])
        if line.word == "MAINTAINER":
            state.author = instruction.text
        if line.word != "ONBUILD":  # of which BuildKit says nothing
            text = str(
                effect.get({"USER": "User", "STOPSIGNAL": "StopSignal"}.get(line.word, ""), instruction.text)
            )
            state.history.append((history.line(history.metadata(line.word, effect, text)), None))
        _merge(state, line.word, effect)
        return None

    def _workdir(self, state: State, instruction: stages.Metadata, path: str) -> None:
        state.config["WorkingDir"] = path
        step = None
        if path != "/":
            user = str(state.config.get("User") or "")
            step = WorkdirStep(state.node, instruction.line, f"WORKDIR {instruction.text}", path, user)
            self._append(state, step)
        state.history.append((history.line(f"WORKDIR {path}", changes_files=step is not None), step))

    def _append(self, state: State, step: Step) -> None:
        state.node = step
        state.steps.append(step)

    # -- RUN --

    def _run(self, state: State, instruction: stages.Run) -> None:
        step = RunStep(state.node, instruction.line, shown(instruction.line))
        step.args, step.files = _command(instruction, state.shell)
        step.env, step.arguments = dict(state.env), list(state.args)
        step.hidden_env = _proxies(self.settings.build_args)
        step.user, step.workdir, step.shell = str(state.config.get("User") or ""), state.workdir, state.shell
        self._check_platform(state, instruction.line)
        step.network = instruction.network or self.settings.network
        step.insecure = instruction.security == "insecure"
        self._check_allowed(step)
        for text in instruction.mounts:
            mount = mounts.parse(text, lambda word: words.expand(word, state.env, self.escape))
            step.mounts.append(mount)
            step.sources.append(self._mount_source(mount, state, instruction.line))
        build_args = {name: state.env.get(name, value or "") for name, value in state.args.items()}
        created_by = history.run(step.args, build_args)
        state.history.append((history.line(created_by, changes_files=True), step))
        self._append(state, step)

    def _check_allowed(self, step: RunStep) -> None:
        if step.insecure and not self.settings.insecure_allowed:
            raise UsageError("security.insecure is not allowed", "give --allow security.insecure")

    def _check_platform(self, state: State, line: Line) -> None:
        """A RUN executes what is in its stage, so this machine has to be able to."""
        platform = platforms.show(platforms.of(state.document)) if state.document else self.settings.platform
        if platform and not self.settings.can_run(platform):
            hint = "qemu-user-static and binfmt-support make it able to; other instructions need nothing"
            raise PlanError(f"RUN: this machine cannot run programs for {platform}", hint, line)

    def _mount_source(self, mount: mounts.Mount, state: State, line: Line) -> Source | None:
        if mount.source_stage:
            return self._source(mount.source_stage, state, line)
        return Source() if mount.kind == "bind" else None

    def _source(self, name: str, state: State, line: Line) -> Source:
        """What --from means: a named context, a stage, or an image."""
        if name in self.settings.contexts:
            return Source(name)
        if name in self.settings.image_contexts:
            return Source(node=self._image(name, self.settings.platform, line))
        index = scopes.find(self.stages, name, len(self.stages))
        if index is not None:
            if index == state.stage.index or index in self._underway:
                raise PlanError(_circular(name), "", line)
            return Source(node=self._state(index).node)
        if name.isdecimal():
            raise PlanError(
                f"invalid stage index {name}", f"the file has {len(self.stages)}, the first is 0", line
            )
        if name == "scratch":
            return Source(node=Base(None, "scratch"))
        try:
            return Source(node=self._image(name, self.settings.platform, line))
        except PlanError as error:
            raise PlanError(error.message, self._stage_hint(name) or error.hint, line) from None

    def _stage_hint(self, name: str) -> str:
        """What to do about --from=NAME that is no image: a stage may be meant, unless it looks like an address."""
        names = [stage.name for stage in self.stages if stage.name]
        if not names or set(name) & set("/:@"):
            return ""
        meant = suggestions.did_you_mean(name, names)
        return f"no stage is called {name}{meant}; {self._stage_names()}"

    # -- COPY and ADD --

    def _copy(self, state: State, instruction: stages.Copy) -> None:
        line = instruction.line
        source = Source()
        if instruction.source_stage:
            source = self._source(instruction.source_stage, state, line)
        step = CopyStep(state.node, line, shown(line), source)
        step.instruction = instruction
        step.sources = [self._expand(word, state.env, line) for word in instruction.sources]
        if not instruction.is_add and any(word.startswith(_URLS) for word in step.sources):
            raise PlanError("source can't be a URL for COPY", "ADD fetches what a URL names", line)
        step.target = self._expand(instruction.target, state.env, line)
        for name, heredoc in instruction.files:
            text = heredoc.text
            if heredoc.expand:
                text = words.expand(text, state.env, quotes=False)  # whatever the file's escape character is
            step.files.append((name, text.encode(errors="surrogateescape")))
        step.exclude = [self._expand(pattern, state.env, line) for pattern in instruction.exclude]
        for key in ("chown", "chmod", "checksum"):
            setattr(step, key, self._expand(getattr(instruction, key), state.env, line))
        step.workdir = state.workdir
        shown_sources = [*step.sources, *(f"<<{name}" for name, _ in instruction.files)]
        created_by = history.copy(line.word, shown_sources, step.target)
        state.history.append((history.line(created_by, changes_files=True), step))
        self._append(state, step)


def _inherited(stage: stages.Stage, base: State) -> State:
    """FROM an earlier stage: all of it, its ARGs, too."""
    state = State(stage, base.node, copying.deepcopy(base.config), base.document)
    state.history = list(base.history)
    state.env = dict(base.env)
    state.args = dict(base.args)
    state.author = base.author
    return state


def _merge(state: State, word: str, effect: Json) -> None:
    """Put the effect of one metadata instruction into the config of its stage."""
    config = state.config
    if word == "CMD":
        state.has_command = True
    if word == "ENTRYPOINT" and not state.has_command:
        config.pop("Cmd", None)  # it was meant for the entrypoint before
    for key, value in effect.items():
        if key in ("ExposedPorts", "Volumes"):
            config[key] = {**(config.get(key) or {}), **value}
        elif key == "OnBuild":
            config[key] = [*(config.get(key) or []), *value]
        elif key != "WorkingDir" and (key != "Shell" or word == "SHELL"):
            config[key] = value


def _proxies(build_args: Mapping[str, str]) -> dict[str, str]:
    """Those that are given, in capitals and in small letters: some programs read only the one or the other."""
    given = {name.upper(): value for name, value in build_args.items() if name.upper() in _PROXIES and value}
    return {**given, **{name.lower(): value for name, value in given.items()}}


def _command(instruction: stages.Run, shell: list[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """What a RUN executes, and the scripts that it needs as files: of a heredoc alone that begins with #!."""
    if not isinstance(instruction.command, str):
        return list(instruction.command), []
    if instruction.file:
        name = instruction.file.name
        return [*shell, f"{SCRIPTS}/{name}"], [(name, instruction.file.text)]
    return [*shell, instruction.script], []


def shown(line: Line) -> str:
    """The instruction on one line, for people; of a RUN's heredoc the first line, as in BuildKit."""
    first = " ".join([line.word, *line.flags, *line.text.split()])
    if line.word != "RUN" or not line.heredocs:
        return first
    script = line.heredocs[0].text.strip().splitlines() or [""]
    return f"{first} ({script[0]}{'...' if len(script) > 1 else ''})"


def _circular(name: str) -> str:
    return f"circular dependency detected on stage: {name}"
