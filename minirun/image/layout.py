"""The OCI image layout on disk: blobs, each named by its digest, and the index that says which are images.

    images/oci-layout        {"imageLayoutVersion": "1.0.0"}
    images/index.json        one descriptor per name (index.py has the entries)
    images/blobs/sha256/     manifests, configs, packed layers
    images/incoming/         downloads not yet whole (incoming.py)

A blob is there whole or not at all: it is written below incoming/ and renamed when its digest is found right.
Until an entry of the index leads to it, a sweep (sweep.py) may take it away: add within `Store.adding()`.

See      image-spec image-layout.md
By hand  skopeo inspect oci:/var/lib/minirun/images:docker.io/library/alpine:latest
Next     image.py
"""

from __future__ import annotations

import os

from minirun.errors import MinirunError, in_words
from minirun.files import locked, make_private, read_json, write_json
from minirun.image.mediatypes import DOCUMENT_BYTES_MAX, INDEX
from minirun.image.reference import is_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from minirun.image.mediatypes import Json
    from minirun.paths import Paths

_EMPTY_INDEX: Json = {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}


class Layout:
    """The layout of one root.  Making one touches nothing; the first blob to come makes the directories."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self._index = f"{paths.images}/index.json"

    @property
    def content_lock(self) -> str:
        """The file that a sweep locks, and whoever needs what nothing leads to yet: sweep.py tells how."""
        return f"{self.paths.root}/content.lock"

    # ---- blobs ----

    def blob_path(self, digest: str) -> str:
        """Where the blob `digest` is or would be.  Raises MinirunError for what is not a sha256 digest."""
        if not isinstance(digest, str) or not is_digest(digest):
            raise MinirunError(f"{digest!r} is not a sha256 digest")
        return f"{self.paths.images}/blobs/sha256/{digest[7:]}"

    def incoming_path(self, digest: str) -> str:
        """Where the blob `digest` grows while it is fetched."""
        return f"{self.paths.images}/incoming/{digest.removeprefix('sha256:')}"

    def has_blob(self, digest: str) -> bool:
        return os.path.exists(self.blob_path(digest))

    def read_json_blob(self, digest: str) -> Json:
        """A manifest or config.  Raises MinirunError when it is missing or not a JSON object."""
        try:
            value = read_json(self.blob_path(digest), DOCUMENT_BYTES_MAX)
        except (OSError, ValueError, RecursionError) as error:
            raise MinirunError(
                f"the image store is damaged: {in_words(error)}", "minirun rmi the image and pull it again"
            ) from error
        if not isinstance(value, dict):
            raise MinirunError(f"blob {digest} is not a JSON object")
        return value

    def add_blob(self, chunks: Iterable[bytes], digest: str = "", size: int = -1) -> Json:
        """Keep a stream as a blob; returns {"digest", "size"}.

        `digest` and `size`, where given, are what it must turn out to be; otherwise nothing is kept and a
        MinirunError says which differs.
        """
        from minirun.image import incoming  # nothing that runs a container gets here

        self.make()
        temporary = f"{self.paths.images}/incoming/{digest[7:] or 'new'}-{os.getpid()}-{os.urandom(4).hex()}"
        try:
            found = _write_hashed(temporary, chunks, size)
            incoming.check(digest, size, found["digest"], found["size"])
            os.rename(temporary, self.blob_path(found["digest"]))
        except BaseException as error:
            if os.path.exists(temporary):
                os.unlink(temporary)
            if isinstance(error, OSError):
                raise MinirunError(f"{self.paths.images}: {error.strerror}") from error
            raise
        return found

    def add_json(self, value: object) -> Json:
        """Keep a JSON document as a blob, always in the same bytes for the same value."""
        import json

        return self.add_blob([json.dumps(value, separators=(",", ":"), sort_keys=True).encode()])

    def make(self) -> None:
        """The file and directories every layout has."""
        if os.path.exists(f"{self.paths.images}/oci-layout"):
            return
        for name in ("blobs/sha256", "incoming"):
            make_private(f"{self.paths.images}/{name}")
        write_json(f"{self.paths.images}/oci-layout", {"imageLayoutVersion": "1.0.0"})

    # ---- the index ----

    def entries(self) -> list[Json]:
        """The index's, in the order they came."""
        return list(self._read_index()["manifests"])

    def change_entries(self, change: Callable[[list[Json]], list[Json]]) -> None:
        """Replace the entries by what `change` makes of them, on disk before this returns."""
        with locked(f"{self.paths.root}/images.lock"):
            index = self._read_index()
            index["manifests"] = change(index["manifests"])
            write_json(self._index, index, durable=True)

    def _read_index(self) -> Json:
        try:
            index: Json = read_json(self._index)
        except FileNotFoundError:
            return {**_EMPTY_INDEX, "manifests": []}
        return index


def _write_hashed(path: str, chunks: Iterable[bytes], limit: int) -> Json:
    """Write `chunks` to the new file `path`, stopping beyond `limit` bytes (if not negative)."""
    import hashlib

    hasher, size = hashlib.sha256(), 0
    with open(path, "xb") as file:  # buffered: a full disk may take half of a chunk without an error
        for chunk in chunks:
            size += len(chunk)
            if 0 <= limit < size:
                break
            hasher.update(chunk)
            file.write(chunk)
        os.fchmod(file.fileno(), 0o644)
    return {"digest": f"sha256:{hasher.hexdigest()}", "size": size}
