"""What a Dockerfile's variables are before any image is looked at: for the checks, and for the outline.

    global      ARGs before the first FROM, over those that tell of platforms: for FROM lines, and as the default of
                a stage's ARG that has none
    of a stage  what it takes over from the stage it is FROM, then ENV and ARG as they come, the last one wins

See      docs.docker.com "Dockerfile reference", Scope; moby/buildkit dockerfile2llb, buildMetaArgs
"""

from __future__ import annotations

from minirun.build import mounts
from minirun.build.stages import Copy, Run
from minirun.errors import UsageError
from minirun.image import platforms, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from minirun.build.stages import Arg, Stage


def platform_arguments(platform: str, target: str) -> dict[str, str]:
    """BUILDPLATFORM, TARGETARCH and their like; `platform` "" is this machine's."""
    own = platforms.parse(platforms.show((*platforms.own()[:2], "")))
    wanted = platforms.parse(platform) if platform else own
    made: dict[str, str] = {}
    for prefix, one in (("BUILD", own), ("TARGET", wanted)):
        parts = zip(("OS", "ARCH", "VARIANT"), one, strict=True)
        made |= {f"{prefix}{name}": value for name, value in parts}
        made[f"{prefix}PLATFORM"] = platforms.show(one)
    made["TARGETSTAGE"] = target or "default"
    return made


class Globals:
    """The values of the global ARGs, which of them are declared, and whose value each one needs."""

    def __init__(
        self,
        arguments: Sequence[Arg],
        predefined: Mapping[str, str],
        build_args: Mapping[str, str],
        escape: str,
    ) -> None:
        self.values = dict(predefined)
        self.declared: dict[str, Arg] = {}
        self.needs: dict[str, set[str]] = {}
        for arg in arguments:
            for name, default in arg.pairs:
                value = build_args.get(name)
                if value is None and default is not None:
                    value = expanded(default, self.values, escape)
                    self.needs[name] = self.needs.get(name, set()) | names(default, escape) - {name}
                if value is not None:
                    self.values[name] = value
                self.declared[name] = arg


def expanded(
    word: str,
    variables: Mapping[str, str],
    escape: str,
    unset: set[str] | None = None,
    *,
    quotes: bool = True,
) -> str:
    """The word's value; itself where it is wrong, which the build tells."""
    try:
        return words.expand(word, variables, escape, unset, quotes=quotes)
    except UsageError:
        return word


def names(word: str, escape: str) -> set[str]:
    """Those of the variables in a word."""
    found: set[str] = set()
    expanded(word, {}, escape, found)
    return found


def needed(stages: Sequence[Stage], target: int, known: Mapping[str, str], escape: str) -> set[int]:
    """The stages that `target` cannot be built without, itself among them; `known` are the global values."""
    found: set[int] = set()
    waiting = [target]
    while waiting:
        index = waiting.pop()
        if index not in found:
            found.add(index)
            waiting += _sources(stages, index, known, escape)
    return found


def below(stages: Sequence[Stage], index: int, known: Mapping[str, str], escape: str) -> int | None:
    """The stage that a stage is FROM, if it is one of this file."""
    name = expanded(stages[index].base.image, known, escape)
    return None if name.isdecimal() else find(stages, name, index)


def find(stages: Sequence[Stage], name: str, before: int) -> int | None:
    """The stage of this name, or of this number, before another one; of equal names the last."""
    for stage in reversed(stages[:before]):
        if stage.name and stage.name == name.lower():
            return stage.index
    return int(name) if name.isdecimal() and len(name) < 9 and int(name) < before else None


def _sources(stages: Sequence[Stage], index: int, known: Mapping[str, str], escape: str) -> list[int]:
    """The stage that it is FROM, and those that it copies from or mounts."""
    found = [below(stages, index, known, escape)]
    found += [find(stages, name, len(stages)) for name in read_from(stages[index])]
    return [one for one in found if one is not None]


def read_from(stage: Stage) -> list[str]:
    """The names after --from of its COPYs and from= of its mounts: of stages, contexts, images."""
    found: list[str] = []
    for instruction in stage.instructions:
        if isinstance(instruction, Copy) and instruction.source_stage:
            found.append(instruction.source_stage)
        elif isinstance(instruction, Run):
            found += _mounted(instruction)
    return found


def _mounted(run: Run) -> list[str]:
    pairs = [field.partition("=") for value in run.mounts for field in mounts.fields(value)]
    return [value for key, _, value in pairs if key.lower() == "from"]
