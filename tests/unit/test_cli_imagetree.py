"""images --tree: Docker 28's picture, made from our store.

The lines are those of the 28.2.2 client for the same names and sizes, but for spaces at their ends, and the colours of
the heading, which it has in a pipe, too.
"""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from minirun.cli import images, imagetree
from minirun.image import names, usage
from minirun.image.image import Image
from minirun.image.reference import parse
from minirun.image.store import Store
from tests.image_tars import add_image, entry, store_in, tar

LEGEND = """\
WARNING: This is an experimental feature. The output may change and shouldn't be depended on.
                                                              Info ->  U In Use

"""
NAMES = ["me/tool:1", "me/tool:latest", "alias:1"]
USED = """\
IMAGE                ID             DISK USAGE   CONTENT SIZE   EXTRA
me/tool:latest
me/tool:1
alias:1              {id}        123MB         41.2MB   U
└─ linux/amd64       {digest}        123MB         41.2MB   U

"""
UNUSED = """\
IMAGE                ID             DISK USAGE   CONTENT SIZE   EXTRA
busybox:latest       {id}       2.05MB          682kB
└─ linux/amd64       {digest}       2.05MB          682kB

"""
LONG = """\
IMAGE                           ID             DISK USAGE   CONTENT SIZE   EXTRA
a/very/long/name/that/goes/o…   {id}           1B             0B
└─ linux/amd64                  {digest}           1B             0B

"""
NARROW = """\
IMAGE               ID             DISK USAGE   CONTENT SIZE
busybox:latest      {id}       2.05MB          682kB
└─ linux/amd64      {digest}       2.05MB          682kB

"""


ROWS: dict[str, tuple[list[str], tuple[int, int], bool, int, str]] = {
    "used, with several names": (NAMES, (41_152_263, 82_304_526), True, 80, USED),
    "a name alone": (["busybox"], (682_000, 1_364_000), False, 80, UNUSED),
    "a long name": ([f"a/very/long/name/that/goes/on{'/and/on' * 3}:x"], (0, 1), False, 80, LONG),
    "a narrow terminal": (["busybox"], (682_000, 1_364_000), False, 60, NARROW),
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_in(tmp_path)


def called(store: Store, *also: str) -> Image:
    """An image with these names."""
    image = add_image(store, tar(), name=also[0])
    for name in also[1:]:
        names.tag(store.layout, image, parse(name))
    return image


def tree(store: Store, *words: str) -> str:
    result = CliRunner().invoke(images.images_command, ["--tree", *words], obj=store.paths)
    assert result.exit_code == 0, result.exception
    return result.output


@pytest.mark.parametrize("name", ROWS)
def test_the_picture(store: Store, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    also, sizes, used, columns, expected = ROWS[name]
    monkeypatch.setattr(usage, "sizes", lambda images: sizes)
    image = called(store, *also)
    lines = imagetree.tree(store.images(), {image.id} if used else (), columns)
    shown = "\n".join(map(click.unstyle, lines))
    filled = expected.format(id=image.id[7:19], digest=image.digest[7:19])
    assert shown.split("\n") == ["", *filled.split("\n")[:-1]]


def test_the_legend_and_the_newest_first(store: Store) -> None:
    called(store, "tool")
    output = tree(store)
    assert [line.rstrip() for line in output.splitlines()[:3]] == LEGEND.splitlines()
    assert output.count("\x1b") == 0


def test_sizes_are_of_each_part_once(store: Store) -> None:
    image = add_image(store, tar(entry("one", b"x" * 5000)), name="tool")
    packed = sum(
        int(one["size"]) for one in (image.entry, image.manifest["config"], *image.manifest["layers"])
    )
    assert usage.sizes([image]) == (packed, 0)
    image.layer_paths()
    assert usage.sizes([image, image]) == (packed, 5000)


def test_an_image_in_two_packings_has_two_twigs(store: Store) -> None:
    add_image(store, tar(), name="tool:1")
    add_image(store, tar(), name="tool:2", packed=False)
    rows = [line.split()[0] for line in tree(store).splitlines()[4:] if line]
    assert rows == ["tool:2", "tool:1", "├─", "└─"]


def test_images_without_a_name(store: Store) -> None:
    called(store, "")
    assert "<untagged>" not in tree(store)
    assert "<untagged>" in tree(store, "-a")
    assert "<untagged>" in tree(store, "-f", "dangling=true")
    called(store, "tool")
    assert "tool:latest" in tree(store, "tool")
    assert "tool:latest" not in tree(store, "other")


@pytest.mark.parametrize("option", ["-q", "--no-trunc", "--digests", "--format=json"])
def test_what_a_tree_has_not(store: Store, option: str) -> None:
    result = CliRunner().invoke(images.images_command, ["--tree", option], obj=store.paths)
    assert "is not yet supported with --tree" in str(result.exception)
