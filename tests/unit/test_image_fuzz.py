"""Fuzzing: whatever comes from outside ends in an image or in a MinirunError, and writes nothing elsewhere.

The examples are the same in every run (derandomize), so a failure is found again; hypothesis keeps no files.
MINIRUN_FUZZ=50 looks at fifty times as many, others each time.
"""

import gzip
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from backports import zstd
from hypothesis import example, given
from hypothesis import strategies as st

from minirun.errors import MinirunError, UsageError
from minirun.image import archive, manifests, names, platforms, pull_policy, reference, removal
from minirun.image.mediatypes import CONFIG, LAYER
from minirun.image.store import Store
from tests.fuzzing import fuzz
from tests.image_tars import (
    add_image,
    config_of,
    digest,
    directory,
    docker_archive,
    entry,
    hard_link,
    store_in,
    symlink,
    tar,
)


@contextmanager
def watched() -> Iterator[Store]:
    """A store in a directory of its own, and nothing new beside it afterwards, and no temporary in it."""
    place = Path(tempfile.mkdtemp(prefix="minirun-fuzz-"))
    try:
        (place / "canary").write_text("canary")
        (place / "inside").mkdir()
        store = store_in(place / "inside")
        yield store
        assert sorted(os.listdir(place)) == ["canary", "inside"]
        assert (place / "canary").read_text() == "canary"
        assert sorted(os.listdir(place / "inside")) in ([], ["root"])
        assert list((place / "inside").rglob(".tmp-*")) == []
        assert list((place / "inside").rglob("incoming/*")) == []
    finally:
        shutil.rmtree(place)


# ---- references and platforms -----------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *(
            "docker.io",
            "localhost",
            "a.b",
            "[::1]",
            "library",
            "alpine",
            "A",
            "ab" * 32,
            "x" * 300,
            "..",
            ".",
            "",
        ),
        *(
            "/",
            "//",
            ":",
            ":5000",
            "@",
            "@sha256:",
            "ab" * 32,
            "_",
            "__",
            "-",
            "\n",
            "\0",
            " ",
            "é",
            "\ud800",
            "٣",
        ),
    ]
)
NAMES = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=8).map("".join))


@fuzz(500)
@given(NAMES)
@example("a:" + "1" * 128 + "@sha256:" + "0" * 64)
def test_a_reference_is_one_or_a_usage_error(text: str) -> None:
    try:
        parsed = reference.parse(text)
    except UsageError:
        return
    again = reference.parse(str(parsed))
    assert (again, str(again)) == (parsed, str(parsed))
    assert reference.parse(parsed.familiar) == parsed
    assert str(parsed).isascii()


@fuzz(300)
@given(
    st.one_of(
        st.text(max_size=20),
        st.lists(st.sampled_from(["linux", "arm", "/", "v8", "9.1", "x86_64"])).map("".join),
    )
)
def test_a_platform_is_one_or_a_usage_error(text: str) -> None:
    try:
        parsed = platforms.parse(text)
    except UsageError:
        return
    assert platforms.parse(platforms.show(parsed)) == parsed
    assert parsed in platforms.compatible(parsed)


# ---- JSON -------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
TREE = tar(directory("d"), entry("d/hello", b"hi" * 3000), symlink("link", "d"), hard_link("hard", "d/hello"))
BLOB = gzip.compress(TREE, mtime=0)
GOOD_CONFIG = json.loads(config_of([TREE], Env=["A=1"], Cmd=["sh"], Labels={"a": "b"}))
GOOD_LAYER = {"mediaType": f"{LAYER}+gzip", "digest": digest(BLOB), "size": len(BLOB)}


def paths_of(value: Any) -> list[list[Any]]:
    """The way to every value in a document."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [[]] + [[key, *rest] for key in keys for rest in paths_of(value[key])]


def put(document: Any, path: list[Any], value: Any) -> Any:
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = put(document[path[0]], path[1:], value)
    return copy


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> Any:
    """The document with one or two of its values replaced."""
    for _ in range(draw(st.integers(1, 2))):
        document = put(document, draw(st.sampled_from(paths_of(document))), draw(JSON))
    return document


def manifest_of(config: bytes) -> dict[str, Any]:
    described = {"mediaType": CONFIG, "digest": digest(config), "size": len(config)}
    return {"schemaVersion": 2, "mediaType": manifests.MANIFEST, "config": described, "layers": [GOOD_LAYER]}


def dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


class FakeRegistry:
    """What pull asks of a registry, answered from memory."""

    def __init__(self, documents: dict[str, bytes]) -> None:
        self.documents = documents
        self.cancelled = False

    def manifest(self, version: str, descriptor: dict[str, Any]) -> bytes:
        if version not in self.documents:
            raise MinirunError("404")
        return self.documents[version]

    def blob(self, descriptor: dict[str, Any], offset: int = 0) -> Iterator[bytes]:
        if descriptor["digest"] not in self.documents:
            raise MinirunError("404")
        yield self.documents[descriptor["digest"]][offset:]


def pull(store: Store, manifest: bytes, *blobs: bytes) -> None:
    """It is an image that works, or a MinirunError."""
    documents = {"latest": manifest, **{digest(blob): blob for blob in (manifest, *blobs)}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minirun.image.pull.Registry", lambda *_, **__: FakeRegistry(documents))
        try:
            image = pull_policy.ensure(store, "tool")
        except MinirunError:
            assert store.images() == []
            return
    assert image.layer_paths() == image.layer_paths()
    dumped([image.config, image.created, image.size, image.id])


def test_what_is_changed_below_is_sound_before() -> None:
    config = dumped(GOOD_CONFIG)
    for document in (manifest_of(config), INDEX):
        with watched() as store:
            pull(store, dumped(document), dumped(manifest_of(config)), config, BLOB)
            assert len(store.images()) == 1
    for layer in GOOD.values():
        with watched() as store:
            assert add_image(store, TREE, layer).layer_paths()
    for archived in (ARCHIVE, layout_archive(LAYOUT)):
        with watched() as store:
            assert archive.load(store, io.BytesIO(archived))[0].layer_paths()


@fuzz(150)
@given(mutated(manifest_of(dumped(GOOD_CONFIG))))
def test_any_manifest(document: Any) -> None:
    with watched() as store:
        pull(store, dumped(document), dumped(GOOD_CONFIG), BLOB)


@fuzz(150)
@given(mutated(GOOD_CONFIG))
def test_any_config(document: Any) -> None:
    config = dumped(document)
    with watched() as store:
        pull(store, dumped(manifest_of(config)), config, BLOB)


INDEX = {
    "schemaVersion": 2,
    "mediaType": manifests.INDEX,
    "manifests": [
        {
            "mediaType": manifests.MANIFEST,
            "digest": digest(dumped(manifest_of(dumped(GOOD_CONFIG)))),
            "size": len(dumped(manifest_of(dumped(GOOD_CONFIG)))),
            "platform": {"os": "linux", "architecture": architecture},
            "annotations": {"a": "b"},
        }
        for architecture in ("amd64", "arm64")
    ],
}


@fuzz(150)
@given(mutated(INDEX))
def test_any_index(document: Any) -> None:
    config = dumped(GOOD_CONFIG)
    with watched() as store:
        pull(store, dumped(document), dumped(manifest_of(config)), config, BLOB)


@fuzz(200)
@given(st.binary(max_size=200))
def test_any_bytes_for_a_manifest(content: bytes) -> None:
    with pytest.raises(MinirunError):
        manifests.for_platform({}, lambda descriptor: content)


# ---- tars -------------------------------------------------------------------------------------------------

PARTS = st.sampled_from(
    [
        "a",
        "b",
        "c",
        "..",
        ".",
        "",
        "/",
        ".wh.a",
        ".wh..wh..opq",
        ".wh..wh.x",
        ".wh.",
        "d",
        "x" * 120,
        "n\nl",
        "\udcff",
    ]
)
TAR_NAMES = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
TYPES = st.sampled_from([bytes([letter]) for letter in b"012345670LKSxgV9\0Xa"])
NUMBERS = st.sampled_from([0, 1, 2**31, 2**32 - 1, 2**63, -1])
PAX_KEYS = st.sampled_from(
    [
        *("path", "linkpath", "size", "uid", "mtime", "hdrcharset", "GNU.sparse.map", "GNU.sparse.size"),
        *(
            "GNU.sparse.name",
            "GNU.sparse.major",
            "GNU.sparse.minor",
            "GNU.sparse.realsize",
            "GNU.sparse.numblocks",
        ),
        *("SCHILY.xattr.user.a", "SCHILY.xattr.trusted.overlay.opaque", "SCHILY.xattr.security.capability"),
    ]
)
PAX_VALUES = st.sampled_from(
    [
        "",
        "0",
        "1",
        "-1",
        "BINARY",
        "../x",
        "/etc",
        "a\0b",
        "9" * 30,
        "1.5",
        "nan",
        "0,1",
        "0,512,9,9",
        "é",
        "9" * 5000,
    ]
)


@st.composite
def members(draw: st.DrawFn) -> tuple[tarfile.TarInfo, bytes]:
    """An entry of hostile parts; tarfile refuses to write some of what it reads, hence the narrower numbers."""
    kind = draw(TYPES)
    content = draw(st.binary(max_size=30)) if kind in (b"0", b"\0", b"L", b"K", b"x", b"g", b"S") else b""
    owner = min(max(draw(NUMBERS), 0), 2**32)
    pax = draw(st.dictionaries(PAX_KEYS, PAX_VALUES, max_size=2)) if draw(st.booleans()) else {}
    return entry(
        draw(TAR_NAMES),
        content,
        type=kind,
        linkname=draw(TAR_NAMES),
        uid=owner,
        mode=draw(st.sampled_from([0, 0o755, 0o7777, 0o1777])),
        devmajor=draw(st.sampled_from([0, 1, 7])),
        devminor=draw(st.sampled_from([0, 3])),
        pax_headers=pax,
    )


def unpack(layer: bytes, *, packed: bytes = b"") -> None:
    """Unpack it over a sound layer; it is refused, or its directory can be removed again."""
    blob = packed or layer
    config = config_of([TREE, layer])
    layers = [GOOD_LAYER, {"mediaType": LAYER, "digest": digest(blob), "size": len(blob)}]
    with watched() as store:
        with store.adding():
            for content in (BLOB, blob):
                store.layout.add_blob([content])
            described = store.layout.add_blob([config])
            image = names.add_image(store.layout, described, layers, reference.parse("tool"))
        try:
            assert len(image.layer_paths()) in (1, 2)
        except MinirunError:
            assert len(os.listdir(store.paths.layers)) <= 3  # .lock, and the sound layer with its .json
        removal.remove(store, "tool")
        assert [name for name in os.listdir(store.paths.layers) if name != ".lock"] == []


@fuzz(250)
@given(st.lists(members(), min_size=1, max_size=6))
def test_any_entries(entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as made:
        for info, content in entries:
            try:
                made.addfile(info, io.BytesIO(content))
            except ValueError:
                pass  # a number that has no place in a header
    unpack(buffer.getvalue())


GOOD = {
    "pax": tar(
        directory("d", pax_headers={"SCHILY.xattr.user.a": "b"}),
        entry("d/" + "long" * 60, b"x" * 700),
        hard_link("e", "d/" + "long" * 60),
        entry("s", b"x" * 512, pax_headers={"GNU.sparse.size": "900", "GNU.sparse.map": "0,512"}),
        entry(".wh.link"),
    ),
    "gnu": tar(
        entry("d/" + "long" * 60, b"x" * 700),
        symlink("f", "g" * 200),
        entry("old", bytes(512), type=tarfile.GNUTYPE_SPARSE),
        format=tarfile.GNU_FORMAT,
    ),
}


def with_checksums(content: bytearray) -> bytes:
    """Headers whose checksum fits again, so that what was changed in them is believed."""
    for start in range(0, len(content) - 511, 512):
        if content[start + 257 : start + 262] == b"ustar":
            content[start + 148 : start + 156] = b" " * 8
            content[start + 148 : start + 156] = b"%06o\0 " % sum(content[start : start + 512])
    return bytes(content)


CHANGES = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=4)


def mutate(content: bytes, changes: list[tuple[int, int]], keep: int) -> bytearray:
    changed = bytearray(content)
    for place, value in changes:
        changed[place % len(changed)] = value
    return changed[: len(changed) if keep > 4000 else keep * len(changed) // 4000]


@pytest.mark.parametrize("form", GOOD)
@pytest.mark.parametrize("checked", [True, False])
def test_any_changed_tar(form: str, checked: bool) -> None:
    @fuzz(100)
    @given(CHANGES, st.integers(2000, 8000))
    def check(changes: list[tuple[int, int]], keep: int) -> None:
        changed = mutate(GOOD[form], changes, keep)
        unpack(with_checksums(changed) if checked else bytes(changed))

    check()


PACKED = {
    "gzip": gzip.compress(GOOD["pax"], mtime=0),
    "two gzip members": gzip.compress(GOOD["pax"][:3000], mtime=0)
    + gzip.compress(GOOD["pax"][3000:], mtime=0),
    "zstd": zstd.compress(GOOD["pax"]),
    "two zstd frames": zstd.compress(GOOD["pax"][:3000]) + zstd.compress(GOOD["pax"][3000:]),
}


@pytest.mark.parametrize("form", PACKED)
def test_any_changed_packing(form: str) -> None:
    @fuzz(60)
    @given(CHANGES, st.integers(2000, 8000), st.binary(max_size=20))
    def check(changes: list[tuple[int, int]], keep: int, after: bytes) -> None:
        unpack(GOOD["pax"], packed=bytes(mutate(PACKED[form], changes, keep)) + after or b"x")

    check()


# ---- archives ---------------------------------------------------------------------------------------------

ARCHIVE = docker_archive(TREE, tags=["tool:1"])


def load(content: bytes) -> None:
    with watched() as store:
        try:
            images = archive.load(store, io.BytesIO(content))
            for image in images:
                image.layer_paths()
        except MinirunError:
            pass
        for image in store.images():
            removal.remove(store, image.reference or image.id, force=True)
        assert list((Path(store.paths.images) / "blobs" / "sha256").glob("*")) == []


@pytest.mark.parametrize("checked", [True, False])
def test_any_changed_archive(checked: bool) -> None:
    @fuzz(100)
    @given(CHANGES, st.integers(2000, 8000))
    def check(changes: list[tuple[int, int]], keep: int) -> None:
        changed = mutate(ARCHIVE, changes, keep)
        load(with_checksums(changed) if checked else bytes(changed))

    check()


@fuzz(150)
@given(mutated([{"Config": "config.json", "RepoTags": ["tool:1"], "Layers": ["layer.tar"]}]))
def test_any_manifest_of_an_archive(document: Any) -> None:
    load(
        tar(
            entry("layer.tar", TREE),
            entry("config.json", dumped(GOOD_CONFIG)),
            entry("manifest.json", dumped(document)),
        )
    )


LAYOUT_MANIFEST = dumped(manifest_of(dumped(GOOD_CONFIG)))
LAYOUT = {
    "schemaVersion": 2,
    "manifests": [
        {
            "mediaType": manifests.MANIFEST,
            "digest": digest(LAYOUT_MANIFEST),
            "size": len(LAYOUT_MANIFEST),
            "annotations": {"org.opencontainers.image.ref.name": "tool:1"},
        }
    ],
}


def layout_archive(index: Any) -> bytes:
    blobs = {digest(blob)[7:]: blob for blob in (LAYOUT_MANIFEST, dumped(GOOD_CONFIG), BLOB)}
    return tar(
        entry("oci-layout", b'{"imageLayoutVersion": "1.0.0"}'),
        entry("index.json", dumped(index)),
        *(entry(f"blobs/sha256/{name}", blob) for name, blob in blobs.items()),
    )


@fuzz(150)
@given(mutated(LAYOUT))
def test_any_index_of_a_layout(document: Any) -> None:
    load(layout_archive(document))


@fuzz(150)
@given(st.lists(members(), min_size=1, max_size=4))
def test_any_members_of_an_archive(entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", errors="surrogateescape") as made:
        for info, content in entries:
            try:
                made.addfile(info, io.BytesIO(content))
            except ValueError:
                pass
    load(buffer.getvalue())
