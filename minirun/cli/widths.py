"""How wide text is on a terminal, and text cut to a width, as Docker cuts commands and names.

See  Unicode Standard Annex 11, "East Asian Width"; docker/cli cli/command/formatter/displayutils.go
"""

from __future__ import annotations


def width(text: str) -> int:
    """In columns: a letter of Chinese, a letter that is as wide, and most pictures take two.

    >>> width("abc"), width("日本")
    (3, 4)
    """
    return len(text) if text.isascii() else sum(map(_letter_width, text))


def _letter_width(letter: str) -> int:
    import unicodedata  # for the few that are not ASCII

    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def ellipsis(text: str, columns: int) -> str:
    """`text`, or as much of it as fits with "…" into `columns`.

    >>> ellipsis("docker-entrypoint.sh postgres", 20)
    'docker-entrypoint.s…'
    """
    if width(text) <= columns:
        return text
    kept = 0
    for at, letter in enumerate(text):
        kept += _letter_width(letter)
        if kept > columns - 1:
            return f"{text[:at]}…"
    return text
