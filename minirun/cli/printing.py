"""All text that goes to a person goes through here.

Nearly every line holds somebody else's words (printable.py), so nobody has to decide which do: on a terminal all are
made printable.  A file or a pipe gets them as they are: there a program reads, and a file's name has to be that name.
What a container's program itself prints (run, exec, attach, logs) is its own business and does not come here.
"""

from __future__ import annotations

import sys

from minirun.errors import MinirunError
from minirun.printable import one_line, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TextIO


def say(text: str, *, err: bool = False, file: TextIO | None = None, end: str = "\n") -> None:
    """Print `text`, one line or several, to standard output, to standard error, or to `file`."""
    _write(text, printable, file or (sys.stderr if err else sys.stdout), end)


def say_line(text: str) -> None:
    """Print a line of a list: a name with a newline in it does not pass itself off for one line more."""
    _write(text, one_line, sys.stdout, "\n")


def draw(text: str, file: TextIO | None = None, end: str = "\n") -> None:
    """Print what has colours of ours, and only printable words; the colours are left out of a file or a pipe."""
    import click  # whoever has colours has loaded it; minirun-oci has neither

    click.echo(text, file=file, nl=bool(end))


def write_lines(lines: Iterable[str], path: str) -> None:
    """The lines to a file, or with path "" in pieces to standard output: a tree has a hundred thousand of them.

    They may have colours; the words in them are printable.
    """
    if path:
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)
        except OSError as error:
            raise MinirunError(f"{path}: {error.strerror}") from error
        return
    for line in lines:
        draw(line)


def _write(text: str, made: Callable[[str], str], file: TextIO, end: str) -> None:
    file.write((made(text) if file.isatty() else text) + end)
    file.flush()
