"""What a build does not see: `.dockerignore`, and the patterns of `--exclude` and `--parents`.

    node_modules     that, at the top, and all that is in it
    **/*.log         at any depth
    !keep.log        but that one; the last line that matches decides

A tree is looked at from the top down.  What a directory's own patterns said is handed to what is in it, as BuildKit
does, so `!dir` gives back what `dir` took, but not what `dir/*.log` takes afterwards.  A directory whose content
cannot come back is not even opened: that is what makes a large node_modules cheap.

See      moby/patternmatcher (MatchesUsingParentResults) and its ignorefile; docs.docker.com "dockerignore files"
Next     tree.py
"""

from __future__ import annotations

from minirun.build.globs import Automaton, State
from minirun.errors import MinirunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Inside = tuple[State, int]  # in a directory: after its slash, and the patterns that matched it
    Place = tuple[
        State, int, bool
    ]  # at a name: after it, the patterns that match it, and whether it is left out

_MARK = b"\xef\xbb\xbf"  # U+FEFF, which some editors write first


def read(text: bytes) -> list[str]:
    """The patterns of a .dockerignore, cleaned; `#` makes a comment in the first column only."""
    lines = text.removeprefix(_MARK).decode("utf-8", "surrogateescape").split("\n")
    cleaned = [_cleaned(line.strip()) for line in lines if not line.startswith("#")]
    return [line for line in cleaned if line]


def _cleaned(line: str) -> str:
    negated = "!" * line.startswith("!")
    pattern = line.removeprefix("!").strip()
    if pattern:
        pattern = clean(pattern)
        pattern = pattern[1:] if len(pattern) > 1 and pattern[0] == "/" else pattern
    return negated + pattern


def clean(path: str) -> str:
    """Go's path.Clean: `a//b/../c/` is `a/c`, nothing is `.`, `/..` is `/`."""
    parts: list[str] = []
    rooted = path.startswith("/")
    for part in path.split("/"):
        if part == ".." and (rooted or (parts and parts[-1] != "..")):
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" * rooted + "/".join(parts) or "."


class Ignore:
    """A list of patterns: which paths it leaves out."""

    def __init__(self, patterns: Iterable[str]) -> None:
        """Raises MinirunError for a pattern that Go's Match does not take."""
        lines = [clean(line.strip()) for line in patterns if line.strip()]
        if "!" in lines:
            raise MinirunError(
                'illegal exclusion pattern: "!"', "after the ! stands what is not to be left out"
            )
        self._automaton = Automaton([line.removeprefix("!") for line in lines])
        self._negated = [line.startswith("!") for line in lines]
        self._exceptions = [index for index, negated in enumerate(self._negated) if negated]
        self._later: dict[int, int] = {}  # positions of the exceptions after a pattern
        self._decided: dict[tuple[int, int], tuple[int, bool]] = {}
        self.top: Inside = (self._automaton.start, 0)

    def look(self, inside: Inside, name: str) -> Place:
        """At `name` in a directory."""
        state, above = inside
        for char in name:
            state = state[char]
        if not (above or state.matched):
            return state, 0, False
        if not self._exceptions:
            return state, above | state.matched, True
        return (state, *self._decide(state.matched, above))

    def inside(self, place: Place) -> Inside:
        """In the directory that was looked at."""
        return place[0]["/"], place[1]

    def closed(self, place: Place) -> bool:
        """Whether it is left out, and nothing below can be an exception."""
        state, matched, out = place
        if not self._exceptions or not out:
            return out
        last = max(
            index for index, negated in enumerate(self._negated) if matched >> index & 1 and not negated
        )
        if last not in self._later:
            self._later[last] = self._automaton.mask(index for index in self._exceptions if index > last)
        return not state["/"].positions & self._later[last]

    def barren(self, place: Place) -> bool:
        """Whether no pattern matches it or can match anything below."""
        return not place[1] and not place[0]["/"].positions

    def _decide(self, matched: int, above: int) -> tuple[int, bool]:
        """Which patterns are taken to match, and whether it is left out.  `above`: those that matched the directory.

        A pattern that would change nothing is not asked, and so does not count for what is below, either.
        """
        key = matched, above
        if key not in self._decided:
            counted, out = above, False
            for index, negated in enumerate(self._negated):
                if above >> index & 1 or (negated == out and matched >> index & 1):
                    counted |= 1 << index
                    out = not negated
            self._decided[key] = counted, out
        return self._decided[key]

    def enter(self, path: str) -> Inside:
        """In the directory `path`, which no link is in; "" is the top."""
        inside = self.top
        for name in path.split("/") if path else []:
            inside = self.inside(self.look(inside, name))
        return inside

    def excludes(self, path: str) -> bool:
        """Whether `path` is left out."""
        above, _, name = path.rpartition("/")
        return self.look(self.enter(above), name)[2]

    def prunes(self, directory: str) -> bool:
        """Whether nothing in it can come back."""
        above, _, name = directory.rpartition("/")
        return self.closed(self.look(self.enter(above), name))
