"""The recipes in rootfs/: what they write is an OCI image, the same one each time."""

import functools
import gzip
import hashlib
import http.server
import importlib
import io
import json
import os
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.support import CHECKOUT, run

RECIPE = CHECKOUT / "scripts" / "rootfs"


class Layout:
    """The documents of an OCI layout tar with one image, and its layer opened."""

    def __init__(self, path: Path) -> None:
        with tarfile.open(path) as tar:
            self.files = {info.name: tar.extractfile(info).read() for info in tar if info.isfile()}  # type: ignore[union-attr]
        self.index = json.loads(self.files["index.json"])
        self.manifest = json.loads(self.blob(self.index["manifests"][0]))
        self.config = json.loads(self.blob(self.manifest["config"]))
        self.layer = tarfile.open(fileobj=io.BytesIO(gzip.decompress(self.blob(self.manifest["layers"][0]))))

    def blob(self, descriptor: dict[str, object]) -> bytes:
        content = self.files[f"blobs/{str(descriptor['digest']).replace(':', '/')}"]
        assert len(content) == descriptor["size"]
        return content


@pytest.fixture(scope="module")
def busybox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("rootfs") / "busybox.tar"
    run(RECIPE, "busybox", "--output", output, check=True)
    return output


def test_busybox_is_made_twice_the_same(busybox: Path, tmp_path: Path) -> None:
    run(RECIPE, "busybox", "--output", tmp_path / "again.tar", check=True)
    assert (tmp_path / "again.tar").read_bytes() == busybox.read_bytes()


def test_busybox_is_small(busybox: Path) -> None:
    assert busybox.stat().st_size < 3_000_000


def test_every_blob_has_the_name_of_its_digest(busybox: Path) -> None:
    for name, content in Layout(busybox).files.items():
        if name.startswith("blobs/"):
            assert name == f"blobs/sha256/{hashlib.sha256(content).hexdigest()}"


def test_the_image_carries_its_name(busybox: Path) -> None:
    annotations = Layout(busybox).index["manifests"][0]["annotations"]
    assert annotations["io.containerd.image.name"] == "docker.io/library/busybox:latest"
    assert annotations["org.opencontainers.image.ref.name"] == "latest"


def test_the_diff_id_is_the_digest_of_the_plain_layer(busybox: Path) -> None:
    layout = Layout(busybox)
    plain = gzip.decompress(layout.blob(layout.manifest["layers"][0]))
    assert layout.config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(plain).hexdigest()}"]


def test_busybox_has_a_shell_users_and_a_temporary_directory(busybox: Path) -> None:
    layer = Layout(busybox).layer
    assert layer.getmember("bin/sh").linkname == "/bin/busybox"
    assert layer.getmember("tmp").mode == 0o1777
    users = layer.extractfile("etc/passwd").read().decode()  # type: ignore[union-attr]
    assert {line.split(":")[0] for line in users.splitlines()} == {"root", "www-data", "nobody"}


def test_parents_come_before_what_is_in_them(busybox: Path) -> None:
    seen = {"."}
    for info in Layout(busybox).layer:
        assert str(Path(info.name).parent) in seen
        seen.add(info.name)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A web server on the loopback with a minirootfs of one file: its URL and its sha256."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("etc-alpine-release"))
    content = gzip.compress(plain.getvalue())
    (tmp_path / "mini.tar.gz").write_bytes(content)
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/mini.tar.gz", hashlib.sha256(content).hexdigest()
        server.shutdown()


def test_alpine_comes_from_the_url_given(mirror: tuple[str, str], tmp_path: Path) -> None:
    url, sha256 = mirror
    run(RECIPE, "alpine", "--url", url, "--sha256", sha256, "--output", tmp_path / "alpine.tar", check=True)
    assert Layout(tmp_path / "alpine.tar").layer.getnames() == ["etc-alpine-release"]


def test_alpine_can_be_told_by_the_environment(mirror: tuple[str, str], tmp_path: Path) -> None:
    url, sha256 = mirror
    environment = {"ALPINE_URL": url, "ALPINE_SHA256": sha256}
    assert run(RECIPE, "alpine", "--output", tmp_path / "alpine.tar", env=environment).code == 0


def test_alpine_with_another_digest_is_refused(mirror: tuple[str, str], tmp_path: Path) -> None:
    url, _ = mirror
    result = run(RECIPE, "alpine", "--url", url, "--sha256", "0" * 64, "--output", tmp_path / "alpine.tar")
    assert result.code == 1
    assert "sha256 is" in result.stderr
    assert not (tmp_path / "alpine.tar").exists()


@pytest.fixture(scope="module")
def module() -> Iterator[Callable[[str], ModuleType]]:
    """module("trees") is that one of rootfs/, imported as the recipes import it."""
    sys.path.append(str(CHECKOUT / "rootfs"))
    yield importlib.import_module
    sys.path.remove(str(CHECKOUT / "rootfs"))


@pytest.fixture
def two_trees(tmp_path: Path) -> tuple[Path, Path]:
    """The same tree twice: etc/kept, etc/changed, etc/link, lost/one, lost/two, all of them a minute old."""
    for tree in (tmp_path / "before", tmp_path / "after"):
        for name in ("etc/kept", "etc/changed", "lost/one", "lost/two"):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text("old")
            os.utime(tree / name, (1_000_000, 1_000_000))
        (tree / "etc/link").symlink_to("kept")
    return tmp_path / "before", tmp_path / "after"


def test_equal_trees_have_no_changes(module, two_trees) -> None:
    assert module("trees").changes(*two_trees) == []
    assert module("trees").gone(*two_trees) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda tree: (tree / "etc/changed").write_text("new"), ["etc", "etc/changed"]),
        (lambda tree: (tree / "etc/changed").chmod(0o600), ["etc", "etc/changed"]),
        (lambda tree: (tree / "etc/changed").write_text("old"), []),
        (lambda tree: os.utime(tree / "etc/kept"), []),
        (lambda tree: (tree / "etc").chmod(0o700), ["etc"]),
        (lambda tree: (tree / "etc/link").rename(tree / "moved"), ["moved"]),
        (lambda tree: (tree / "new").mkdir(), ["new"]),
        (lambda tree: (tree / "etc/new").write_text(""), ["etc", "etc/new"]),
    ],
)
def test_what_a_layer_has_to_carry(module, two_trees, change, found: list[str]) -> None:
    change(two_trees[1])
    assert module("trees").changes(*two_trees) == found


def test_a_link_that_leads_elsewhere_is_a_change(module, two_trees) -> None:
    (two_trees[1] / "etc/link").unlink()
    (two_trees[1] / "etc/link").symlink_to("changed")
    assert module("trees").changes(*two_trees) == ["etc", "etc/link"]


def test_of_a_directory_that_has_gone_only_its_name_is_told(module, two_trees) -> None:
    (two_trees[1] / "etc/kept").unlink()
    (two_trees[1] / "lost").rename(two_trees[1].parent / "elsewhere")
    assert module("trees").gone(*two_trees) == ["etc/kept", "lost"]


def test_a_layer_has_its_files_whiteouts_and_one_time_for_what_is_new(module, two_trees) -> None:
    trees, tree = module("trees"), two_trees[1]
    (tree / "etc/new").write_text("new")
    (tree / "dev").mkdir()
    (tree / "dev/null").write_text("")
    tar = trees.layer(
        tree, ["dev", "dev/null", "etc", "etc/kept", "etc/new"], since=2_000_000, lost=["etc/x"]
    )
    found = {info.name: info for info in tarfile.open(fileobj=io.BytesIO(tar))}
    assert list(found) == ["etc/.wh.x", "dev", "etc", "etc/kept", "etc/new"]
    assert (found["etc/kept"].mtime, found["etc/new"].mtime) == (1_000_000, module("layout").EPOCH)


@pytest.fixture
def stand_in(module, tmp_path: Path) -> Layout:
    layout = module("layout")
    layers = [(name, layout.layer_tar([layout.directory(name)])) for name in ("low", "high")]
    names = ["docker.io/library/a:1", "example.org/b:2"]
    layout.write_stand_in(tmp_path / "a.tar", names, layers, {"User": "7"}, "a test")
    return Layout(tmp_path / "a.tar")


def test_a_stand_in_says_so_in_its_labels_and_its_history(stand_in: Layout) -> None:
    said = "a stand-in made by minirun: a test"
    assert stand_in.config["config"]["Labels"]["io.minirun.stand-in"] == said
    assert [entry["comment"] for entry in stand_in.config["history"]] == [said, said]
    assert stand_in.config["config"]["User"] == "7"


def test_an_image_with_two_names_is_one_manifest(stand_in: Layout) -> None:
    one, two = stand_in.index["manifests"]
    assert one["digest"] == two["digest"]
    names = [descriptor["annotations"]["io.containerd.image.name"] for descriptor in (one, two)]
    assert names == ["docker.io/library/a:1", "example.org/b:2"]


def test_layers_keep_their_order(stand_in: Layout) -> None:
    plain = [gzip.decompress(stand_in.blob(layer)) for layer in stand_in.manifest["layers"]]
    assert [tarfile.open(fileobj=io.BytesIO(tar)).getnames() for tar in plain] == [["low"], ["high"]]
    digests = [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in plain]
    assert stand_in.config["rootfs"]["diff_ids"] == digests


@pytest.mark.parametrize("recipe", ["debian", "distroless", "golang", "postgres", "python"])
def test_what_a_recipe_lacks_is_told(recipe: str, tmp_path: Path) -> None:
    bare = {"PATH": str(tmp_path), "MINIRUN_ROOTFS": str(tmp_path)}
    result = run(CHECKOUT / "rootfs" / recipe, "--output", tmp_path / "image.tar", env=bare)
    assert result.code == 1
    assert result.stderr.startswith("not installed: mmdebstrap, unshare; scripts/setup --tests")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_recipe_is_a_usage_error() -> None:
    result = run(RECIPE, "nosuch")
    assert result.code == 2
    assert result.stderr.startswith("usage: scripts/rootfs")
