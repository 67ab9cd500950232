"""Through a real registry: what any of minirun, skopeo, podman and umoci pushed, any of them pulls to the same tree.

The measure is umoci's own unpacking of the image as the tests made it; podman's trees are podman's own unpacking.
umoci has no registry client: skopeo moves its layouts.
"""

import gzip
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from minirun.image import archive
from minirun.image.image import Image
from minirun.image.mediatypes import MANIFEST
from minirun.image.store import Store
from tests import trees
from tests.containers import start
from tests.image_peers import KINDS, MinirunPeer, Peer
from tests.image_tars import add_image, add_mixed, many_layers, rich_layers
from tests.registries import Server
from tests.support import Minirun, run

# podman 4.3 cannot give out again a layer with a sparse file: `rich` has one, and podman pushes `dense` in its place
PUSHED_BY_MINIRUN = ("rich", "dense", "busybox", "forty", "many")
PUSHED_BY_SKOPEO = {"docker": "--format=v2s2", "zstd": "--dest-compress-format=zstd"}


def put(server: Server, repository: str, tag: str, image: Image) -> None:
    """Byte for byte; a client would pack the plain layers.  distribution-spec, "Pushing blobs"."""
    base = f"http://{server.host}/v2/{repository}"
    layout = image.layout
    for descriptor in (image.manifest["config"], *image.manifest["layers"]):
        digest = descriptor["digest"]
        with urlopen(Request(f"{base}/blobs/uploads/", b"", method="POST")) as answer:
            place = f"{answer.headers['Location']}&digest={digest}"
        headers = {"Content-Type": "application/octet-stream"}
        content = Path(layout.blob_path(digest)).read_bytes()
        urlopen(Request(place, content, headers, method="PUT")).close()
    headers = {"Content-Type": MANIFEST}
    content = Path(layout.blob_path(image.digest)).read_bytes()
    urlopen(Request(f"{base}/manifests/{tag}", content, headers, method="PUT")).close()


class Exchange:
    """The registry, the peer that made the images, and who has pushed which of them."""

    def __init__(self, place: Path, server: Server, busybox: Path) -> None:
        self.place = place
        self.server = server
        self.origin = MinirunPeer(place / "origin")
        self._pushed: set[str] = set()
        self._trees: dict[str, trees.Tree] = {}
        fill(self.origin.store, busybox)
        for image in PUSHED_BY_MINIRUN:
            self.origin.push(local(image), self.name("origin", image))
        for image, option in PUSHED_BY_SKOPEO.items():
            layout = f"oci:{self.origin.store.paths.images}:{local(image)}"
            server.push(layout, f"origin/{image}:1", option)
        put(server, "origin/mixed", "1", self.origin.store.get("mixed"))

    def name(self, kind: str, image: str) -> str:
        return f"{self.server.host}/{kind}/{image}:1"

    def pushed(self, kind: str, image: str) -> str:
        """The name under which `kind` pushed `image`, after it had pulled it."""
        name = self.name(kind, image)
        if name not in self._pushed:
            peer = KINDS[kind](self.place / f"{kind}-{image}")
            try:
                peer.pull(self.name("origin", image))
                peer.push(self.name("origin", image), name)
            finally:
                peer.close()
            self._pushed.add(name)
        return name

    def tree(self, image: str) -> trees.Tree:
        """As umoci unpacks it out of the store that has it from the start."""
        source = "dense" if image == "mixed" else image  # umoci 0.4 knows no zstd
        if source not in self._trees:
            bundle = self.place / f"{source}-bundle"
            layout = f"{self.origin.store.paths.images}:{local(source)}"
            run("umoci", "unpack", "--image", layout, bundle, check=True)
            self._trees[source] = trees.of(bundle / "rootfs")
        return self._trees[source]


def local(image: str) -> str:
    return f"docker.io/library/{image}:latest"


def fill(store: Store, busybox: Path) -> None:
    archive.load(store, str(busybox))
    add_image(store, *new(rich_layers()), name="rich")
    for image in ("dense", "docker", "zstd"):
        add_image(store, *new(rich_layers(with_sparse=False)), name=image)
    add_image(store, *new(many_layers(40)), name="forty")
    add_image(store, *new(many_layers(130)), name="many")
    layers = new(rich_layers(with_sparse=False))
    add_mixed(store, *zip(layers, ("+zstd", "", "+gzip"), strict=True), name="mixed")


def new(layers: list[bytes]) -> list[bytes]:
    """The same trees with digests that nobody has seen, by bytes after the end of each tar.

    skopeo remembers in /var/lib/containers/cache which blobs are one layer packed in different ways, and may push
    one it found in a registry in the place of the one it was told to.
    """
    return [layer + os.urandom(512) for layer in layers]


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory, busybox_tar: Path) -> Iterator[Exchange]:
    base = tmp_path_factory.mktemp("exchange")
    server = Server(base)
    try:
        yield Exchange(base, server, busybox_tar)
    finally:
        server.stop()


# ---- every pair -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("image", ["rich", "docker", "busybox", "forty", "zstd", "mixed"])
@pytest.mark.parametrize("two", KINDS)
@pytest.mark.parametrize("one", KINDS)
def test_what_one_pushed_another_pulls_to_the_same_tree(
    exchange: Exchange, peer: Callable[[str], Peer], one: str, two: str, image: str
) -> None:
    image = "dense" if (one, image) == ("podman", "rich") else image
    target, name = peer(two), exchange.pushed(one, image)
    target.pull(name)
    assert trees.differences(exchange.tree(image), target.tree(name)) == []


@pytest.mark.parametrize("kind", ["minirun", "skopeo", "umoci"])  # podman's overlays end at 128 layers
def test_130_layers(exchange: Exchange, peer: Callable[[str], Peer], kind: str) -> None:
    target, name = peer("minirun"), exchange.pushed(kind, "many")
    target.pull(name)
    assert trees.differences(exchange.tree("many"), target.tree(name)) == []


@pytest.mark.parametrize("image", ["docker", "zstd", "mixed"])
def test_the_registry_has_the_layers_as_they_were_to_be(exchange: Exchange, image: str) -> None:
    name = f"docker://{exchange.name('origin', image)}"
    manifest = json.loads(run("skopeo", "inspect", "--raw", "--tls-verify=false", name, check=True).stdout)
    kinds = [layer["mediaType"].rpartition("tar")[2] for layer in manifest["layers"]]
    assert kinds == {"docker": [".gzip"] * 3, "zstd": ["+zstd"] * 3, "mixed": ["+zstd", "", "+gzip"]}[image]


# ---- file capabilities ------------------------------------------------------------------------------------


@pytest.fixture
def ping(exchange: Exchange, tmp_path: Path) -> str:
    """busybox with a `ping` that setcap(8) gave a capability and tar(1) put into a layer; its name in the registry."""
    tree = tmp_path / "tree"
    (tree / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", tree / "bin/ping")
    run("setcap", "cap_net_raw=ep", tree / "bin/ping", check=True)
    options = ("--xattrs", "--xattrs-include=security.*", "--format=posix")
    run("tar", *options, "-C", tree, "-cf", tmp_path / "ping.tar", "bin", check=True)
    store = exchange.origin.store
    layer = store.get("busybox").manifest["layers"][0]["digest"]
    base = gzip.decompress(Path(store.layout.blob_path(layer)).read_bytes())
    add_image(store, base, (tmp_path / "ping.tar").read_bytes(), name="ping")
    exchange.origin.push("ping", exchange.name("origin", "ping"))
    return exchange.pushed("podman", "ping")


def test_ping_keeps_its_capability_in_a_container(minirun: Minirun, ping: str) -> None:
    """Pushed by minirun, pulled and pushed by podman, pulled and run by minirun."""
    container = start(minirun, ping, "sleep", "60")
    seen = run("getcap", container.proc("root") / "bin/ping", check=True).stdout
    assert seen.split()[1] == "cap_net_raw=ep"
