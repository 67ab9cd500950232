"""Which variables a project's files have, and what they say of each: `compose config --variables`.

See  interpolation.py
"""

from __future__ import annotations

from collections.abc import Iterator

from minirun.compose.language import discovery, interpolation, loading
from minirun.compose.language.discovery import Sources
from minirun.compose.language.reading import Reader
from minirun.compose.language.yaml_nodes import Node


class Use:
    """Of a variable: whether it must be set, and the words for where it is not, and where it is."""

    def __init__(self, name: str, *, required: bool = False, default: str = "", alternate: str = "") -> None:
        self.name = name
        self.required = required
        self.default = default
        self.alternate = alternate


def of(sources: Sources) -> dict[str, Use]:
    """Of the files of a project, by name."""
    found = discovery.look(sources)
    reader = Reader(found.environment, interpolate=False, stdin=sources.stdin)
    return used(loading.tree(discovery.files(sources), found.directory, reader))


def used(tree: Node) -> dict[str, Use]:
    """By name.  Of several places the one that says a default tells it."""
    found: dict[str, Use] = {}
    for text in _texts(tree):
        for use in _in_text(text):
            known = found.setdefault(use.name, use)
            known.required = known.required or use.required
            known.default = known.default or use.default
            known.alternate = known.alternate or use.alternate
    return {name: found[name] for name in sorted(found)}


def _texts(tree: Node) -> Iterator[str]:
    value = tree.value
    if isinstance(value, str) and "$" in value:
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(item)


def _in_text(text: str) -> Iterator[Use]:
    try:
        parts = list(interpolation.parts(text))
    except interpolation.Unfit:
        return  # the file cannot be loaded, and then it says why
    for part in parts:
        if isinstance(part, str):
            continue
        word, operator = part.word, part.operator[-1:]
        yield Use(
            part.name,
            required=operator == "?",
            default=word if operator == "-" else "",
            alternate=word if operator == "+" else "",
        )
        if operator != "?":
            yield from _in_text(word)
