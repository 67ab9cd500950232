"""Makes an OCI image layout tar out of a root filesystem; what the recipes in this directory share.

The same input makes the same bytes on any day: times are fixed, owners are numbers, entries keep their order.

See      image-spec image-layout.md, manifest.md, config.md
By hand  umoci init --layout x; umoci new --image x:latest; umoci insert --image x:latest rootfs /
"""

import argparse
import gzip
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Iterable
from pathlib import Path

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Seconds since 1970, an arbitrary fixed day: 2024-01-01.
EPOCH = 1704067200
CREATED = "2024-01-01T00:00:00Z"
OCI = "application/vnd.oci.image"
SYSTEM = {"architecture": ARCHITECTURES[platform.machine()], "os": "linux"}
SMALL = 16 << 20
STAND_IN = "io.minirun.stand-in"
Json = dict[str, object]


def entry(
    name: str, mode: int, *, kind: bytes = tarfile.REGTYPE, link: str = "", content: bytes = b""
) -> tuple[tarfile.TarInfo, bytes]:
    """One tar entry owned by root; `name` is relative to the root directory, `mode` holds the permission bits."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.size, info.mtime = kind, mode, link, len(content), EPOCH
    return info, content


def directory(name: str, mode: int = 0o755) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, mode, kind=tarfile.DIRTYPE)


def symlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, 0o777, kind=tarfile.SYMTYPE, link=target)


def layer_tar(entries: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """The entries as an uncompressed tar, in the order given."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def write_image(
    output: Path, names: list[str], layers: list[tuple[str, bytes]], config: Json, comment: str = ""
) -> None:
    """Writes the image `names` (`docker.io/library/busybox:latest`) with `layers`, the lowest first.

    A layer is (what made it, an uncompressed tar); it is stored gzipped, and its diff_id is the digest of the plain
    tar, as config.md asks. `config` is the section of that name, what a container is started with; `comment` is
    said of every layer in the history.
    """
    blobs: dict[str, bytes] = {}

    def blob(media_type: str, content: bytes) -> Json:
        digest = hashlib.sha256(content).hexdigest()
        blobs[digest] = content
        return {"mediaType": f"{OCI}.{media_type}", "digest": f"sha256:{digest}", "size": len(content)}

    diff_ids = [f"sha256:{hashlib.sha256(tar).hexdigest()}" for _, tar in layers]
    said = {"comment": comment} if comment else {}
    document = {
        "created": CREATED,
        **SYSTEM,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created": CREATED, "created_by": made_by, **said} for made_by, _ in layers],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": blob("config.v1+json", _json(document)),
        "layers": [blob("layer.v1.tar+gzip", _gzip(tar)) for _, tar in layers],
    }
    descriptor = {**blob("manifest.v1+json", _json(manifest)), "platform": SYSTEM}
    _write_layout(output, [{**descriptor, "annotations": _annotations(name)} for name in names], blobs)


def write_stand_in(
    output: Path, names: list[str], layers: list[tuple[str, bytes]], config: Json, what: str
) -> None:
    """Writes an image that has another's name: its labels and its history say that it is not that, but `what`."""
    said = f"a stand-in made by minirun: {what}"
    labels = {STAND_IN: said, "org.opencontainers.image.vendor": "minirun"}
    write_image(output, names, layers, {**config, "Labels": labels}, said)


def _annotations(name: str) -> Json:
    """containerd and Docker read the full name from the first, skopeo and podman the tag from the second."""
    return {
        "io.containerd.image.name": name,
        "org.opencontainers.image.ref.name": name.rpartition(":")[2],
    }


def _write_layout(output: Path, manifests: list[Json], blobs: dict[str, bytes]) -> None:
    index = {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": manifests}
    files = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": _json(index)}
    files |= {f"blobs/sha256/{digest}": content for digest, content in sorted(blobs.items())}
    parents = [directory("blobs"), directory("blobs/sha256")]
    output.write_bytes(
        layer_tar([*parents, *(entry(path, 0o644, content=data) for path, data in files.items())])
    )


def _gzip(tar: bytes) -> bytes:
    """Level 1 packs a distribution in two seconds where level 6 takes six, and makes it a tenth larger."""
    return gzip.compress(tar, compresslevel=6 if len(tar) < SMALL else 1, mtime=0)


def parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """The command line all recipes have; a recipe adds its own options."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--output", type=Path, default=Path(f"{name}.tar"), help="the OCI layout tar to write")
    return made


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
