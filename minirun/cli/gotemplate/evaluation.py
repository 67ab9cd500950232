"""The tree is walked with a value, and text comes out.

Whoever writes a template may write one that does not end, `{{range 1000000000}}`, or one that fills the memory,
`{{$x = print $x $x}}` in a loop: each step and each letter is paid for, and what there is to spend is bounded.

See  text/template exec.go
"""

from __future__ import annotations

from minirun.cli.gotemplate import functions, lexer, printing, quoting, values
from minirun.cli.gotemplate.nodes import (
    Action,
    Branch,
    Command,
    Constant,
    Function,
    Include,
    Jump,
    Literal,
    Nil,
    Node,
    Operand,
    Path,
    Pipe,
)
from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from minirun.cli.gotemplate.parser import Tree

BUDGET = 32 * 2**20  # letters in all; a step counts as STEP of them
STEP = 64  # so half a million steps: some seconds


class _Break(Exception):
    """{{break}}, on its way out to the loop."""


class _Continue(Exception):
    """{{continue}}, on its way out to the loop."""


def fill(
    tree: Tree, value: Any, *, strict: bool = False, changed: dict[str, Callable[..., Any]] | None = None
) -> str:
    """The text that the template makes of `value` (values.py).  Raises UsageError.

    `strict`: a key that a map has not got is an error; `changed`: functions that do something else here.
    """
    state = _State(tree, value, strict, changed or {})
    try:
        state.walk(tree.root, value)
    except RecursionError:
        raise UsageError("template: its templates go too deep into each other") from None
    return "".join(state.output)


class _State:
    def __init__(self, tree: Tree, value: Any, strict: bool, changed: dict[str, Callable[..., Any]]) -> None:
        self.tree = tree
        self.strict = strict
        self.changed = changed
        self.variables: list[tuple[str, Any]] = [("$", value)]  # the innermost last
        self.output: list[str] = []
        self.left = BUDGET

    def fail(self, at: int, why: str, hint: str = "") -> NoReturn:
        lexer.fail(self.tree.text, at, why, hint)

    def spend(self, at: int, letters: int = 0) -> None:
        if letters > printing.LONGEST:
            self.fail(at, f"a text of {letters} letters is too long: {printing.LONGEST} is the most")
        self.left -= STEP + letters
        if self.left < 0:
            self.fail(at, "the template does too much: it does not seem to come to an end")

    def write(self, at: int, text: str) -> None:
        self.spend(at, len(text))
        self.output.append(text)

    # ---- nodes ----

    def walk(self, nodes: list[Node], dot: Any) -> None:
        for node in nodes:
            match node:
                case Literal():
                    self.write(node.at, node.text)
                case Action():
                    value = self.pipeline(node.pipe, dot)
                    if not node.pipe.variables:
                        self.write(node.at, printing.show(value))
                case Branch(word="range"):
                    self.range(node, dot)
                case Branch():
                    self.branch(node, dot)
                case Include():
                    self.include(node, dot)
                case Jump():
                    raise _Break if node.word == "break" else _Continue

    def branch(self, node: Branch, dot: Any) -> None:
        known = len(self.variables)
        value = self.pipeline(node.pipe, dot)
        if values.is_true(value):
            self.walk(node.body, value if node.word == "with" else dot)
        else:
            self.walk(node.otherwise, dot)
        del self.variables[known:]

    def range(self, node: Branch, dot: Any) -> None:
        known = len(self.variables)
        value = self.pipeline(node.pipe, dot)
        pairs = values.items(value)
        if pairs is None:
            self.fail(node.pipe.at, f"{functions.described(value)} is no list and no map to go through")
        if isinstance(value, int) and len(node.pipe.variables) > 1:
            self.fail(node.pipe.at, "a number is gone through with one variable")
        declared, empty = len(self.variables), True
        for key, item in pairs:
            self.spend(node.at)
            empty = False
            self.set_loop_variables(node.pipe, key, item)
            try:
                self.walk(node.body, item)
            except _Continue:
                pass
            except _Break:
                break
            finally:
                del self.variables[declared:]
        if empty:
            self.walk(node.otherwise, dot)
        del self.variables[known:]

    def set_loop_variables(self, pipe: Pipe, key: Any, item: Any) -> None:
        """`$item`, or `$key, $item`."""
        for name, value in zip(reversed(pipe.variables), (item, key), strict=False):
            self.set(pipe.at, name, value)

    def include(self, node: Include, dot: Any) -> None:
        """None of the variables here is known in the other template."""
        if node.name not in self.tree.defined:
            self.fail(node.at, f"there is no template {quoting.quote(node.name)}")
        value = self.pipeline(node.pipe, dot) if node.pipe else None
        outer, self.variables = self.variables, [("$", value)]
        self.spend(node.at)
        self.walk(self.tree.defined[node.name], value)
        self.variables = outer

    # ---- variables ----

    def set(self, at: int, name: str, value: Any) -> None:
        """The innermost of that name."""
        for place in range(len(self.variables) - 1, -1, -1):
            if self.variables[place][0] == name:
                self.variables[place] = (name, value)
                return
        self.fail(at, f"there is no variable {name}")

    def look_up(self, name: str) -> Any:
        return next((value for known, value in reversed(self.variables) if known == name), None)

    # ---- pipelines ----

    def pipeline(self, pipe: Pipe, dot: Any) -> Any:
        """Each value is the last argument of the next command."""
        value = self.command(pipe.commands[0], dot, [])
        for command in pipe.commands[1:]:
            value = self.command(command, dot, [value])
        for name in pipe.variables:
            if pipe.is_assignment:
                self.set(pipe.at, name, value)
            else:
                self.variables.append((name, value))
        return value

    def command(self, command: Command, dot: Any, last: list[Any]) -> Any:
        self.spend(command.at)
        first, *rest = command.operands
        if isinstance(first, Function):
            return self.function(first, rest, dot, last)
        if isinstance(first, Path) and first.names:
            return self.path(first, dot, rest, last)
        if rest or last:
            self.fail(command.at, "only functions and methods take arguments")
        if isinstance(first, Nil):
            self.fail(command.at, "nil alone is no command")
        return self.operand(first, dot)

    def operand(self, operand: Operand, dot: Any) -> Any:
        match operand:
            case Constant():
                return operand.value
            case Pipe():
                return self.pipeline(operand, dot)
            case Path():
                return self.path(operand, dot, [], [])
            case Function():
                return self.function(operand, [], dot, [])
        return None

    def path(self, path: Path, dot: Any, arguments: list[Operand], last: list[Any]) -> Any:
        if isinstance(path.start, str):
            value = dot if path.start == "." else self.look_up(path.start)
        else:
            value = self.operand(path.start, dot)
        for name in path.names[:-1]:
            value = self.field(path.at, value, name, [])
        if not path.names:
            return value
        given = [self.operand(argument, dot) for argument in arguments] + last
        return self.field(path.at, value, path.names[-1], given)

    def field(self, at: int, value: Any, name: str, arguments: list[Any]) -> Any:
        """A field of a struct, an entry of a map, or what a method answers."""
        self.spend(at)
        value = values.indirect(value)
        method = getattr(value, "methods", {}).get(name)
        if method:
            if len(arguments) != 1 or not isinstance(arguments[0], str):
                self.fail(at, f'"{name}" takes one text: .{name} "x"')
            return method(arguments[0])
        if arguments:
            self.fail(at, f'"{name}" is no method, so it takes no arguments')
        if isinstance(value, dict) and not getattr(value, "is_closed", False):
            if name in value:
                return value[name]
            if self.strict or isinstance(value, values.Struct):
                self.fail(at, f'there is no field "{name}"', _fields(value))
            return None
        if (value is None and not self.strict) or value is values.NIL_MAP:
            return None
        if value is None or value is values.NIL_POINTER:
            self.fail(at, f'what is nil has no field "{name}"')
        self.fail(at, f'{functions.described(value)} has no fields, so no "{name}"')

    # ---- functions ----

    def function(self, function: Function, operands: list[Operand], dot: Any, last: list[Any]) -> Any:
        if function.name in functions.SHORT_CIRCUIT:
            return self.short_circuit(function, operands, dot, last)
        call, least, most = functions.FUNCTIONS[function.name]
        arguments = [self.operand(operand, dot) for operand in operands] + last
        if len(arguments) < least or (most is not None and len(arguments) > most):
            wanted = f"{least}" if most == least else f"at least {least}"
            self.fail(function.at, f'"{function.name}" takes {wanted} and not {len(arguments)} arguments')
        call = self.changed.get(function.name, call)
        self.spend(function.at, sum(len(one) for one in arguments if isinstance(one, (str, list))))
        try:
            value = call(*arguments)
        except ValueError as error:
            self.fail(function.at, f'"{function.name}": {error}')
        if isinstance(value, (str, list)):
            self.spend(function.at, len(value))
        return value

    def short_circuit(self, function: Function, operands: list[Operand], dot: Any, last: list[Any]) -> Any:
        """`and` ends with the first that is not true, `or` with the first that is; else it is the last."""
        if not operands and not last:
            self.fail(function.at, f'"{function.name}" takes at least 1 and not 0 arguments')
        value = None
        for operand in operands:
            value = self.operand(operand, dot)
            if values.is_true(value) is not functions.SHORT_CIRCUIT[function.name]:
                return value
        return last[0] if last else value


def _fields(value: dict[str, Any]) -> str:
    return f"fields: {' '.join([*map(str, value), *getattr(value, 'methods', ())])}"
