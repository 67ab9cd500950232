"""Checks of what stands in a Dockerfile's lines, before any variable has a value: casing, names, comments.

See   rules.py for the rules' words
Next  check_scopes.py
"""

from __future__ import annotations

from minirun.build.stages import Arg, From, Instruction, Stage
from minirun.image import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from minirun.build.dockerfile import Line
    from minirun.build.rules import Findings

_RESERVED = ("context", "scratch")


def look_at_line(findings: Findings, line: Line) -> None:
    if line.word == "MAINTAINER":
        findings.warn("MaintainerDeprecated", line)
    given = words.gaps(line.text)
    if line.word == "FROM" and len(given) == 3:
        _look_at_from(findings, line, given[1], given[2])


def _look_at_from(findings: Findings, line: Line, word: str, name: str) -> None:
    if name != name.lower():
        findings.warn("StageNameCasing", line, name)
    cases = [case for case in (str.lower, str.upper) if case(line.written) == line.written]
    if cases and cases[0](word) != word:
        findings.warn("FromAsCasing", line, word, line.written)


def look_at_comment(findings: Findings, instruction: Instruction) -> None:
    """A comment right above an ARG or a FROM describes it: so `--call outline` has it."""
    if isinstance(instruction, Arg):
        named = [name for name, _ in instruction.pairs]
    else:
        named = [instruction.name] if isinstance(instruction, From) and instruction.name else []
    line = instruction.line
    if named and line.comments and line.comments[-1].split(" ")[0] not in named:
        example = named[0] if len(named) == 1 else "<arg_key>"
        findings.warn("InvalidDefinitionDescription", line, line.word, example)


def look_at_names(findings: Findings, stages: Sequence[Stage]) -> None:
    seen: set[str] = set()
    for stage in stages:
        name, line = words.quoted(stage.name), stage.base.line
        if stage.name in _RESERVED:
            findings.warn("ReservedStageName", line, name)
        if stage.name in seen:
            findings.warn("DuplicateStageName", line, name)
        seen |= {stage.name} - {""}


def look_at_casing(findings: Findings, stages: Sequence[Stage]) -> None:
    """All instructions are written as most of them are."""
    lines = [one.line for stage in stages for one in (stage.base, *stage.instructions)]
    lower = sum(line.written == line.written.lower() for line in lines)
    upper = sum(line.written == line.word for line in lines)
    case, name = (str.lower, "lowercase") if lower > upper else (str.upper, "uppercase")
    for line in lines:
        if line.written != case(line.written):
            findings.warn("ConsistentInstructionCasing", line, line.written, name)
