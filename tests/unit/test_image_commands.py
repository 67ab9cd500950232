"""pull, load, images, rmi, tag, inspect, history and prune as a person sees them."""

import json
import os
import re
from pathlib import Path

import pytest
from click import Command
from click.testing import CliRunner, Result

from minirun.cli import archives, imageinspect, images, registries, removing
from minirun.engine import records
from minirun.errors import MinirunError
from minirun.image import reference
from minirun.image.image import Image
from minirun.image.names import add_image as add_to_index
from minirun.image.store import Store
from tests.image_tars import add_image, config_of, docker_archive, entry, store_in, tar

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
    assert run(store, archives.load_command, "-i", str(path)).output == (
        "Loaded image: tool:1\nLoaded image: me/tool:latest\n"
    )


def test_load_reads_standard_input(store: Store) -> None:
    result = run(store, archives.load_command, input=docker_archive(LAYER, tags=[]))
    assert result.output == f"Loaded image ID: {store.images()[0].id}\n"


def test_load_of_a_file_that_is_not_there(store: Store) -> None:
    assert failure(run(store, archives.load_command, "-i", "/nonexistent")) == (
        "/nonexistent: No such file or directory"
    )


def lines(store: Store, command: Command, *arguments: str) -> list[str]:
    result = run(store, command, *arguments)
    assert result.exit_code == 0, result.exception
    return result.output.splitlines()


# ---- images -----------------------------------------------------------------------------------------------


def test_images_is_dockers_table(store: Store) -> None:
    short = add_image(store, LAYER, name="tool:1").id[7:19]
    add_image(store, LAYER, name="localhost:5000/tool").layer_paths()
    heading, *rows = lines(store, images.images_command)
    assert heading.split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert [row.split()[:3] for row in rows] == [
        ["tool", "1", short],
        ["localhost:5000/tool", "latest", short],
    ]
    assert rows[0].endswith("years ago   2B")
    assert heading.index("TAG") == rows[0].index("1  ")


def names(store: Store, *arguments: str) -> list[str]:
    return lines(store, images.images_command, "--format", "{{.Repository}}:{{.Tag}}", *arguments)


@pytest.fixture
def several(store: Store) -> Store:
    """tool:1, tool:2 and me/other of different ages, and one that lost its name."""
    add_image(store, tar(), name="tool:2")
    add_old_image(store, "tool:1", "2020-01-01T00:00:00Z", {"tier": "web"})
    add_old_image(store, "me/other", "2021-01-01T00:00:00Z", {"tier": "db", "x": ""})
    add_old_image(store, "", "2022-01-01T00:00:00Z", {})
    return store


def add_old_image(store: Store, name: str, created: str, labels: dict[str, str]) -> Image:
    config = json.loads(config_of([], Labels=labels))
    with store.adding():
        blob = store.layout.add_json({**config, "created": created})
        return add_to_index(store.layout, blob, [], reference.parse(name) if name else None)


SELECTIONS = {
    (): ["tool:2", "<none>:<none>", "me/other:latest", "tool:1"],
    ("tool",): ["tool:2", "tool:1"],
    ("tool:2",): ["tool:2"],
    ("to*",): ["tool:2", "tool:1"],
    ("*/*",): ["me/other:latest"],
    ("docker.io/library/tool:1",): ["tool:1"],
    ("nosuch",): [],
    ("--filter", "dangling=true"): ["<none>:<none>"],
    ("--filter", "dangling=false", "tool"): ["tool:2", "tool:1"],
    ("--filter", "label=tier"): ["me/other:latest", "tool:1"],
    ("--filter", "label=tier", "--filter", "label!=x"): ["tool:1"],
    ("--filter", "label=tier=db", "--filter", "label=x"): ["me/other:latest"],
    ("--filter", "reference=tool:1", "--filter", "reference=me/*"): ["me/other:latest", "tool:1"],
    ("--filter", "before=me/other"): ["tool:1"],
    ("--filter", "since=me/other"): ["tool:2", "<none>:<none>"],
    ("--filter", "until=2021-06-01"): ["me/other:latest", "tool:1"],
}


@pytest.mark.parametrize("arguments", SELECTIONS, ids=" ".join)
def test_images_selects_and_puts_the_newest_first(several: Store, arguments: tuple[str, ...]) -> None:
    assert names(several, *arguments) == SELECTIONS[arguments]


@pytest.mark.parametrize(
    ("word", "message"),
    [("colour=red", "invalid filter 'colour'"), ("dangling=perhaps", "neither true nor false")],
)
def test_images_refuses_a_filter_that_makes_no_sense(store: Store, word: str, message: str) -> None:
    assert message in failure(run(store, images.images_command, "--filter", word))


def test_images_ids_short_and_whole_each_once(store: Store) -> None:
    image = add_image(store, LAYER, name="tool:1")
    add_image(store, LAYER, name="tool:2")
    assert lines(store, images.images_command, "-q", "tool") == [image.id[7:19]]
    assert lines(store, images.images_command, "-q", "--no-trunc", "tool") == [image.id]
    assert image.digest in run(store, images.images_command, "--digests").output


def test_images_of_an_empty_store_is_a_heading(store: Store) -> None:
    assert lines(store, images.images_command) == ["REPOSITORY   TAG       IMAGE ID   CREATED   SIZE"]


def test_a_damaged_image_does_not_hide_the_others(several: Store) -> None:
    damaged = several.get("tool:1")
    os.unlink(several.layout.blob_path(damaged.digest))
    result = run(several, images.images_command, "tool")
    assert len(result.stdout.splitlines()) == 2
    assert result.stderr.startswith("minirun: docker.io/library/tool:1: the image store is damaged")


def test_images_as_json(store: Store) -> None:
    image = add_image(store, LAYER, name="tool:1")
    (line,) = lines(store, images.images_command, "--format", "json")
    assert json.loads(line).items() >= {"Repository": "tool", "Tag": "1", "ID": image.id[7:19]}.items()


# ---- rmi and prune ----------------------------------------------------------------------------------------


def test_rmi_prints_what_went(store: Store) -> None:
    image = add_image(store, LAYER, name="tool:1")
    gone = [image.id, *image.diff_ids]
    assert lines(store, removing.rmi_command, "tool:1") == [
        "Untagged: tool:1",
        f"Untagged: tool@{image.digest}",
        *(f"Deleted: {digest}" for digest in gone),
    ]


def test_rmi_goes_on_after_a_name_that_is_not_there(store: Store) -> None:
    add_image(store, LAYER, name="tool:1")
    result = run(store, removing.rmi_command, "nosuch", "tool:1")
    assert failure(result) == "No such image: nosuch"
    assert store.images() == []
    assert run(store, removing.rmi_command, "-f", "nosuch").exit_code == 0
    several = run(store, removing.rmi_command, "nosuch", "Bad", "other")
    assert several.output.splitlines()[0] == "minirun: No such image: nosuch"
    assert failure(several).startswith("No such image: other")


def add_container(store: Store, image: Image, status: str = "exited") -> str:
    container = store.paths.container("c" * 64)
    os.makedirs(container)
    record = {
        **{"version": records.VERSION, "id": "c" * 64, "created": "2024-01-02T03:04:05Z"},
        **{"image_id": image.id, "layers": image.layer_paths(), "mounts": [], "state": {"status": status}},
    }
    Path(container, "container.json").write_text(json.dumps(record))
    return container


def test_rmi_asks_the_containers(store: Store) -> None:
    image = add_image(store, LAYER, name="tool:1")
    add_container(store, image)
    assert failure(run(store, removing.rmi_command, "tool:1")) == (
        "conflict: unable to remove repository reference 'tool:1' (must force)"
        f" - container cccccccccccc is using its referenced image {image.id[7:19]}"
    )


def test_the_layers_of_a_container_stay_when_its_image_is_forced_away(store: Store) -> None:
    image = add_image(store, LAYER, name="tool:1")
    add_container(store, image)
    run(store, removing.rmi_command, "-f", "tool:1")
    run(store, removing.prune_command, "-a", "-f")
    assert store.get(image.id).reference == ""
    assert os.path.exists(f"{image.layer_paths()[0]}/hello")


def test_the_layers_of_a_container_stay_when_even_the_index_has_lost_the_image(store: Store) -> None:
    image = add_image(store, LAYER, name="tool:1")
    add_container(store, image)
    layers = image.layer_paths()
    store.layout.change_entries(lambda entries: [])
    store.sweep()
    assert os.path.exists(f"{layers[0]}/hello")


def test_prune_takes_what_a_forced_rmi_left_once_the_container_is_gone(store: Store) -> None:
    image = add_image(store, LAYER, name="tool:1")
    container = add_container(store, image)
    run(store, removing.rmi_command, "-f", "tool:1")
    os.rename(container, f"{container}.gone")
    os.unlink(f"{container}.gone/container.json")
    told = lines(store, removing.prune_command, "-f")
    assert told[:3] == ["Deleted Images:", f"deleted: {image.id}", f"deleted: {image.diff_ids[0]}"]
    assert told[-1].startswith("Total reclaimed space: ")
    assert os.listdir(f"{store.paths.images}/blobs/sha256") == []


def test_prune_takes_the_nameless_and_with_all_the_unused(several: Store) -> None:
    assert len(lines(several, removing.prune_command, "-f")) == 4
    assert "<none>:<none>" not in names(several)
    run(several, removing.prune_command, "-f", "-a", "--filter", "label=tier")
    assert names(several) == ["tool:2"]


def test_prune_takes_what_is_damaged(several: Store) -> None:
    os.unlink(several.layout.blob_path(several.get("tool:1").digest))
    run(several, removing.prune_command, "-f", "-a")
    assert several.images() == []


@pytest.mark.parametrize(
    ("word", "left"),
    [
        ("until=2020-06-01", ["tool:2", "<none>:<none>", "me/other:latest"]),
        ("label!=tier", ["me/other:latest", "tool:1"]),
    ],
)
def test_prune_filters(several: Store, word: str, left: list[str]) -> None:
    run(several, removing.prune_command, "-a", "-f", "--filter", word)
    assert names(several) == left


def test_prune_asks_first(several: Store) -> None:
    result = run(several, removing.prune_command, input=b"n\n")
    assert result.output.startswith(
        "WARNING! This will remove all dangling images.\nAre you sure you want to"
    )
    assert failure(result) == "image prune has been cancelled"
    assert len(several.images()) == 4


# ---- tag, inspect, history --------------------------------------------------------------------------------


def test_tag_gives_a_second_name(store: Store) -> None:
    image = add_image(store, LAYER, name="tool:1")
    assert lines(store, images.tag_command, image.id[7:15], "localhost:5000/me/tool:x") == []
    assert store.get("localhost:5000/me/tool:x").id == store.get("tool:1").id


def test_tag_takes_the_name_from_what_had_it(store: Store) -> None:
    old = add_image(store, LAYER, name="a")
    add_image(store, tar(), name="b")
    run(store, images.tag_command, "b", "a")
    assert store.get("a").id == store.get("b").id
    assert store.get(old.id).reference == ""


def test_tag_refuses_a_digest_for_a_name(store: Store) -> None:
    image = add_image(store, LAYER, name="a")
    result = run(store, images.tag_command, "a", f"b@{image.digest}")
    assert failure(result) == "refusing to create a tag with a digest reference"


def test_image_inspect_has_dockers_names(store: Store) -> None:
    image = add_image(store, LAYER, name="tool:1")
    run(store, images.tag_command, "tool:1", "other")
    (found,) = json.loads(run(store, imageinspect.inspect_command, "tool:1").output)
    assert found["Id"] == image.id
    assert found["RepoTags"] == ["tool:1", "other:latest"]
    assert found["RepoDigests"] == [f"tool@{image.digest}", f"other@{image.digest}"]
    assert found["RootFS"] == {"Type": "layers", "Layers": image.diff_ids}
    assert found["Config"]["Cmd"] == ["sh"]
    assert (found["Architecture"], found["Os"]) == ("amd64", "linux")
    assert found["Metadata"]["LastTagTime"].startswith("20")


def test_image_inspect_goes_on_after_a_name_that_is_not_there(store: Store) -> None:
    add_image(store, LAYER, name="tool:1")
    result = run(store, imageinspect.inspect_command, "-f", "{{.Os}}", "nosuch", "tool:1")
    assert result.output.splitlines() == [
        "minirun: No such image: nosuch",
        "  hint:  minirun images lists those that are here",
        "linux",
    ]


def test_history_tells_each_step_the_last_first(store: Store) -> None:
    image = add_image_with_history(store)
    heading, *rows = lines(store, imageinspect.history_command, "tool")
    assert heading.split() == ["IMAGE", "CREATED", "CREATED", "BY", "SIZE", "COMMENT"]
    assert [row.split()[0] for row in rows] == [image.id[7:19], "<missing>", "<missing>"]
    assert 'CMD ["sh"]' in rows[0]
    assert rows[2].endswith("   2B        the base")
    assert " ADD a-file-with-a-very-long-name-that-goes-o… " in rows[2]


def test_history_whole_and_for_programs(store: Store) -> None:
    add_image_with_history(store)
    form = "{{.Size}} {{.CreatedAt}} {{.CreatedBy}}"
    told = lines(store, imageinspect.history_command, "--no-trunc", "--no-human", "--format", form, "tool")
    assert told[2] == "2 2020-01-01T00:00:00Z ADD a-file-with-a-very-long-name-that-goes-on-and-on / x"
    assert lines(store, imageinspect.history_command, "-q", "tool")[1:] == ["<missing>", "<missing>"]


def add_image_with_history(store: Store) -> Image:
    """Two layers and a step without one; the history has an escape sequence in it."""
    image = add_image(store, LAYER, tar(), name="")
    image.layer_paths()
    created_by = "ADD a-file-with-a-very-long-name-that-goes-on-and-on /\tx"
    first = {"created": "2020-01-01T00:00:00Z", "created_by": created_by, "comment": "the base"}
    steps = [first, {"created_by": "RUN \x1b[2J"}, {"created_by": 'CMD ["sh"]', "empty_layer": True}]
    with store.adding():
        config = store.layout.add_json({**image.document, "history": steps})
        return add_to_index(store.layout, config, image.manifest["layers"], reference.parse("tool"))


def test_history_shows_no_escape_sequence(store: Store) -> None:
    add_image_with_history(store)
    assert r"RUN \x1b[2J" in run(store, imageinspect.history_command, "tool").output


# ---- pull -------------------------------------------------------------------------------------------------


def test_pull_without_a_network_names_the_address(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    message = failure(run(store, images.pull_command, "nosuchimage:x"))
    assert "https://registry-1.docker.io/v2/library/nosuchimage/manifests/x cannot be reached" in message


def test_pull_of_all_tags_without_a_registry_names_what_is_here(store: Store) -> None:
    add_image(store, LAYER, name="busybox")
    result = run(store, images.pull_command, "-q", "-a", "127.0.0.1:1/tool")
    assert isinstance(result.exception, MinirunError)
    assert result.exception.hint.endswith("Here without it: busybox; scripts/rootfs makes others")


def test_pull_of_all_tags_takes_no_tag(store: Store) -> None:
    assert failure(run(store, images.pull_command, "-a", "tool:1")) == "tag can't be used with --all-tags/-a"


# ---- --platform -------------------------------------------------------------------------------------------

OF_A_PLATFORM: dict[str, tuple[Command, list[str]]] = {
    "history": (imageinspect.history_command, ["tool"]),
    "inspect": (imageinspect.inspect_command, ["tool"]),
    "save": (archives.save_command, ["-o", "/dev/null", "tool"]),
    "push": (registries.push_command, ["tool"]),
    "push, all tags": (registries.push_command, ["-a", "tool"]),
    "rmi": (removing.rmi_command, ["tool"]),
}


@pytest.mark.parametrize("name", OF_A_PLATFORM)
def test_an_image_for_another_platform_is_refused(store: Store, name: str) -> None:
    command, words = OF_A_PLATFORM[name]
    add_image(store, LAYER, name="tool")
    result = run(store, command, "--platform", "linux/s390x", *words)
    message = failure(result) if result.exception and name != "inspect" else result.output.splitlines()[0]
    assert re.search(
        "image with reference tool.* was found but does not match the specified platform:"
        " wanted linux/s390x, actual: linux/amd64$",
        message,
    )
    assert len(store.images()) == 1


@pytest.mark.parametrize("platform", ["linux/amd64", "amd64", "linux/x86_64/v1", "amd64,amd64"])
def test_an_image_for_the_platform_is_removed(store: Store, platform: str) -> None:
    add_image(store, LAYER, name="tool")
    assert lines(store, removing.rmi_command, "--platform", platform, "tool")[0] == "Untagged: tool:latest"


@pytest.mark.parametrize("name", ["history", "save", "rmi", "push"])
@pytest.mark.parametrize("platform", ["linux/s390x/v1/2", "nosuch", "a b/c"])
def test_what_is_no_platform_is_said(store: Store, name: str, platform: str) -> None:
    command, words = OF_A_PLATFORM[name]
    add_image(store, LAYER, name="tool")
    assert failure(run(store, command, "--platform", platform, words[-1])).startswith("invalid platform")


def test_rmi_takes_one_platform(store: Store) -> None:
    add_image(store, LAYER, name="tool")
    for words in (["--platform", "a/b,c/d"], ["--platform", "a/b", "--platform", "c/d"]):
        assert "multiple platforms are not supported" in failure(
            run(store, removing.rmi_command, *words, "tool")
        )


def test_rmi_by_force_tells_of_what_is_not_there(store: Store) -> None:
    """And goes on, and all is well."""
    add_image(store, LAYER, name="tool")
    result = run(store, removing.rmi_command, "-f", "nosuch", "tool")
    assert result.exit_code == 0
    assert "No such image: nosuch" in result.output
    assert store.images() == []
