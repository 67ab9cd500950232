"""A result as an image: in the store, in an archive, in a directory, in a registry.

    config, manifest, packed layers   as blobs of the store, whatever comes then
    image                             names for them, in one change of index.json
    oci, docker                       one tar of the same blobs, to which no name leads: they are swept away afterwards
    push                              from the store, so what was made stays here when the registry is gone

The store has the OCI's media types only, so that skopeo and umoci read it in place; an archive may have Docker's.

See      buildkit exporter/containerimage, exporter/oci; image-spec manifest.md, annotations.md
By hand  skopeo copy oci:/var/lib/minirun/images:NAME oci-archive:FILE
Next     build/packing.py
"""

from __future__ import annotations

import functools
import json
import os

from minirun.build import packing
from minirun.build.progress import Part
from minirun.engine import images
from minirun.errors import MinirunError
from minirun.files import parse_json, read_bytes, write_whole
from minirun.image.image import Image, add_manifest
from minirun.image.mediatypes import CONFIG, LAYER, MANIFEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.build.layer import Layer
    from minirun.build.output_words import Output
    from minirun.build.progress import Progress, Vertex
    from minirun.image.mediatypes import Json
    from minirun.image.reference import Reference
    from minirun.image.save import Saved
    from minirun.image.store import Store

_DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
_DOCKER_LAYERS = {
    LAYER: "application/vnd.docker.image.rootfs.diff.tar",
    f"{LAYER}+gzip": "application/vnd.docker.image.rootfs.diff.tar.gzip",
}


class Exporter:
    """One output of a kind that is an image, with `document` as its config file; `names` may be none."""

    def __init__(
        self,
        store: Store,
        document: Json,
        layers: list[Layer],
        output: Output,
        names: list[Reference],
        *,
        progress: Progress,
        vertex: Vertex,
    ) -> None:
        self._store = store
        self._document = document
        self._layers = layers
        self._output = output
        self._names = names
        self._progress = progress
        self._vertex = vertex

    def write(self) -> Json:
        """Returns what --metadata-file says of it.  For use within `Store.adding()`."""
        entry = self._add_blobs()
        if self._output.is_image:
            self._tell(f"writing image {self._id}")
            images.add(self._store.paths, entry, self._names)
            for name in self._names:
                self._tell(f"naming to {name}")
        else:
            self._write_archive(entry)
        return self._metadata(entry)

    def push(self) -> None:
        """Send the image, which is in the store, to the registry of each of its names."""
        from minirun.build.image_parts import ImageParts

        parts = ImageParts(self._progress, self._vertex)
        for name in self._names:
            parts.watch(functools.partial(images.push, self._store.paths, str(name), parts))

    def _tell(self, status: str) -> None:
        self._progress.status(self._vertex, status, completed=True)

    def _add_blobs(self) -> Json:
        """Everything but names; returns the manifest's line for an index."""
        part = Part(self._progress, self._vertex, "exporting layers")
        layers = packing.packed(self._store, self._layers, self._output, part.add)
        part.complete()
        layout = self._store.layout
        config = layout.add_json(self._document)
        self._id: str = config["digest"]
        if not self._output.oci:
            manifest = self._manifest(
                _DOCKER_MANIFEST, _DOCKER_CONFIG, config, list(map(_docker_layer, layers))
            )
            return {"mediaType": _DOCKER_MANIFEST, **layout.add_json(manifest)}
        manifest = self._manifest(MANIFEST, CONFIG, config, layers)
        return add_manifest(layout, config, layers, json.dumps(manifest, separators=(",", ":")).encode())

    def _manifest(self, kind: str, config_kind: str, config: Json, layers: list[Json]) -> Json:
        annotations = self._output.annotations["manifest"]
        return {
            "schemaVersion": 2,
            "mediaType": kind,
            "config": {"mediaType": config_kind, **config},
            "layers": layers,
            **({"annotations": annotations} if annotations else {}),
        }

    def _write_archive(self, entry: Json) -> None:
        from minirun.build import output_tree
        from minirun.image import save

        image = Image(self._store.layout, entry)
        annotations = self._output.annotations["manifest-descriptor"]
        saved = [save.Saved(image, str(name), annotations) for name in self._names]
        saved = saved or [save.Saved(image, "", annotations)]
        self._tell(f"exporting manifest {entry['digest']}")
        self._tell(f"exporting config {self._id}")
        if not self._output.as_tar:
            write_layout(self._store, saved, self._output.dest)
            return
        form = save.FORMATS[0] if self._output.kind == "docker" else save.FORMATS[1]
        part = Part(self._progress, self._vertex, "sending tarball")
        output_tree.send(self._output.dest, part.passing(save.archive(self._store, saved, form)))

    def _metadata(self, entry: Json) -> Json:
        """As buildx has it, without what it knows of builders."""
        annotations = {"config.digest": self._id}
        if created := self._document.get("created"):
            annotations["org.opencontainers.image.created"] = created
        descriptor = {key: entry[key] for key in ("mediaType", "digest", "size")}
        return {
            "containerimage.config.digest": self._id,
            "containerimage.descriptor": {**descriptor, "annotations": annotations},
            "containerimage.digest": entry["digest"],
            **({"image.name": ",".join(map(str, self._names))} if self._names else {}),
        }


def _docker_layer(layer: Json) -> Json:
    kind = _DOCKER_LAYERS.get(layer["mediaType"])
    if kind is None:
        hint = "leave oci-mediatypes=false out, or say compression=gzip,force-compression=true"
        raise MinirunError(f"Docker has no media type for a layer of {layer['mediaType']}", hint)
    return {**layer, "mediaType": kind}


# ---- an OCI layout in a directory -------------------------------------------------------------------------


def write_layout(store: Store, saved: list[Saved], dest: str) -> None:
    """`tar=false`: blobs first, the index last; other images that are in the directory stay."""
    from minirun.image import save

    files = save.description(saved)
    blobs = os.path.join(dest, "blobs/sha256")
    try:
        os.makedirs(blobs, exist_ok=True)
        for digest, size in save.blobs(saved).items():
            save.write_to(f"{blobs}/{digest[7:]}", save.blob(store, digest, size), 0o644)
        write_whole(os.path.join(dest, "oci-layout"), files["oci-layout"])
        write_whole(os.path.join(dest, "index.json"), _merged(os.path.join(dest, "index.json"), files))
    except OSError as error:
        raise MinirunError(f"--output {dest}: {error.strerror}") from error


def _merged(path: str, files: dict[str, bytes]) -> bytes:
    """The index at `path`, without what has the same names or is the same, with ours."""
    from minirun.image import index

    if not os.path.exists(path):
        return files["index.json"]
    try:
        there, ours = parse_json(read_bytes(path), path), json.loads(files["index.json"])
        there["manifests"] = index.added(there["manifests"], ours["manifests"])
    except (ValueError, KeyError, TypeError) as error:
        raise MinirunError(f"--output {path}: not an OCI index: {error}") from None
    return json.dumps(there).encode()
