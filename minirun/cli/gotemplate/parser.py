"""Tokens become a tree.

A variable that is not there, an unknown function, a `break` outside of a `range`: all that can be seen without a value
is said here, before anything is printed.

See  text/template/parse parse.go
"""

from __future__ import annotations

from typing import NamedTuple, NoReturn

from minirun.cli.gotemplate import constants, lexer
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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from minirun.cli.gotemplate.lexer import Token

_CONSTANTS = {"true": True, "false": False}
_KEYWORDS = ("if", "with", "range", "else", "end", "define", "template", "block", "break", "continue")


class Tree(NamedTuple):
    text: str  # as it was given, for errors
    root: list[Node]
    defined: dict[str, list[Node]]  # {{define}} and {{block}}, by name


def parse(text: str, functions: Collection[str]) -> Tree:
    """Raises UsageError with line and column."""
    return _Parser(text, functions).tree()


class _Parser:
    def __init__(self, text: str, functions: Collection[str]) -> None:
        self.text = text
        self.functions = functions
        self.tokens = list(lexer.tokens(text))
        self.at = 0  # of the next token
        self.variables = ["$"]  # those that are known here, the innermost last
        self.ranges = 0  # how many are open: break and continue need one
        self.defined: dict[str, list[Node]] = {}

    def tree(self) -> Tree:
        root, _ = self.block(())
        return Tree(self.text, root, self.defined)

    # ---- tokens ----

    def peek(self) -> Token:
        return self.tokens[self.at]

    def next(self) -> Token:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def skip_space(self) -> Token:
        """The next token that is no white space, not taken yet."""
        while self.peek().kind == "space":
            self.at += 1
        return self.peek()

    def accept(self, kind: str, *texts: str) -> Token | None:
        """The next token, if it is of that kind and one of `texts`, where some are given."""
        token = self.skip_space()
        if token.kind != kind or (texts and token.text not in texts):
            return None
        return self.next()

    def fail(self, token: Token, why: str, hint: str = "") -> NoReturn:
        lexer.fail(self.text, token.at, why, hint)

    def unexpected(self, token: Token, where: str) -> NoReturn:
        if token.kind == "right":
            self.fail(token, f"something is missing in {where}")
        self.fail(token, f'"{token.text}" has no place in {where}')

    def close(self, where: str) -> None:
        if not self.accept("right"):
            self.unexpected(self.peek(), where)

    # ---- text and actions ----

    def block(self, ends: tuple[str, ...], opened: Token | None = None) -> tuple[list[Node], Token]:
        """The nodes up to an action that begins with a word of `ends`; with that word.  It is not closed yet."""
        nodes: list[Node] = []
        known = len(self.variables)
        while (token := self.next()).kind != "end":
            if token.kind == "literal":
                nodes.append(Literal(token.at, token.text))
                continue
            word = self.accept("word", *_KEYWORDS)
            if word and word.text in ends:
                del self.variables[known:]
                return nodes, word
            if node := self.action(token, word, outermost=opened is None):
                nodes.append(node)
        if opened:
            self.fail(opened, f"{{{{end}}}} is missing for {{{{{opened.text}}}}}")
        return nodes, token

    def action(self, left: Token, word: Token | None, *, outermost: bool) -> Node | None:
        """`{{define}}` is no node of where it stands."""
        if word is None:
            pipe = self.pipeline("the action")
            self.close("the action")
            return Action(left.at, pipe)
        match word.text:
            case "if" | "with" | "range":
                return self.branch(word)
            case "break" | "continue":
                return self.jump(word)
            case "template":
                return self.include(word)
            case "block":
                return self.block_definition(word)
            case "define" if outermost:
                self.define(word)
                return None
            case "define":
                self.fail(word, "{{define}} stands alone, not inside of another")
            case _:
                self.fail(word, f'nothing is open that "{word.text}" could belong to')

    def branch(self, word: Token) -> Branch:
        known = len(self.variables)
        self.ranges += word.text == "range"
        pipe = self.pipeline(word.text, range_variables=word.text == "range")
        self.close(word.text)
        body, closing = self.block(("else", "end"), word)
        self.ranges -= word.text == "range"
        otherwise: list[Node] = []
        if closing.text == "else":
            chained = self.accept("word", "if", "with")
            if chained and (word.text, chained.text) not in (("if", "if"), ("with", "with")):
                self.fail(chained, f"{{{{else {chained.text}}}}} belongs to {{{{{chained.text}}}}}")
            if chained:  # its end is ours, too
                otherwise = [self.branch(chained)]
                del self.variables[known:]
                return Branch(word.at, word.text, pipe, body, otherwise)
            self.close("else")
            otherwise, closing = self.block(("end",), word)
        self.close("end")
        del self.variables[known:]
        return Branch(word.at, word.text, pipe, body, otherwise)

    def jump(self, word: Token) -> Jump:
        self.close(word.text)
        if not self.ranges:
            self.fail(word, f"{{{{{word.text}}}}} outside of {{{{range}}}}")
        return Jump(word.at, word.text)

    def name(self, where: str) -> str:
        token = self.accept("text")
        if not token:
            self.unexpected(self.peek(), where)
        return str(self.constant(token).value)

    def include(self, word: Token) -> Include:
        name = self.name("template")
        pipe = None if self.skip_space().kind == "right" else self.pipeline("template")
        self.close("template")
        return Include(word.at, name, pipe)

    def define(self, word: Token) -> None:
        name = self.name("define")
        self.close("define")
        self.definition(word, name)

    def block_definition(self, word: Token) -> Include:
        """{{block "x" pipeline}} is {{define "x"}} and {{template "x" pipeline}} at once."""
        name = self.name("block")
        pipe = self.pipeline("block")
        self.close("block")
        self.definition(word, name)
        return Include(word.at, name, pipe)

    def definition(self, word: Token, name: str) -> None:
        """No variable of what is around it is known in it."""
        outer, self.variables, ranges, self.ranges = self.variables, ["$"], self.ranges, 0
        body, _ = self.block(("end",), word)
        self.close("end")
        self.variables, self.ranges = outer, ranges
        if body and self.defined.get(name):
            self.fail(word, f'template "{name}" is defined twice')
        if body or name not in self.defined:
            self.defined[name] = body

    # ---- pipelines ----

    def pipeline(self, where: str, *, range_variables: bool = False) -> Pipe:
        """`$a := f .X | g`, up to `}}` or `)`, which is not taken."""
        start = self.skip_space()
        names, sign = self.declared(range_variables)
        commands = [self.command(where)]
        while self.accept("sign", "|"):
            commands.append(self.command(where))
        for later in commands[1:]:
            first = later.operands[0]
            if isinstance(first, (Constant, Nil)) or (isinstance(first, Path) and first[1:] == (".", [])):
                lexer.fail(self.text, later.at, "after | comes a function")
        # also of =, as in Go: whether there is such a variable is seen when it is set
        self.variables += names
        return Pipe(start.at, names, sign == "=", commands)

    def declared(self, range_variables: bool) -> tuple[list[str], str]:
        """The variables before := or =, with that sign; none, where the pipeline begins with something else."""
        begin, tokens = self.at, []
        while token := self.accept("variable"):
            tokens.append(token)
            if sign := self.accept("sign", ":=", "="):
                break
            if not self.accept("sign", ","):
                self.at = begin
                return [], ""
        else:
            self.at = begin
            return [], ""
        if len(tokens) > (2 if range_variables else 1):
            self.fail(tokens[-1], "too many variables")
        return [token.text for token in tokens], sign.text

    def known(self, token: Token) -> str:
        if token.text not in self.variables:
            self.fail(token, f"there is no variable {token.text}")
        return token.text

    def command(self, where: str) -> Command:
        """A function with its arguments, or a value alone, or a method with arguments."""
        start = self.skip_space()
        operands: list[Operand] = []
        while operand := self.operand():
            operands.append(operand)
            token = self.peek()
            if token.kind != "space" and token.kind != "right" and token.text not in ("|", ")"):
                self.unexpected(token, where)
            self.skip_space()
        token = self.peek()
        if not operands or (token.kind != "right" and token.text not in ("|", ")")):
            self.unexpected(token, where)
        return Command(start.at, operands)

    def operand(self) -> Operand | None:
        """The next operand, with the fields that are asked of it; None before anything else."""
        token = self.skip_space()
        match token.kind:
            case "field":
                return Path(token.at, ".", self.names())
            case "dot":
                self.next()
                return Path(token.at, ".", [])
            case "variable":
                self.next()
                return Path(token.at, self.known(token), self.names())
            case "word" if token.text not in _KEYWORDS:
                self.next()
                return self.with_names(token, self.word(token))
            case "number" | "char" | "text":
                self.next()
                return self.with_names(token, self.constant(token))
            case "sign" if token.text == "(":
                self.next()
                pipe = self.pipeline("the parentheses")
                if not self.accept("sign", ")"):
                    self.unexpected(self.peek(), "the parentheses")
                return self.with_names(token, pipe)
        return None

    def names(self) -> list[str]:
        """`.A.B`, which follow without white space."""
        found = []
        while self.peek().kind == "field":
            found.append(self.next().text[1:])
        return found

    def with_names(self, token: Token, operand: Operand) -> Operand:
        names = self.names()
        if names and isinstance(operand, (Constant, Nil)):
            self.fail(token, f'"{token.text}" has no fields')
        return Path(token.at, operand, names) if names else operand

    def word(self, token: Token) -> Operand:
        if token.text in _CONSTANTS:
            return Constant(token.at, _CONSTANTS[token.text], token.text)
        if token.text == "nil":
            return Nil(token.at)
        if token.text not in self.functions:
            hint = f"functions: {' '.join(sorted(self.functions))}"
            self.fail(token, f'there is no function "{token.text}"', hint)
        return Function(token.at, token.text)

    def constant(self, token: Token) -> Constant:
        read = {"number": constants.number, "char": constants.character, "text": constants.text}[token.kind]
        try:
            return Constant(token.at, read(token.text), token.text)
        except OverflowError:
            self.fail(token, f"{token.text} does not fit into 64 bits")
        except ValueError:
            self.fail(token, f"{token.text} is not understood")
