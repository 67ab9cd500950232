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


def write_image(output: Path, name: str, layer: bytes, command: list[str]) -> None:
    """Writes `layer` (an uncompressed tar) as the only layer of docker.io/library/NAME:latest.

    The layer is stored gzipped; its diff_id is the digest of the plain tar, as config.md asks.
    """
    blobs: dict[str, bytes] = {}

    def blob(media_type: str, content: bytes) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[digest] = content
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    system = {"architecture": ARCHITECTURES[platform.machine()], "os": "linux"}
    config = {
        "created": CREATED,
        **system,
        "config": {"Env": [PATH], "Cmd": command},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created": CREATED, "created_by": f"rootfs/{name}"}],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": blob(f"{OCI}.config.v1+json", _json(config)),
        "layers": [blob(f"{OCI}.layer.v1.tar+gzip", gzip.compress(layer, compresslevel=6, mtime=0))],
    }
    descriptor = blob(f"{OCI}.manifest.v1+json", _json(manifest))
    descriptor["platform"] = system
    # containerd and Docker read the full name from the first annotation, skopeo and podman the tag from the second.
    descriptor["annotations"] = {
        "io.containerd.image.name": f"docker.io/library/{name}:latest",
        "org.opencontainers.image.ref.name": "latest",
    }
    index = {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": [descriptor]}
    files = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": _json(index)}
    files |= {f"blobs/sha256/{digest}": content for digest, content in sorted(blobs.items())}
    parents = [directory("blobs"), directory("blobs/sha256")]
    output.write_bytes(
        layer_tar([*parents, *(entry(path, 0o644, content=data) for path, data in files.items())])
    )


def parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """The command line all recipes have; a recipe adds its own options."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--output", type=Path, default=Path(f"{name}.tar"), help="the OCI layout tar to write")
    return made


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
