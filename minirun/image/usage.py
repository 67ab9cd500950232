"""What images take up on disk.

    images/blobs/sha256/*    as they travel: packed layers, configs, manifests
    images/incoming/*        not yet whole; what a killed pull left is there for the next one
    layers/*                 as they are used: unpacked, each with its size in a .json beside it

A layer is there once however many images have it, so an image's size is not what its removal gives back.

By hand  du -sh /var/lib/minirun/layers/*
"""

from __future__ import annotations

import os

from minirun.errors import MinirunError
from minirun.files import visible_names
from minirun.image import chain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.image.image import Image
    from minirun.paths import Paths


def footprint(paths: Paths) -> dict[str, int]:
    """All there is on disk, with its bytes: each blob, each unpacked layer, and what killed pulls left."""
    images, layers = paths.images, paths.layers
    unpacked = [name for name in visible_names(layers) if os.path.isdir(f"{layers}/{name}")]
    return {
        **_file_sizes(f"{images}/blobs/sha256", "sha256:"),
        **_file_sizes(f"{images}/incoming", "incoming/"),
        **{name: chain.size(f"{layers}/{name}") for name in unpacked},
    }


def parts(image: Image) -> set[str]:
    """What of the footprint is this image's."""
    try:
        layers = image.manifest["layers"]
        unpacked = [os.path.basename(path) for path in image.unpacked() if path]
    except MinirunError:  # damaged: its manifest is all that is known
        return {image.digest}
    return {image.digest, image.id, *(str(layer["digest"]) for layer in layers), *unpacked}


def sizes(images: list[Image]) -> tuple[int, int]:
    """Bytes of what the images are made of, each part once: the packed blobs, and the unpacked layers."""
    blobs: dict[str, int] = {}
    layers: dict[str, int] = {}
    for image in images:
        for descriptor in (image.entry, image.manifest["config"], *image.manifest["layers"]):
            blobs[descriptor["digest"]] = int(descriptor["size"])
        layers |= {path: chain.size(path) for path in image.unpacked() if path}
    return sum(blobs.values()), sum(layers.values())


def shared_sizes(images: list[Image]) -> dict[str, int]:
    """Image id -> how many of its bytes are in layers that another image has, too."""
    layers = {image.id: _layers(image) for image in images}
    owners: dict[str, int] = {}
    for names in layers.values():
        for name in names:
            owners[name] = owners.get(name, 0) + 1
    return {
        image_id: sum(size for name, size in names.items() if owners[name] > 1)
        for image_id, names in layers.items()
    }


def _layers(image: Image) -> dict[str, int]:
    """Each layer of the image under a name that two images give it when they share it."""
    names = [
        path or str(layer["digest"])
        for path, layer in zip(image.unpacked(), image.manifest["layers"], strict=True)
    ]
    return dict(zip(names, image.layer_sizes(), strict=True))


def _file_sizes(directory: str, prefix: str) -> dict[str, int]:
    """{prefix and name: bytes} of the files in `directory`; what goes away meanwhile is left out."""
    sizes = {}
    for name in visible_names(directory):
        try:
            sizes[prefix + name] = os.stat(f"{directory}/{name}").st_size
        except FileNotFoundError:
            continue
    return sizes
