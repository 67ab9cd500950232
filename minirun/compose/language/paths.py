"""Relative paths of a compose file become absolute: those that it has are meant from its project's directory.

See  compose-spec 05-services.md; loading.py for whose directory it is
"""

from __future__ import annotations

import os

from minirun.compose.language.yaml_nodes import Node

# Where in a file there are paths.  * is any name, [] any item.
_PATHS = [
    "services.*.build.context",
    "services.*.build.additional_contexts.*",
    "services.*.env_file.[].path",
    "services.*.label_file.[]",
    "services.*.extends.file",
    "services.*.develop.watch.[].path",
    "services.*.volumes.[]",
    "services.*.pre_start.[].env_file.[].path",
    "services.*.pre_start.[].label_file.[]",
    "services.*.pre_start.[].volumes.[]",
    "configs.*.file",
    "secrets.*.file",
    "volumes.*",
]


def make_absolute(tree: Node, directory: str) -> None:
    """In place, in a file whose short forms are spelt out."""
    for pattern in _PATHS:
        for node in _found([tree], pattern.split(".")):
            _resolve(node, pattern, directory)


def _found(nodes: list[Node], steps: list[str]) -> list[Node]:
    for step in steps:
        below: list[Node] = []
        for node in nodes:
            if isinstance(node.value, list) and step in ("[]", "*"):
                below += node.value
            elif isinstance(node.value, dict):
                below += (
                    node.value.values() if step == "*" else [node.value[step]] if step in node.value else []
                )
        nodes = below
    return nodes


def _resolve(node: Node, pattern: str, directory: str) -> None:
    if isinstance(node.value, str):
        if "context" in pattern:
            node.value = context(node.value, directory)
        else:
            node.value = absolute(node.value, directory)
    elif isinstance(node.value, dict):
        for holder, key in _places_in(node.value):
            place = holder.get(key)
            if place and isinstance(place.value, str) and place.value:
                place.value = absolute(place.value, directory)


def _places_in(value: dict[str, Node]) -> list[tuple[dict[str, Node], str]]:
    """Of the path of a mount by bind, and of a volume that is one."""
    if "type" in value:
        return [(value, "source")] if value["type"].value == "bind" else []
    options = value.get("driver_opts")
    if options and isinstance(options.value, dict):
        how = options.value.get("o")
        if how and how.value == "bind":
            return [(options.value, "device")]
    return []


def absolute(path: str, directory: str) -> str:
    """
    >>> absolute("./a/../b", "/project"), absolute("/etc/../x", "/project")
    ('/project/b', '/etc/../x')
    """
    if path == "~" or path.startswith("~"):
        return (
            os.path.join(os.path.expanduser("~"), path[1:].lstrip("/"))
            if path != "~"
            else os.path.expanduser("~")
        )
    return path if path.startswith("/") else os.path.normpath(os.path.join(directory, path))


def context(word: str, directory: str) -> str:
    """Of a build: a directory, or something that is fetched or built."""
    return word if is_remote(word) else absolute(word, directory)


def is_remote(word: str) -> bool:
    return "://" in word or word.startswith(("git@", "github.com/", "service:", "docker-image:", "target:"))
