"""A Dockerfile as it is shown to people: its lines, those that are meant marked; and the error that points at them.

    Dockerfile:2
    --------------------
       1 |     FROM busybox
       2 | >>> RUN false
       3 |     CMD ["sh"]
    --------------------

See  buildkit solver/errdefs/source.go, whose picture this is
"""

from __future__ import annotations

from minirun.errors import MinirunError

_RULE = "-" * 20
_BESIDE_ONE, _BESIDE_MORE = 2, 1  # lines above and below
_MOST = 40  # lines that are shown of a long instruction


class Source:
    """`name` is how it is shown: "Dockerfile", "app/Dockerfile.dev"."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text


class BuildError(MinirunError):
    """What failed in a line of the Dockerfile: `start` and `end`, counted from 1; 0 where no line is to blame."""

    def __init__(
        self, message: str, hint: str = "", source: Source | None = None, lines: tuple[int, int] = (0, 0)
    ) -> None:
        super().__init__(message, hint)
        self.source = source
        self.lines = lines
        self.explanation: list[str] = []  # of --explain-cache, of the steps that were begun


def excerpt(source: Source, start: int, end: int) -> list[str]:
    """The picture above; nothing for a line that is not there.

    >>> excerpt(Source("Dockerfile", "FROM x"), 1, 1)[2]
    '   1 | >>> FROM x'
    """
    lines = source.text.splitlines()
    if not 1 <= start <= len(lines):
        return []
    end = min(max(start, end), len(lines))
    beside = _BESIDE_ONE if start == end else _BESIDE_MORE
    numbers = range(max(start - beside, 1), min(end + beside, len(lines)) + 1)
    shown = [_line(number, lines[number - 1], start <= number <= end) for number in numbers]
    if len(shown) > _MOST:
        shown[_MOST // 2 : -_MOST // 2] = ["     | ..."]
    return [f"{source.name}:{start}", _RULE, *shown, _RULE]


def _line(number: int, text: str, marked: bool) -> str:
    return f" {number:3} | {'>>>' if marked else '   '} {text}".rstrip()
