"""Archives go round: what minirun saves others read, what they save minirun loads, and the trees stay the same.

With minirun in the middle of each pair of tools, every pair exchanges images; what umoci and podman unpack is the
measure of what minirun unpacks.
"""

import gzip
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from minirun.files import read_json, write_json
from minirun.image import archive, removal
from minirun.image.store import Store
from tests import trees
from tests.image_peers import FORMS, KINDS, SKOPEO, MinirunPeer, Peer, Podman, Umoci
from tests.image_tars import add_image, add_mixed, entry, many_layers, rich_layers, store_in, tar
from tests.support import run

RICH = "docker.io/me/rich:1"
DENSE = "docker.io/me/dense:1"  # without a sparse file: podman 4.3 cannot give out again a layer that has one


# ---- every pair -------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def rich(tmp_path_factory: pytest.TempPathFactory) -> MinirunPeer:
    """A minirun that has the image of three layers with everything in them."""
    made = MinirunPeer(tmp_path_factory.mktemp("rich") / "minirun")
    add_image(made.store, *rich_layers(), name=RICH)
    add_image(made.store, *rich_layers(with_sparse=False), name=DENSE)
    return made


def moved(source: Peer, target: Peer, form: str, name: str = RICH) -> None:
    path = target.directory.with_name("moved.tar")
    path.unlink(missing_ok=True)
    source.give(path, form, name)
    target.take(path, form, name)


def differences(one: Peer, two: Peer, name: str = RICH) -> list[str]:
    return trees.differences(one.tree(name), two.tree(name))


OTHERS = ("skopeo", "podman", "umoci")
PAIRS = [(one, two, form) for one in OTHERS for two in OTHERS for form in FORMS if form in KINDS[one].forms]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["minirun", *OTHERS])
def test_what_minirun_saves_others_unpack_to_the_same_tree(
    rich: MinirunPeer, peer: Callable[..., Peer], kind: str, form: str
) -> None:
    target = peer(kind)
    moved(rich, target, form)
    assert differences(rich, target) == []


@pytest.mark.parametrize(("one", "two", "form"), PAIRS)
def test_an_image_goes_from_one_to_another_through_minirun(
    rich: MinirunPeer, peer: Callable[..., Peer], one: str, two: str, form: str
) -> None:
    first, middle, last = peer(one), peer("minirun"), peer(two)
    name = DENSE if one == "podman" else RICH
    moved(rich, first, "oci-archive", name)
    moved(first, middle, form, name)
    assert isinstance(middle, MinirunPeer)
    assert middle.store.get(name).diff_ids == rich.store.get(name).diff_ids
    moved(middle, last, form, name)
    assert differences(rich, last, name) == []


@pytest.mark.parametrize("kind", OTHERS)
def test_forty_layers(peer: Callable[..., Peer], kind: str) -> None:
    source, target = peer("minirun"), peer(kind)
    assert isinstance(source, MinirunPeer)
    add_image(source.store, *many_layers(40), name=RICH)
    moved(source, target, "docker-archive")
    assert differences(source, target) == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "kind", ["minirun", "podman"]
)  # umoci 0.4, and skopeo's tree is umoci's, knows no zstd
def test_layers_packed_in_three_ways(peer: Callable[..., Peer], kind: str, form: str) -> None:
    source, target = peer("minirun"), peer(kind)
    assert isinstance(source, MinirunPeer)
    add_mixed(source.store, *zip(rich_layers(), ("+zstd", "", "+gzip"), strict=True), name=RICH)
    moved(source, target, form)
    assert differences(source, target) == []


def test_zstd_layers_come_back_through_skopeo(peer: Callable[..., Peer]) -> None:
    source, middle, target = peer("minirun"), peer("skopeo"), peer("minirun")
    assert isinstance(source, MinirunPeer)
    add_mixed(source.store, *((layer, "+zstd") for layer in rich_layers()), name=RICH)
    moved(source, middle, "oci-archive")
    moved(middle, target, "oci-archive")
    assert differences(source, target) == []


@pytest.mark.parametrize("kind", ["podman", "umoci"])
@pytest.mark.parametrize("name", ["busybox", "debian"])
def test_whole_systems_unpack_alike(
    peer: Callable[..., Peer], request: pytest.FixtureRequest, kind: str, name: str
) -> None:
    source, target = peer("minirun"), peer(kind)
    source.take(request.getfixturevalue(f"{name}_tar"), "oci-archive", name)
    canonical = f"docker.io/library/{name}:latest"
    moved(source, target, "oci-archive", canonical)
    assert differences(source, target, canonical) == []


# ---- several images, several names ------------------------------------------------------------------------


@pytest.fixture
def several(peer: Callable[..., Peer]) -> MinirunPeer:
    """Two images that share a layer; the first has two names."""
    made = peer("minirun")
    assert isinstance(made, MinirunPeer)
    shared = tar(entry("shared", b"s"))
    for name in ("a:1", "also-a:2"):
        add_image(made.store, shared, tar(entry("a", b"a")), name=name)
    add_image(made.store, shared, tar(entry("b", b"b")), name="b:1")
    return made


NAMES = {f"docker.io/library/{name}" for name in ("a:1", "also-a:2", "b:1")}


def test_podman_loads_several_images_with_all_their_names(
    several: MinirunPeer, peer: Callable[..., Peer], tmp_path: Path
) -> None:
    several.minirun("save", "-o", tmp_path / "all.tar", "a:1", "also-a:2", "b:1", check=True)
    podman = peer("podman")
    assert isinstance(podman, Podman)
    podman("load", "-i", tmp_path / "all.tar")
    assert set(podman("images", "--format", "{{.Repository}}:{{.Tag}}").split()) == NAMES


def test_what_podman_saves_of_several_images_loads(
    several: MinirunPeer, peer: Callable[..., Peer], tmp_path: Path
) -> None:
    several.minirun("save", "-o", tmp_path / "all.tar", "a:1", "also-a:2", "b:1", check=True)
    podman, target = peer("podman"), peer("minirun")
    assert isinstance(podman, Podman)
    assert isinstance(target, MinirunPeer)
    podman("load", "-i", tmp_path / "all.tar")
    podman("save", "-m", "-o", tmp_path / "podman.tar", *sorted(NAMES))
    printed = target.minirun("load", "-i", tmp_path / "podman.tar", check=True).stdout.splitlines()
    assert sorted(printed) == ["Loaded image: a:1", "Loaded image: also-a:2", "Loaded image: b:1"]


def test_skopeo_finds_each_image_of_several(several: MinirunPeer, tmp_path: Path) -> None:
    several.minirun("save", "-o", tmp_path / "all.tar", "a:1", "also-a:2", "b:1", check=True)
    for form in FORMS:
        for name in NAMES:
            shown = run(
                "skopeo", "inspect", "--config", f"{form}:{tmp_path}/all.tar:{name}", check=True
            ).stdout
            assert len(json.loads(shown)["rootfs"]["diff_ids"]) == 2


# ---- what umoci does to an image --------------------------------------------------------------------------


def test_what_umoci_repacked_loads(rich: MinirunPeer, peer: Callable[..., Peer]) -> None:
    umoci, target = peer("umoci"), peer("minirun")
    assert isinstance(umoci, Umoci)
    moved(rich, umoci, "oci-archive")
    with umoci.bundle(RICH) as bundle:
        (bundle / "rootfs/etc/added").unlink()
        (bundle / "rootfs/etc/umoci").write_text("was here")
        run("umoci", "repack", "--image", f"{umoci.directory}:{RICH}", bundle, check=True)
    moved(umoci, target, "oci-archive")
    assert differences(umoci, target) == []
    assert "etc/umoci" in target.tree(RICH)


# ---- one image --------------------------------------------------------------------------------------------

LAYERS = (tar(entry("one", b"1" * 70_000)), tar(entry("two", b"2")))


@pytest.fixture
def source(tmp_path: Path) -> Store:
    store = store_in(tmp_path / "source")
    add_image(store, *LAYERS, name="me/tool:1")
    return store


def written(source: Store, destination: str) -> None:
    layout = f"oci:{source.paths.images}:docker.io/me/tool:1"
    run(*SKOPEO, layout, destination, check=True)


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
@pytest.mark.parametrize("packed", [False, True])
def test_what_skopeo_wrote_loads(source: Store, tmp_path: Path, form: str, packed: bool) -> None:
    path = tmp_path / "image.tar"
    written(source, f"{form}:{path}:docker.io/me/tool:1")
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    store = store_in(tmp_path / "target")
    assert [image.reference for image in archive.load(store, str(path))] == ["docker.io/me/tool:1"]
    image = store.get("me/tool:1")
    assert [os.listdir(layer) for layer in image.layer_paths()] == [["one"], ["two"]]
    assert image.id == source.get("me/tool:1").id


def test_skopeo_adds_an_image_to_our_store(source: Store, tmp_path: Path) -> None:
    """Another tool may write into the layout: what it names canonically is found, and survives a sweep."""
    store = store_in(tmp_path / "target")
    store.layout.make()
    written(source, f"oci:{store.paths.images}:docker.io/me/tool:1")
    store.sweep()
    assert len(store.get("me/tool:1").layer_paths()) == 2


def test_an_index_in_the_layout_is_left_alone(source: Store, tmp_path: Path) -> None:
    store = store_in(tmp_path / "target")
    add_image(store, *LAYERS, name="ours")
    image = source.get("me/tool:1")
    for digest in (image.digest, image.id, *(layer["digest"] for layer in image.manifest["layers"])):
        shutil.copy(source.layout.blob_path(digest), store.layout.blob_path(digest))
    kept = store.layout.add_json({"schemaVersion": 2, "manifests": [image.entry]})
    index = read_json(f"{store.paths.images}/index.json")
    index["manifests"].append({"mediaType": "application/vnd.oci.image.index.v1+json", **kept})
    write_json(f"{store.paths.images}/index.json", index)
    removal.remove(store, "ours")
    assert store.images() == []
    assert store.layout.has_blob(image.manifest["layers"][0]["digest"])


def test_umoci_finds_the_store_valid(source: Store, tmp_path: Path) -> None:
    shutil.copytree(source.paths.images, tmp_path / "copy")
    listed = run("umoci", "ls", "--layout", tmp_path / "copy", check=True)
    assert listed.stdout.split() == ["docker.io/me/tool:1"]
    run("umoci", "gc", "--layout", tmp_path / "copy", check=True)
    run(
        "umoci",
        "unpack",
        "--image",
        f"{tmp_path / 'copy'}:docker.io/me/tool:1",
        tmp_path / "bundle",
        check=True,
    )
    assert (tmp_path / "bundle/rootfs/two").read_bytes() == b"2"
