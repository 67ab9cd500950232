"""`minirun build` as people type it: what they see, what is on which stream, what is left when it goes wrong."""

import io
import json
import os
import re
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.registries import Server
from tests.support import Minirun, run
from tests.terminals import Terminal

RUN = "RUN --network=none"


@pytest.fixture
def context(tmp_path: Path) -> Path:
    place = tmp_path / "context"
    place.mkdir()
    (place / "a").write_text("a")
    write(place, "COPY a /a", f"{RUN} cat /a", 'CMD ["cat", "/a"]')
    return place


def write(place: Path, *lines: str) -> None:
    (place / "Dockerfile").write_text("\n".join(["FROM busybox", *lines, ""]))


def inspect(minirun: Minirun, name: str) -> dict[str, object]:
    return dict(json.loads(minirun("image", "inspect", name, check=True).stdout)[0])


# ---- what is shown ------------------------------------------------------------------------------------------


def test_plain_lines_are_on_standard_error(minirun: Minirun, context: Path) -> None:
    result = minirun("build", "-t", "app:1", "--no-cache", context, check=True)
    lines = re.sub(r"\d+\.\d+", "T", result.stderr).splitlines()
    assert result.stdout == ""
    assert [line for line in lines if re.match(r"#\d+ \[\d", line)] == [
        *(
            "#4 [1/3] FROM docker.io/library/busybox:latest",
            "#5 [2/3] COPY a /a",
            "#6 [3/3] RUN --network=none cat /a",
        ),
    ]
    assert lines[-9:-5] == ["#6 T a", "#6 DONE Ts", "", "#7 exporting to image"]
    assert lines[-2:] == ["#7 naming to docker.io/library/app:1 done", "#7 DONE Ts"]


def test_the_second_time_all_is_cached(minirun: Minirun, context: Path) -> None:
    minirun("build", context, check=True)
    assert minirun("build", context, check=True).stderr.count(" CACHED\n") == 3


@pytest.mark.parametrize("words", ["build", "image build", "builder build", "buildx build"])
def test_quiet_says_the_id_under_each_name_of_the_command(
    words: str, minirun: Minirun, context: Path
) -> None:
    result = minirun(*words.split(), "-q", "-t", "app", context, check=True)
    assert (result.stdout.strip(), result.stderr) == (inspect(minirun, "app")["Id"], "")


def test_several_names_an_id_and_metadata(minirun: Minirun, context: Path, tmp_path: Path) -> None:
    files = ("--iidfile", tmp_path / "id", "--metadata-file", tmp_path / "metadata")
    minirun("build", "-t", "app:1", "-t", "me/app", *files, context, check=True)
    image_id = (tmp_path / "id").read_text()
    assert image_id == inspect(minirun, "app:1")["Id"] == inspect(minirun, "me/app")["Id"]
    assert json.loads((tmp_path / "metadata").read_text())["containerimage.config.digest"] == image_id


def test_a_failing_step_shows_its_output_its_lines_and_its_code(minirun: Minirun, context: Path) -> None:
    write(context, f"{RUN} echo before && \\", "    exit 3", "CMD x")
    result = minirun("build", "--no-cache", context)
    command = 'process "/bin/sh -c echo before &&     exit 3" did not complete successfully: exit code: 3'
    assert result.code == 1
    shown = re.sub(r"\d\.\d+", "T", result.stderr).splitlines()
    assert shown[shown.index("------") :] == [
        *("------", " > [2/2] RUN --network=none echo before && exit 3:", "T before", "------"),
        *("Dockerfile:2", "-" * 20, "   1 |     FROM busybox", f"   2 | >>> {RUN} echo before && \\"),
        *("   3 | >>>     exit 3", "   4 |     CMD x", "-" * 20, f"ERROR: failed to solve: {command}"),
    ]


def test_a_failing_script_is_one_line_where_lines_are_one(minirun: Minirun, context: Path) -> None:
    write(context, f"{RUN} <<END", 'echo "a b"', "exit 3", "END")
    shown = minirun("build", context).stderr.splitlines()
    assert ' > [2/2] RUN --network=none <<END (echo "a b"...):' in shown
    assert shown[-1].startswith('ERROR: failed to solve: process "/bin/sh -c echo \\"a b\\"\\nexit 3')


def test_a_line_that_makes_no_sense_is_shown(minirun: Minirun, context: Path) -> None:
    write(context, "RUNN x")
    result = minirun("build", context)
    assert result.code == 1
    assert "   2 | >>> RUNN x" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("ERROR: failed to solve: ")


def test_what_is_wrong_before_the_build_is_said_in_a_sentence(minirun: Minirun, context: Path) -> None:
    result = minirun("build", "--network", "mynet", context)
    assert result.code == 1
    assert result.stderr.startswith("minirun: --network mynet: ")


# ---- where it goes ------------------------------------------------------------------------------------------


def test_files_go_to_a_directory(minirun: Minirun, context: Path, tmp_path: Path) -> None:
    minirun("build", "-o", tmp_path / "out", context, check=True)
    assert (tmp_path / "out/a").read_text() == "a"
    assert (tmp_path / "out/bin/sh").exists()


def test_a_tar_goes_to_standard_output(minirun: Minirun, context: Path) -> None:
    command = minirun.command("build", "-o", "-", context)
    with tarfile.open(
        fileobj=io.BytesIO(subprocess.run(command, capture_output=True, check=True).stdout)
    ) as opened:
        assert opened.extractfile("a").read() == b"a"  # type: ignore[union-attr]


def test_several_outputs_of_one_build(minirun: Minirun, context: Path, tmp_path: Path) -> None:
    words = ("-o", tmp_path / "out", "-o", f"type=oci,dest={tmp_path}/x.tar", "--load", "-t", "app:3")
    minirun("build", *words, context, check=True)
    assert (tmp_path / "out/a").exists()
    assert inspect(minirun, "app:3")
    found = run("skopeo", "inspect", f"oci-archive:{tmp_path}/x.tar:docker.io/library/app:3", check=True)
    assert json.loads(found.stdout)["Architecture"] in ("amd64", "arm64")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "registry").mkdir()
    server = Server(tmp_path / "registry")
    yield server
    server.stop()


def test_push_sends_it_to_the_registry_of_its_name(minirun: Minirun, context: Path, registry: Server) -> None:
    name = f"{registry.host}/myorg/myapp:1.0.0"
    minirun("build", "-t", name, "--push", context, check=True)
    found = run(
        "skopeo", "inspect", "--raw", "--config", "--tls-verify=false", f"docker://{name}", check=True
    )
    assert json.loads(found.stdout)["config"]["Cmd"] == ["cat", "/a"]
    minirun("rmi", name, check=True)


def test_a_base_image_comes_from_its_registry(minirun: Minirun, context: Path, registry: Server) -> None:
    name = f"{registry.host}/base:1"
    minirun("tag", "busybox", name, check=True)
    minirun("push", name, check=True)
    minirun("rmi", name, check=True)
    (context / "Dockerfile").write_text(f"FROM {name}\nCOPY a /a\n")
    result = minirun("build", context, check=True)
    assert f"[internal] load metadata for {name}" in result.stderr
    assert "Pulling from base" in result.stderr
    minirun("rmi", name, check=True)


# ---- on a terminal ------------------------------------------------------------------------------------------


def test_control_c_ends_what_runs_and_leaves_nothing(minirun: Minirun, context: Path) -> None:
    write(context, f"{RUN} echo begun; sleep 60")
    with Terminal(minirun.command("build", "--no-cache", context)) as shown:
        shown.expect("# begun")
        shown.press("\x03")
        code, output = shown.wait()
        assert shown.is_as_before()
    assert code == 130
    assert "CANCELED [2/2] RUN" in output
    assert not [name for name in os.listdir(minirun.root / "layers") if name.startswith(".tmp")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_it_leaves_nothing(
    number: signal.Signals, minirun: Minirun, context: Path
) -> None:
    write(context, f"{RUN} echo begun; sleep 60")
    command = minirun.command("build", "--progress=plain", "--no-cache", context)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert any("begun" in line and "RUN" not in line for line in process.stderr)
        process.send_signal(number)
        rest = process.stderr.read()
    assert process.returncode == 128 + number
    assert "CANCELED" in rest
    assert not [name for name in os.listdir(minirun.root / "layers") if name.startswith(".tmp")]


def test_kill_leaves_nothing_that_the_next_build_does_not_clear(minirun: Minirun, context: Path) -> None:
    write(context, f"{RUN} sleep 60")
    process = minirun.spawn("build", "--no-cache", context, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not any(name.startswith(".tmp") for name in os.listdir(minirun.root / "layers")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    write(context, "COPY a /b")
    minirun("build", context, check=True)
    assert not [name for name in os.listdir(minirun.root / "layers") if name.startswith(".tmp")]
