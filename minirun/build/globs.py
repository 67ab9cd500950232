"""Patterns of file names, matched in one walk over the path, whatever they are.

    *  ?         within a name               [a-z] [^a]   one character, never a slash
    **           across names, or nothing    \\x           that character

All patterns together are one automaton: where in them one may be is a set, the bits of an integer, and each character
of the path leads to the next set.  Steps are remembered once made, so a path costs a look-up for each character, for
one pattern as for a hundred.  Nothing is tried and taken back, which takes exponential time for `*a*a*a*a*b`.

See      Go's path/filepath.Match (the syntax, and what is wrong); moby/patternmatcher (`**`);
         Russ Cox, "Regular Expression Matching Can Be Simple And Fast"
Left out Go lets a class like [^a] match a slash
"""

from __future__ import annotations

from minirun.errors import MinirunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Test = Callable[[str], bool]
    Token = tuple[int, str | Test | None]

_STATES_MAX = 20_000  # remembered at a time; what people write leads to a few hundred

_CHAR = 0  # this character
_TEST = 1  # a character that the test accepts
_ANY = 2  # a character but a slash
_STAR = 3  # any number of those
_ALL = 4  # any number of any characters
_DEEP = 5  # nothing, or what _INSIDE says
_INSIDE = 6  # any number of any characters and then a slash


class State(dict[str, "State"]):
    """Where in the patterns one may be after some characters: state[char] is where one is after another one.

    `matched` has a bit for each pattern that matches what was read so far.
    """

    __slots__ = ("automaton", "matched", "positions")

    def __init__(self, automaton: Automaton, positions: int, matched: int) -> None:
        self.automaton = automaton
        self.positions = positions
        self.matched = matched

    def __missing__(self, char: str) -> State:
        state = self[char] = self.automaton.step(self.positions, char)
        return state


class Automaton:
    """The patterns as positions, one bit each: a pattern's tokens in order, then its end."""

    def __init__(self, patterns: Sequence[str], *, deep: bool = True) -> None:
        """`deep`: whether `**` crosses slashes; else it is a star, as in Go's Match."""
        self._tests: list[tuple[int, Test]] = []
        self._states: dict[int, State] = {}
        self.spans: list[tuple[int, int]] = []  # a pattern's first position, and how many it has
        of_kind: dict[int, list[int]] = {kind: [] for kind in range(_INSIDE + 1)}
        literal: dict[str, list[int]] = {}
        for pattern in patterns:
            self._lay_out(parse(pattern, deep=deep), of_kind, literal)
        self._of_kind = {kind: _bits(positions) for kind, positions in of_kind.items()}
        self._literal = {char: _bits(positions) for char, positions in literal.items()}
        self._index = {start + length: index for index, (start, length) in enumerate(self.spans)}
        self._ends = _bits([end - 1 for end in self._index])
        self.start = self._state(self._closure(_bits([start for start, _ in self.spans])))

    def _lay_out(
        self, tokens: list[Token], of_kind: dict[int, list[int]], literal: dict[str, list[int]]
    ) -> None:
        """Give the tokens of a pattern, and its end, the next positions."""
        first = sum(self.spans[-1]) if self.spans else 0
        for position, (kind, value) in enumerate(tokens, first):
            of_kind[kind].append(position)
            if isinstance(value, str):
                literal.setdefault(value, []).append(position)
            elif value is not None:
                self._tests.append((1 << position, value))
        self.spans.append((first, len(tokens) + 1))

    def step(self, positions: int, char: str) -> State:
        """The state after `char`, which may be made anew."""
        kind = self._of_kind
        moving = self._literal.get(char, 0)
        moving |= kind[_INSIDE] if char == "/" else kind[_ANY]
        for bit, test in self._tests:
            if test(char):
                moving |= bit
        staying = kind[_ALL] | kind[_INSIDE] | (0 if char == "/" else kind[_STAR])
        return self._state(self._closure((positions & moving) << 1 | positions & staying))

    def _closure(self, positions: int) -> int:
        """With what can be reached without a character: stars and `**` may stand for nothing."""
        kind = self._of_kind
        while True:
            deep = positions & kind[_DEEP]
            passed = (positions & (kind[_STAR] | kind[_ALL])) << 1 | deep << 1 | deep << 2
            if passed | positions == positions:
                return positions
            positions |= passed

    def _state(self, positions: int) -> State:
        if positions not in self._states:
            if len(self._states) > _STATES_MAX:
                for state in self._states.values():
                    state.clear()
                self._states.clear()
            self._states[positions] = State(self, positions, self._matched(positions))
        return self._states[positions]

    def _matched(self, positions: int) -> int:
        """A bit for each pattern whose end is reached."""
        matched, ends = 0, positions & self._ends
        while ends:
            matched |= 1 << self._index[ends.bit_length()]
            ends ^= 1 << (ends.bit_length() - 1)
        return matched

    def mask(self, indexes: Iterable[int]) -> int:
        """All positions of these patterns."""
        spans = [self.spans[index] for index in indexes]
        return _bits([position for first, length in spans for position in range(first, first + length)])


def _bits(positions: list[int]) -> int:
    """An integer with these bits, made in one go: bit by bit would be quadratic."""
    buffer = bytearray(max(positions, default=0) // 8 + 1)
    for position in positions:
        buffer[position >> 3] |= 1 << (position & 7)
    return int.from_bytes(buffer, "little")


def matches(automaton: Automaton, text: str) -> bool:
    """Whether one of the patterns matches all of `text`."""
    state = automaton.start
    for char in text:
        state = state[char]
    return bool(state.matched)


def has_wildcards(path: str) -> bool:
    """Whether a source is a pattern and not a name."""
    escaped = False
    for char in path:
        if not escaped and char in "*?[":
            return True
        escaped = char == "\\" and not escaped
    return False


# ---- a pattern, taken apart -------------------------------------------------------------------------------


def parse(pattern: str, *, deep: bool = True) -> list[Token]:
    """The tokens of a pattern.  Raises MinirunError where Go's Match has "syntax error in pattern"."""
    tokens: list[Token] = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        if deep and pattern.startswith("**", position):
            position = _deep(pattern, position, tokens)
            continue
        position += 1
        if char == "*":
            if not (tokens and tokens[-1][0] == _STAR):
                tokens.append((_STAR, None))
        elif char == "?":
            tokens.append((_ANY, None))
        elif char == "[":
            test, position = _class(pattern, position)
            tokens.append((_TEST, test))
        else:
            if char == "\\":
                char, position = _next(pattern, position), position + 1
            tokens.append((_CHAR, char))
    return tokens


def _deep(pattern: str, position: int, tokens: list[Token]) -> int:
    """`**` at `position`: all that follows at a pattern's end, else whole names, none too.  Returns what is next.

    `**.pyc` is what ends in .pyc, for patternmatcher takes it for a suffix; `**.py?` is not, as in patternmatcher.
    """
    end = position + 2 + pattern.startswith("/", position + 2)
    suffix = position == 0 and end == 2 and not any(char in "*?[]\\" for char in pattern[end:])
    if end == len(pattern) or suffix:
        tokens.append((_ALL, None))
    elif not (tokens and tokens[-1][0] == _INSIDE):
        tokens += [(_DEEP, None), (_INSIDE, None)]
    return end


def _class(pattern: str, position: int) -> tuple[Test, int]:
    """What stands after `[`, as a test of a character, and where the rest begins."""
    negated = pattern.startswith("^", position)
    position += negated
    ranges: list[tuple[str, str]] = []
    while not (ranges and pattern.startswith("]", position)):
        low, position = _bound(pattern, position)
        high = low
        if pattern.startswith("-", position):
            high, position = _bound(pattern, position + 1)
        ranges.append((low, high))
    return (
        lambda char: char != "/" and any(low <= char <= high for low, high in ranges) != negated,
        position + 1,
    )


def _bound(pattern: str, position: int) -> tuple[str, int]:
    """A character in a class, after which something has to follow."""
    char = _next(pattern, position)
    if char in "-]":
        raise _wrong(pattern)
    if char == "\\":
        position += 1
        char = _next(pattern, position)
    if position + 1 == len(pattern):
        raise _wrong(pattern)
    return char, position + 1


def _next(pattern: str, position: int) -> str:
    if position >= len(pattern):
        raise _wrong(pattern)
    return pattern[position]


def _wrong(pattern: str) -> MinirunError:
    hint = "a [ needs its ], with something between that is no - or ], and a backslash something after it"
    return MinirunError(f"the pattern {pattern!r}: syntax error in pattern", hint)
