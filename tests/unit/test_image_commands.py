"""pull, load, images and rmi as a person sees them."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click import Command
from click.testing import CliRunner, Result

from minirun.cli import images
from minirun.errors import MinirunError
from minirun.image.store import Store
from tests.image_tars import add_image, docker_archive, entry, store_in, tar

LAYER = tar(entry("hello", b"hi"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_in(tmp_path)


def run(store: Store, command: Command, *arguments: str, input: bytes | None = None) -> Result:
    return CliRunner().invoke(command, arguments, obj=store.paths, input=input)


def failure(result: Result) -> str:
    assert isinstance(result.exception, MinirunError)
    return result.exception.message


def test_load_prints_each_name(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(docker_archive(LAYER, tags=["tool:1", "me/tool"]))
    assert run(store, images.load_command, "-i", str(path)).output == (
        "Loaded image: tool:1\nLoaded image: me/tool:latest\n"
    )


def test_load_reads_standard_input(store: Store) -> None:
    result = run(store, images.load_command, input=docker_archive(LAYER, tags=[]))
    assert result.output == f"Loaded image ID: {store.images()[0].id}\n"


def test_load_of_a_file_that_is_not_there(store: Store) -> None:
    assert failure(run(store, images.load_command, "-i", "/nonexistent")) == (
        "/nonexistent: No such file or directory"
    )


def test_images_is_dockers_table(store: Store) -> None:
    short = add_image(store, LAYER, name="tool:1").id[7:19]
    add_image(store, LAYER, name="localhost:5000/tool").layer_paths()
    heading, *rows = run(store, images.images_command).output.splitlines()
    assert heading.split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert [row.split()[:3] for row in rows] == [
        ["tool", "1", short],
        ["localhost:5000/tool", "latest", short],
    ]
    assert rows[0].endswith("years ago   2B")
    assert heading.index("TAG") == rows[0].index("1  ")


def test_images_takes_a_name_and_options(store: Store) -> None:
    image = add_image(store, LAYER, name="tool:1")
    add_image(store, LAYER, name="tool:2")
    add_image(store, tar(), name="other")
    assert len(run(store, images.images_command, "tool").output.splitlines()) == 3
    assert len(run(store, images.images_command, "tool:2").output.splitlines()) == 2
    assert run(store, images.images_command, "-q", "tool").output == f"{image.id[7:19]}\n"
    assert run(store, images.images_command, "-q", "--no-trunc", "tool").output == f"{image.id}\n"
    assert image.digest in run(store, images.images_command, "--digests").output


def test_images_of_an_empty_store_is_a_heading(store: Store) -> None:
    assert run(store, images.images_command).output.startswith("REPOSITORY   TAG   IMAGE ID")


def test_rmi_prints_what_went(store: Store) -> None:
    image_id = add_image(store, LAYER, name="tool:1").id
    assert run(store, images.rmi_command, "tool:1").output == f"Untagged: tool:1\nDeleted: {image_id}\n"


def test_rmi_goes_on_after_a_name_that_is_not_there(store: Store) -> None:
    add_image(store, LAYER, name="tool:1")
    result = run(store, images.rmi_command, "nosuch", "tool:1")
    assert failure(result) == "No such image: nosuch"
    assert store.images() == []
    assert run(store, images.rmi_command, "-f", "nosuch").exit_code == 0


def test_rmi_asks_the_containers(store: Store) -> None:
    image = add_image(store, LAYER, name="tool:1")
    container = store.paths.container("c" * 64)
    os.makedirs(container)
    Path(container, "container.json").write_text(json.dumps({"image_id": image.id}))
    result = run(store, images.rmi_command, "tool:1")
    assert failure(result) == (
        "conflict: unable to remove repository reference 'tool:1' (must force)"
        f" - container cccccccccccc is using its referenced image {image.id[7:19]}"
    )


def test_pull_without_a_network_names_the_address(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    message = failure(run(store, images.pull_command, "nosuchimage:x"))
    assert "https://registry-1.docker.io/v2/library/nosuchimage/manifests/x cannot be reached" in message


SIZES = {
    0: "0B",
    999: "999B",
    1000: "1kB",
    4_850_000: "4.85MB",
    124_000_000: "124MB",
    1_430_000_000: "1.43GB",
}


@pytest.mark.parametrize(("count", "shown"), SIZES.items())
def test_sizes_are_dockers(count: int, shown: str) -> None:
    assert images._size(count) == shown


AGES = {
    timedelta(0): "Less than a second ago",
    timedelta(seconds=5): "5 seconds ago",
    timedelta(seconds=70): "About a minute ago",
    timedelta(minutes=59): "59 minutes ago",
    timedelta(minutes=70): "About an hour ago",
    timedelta(hours=47): "47 hours ago",
    timedelta(days=3): "3 days ago",
    timedelta(days=20): "2 weeks ago",
    timedelta(days=70): "2 months ago",
    timedelta(days=800): "2 years ago",
}


@pytest.mark.parametrize(("age", "shown"), AGES.items())
def test_ages_are_dockers(age: timedelta, shown: str) -> None:
    assert images._ago((datetime.now(UTC) - age).isoformat()) == shown
