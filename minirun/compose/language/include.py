"""Other compose files as a part of this one: each is a project of its own, with its own directory and `.env`.

What it defines is copied in.  Where this file has the same name, the two are merged and this file's values win.

See  compose-spec 14-include.md; compose-go loader/include.go
Next loading.py
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from minirun.compose.language import dotenv, keys, merging
from minirun.compose.language.reading import Reader
from minirun.compose.language.yaml_nodes import Node, plain
from minirun.errors import MinirunError, NotFoundError

Load = Callable[[Sequence[str], str, Reader, Sequence[str]], Node]
"""Files, their directory, who reads them, what includes them: loading.tree."""

_SECTIONS = ("services", "networks", "volumes", "secrets", "configs", "models")


def resolve(tree: Node, directory: str, reader: Reader, including: Sequence[str], load: Load) -> None:
    """What a document includes is copied into it.  `including`: the files on the way to it, itself the last."""
    assert isinstance(tree.value, dict)
    include = tree.value.get("include")
    if include is None or not isinstance(include.value, list):
        return
    known = len(reader.problems)
    keys.FILE.table["include"].check(include, "include", reader.problems)
    if len(reader.problems) > known:
        return
    for number, item in enumerate(include.value):
        path = f"include[{number}]"
        try:
            included = _load(item, path, directory, reader, including, load)
        except MinirunError as error:
            reader.failed(item, error, path)
            continue
        if included is not None:
            _copy_into(tree, included, reader)
    del tree.value["include"]


def _load(
    item: Node, path: str, directory: str, reader: Reader, including: Sequence[str], load: Load
) -> Node | None:
    """The tree of an item of `include`."""
    files = [os.path.join(directory, word) for word in _words(item, "path")]
    if not files:
        reader.problem(item, "expected a path, or a mapping with path", path)
        return None
    files = [os.path.abspath(file) for file in files]
    if files[0] in including:
        circle = " -> ".join([*including[including.index(files[0]) :], files[0]])
        reader.problem(item, f"include goes in a circle: {circle}", path)
        return None
    own = _words(item, "project_directory")
    own_directory = os.path.abspath(os.path.join(directory, own[0])) if own else os.path.dirname(files[0])
    environment = reader.environment
    env_files = _env_files(item, directory, own_directory)
    if env_files:
        environment = {**dotenv.merged(env_files, environment, reader.warn_unset), **environment}
    reader = reader.with_environment(environment)
    tree = load(files, own_directory, reader, including)
    _take_values(tree, reader)
    return tree


def _words(item: Node, key: str) -> list[str]:
    """Of a key that has a word or several; an item that is a word is its path."""
    node = item if key == "path" and isinstance(item.value, str) else None
    if isinstance(item.value, dict):
        node = item.value.get(key)
    if node is None:
        return []
    values = [each.value for each in node.value] if isinstance(node.value, list) else [node.value]
    return [value for value in values if isinstance(value, str) and value]


def _env_files(item: Node, directory: str, own_directory: str) -> list[str]:
    """Those that are named, relative to who includes; or the included project's `.env`."""
    named = _words(item, "env_file")
    if not named:
        path = os.path.join(own_directory, ".env")
        return [path] if os.path.isfile(path) else []
    paths = [os.path.join(directory, word) for word in named if word != os.devnull]
    for path in paths:
        if not os.path.isfile(path):
            raise NotFoundError(f"couldn't find env file: {path}")
    return paths


def _take_values(tree: Node, reader: Reader) -> None:
    """Names without a value get the one that they have in the included project."""
    for service in merging.at(tree, ("services", "*", "environment")):
        if isinstance(service.value, dict):
            for name, item in service.value.items():
                if item.value is None:
                    item.value = reader.environment.get(name)
        elif isinstance(service.value, list):
            for item in service.value:
                value = reader.environment.get(str(item.value))
                if value is not None:
                    item.value = f"{item.value}={value}"
    for section in ("secrets", "configs"):
        for item in merging.at(tree, (section, "*", "environment")):
            name = str(item.value)
            if name in reader.environment:
                reader.values[name] = reader.environment[name]


def _copy_into(tree: Node, included: Node, reader: Reader) -> None:
    assert isinstance(tree.value, dict)
    assert isinstance(included.value, dict)
    for name in _SECTIONS:
        section = included.value.get(name)
        if section is None or not isinstance(section.value, dict):
            continue
        own = tree.value.setdefault(name, Node({}, section.line, section.column, section.file))
        if isinstance(own.value, dict):
            for key, item in section.value.items():
                own.keys.setdefault(key, section.keys[key])
                own.value[key] = _merged(item, own.value.get(key), (name, key), reader)


def _merged(item: Node, own: Node | None, path: tuple[str, ...], reader: Reader) -> Node:
    if own is None or plain(own) == plain(item):  # one file may come in by several ways
        return item
    return merging.merge(item, own, reader.problems, path)
