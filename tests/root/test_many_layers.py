"""Images of more layers than one page of mount(2) options can name by their paths."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from minirun.image import names, reference
from minirun.image.store import Store
from minirun.paths import Paths
from tests.containers import Container
from tests.image_tars import config_of, entry, tar
from tests.support import Minirun, run

LAYER = "application/vnd.oci.image.layer.v1.tar"


def stacked(minirun: Minirun, count: int) -> str:
    """The name of an image that is busybox with `count` layers in all: each adds its number and overwrites `top`."""
    store = Store(Paths(str(minirun.root), str(minirun.state)))
    busybox = store.get("busybox")
    layers = [tar(entry(f"n/{number}", b"x"), entry("top", b"%d" % number)) for number in range(1, count)]
    document = json.loads(config_of(layers, Env=["PATH=/bin"]))
    document["rootfs"]["diff_ids"][:0] = busybox.diff_ids
    with store.adding():
        blobs = [{"mediaType": LAYER, **store.layout.add_blob([layer])} for layer in layers]
        config = store.layout.add_blob([json.dumps(document).encode()])
        blobs[:0] = busybox.manifest["layers"]
        names.add_image(store.layout, config, blobs, reference.parse(f"stack-{count}"))
    return f"stack-{count}"


@pytest.fixture(scope="module")
def image(minirun_session: Minirun) -> str:
    return stacked(minirun_session, 130)


def test_130_layers_are_one_tree(minirun: Minirun, image: str) -> None:
    shown = "ls /n | wc -l; cat /top"
    result = minirun("run", "--rm", "--network", "none", image, "sh", "-c", shown, check=True)
    assert result.stdout.split() == ["129", "129"]


def test_the_short_names_lead_to_the_layers_and_go_with_the_container(
    minirun: Minirun, start: Callable[..., Container], image: str
) -> None:
    directory = minirun.root / "containers" / start(image, "sleep", "100").id
    lower = json.loads((directory / "container.json").read_text())["layers"]
    assert [os.readlink(directory / "lower" / str(number)) for number in range(130)] == lower
    minirun.remove_all()
    assert not directory.exists()
    assert all(map(os.path.isdir, lower))


def test_inspect_names_every_layer_by_its_path(
    minirun: Minirun, start: Callable[..., Container], image: str
) -> None:
    (told,) = json.loads(minirun("inspect", start(image, "sleep", "100").id, check=True).stdout)
    lower = told["GraphDriver"]["Data"]["LowerDir"].split(":")
    assert len(lower) == 130
    assert Path(lower[0], "top").read_text() == "129"


def test_the_shim_stands_in_the_root_again(start: Callable[..., Container], image: str) -> None:
    shim = int(
        Path(f"/proc/{start(image, 'sleep', '100').pid}/stat").read_text().rpartition(")")[2].split()[1]
    )
    assert os.readlink(f"/proc/{shim}/cwd") == "/"


def test_few_layers_are_named_by_their_paths(minirun: Minirun, start: Callable[..., Container]) -> None:
    assert not (minirun.root / "containers" / start("busybox", "sleep", "100").id / "lower").exists()


def test_what_explain_tells_is_a_script_that_works(minirun: Minirun, image: str, tmp_path: Path) -> None:
    arguments = ("run", "--rm", "--network", "none", "--explain=sh", image, "cat", "/top")
    script = tmp_path / "container.sh"
    script.write_text(minirun(*arguments, check=True).stdout)
    assert run("sh", script, check=True).stdout == "129"


def test_explain_tells_the_links_and_the_way_back(minirun: Minirun, image: str) -> None:
    result = minirun("run", "--rm", "--network", "none", "--explain", image, "true", check=True)
    links = re.findall(r"ln -s \$L/\S+ \$C/lower/(\d+)", result.stderr)
    assert list(map(int, links)) == list(range(130))
    there, mount, back = map(result.stderr.index, ("cd $C/lower ", "lowerdir=129:128:", "cd / "))
    assert there < mount < back


def test_501_layers_are_refused(minirun: Minirun) -> None:
    before = sorted(os.listdir(minirun.root / "containers"))
    result = minirun("run", "--rm", "--network", "none", stacked(minirun, 501), "true")
    assert result.code == 125
    assert "the image has 501 layers, and overlayfs takes no more than 500" in result.stderr
    assert sorted(os.listdir(minirun.root / "containers")) == before
    minirun("rmi", "stack-501", check=True)


def test_500_layers_run(minirun: Minirun) -> None:
    result = minirun("run", "--rm", "--network", "none", stacked(minirun, 500), "cat", "/top", check=True)
    assert result.stdout == "499"


def test_an_image_without_layers_is_an_empty_tree(minirun: Minirun, tmp_path: Path) -> None:
    """As in Docker: whoever mounts a program into it can run that."""
    store = Store(Paths(str(minirun.root), str(minirun.state)))
    with store.adding():
        config = store.layout.add_blob([config_of([], Cmd="sh")])
        names.add_image(store.layout, config, [], reference.parse("none"))
    result = minirun("run", "--rm", "--network", "none", "none")
    assert (result.code, '"sh": executable file not found' in result.stderr) == (127, True)
    minirun("create", "--name", "box", "--network", "none", "none", check=True)
    minirun("export", "-o", tmp_path / "before.tar", "box", check=True)
    minirun("cp", "/bin/busybox", "box:/sh", check=True)
    assert minirun("diff", "box").stdout == "A /sh\n"
    assert minirun("start", "-a", "box").code == 127  # sh is not in /bin
    busybox = ("-v", "/bin/busybox:/bin/sh:ro", "none", "sh", "-c", "echo /*")
    assert "/bin" in minirun("run", "--rm", "--network", "none", *busybox, check=True).stdout.split()
    assert run("tar", "-tf", tmp_path / "before.tar", check=True).stdout == "./\n"
    minirun.remove_all()
    minirun("rmi", "none", check=True)
