"""The result of a build, and what becomes of it: an image in the store, files, archives, a push; several, if wanted.

Nothing half-made is seen: blobs come before the names that lead to them, an archive has no name before it is whole, and
what no name leads to in the end is swept away.  A push is the last: what was made stays when the registry is gone.

See      output_words.py for the words; buildkit exporter/
Next     build/output_image.py
"""

from __future__ import annotations

from minirun.build.progress import Vertex
from minirun.engine import images
from minirun.errors import MinirunError, in_words
from minirun.image import reference
from minirun.image.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from minirun.build.layer import Layer
    from minirun.build.output_words import Output
    from minirun.build.progress import Progress
    from minirun.image.mediatypes import Json
    from minirun.paths import Paths

_ORDER = ("local", "tar", "oci", "docker", "image")  # trees first: they fork, and a push has threads
_TITLES = {
    "image": "exporting to image",
    "local": "exporting to client directory",
    "tar": "exporting to client tarball",
    "oci": "exporting to oci image format",
    "docker": "exporting to docker image format",
}


class Result:
    """An image that is nowhere yet: its config file, and its layers, lowest first."""

    def __init__(self, document: Json, layers: list[Layer]) -> None:
        self.document = document
        self.layers = layers

    @property
    def id(self) -> str:
        """What its id will be, as layout.add_json writes a config."""
        import hashlib
        import json

        text = json.dumps(self.document, separators=(",", ":"), sort_keys=True)
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def in_order(outputs: Iterable[Output]) -> list[Output]:
    return sorted(outputs, key=lambda output: (output.push, _ORDER.index(output.kind)))


def vertices(outputs: Iterable[Output]) -> list[Vertex]:
    """One for each output, in the order in which they are written, for `Progress.expect`."""
    return [Vertex(_TITLES["image" if output.is_image else output.kind]) for output in in_order(outputs)]


def write_all(
    paths: Paths,
    result: Result,
    outputs: Sequence[Output],
    tags: list[str],
    progress: Progress,
    told: Sequence[Vertex] = (),
) -> Json:
    """Write every output, each shown as a vertex of `told`, which are those of `vertices`.

    `tags` are the names of those that have none of their own.  Returns what --metadata-file says, of the last image.
    """
    metadata: Json = {}
    with images.store(paths).adding():
        for output, vertex in zip(in_order(outputs), told or vertices(outputs), strict=True):
            progress.start(vertex)
            try:
                metadata.update(_write(paths, result, output, output.names or tags, progress, vertex))
            except (MinirunError, OSError) as error:
                progress.failed(vertex, in_words(error))
                raise
            except KeyboardInterrupt:
                progress.canceled(vertex)
                raise
            progress.done(vertex)
    return metadata


def _write(
    paths: Paths, result: Result, output: Output, names: list[str], progress: Progress, vertex: Vertex
) -> Json:
    """Each kind loads what it needs: a tree no registry, an image no copying of files."""
    if output.kind in ("local", "tar"):
        from minirun.build import output_tree

        directories = [layer.path(paths) for layer in result.layers]
        output_tree.write(directories, output, progress, vertex)
        return {}
    from minirun.build.output_image import Exporter

    parsed = [reference.parse(name) for name in names]
    exporter = Exporter(
        Store(paths), result.document, result.layers, output, parsed, progress=progress, vertex=vertex
    )
    metadata = exporter.write()
    if output.push:
        exporter.push()
    return metadata
