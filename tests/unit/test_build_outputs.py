"""Outputs that need no mount: images in the store, archives, layouts; how layers are packed for them."""

import io
import json
import os
import tarfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from minirun.build import layer as layers
from minirun.build import output_words, outputs
from minirun.build.outputs import Result, write_all
from minirun.build.progress import Progress
from minirun.engine import events
from minirun.errors import MinirunError
from minirun.image import archive, save, tarwriter
from minirun.image.mediatypes import LAYER
from minirun.image.store import Store
from tests.build_results import Told, result
from tests.image_tars import left, store_in


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_in(tmp_path / "here")


def tar_of(directory: Path, **files: bytes) -> bytes:
    """The tar that minirun writes of a directory with these files."""
    directory.mkdir()
    for name, content in files.items():
        (directory / name).write_bytes(content)
        os.utime(directory / name, (1, 1))
    return b"".join(layers.tar_of(str(directory)))


@pytest.fixture
def made(store: Store, tmp_path: Path) -> Result:
    return result(
        store, tar_of(tmp_path / "a", one=b"1" * 5000), tar_of(tmp_path / "b", two=b"2"), Cmd=["sh"]
    )


def write(
    store: Store, made: Result, *words: str, tags: tuple[str, ...] = (), progress: Progress | None = None
) -> Any:
    """The metadata of the outputs that `words` name."""
    wanted = [output_words.parse(text) for text in words]
    return write_all(store.paths, made, wanted, list(tags), progress or Progress())


# ---- an image ---------------------------------------------------------------------------------------------


def test_an_image_gets_all_its_names(store: Store, made: Result) -> None:
    write(
        store,
        made,
        "type=image",
        tags=(
            "app:1",
            "me/app",
        ),
    )
    assert [image.reference for image in store.images()] == [
        "docker.io/library/app:1",
        "docker.io/me/app:latest",
    ]
    assert {image.id for image in store.images()} == {made.id}


def test_an_image_without_a_name_is_there_by_its_id(store: Store, made: Result) -> None:
    write(store, made, "type=image")
    assert store.get(made.id).reference == ""


def test_a_name_of_the_output_comes_before_a_tag(store: Store, made: Result) -> None:
    write(store, made, "type=image,name=mine", tags=("other",))
    assert [image.reference for image in store.images()] == ["docker.io/library/mine:latest"]


def test_layers_are_packed_when_an_image_needs_them(store: Store, made: Result) -> None:
    write(store, made, "type=image", tags=("app",))
    image = store.get("app")
    assert [layer["mediaType"] for layer in image.manifest["layers"]] == [f"{LAYER}+gzip"] * 2
    assert image.diff_ids == [layer.diff_id for layer in made.layers]
    assert all(image.unpacked())


def test_the_same_result_is_the_same_image(store: Store, made: Result, tmp_path: Path) -> None:
    other = store_in(tmp_path / "there")
    again = result(
        other, *(b"".join(layers.tar_of(layer.path(store.paths))) for layer in made.layers), Cmd=["sh"]
    )
    for each, one in ((store, made), (other, again)):
        write(each, one, "type=image", tags=("app",))
    assert store.get("app").digest == other.get("app").digest


def test_what_is_told_while_an_image_is_written(store: Store, made: Result) -> None:
    told = Told()
    write(store, made, "type=image", tags=("app:1",), progress=told)
    assert told.statuses == [
        "exporting layers",
        f"writing image {made.id}",
        "naming to docker.io/library/app:1",
    ]
    assert [vertex.name for vertex in told.vertices] == ["exporting to image"]


def test_metadata_is_as_buildx_has_it(store: Store, made: Result) -> None:
    metadata = write(store, made, "type=image", tags=("app:1",))
    image = store.get("app:1")
    assert metadata["containerimage.config.digest"] == image.id
    assert (
        metadata["containerimage.digest"] == image.digest == metadata["containerimage.descriptor"]["digest"]
    )
    assert metadata["image.name"] == "docker.io/library/app:1"


def test_a_tag_is_an_event(store: Store, made: Result) -> None:
    write(store, made, "type=image", tags=("app:1",))
    told = [json.loads(line) for line in Path(events.path(store.paths)).read_text().splitlines()]
    assert [(event["Action"], event["Actor"]["Attributes"]["name"]) for event in told] == [("tag", "app:1")]


def test_annotations_are_in_the_manifest(store: Store, made: Result) -> None:
    write(store, made, "type=image,annotation.a=b", tags=("app",))
    assert store.get("app").manifest["annotations"] == {"a": "b"}


# ---- how layers are packed --------------------------------------------------------------------------------


def unpacked(blob: bytes, kind: str) -> bytes:
    packed = {
        "": lambda data: data,
        "+gzip": lambda data: zlib.decompress(data, 31),
        "+zstd": zstd.decompress,
    }
    return packed[kind](blob)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("", "+gzip"),
        (",compression=gzip,compression-level=9", "+gzip"),
        (",compression=zstd", "+zstd"),
        (",compression=zstd,compression-level=19", "+zstd"),
        (",compression=uncompressed", ""),
    ],
)
def test_compression(words: str, kind: str, store: Store, made: Result) -> None:
    write(store, made, f"type=image{words}", tags=("app",))
    layer = store.get("app").manifest["layers"][0]
    blob = Path(store.layout.blob_path(layer["digest"])).read_bytes()
    assert layer["mediaType"] == LAYER + kind
    assert unpacked(blob, kind) == b"".join(layers.tar_of(made.layers[0].path(store.paths)))


@pytest.mark.parametrize(("force", "kind"), [("false", "+gzip"), ("true", "+zstd")])
def test_what_is_packed_already_stays_unless_it_is_forced(
    force: str, kind: str, store: Store, tmp_path: Path
) -> None:
    base = result(store, tar_of(tmp_path / "a", one=b"1"), packed=True)
    write(store, base, f"type=image,compression=zstd,force-compression={force}", tags=("app",))
    assert store.get("app").manifest["layers"][0]["mediaType"] == LAYER + kind


def test_a_layer_that_was_changed_on_disk_is_no_layer_of_the_image(store: Store, made: Result) -> None:
    (Path(made.layers[1].path(store.paths)) / "two").write_bytes(b"3")
    with pytest.raises(MinirunError, match="is not on disk as the image has it"):
        write(store, made, "type=image", tags=("app",))
    assert store.images() == []


# ---- archives ---------------------------------------------------------------------------------------------


def members(path: Path) -> dict[str, Any]:
    with tarfile.open(path) as opened:
        return {info.name: opened.extractfile(info).read() for info in opened if info.isfile()}  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_an_archive_loads_elsewhere(kind: str, store: Store, made: Result, tmp_path: Path) -> None:
    write(store, made, f"type={kind},dest={tmp_path}/x.tar", tags=("app:1",))
    there = store_in(tmp_path / "there")
    archive.load(there, str(tmp_path / "x.tar"))
    assert there.get("app:1").id == made.id


def test_an_archive_leaves_nothing_in_the_store(store: Store, made: Result, tmp_path: Path) -> None:
    write(store, made, f"type=oci,dest={tmp_path}/x.tar", tags=("app:1",))
    assert store.images() == []
    assert not [path for path in left(store) if "/blobs/" in path]


def test_only_dockers_archive_has_its_manifest(store: Store, made: Result, tmp_path: Path) -> None:
    write(
        store, made, f"type=oci,dest={tmp_path}/oci", f"type=docker,dest={tmp_path}/docker", tags=("app:1",)
    )
    assert "manifest.json" not in members(tmp_path / "oci")
    assert json.loads(members(tmp_path / "docker")["manifest.json"])[0]["RepoTags"] == [
        "docker.io/library/app:1"
    ]


def test_dockers_media_types_if_they_are_wanted(store: Store, made: Result, tmp_path: Path) -> None:
    write(store, made, f"type=docker,oci-mediatypes=false,dest={tmp_path}/x", tags=("app:1",))
    found = members(tmp_path / "x")
    [entry] = json.loads(found["index.json"])["manifests"]
    manifest = json.loads(found[f"blobs/sha256/{entry['digest'][7:]}"])
    kinds = {
        entry["mediaType"],
        manifest["config"]["mediaType"],
        *(one["mediaType"] for one in manifest["layers"]),
    }
    assert all(kind.startswith("application/vnd.docker.") for kind in kinds)


def test_annotations_of_the_descriptor_are_in_the_index(store: Store, made: Result, tmp_path: Path) -> None:
    write(store, made, f"type=oci,dest={tmp_path}/x,annotation-manifest-descriptor.a=b")
    assert json.loads(members(tmp_path / "x")["index.json"])["manifests"][0]["annotations"] == {"a": "b"}


def test_a_layout_in_a_directory_keeps_other_images(store: Store, made: Result, tmp_path: Path) -> None:
    write(store, made, "type=image")  # keeps the layers
    for tag in ("a:1", "b:1", "a:1"):
        write(store, made, f"type=oci,tar=false,dest={tmp_path}/layout", tags=(tag,))
    index = json.loads((tmp_path / "layout/index.json").read_bytes())
    names = [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in index["manifests"]]
    assert names == ["docker.io/library/b:1", "docker.io/library/a:1"]
    for entry in index["manifests"]:
        assert (tmp_path / f"layout/blobs/sha256/{entry['digest'][7:]}").exists()


def test_an_archive_that_cannot_be_written_leaves_the_old_one(
    store: Store, made: Result, tmp_path: Path
) -> None:
    old = tmp_path / "x.tar"
    old.write_bytes(b"old")
    (Path(made.layers[1].path(store.paths)) / "two").write_bytes(b"3")
    with pytest.raises(MinirunError):
        write(store, made, f"type=oci,dest={old}", tags=("app:1",))
    assert old.read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["a", "b", "here", "x.tar"]


def test_an_output_that_fails_is_told_as_one(store: Store, made: Result, tmp_path: Path) -> None:
    told = Told()
    with pytest.raises(MinirunError, match="invalid output path"):
        write(store, made, f"type=oci,dest={tmp_path}/no/such/x.tar", progress=told)
    assert "invalid output path" in told.vertices[0].error


def test_trees_come_before_images_and_pushes_last() -> None:
    words = ["type=registry", "type=image", "type=oci,dest=x", "out"]
    assert [vertex.name for vertex in outputs.vertices(map(output_words.parse, words))] == [
        *("exporting to client directory", "exporting to oci image format"),
        *("exporting to image", "exporting to image"),
    ]


def test_the_id_is_known_before_the_image_is_there(store: Store, made: Result) -> None:
    assert store.layout.add_json(made.document)["digest"] == made.id


def test_saving_an_image_gives_the_archive_that_its_build_gave(
    store: Store, made: Result, tmp_path: Path
) -> None:
    write(store, made, f"type=docker,dest={tmp_path}/x.tar", "type=image", tags=("app:1",))
    assert (tmp_path / "x.tar").read_bytes() == b"".join(save.save(store, ["app:1"]))


def test_a_tar_of_a_tree_begins_below_its_root(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    root = os.open(tmp_path, os.O_RDONLY)
    content = b"".join(tarwriter.of_tree(root, with_root=False))
    os.close(root)
    with tarfile.open(fileobj=io.BytesIO(content)) as opened:
        assert opened.getnames() == ["bin"]
