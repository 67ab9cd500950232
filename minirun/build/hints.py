"""Hints for `build --check` that are no rules of Docker's: what a guide to good images says.

    UnpinnedImage      a tag that moves: none, or latest
    ChainedRuns        RUN lines that follow each other, each a layer of its own
    RootUser           an image whose program runs as root
    CopyBeforeInstall  the whole source is copied before what it depends on is installed: a change of any file installs
                       all again

Their names begin with `hint:`, so that they cannot be taken for rules; `# check=` does not know them.

See  docs.docker.com "Building best practices"
"""

from __future__ import annotations

import re

from minirun.build import scopes
from minirun.build.progress import Warning
from minirun.build.stages import Copy, Metadata, Run
from minirun.errors import MinirunError
from minirun.image import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from minirun.build.dockerfile import Dockerfile
    from minirun.build.stages import Arg, Instruction, Stage

    Json = dict[str, Any]

_INSTALLS = {  # what installs, and what it needs of the source
    r"pip3?\s+install\s(?:.*\s)?(?:-r|--requirement)\b": "requirements.txt",
    r"poetry\s+install": "pyproject.toml and poetry.lock",
    r"uv\s+sync": "pyproject.toml and uv.lock",
    r"npm\s+(?:ci|install|i)\b(?!\s+\S*-g)": "package.json and package-lock.json",
    r"yarn(?:\s+install|\s*$|\s*[;&])": "package.json and yarn.lock",
    r"pnpm\s+install": "package.json and pnpm-lock.yaml",
    r"go\s+mod\s+download": "go.mod and go.sum",
    r"bundle\s+install": "Gemfile and Gemfile.lock",
    r"composer\s+install": "composer.json and composer.lock",
    r"cargo\s+fetch": "Cargo.toml and Cargo.lock",
    r"(?:apt-get|apt|apk|dnf|yum)\s(?:.*\s)?(?:install|add)\b": "",
}
_ALL = (".", "./", "/", "*")
_ROOT = ("root", "0")


def look(
    file: Dockerfile,
    arguments: Sequence[Arg],
    stages: Sequence[Stage],
    build_args: Mapping[str, str],
    target: str,
    bases: Mapping[str, Json],
) -> list[Warning]:
    """All hints, by line.  `target` is a stage's name or number, "" the last one's."""
    found = _Hints(file, arguments, stages, build_args, bases)
    index = scopes.find(stages, target, len(stages)) if target else None
    last = len(stages) - 1 if index is None else index
    for one in sorted(scopes.needed(stages, last, found.known, file.escape)):
        found.look_at_images(stages[one])
        found.look_at_order(stages[one])
    for one in found.chain(
        last
    ):  # what the image consists of; other stages may have as many layers as they like
        found.look_at_runs(stages[one])
    found.look_at_user(last)
    return sorted(found.warnings, key=lambda warning: (warning.lines, warning.rule))


class _Hints:
    def __init__(
        self,
        file: Dockerfile,
        arguments: Sequence[Arg],
        stages: Sequence[Stage],
        build_args: Mapping[str, str],
        bases: Mapping[str, Json],
    ) -> None:
        self.file = file
        self.stages = stages
        self.bases = bases
        predefined = scopes.platform_arguments("", "")
        self.known = scopes.Globals(arguments, predefined, build_args, file.escape).values
        self.warnings: list[Warning] = []

    def warn(self, rule: str, first: Instruction, last: Instruction, message: str) -> None:
        lines = first.line.start, last.line.end
        self.warnings.append(Warning(f"hint:{rule}", message, "", lines, self.file.name))

    def chain(self, index: int) -> list[int]:
        """A stage and those it is FROM, the lowest first."""
        found = [index]
        while (below := scopes.below(self.stages, found[0], self.known, self.file.escape)) is not None:
            found.insert(0, below)
        return found

    def look_at_images(self, stage: Stage) -> None:
        name = scopes.expanded(stage.base.image, self.known, self.file.escape)
        images = [(name, stage.index, stage.base), *self.copied_from(stage)]
        for name, before, instruction in images:
            if name != "scratch" and scopes.find(self.stages, name, before) is None and _moves(name):
                message = f"{name} is another image after each release: a tag with a version stays what it is"
                self.warn("UnpinnedImage", instruction, instruction, message)

    def copied_from(self, stage: Stage) -> Iterator[tuple[str, int, Instruction]]:
        for instruction in stage.instructions:
            if isinstance(instruction, Copy) and instruction.source_stage:
                yield instruction.source_stage, len(self.stages), instruction

    def look_at_runs(self, stage: Stage) -> None:
        row: list[Run] = []
        for instruction in [*stage.instructions, None]:
            if isinstance(instruction, Run) and (not row or _alike(row[0], instruction)):
                row.append(instruction)
                continue
            if len(row) > 1:
                message = f"{len(row)} RUN lines make {len(row)} layers: chained with && they make one"
                self.warn("ChainedRuns", row[0], row[-1], message)
            row = [instruction] if isinstance(instruction, Run) else []

    def look_at_user(self, index: int) -> None:
        """The last USER counts; without one, that of the base, which may not be known."""
        chain = self.chain(index)
        users = [one for each in chain for one in self.stages[each].instructions if _sets_user(one)]
        base = self.stages[chain[0]].base
        name = scopes.expanded(base.image, self.known, self.file.escape)
        user = ((self.bases.get(name) or {}).get("config") or {}).get("User") or ""
        if users and users[-1].line.text.partition(":")[0] in _ROOT:
            message = "the image's program runs as root: the last USER should be another one"
            self.warn("RootUser", users[-1], users[-1], message)
        elif not users and user.partition(":")[0] in ("", *_ROOT) and "nonroot" not in name:
            message = "the image's program runs as root: no USER says otherwise"
            stage = self.stages[index]
            self.warn("RootUser", stage.base, stage.base, message)

    def look_at_order(self, stage: Stage) -> None:
        """An install that comes after the whole source, which it does not need."""
        whole: Copy | None = None
        for instruction in stage.instructions:
            if isinstance(instruction, Copy) and not instruction.source_stage and _is_whole(instruction):
                whole = whole or instruction
            elif whole and isinstance(instruction, Run) and (found := _installs(instruction)):
                command, needs = found
                first = f"copy {needs} and run it, then copy the rest" if needs else "run it before"
                message = f"any change of the source runs `{command}` again: {first}"
                self.warn("CopyBeforeInstall", whole, whole, message)
                return


def _moves(name: str) -> bool:
    try:
        parsed = reference.parse(name)
    except MinirunError:
        return False  # which the build tells
    return not parsed.digest and parsed.tag == reference.DEFAULT_TAG


def _alike(one: Run, other: Run) -> bool:
    """Whether two could be one: lines for the shell, with the same around them."""
    simple = isinstance(one.command, str) and isinstance(other.command, str)
    return simple and one.line.flags == other.line.flags and not one.line.heredocs and not other.line.heredocs


def _sets_user(instruction: Instruction) -> bool:
    return isinstance(instruction, Metadata) and instruction.word == "USER"


def _is_whole(copy: Copy) -> bool:
    return any(source in _ALL for source in copy.sources)


def _installs(run: Run) -> tuple[str, str] | None:
    """The words of a command that installs what a project depends on, and what it needs of the source."""
    text = run.script if isinstance(run.command, str) else " ".join(run.command)
    for pattern, needs in _INSTALLS.items():
        if match := re.search(rf"(?:^|[\s;&|]){pattern}", text, re.MULTILINE):
            return " ".join(match[0].strip(" ;&|\n").split()[:2]), needs
    return None
