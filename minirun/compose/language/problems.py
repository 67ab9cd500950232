"""What is wrong in a compose file: every problem with its place, all of them told at once.

compose.yaml:7:5: services.web.prots: unknown key; did you mean ports?
"""

from __future__ import annotations

from collections.abc import Iterable

from minirun.errors import MinirunError


class Problem:
    """One sentence about one place of a file.  Lines and columns count from 1; 0 where there is none to name."""

    def __init__(
        self, message: str, *, file: str = "", line: int = 0, column: int = 0, path: str = "", hint: str = ""
    ) -> None:
        self.file = file
        self.line = line
        self.column = column
        self.path = path  # services.web.ports[0]
        self.message = message
        self.hint = hint  # what to write instead; told behind the sentence

    @property
    def place(self) -> str:
        """
        >>> Problem("", file="compose.yaml", line=7, column=5).place
        'compose.yaml:7:5'
        """
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def __str__(self) -> str:
        """
        >>> str(Problem("unknown key", file="c.yaml", line=7, column=5, path="services.web.prots", hint="ports?"))
        'c.yaml:7:5: services.web.prots: unknown key; ports?'
        """
        sentence = "; ".join(part for part in (self.message, self.hint) if part)
        return ": ".join(part for part in (self.place, self.path, sentence) if part)

    def __repr__(self) -> str:
        return f"Problem({str(self)!r})"


class ComposeError(MinirunError):
    """The files ask for something that makes no sense.  `problems` has all that was found, the message a line each."""

    def __init__(self, problems: Iterable[Problem], hint: str = "") -> None:
        self.problems = list(problems)
        lines = [str(problem) for problem in self.problems]
        if len(lines) > 1:
            lines.insert(0, f"{len(lines)} things are wrong in the compose files:")
        super().__init__("\n".join(lines), hint)
