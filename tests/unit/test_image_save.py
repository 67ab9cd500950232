"""save and load: what is in the archive, that it is always the same, and that a failure leaves nothing."""

import gzip
import io
import json
import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from minirun.cli import archives
from minirun.errors import MinirunError, NotFoundError, UsageError
from minirun.image import archive, derive, reference, save
from minirun.image.store import Store
from tests.image_tars import add_image, add_mixed, directory, entry, packed, store_in, tar
from tests.registries import Odd

ONE = tar(directory("d"), entry("d/one", b"1"))
TWO = tar(directory("d"), entry("d/two", b"2"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two images that share a layer: `a`, which has three names, and `b`."""
    made = store_in(tmp_path / "source")
    for name in ("a:1", "a:2", "me/a"):
        add_image(made, ONE, TWO, name=name)
    add_image(made, ONE, name="b")
    return made


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    return store_in(tmp_path / "target")


def saved(store: Store, *names: str, form: str = "docker-archive") -> bytes:
    return b"".join(save.save(store, list(names), form))


def members(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as opened:
        return {info.name: opened.extractfile(info).read() for info in opened if info.isfile()}  # type: ignore[union-attr]


def docker_manifest(content: bytes) -> Any:
    return json.loads(members(content)["manifest.json"])


def index(content: bytes) -> list[str]:
    manifests = json.loads(members(content)["index.json"])["manifests"]
    return [entry.get("annotations", {}).get("org.opencontainers.image.ref.name", "") for entry in manifests]


# ---- what is in it ----------------------------------------------------------------------------------------


def test_the_docker_form_points_at_the_blobs_of_the_layout(store: Store) -> None:
    content = saved(store, "a:1")
    [item] = docker_manifest(content)
    image = store.get("a:1")
    assert item["Config"] == f"blobs/sha256/{image.id[7:]}"
    assert item["Layers"] == [f"blobs/sha256/{layer['digest'][7:]}" for layer in image.manifest["layers"]]
    assert {item["Config"], *item["Layers"]} < members(content).keys()


def test_the_oci_form_has_nothing_of_docker(store: Store) -> None:
    names = {name for name in members(saved(store, "a:1", form="oci")) if not name.startswith("blobs/")}
    assert names == {"index.json", "oci-layout"}


def test_one_image_with_several_names_is_there_once(store: Store) -> None:
    content = saved(store, "a:1", "me/a", "a:1")
    assert docker_manifest(content)[0]["RepoTags"] == ["docker.io/library/a:1", "docker.io/me/a:latest"]
    assert index(content) == ["docker.io/library/a:1", "docker.io/me/a:latest"]


def test_a_name_without_a_tag_is_all_tags_of_it(store: Store) -> None:
    assert index(saved(store, "a")) == ["docker.io/library/a:1", "docker.io/library/a:2"]
    assert index(saved(store, "a:2")) == ["docker.io/library/a:2"]


def test_an_id_or_a_digest_is_saved_without_a_name(store: Store) -> None:
    image = store.get("b")
    for text in (image.id, image.id[7:19], f"b@{image.digest}"):
        content = saved(store, text)
        assert docker_manifest(content)[0]["RepoTags"] is None
        assert index(content) == [""]


def test_an_unknown_name_is_an_error_before_anything_is_written(store: Store) -> None:
    with pytest.raises(NotFoundError, match="No such image: nothing"):
        save.save(store, ["a:1", "nothing"])


def test_the_same_images_are_the_same_bytes(store: Store, tmp_path: Path) -> None:
    """In whatever order, from whatever store, whenever."""
    other = store_in(tmp_path / "other")
    add_image(other, ONE, name="b")
    add_image(other, ONE, TWO, name="a:1")
    for name in ("oci", "docker-archive"):
        assert saved(store, "a:1", "b", form=name) == saved(store, "b", "a:1", form=name)
    archive.load(other, io.BytesIO(saved(store, "a:1", "b")))
    assert saved(other, "a:1", "b") == saved(store, "a:1", "b")


def test_every_member_is_roots_and_from_1970(store: Store) -> None:
    with tarfile.open(fileobj=io.BytesIO(saved(store, "a", "b"))) as opened:
        assert {(info.uid, info.gid, info.uname, info.mtime) for info in opened} == {(0, 0, "", 0)}


# ---- there and back ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", save.FORMATS)
def test_what_is_saved_loads_with_all_names(store: Store, empty: Store, form: str) -> None:
    loaded = archive.load(empty, io.BytesIO(saved(store, "a", "b", "me/a", form=form)))
    names = [
        "docker.io/library/a:1",
        "docker.io/library/a:2",
        "docker.io/library/b:latest",
        "docker.io/me/a:latest",
    ]
    assert sorted(image.reference for image in loaded) == names
    assert empty.get("me/a").digest == store.get("a:1").digest
    assert all(None not in image.unpacked() for image in loaded)


def test_an_image_without_a_name_loads_without_one(store: Store, empty: Store) -> None:
    [image] = archive.load(empty, io.BytesIO(saved(store, store.get("b").id)))
    assert (image.reference, image.id) == ("", store.get("b").id)


def test_a_layer_that_does_not_unpack_leaves_no_image(store: Store, empty: Store) -> None:
    bad = store_in(Path(empty.paths.root))
    add_mixed(bad, (tar(entry("a"), entry("a")), "+gzip"), name="bad")
    with pytest.raises(MinirunError, match="entry 'a': there is an entry of that name already"):
        archive.load(empty, io.BytesIO(saved(bad, "bad")))
    assert empty.images() == []
    assert not list(Path(empty.paths.images).glob("blobs/sha256/*"))


def test_a_layout_whose_names_only_another_tool_understands_loads(store: Store, empty: Store) -> None:
    image = store.get("b")
    layout = members(saved(store, image.id, form="oci"))
    listed = json.loads(layout["index.json"])
    listed["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "Not/A:NAME"}
    layout["index.json"] = json.dumps(listed).encode()
    [loaded] = archive.load(
        empty, io.BytesIO(tar(*(entry(name, content) for name, content in layout.items())))
    )
    assert (loaded.reference, loaded.id) == ("", image.id)


def test_of_an_archive_for_several_platforms_the_one_asked_for_loads(store: Store, empty: Store) -> None:
    from minirun.image import platforms

    layout = members(saved(store, "a:1", store.get("b").id, form="oci"))
    arm, amd = json.loads(layout["index.json"])["manifests"]
    for line, architecture in ((arm, "arm64"), (amd, "amd64")):
        line["platform"] = {"os": "linux", "architecture": architecture}
    layout["index.json"] = json.dumps(_index_of_index(layout, [arm, amd])).encode()
    content = tar(*(entry(name, content) for name, content in layout.items()))
    assert archive.load(empty, io.BytesIO(content), platforms.parse("arm64"))[0].digest == arm["digest"]
    assert archive.load(empty, io.BytesIO(content), platforms.parse("amd64"))[0].digest == amd["digest"]


@pytest.mark.parametrize("form", ["oci", "docker-archive"])
def test_an_image_for_another_platform_than_the_one_asked_for_does_not_load(
    store: Store, empty: Store, form: str
) -> None:
    from minirun.image import platforms

    with pytest.raises(MinirunError, match="and linux/s390x is wanted"):
        archive.load(empty, io.BytesIO(saved(store, "b", form=form)), platforms.parse("linux/s390x"))
    assert empty.images() == []


def _index_of_index(layout: dict[str, bytes], manifests: list[Any]) -> Any:
    """As docker buildx writes it: index.json names one index, and that the images."""
    from tests.image_tars import digest

    inner = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    }
    content = json.dumps(inner).encode()
    layout[f"blobs/sha256/{digest(content)[7:]}"] = content
    line = {"mediaType": inner["mediaType"], "digest": digest(content), "size": len(content)}
    return {"schemaVersion": 2, "manifests": [line]}


# ---- where it goes ----------------------------------------------------------------------------------------


def run(store: Store, *words: str, input: bytes | None = None) -> Result:
    commands = {
        "save": archives.save_command,
        "load": archives.load_command,
        "import": archives.import_command,
    }
    return CliRunner().invoke(commands[words[0]], words[1:], obj=store.paths, input=input)


def failure(result: Result) -> str:
    assert isinstance(result.exception, MinirunError), result.exception
    return result.exception.message


def test_a_file_is_written_whole(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_text("old")
    assert run(store, "save", "-o", str(path), "a:1").exit_code == 0
    assert path.read_bytes() == saved(store, "a:1")


def test_a_failure_leaves_the_old_file_and_nothing_else(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "out" / "a.tar"
    path.parent.mkdir()
    path.write_text("old")
    layer = store.get("a:1").manifest["layers"][0]
    os.truncate(store.layout.blob_path(layer["digest"]), 3)
    assert failure(run(store, "save", "-o", str(path), "a:1")) == (
        f"the image store is damaged: blob {layer['digest'][7:19]} has 3 bytes instead of {layer['size']}"
    )
    assert (os.listdir(path.parent), path.read_text()) == (["a.tar"], "old")


def test_a_directory_that_is_not_there(store: Store) -> None:
    message = failure(run(store, "save", "-o", "/nowhere/a.tar", "a:1"))
    assert message == "invalid output path: /nowhere/a.tar: No such file or directory"


def test_a_disk_that_is_full(store: Store) -> None:
    result = run(store, "save", "-o", "/dev/full", "a:1")
    assert failure(result) == "the archive cannot be written: No space left on device"


def test_a_file_has_no_name_before_it_is_whole(store: Store, tmp_path: Path) -> None:
    """So not even kill -9 leaves a part of it."""
    seen: list[list[str]] = []

    def chunks() -> Iterator[bytes]:
        for _ in range(2):
            yield b"part"
            seen.append(os.listdir(tmp_path))

    save.write_to(str(tmp_path / "whole"), chunks())
    assert seen == [["source"], ["source"]]
    assert (tmp_path / "whole").read_bytes() == b"partpart"


@pytest.mark.parametrize("packing", ["", "+gzip", "+zstd"])
def test_an_archive_that_is_packed_as_a_whole_loads(store: Store, empty: Store, packing: str) -> None:
    content = packed(saved(store, "a"), packing)
    assert len(archive.load(empty, io.BytesIO(content))) == 2


def test_an_archive_that_is_cut_short_leaves_nothing(store: Store, empty: Store) -> None:
    content = packed(saved(store, "a"), "+zstd")
    for cut in (content[: len(content) // 2], content[:-3]):
        with pytest.raises(MinirunError):
            archive.load(empty, io.BytesIO(cut))
        assert empty.images() == []
        assert not list(Path(empty.paths.images).glob("blobs/sha256/*"))


def test_a_fifo_is_written_to_as_it_is(store: Store, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(reader, "rb") as file:
        save.write_to(str(fifo), [b"some", b"thing"])
        assert file.read() == b"something"


def test_a_reader_that_goes_away_is_told_in_one_line(store: Store) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(MinirunError, match="the archive cannot be written: Broken pipe"):
        save.write_all(writer, save.save(store, ["a:1"]))
    os.close(writer)


def test_a_terminal_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    master, terminal = os.openpty()
    with os.fdopen(terminal, "w") as stdout:
        monkeypatch.setattr("sys.stdout", stdout)
        for verb in ("save", "export"):
            with pytest.raises(UsageError) as caught:
                archives.refuse_terminal(verb, "")
            assert caught.value.message == (
                f"cowardly refusing to {verb} to a terminal. Use the -o flag or redirect"
            )
    os.close(master)


# ---- import -----------------------------------------------------------------------------------------------


def imported(store: Store, content: bytes, *words: str) -> Any:
    result = run(store, "import", *words, input=content)
    assert result.exit_code == 0, result.exception
    return store.get(result.output.strip())


@pytest.mark.parametrize("packer", ["cat", "gzip", "bzip2", "xz", "zstd"])
def test_a_tree_is_imported_however_it_is_packed(empty: Store, packer: str) -> None:
    import subprocess

    packed = subprocess.run([packer], input=ONE, capture_output=True, check=True).stdout
    path = Path(empty.paths.root).parent / "tree"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(packed)
    image = imported(empty, b"", str(path), "me/tree:1")
    assert os.listdir(image.layer_paths()[0]) == ["d"]
    assert empty.get("me/tree:1").id == image.id


def test_changes_and_message_end_up_in_the_config(empty: Store, tmp_path: Path) -> None:
    (tmp_path / "one.tar").write_bytes(ONE)
    image = imported(
        empty, b"", "-c", 'CMD ["/d/one"]', "--change", "ENV A=1", "-m", "note", str(tmp_path / "one.tar")
    )
    assert image.config == {"Cmd": ["/d/one"], "Env": ["A=1"]}
    assert image.document["history"][0]["comment"] == "note"
    assert image.reference == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the archive is empty"),
        (bytes(1024), "the archive is empty"),
        (b"no tar at all" * 1000, "not a sound tar archive"),
        (tar(entry("out", type=b"9")), "entry 'out': an entry of unknown type"),
        (b"\x1f\x8b" + b"x" * 100, "gzip stream is damaged"),
        (b"BZh9" + b"x" * 100, "the archive cannot be read"),
    ],
)
def test_what_cannot_be_imported_leaves_nothing(
    empty: Store, tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "bad.tar").write_bytes(content)
    assert message in failure(run(empty, "import", str(tmp_path / "bad.tar"), "bad"))
    assert empty.images() == []
    assert not list(Path(empty.paths.images).glob("blobs/sha256/*"))


def test_an_address_is_fetched(empty: Store) -> None:
    """Through a redirect, and nothing of it is left but the image."""
    server = Odd()
    server.tell("/a.tar.gz", (302, {"Location": "/b/"}, b""))
    server.tell("/b/", (200, {}, gzip.compress(tar(entry("hello", b"hi")))))
    address = f"http://{server.host}/a.tar.gz"
    try:
        assert run(empty, "import", address, "tool").output == f"{empty.get('tool').id}\n"
    finally:
        server.close()
    (step,) = empty.get("tool").document["history"]
    assert step["comment"] == f"Imported from {address}"
    assert [name for name in os.listdir(f"{empty.paths.build}/tmp") if name != ".lock"] == []


@pytest.mark.parametrize(("status", "body"), [(404, b""), (200, b"no tar")])
def test_an_address_with_nothing_to_import(empty: Store, status: int, body: bytes) -> None:
    server = Odd()
    server.tell("/a", (status, {}, body))
    try:
        assert re.search("404 Not Found|tar", failure(run(empty, "import", f"http://{server.host}/a")))
    finally:
        server.close()
    assert empty.images() == []
    assert [name for name in os.listdir(f"{empty.paths.build}/tmp") if name != ".lock"] == []


@pytest.mark.parametrize("address", ["ftp://example.org/a.tar", "file:///etc/passwd"])
def test_other_addresses_are_refused_with_a_way_out(empty: Store, address: str) -> None:
    assert failure(run(empty, "import", address)) == f"{address}: only http and https are fetched"


def test_a_new_image_cannot_be_given_a_digest() -> None:
    with pytest.raises(UsageError, match="a new image gets a name and a tag"):
        reference.of_new_image(f"a@sha256:{'0' * 64}")


def test_a_layer_is_packed_the_same_each_time(empty: Store) -> None:
    with empty.adding():
        first = derive.add_layer(empty.layout, [ONE[:512], ONE[512:]])
        second = derive.add_layer(empty.layout, [ONE])
    assert first.diff_id == second.diff_id
    assert empty.images() == []
