"""(did you mean FROM?): what was meant by a word that is none of those that are known.

See  Levenshtein, "Binary codes capable of correcting deletions, insertions and reversals" (1966)
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_FAR = 3  # changes of a letter; from here on it is another word
_LONGEST = 64  # letters; nothing that is known is longer


def did_you_mean(given: str, known: Iterable[str], *, any_case: bool = False) -> str:
    """` (did you mean FROM?)` for what is near one of the words, "" otherwise.

    >>> did_you_mean("form", ["FROM", "RUN"], any_case=True)
    ' (did you mean from?)'
    """
    match = nearest(given, known, any_case=any_case)
    if match and any_case:
        match = match.lower() if given.islower() else match.upper() if given.isupper() else match.lower()
    return f" (did you mean {match}?)" if match else ""


def nearest(given: str, known: Iterable[str], *, any_case: bool = False) -> str:
    """The word nearest to `given`; "" if none is near, or one is the same."""
    best, least = "", _FAR
    for word in known:
        one, other = (given.lower(), word.lower()) if any_case else (given, word)
        if one == other:
            return ""
        if abs(len(one) - len(other)) < least and len(one) <= _LONGEST:
            far = _distance(one, other)
            if far < least:
                best, least = word, far
    return best


def _distance(one: str, other: str) -> int:
    """How many letters have to be put in, left out or changed."""
    before = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        here = [row]
        for column, its in enumerate(other, 1):
            here.append(min(before[column] + 1, here[-1] + 1, before[column - 1] + (letter != its)))
        before = here
    return before[-1]
