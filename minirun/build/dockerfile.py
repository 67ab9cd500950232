r"""A Dockerfile's text becomes its lines: one Line for each instruction, as it is written.

    # escape=`                        parser directives come first
    RUN --network=none make \         continued by the escape character; comments inside vanish
        # so does this one
        all
    COPY <<EOF /greeting              here-documents follow the line that asks for them
    hello
    EOF

Nothing is expanded here, and no instruction is known but for the question which may have here-documents.  The text is
read once, line by line, so time and memory grow with its length alone.

See      docs.docker.com "Dockerfile reference": Format, Parser directives, Here-Documents
Next     stages.py
"""

from __future__ import annotations

import re
import sys

from minirun.errors import UsageError
from minirun.image import flags, words
from minirun.image.words import BLANKS, SPACE

LONGEST_LINE = 65535  # bytes; BuildKit's
LARGEST_FILE = 16 << 20  # bytes; BuildKit's
_FEW = 6  # lines in which all directives are: each once, and behind a #!
_DIRECTIVES = ("syntax", "escape", "check")
_DIRECTIVE = re.compile(rf"#[{BLANKS}]*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*")
_MARKER = re.compile(r"(\d*)<<(-?)([^<]*)")
_TABS = re.compile(r"^\t+", re.MULTILINE)
_WITH_HEREDOCS = ("ADD", "COPY", "RUN")


class DockerfileError(UsageError):
    """The file is not right.  `line` and `end` say where, counted from 1; 0 is not known."""

    def __init__(self, message: str, line: int = 0, end: int = 0, hint: str = "") -> None:
        where = f"dockerfile parse error on line {line}: " if line else ""
        super().__init__(f"{where}{message}", hint)
        self.reason = message
        self.line = line
        self.end = end or line


class Heredoc:
    """A here-document: `text` is its body, `raw` the body before <<- took the tabs away."""

    def __init__(self, marker: str, fd: str, chomp: bool, name: str, expand: bool) -> None:
        self.marker = marker
        self.fd = fd
        self.chomp = chomp
        self.name = name
        self.expand = expand
        self.raw = ""

    @property
    def text(self) -> str:
        return _TABS.sub("", self.raw) if self.chomp else self.raw


class Line:
    """One instruction as it is written; `original` is all of it, its continuations joined."""

    __slots__ = (
        *("original", "written", "word", "flags", "text", "heredocs", "start", "end", "comments"),
    )  # for a file may have a million

    def __init__(self, original: str, escape: str, start: int, comments: list[str]) -> None:
        self.original = original.strip(SPACE)
        written, *rest = words.gaps(self.original, 1)
        self.written = sys.intern(written)
        self.word = sys.intern(written.upper())
        self.flags, self.text = flags.leading(rest[0] if rest else "", escape)
        self.heredocs: list[Heredoc] = []
        self.start = self.end = start
        self.comments = comments


class Dockerfile:
    """`empty_continuations` are the last lines of the instructions that have an empty line inside."""

    def __init__(self, name: str, text: str, directives: dict[str, str]) -> None:
        self.name = name
        self.text = text
        self.directives = directives
        self.escape = directives.get("escape", "\\")
        self.lines: list[Line] = []
        self.empty_continuations: list[int] = []


def parse(data: bytes, name: str = "Dockerfile") -> Dockerfile:
    """The lines of a Dockerfile.  Raises DockerfileError."""
    if not data:
        raise DockerfileError("the Dockerfile cannot be empty")
    if len(data) > LARGEST_FILE:
        raise DockerfileError(f"{name} exceeds maximum allowed size of {LARGEST_FILE >> 20} MiB")
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    file = Dockerfile(name, text, _directives(text.split("\n", _FEW)[:_FEW]))
    parser = _Parser(file)
    parser.run()
    if not file.lines:
        raise DockerfileError("file with no instructions", parser.at)
    return file


class _Parser:
    """Where the reading is: `at` is the number of lines read so far, `place` where the next one begins."""

    def __init__(self, file: Dockerfile) -> None:
        self.file = file
        self.at = self.place = 0
        escape = re.escape(file.escape)
        self.continued = re.compile(rf"(?:(?<![{escape}])|^){escape}[ \t]*\Z")
        self.comments: list[str] = []

    def run(self) -> None:
        while self.goes_on():
            line = self.next().lstrip(SPACE)
            if line and line[0] != "#":
                self.instruction(line)
            elif (comment := line[1:].strip(SPACE)) and self.at > len(self.file.directives):
                self.comments.append(comment)
            else:
                self.comments = []  # an empty line, and an empty comment: what is above is about something else

    def goes_on(self) -> bool:
        return self.place < len(self.file.text)

    def next(self) -> str:
        end = self.file.text.find("\n", self.place)
        line = self.file.text[self.place : end if end >= 0 else None]
        self.place += len(line) + 1
        self.at += 1
        if len(line) > LONGEST_LINE // 4 and len(line.encode("utf-8", "surrogateescape")) > LONGEST_LINE:
            raise DockerfileError(
                f"dockerfile line greater than max allowed size of {LONGEST_LINE}",
                self.at,
                hint="break it with the escape character, or move what is in it to a file",
            )
        return line.rstrip("\r")

    def instruction(self, first: str) -> None:
        start = self.at
        joined = self.joined(first)
        _check_text(joined, start, self.at)
        line = Line(joined, self.file.escape, start, self.comments)
        if not line.original:
            return  # an escape character alone
        self.comments = []
        try:
            line.heredocs = _heredocs(line, self.file.escape)
        except UsageError as error:
            raise DockerfileError(error.message, start, self.at, error.hint) from None
        for heredoc in line.heredocs:
            self.body(heredoc, start)
        line.end = self.at
        self.file.lines.append(line)

    def joined(self, line: str) -> str:
        """An instruction with the lines that continue it; comments among them are taken out."""
        parts, empty = [], False
        while continued := self.continued.search(line):
            parts.append(line[: continued.start()])
            line = ""
            while self.goes_on():
                line = self.next()
                stripped = line.lstrip(SPACE)
                if stripped and stripped[0] != "#":
                    break
                empty = empty or not stripped
                line = ""
        if empty:
            self.file.empty_continuations.append(self.at)
        return "".join([*parts, line])

    def body(self, heredoc: Heredoc, start: int) -> None:
        begun, first = self.place, self.at + 1
        while self.goes_on():
            end = self.place
            line = self.next()
            if (line.lstrip("\t") if heredoc.chomp else line) == heredoc.name:
                heredoc.raw = self.file.text[begun:end]
                _check_text(heredoc.raw, first, self.at)
                return
        raise DockerfileError(
            "unterminated heredoc", start, self.at, f"a line with {heredoc.name} alone ends it"
        )


def _check_text(text: str, start: int, end: int) -> None:
    """What is executed and written into an image is UTF-8; a comment may be anything."""
    if text.isascii() and "\0" not in text:
        return
    for char in text:
        if "\udc80" <= char <= "\udcff":
            raise DockerfileError(
                f"not valid UTF-8: byte 0x{ord(char) - 0xDC00:02x}",
                start,
                end,
                "convert the file with iconv(1)",
            )
        if char == "\0":
            raise DockerfileError("a NUL byte", start, end)


# ---- directives -------------------------------------------------------------------------------------------


def _directives(lines: list[str]) -> dict[str, str]:
    """`# escape=...` and its like: the first lines, each at most once; any other line ends them.

    A line in front that names an interpreter, #!, makes a comment of the escape character's.
    """
    found: dict[str, str] = {}
    start = 1 if lines and lines[0].startswith("#!") else 0
    for number, line in enumerate(lines[start:], start + 1):
        match = _DIRECTIVE.fullmatch(line.strip(SPACE))
        key = match[1].lower() if match else ""
        if match is None or key not in _DIRECTIVES:
            break
        if key in found:
            raise DockerfileError(f"only one {key} parser directive can be used", number)
        if key == "escape" and start:
            continue
        if key == "escape" and match[2] not in ("\\", "`"):
            raise DockerfileError(f"invalid escape token '{match[2]}' does not match ` or \\", number)
        found[key] = match[2]
    return found


# ---- here-documents ---------------------------------------------------------------------------------------


def _heredocs(line: Line, escape: str) -> list[Heredoc]:
    """Those that ADD, COPY and RUN ask for where they are not in the form of a JSON list, and ONBUILD of these."""
    word, text = line.word, line.text
    if word == "ONBUILD":
        inner = Line(text, escape, 0, [])
        word, text = inner.word, inner.text
    if word not in _WITH_HEREDOCS or "<<" not in line.original or words.json_list(text) is not None:
        return []
    return [found for word in words.raw_words(line.original) if (found := heredoc(word))]


def heredoc(word: str) -> Heredoc | None:
    """What `<<EOF`, `3<<-"EOF"` asks for, its body still to come; None for any other word."""
    match = _MARKER.fullmatch(word)
    if not match or not match[3]:
        return None
    plain = words.unquoted(match[3])
    if len(plain) != 1:
        return None
    raw = "".join(words.unquoted(match[3], raw_quotes=True))
    quotes = [text.count("'") + text.count('"') for text in (plain[0], raw)]
    return Heredoc(word, match[1], match[2] == "-", plain[0], quotes[0] == quotes[1])


# ---- the other way ----------------------------------------------------------------------------------------


def printed(file: Dockerfile) -> str:
    """The file's text without comments and empty lines: parsed, it gives the same again."""
    made = [f"# {key}={value}\n" for key, value in file.directives.items()]
    for line in file.lines:
        made.append(_printed_line(line.original, file.escape) + "\n")
        made += [f"{heredoc.raw}{heredoc.name}\n" for heredoc in line.heredocs]
    text = "".join(made)
    return f"\n{text}" if text.startswith("\ufeff") else text


def _printed_line(text: str, escape: str) -> str:
    """Broken where it would be too long.  A form feed keeps an escape character at the end from continuing it."""
    made, begun = [], 0
    while len(text[begun : begun + LONGEST_LINE].encode()) >= LONGEST_LINE:
        fits = text[begun : begun + LONGEST_LINE].encode()[: LONGEST_LINE - 1].decode(errors="ignore")
        end = begun + len(fits)
        while text[end - 1] == escape or text[words.behind_blanks(text, end)] == "#":
            end = begun + len(text[begun:end].rstrip(SPACE)) - 1
        made.append(text[begun:end] + escape + "\n")
        begun = end
    return "".join(made) + text[begun:] + ("\f" if text.endswith(escape) else "")
