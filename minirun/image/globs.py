r"""Patterns of ${NAME#PATTERN} and its like: * is any text within a line, ? one character; \* \? \\ are themselves.

All ways through a pattern are followed at once, a set of positions in it that moves along with the text: one pass
over the text whatever the pattern, where trying one way after the other would take exponential time.

>>> cut_start("/usr/local/bin", "*/", longest=True)
'bin'
>>> cut_end("a.tar.gz", ".*", longest=False)
'a.tar'
>>> replaced("a-b-c", "-", "+", every=True)
'a+b+c'

See  sh(1) "Parameter Expansion"; Thompson, "Regular Expression Search Algorithm" (1968)
"""

from __future__ import annotations

from minirun.errors import UsageError

_STAR = "*"
_ANY = "?"
_WORK = 1 << 28  # characters of the text times those of the pattern


def cut_start(text: str, pattern: str, *, longest: bool) -> str:
    """`text` without the beginning that matches, if one does."""
    return _without_start(text, _tokens(pattern), longest)


def cut_end(text: str, pattern: str, *, longest: bool) -> str:
    """`text` without the end that matches: the same from behind."""
    return _without_start(text[::-1], _tokens(pattern)[::-1], longest)[::-1]


def replaced(text: str, pattern: str, by: str, *, every: bool) -> str:
    """`text` with the first match, the longest there, or every one replaced."""
    tokens = _tokens(pattern)
    made, at = [], 0
    while at <= len(text):
        found = _find(text, tokens, at)
        if not found:
            break
        start, end = found
        made += [text[at:start], by]
        if end == start:  # nothing matched: go on behind the next character
            made.append(text[end : end + 1])
            end += 1
        at = end
        if not every:
            break
    return "".join(made) + text[at:]


def _tokens(pattern: str) -> list[str]:
    r"""One for each character: "*", "?", or "=" and the character that is meant."""
    tokens, at = [], 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char != "\\":
            tokens.append(char if char in "*?" else f"={char}")
            continue
        following = pattern[at : at + 1]
        if following in ("}", "/"):  # escaped for the ${} around it
            continue
        if following not in ("*", "?", "\\"):
            raise UsageError(f"invalid pattern ({pattern}) in substitution: invalid escape '\\{following}'")
        tokens.append(f"={following}")
        at += 1
    return tokens


def _check_work(text: str, tokens: list[str]) -> None:
    if len(text) * len(tokens) > _WORK:
        raise UsageError("a pattern and what it is applied to are too long")


def _without_start(text: str, tokens: list[str], longest: bool) -> str:
    _check_work(text, tokens)
    end = None
    states = _reached(tokens, {0: 0})
    for at in range(len(text) + 1):
        if len(tokens) in states:
            end = at
        if not states or at == len(text) or (end is not None and not longest):
            break
        states = _moved(tokens, states, text[at])
    return text if end is None else text[end:]


def _find(text: str, tokens: list[str], start: int) -> tuple[int, int] | None:
    """The first match from `start` on, as long as it can be there."""
    _check_work(text, tokens)
    found: tuple[int, int] | None = None
    states: dict[int, int] = {}  # position in the pattern: where in the text the match began, the first one
    for at in range(start, len(text) + 1):
        if not found:
            states = _reached(tokens, {**states, 0: min(at, states.get(0, at))})
        begun = states.get(len(tokens))
        if begun is not None and (not found or begun <= found[0]):
            found = (begun, at)
        if found:
            states = {position: begun for position, begun in states.items() if begun <= found[0]}
        if at == len(text) or (found and not states):
            break
        states = _moved(tokens, states, text[at])
    return found


def _moved(tokens: list[str], states: dict[int, int], char: str) -> dict[int, int]:
    """The positions after one more character of the text."""
    after: dict[int, int] = {}
    for position, begun in states.items():
        token = tokens[position] if position < len(tokens) else ""
        if token == f"={char}" or (token == _ANY and char != "\n"):
            _add(after, position + 1, begun)
        elif token == _STAR and char != "\n":
            _add(after, position, begun)
    return _reached(tokens, after)


def _reached(tokens: list[str], states: dict[int, int]) -> dict[int, int]:
    """With the positions behind a star, which may stand for nothing."""
    for position in sorted(states):
        begun = states[position]
        while position < len(tokens) and tokens[position] == _STAR:
            position += 1
            _add(states, position, begun)
    return states


def _add(states: dict[int, int], position: int, begun: int) -> None:
    states[position] = min(begun, states.get(position, begun))
