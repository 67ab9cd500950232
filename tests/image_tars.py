"""Tars and images in memory, for the image tests of every tier."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from minirun.image.store import Image, Store
from minirun.paths import Paths

MTIME = 1_700_000_000


def entry(name: str, content: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """A tar entry; `fields` are TarInfo's (type, mode, uid, linkname, pax_headers ...)."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mtime = MTIME
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def directory(name: str, mode: int = 0o755, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.DIRTYPE, mode=mode, **fields)


def symlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.SYMTYPE, linkname=target)


def hard_link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.LNKTYPE, linkname=target)


def tar(*entries: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def config_of(layers: list[bytes], **config: Any) -> bytes:
    """An image config for these unpacked layer tars; `config` is what the container runs with."""
    rootfs = {"type": "layers", "diff_ids": [digest(layer) for layer in layers]}
    created = "2024-01-02T03:04:05Z"
    document = {
        "architecture": "amd64",
        "os": "linux",
        "created": created,
        "config": config,
        "rootfs": rootfs,
    }
    return json.dumps(document).encode()


def store_in(path: Path) -> Store:
    return Store(Paths(str(path / "root"), str(path / "state")))


def add_image(store: Store, *layers: bytes, name: str = "test", packed: bool = True) -> Image:
    """Put an image made of these layer tars (lowest first) into the store."""
    from minirun.image import reference

    kind = "application/vnd.oci.image.layer.v1.tar" + ("+gzip" if packed else "")
    with store.adding():
        blobs = [store.add_blob([gzip.compress(layer) if packed else layer]) for layer in layers]
        config = store.add_blob([config_of(list(layers), Cmd=["sh"])])
        descriptors = [{"mediaType": kind, **blob} for blob in blobs]
        return store.add_image(config, descriptors, reference.parse(name) if name else None)


def docker_archive(*layers: bytes, tags: list[str]) -> bytes:
    """As docker save wrote it for years: layers in directories, manifest.json last."""
    config = config_of(list(layers), Cmd=["sh"])
    names = [f"{digest(layer)[7:]}/layer.tar" for layer in layers]
    manifest = [{"Config": "config.json", "RepoTags": tags, "Layers": names}]
    members = [entry(name, layer) for name, layer in zip(names, layers, strict=True)]
    return tar(*members, entry("config.json", config), entry("manifest.json", json.dumps(manifest).encode()))
