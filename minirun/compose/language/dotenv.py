"""Files of variables: `.env`, `--env-file`, a service's `env_file`.

    # comment                      KEY=value # comment          KEY: value
    export KEY=value               KEY='as it $is'              KEY="line\\n${OTHER:-default}"
    KEY                            its value is the one of the environment, if it has one

Values in quotes may go over several lines.  Without quotes, and in double ones, variables are filled in.  A file of
`format: raw` is read as `minirun run --env-file` reads it: to the end of the line, and nothing in it means anything.

See  compose-spec 05-services.md "Env_file format"; compose-go dotenv/parser.go
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping

from minirun.compose.language.problems import ComposeError, Problem

_BLANKS = "\t\v\f\r \x85\xa0"  # not the end of a line
_KEY_SIGNS = frozenset("_.-[]")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}

Lookup = Callable[[str], "str | None"]


class Unreadable(ValueError):
    """`line` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def read_file(
    path: str, lookup: Lookup, unset: Callable[[str], None], *, raw: bool = False
) -> dict[str, str]:
    """The variables of a file.  Raises ComposeError that names the line, OSError."""
    if "\0" in path:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    with open(path, "rb") as file:
        content = file.read()
    try:
        text = content.decode().removeprefix("\ufeff")
        return read_raw(text, lookup) if raw else read(text, lookup, unset)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ComposeError([Problem("this is no UTF-8 text", file=path, line=line, column=1)]) from None
    except Unreadable as error:
        raise ComposeError([Problem(str(error), file=path, line=error.line, column=1)]) from None


def read(text: str, lookup: Lookup, unset: Callable[[str], None]) -> dict[str, str]:
    """The variables of a text.  Variables in it are looked up, then taken from the lines above.

    >>> read("A=1 # one\\nB='$A'\\nC=\\"${A}2\\"", {}.get, print)
    {'A': '1', 'B': '$A', 'C': '12'}
    """
    return _Reader(text, lookup, unset).read()


def read_raw(text: str, lookup: Lookup) -> dict[str, str]:
    """As of docker's --env-file."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r").lstrip()
        if not line or line.startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not key or " " in key or "\t" in key:
            raise Unreadable(f'"{key}" is no name of a variable', number)
        inherited = value if equals else lookup(key)
        if inherited is not None:
            found[key] = inherited
    return found


class _Reader:
    def __init__(self, text: str, lookup: Lookup, unset: Callable[[str], None]) -> None:
        self.text = text
        self.at = 0
        self.lookup = lookup
        self.unset = unset
        self.found: dict[str, str] = {}

    def read(self) -> dict[str, str]:
        while self._skip_to_statement():
            self._skip_export()
            if self.at == len(self.text):
                raise self._unreadable("export wants the name of a variable", self.at - 1)
            key, has_value = self._key()
            inherited = self._value() if has_value else self.lookup(key)
            if inherited is not None:
                self.found[key] = inherited
        return self.found

    def _skip_to_statement(self) -> bool:
        """Past white space and comments; False at the end."""
        text = self.text
        while self.at < len(text):
            if text[self.at] == "#":
                self.at = self._end_of_line()
            elif text[self.at].isspace():
                self.at += 1
            else:
                return True
        return False

    def _skip_export(self) -> None:
        after = self.text[self.at + 6 : self.at + 7]
        if self.text.startswith("export", self.at) and after in _BLANKS + "\n" and after:
            self.at += 6
            self._skip_blanks()

    def _key(self) -> tuple[str, bool]:
        """The name, and whether a value follows."""
        start = self.at
        end = self._end_of_line()
        while self.at < end and self.text[self.at] not in "=:":
            letter = self.text[self.at]
            if not (letter.isalnum() or letter in _KEY_SIGNS or letter in _BLANKS):
                raise self._unreadable(f"{letter} cannot be in the name of a variable", start)
            self.at += 1
        key = self.text[start : self.at].rstrip()
        if " " in key:
            raise self._unreadable(f'"{key}" has a space in it: a line is KEY=value', start)
        has_value = self.at < end
        self.at += 1
        self._skip_blanks()
        return key, has_value

    def _value(self) -> str:
        start = self.at
        quote = self.text[start : start + 1]
        if quote in ("'", '"'):
            value = self._quoted(quote)
            return value if quote == "'" else self._filled_in(_unescaped(value), start)
        end = self._end_of_line()
        self.at = end + 1
        return self._filled_in(self.text[start:end].partition(" #")[0].rstrip(), start)

    def _quoted(self, quote: str) -> str:
        """To the quote that ends it; a backslash takes its meaning from one."""
        start = self.at
        made: list[str] = []
        self.at += 1
        while self.at < len(self.text):
            letter = self.text[self.at]
            self.at += 1
            if letter == quote:
                return "".join(made)
            if letter == "\\" and self.at < len(self.text):
                after = self.text[self.at]
                made.append(after if after == quote else letter + after)
                self.at += 1
            else:
                made.append(letter)
        raise self._unreadable("this quote is never closed", start)

    def _filled_in(self, value: str, start: int) -> str:
        if "$" not in value:
            return value
        from minirun.compose.language.interpolation import Unfit, substitute

        try:
            return substitute(value, self._known, self.unset)
        except Unfit as error:
            hint = f"; {error.hint}" if error.hint else ""
            raise self._unreadable(f"{error}{hint}", start) from None

    def _known(self, name: str) -> str | None:
        value = self.lookup(name)
        return self.found.get(name) if value is None else value

    def _end_of_line(self) -> int:
        end = self.text.find("\n", self.at)
        return end if end >= 0 else len(self.text)

    def _skip_blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in _BLANKS:
            self.at += 1

    def _unreadable(self, message: str, at: int) -> Unreadable:
        return Unreadable(message, self.text.count("\n", 0, at) + 1)


def _unescaped(text: str) -> str:
    """What backslashes stand for in double quotes: a tab, an end of a line, \\0101 for A.

    A dollar sign behind one is doubled, so that it stays one.
    """
    made: list[str] = []
    at = 0
    while at < len(text):
        after = text[at + 1 : at + 2]
        if text[at] != "\\" or not after:
            made.append(text[at])
            at += 1
        elif after == "0":
            digits = _digits(text, at + 2)
            octal = len(digits) == 3 and set(digits) <= set("01234567") and int(digits, 8) < 256
            made.append(chr(int(digits, 8)) if octal else "\\" + digits)
            at += 2 + len(digits)
        elif after == "$":
            made.append("$$")
            at += 2
        else:
            made.append(_ESCAPES.get(after, "\\" + after))
            at += 2
    return "".join(made)


def _digits(text: str, at: int) -> str:
    """Three of them at most."""
    end = at
    while end < len(text) and end < at + 3 and text[end] in "0123456789":
        end += 1
    return text[at:end]


def merged(paths: list[str], environment: Mapping[str, str], unset: Callable[[str], None]) -> dict[str, str]:
    """The variables of several files, those of a later one win; names are looked up in `environment` first."""
    found: dict[str, str] = {}

    def known(name: str) -> str | None:
        return environment.get(name, found.get(name))

    for path in paths:
        found.update(read_file(path, known, unset))
    return found
