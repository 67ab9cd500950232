"""Checks of what a Dockerfile's instructions mean one after the other: variables, bases, what takes no effect.

What is known of images is handed in.  Of a base that is not known a variable may come that nobody sees here, so one
that is not set is then told of only where it looks like another one misspelt.

See   rules.py for the rules' words; scopes.py
Next  hints.py
"""

from __future__ import annotations

import re

from minirun.build import mounts, scopes
from minirun.build.ignore import clean
from minirun.build.stages import Arg, Copy, Env, Label, Metadata, Run
from minirun.errors import MinirunError
from minirun.image import platforms, reference, words
from minirun.image.suggestions import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from typing import Any

    from minirun.build.dockerfile import Line
    from minirun.build.ignore import Ignore
    from minirun.build.rules import Findings
    from minirun.build.stages import Instruction, Stage

    Json = dict[str, Any]

_SECRET = re.compile(
    r"(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)", re.IGNORECASE
)
_NO_SECRET = re.compile(r"(?:_|^)(?:public|file|version)(?:_|$)", re.IGNORECASE)
_ADDRESSES = ("http://", "https://", "git://", "ssh://", "git@")
_ONCE = ("CMD", "ENTRYPOINT", "HEALTHCHECK")


class Facts:
    """What is known beside the file: the build's arguments and platform, images and the ignore file.

    `bases` are the config files of images by the names that FROM has for them.
    """

    def __init__(
        self,
        build_args: Mapping[str, str],
        platform: str,
        target: str,
        bases: Mapping[str, Json],
        ignore: Ignore | None,
    ) -> None:
        self.build_args = build_args
        self.predefined = scopes.platform_arguments(platform, target)
        self.bases = bases
        self.ignore = ignore


class _Scope:
    """What is known at an instruction of a stage."""

    def __init__(self, variables: dict[str, str], is_whole: bool) -> None:
        self.variables = variables
        self.is_whole = is_whole  # there are no others: the base is known
        self.declared: set[str] = set()
        self.has_shell = False
        self.has_workdir = False
        self.last: dict[str, Line] = {}  # of CMD and its like in this stage

    def inherited(self) -> _Scope:
        made = _Scope(dict(self.variables), self.is_whole)
        made.declared = set(self.declared)
        made.has_shell, made.has_workdir = self.has_shell, self.has_workdir
        return made


class Walk:
    """One walk through all stages, in the file's order."""

    def __init__(
        self, findings: Findings, arguments: Sequence[Arg], stages: Sequence[Stage], facts: Facts, escape: str
    ) -> None:
        self.findings = findings
        self.stages = stages
        self.facts = facts
        self.escape = escape
        self.defaults = scopes.Globals(arguments, facts.predefined, {}, escape)
        self.globals = scopes.Globals(arguments, facts.predefined, facts.build_args, escape)

    def run(self, only: Collection[int] | None) -> None:
        """`only` are the stages whose instructions are told of; None: all."""
        begun: dict[int, _Scope] = {}
        for stage in self.stages:
            self.look_at_default(stage)
            self.look_at_from(stage)
            below = scopes.below(self.stages, stage.index, self.globals.values, self.escape)
            scope = begun[stage.index] = self.of_image(stage) if below is None else begun[below].inherited()
            self.findings.is_silent = only is not None and stage.index not in only
            for instruction in stage.instructions:
                self.look_at_instruction(scope, instruction)
            self.findings.is_silent = False

    # -- FROM --

    def look_at_default(self, stage: Stage) -> None:
        """Without any --build-arg the name of the base has to be one."""
        name = scopes.expanded(stage.base.image, self.defaults.values, self.escape)
        if scopes.find(self.stages, name, stage.index) is None and not _is_reference(name):
            self.findings.warn("InvalidDefaultArgInFrom", stage.base.line, stage.base.image)

    def look_at_from(self, stage: Stage) -> None:
        base, line = stage.base, stage.base.line
        known = {*self.globals.values, *self.globals.declared}
        used = scopes.names(base.platform, self.escape)
        for name in sorted((scopes.names(base.image, self.escape) | used) - known):
            self.findings.warn("UndefinedArgInFrom", line, name, _meant(name, known))
        platform = scopes.expanded(base.platform, self.globals.values, self.escape)
        if used == {"TARGETPLATFORM"} and platform == self.facts.predefined["TARGETPLATFORM"]:
            self.findings.warn("RedundantTargetPlatform", line, base.platform)
        if platform and not used and not _names_platform(stage.name, platform):
            self.findings.warn("FromPlatformFlagConstDisallowed", line, words.quoted(platform))

    def of_image(self, stage: Stage) -> _Scope:
        """What a stage begins with that is FROM an image."""
        name = scopes.expanded(stage.base.image, self.globals.values, self.escape)
        base = self.facts.bases.get(name)
        config: Json = (base or {}).get("config") or {}
        entries = dict(entry.partition("=")[::2] for entry in config.get("Env") or [])
        scope = _Scope({"PATH": "", **entries}, base is not None or name == "scratch")
        scope.has_shell = bool(config.get("Shell"))
        if base:
            self.look_at_platform(stage, name, base)
        return scope

    def look_at_platform(self, stage: Stage, name: str, base: Json) -> None:
        asked = scopes.expanded(stage.base.platform, self.globals.values, self.escape)
        try:
            wanted = platforms.parse(asked or self.facts.predefined["TARGETPLATFORM"])
        except MinirunError:
            return  # which the build tells
        actual = platforms.of(base)
        if wanted[:2] != actual[:2]:
            shown = [words.quoted(platforms.show(one)) for one in (actual, wanted)]
            self.findings.warn("InvalidBaseImagePlatform", stage.base.line, name, *shown)

    # -- instructions --

    def look_at_instruction(self, scope: _Scope, instruction: Instruction) -> None:
        if isinstance(instruction, Arg):
            self.look_at_arg(scope, instruction)
        elif isinstance(instruction, Env):
            self.look_at_pairs(scope, instruction)
        elif isinstance(instruction, Copy):
            self.look_at_copy(scope, instruction)
        elif isinstance(instruction, Run):
            self.look_at_mounts(scope, instruction)
        elif isinstance(instruction, Metadata):
            self.look_at_metadata(scope, instruction)

    def expand(self, scope: _Scope, line: Line, word: str, *, quotes: bool = True) -> str:
        """The value of a word; each variable in it has to be there."""
        unset: set[str] = set()
        escape = self.escape if quotes else "\\"
        value = scopes.expanded(word, scope.variables, escape, unset, quotes=quotes)
        for name in sorted(unset - scope.declared):
            meant = _meant(name, scope.variables, "$")
            if meant or scope.is_whole:
                self.findings.warn("UndefinedVar", line, name, meant)
        return value

    def look_at_arg(self, scope: _Scope, arg: Arg) -> None:
        for name, default in arg.pairs:
            self.look_at_secret("ARG", name, arg.line)
            value = self.facts.build_args.get(name)
            if value is None and default is not None:
                value = self.expand(scope, arg.line, default)
            elif value is None:
                value = self.globals.values.get(name)
            if value is not None:
                scope.variables[name] = value
            scope.declared.add(name)

    def look_at_pairs(self, scope: _Scope, instruction: Env) -> None:
        line = instruction.line
        found = [
            (self.expand(scope, line, name), self.expand(scope, line, value))
            for name, value in instruction.pairs
        ]
        if instruction.legacy:
            self.findings.warn("LegacyKeyValueFormat", line, line.written)
        if not isinstance(instruction, Label):
            for name, _ in found:
                self.look_at_secret("ENV", name, line)
            scope.variables.update(found)

    def look_at_secret(self, word: str, name: str, line: Line) -> None:
        if _SECRET.search(name) and not _NO_SECRET.search(name):
            self.findings.warn("SecretsUsedInArgOrEnv", line, word, words.quoted(name))

    def look_at_copy(self, scope: _Scope, copy: Copy) -> None:
        line = copy.line
        sources = [self.expand(scope, line, source) for source in copy.sources]
        for word in (copy.target, copy.chown, copy.chmod, copy.checksum):
            self.expand(scope, line, word)
        for _, body in copy.files:
            if body.expand:
                self.expand(scope, line, body.text, quotes=False)
        if self.facts.ignore and not copy.source_stage:
            self.look_at_ignored(copy, sources, self.facts.ignore)

    def look_at_ignored(self, copy: Copy, sources: list[str], ignore: Ignore) -> None:
        for source in sources:
            path = clean(f"/{source}").strip("/")  # "": all of the context, of which something may be left
            if path and not (copy.is_add and source.startswith(_ADDRESSES)) and ignore.prunes(path):
                verb = "Add" if copy.is_add else "Copy"
                self.findings.warn("CopyIgnoredFile", copy.line, verb, words.quoted(path))

    def look_at_mounts(self, scope: _Scope, run: Run) -> None:
        for field in (field for value in run.mounts for field in mounts.fields(value)):
            key, _, word = field.partition("=")
            if key.lower() != "from":
                self.expand(scope, run.line, word)

    def look_at_metadata(self, scope: _Scope, instruction: Metadata) -> None:
        line, word = instruction.line, instruction.word
        if word in _ONCE:
            self.look_at_repetition(scope, line)
        if word in ("CMD", "ENTRYPOINT") and words.json_list(line.text) is None and not scope.has_shell:
            self.findings.warn("JSONArgsRecommended", line, line.written)
        scope.has_shell = scope.has_shell or word == "SHELL"
        if word == "EXPOSE":
            self.look_at_ports(scope, line)
        elif word == "WORKDIR":
            self.look_at_workdir(scope, line)
        elif word in ("USER", "STOPSIGNAL", "VOLUME"):
            for text in (
                (words.json_list(line.text) or words.gaps(line.text)) if word == "VOLUME" else [line.text]
            ):
                self.expand(scope, line, text)

    def look_at_repetition(self, scope: _Scope, line: Line) -> None:
        """The one before is told of: it is the one that has no effect."""
        if line.word in scope.last:
            self.findings.warn("MultipleInstructionsDisallowed", scope.last[line.word], line.written)
        scope.last[line.word] = line

    def look_at_workdir(self, scope: _Scope, line: Line) -> None:
        path = self.expand(scope, line, line.text)
        if not scope.has_workdir and not path.startswith("/"):
            self.findings.warn("WorkdirRelativePath", line, words.quoted(path))
        scope.has_workdir = True

    def look_at_ports(self, scope: _Scope, line: Line) -> None:
        for port in scopes.expanded(line.text, scope.variables, self.escape).split():
            before, _, rest = port.rpartition(":")
            protocol = rest.partition("/")[2]
            if protocol != protocol.lower():
                self.findings.warn("ExposeProtoCasing", line, port)
            if before.strip(":"):
                self.findings.warn("ExposeInvalidFormat", line, port)


def _meant(name: str, known: Iterable[str], sign: str = "") -> str:
    match = nearest(name, known)
    return f" (did you mean {sign}{match}?)" if match else ""


def _is_reference(name: str) -> bool:
    try:
        reference.parse(name)
    except MinirunError:
        return False
    return True


def _names_platform(stage: str, platform: str) -> bool:
    """Whether a stage says by its name what machine it is for; of a platform that is none the build tells."""
    try:
        system, architecture, _ = platforms.parse(platform)
    except MinirunError:
        return True
    return system in stage or architecture in stage
