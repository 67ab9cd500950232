r"""The words of a Dockerfile: how a line is split, what $NAME in it stands for, where quotes go.

It looks like a shell and is less: no commands, no arithmetic, no field splitting, and these forms of a variable,
in which WORD and the patterns may hold variables themselves:

    $NAME ${NAME}                      its value, nothing where it is not set
    ${NAME:-WORD}  ${NAME-WORD}        WORD where it is not set (or, with the colon, is empty)
    ${NAME:+WORD}  ${NAME+WORD}        WORD where it is set
    ${NAME:?WORD}  ${NAME?WORD}        an error that says WORD where it is not set
    ${NAME#PAT} ${NAME##PAT}           less the shortest, the longest beginning that matches
    ${NAME%PAT} ${NAME%%PAT}           less the shortest, the longest end that matches
    ${NAME/PAT/WORD} ${NAME//PAT/WORD} the first match, every match replaced

A pattern knows * and ?, neither of which is a line's end, and \* \? \\.  A match is found by following all ways through
the pattern at once, in one pass: no pattern takes exponential time.

See      docs.docker.com "Dockerfile reference", Environment replacement; sh(1) "Quoting", "Parameter Expansion"
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from minirun import jsontext
from minirun.errors import UsageError
from minirun.image import globs

if TYPE_CHECKING:
    from collections.abc import Mapping

BLANKS = "\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""White space as Go has it, for a regular expression's brackets; Python's \\s has four control characters more."""
SPACE = BLANKS.replace("\u2000-\u200a", "".join(map(chr, range(0x2000, 0x200B))))
"""The same for str.strip."""

_DEEPEST = 50  # ${a:-${b:-...}}
_LONGEST = 1 << 24  # characters of one word: ENV A=$A$A thirty times over would be a gigabyte
_RUNS = re.compile(f"[{BLANKS}]+|[^{BLANKS}]+")
_GAP = re.compile(r"[\t\v\f\r ]+")
_SPACES = re.compile(f"[{BLANKS}]+")
_DIGITS = re.compile(r"\d+")
_NAME = re.compile(r"\w+")
_WRITTEN_OUT = dict(zip('"\\\a\b\f\n\r\t\v', ('\\"', r"\\", *(rf"\{c}" for c in "abfnrtv")), strict=True))
_INFINITE = float("inf")
_SPECIAL = "@*#?-$!"
_QUOTED = {escape: re.compile(rf"""[^"${re.escape(escape)}]+""") for escape in "\\`"}


def split(text: str, escape: str = "\\") -> list[str]:
    r"""At blanks outside of quotes; quotes and escapes stay, for `expand`.  An open quote ends with the text.

    >>> split(r"a 'b c' d\ e")
    ['a', "'b c'", 'd\\ e']
    """
    found = list(_word(escape).finditer(text))
    words = [match[0] for match in found]
    if found and (found[-1]["lone"] or found[-1]["quoted"]):  # an escape with nothing behind it
        words[-1] = words[-1][:-1]
    return [word for word in words if word]


def gaps(text: str, most: int = 0) -> list[str]:
    """Split at blanks whatever quotes there are, at most `most` times; these are blanks to Docker in most places."""
    return _GAP.split(text, maxsplit=most)


def parts(text: str, most: int = 0) -> list[str]:
    """The same at any white space."""
    return _SPACES.split(text, maxsplit=most)


def behind_blanks(text: str, at: int) -> int:
    """The first place from `at` on that is no white space."""
    blanks = _SPACES.match(text, at)
    return blanks.end() if blanks else at


def _word(escape: str) -> re.Pattern[str]:
    """One word as it is written.  Nothing is tried twice (++): time and memory grow with the text and no faster."""
    e = re.escape(escape)
    return re.compile(
        rf"(?:{e}.|(?P<lone>{e}\Z)"
        rf"""|"(?:{e}.|(?P<quoted>{e}\Z)|[^"{e}]++)*+(?:"|\Z)"""
        rf"|'[^']*+(?:'|\Z)"
        rf"""|[^{BLANKS}"'{e}]++)++""",
        re.DOTALL,
    )


def expand(
    word: str,
    variables: Mapping[str, str],
    escape: str = "\\",
    unset: set[str] | None = None,
    *,
    quotes: bool = True,
) -> str:
    r"""What is meant by one word: variables put in, quotes and escapes taken away.

    The names of variables that are not set are added to `unset`.  Without `quotes` they are characters like all others:
    so is the body of a here-document.  Raises UsageError.

    >>> expand("'$A' \"$A\" ${B:-${A}c} \\$A", {"A": "1"})
    '$A 1 1c $A'
    """
    return "".join(text for text, _ in _Reader(word, variables, escape, unset, quotes=quotes).whole())


def expand_to_words(
    text: str, variables: Mapping[str, str], escape: str = "\\", unset: set[str] | None = None
) -> list[str]:
    """The words of a text after its variables are put in: a blank in a value parts them, unless it is quoted."""
    return _in_words(_Reader(text, variables, escape, unset).whole())


def raw_words(text: str) -> list[str]:
    """The words of a text with its quotes and escapes, where here-documents are looked for; [] of a broken text."""
    try:
        return _in_words(_Reader(text, {}, raw_quotes=True, raw_escapes=True, keep_unset=True).whole())
    except UsageError:
        return []


def unquoted(word: str, *, raw_quotes: bool = False) -> list[str]:
    """The words of a here-document's marker; variables are none there."""
    return _in_words(_Reader(word, {}, raw_quotes=raw_quotes, keep_unset=True).whole())


def _in_words(pieces: list[tuple[str, bool]]) -> list[str]:
    found, word = [], ""
    for text, is_quoted in pieces:
        for run in [text] if is_quoted else _RUNS.findall(text):
            if is_quoted or run[0] not in SPACE:
                word += run
            elif word:
                found.append(word)
                word = ""
    return [*found, word] if word else found


class _Reader:
    """Reads a text from left to right; a variable's WORD is read by the same method, one level deeper.

    `raw` says that quotes or escapes stay in what is read; `keep_unset`, that variables that are not set do.
    """

    def __init__(
        self,
        text: str,
        variables: Mapping[str, str],
        escape: str = "\\",
        unset: set[str] | None = None,
        *,
        quotes: bool = True,
        raw_quotes: bool = False,
        raw_escapes: bool = False,
        keep_unset: bool = False,
    ) -> None:
        self.text = text
        self.variables = variables
        self.escape = escape
        self.unset: set[str] = set() if unset is None else unset
        self.quotes = quotes
        self.raw_quotes = raw_quotes
        self.raw_escapes = raw_escapes
        self.keep_unset = keep_unset
        self.at = 0
        self.depth = 0
        self.length = 0
        self.special = re.escape(escape) + ("$'\"" if quotes else "$")

    def whole(self) -> list[tuple[str, bool]]:
        """The text in pieces, and of each whether it is quoted: a blank in it parts no words."""
        try:
            return self.until("", raw=self.raw_escapes)
        except UsageError as error:
            shown = self.text if len(self.text) <= 200 else f"{self.text[:200]}..."
            raise UsageError(f"failed to process {quoted(shown)}: {error.message}", error.hint) from None

    def until(self, stop: str, *, raw: bool) -> list[tuple[str, bool]]:
        """Up to the character `stop`, which is read, too; up to the end where there is none."""
        pieces: list[tuple[str, bool]] = []
        before, self.raw_escapes = self.raw_escapes, raw
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == stop:
                self.at += 1
                self.raw_escapes = before
                return pieces
            pieces.append(self.piece(char, stop))
        self.raw_escapes = before
        if stop:
            raise UsageError(f"unexpected end of statement while looking for matching {stop}")
        return pieces

    def piece(self, char: str, stop: str) -> tuple[str, bool]:
        if char == "$":
            return self.dollar(), False
        if char == "'" and self.quotes:
            return self.single_quoted(), True
        if char == '"' and self.quotes:
            return self.double_quoted(), True
        if char == self.escape:
            return self.escaped(), True
        return self.match(re.compile(f"[^{self.special}{stop}]+")), False

    def match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found[0] if found else ""

    def next(self) -> str:
        """One character, "" at the end."""
        self.at += 1
        return self.text[self.at - 1 : self.at]

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def escaped(self) -> str:
        """A character behind an escape means itself; at the end an escape means nothing."""
        escape, following = self.next(), self.next()
        return escape + following if self.raw_escapes else following

    def single_quoted(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            self.at = len(self.text)
            raise UsageError("unexpected end of statement while looking for matching single-quote")
        start, self.at = self.at, end + 1
        return self.text[start : end + 1] if self.raw_quotes else self.text[start + 1 : end]

    def double_quoted(self) -> str:
        """Variables are put in; an escape escapes a quote, a dollar and itself only."""
        made = []
        self.at += 1
        while (char := self.peek()) != '"':
            if not char:
                raise UsageError("unexpected end of statement while looking for matching double-quote")
            if char == "$":
                made.append(self.dollar())
            elif char == self.escape:
                made.append(self.escaped_in_quotes())
            else:
                made.append(self.match(_QUOTED[self.escape]))
        self.at += 1
        quote = '"' if self.raw_quotes else ""
        return quote + "".join(made) + quote

    def escaped_in_quotes(self) -> str:
        kept = self.next()
        following = self.peek()
        if not following:
            return kept if self.raw_escapes else ""
        if following not in ('"', "$", self.escape):
            return kept * 2 if self.raw_escapes else kept
        return kept + self.next() if self.raw_escapes else self.next()

    # ---- variables ----------------------------------------------------------------------------------------

    def dollar(self) -> str:
        """What a variable stands for."""
        start = self.at
        self.at += 1
        if self.peek() != "{":
            name = self.name()
            return self.plain_value(name, start) if name else "$"
        self.at += 1
        self.depth += 1
        if self.depth > _DEEPEST:
            raise UsageError(f"variables are nested more than {_DEEPEST} deep")
        made = self.braced(start)
        self.depth -= 1
        return made

    def name(self) -> str:
        """Letters, digits and _; digits alone, or one of the shell's special ones, where it begins with such."""
        if self.peek() and self.peek() in _SPECIAL:
            return self.next()
        return self.match(_DIGITS) or self.match(_NAME)

    def plain_value(self, name: str, start: int) -> str:
        value = self.value(name)
        if value is None:
            return self.text[start : self.at] if self.keep_unset else ""
        return self.counted(value)

    def value(self, name: str) -> str | None:
        value = self.variables.get(name)
        if value is None:
            self.unset.add(name)
        return value

    def counted(self, text: str) -> str:
        self.length += len(text)
        if self.length > _LONGEST:
            raise UsageError(f"its variables make it longer than {_LONGEST >> 20} million characters")
        return text

    def braced(self, start: int) -> str:
        r"""${NAME and what follows, up to the closing brace."""
        if not self.peek():
            raise UsageError("syntax error: missing '}'")
        if self.peek() in "{}:":
            raise UsageError("syntax error: bad substitution")
        name = self.name()
        operator = self.next()
        if operator == "}":
            return self.plain_value(name, start)
        if operator == ":":
            operator += self.next()
        if operator in ("/", "#", "%"):
            return self.counted(self.pattern(name, operator, start))
        word = self.word("}", raw=False)
        if operator.removeprefix(":") not in ("-", "+", "?") or operator == ":":
            raise UsageError(f"unsupported modifier ({operator}) in substitution")
        return self.counted(self.instead(name, operator, word, start))

    def word(self, stop: str, *, raw: bool) -> str:
        try:
            return "".join(text for text, _ in self.until(stop, raw=raw))
        except UsageError:
            if self.at < len(self.text):
                raise
            missing = "missing '/' in ${}" if stop == "/" else "missing '}'"
            raise UsageError(f"syntax error: {missing}") from None

    def instead(self, name: str, operator: str, word: str, start: int) -> str:
        """${NAME:-WORD} and its like."""
        value = self.value(name)
        if value is None and self.keep_unset:
            return self.text[start : self.at]
        nothing = value is None or (operator[0] == ":" and not value)
        if operator[-1] == "+":
            return "" if nothing else word
        if nothing and operator[-1] == "?":
            state = "unset" if value is None else "empty"
            raise UsageError(f"{name}: {word or f'is not allowed to be {state}'}")
        return word if nothing else value or ""

    def pattern(self, name: str, operator: str, start: int) -> str:
        """${NAME#PATTERN}, ${NAME%PATTERN}, ${NAME/PATTERN/WORD}"""
        double = self.peek() == operator
        self.at += double
        pattern = self.word("/" if operator == "/" else "}", raw=True)
        by = self.word("}", raw=True) if operator == "/" else ""
        value = self.value(name)
        if value is None:
            return self.text[start : self.at] if self.keep_unset else ""
        if operator == "/":
            return globs.replaced(value, pattern, by, every=double)
        cut = globs.cut_start if operator == "#" else globs.cut_end
        return cut(value, pattern, longest=double)


def json_list(text: str) -> list[str] | None:
    """`["a", "b"]`; None for what is no JSON list and so is for a shell.  Raises UsageError: not all are texts."""
    text = text.lstrip(SPACE)
    if not text.startswith("["):
        return None
    try:
        value = jsontext.loads(text)
    except (ValueError, RecursionError):
        return None
    if any(item in (_INFINITE, -_INFINITE) or item != item for item in value):
        return None  # NaN and Infinity are Python's alone
    if not all(isinstance(item, str) for item in value):
        raise UsageError("when using JSON array syntax, arrays must be comprised of strings only")
    return [item.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for item in value]


def quoted(text: str) -> str:
    r"""In double quotes, with what cannot be seen written out, as Go's %q has it in messages and in an image's history.

    >>> print(quoted('say "hi"\n'))
    "say \"hi\"\n"
    """
    return '"' + "".join(map(_shown, text)) + '"'


def _shown(char: str) -> str:
    if char in _WRITTEN_OUT:
        return _WRITTEN_OUT[char]
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
