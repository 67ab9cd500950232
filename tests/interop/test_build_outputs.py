"""What `build --output` writes, others read: skopeo, umoci, podman, docker; the tree is the one that minirun has."""

from collections.abc import Callable
from pathlib import Path

import pytest

from minirun.build import output_words
from minirun.build.outputs import Result, write_all
from minirun.build.progress import Progress
from minirun.image.store import Store
from tests import trees
from tests.build_results import result
from tests.docker import Docker
from tests.image_peers import SKOPEO, Peer
from tests.image_tars import rich_layers, store_in
from tests.support import run

NAME = "docker.io/me/built:1"
PACKINGS = ("", ",compression=zstd", ",compression=uncompressed", ",compression=gzip,compression-level=9")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Result]:
    """A result of three layers with everything that can be in layers; an image keeps them."""
    store = store_in(tmp_path_factory.mktemp("built"))
    made = result(store, *rich_layers(with_sparse=False), Cmd=["sh"])
    write(store, made, "type=image")
    return store, made


def write(store: Store, made: Result, words: str) -> None:
    write_all(store.paths, made, [output_words.parse(words)], [NAME], Progress())


def tree_of(store: Store, made: Result) -> trees.Tree:
    return trees.of_layers([layer.path(store.paths) for layer in made.layers])


def assert_same(one: trees.Tree, two: trees.Tree) -> None:
    """Without the root where a tool has none of its own."""
    if {"" in one, "" in two} != {True}:
        one.pop("", None), two.pop("", None)
    assert trees.differences(one, two) == []


READERS = [  # umoci 0.4 knows no zstd
    (tool, packing)
    for tool in ("skopeo", "podman", "umoci")
    for packing in PACKINGS
    if (tool, packing) != ("umoci", ",compression=zstd")
]


@pytest.mark.parametrize(("tool", "packing"), READERS)
@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_an_archive_is_read_by(
    tool: str, kind: str, packing: str, built: tuple[Store, Result], peer: Callable[..., Peer], tmp_path: Path
) -> None:
    write(*built, f"type={kind},dest={tmp_path}/x.tar{packing}")
    target = peer(tool)
    target.take(tmp_path / "x.tar", f"{kind}-archive", NAME)
    assert_same(tree_of(*built), target.tree(NAME))


@pytest.mark.parametrize("types", ["true", "false"])
def test_docker_loads_an_archive(
    types: str, built: tuple[Store, Result], docker: Docker, tmp_path: Path
) -> None:
    write(*built, f"type=docker,oci-mediatypes={types},dest={tmp_path}/x.tar")
    assert "me/built:1" in docker("load", "-i", tmp_path / "x.tar")
    assert docker("image", "inspect", "-f", "{{.Id}}", "me/built:1").strip() == built[1].id
    docker("rmi", "me/built:1")


def test_skopeo_reads_a_layout_in_a_directory(built: tuple[Store, Result], tmp_path: Path) -> None:
    write(*built, f"type=oci,tar=false,dest={tmp_path}/layout,annotation.a=b")
    shown = run(*SKOPEO, f"oci:{tmp_path}/layout:{NAME}", f"dir:{tmp_path}/copy", check=True)
    assert shown.code == 0
    assert '"annotations":{"a":"b"}' in (tmp_path / "copy/manifest.json").read_text()


def test_docker_imports_the_tar_of_a_tree(
    built: tuple[Store, Result], docker: Docker, tmp_path: Path
) -> None:
    write(*built, f"type=tar,dest={tmp_path}/x.tar")
    image = docker("import", tmp_path / "x.tar").strip()
    assert image.startswith("sha256:")
    docker("rmi", image)
