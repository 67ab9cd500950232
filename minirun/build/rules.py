"""The rules of the build checks: their names and words, which are Docker's, and who wants them.

    # check=skip=StageNameCasing,FromAsCasing;error=true       in front of a file: leave out, fail
    # check=skip=all                                           above an instruction: for this one

See  docs.docker.com "Build checks"; moby/buildkit frontend/dockerfile/linter, ruleset.go
"""

from __future__ import annotations

import re

from minirun.build.progress import Warning
from minirun.errors import UsageError
from minirun.image import words
from minirun.image.flags import truth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from minirun.build.dockerfile import Dockerfile, Line

RULES = {
    "StageNameCasing": "Stage name '{}' should be lowercase",
    "FromAsCasing": "'{}' and '{}' keywords' casing do not match",
    "NoEmptyContinuation": "Empty continuation line",
    "ConsistentInstructionCasing": "Command '{}' should match the case of the command majority ({})",
    "DuplicateStageName": "Duplicate stage name {}, stage names should be unique",
    "ReservedStageName": "Stage name should not use the same name as reserved stage {}",
    "JSONArgsRecommended": "JSON arguments recommended for {} to prevent unintended behavior related to OS signals",
    "MaintainerDeprecated": "Maintainer instruction is deprecated in favor of using label",
    "UndefinedArgInFrom": "FROM argument '{}' is not declared{}",
    "WorkdirRelativePath": "Relative workdir {} can have unexpected results if the base image changes",
    "UndefinedVar": "Usage of undefined variable '${}'{}",
    "MultipleInstructionsDisallowed": (
        "Multiple {} instructions should not be used in the same stage because only the last one will be used"
    ),
    "LegacyKeyValueFormat": '"{0} key=value" should be used instead of legacy "{0} key value" format',
    "InvalidBaseImagePlatform": ("Base image {} was pulled with platform {}, expected {} for current build"),
    "RedundantTargetPlatform": (
        "Setting platform to predefined {} in FROM is redundant as this is the default behavior"
    ),
    "SecretsUsedInArgOrEnv": "Do not use ARG or ENV instructions for sensitive data ({} {})",
    "InvalidDefaultArgInFrom": "Default value for ARG {} results in empty or invalid base image name",
    "FromPlatformFlagConstDisallowed": "FROM --platform flag should not use constant value {}",
    "CopyIgnoredFile": "Attempting to {} file {} that is excluded by .dockerignore",
    "ExposeProtoCasing": "Defined protocol '{}' in EXPOSE instruction should be lowercase",
    "ExposeInvalidFormat": (
        "EXPOSE instruction should not define an IP address or host-port mapping, found '{}'"
    ),
    "InvalidDefinitionDescription": "Comment for {} should follow the format: `# {} <description>`",
}
EXPERIMENTAL = ("InvalidDefinitionDescription",)
OVERRIDE = "BUILDKIT_DOCKERFILE_CHECK"  # a build argument that says what the directive says, and counts more
_URL = "https://docs.docker.com/go/dockerfile/rule/{}/"
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ABOVE = re.compile(r"check\s*=\s*(\S+)", re.IGNORECASE)
_KEYS = ("skip", "experimental", "error")


class Choice:
    """What `check=` asks for.  Raises UsageError."""

    def __init__(self, text: str = "") -> None:
        self.skip: set[str] = set()
        self.experimental: set[str] = set()
        self.is_error = False
        for part in text.split(";") if text.strip() else []:
            key, equals, value = (word.strip() for word in part.partition("="))
            if key not in _KEYS or not equals:
                raise UsageError(f"invalid check option {words.quoted(part)}", "as in skip=all;error=true")
            if key == "error":
                self.is_error = _truth(part, value)
            else:
                setattr(self, key, {name.strip() for name in value.split(",")})

    def wants(self, rule: str) -> bool:
        if rule in EXPERIMENTAL:
            return bool(self.experimental & {"all", rule})
        return not self.skip & {"all", rule}


def _truth(part: str, value: str) -> bool:
    found = truth(value)
    if found is None:
        raise UsageError(f"failed to parse check option {words.quoted(part)}", "error=true or error=false")
    return found


def choice(file: Dockerfile, build_args: Mapping[str, str]) -> Choice:
    """What the file's first lines ask for, or the build argument that overrides them.  Raises UsageError."""
    given = file.directives.get("check", "").split(" ")[0]
    return Choice(build_args.get(OVERRIDE, given))


class Findings:
    """The warnings so far, each once."""

    def __init__(self, file: str, asked: Choice) -> None:
        self.file = file
        self.asked = asked
        self.is_silent = False
        self._found: dict[tuple[object, ...], Warning] = {}

    def warn(self, rule: str, line: Line, *values: object) -> None:
        """`values` are for the rule's message.  A comment above the line may have had enough of the rule."""
        if rule in EXPERIMENTAL or all(one.wants(rule) for one in _above(line)):
            self.warn_at(rule, (line.start, line.end), *values)

    def warn_at(self, rule: str, lines: tuple[int, int], *values: object) -> None:
        message = RULES[rule].format(*values)
        if self.asked.wants(rule) and not self.is_silent:
            self._found[rule, message, lines] = Warning(rule, message, url(rule), lines, self.file)

    def sorted(self) -> list[Warning]:
        return sorted(self._found.values(), key=lambda one: (one.lines, one.rule, one.message))


def _above(line: Line) -> list[Choice]:
    """What the comments above a line ask for; one that is wrong is a comment like others."""
    found = []
    for comment in line.comments:
        if match := _ABOVE.fullmatch(comment):
            try:
                found.append(Choice(match[1]))
            except UsageError:
                pass
    return found


def url(rule: str) -> str:
    """Where Docker explains it.

    >>> url("JSONArgsRecommended")
    'https://docs.docker.com/go/dockerfile/rule/json-args-recommended/'
    """
    return _URL.format(_CAPITAL.sub("-", rule).lower())


def violation(warnings: Iterable[Warning], asked: Choice) -> str:
    """What a build with `error=true` fails with; "" if it does not."""
    found = sorted({warning.rule for warning in warnings if warning.rule in RULES})
    return f"lint violation found for rules: {', '.join(found)}" if found and asked.is_error else ""
