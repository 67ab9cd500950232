"""`build --call outline` and `--call targets`: what a Dockerfile can be asked for, without building it.

    # VERSION of the program          described by a comment right above: the name, then the words
    ARG VERSION=1.2
    # dev has a debugger in it
    FROM base AS dev

The outline of a stage is what its build may be given: ARGs, those of the stages that it needs, too; secrets, agents
and cache mounts.

See      moby/buildkit frontend/subrequests/outline, targets; scopes.py
By hand  minirun build --call outline .
"""

from __future__ import annotations

from typing import TypedDict

from minirun.build import mounts, scopes, stages
from minirun.build.run_mounts import cache_id, secret_id
from minirun.build.scopes import Globals
from minirun.build.stages import Arg, Run, Stage
from minirun.errors import MinirunError, UsageError
from minirun.image import words
from minirun.image.suggestions import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from minirun.build.dockerfile import Dockerfile, Line


class Argument(TypedDict):
    name: str
    value: str  # what it would have in this build
    description: str
    line: int


class Wanted(TypedDict):
    """A secret or an agent, by its id."""

    name: str
    required: bool
    line: int


class CacheMount(TypedDict):
    id: str
    line: int


class Outline(TypedDict):
    name: str
    description: str
    args: list[Argument]
    secrets: list[Wanted]
    ssh: list[Wanted]
    cache: list[CacheMount]


class Target(TypedDict):
    name: str
    default: bool
    description: str
    base: str
    platform: str
    line: int


def targets(file: Dockerfile) -> list[Target]:
    """All stages; the last one is what is built where nothing else is said.  Raises DockerfileError."""
    _, found = stages.stages(file)
    return [
        {
            "name": stage.name,
            "default": stage is found[-1],
            "description": description(stage.base.line, stage.name),
            "base": stage.base.image,
            "platform": stage.base.platform,
            "line": stage.base.line.start,
        }
        for stage in found
    ]


def outline(
    file: Dockerfile, target: str = "", build_args: Mapping[str, str] | None = None, platform: str = ""
) -> Outline:
    """What the build of a stage may be given; without `target`, of the last one.  Raises UsageError."""
    arguments, found = stages.stages(file)
    stage = _stage(found, target)
    given = build_args or {}
    known = Globals(arguments, scopes.platform_arguments(platform, target), given, file.escape)
    needed = [found[index] for index in sorted(scopes.needed(found, stage.index, known.values, file.escape))]
    mounted = [one for each in needed for one in _mounts(each)]
    return {
        "name": stage.name,
        "description": description(stage.base.line, stage.name),
        "args": _arguments(needed, known, given, file.escape),
        "secrets": _wanted(mounted, "secret"),
        "ssh": _wanted(mounted, "ssh"),
        "cache": _caches(mounted),
    }


def description(line: Line, name: str) -> str:
    """Of the comments right above, the words behind the name."""
    for comment in line.comments:
        if name and comment.startswith(f"{name} "):
            return comment.removeprefix(f"{name} ")
    return ""


def _stage(found: list[Stage], target: str) -> Stage:
    index = scopes.find(found, target, len(found)) if target else len(found) - 1
    if index is None:
        meant = did_you_mean(target, [stage.name for stage in found if stage.name])
        raise UsageError(f"target stage {words.quoted(target)} could not be found{meant}")
    return found[index]


# ---- arguments --------------------------------------------------------------------------------------------


def _arguments(needed: list[Stage], known: Globals, given: Mapping[str, str], escape: str) -> list[Argument]:
    """Those of the stages, then the global ones that a FROM uses or whose value another one takes; by line."""
    found: dict[str, Argument] = {}
    used: set[str] = set()
    for stage in needed:
        used |= scopes.names(stage.base.image, escape) | scopes.names(stage.base.platform, escape)
        for instruction in stage.instructions:
            if isinstance(instruction, Arg):
                used |= _declare(found, instruction, known, given, escape)
    for name in _closed(used, known):
        if name in known.declared and name not in found:
            arg = known.declared[name]
            found[name] = _argument(name, known.values.get(name, ""), arg.line)
    return sorted(found.values(), key=lambda argument: (argument["line"], argument["name"]))


def _declare(
    found: dict[str, Argument], arg: Arg, known: Globals, given: Mapping[str, str], escape: str
) -> set[str]:
    """A stage's ARG; the names of those that are the global one's, whose line and words are told instead."""
    taken = set()
    for name, default in arg.pairs:
        if default is None and (name in known.declared or name in known.values):
            taken.add(name)
        elif name not in found:
            value = given.get(name)
            if value is None:
                value = scopes.expanded(default or "", known.values, escape)
            found[name] = _argument(name, value, arg.line)
    return taken


def _argument(name: str, value: str, line: Line) -> Argument:
    return {"name": name, "value": value, "description": description(line, name), "line": line.start}


def _closed(used: set[str], known: Globals) -> set[str]:
    """With the names that their values are made of."""
    found: set[str] = set()
    waiting = set(used)
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= known.needs.get(name, set()) - found
    return found


# ---- mounts -----------------------------------------------------------------------------------------------


def _mounts(stage: Stage) -> Iterable[tuple[mounts.Mount, int]]:
    """Those of a stage's RUNs, with their lines; one whose words depend on variables that are not known is left out."""
    for instruction in stage.instructions:
        for value in instruction.mounts if isinstance(instruction, Run) else []:
            try:
                yield mounts.parse(value), instruction.line.start
            except MinirunError:
                continue


def _wanted(mounted: Iterable[tuple[mounts.Mount, int]], kind: str) -> list[Wanted]:
    found: dict[str, Wanted] = {}
    for mount, line in mounted:
        if mount.kind == kind:
            name = secret_id(mount) if kind == "secret" else mount.id or "default"
            one = found.setdefault(name, {"name": name, "required": False, "line": line})
            one["required"] = one["required"] or mount.required
    return list(found.values())


def _caches(mounted: Iterable[tuple[mounts.Mount, int]]) -> list[CacheMount]:
    found: dict[str, CacheMount] = {}
    for mount, line in mounted:
        if mount.kind == "cache":
            found.setdefault(cache_id(mount), {"id": cache_id(mount), "line": line})
    return list(found.values())
