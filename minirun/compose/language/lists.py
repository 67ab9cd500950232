"""Kinds of values that may be text, a list or a mapping, and that the model has as a list.

Next keys.py
"""

from __future__ import annotations

from typing import Any

from minirun.compose.language.kinds import ABSENT, Kind, Making, Pairs, Problems, named, wrong
from minirun.compose.language.yaml_nodes import Node


class Words(Kind):
    """Of a command: one text that is split, or a list.  `kept`: an empty one is told from none."""

    expected = "text or a list"

    def __init__(self, making: Making, *, kept: bool = False):
        self.making = making
        self.kept = kept
        self.absent = None if kept else ABSENT

    def check(self, node: Node, path: str, problems: Problems, lenient: bool = False) -> None:
        if isinstance(node.value, list):
            for number, item in enumerate(node.value):
                if not isinstance(item.value, str):
                    message = f"expected text, not {named(item.value)}"
                    problems.append(wrong(item, f"{path}[{number}]", message, _quoted(item.value)))
        elif isinstance(node.value, str):
            try:
                self.making("" if lenient else node.value)
            except ValueError as error:
                problems.append(wrong(node, path, str(error)))
        elif node.value is not None:
            message = f"expected {self.expected}, not {named(node.value)}"
            problems.append(wrong(node, path, message, _quoted(node.value)))

    def make(self, value: Any) -> Any:
        return self.making(value)


def _quoted(value: Any) -> str:
    return (
        f'put it in quotes: "{value}"'
        if isinstance(value, (int, float)) and not isinstance(value, bool)
        else ""
    )


class Hosts(Pairs):
    """NAME=address, several addresses of a name one after another."""

    def check(self, node: Node, path: str, problems: Problems, lenient: bool = False) -> None:
        super().check(_first_of_each(node), path, problems, lenient)
        for number, item in enumerate(node.value if isinstance(node.value, list) else ()):
            if isinstance(item.value, str) and not lenient and not host(item.value)[1]:
                message = f'expected NAME=address, not "{item.value}"'
                problems.append(wrong(item, f"{path}[{number}]", message))

    def make(self, value: Any) -> list[str]:
        pairs: list[tuple[str, str]] = []
        if isinstance(value, dict):
            for name, addresses in value.items():
                pairs += [
                    (name, each) for each in (addresses if isinstance(addresses, list) else [addresses])
                ]
        else:
            pairs += [host(item) for item in value]
        return [f"{name}={address}" for name, address in sorted(pairs)]


def host(item: str) -> tuple[str, str]:
    """`name=address` or `name:address`; an IPv6 address may be in brackets."""
    name, separator, address = item.partition("=")
    if not separator:
        name, _, address = item.partition(":")
    return name, address.removeprefix("[").removesuffix("]") if address.startswith("[") else address


def _first_of_each(node: Node) -> Node:
    if not isinstance(node.value, dict):
        return node
    first = {
        key: item.value[0] if isinstance(item.value, list) and item.value else item
        for key, item in node.value.items()
    }
    return Node(first, node.line, node.column, node.file, node.tag, node.keys)


class SshKeys(Pairs):
    def make(self, value: Any) -> list[str]:
        return [f"{name}={path}" if path else name for name, path in super().make(value).items()]


class Contexts(Pairs):
    """Of a build.  A list of them becomes a mapping early: there are paths in it."""

    def spell_out(self, node: Node) -> None:
        if isinstance(node.value, list) and all("=" in str(item.value) for item in node.value):
            pairs = {str(item.value).partition("=")[0]: item for item in node.value}
            node.keys = {name: (item.line, item.column) for name, item in pairs.items()}
            for item in pairs.values():
                item.value = str(item.value).partition("=")[2]
            node.value = dict(pairs)

    def check(self, node: Node, path: str, problems: Problems, lenient: bool = False) -> None:
        super().check(node, path, problems, lenient)
        if isinstance(node.value, list):
            for number, item in enumerate(node.value):
                if isinstance(item.value, str) and "=" not in item.value:
                    problems.append(
                        wrong(item, f"{path}[{number}]", f'expected NAME=value, not "{item.value}"')
                    )


HOSTS = Hosts()
SSH = SshKeys("")
CONTEXTS = Contexts("")
