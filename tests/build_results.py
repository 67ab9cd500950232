"""Results of builds as outputs take them: layers on disk, of which no image knows yet."""

import os

from minirun.build.layer import Layer, tar_of
from minirun.build.outputs import Result
from minirun.build.progress import Progress
from minirun.image import derive
from minirun.image import layers as unpacking
from minirun.image.layers import Packed
from minirun.image.store import Store


def result(store: Store, *tars: bytes, packed: bool = False, **config: object) -> Result:
    """Of these layer tars, lowest first; `packed`: they are blobs already, as those of a base image are."""
    own = [b"".join(tar_of(path)) for path in _unpacked(store, tars)[0]]  # a build's diff_ids are such
    paths, blobs = _unpacked(store, own)
    layers = [
        Layer(os.path.basename(path), blob.diff_id, 0, blob.descriptor if packed else None)
        for path, blob in zip(paths, blobs, strict=True)
    ]
    rootfs = {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]}
    created = "2024-01-02T03:04:05Z"
    document = {
        "os": "linux",
        "architecture": "amd64",
        "created": created,
        "rootfs": rootfs,
        "config": config,
    }
    return Result(document, layers)


def _unpacked(store: Store, tars: tuple[bytes, ...] | list[bytes]) -> tuple[list[str], list[derive.Layer]]:
    """Their directories, and their blobs."""
    blobs = [derive.add_layer(store.layout, [tar]) for tar in tars]
    packed = [Packed(store.layout.blob_path(blob.descriptor["digest"]), blob.diff_id) for blob in blobs]
    return unpacking.unpack_all(store.paths.layers, packed), blobs


class Told(Progress):
    """What was told of the parts of vertices, those that are completed."""

    def __init__(self) -> None:
        super().__init__()
        self.statuses: list[str] = []

    def status(
        self, vertex: object, name: str, done: int = 0, total: int = 0, *, completed: bool = False
    ) -> None:
        if completed:
            self.statuses.append(name)
