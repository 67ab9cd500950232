"""What a template consists of once it is read: the tree that parser.py makes and evaluation.py walks.

Each node knows where in the text it begins (`at`), for errors.

See  text/template/parse node.go
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Literal(NamedTuple):
    at: int
    text: str


class Action(NamedTuple):
    """{{pipeline}}: its value is printed, unless it went into a variable."""

    at: int
    pipe: Pipe


class Branch(NamedTuple):
    """`if`, `with`, `range`."""

    at: int
    word: str
    pipe: Pipe
    body: list[Node]
    otherwise: list[Node]


class Jump(NamedTuple):
    """`break`, `continue`."""

    at: int
    word: str


class Include(NamedTuple):
    """{{template "name" pipeline}}"""

    at: int
    name: str
    pipe: Pipe | None


class Pipe(NamedTuple):
    """`$a, $b := command | command`; in parentheses it is an operand, too."""

    at: int
    variables: list[str]
    is_assignment: bool  # = and not :=
    commands: list[Command]


class Command(NamedTuple):
    """A function, a method or a value, and the arguments."""

    at: int
    operands: list[Operand]


class Constant(NamedTuple):
    at: int
    value: Any
    text: str


class Nil(NamedTuple):
    at: int


class Path(NamedTuple):
    """`.A.B` (start "."), `$x.A` (start "$x"), `(pipeline).A` (start is the pipeline)."""

    at: int
    start: str | Operand
    names: list[str]


class Function(NamedTuple):
    at: int
    name: str


Operand = Pipe | Constant | Nil | Path | Function
Node = Literal | Action | Branch | Jump | Include
