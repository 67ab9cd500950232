"""The store: finding, naming, loading and removing images, with layers that need no privilege."""

import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from minirun.errors import ConflictError, MinirunError, NotFoundError, UsageError
from minirun.image import archive, pull_policy, removal
from minirun.image.image import Image
from minirun.image.removal import chains
from minirun.image.store import Store
from minirun.image.sweep import Claim
from tests.image_tars import add_image, digest, docker_archive, entry, store_in, symlink, tar

LAYER = tar(entry("hello", b"hi"))
OTHER = tar(entry("other", b"ho"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_in(tmp_path)


# ---- finding ----------------------------------------------------------------------------------------------


def test_an_image_is_found_by_all_its_names(store: Store) -> None:
    image = add_image(store, LAYER, name="me/tool:1")
    names = ["me/tool:1", "docker.io/me/tool:1", image.id, image.id[7:], image.id[7:15], image.digest[7:19]]
    names.append(f"me/tool@{image.digest}")
    for name in names:
        found = store.find(name)
        assert found is not None
        assert found.id == image.id


def test_what_is_not_there_is_not_found(store: Store) -> None:
    add_image(store, LAYER, name="me/tool:1")
    for name in ("me/tool", "tool:1", "ffffffffffff", "sha256:" + "f" * 64, "other@sha256:" + "f" * 64):
        assert store.find(name) is None


def test_an_ambiguous_id_is_an_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    add_image(store, LAYER, name="a")
    add_image(store, OTHER, name="b")
    monkeypatch.setattr(
        "minirun.image.image.Image.id", property(lambda image: "sha256:abcd" + image.digest[7:])
    )
    with pytest.raises(UsageError, match="begins the ids of 2 images"):
        store.find("abcd")


def test_pull_never_says_so(store: Store) -> None:
    with pytest.raises(NotFoundError, match="--pull never"):
        pull_policy.ensure(store, "busybox", policy="never")


def test_finding_imports_neither_tarfile_nor_hashlib_nor_http(store: Store) -> None:
    add_image(store, LAYER, name="a").layer_paths()
    heavy = ("tarfile", "hashlib", "threading", "urllib3", "typing", "pathlib", "dataclasses")
    program = (
        "import sys; from minirun.paths import Paths; from minirun.image.store import Store\n"
        f"Store(Paths({store.paths.root!r})).find('a').layer_paths()\n"
        f"print(*(name for name in {heavy} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


# ---- layers -----------------------------------------------------------------------------------------------


def test_layers_are_lowest_first_and_unpacked_once(store: Store) -> None:
    image = add_image(store, LAYER, OTHER)
    lower, upper = image.layer_paths()
    assert Path(lower, "hello").read_bytes() == b"hi"
    assert Path(upper, "other").stat().st_mtime == 1_700_000_000
    before = os.stat(lower).st_ino
    assert image.layer_paths() == [lower, upper]
    assert os.stat(lower).st_ino == before


def test_a_layer_is_shared_by_images(store: Store) -> None:
    first = add_image(store, LAYER, OTHER, name="a").layer_paths()
    second = add_image(store, OTHER, name="b").layer_paths()
    assert second == first[1:]


def test_a_layer_that_depends_on_those_below_is_not_shared(store: Store) -> None:
    implied = tar(entry("deep/file", b"x"))
    first = add_image(store, LAYER, implied, name="a").layer_paths()
    second = add_image(store, OTHER, implied, name="b").layer_paths()
    third = add_image(store, implied, name="c").layer_paths()
    assert len({first[1], second[1], third[0]}) == 3
    assert os.path.basename(third[0]).startswith("chain-")


def test_a_layer_an_image_has_twice_is_there_once(store: Store) -> None:
    image = add_image(store, LAYER, OTHER, LAYER)
    paths = image.layer_paths()
    assert [os.path.basename(path) for path in paths] == [digest(OTHER)[7:], digest(LAYER)[7:]]


def test_what_a_crash_left_is_cleared(store: Store) -> None:
    image = add_image(store, LAYER)
    half = Path(store.paths.layers, f".tmp-{digest(LAYER)[7:]}")
    half.mkdir(parents=True)
    (half / "hello").write_text("half")
    assert Path(image.layer_paths()[0], "hello").read_bytes() == b"hi"
    assert not half.exists()


def test_size_is_that_of_the_files(store: Store) -> None:
    image = add_image(store, LAYER, OTHER)
    image.layer_paths()
    assert image.size == 4


# ---- blobs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"), [({"digest": "sha256:" + "0" * 64}, "wrong content"), ({"size": 3}, "wrong size")]
)
def test_a_wrong_blob_is_not_kept(store: Store, wrong: dict[str, str], message: str) -> None:
    with pytest.raises(MinirunError, match=message):
        store.layout.add_blob([b"con", b"tent"], **{"digest": digest(b"content"), "size": 7, **wrong})  # type: ignore[arg-type]
    assert os.listdir(f"{store.paths.images}/blobs/sha256") == []
    assert os.listdir(f"{store.paths.images}/incoming") == []


@pytest.mark.parametrize(
    "text", ["sha256:../../../etc/passwd", "sha512:" + "0" * 128, "sha256:" + "A" * 64, ""]
)
def test_what_is_not_a_digest_is_no_path(store: Store, text: str) -> None:
    with pytest.raises(MinirunError, match="not a sha256 digest"):
        store.layout.blob_path(text)


# ---- load -------------------------------------------------------------------------------------------------


def load(store: Store, content: bytes) -> list[str]:
    return [image.reference for image in archive.load(store, io.BytesIO(content))]


def test_a_docker_archive_loads_with_all_its_names(store: Store) -> None:
    names = load(store, docker_archive(LAYER, OTHER, tags=["tool:1", "other/name:2"]))
    assert names == ["docker.io/library/tool:1", "docker.io/other/name:2"]
    image = store.get("tool:1")
    assert image.config == {"Cmd": ["sh"]}
    assert image.manifest["layers"][0]["mediaType"] == "application/vnd.oci.image.layer.v1.tar"
    assert Path(image.layer_paths()[1], "other").exists()


def test_a_gzipped_archive_loads(store: Store) -> None:
    assert load(store, gzip.compress(docker_archive(LAYER, tags=["a:1"]))) == ["docker.io/library/a:1"]


def test_an_archive_without_names_loads(store: Store) -> None:
    assert load(store, docker_archive(LAYER, tags=[])) == [""]


def test_a_layer_member_may_be_a_link_to_another(store: Store) -> None:
    linked = tar(entry("one.tar", LAYER), symlink("dir/two.tar", "../one.tar"), *manifest_of("dir/two.tar"))
    assert load(store, linked) == ["docker.io/library/a:1"]


def manifest_of(*layers: str) -> list[tuple[object, bytes]]:
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": [digest(LAYER)] * len(layers)}}
    )
    manifest = json.dumps([{"Config": "c.json", "RepoTags": ["a:1"], "Layers": layers}])
    return [entry("c.json", config.encode()), entry("manifest.json", manifest.encode())]


BAD_ARCHIVES = {
    "device": (tar(entry("dev", type=b"3")), "archive member 'dev'"),
    "link out": (tar(symlink("l", "../../etc/passwd"), *manifest_of("l")), "no member 'etc/passwd'"),
    "name out": (tar(*manifest_of("../../etc/passwd")), "no member '../../etc/passwd'"),
    "nothing": (tar(), "neither manifest.json nor index.json"),
    "not a tar": (b"x" * 2000, "not a sound tar"),
    "old": (tar(entry("repositories", b"{}")), "before 1.10"),
    "not json": (tar(entry("manifest.json", b"{")), "not valid JSON"),
    "not a list": (tar(entry("manifest.json", b"{}")), "not a list"),
    "missing member": (tar(entry("manifest.json", b'[{"Config": "x", "Layers": []}]')), "no member 'x'"),
    "a number as a name": (tar(entry("manifest.json", b'[{"Config": 1}]')), "'Config'"),
    "more layers than diff_ids": (
        tar(entry("a.tar", LAYER), *manifest_of("a.tar")).replace(b'["a.tar"]', b"[       ]"),
        "they do not match",
    ),
    "circle": (tar(symlink("x", "x"), *manifest_of("x")), "circle"),
}


@pytest.mark.parametrize("name", ["/a.tar", "./a.tar", "../a.tar", "b/../a.tar"])
def test_members_are_called_from_the_root_of_the_archive(store: Store, name: str) -> None:
    for given in ((name, "a.tar"), ("a.tar", name)):
        assert load(store, tar(entry(given[0], LAYER), *manifest_of(given[1]))) == ["docker.io/library/a:1"]


@pytest.mark.parametrize("name", BAD_ARCHIVES)
def test_a_bad_archive_is_refused_and_leaves_nothing(store: Store, name: str) -> None:
    content, message = BAD_ARCHIVES[name]
    with pytest.raises(MinirunError, match=message):
        load(store, content)
    assert store.images() == []
    store.sweep()
    assert not os.path.exists(store.paths.images) or os.listdir(f"{store.paths.images}/blobs/sha256") == []


def oci_archive(store: Store, name: str) -> bytes:
    """The store itself as a tar: it is an OCI layout."""
    members = []
    for path in sorted(Path(store.paths.images).rglob("*")):
        if path.is_file():
            members.append(entry(str(path.relative_to(store.paths.images)), path.read_bytes()))
    return tar(*members)


def test_an_oci_layout_loads_with_the_same_digest(store: Store, tmp_path: Path) -> None:
    image = add_image(store, LAYER, name="tool:1")
    other = store_in(tmp_path / "other")
    assert load(other, oci_archive(store, "tool")) == ["docker.io/library/tool:1"]
    assert other.get("tool:1").digest == image.digest


def test_a_wrong_blob_in_an_oci_layout_is_refused(store: Store, tmp_path: Path) -> None:
    image = add_image(store, LAYER, name="tool:1")
    Path(store.layout.blob_path(image.manifest["layers"][0]["digest"])).write_bytes(b"other")
    with pytest.raises(MinirunError, match="wrong content"):
        load(store_in(tmp_path / "other"), oci_archive(store, "tool"))


# ---- naming and removing ----------------------------------------------------------------------------------


def everything(store: Store) -> list[str]:
    """Blobs and layers on disk."""
    found = [f"{store.paths.images}/blobs/sha256", f"{store.paths.images}/incoming", store.paths.layers]
    return [name for path in found if os.path.exists(path) for name in os.listdir(path) if name != ".lock"]


def test_a_name_moves_to_the_newer_image(store: Store) -> None:
    old = add_image(store, LAYER, name="a")
    new = add_image(store, OTHER, name="a")
    assert [(image.id, image.reference) for image in store.images()] == [
        (old.id, ""),
        (new.id, "docker.io/library/a:latest"),
    ]


def test_the_same_image_again_changes_nothing(store: Store) -> None:
    add_image(store, LAYER, name="a")
    add_image(store, LAYER, name="a")
    add_image(store, LAYER, name="")
    assert [image.reference for image in store.images()] == ["docker.io/library/a:latest"]


def test_an_image_that_loses_both_its_names_is_listed_once(store: Store) -> None:
    old = add_image(store, LAYER, name="a")
    add_image(store, LAYER, name="b")
    for name in ("a", "b"):
        add_image(store, OTHER, name=name)
        expected = ["docker.io/library/b:latest"] if name == "a" else [""]
        assert [image.reference for image in store.images() if image.id == old.id] == expected


def test_rmi_removes_name_image_and_bytes(store: Store) -> None:
    image = add_image(store, LAYER, OTHER, name="a")
    image.layer_paths()
    layers = chains(image)
    assert removal.remove(store, "a") == [
        *untagged(image, "a:latest"),
        *(f"Deleted: {digest}" for digest in (image.id, layers[1], layers[0])),
    ]
    assert everything(store) == []


def untagged(image: Image, name: str) -> list[str]:
    return [f"Untagged: {name}", f"Untagged: {name.partition(':')[0]}@{image.digest}"]


def test_rmi_of_one_of_two_names_only_untags(store: Store) -> None:
    image = add_image(store, LAYER, name="a")
    add_image(store, LAYER, name="b").layer_paths()
    before = everything(store)
    assert removal.remove(store, "a") == untagged(image, "a:latest")
    assert everything(store) == before


def test_rmi_of_one_of_two_tags_keeps_the_digest(store: Store) -> None:
    add_image(store, LAYER, name="a:1")
    add_image(store, LAYER, name="a:2")
    assert removal.remove(store, "a:1") == ["Untagged: a:1"]


def test_rmi_keeps_what_another_image_shares(store: Store) -> None:
    add_image(store, LAYER, OTHER, name="a").layer_paths()
    kept = add_image(store, LAYER, name="b")
    paths = kept.layer_paths()
    removal.remove(store, "a")
    assert os.path.exists(f"{paths[0]}/hello")
    assert len(everything(store)) == 5  # manifest, config, packed layer; unpacked layer and its .json


def test_rmi_names_only_the_layers_that_went(store: Store) -> None:
    going = add_image(store, LAYER, OTHER, name="a")
    add_image(store, LAYER, name="b")
    expected = [f"Deleted: {digest}" for digest in (going.id, chains(going)[1])]
    assert removal.remove(store, "a")[2:] == expected


def test_rmi_by_id_wants_force_for_several_names(store: Store) -> None:
    image = add_image(store, LAYER, name="a")
    add_image(store, LAYER, name="b")
    with pytest.raises(ConflictError, match=r"must be forced.* referenced in multiple repositories"):
        removal.remove(store, image.id[7:19])
    assert removal.remove(store, image.id[7:19], force=True)[:4] == [
        *untagged(image, "a:latest"),
        *untagged(image, "b:latest"),
    ]
    assert store.images() == []


def claim(store: Store, image: Image, *running: bool) -> None:
    """Have a container claim the image, or one for each of `running`."""
    claims = [Claim([], "container cccccccccccc", image_id=image.id, running=up) for up in running or [False]]
    store.claims = lambda: claims


def test_rmi_refuses_an_image_in_use(store: Store) -> None:
    image = add_image(store, LAYER, name="a")
    claim(store, image)
    with pytest.raises(ConflictError, match=r"unable to remove repository reference 'a' \(must force\)"):
        removal.remove(store, "a")
    with pytest.raises(ConflictError, match=r"\(must be forced\) .* stopped container cccccccccccc"):
        removal.remove(store, image.id)
    claim(store, image, True)
    with pytest.raises(ConflictError, match=r"\(cannot be forced\) .* running container cccccccccccc"):
        removal.remove(store, image.id, force=True)


def test_of_several_containers_the_running_one_counts(store: Store) -> None:
    image = add_image(store, LAYER, name="a")
    claim(store, image, True, False)
    with pytest.raises(ConflictError, match="running container"):
        removal.remove(store, image.id, force=True)


@pytest.mark.parametrize("by_id", [False, True])
def test_a_forced_rmi_leaves_the_bytes_to_the_container(store: Store, by_id: bool) -> None:
    image = add_image(store, LAYER, name="a")
    paths = image.layer_paths()
    text = image.id if by_id else "a"
    claim(store, image)
    assert removal.remove(store, text, force=True) == untagged(image, "a:latest")
    assert os.path.exists(paths[0])
    assert store.get(image.id).reference == ""


def test_a_nameless_image_in_use_cannot_be_forced(store: Store) -> None:
    image = add_image(store, LAYER, name="")
    claim(store, image)
    with pytest.raises(ConflictError, match=r"\(cannot be forced\)"):
        removal.remove(store, image.id, force=True)


def test_a_damaged_image_can_be_removed(store: Store) -> None:
    image = add_image(store, LAYER, name="a")
    add_image(store, OTHER, name="b")
    os.unlink(store.layout.blob_path(image.digest))
    with pytest.raises(MinirunError, match="damaged"):
        store.get("a").layer_paths()
    assert removal.remove(store, "a")[0] == "Untagged: a:latest"
    assert len(everything(store)) == 3


def test_an_id_is_not_asked_of_a_registry(store: Store) -> None:
    with pytest.raises(NotFoundError, match="names only"):
        pull_policy.ensure(store, "sha256:" + "0" * 64)


def test_rmi_of_nothing_says_so(store: Store) -> None:
    with pytest.raises(NotFoundError, match="No such image: nosuch"):
        removal.remove(store, "nosuch")
