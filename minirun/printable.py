"""Somebody else's words, made harmless for a terminal.

A file's name, a label, an argument of a command: a container or an image chose them, and a terminal would obey what
is in them.  An escape sequence moves the cursor over what was said before, changes the window's title, or has the
terminal type something.

See  console_codes(4); CVE-2003-0063 and those after it
"""

from __future__ import annotations


def printable(text: str, kept: str = "\n\t") -> str:
    r"""`text` with all that a terminal would obey instead of show written out.  `kept` stays as it is.

    >>> print(printable("all \x1b[2J gone"))
    all \x1b[2J gone
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in kept else ascii(letter)[1:-1] for letter in text
    )


def shortened(text: str, longest: int = 1000) -> str:
    """`text` with its middle left out where it is longer than `longest` characters: it quotes somebody's words.

    >>> shortened("the option " + "x" * 50 + " is unknown", 40)
    'the option xxxxxxxxxxxxx ...  is unknown'
    """
    if len(text) <= longest:
        return text
    kept = longest - len(" ... ")
    return f"{text[: kept - kept // 3]} ... {text[-(kept // 3) :]}"


def one_line(text: str) -> str:
    r"""The same for what has to stay in its line, or in its column: `\n` and `\t` are written out, too."""
    return printable(text, "")
