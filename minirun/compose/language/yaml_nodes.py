"""YAML text becomes Nodes: values that know their line and column.

libyaml reads (PyYAML's C loader, in its mode that composes nodes and constructs nothing).  What a word stands for is
decided in scalars.py.  A key that is written twice is refused, `<<` is merged, an alias is replaced by what it
names, and how much aliases may grow to is bounded: nine lines of `&b [*a, *a, *a, ...]` could fill any memory.

An alias is a copy of what it names, so that whoever changes a Node changes it in one place.

See  YAML 1.2.2; https://yaml.org/type/merge.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import yaml

from minirun.compose.language import scalars
from minirun.compose.language.problems import ComposeError, Problem

# What the aliases of one file may stand for together.  The largest files that people write have some thousands.
MOST_NODES_OF_ALIASES = 250_000

_TAG = "tag:yaml.org,2002:"
_PLAIN = _TAG + "plain"  # a word without quotes and tag
_CORE_TAGS = ("int", "float", "bool", "null")
_OWN_TAGS = ("!reset", "!override")


class Node:
    """A value of a file and its place, lines and columns from 1.

    `tag` is "", "!reset" or "!override"; `keys` has the places of a mapping's keys.
    """

    __slots__ = ("column", "file", "keys", "line", "tag", "value")

    def __init__(
        self,
        value: str | int | float | bool | list[Node] | dict[str, Node] | None,
        line: int = 0,
        column: int = 0,
        file: str = "",
        tag: str = "",
        keys: dict[str, tuple[int, int]] | None = None,
    ) -> None:
        self.value = value
        self.line = line
        self.column = column
        self.file = file
        self.tag = tag
        self.keys = keys if keys is not None else {}

    def __repr__(self) -> str:
        return f"Node({plain(self)!r}, {self.line}, {self.column})"

    def copy(self) -> Node:
        value = self.value
        if isinstance(value, dict):
            value = {key: item.copy() for key, item in value.items()}
        elif isinstance(value, list):
            value = [item.copy() for item in value]
        return Node(value, self.line, self.column, self.file, self.tag, dict(self.keys))


def plain(node: Node) -> Any:
    """The value without its places."""
    value = node.value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def read(text: str, file: str) -> list[Node]:
    """The documents of a file, `---` between them.  Raises ComposeError that has all that is wrong."""
    loader = _Loader(text)
    documents: list[Node] = []
    problems: list[Problem] = []
    try:
        while loader.check_node():
            maker = _Maker(file, problems)
            documents.append(maker.make(cast(yaml.Node, loader.get_node()), ""))
    except yaml.YAMLError as error:
        problems.append(_syntax_error(error, text, file))
    finally:
        loader.dispose()
    if problems:
        raise ComposeError(problems)
    return documents


class _Loader(yaml.CSafeLoader):
    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        """The tag of a node that has none: words in quotes are text, others are looked at later."""
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else _TAG + "str"
        return _TAG + ("map" if kind is yaml.MappingNode else "seq")


class _Maker:
    """Makes the Nodes of one document."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file = file
        self.problems = problems
        self.made: dict[yaml.Node, tuple[Node, int]] = {}  # and how many nodes it stands for
        self.making: set[yaml.Node] = set()
        self.count = 0  # of all nodes, those of aliases counted again
        self.of_aliases = 0

    def make(self, node: yaml.Node, path: str) -> Node:
        if node in self.made:
            return self._again(node, path)
        if isinstance(node, yaml.ScalarNode):
            self.count += 1
            mark = node.start_mark
            tag = self._own_tag(node)
            value = None if tag == "!reset" else self._scalar(node, path)
            made = Node(value, mark.line + 1, mark.column + 1, self.file, tag)
            self.made[node] = made, 1
            return made
        return self._collection(node, path)

    def _again(self, node: yaml.Node, path: str) -> Node:
        """What an alias names."""
        made, count = self.made[node]
        self.count += count
        self.of_aliases += count
        if self.of_aliases > MOST_NODES_OF_ALIASES:
            message = f"the aliases of this file stand for more than {MOST_NODES_OF_ALIASES:,} values"
            raise ComposeError([self._problem(node, path, message)])
        return made.copy()

    def _collection(self, node: yaml.Node, path: str) -> Node:
        if node in self.making:
            raise ComposeError(
                [self._problem(node, path, "the anchor's value has an alias for itself in it")]
            )
        self.making.add(node)
        before = self.count
        self.count += 1
        mark = node.start_mark
        made = Node(None, mark.line + 1, mark.column + 1, self.file, self._own_tag(node))
        if made.tag == "!reset":
            made.value = None
        elif isinstance(node, yaml.MappingNode):
            made.value = self._mapping(node, made.keys, path)
        else:
            items = [self.make(item, f"{path}[{number}]") for number, item in enumerate(node.value)]
            made.value = [item for item in items if item.tag != "!reset"]
        self.making.discard(node)
        self.made[node] = made, self.count - before
        return made

    def _mapping(
        self, node: yaml.MappingNode, places: dict[str, tuple[int, int]], path: str
    ) -> dict[str, Node]:
        made: dict[str, Node] = {}
        merged: list[Node] = []
        for key_node, value_node in node.value:
            mark = key_node.start_mark
            if key_node.tag == _PLAIN and key_node.value == "<<":
                merged += self._merged(value_node, path)
                continue
            key = self._key(key_node, path)
            if key in made:
                message = f"this key is in line {places[key][0]} already"
                self.problems.append(self._problem(key_node, _join(path, key), message))
                continue
            places[key] = mark.line + 1, mark.column + 1
            made[key] = self.make(value_node, _join(path, key))
        for mapping in merged:  # what is written here wins, then what is merged first
            assert isinstance(mapping.value, dict)
            for key, value in mapping.value.items():
                if key not in made:
                    made[key] = value
                    places[key] = mapping.keys[key]
        return made

    def _merged(self, node: yaml.Node, path: str) -> Iterator[Node]:
        """The mappings behind a `<<`."""
        made = self.make(node, path)
        for mapping in made.value if isinstance(made.value, list) else [made]:
            if not isinstance(mapping.value, dict):
                self.problems.append(self._problem(node, path, "<< wants a mapping or a list of mappings"))
            else:
                yield mapping

    def _key(self, node: yaml.Node, path: str) -> str:
        value = self._scalar(node, path) if isinstance(node, yaml.ScalarNode) else node
        if not isinstance(value, str):
            shown = node.value if isinstance(node, yaml.ScalarNode) else "a list or mapping"
            message = f"a key must be text, and this one is {shown}"
            self.problems.append(self._problem(node, path, message, "put it in quotes"))
            return str(shown)
        return value

    def _scalar(self, node: yaml.ScalarNode, path: str) -> scalars.Scalar:
        if node.tag == _PLAIN:
            return scalars.resolve(node.value)
        kind = node.tag.removeprefix(_TAG)
        try:
            return scalars.as_kind(node.value, kind) if kind in _CORE_TAGS else node.value
        except ValueError as error:
            self.problems.append(self._problem(node, path, str(error)))
            return None

    def _own_tag(self, node: yaml.Node) -> str:
        return node.tag if node.tag in _OWN_TAGS else ""

    def _problem(self, node: yaml.Node, path: str, message: str, hint: str = "") -> Problem:
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        return Problem(message, file=self.file, line=line, column=column, path=path, hint=hint)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _syntax_error(error: yaml.YAMLError, text: str, file: str) -> Problem:
    """libyaml's complaint as one sentence about the place where it gave up."""
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        message = f"the character U+{error.character:04X} cannot be in a YAML file"
        return Problem(message, file=file, line=line, column=column)
    assert isinstance(error, yaml.MarkedYAMLError)
    message, at_context = _sentence(error, text)
    mark = error.context_mark if at_context else error.problem_mark
    assert mark is not None
    lines = text.split("\n")
    if mark.line >= len(lines):  # libyaml ends every file with a newline
        return Problem(message, file=file, line=len(lines), column=len(lines[-1]) + 1)
    return Problem(message, file=file, line=mark.line + 1, column=mark.column + 1)


def _sentence(error: yaml.MarkedYAMLError, text: str) -> tuple[str, bool]:
    """In our words, and whether the place is where the value starts: libyaml's is often the line behind it."""
    problem, context, mark = error.problem or "", error.context or "", error.problem_mark
    assert mark is not None
    lines = text.split("\n", mark.line + 1)
    line = lines[mark.line] if mark.line < len(lines) else ""
    at = line[mark.column : mark.column + 1]
    indentation = line[: len(line) - len(line.lstrip())]
    if "tab character" in problem or "\t" in indentation or at == "\t":
        return "a tab cannot indent YAML; use spaces", False
    if "cannot start any token" in problem:
        return f"a value cannot start with {at}; put it in quotes", False
    if "mapping values are not allowed" in problem:
        return (
            "there is no place for a key here: indent it as its neighbours, or put text with a colon in quotes",
            False,
        )
    if "quoted scalar" in context and "end of stream" in problem:
        return "this quote is never closed", True
    if context in ("while parsing a flow sequence", "while parsing a flow mapping"):
        return (
            f"this {'[' if 'sequence' in context else '{'} is never closed, or a comma is missing in it",
            True,
        )
    if "node content" in problem:
        return "a value is missing here", False
    if problem.startswith("did not find expected") and error.context_mark:
        wanted = "a key" if "key" in problem else problem.removeprefix("did not find expected ")
        return f"expected {wanted} here, as in line {error.context_mark.line + 1}", False
    return problem or context, False
