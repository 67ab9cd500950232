"""The result of a build, and what becomes of it.

See  output_words.py for the words of `--output`
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.image.mediatypes import Json


class Layer:
    """One layer of a result: a directory below layers/, and the blob it is packed into, once an output needs that."""

    def __init__(self, name: str, diff_id: str, path: str, descriptor: Json | None = None) -> None:
        self.name = name
        self.diff_id = diff_id
        self.path = path
        self.descriptor = descriptor


class Result:
    """An image that is nowhere yet: its config file, and its layers, lowest first."""

    def __init__(self, document: Json, layers: list[Layer]) -> None:
        self.document = document
        self.layers = layers
