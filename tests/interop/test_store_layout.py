"""The store is an OCI image layout whenever nobody works in it: skopeo and umoci read it in place, after each command.

See  image-spec image-layout.md
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from minirun.image.store import Store
from minirun.paths import Paths
from tests import trees
from tests.image_tars import add_image, rich_layers
from tests.registries import Server
from tests.support import Minirun, run

RICH = "docker.io/me/rich:1"
BUSYBOX = "docker.io/library/busybox:latest"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, busybox_tar: Path) -> Iterator[Server]:
    """With me/rich:1 in OCI form and me/rich:docker in Docker's."""
    base = tmp_path_factory.mktemp("registry")
    source = Store(Paths(str(base / "root"), str(base / "state")))
    add_image(source, *rich_layers(), name=RICH)
    server = Server(base)
    try:
        server.push(f"oci:{source.paths.images}:{RICH}", "me/rich:1")
        server.push(f"oci:{source.paths.images}:{RICH}", "me/rich:docker", "--format=v2s2")
        yield server
    finally:
        server.stop()


@pytest.fixture
def minirun(tmp_path: Path, busybox_tar: Path) -> Iterator[Minirun]:
    """With busybox loaded, and a store of its own."""
    made = with_busybox(tmp_path, busybox_tar)
    yield made
    made.remove_all()


def with_busybox(place: Path, busybox_tar: Path) -> Minirun:
    made = Minirun(root=place / "root", state=place / "state")
    made("load", "-i", busybox_tar, check=True)
    return made


def pulled(minirun: Minirun, registry: Server) -> None:
    minirun("pull", f"{registry.host}/me/rich:1", check=True)


def pulled_in_dockers_form(minirun: Minirun, registry: Server) -> None:
    minirun("pull", f"{registry.host}/me/rich:docker", check=True)


def pulled_and_cut_short(minirun: Minirun, registry: Server) -> None:
    assert minirun("pull", f"{registry.host}/me/rich:none").code


def tagged(minirun: Minirun, registry: Server) -> None:
    minirun("tag", "busybox", "me/box:2", check=True)


def pushed(minirun: Minirun, registry: Server) -> None:
    minirun("tag", "busybox", f"{registry.host}/me/box:2", check=True)
    minirun("push", f"{registry.host}/me/box:2", check=True)


def committed(minirun: Minirun, registry: Server) -> None:
    minirun("run", "--name", "one", "--network", "none", "busybox", "touch", "/new", check=True)
    minirun("commit", "one", "me/committed:1", check=True)


def imported(minirun: Minirun, registry: Server) -> None:
    committed(minirun, registry)
    exported = minirun.root.with_name("exported.tar")
    minirun("export", "-o", exported, "one", check=True)
    minirun("import", exported, "me/imported:1", check=True)


def loaded(minirun: Minirun, registry: Server) -> None:
    pulled(minirun, registry)
    saved = minirun.root.with_name("saved.tar")
    minirun("save", "-o", saved, f"{registry.host}/me/rich:1", "busybox", check=True)
    minirun("rmi", f"{registry.host}/me/rich:1", check=True)
    minirun("load", "-i", saved, check=True)


def renamed(minirun: Minirun, registry: Server) -> None:
    """busybox's name goes to another image; the old one stays, nameless."""
    pulled(minirun, registry)
    minirun("tag", f"{registry.host}/me/rich:1", "busybox", check=True)


def removed(minirun: Minirun, registry: Server) -> None:
    pulled(minirun, registry)
    minirun("rmi", f"{registry.host}/me/rich:1", check=True)


def emptied(minirun: Minirun, registry: Server) -> None:
    minirun("rmi", "busybox", check=True)


def pruned(minirun: Minirun, registry: Server) -> None:
    renamed(minirun, registry)
    minirun("image", "prune", "-f", check=True)


EVERYTHING: list[Callable[[Minirun, Server], None]] = [
    *(pulled, pulled_in_dockers_form, pulled_and_cut_short, tagged, pushed, committed, imported, loaded),
    *(renamed, removed, emptied, pruned),
]


@pytest.fixture(scope="module", params=EVERYTHING, ids=lambda change: f"after-{change.__name__}")
def after(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    busybox_tar: Path,
    registry: Server,
) -> Iterator[Minirun]:
    """A minirun after one of the changes, for tests that only look."""
    made = with_busybox(tmp_path_factory.mktemp(request.param.__name__), busybox_tar)
    request.param(made, registry)
    yield made
    made.remove_all()


def entries(minirun: Minirun) -> list[dict[str, object]]:
    """Of index.json."""
    manifests: list[dict[str, object]] = json.loads((minirun.root / "images/index.json").read_text())[
        "manifests"
    ]
    return manifests


def names(minirun: Minirun) -> list[str]:
    annotations = [entry.get("annotations", {}) for entry in entries(minirun)]
    key = "org.opencontainers.image.ref.name"
    return [one[key] for one in annotations if key in one]  # type: ignore[index, operator]


def reachable(minirun: Minirun) -> dict[str, int]:
    """Every digest that index.json leads to, with the size it is said to have."""
    found: dict[str, int] = {}
    for entry in entries(minirun):
        manifest = json.loads(blob(minirun, str(entry["digest"])).read_text())
        for descriptor in (entry, manifest["config"], *manifest["layers"]):
            found[descriptor["digest"]] = descriptor["size"]
    return found


def blob(minirun: Minirun, digest: str) -> Path:
    return minirun.root / "images/blobs" / digest.replace(":", "/")


# ---- after every command that changes it ------------------------------------------------------------------


def test_it_has_what_a_layout_has(after: Minirun) -> None:
    images = after.root / "images"
    assert json.loads((images / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((images / "index.json").read_text())
    assert index["schemaVersion"] == 2
    assert index["mediaType"] == "application/vnd.oci.image.index.v1+json"


def test_every_blob_is_named_by_its_content(after: Minirun) -> None:
    for path in (after.root / "images/blobs/sha256").iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


def test_the_index_leads_to_every_blob_and_to_no_other(after: Minirun) -> None:
    there = {
        f"sha256:{path.name}": path.stat().st_size for path in (after.root / "images/blobs/sha256").iterdir()
    }
    assert there == reachable(after)


def test_nothing_else_is_in_it(after: Minirun) -> None:
    images = after.root / "images"
    assert {path.name for path in images.iterdir()} <= {"oci-layout", "index.json", "blobs", "incoming"}
    assert list((images / "incoming").iterdir()) == []


def test_skopeo_and_umoci_read_every_name(after: Minirun) -> None:
    images = after.root / "images"
    listed = run("umoci", "ls", "--layout", images, check=True).stdout.split()
    assert sorted(listed) == sorted(names(after))
    for name in listed:
        shown = json.loads(run("skopeo", "inspect", f"oci:{images}:{name}", check=True).stdout)
        assert all(blob(after, layer).exists() for layer in shown["Layers"])
        run("umoci", "stat", "--image", f"{images}:{name}", check=True)


# ---- in place ---------------------------------------------------------------------------------------------


def test_umoci_unpacks_it_in_place_to_the_same_tree(
    minirun: Minirun, registry: Server, tmp_path: Path
) -> None:
    pulled_in_dockers_form(minirun, registry)
    name = f"{registry.host}/me/rich:docker"
    run("umoci", "unpack", "--image", f"{minirun.root}/images:{name}", tmp_path / "bundle", check=True)
    store = Store(Paths(str(minirun.root), str(minirun.state)))
    ours = trees.of_layers(store.get(name).layer_paths())
    assert trees.differences(trees.of(tmp_path / "bundle/rootfs"), ours) == []


def test_umoci_unpacks_what_a_container_became(minirun: Minirun, registry: Server, tmp_path: Path) -> None:
    committed(minirun, registry)
    layout = f"{minirun.root}/images:docker.io/me/committed:1"
    run("umoci", "unpack", "--image", layout, tmp_path / "bundle", check=True)
    assert (tmp_path / "bundle/rootfs/new").read_bytes() == b""


def test_umoci_finds_nothing_to_collect(minirun: Minirun, registry: Server) -> None:
    """It would remove what nothing refers to, and any blob with a wrong name."""
    pulled(minirun, registry)
    blobs = minirun.root / "images/blobs/sha256"
    before = {path.name for path in blobs.iterdir()}
    run("umoci", "gc", "--layout", minirun.root / "images", check=True)
    assert {path.name for path in blobs.iterdir()} == before
    minirun("run", "--rm", "--network", "none", "busybox", "true", check=True)


def test_what_umoci_tags_in_the_store_is_an_image_here(minirun: Minirun) -> None:
    layout = f"{minirun.root}/images:{BUSYBOX}"
    run("umoci", "tag", "--image", layout, "docker.io/me/by-umoci:1", check=True)
    minirun("run", "--rm", "--network", "none", "me/by-umoci:1", "true", check=True)
