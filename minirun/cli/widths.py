"""How wide text is on a terminal, and text cut to a width, as Docker cuts commands and names.

See  Unicode Standard Annex 11, "East Asian Width"; docker/cli cli/command/formatter/displayutils.go
"""

from __future__ import annotations


def width(text: str) -> int:
    """In columns: a Chinese sign and most pictures take two, an accent that joins a letter takes none.

    >>> width("abc"), width("日本"), width("e\\u0301")
    (3, 4, 1)
    """
    return len(text) if text.isascii() else sum(map(_letter_width, text))


def _letter_width(letter: str) -> int:
    import unicodedata  # for the few that are not ASCII

    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def shortened(text: str, columns: int) -> str:
    """As much of the beginning as has room.

    >>> shortened("日本語", 5), shortened("abc", 5)
    ('日本', 'abc')
    """
    if text.isascii():
        return text[: max(columns, 0)]
    for at, letter in enumerate(text):
        columns -= _letter_width(letter)
        if columns < 0:
            return text[:at]
    return text


def ellipsis(text: str, columns: int) -> str:
    """`text`, or as much of it as fits with "…" into `columns`.

    >>> ellipsis("docker-entrypoint.sh postgres", 20)
    'docker-entrypoint.s…'
    """
    return text if width(text) <= columns else f"{shortened(text, columns - 1)}…"
