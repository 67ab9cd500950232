"""The lines of a Dockerfile become stages of instructions, each of its own type, each checked.

    ARG V=1                            before the first FROM: for the FROM lines alone
    FROM alpine:$V AS builder          a stage, up to the next FROM
    RUN make

What is wrong with the words of a line is found here, whether its stage is built or not; what depends on the value of a
variable is not, for nothing is expanded yet.  Instructions that change the image's config and nothing else are
Metadata; what they mean is in image/instructions.py.

See      docs.docker.com "Dockerfile reference"
Next     plan.py
"""

from __future__ import annotations

import re

from minirun.build import dockerfile, mounts
from minirun.build.dockerfile import Dockerfile, DockerfileError, Heredoc, Line
from minirun.errors import UsageError
from minirun.image import instructions, words
from minirun.image.flags import Flags
from minirun.image.suggestions import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

NETWORKS = ("default", "none", "host")
SECURITIES = ("sandbox", "insecure")
_WORDS = ("ADD", "ARG", "COPY", "FROM", "RUN", *instructions.WORDS)
_MAY_BE_JSON = ("ADD", "CMD", "COPY", "ENTRYPOINT", "RUN", "SHELL", "VOLUME")
_STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*")
_VARIABLE = re.compile(r"\$.")
_RUN_FLAGS = {"mount": list, "network": str, "security": str, "device": list}
_COPY_FLAGS = {"from": str, "chown": str, "chmod": str, "link": bool, "parents": bool, "exclude": list}
_ADD_FLAGS = {
    **{"chown": str, "chmod": str, "link": bool, "keep-git-dir": bool, "checksum": str, "unpack": bool},
    "exclude": list,
}


class From:
    """`FROM image AS name`; name in lower case, "" without one."""

    def __init__(self, line: Line) -> None:
        self.line = line
        flags = Flags(line.flags, {"platform": str})
        given = words.gaps(line.text) if line.text else []
        self.image = given[0] if given else ""
        self.platform = flags.text("platform")
        self.name = ""
        if len(given) == 3 and given[1].lower() == "as":
            self.name = given[2].lower()
            if not _STAGE_NAME.fullmatch(self.name):
                raise UsageError(
                    f"invalid name for build stage: {words.quoted(given[2])}, "
                    "name can't start with a number or contain symbols"
                )
        elif len(given) != 1:
            raise UsageError("FROM requires either one or three arguments", "as in FROM image AS name")


class Arg:
    """`ARG a b=c`: pairs of name and default value, None without one."""

    def __init__(self, line: Line, escape: str) -> None:
        self.line = line
        self.pairs: list[tuple[str, str | None]] = []
        for word in words.split(line.text, escape):
            name, equals, value = word.partition("=")
            if not name:
                raise UsageError("ARG names can not be blank")
            self.pairs.append((name, value if equals else None))
        if not self.pairs:
            raise UsageError("ARG requires at least one argument")


class Env:
    """`ENV a=b c=d`; `legacy` is the form without equals sign."""

    def __init__(self, line: Line, escape: str) -> None:
        self.line = line
        Flags(line.flags, {})
        self.pairs, self.legacy = instructions.pairs(line.word, line.text, escape)


class Label(Env):
    """`LABEL a=b c=d`"""


class Run:
    """`RUN`: `command` is a list in the exec form and one text in the shell form."""

    def __init__(self, line: Line) -> None:
        self.line = line
        flags = Flags(line.flags, _RUN_FLAGS)
        listed = words.json_list(line.text)
        self.command: list[str] | str = line.text if listed is None else listed
        self.mounts = flags.texts("mount")
        network = flags.text("network", "default")
        self.network = "" if network == "default" else network  # "": that of the build
        self.security = flags.text("security", "sandbox")
        self.devices = flags.texts("device")
        if not self.command:
            raise UsageError("RUN requires at least one argument")
        for value in self.mounts:
            mounts.check_early(value)
        if network not in NETWORKS:
            raise UsageError(f"invalid network mode {words.quoted(network)}", f"one of {', '.join(NETWORKS)}")
        if self.security not in SECURITIES:
            raise UsageError(
                f"security {words.quoted(self.security)} is not valid", f"one of {', '.join(SECURITIES)}"
            )

    @property
    def script(self) -> str:
        """What the shell is given: one here-document alone is the script, others go to the shell with the command."""
        if isinstance(self.command, list):
            return ""
        if self._alone:
            return self.line.heredocs[0].text
        return "\n".join([self.command, *(f"{body.raw}{body.name}" for body in self.line.heredocs)])

    @property
    def file(self) -> Heredoc | None:
        """A here-document alone that begins with #! is executed as a file."""
        alone = self._alone and self.line.heredocs[0].text.startswith("#!")
        return self.line.heredocs[0] if alone else None

    @property
    def _alone(self) -> bool:
        found = dockerfile.heredoc(self.command) if isinstance(self.command, str) else None
        return found is not None and bool(self.line.heredocs)


class Copy:
    """`COPY` and `ADD`: what is copied is a path (`sources`) or the body of a here-document (`files`, by name)."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.is_add = line.word == "ADD"
        given = words.json_list(line.text)
        if given is None:
            given = words.gaps(line.text) if line.text else []
        if len(given) < 2:
            raise UsageError(
                f"{line.word} requires at least two arguments, but only one was provided. "
                "Destination could not be determined"
            )
        flags = Flags(line.flags, _ADD_FLAGS if self.is_add else _COPY_FLAGS)
        self.source_stage = flags.text("from")
        self.chown, self.chmod = flags.text("chown"), flags.text("chmod")
        self.link, self.parents = flags.true("link"), flags.true("parents")
        self.exclude = flags.texts("exclude")
        self.checksum = flags.text("checksum")
        self.keep_git_dir = flags.true("keep-git-dir")
        self.unpack: bool | None = flags.true("unpack") if flags.given("unpack") else None
        self.sources: list[str] = []
        self.files: list[tuple[str, Heredoc]] = []
        self._place(given)
        if _VARIABLE.search(self.source_stage):
            raise UsageError(
                "variable expansion is not supported for --from, define a new stage with FROM using ARG from "
                "global scope as a workaround"
            )

    def _place(self, given: Sequence[str]) -> None:
        *sources, self.target = given
        if dockerfile.heredoc(self.target):
            raise UsageError(f"{self.line.word} cannot accept a heredoc as a destination")
        bodies = {body.name: body for body in self.line.heredocs}
        for source in sources:
            found = dockerfile.heredoc(source)
            if found and found.name in bodies:
                self.files.append((found.name, bodies[found.name]))
            else:
                self.sources.append(source)


class Metadata:
    """An instruction that changes the image's config and no file; `text` is what follows its word and its flags."""

    def __init__(self, line: Line, escape: str) -> None:
        self.line = line
        self.word = line.word
        self.text = line.text
        if self.word == "ONBUILD":
            _check_trigger(dockerfile.Line(line.text, escape, line.start, []), escape)
            self.text = "\n".join([line.text, *(f"{body.raw}{body.name}" for body in line.heredocs)])
        instructions.check(self.word, self.text, escape=escape, flags=line.flags)


def _check_trigger(line: Line, escape: str) -> None:
    """What can be said of an instruction that is for another build: no more than how its words hang together."""
    if line.word in ("ENV", "LABEL"):
        instructions.pairs(line.word, line.text, escape)
    elif line.word in _MAY_BE_JSON:
        words.json_list(line.text)


Instruction = From | Arg | Env | Label | Run | Copy | Metadata


class Stage:
    def __init__(self, index: int, base: From) -> None:
        self.index = index
        self.base = base
        self.name = base.name
        self.instructions: list[Instruction] = []


def stages(file: Dockerfile) -> tuple[list[Arg], list[Stage]]:
    """The global ARGs and the stages.  Raises DockerfileError."""
    found: list[Stage] = []
    arguments: list[Arg] = []
    for line in file.lines:
        if not place(typed(line, file.escape), arguments, found):
            raise DockerfileError(
                f"no build stage in current context: {line.word} is before the first FROM",
                line.start,
                line.end,
            )
    if not found:
        raise DockerfileError("dockerfile contains no stages to build", hint="a stage begins with FROM")
    return arguments, found


def place(instruction: Instruction, arguments: list[Arg], found: list[Stage]) -> bool:
    """Put it where it belongs: FROM begins a stage, before the first one there are only ARGs.  False: nowhere."""
    if isinstance(instruction, From):
        found.append(Stage(len(found), instruction))
    elif found:
        found[-1].instructions.append(instruction)
    elif isinstance(instruction, Arg):
        arguments.append(instruction)
    else:
        return False
    return True


def one(text: str) -> Instruction:
    """The instruction of an ONBUILD trigger, as an image has it.  Raises UsageError."""
    file = dockerfile.parse(text.encode("utf-8", "surrogateescape"), "ONBUILD")
    if len(file.lines) != 1:
        raise DockerfileError("onbuild trigger should be a single expression", 1)
    if file.lines[0].word in instructions.NO_TRIGGERS:
        raise DockerfileError(f"{file.lines[0].word} isn't allowed as an ONBUILD trigger", 1)
    return typed(file.lines[0], file.escape)


def typed(line: Line, escape: str) -> Instruction:
    """One line as an instruction.  Raises DockerfileError that says which line is wrong."""
    try:
        return _typed(line, escape)
    except DockerfileError:
        raise
    except UsageError as error:
        raise DockerfileError(error.message, line.start, line.end, error.hint) from None


def _typed(line: Line, escape: str) -> Instruction:
    if line.word == "FROM":
        return From(line)
    if line.word == "RUN":
        return Run(line)
    if line.word in ("COPY", "ADD"):
        return Copy(line)
    if line.word == "ARG":
        return Arg(line, escape)
    if line.word in ("ENV", "LABEL"):
        return Env(line, escape) if line.word == "ENV" else Label(line, escape)
    if line.word in instructions.WORDS:
        return Metadata(line, escape)
    raise UsageError(
        f"unknown instruction: {line.written}{did_you_mean(line.written, _WORDS, any_case=True)}"
    )
