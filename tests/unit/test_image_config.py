"""Odd configs and manifests: what Docker 20.10 makes of each was found out by `docker load` and `docker run`."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from minirun.engine import create
from minirun.engine.create import environment, program
from minirun.engine.options import run_options
from minirun.errors import MinirunError, UsageError
from minirun.image import archive, config, manifests, platforms
from minirun.image.mediatypes import MANIFEST
from tests.image_tars import config_of, digest, entry, store_in, tar

LAYER = tar(entry("file"))
DIFF_ID = digest(LAYER)
ROOTFS = {"type": "layers", "diff_ids": [DIFF_ID]}
MACHINE = {"os": "linux", "architecture": "arm64"}

# what the file says -> what is read
READ: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "an entry point that is a string": ({"Entrypoint": "echo hi"}, {"Entrypoint": ["echo hi"]}),
    "an empty one": ({"Entrypoint": ""}, {"Entrypoint": [""]}),
    "a command that is a string": ({"Cmd": "env"}, {"Cmd": ["env"]}),
    "a shell that is a string": ({"Shell": "/bin/sh"}, {"Shell": ["/bin/sh"]}),
    "null in a command": ({"Cmd": [None, "x"]}, {"Cmd": ["", "x"]}),
    "null in variables": ({"Env": [None, "A=1"]}, {"Env": ["A=1"]}),
    "null for all": (
        dict.fromkeys(("Cmd", "Entrypoint", "Env", "Labels", "Volumes", "User", "StopSignal", "OnBuild")),
        {},
    ),
    "null for what nobody reads": ({"Tty": None, "Image": None, "ArgsEscaped": None}, {}),
    "a label that is null": ({"Labels": {"a": None, "b": "c"}}, {"Labels": {"a": "", "b": "c"}}),
    "a volume that is null": ({"Volumes": {"/v": None}}, {"Volumes": {"/v": {}}}),
    "a port that is null": ({"ExposedPorts": {"80/tcp": None}}, {"ExposedPorts": {"80/tcp": {}}}),
    "a health check that is null": ({"Healthcheck": None}, {}),
    "a test that is null": ({"Healthcheck": {"Test": None, "Retries": 3}}, {"Healthcheck": {"Retries": 3}}),
    "other letters": ({"cmd": ["a"], "ENV": ["A=1"]}, {"Cmd": ["a"], "Env": ["A=1"]}),
    "both spellings": ({"cmd": ["a"], "Cmd": ["b"]}, {"Cmd": ["b"]}),
    "a spelling that is null": ({"Cmd": None, "cmd": ["a"]}, {"Cmd": ["a"]}),
    "what it does not know": ({"Whatever": [1]}, {"Whatever": [1]}),
}


@pytest.mark.parametrize("name", READ)
def test_how_to_run_it_is_read_as_docker_reads_it(name: str) -> None:
    given, expected = READ[name]
    document = manifests.checked_config({**MACHINE, "rootfs": ROOTFS, "config": given}, 1)
    assert document["config"] == expected


@pytest.mark.parametrize(
    ("given", "key", "expected"),
    [
        ({"config": None}, "config", None),
        ({"history": None}, "history", None),
        (
            {"history": [None, {"created_by": None, "empty_layer": True}]},
            "history",
            [{}, {"empty_layer": True}],
        ),
        ({"created": None}, "created", None),
        ({"author": None, "variant": None}, "author", None),
        ({"os": None}, "os", "linux"),
        ({"architecture": None}, "architecture", platforms.own()[1]),
        ({"architecture": ""}, "architecture", platforms.own()[1]),
        ({"rootfs": {"diff_ids": [DIFF_ID], "type": None}}, "rootfs", {"diff_ids": [DIFF_ID]}),
    ],
)
def test_what_is_null_or_not_there(given: dict[str, Any], key: str, expected: Any) -> None:
    document = manifests.checked_config({**MACHINE, "rootfs": ROOTFS, **given}, 1)
    assert document.get(key) == expected


@pytest.mark.parametrize("rootfs", [{}, {"type": "layers"}, {"diff_ids": None}, {"diff_ids": []}])
def test_an_image_may_have_no_layers(rootfs: dict[str, Any]) -> None:
    assert manifests.checked_config({**MACHINE, "rootfs": rootfs}, 0)["rootfs"]["diff_ids"] == []


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"config": {"Cmd": [1]}}, "config.Cmd"),
        ({"config": {"Cmd": {"a": 1}}}, "config.Cmd"),
        ({"config": {"Env": "A=1"}}, "config.Env"),
        ({"config": {"OnBuild": "RUN x"}}, "config.OnBuild"),
        ({"config": {"Labels": ["a=b"]}}, "config.Labels"),
        ({"config": {"Labels": {"a": 1}}}, "config.Labels"),
        ({"config": {"Volumes": ["/v"]}}, "config.Volumes"),
        ({"config": {"ExposedPorts": ["80"]}}, "config.ExposedPorts"),
        ({"config": {"User": 5}}, "config.User"),
        ({"config": {"Healthcheck": {"Test": "CMD"}}}, "config.Healthcheck"),
        ({"config": {"Healthcheck": {"Interval": 1.5}}}, "config.Healthcheck"),
        ({"config": []}, "config"),
        ({"rootfs": None}, "rootfs"),
        ({"history": [1]}, "history"),
    ],
)
def test_what_docker_refuses_is_refused(given: dict[str, Any], key: str) -> None:
    with pytest.raises(MinirunError, match=rf"its {key} is missing or odd"):
        manifests.checked_config({**MACHINE, "rootfs": ROOTFS, **given}, 1)


def test_the_file_itself_is_left_as_it_is() -> None:
    given = {"config": {"cmd": "x", "Env": None}, "history": [None]}
    before = json.dumps(given)
    config.read(given)
    assert json.dumps(given) == before


# ---- what is run ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"Entrypoint": [""], "Cmd": ["a"]}, ["a"]),
        ({"Entrypoint": "", "Cmd": ["a"]}, ["a"]),
        ({"Entrypoint": [None], "Cmd": ["a"]}, ["a"]),
        ({"Entrypoint": [], "Cmd": "a"}, ["a"]),
        ({"Entrypoint": "echo", "Cmd": None}, ["echo"]),
        ({"Entrypoint": ["", "x"], "Cmd": ["a"]}, ["", "x", "a"]),
    ],
)
def test_which_program_an_odd_image_runs(given: dict[str, Any], expected: list[str]) -> None:
    read = config.read({"config": given})["config"]
    entrypoint, command = program(run_options.defaults("image"), read)
    assert entrypoint + command == expected


@pytest.mark.parametrize("given", [{}, {"Cmd": None}, {"Cmd": [], "Entrypoint": [""]}, {"Entrypoint": ""}])
def test_an_image_that_names_no_program(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="no command specified"):
        program(run_options.defaults("image"), config.read({"config": given})["config"])


def test_a_variable_without_a_name_is_told() -> None:
    with pytest.raises(MinirunError, match='the image has a variable without a name: "=x"'):
        environment(["A=1", "=x"], [])
    assert environment(["A=0", "A=1", "B=", "C=1=2"], []) == ["A=1", "B=", "C=1=2"]


@pytest.mark.parametrize("name", ["SIGFOO", "0", "65", "RTMIN+31"])
def test_an_image_whose_stop_signal_is_none_is_told_with_a_way_out(name: str) -> None:
    image: Any = SimpleNamespace(config={"StopSignal": name}, reference="odd", id="")
    with pytest.raises(UsageError, match=re.escape(f'names a stop signal that is none: "{name}"')) as caught:
        create._stop_signal_of(image)
    assert "--stop-signal TERM" in caught.value.hint
    image.config = {"StopSignal": "SIGRTMIN+3"}
    assert create._stop_signal_of(image) == "SIGRTMIN+3"


def test_an_image_whose_working_directory_is_relative_is_told() -> None:
    with pytest.raises(MinirunError, match='the image\'s working directory "rel/x" is not an absolute path'):
        create._working_directory({"WorkingDir": "rel/x"})
    assert create._working_directory({"WorkingDir": None}) == ""


# ---- manifests and archives -------------------------------------------------------------------------------

DESCRIPTOR = {"digest": DIFF_ID, "size": 1}


@pytest.mark.parametrize(
    ("given", "layers"),
    [
        ({"layers": None}, 0),
        ({}, 0),
        ({"layers": []}, 0),
        ({"layers": [{**DESCRIPTOR, "mediaType": None, "urls": None, "annotations": None}]}, 1),
        ({"layers": [DESCRIPTOR], "mediaType": None, "annotations": None, "subject": None}, 1),
    ],
)
def test_null_in_a_manifest(given: dict[str, Any], layers: int) -> None:
    content = json.dumps({"schemaVersion": 2, "config": {**DESCRIPTOR, "mediaType": None}, **given}).encode()
    found = manifests.for_platform({"mediaType": MANIFEST}, lambda descriptor: content)
    assert len(found.layers) == layers
    assert found.original == (content if given == {"layers": []} else b"")


@pytest.mark.parametrize(
    "entry", [{"platform": None}, {"annotations": None}, {"platform": {}}, {"urls": None}]
)
def test_null_in_an_index(entry: dict[str, Any]) -> None:
    manifest = json.dumps({"config": DESCRIPTOR, "layers": []}).encode()
    index = json.dumps(
        {"manifests": [{**DESCRIPTOR, **entry}], "mediaType": None, "annotations": None}
    ).encode()
    found = manifests.for_platform({}, lambda descriptor: manifest if descriptor else index)
    assert found.config == DESCRIPTOR


@pytest.mark.parametrize("layers", [{"Layers": None}, {}, {"Layers": []}])
@pytest.mark.parametrize("name", ["config.json", "/config.json", "./config.json"])
def test_an_archive_of_an_image_without_layers(tmp_path: Path, layers: dict[str, Any], name: str) -> None:
    manifest = json.dumps([{"Config": name, "RepoTags": ["none:1"], "Parent": None, **layers}]).encode()
    packed = tar(entry("config.json", config_of([])), entry("manifest.json", manifest))
    path = tmp_path / "image.tar"
    path.write_bytes(packed)
    [image] = archive.load(store_in(tmp_path), str(path))
    assert (image.reference, image.layer_paths(), image.size) == ("docker.io/library/none:1", [], 0)
