"""Tars and images in memory, for the image tests of every tier."""

import gzip
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

from minirun.engine import images
from minirun.image import names
from minirun.image.image import Image
from minirun.image.store import Store
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
    """One that knows what containers claim, and may sweep."""
    return images.store(Paths(str(path / "root"), str(path / "state")))


def left(store: Store) -> list[str]:
    """Every file that is of no use when there is no image."""
    kept = ("oci-layout", "index.json", "images.lock", "content.lock", ".lock")
    found = [os.path.join(place, name) for place, _, names in os.walk(store.paths.root) for name in names]
    return [path for path in found if os.path.basename(path) not in kept]


def add_image(store: Store, *layers: bytes, name: str = "test", packed: bool = True) -> Image:
    """Put an image made of these layer tars (lowest first) into the store."""
    from minirun.image import reference

    kind = "application/vnd.oci.image.layer.v1.tar" + ("+gzip" if packed else "")
    with store.adding():
        blobs = [
            store.layout.add_blob([gzip.compress(layer, mtime=0) if packed else layer]) for layer in layers
        ]
        config = store.layout.add_blob([config_of(list(layers), Cmd=["sh"])])
        descriptors = [{"mediaType": kind, **blob} for blob in blobs]
        return names.add_image(store.layout, config, descriptors, reference.parse(name) if name else None)


def docker_archive(*layers: bytes, tags: list[str]) -> bytes:
    """As docker save wrote it for years: layers in directories, manifest.json last."""
    config = config_of(list(layers), Cmd=["sh"])
    names = [f"{digest(layer)[7:]}/layer.tar" for layer in layers]
    manifest = [{"Config": "config.json", "RepoTags": tags, "Layers": names}]
    members = [entry(name, layer) for name, layer in zip(names, layers, strict=True)]
    return tar(*members, entry("config.json", config), entry("manifest.json", json.dumps(manifest).encode()))


# ---- images with a bit of everything ------------------------------------------------------------------------

# cap_net_raw+ep as setcap(8) writes it: struct vfs_cap_data, capability.h
NET_RAW = bytes.fromhex("0100000200200000000000000000000000000000")


def xattr(value: bytes) -> str:
    """An extended attribute's bytes as tarfile wants them in pax_headers."""
    return value.decode("utf-8", "surrogateescape")


def sparse(name: str, size: int, offset: int, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    """A file that is a hole but for `data` at `offset`, in GNU's format 1.0: a map before the data."""
    headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
    headers.update({"GNU.sparse.name": name, "GNU.sparse.realsize": str(size)})
    chunks = f"2\n{offset}\n{len(data)}\n{size}\n0\n".encode()
    return entry(f"GNUSparseFile.0/{name}", chunks.ljust(512, b"\0") + data, pax_headers=headers)


def rich_layers(with_sparse: bool = True) -> list[bytes]:
    """Three layers with all that a layer can hold; directories are listed before what is in them."""
    hole = [sparse("big/sparse", 1 << 20, 65_536, b"data" * 1024)] if with_sparse else []
    return [_rich_base(hole), _rich_changes(), _rich_top()]


def _rich_base(more: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    long_directory = "long/" + "d" * 120
    capability = {"SCHILY.xattr.security.capability": xattr(NET_RAW)}
    exact = {"mtime": f"{MTIME}.123456789"}
    return tar(
        *(directory("./"), directory("bin"), directory("etc", uid=7, gid=8), directory("tmp", 0o1777)),
        entry("bin/su", b"su", mode=0o4755),
        entry("bin/mail", b"mail", mode=0o2755, gid=8),
        entry("bin/ping", b"ping", mode=0o755, pax_headers=capability),
        entry("etc/owned", b"o", mode=0o600, uid=100_000, gid=3_000_000_000),
        entry("etc/exact", b"t", pax_headers=exact),
        directory("etc/marked", pax_headers={"SCHILY.xattr.user.note": xattr(b"\xff\0=\n"), **exact}),
        *(directory("links"), directory("links/deep")),
        *(
            entry("links/one", b"1"),
            hard_link("links/two", "links/one"),
            hard_link("links/deep/3", "links/one"),
        ),
        *(symlink("links/absolute", "/etc/exact"), symlink("links/dangling", "../nowhere")),
        symlink("links/long", "x" * 300),
        directory("dev"),
        entry("dev/null", type=tarfile.CHRTYPE, mode=0o666, devmajor=1, devminor=3),
        entry("dev/loop0", type=tarfile.BLKTYPE, mode=0o660, devmajor=7, devminor=0, gid=6),
        entry("dev/fifo", type=tarfile.FIFOTYPE, mode=0o600),
        *(directory("long"), directory(long_directory), entry(f"{long_directory}/{'f' * 200}", b"long")),
        *(directory("names"), entry("names/käse ☃", b"utf-8"), entry("names/\udcff\udcfe", b"bytes")),
        entry("names/new\nline", b"n"),
        *(directory("big"), *more, entry("big/empty")),
        *(directory("old"), entry("old/file", b"gone"), directory("old/kept"), entry("old/kept/a", b"a")),
        *(directory("opaque"), entry("opaque/lower", b"hidden")),
        *(entry("swap-file", b"f"), directory("swap-directory"), entry("swap-directory/in", b"d")),
    )


def _rich_changes() -> bytes:
    return tar(
        *(directory("old"), entry("old/.wh.file"), directory("old/kept"), entry("old/kept/b", b"b")),
        *(directory("opaque", 0o750), entry("opaque/.wh..wh..opq"), entry("opaque/upper", b"seen")),
        *(directory("swap-file"), entry("swap-file/in", b"now a directory")),
        entry("swap-directory", b"now a file"),
        *(directory("links"), entry("links/.wh.two")),
        *(directory("bin"), entry("bin/ping", b"ping", mode=0o700)),
    )


def _rich_top() -> bytes:
    return tar(
        directory("./", 0o751, mtime=MTIME + 5),
        *(directory("etc", uid=7, gid=8), entry("etc/.wh.owned"), entry("etc/added", b"+", mtime=MTIME + 9)),
        *(directory("opaque", 0o705), entry("opaque/lower", b"new")),
    )


def many_layers(count: int) -> list[bytes]:
    """Each adds a file and changes one that the layer below it has."""
    return [
        tar(
            directory("./"),
            directory("d"),
            entry(f"d/{number}", b"x" * number),
            entry("d/last", b"%d" % number),
        )
        for number in range(count)
    ]


def add_mixed(store: Store, *layers: tuple[bytes, str], name: str = "test") -> Image:
    """As `add_image`, with each layer packed as its media type is to end: "", "+gzip" or "+zstd"."""
    from minirun.image import reference

    with store.adding():
        blobs = [store.layout.add_blob([packed(layer, packing)]) for layer, packing in layers]
        config = store.layout.add_blob([config_of([layer for layer, _ in layers], Cmd=["sh"])])
        base = "application/vnd.oci.image.layer.v1.tar"
        descriptors = [
            {"mediaType": base + packing, **blob} for blob, (_, packing) in zip(blobs, layers, strict=True)
        ]
        return names.add_image(store.layout, config, descriptors, reference.parse(name))


def packed(content: bytes, packing: str) -> bytes:
    from backports import zstd

    if packing == "+zstd":
        return zstd.compress(content)
    return gzip.compress(content, mtime=0) if packing else content
