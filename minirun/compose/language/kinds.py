"""The kinds of values that a compose file holds, as keys.py puts them together into the language.

A kind knows three things: how a short form of it is spelt out, what is wrong with a value, and what the value is in
the one form that everything below reads.  What text may stand for (a size, a duration) is in words.py.

    file's Nodes -> spell_out -> merged with other files' -> check -> plain dict -> make -> model.Project

Next keys.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from minirun.compose.language import scalars
from minirun.compose.language.problems import Problem
from minirun.compose.language.yaml_nodes import Node

Problems = list[Problem]
Making = Callable[[Any], Any]
"""From what the file has to the model's form.  Raises ValueError that says what was expected."""

ABSENT = object()
"""No value, not even null."""


class Kind:
    """Of a value.  `expected` names it: "expected a list"."""

    expected = ""
    kept = False  # an empty one is told from none
    default: Any = ABSENT  # this value is as good as none
    absent: Any = ABSENT  # what Go's JSON has for none of it

    def spell_out(self, node: Node) -> None:
        """The short forms below `node` become long ones, in place.  What cannot be spelt out stays as it is."""

    def check(self, node: Node, path: str, problems: Problems, lenient: bool = False) -> None:
        """What is wrong is appended.  `lenient`: the text has variables still, so it is not looked into."""

    def make(self, value: Any) -> Any:
        """The model's form of a value that is right.  It may be the same object."""
        return value


def wrong(node: Node, path: str, message: str, hint: str = "") -> Problem:
    return Problem(message, file=node.file, line=node.line, column=node.column, path=path, hint=hint)


def named(value: Any) -> str:
    """What a person calls a value that is no good here."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    shown = str(value)
    return f'"{shown}"' if isinstance(value, str) else shown


class Anything(Kind):
    """What is behind an x-."""

    def make(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.make(value[key]) for key in sorted(value)}
        return [self.make(item) for item in value] if isinstance(value, list) else value


class Scalar(Kind):
    """A single value: of one of `types`, and then what `making` makes of it."""

    def __init__(
        self,
        expected: str,
        types: Iterable[type],
        making: Making | None = None,
        *,
        kept: bool = False,
        default: Any = ABSENT,
    ):
        self.expected = expected
        self.types = tuple(types)
        self.making = making
        self.kept = kept
        self.default = default

    def check(self, node: Node, path: str, problems: Problems, lenient: bool = False) -> None:
        value = node.value
        if type(value) not in self.types:
            message = f"expected {self.expected}, not {named(value)}"
            problems.append(wrong(node, path, message, self._quoted(value)))
        elif not (lenient and isinstance(value, str)):
            refusal = self._refusal(value)
            if refusal is not None:
                message = refusal or f"expected {self.expected}, not {named(value)}"
                problems.append(wrong(node, path, message))

    def _refusal(self, value: Any) -> str | None:
        try:
            self.make(value)
        except ValueError as error:
            return str(error)
        return None

    def _quoted(self, value: Any) -> str:
        """The hint that a number would be right in quotes."""
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        right = number and str in self.types and self._refusal(str(value)) is None
        return f'put it in quotes: "{value}"' if right else ""

    def make(self, value: Any) -> Any:
        return self.making(value) if self.making else value


class List(Kind):
    """Of one kind.  `single`: one alone may stand for a list of one."""

    expected = "a list"

    def __init__(self, of: Kind, *, single: bool = False, kept: bool = False):
        self.of = of
        self.single = single
        self.kept = kept

    def spell_out(self, node: Node) -> None:
        if self.single and isinstance(node.value, str):
            node.value = [_beside(node, node.value)]
        if not isinstance(node.value, list):
            return
        if isinstance(self.of, Long):
            node.value = [long for item in node.value for long in self.of.spelt(item)]
        for item in node.value:
            self.of.spell_out(item)

    def check(self, node: Node, path: str, problems: Problems, lenient: bool = False) -> None:
        if not isinstance(node.value, list):
            also = " or text" if self.single else ""
            problems.append(wrong(node, path, f"expected {self.expected}{also}, not {named(node.value)}"))
            return
        for number, item in enumerate(node.value):
            self.of.check(item, f"{path}[{number}]", problems, lenient)

    def make(self, value: Any) -> Any:
        return [self.of.make(item) for item in value]


class Map(Kind):
    """From names that the file's author chooses.  `names`: a pattern for them."""

    expected = "a mapping"

    def __init__(self, of: Kind, *, nothing: Any = ABSENT, names: str = "", listed: Any = ABSENT):
        self.of = of
        self.nothing = nothing  # what null stands for, if it may stand for a value
        self.names = names
        self.listed = listed  # what each has of a list of names, if that may stand for the mapping

    def spell_out(self, node: Node) -> None:
        if self.listed is not ABSENT and isinstance(node.value, list):
            names = [item.value for item in node.value]
            if all(isinstance(name, str) for name in names):
                node.keys = {item.value: (item.line, item.column) for item in node.value}  # type: ignore[misc]
                node.value = {item.value: _beside(item, self.listed) for item in node.value}  # type: ignore[misc]
        if not isinstance(node.value, dict):
            return
        for item in node.value.values():
            if isinstance(self.of, Long):
                self.of.lengthen(item)
            self.of.spell_out(item)

    def check(self, node: Node, path: str, problems: Problems, lenient: bool = False) -> None:
        if not isinstance(node.value, dict):
            also = " or a list of names" if self.listed is not ABSENT else ""
            problems.append(wrong(node, path, f"expected {self.expected}{also}, not {named(node.value)}"))
            return
        for key, item in node.value.items():
            if self.names and not _fits(self.names, key):
                problems.append(at_key(node, path, key, "a name has letters, digits and . _ - only"))
            elif item.value is not None or self.nothing is ABSENT:
                self.of.check(item, join(path, key), problems, lenient)

    def make(self, value: Any) -> Any:
        return {key: self._item(value[key]) for key in sorted(value)}

    def _item(self, value: Any) -> Any:
        return self.nothing if value is None and self.nothing is not ABSENT else self.of.make(value)


class Keys(Kind):
    """A mapping whose keys the language has."""

    expected = "a mapping"

    def __init__(
        self,
        table: Mapping[str, Kind],
        *,
        required: Iterable[str] = (),
        also: Mapping[str, str] | None = None,
        nothing: bool = False,
        extensible: bool = True,
        kept: bool = True,
        always: Mapping[str, Any] | None = None,
        untagged: bool = False,
    ):
        self.table = table
        self.required = tuple(required)
        self.also = also or {}  # said of keys that people look for here and that are elsewhere
        self.nothing = nothing  # null may stand for it
        self.extensible = extensible  # by x-...
        self.kept = kept
        self.absent = ABSENT if kept else {}
        self.always = always or {}  # these are there, and have this value if the file has none
        self.untagged = untagged  # Go's JSON has the keys as Go spells them

    def spell_out(self, node: Node) -> None:
        if isinstance(node.value, dict):
            for key, item in node.value.items():
                kind = self.table.get(key)
                if kind:
                    if isinstance(kind, Long):
                        kind.lengthen(item)
                    kind.spell_out(item)

    def check(self, node: Node, path: str, problems: Problems, lenient: bool = False) -> None:
        if self.nothing and node.value is None:
            return
        if not isinstance(node.value, dict):
            problems.append(wrong(node, path, f"expected {self.expected}, not {named(node.value)}"))
            return
        for key, item in node.value.items():
            kind = self.table.get(key)
            if kind:
                kind.check(item, join(path, key), problems, lenient)
            elif not (self.extensible and key.startswith("x-")):
                problems.append(at_key(node, path, key, "unknown key", self._instead_of(key)))
        for key in self.required:
            if key not in node.value:
                problems.append(wrong(node, path, f"{key} is missing"))

    def _instead_of(self, key: str) -> str:
        if key in self.also:
            return self.also[key]
        from difflib import get_close_matches

        close = get_close_matches(key, self.table, 1, 0.7)
        return f"did you mean {close[0]}?" if close else ""

    def make(self, value: Any) -> Any:
        made = {}
        for key, kind in self.table.items():
            item = self.always.get(key) if value.get(key) is None else kind.make(value[key])
            if (item or (kind.kept and item is not None) or key in self.always) and item != kind.default:
                made[key] = item
        for key in sorted(value):
            if key.startswith("x-"):
                made[key] = Anything().make(value[key])
        return made


class Long(Kind):
    """A mapping that text may stand for."""

    def __init__(
        self, long: Keys, short: Callable[[str], Any], expected: str = "text", types: Iterable[type] = (str,)
    ):
        self.long = long
        self.short = short  # text -> the plain mapping, or a list of several; raises ValueError
        self.expected = f"{expected} or a mapping"
        self.types = tuple(types)
        self.kept = long.kept
        self.absent = long.absent

    def spelt(self, node: Node) -> list[Node]:
        """The long forms that `node` stands for; itself if that is what it is."""
        if type(node.value) not in self.types:
            return [node]
        try:
            made = self.short(str(node.value))
        except ValueError:
            return [node]
        return [_beside(node, each) for each in (made if isinstance(made, list) else [made])]

    def lengthen(self, node: Node) -> None:
        node.value = self.spelt(node)[0].value

    def spell_out(self, node: Node) -> None:
        self.long.spell_out(node)

    def check(self, node: Node, path: str, problems: Problems, lenient: bool = False) -> None:
        if isinstance(node.value, dict):
            self.long.check(node, path, problems, lenient)
        elif type(node.value) not in self.types:
            if not (self.long.nothing and node.value is None):
                problems.append(wrong(node, path, f"expected {self.expected}, not {named(node.value)}"))
        elif not lenient:
            try:
                self.short(str(node.value))
            except ValueError as error:
                problems.append(wrong(node, path, str(error)))

    def make(self, value: Any) -> Any:
        return self.long.make(value) if isinstance(value, dict) else value


class Pairs(Kind):
    """NAME: value, also as a list of NAME=value.  `nothing` is what a name without a value has."""

    expected = "a mapping, or a list of NAME=value"

    def __init__(self, nothing: str | None = None):
        self.nothing = nothing

    def check(self, node: Node, path: str, problems: Problems, lenient: bool = False) -> None:
        if isinstance(node.value, dict):
            for key, item in node.value.items():
                if isinstance(item.value, (dict, list)):
                    message = f"expected text, a number, true or false, not {named(item.value)}"
                    problems.append(wrong(item, join(path, key), message))
        elif isinstance(node.value, list):
            for number, item in enumerate(node.value):
                if not isinstance(item.value, str):
                    message = f"expected NAME=value, not {named(item.value)}"
                    problems.append(wrong(item, f"{path}[{number}]", message))
        else:
            problems.append(wrong(node, path, f"expected {self.expected}, not {named(node.value)}"))

    def make(self, value: Any) -> Any:
        pairs = value if isinstance(value, dict) else dict(map(self.split, value))
        return {name: self._text(pairs[name]) for name in sorted(pairs)}

    def split(self, pair: str) -> tuple[str, str | None]:
        name, equals, value = pair.partition("=")
        return name, value if equals else None

    def _text(self, value: Any) -> str | None:
        return self.nothing if value is None else scalars.as_text(value)


def join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def at_key(node: Node, path: str, key: str, message: str, hint: str = "") -> Problem:
    """A problem with a key of a mapping, not with what is behind it."""
    assert isinstance(node.value, dict)
    line, column = node.keys.get(key, (node.line, node.column))
    file = node.value[key].file or node.file
    return Problem(message, file=file, line=line, column=column, path=join(path, key), hint=hint)


def _beside(node: Node, value: Any) -> Node:
    """A plain value as a Node, at the place of the one it was made of."""
    if isinstance(value, dict):
        value = {key: _beside(node, item) for key, item in value.items()}
    elif isinstance(value, list):
        value = [_beside(node, item) for item in value]
    return Node(value, node.line, node.column, node.file)


def _fits(pattern: str, name: str) -> bool:
    import re

    return re.fullmatch(pattern, name) is not None
