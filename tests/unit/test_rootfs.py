"""The recipes in rootfs/: what they write is an OCI image, the same one each time."""

import functools
import gzip
import hashlib
import http.server
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

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


def test_an_unknown_recipe_is_a_usage_error() -> None:
    result = run(RECIPE, "nosuch")
    assert result.code == 2
    assert result.stderr.startswith("usage: scripts/rootfs")
