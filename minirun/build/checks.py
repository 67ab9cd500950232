"""`build --check`: what is allowed in a Dockerfile and seldom meant.  Docker's rules, and hints of our own.

Nothing is built and nothing is looked up.  The rules are Docker's under Docker's names, so that `# check=skip=...`
means here what it means there; a build tells of them, too.  The hints are shown by --check alone, and nothing fails
by them.

See      docs.docker.com "Build checks"; rules.py
By hand  minirun build --check .
Next     check_lines.py
"""

from __future__ import annotations

from minirun.build import check_lines, rules, stages
from minirun.build.check_scopes import Facts, Walk
from minirun.build.dockerfile import DockerfileError
from minirun.build.rules import Findings
from minirun.build.stages import Arg, Stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from minirun.build.dockerfile import Dockerfile
    from minirun.build.ignore import Ignore
    from minirun.build.progress import Warning

    Json = dict[str, Any]


def check(
    file: Dockerfile,
    *,
    build_args: Mapping[str, str] | None = None,
    platform: str = "",
    target: str = "",
    bases: Mapping[str, Json] | None = None,
    ignore: Ignore | None = None,
    only: Collection[int] | None = None,
) -> list[Warning]:
    """All findings, by line; up to the first line that is wrong, if there is one.

    `bases` are the config files of images by the names that FROM has for them, those that are known; `ignore` is the
    context's; `only` are the stages that are built, None for all.  Raises UsageError for a `check=` that is wrong.
    """
    build_args = build_args or {}
    findings = Findings(file.name, rules.choice(file, build_args))
    arguments, found = _read(file, findings)
    check_lines.look_at_names(findings, found)
    check_lines.look_at_casing(findings, found)
    facts = Facts(build_args, platform, target, bases or {}, ignore)
    Walk(findings, arguments, found, facts, file.escape).run(only)
    return findings.sorted()


def _read(file: Dockerfile, findings: Findings) -> tuple[list[Arg], list[Stage]]:
    """The global ARGs and the stages, as far as they are right; what a line shows by itself is found on the way."""
    arguments: list[Arg] = []
    found: list[Stage] = []
    for number in file.empty_continuations:
        findings.warn_at("NoEmptyContinuation", (number, number))
    for line in file.lines:
        check_lines.look_at_line(findings, line)
        try:
            instruction = stages.typed(line, file.escape)
        except DockerfileError:
            break  # which the build tells
        check_lines.look_at_comment(findings, instruction)
        stages.place(instruction, arguments, found)
    return arguments, found


def hint(
    file: Dockerfile,
    *,
    build_args: Mapping[str, str] | None = None,
    target: str = "",
    bases: Mapping[str, Json] | None = None,
) -> list[Warning]:
    """Hints of our own, by line: no faults, and nothing that Docker would say.  Raises DockerfileError."""
    from minirun.build import hints

    arguments, found = stages.stages(file)
    return hints.look(file, arguments, found, build_args or {}, target, bases or {})


def failure(file: Dockerfile, warnings: list[Warning], build_args: Mapping[str, str] | None = None) -> str:
    """What a build fails with whose file says `check=error=true`; "" if it does not."""
    return rules.violation(warnings, rules.choice(file, build_args or {}))
