"""Another OCI runtime: how it is found, and what becomes of its errors."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from minirun.cli import run
from minirun.engine.options import run_options, runtimes
from minirun.errors import MinirunError, ProgramNotFound, ProgramNotInvocable, UsageError
from minirun.runtime import foreign


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime in PATH that fails with the words in its own file `says`."""
    made = tmp_path / "myrunc"
    made.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/words\ncat {tmp_path}/says > "$4"\n[ ! -s "$4" ]\n')
    made.chmod(0o755)
    (tmp_path / "says").touch()
    monkeypatch.setenv("PATH", f"/nosuch:{tmp_path}:/usr/bin:/bin")
    return made


def test_it_is_found_by_name_or_path(program: Path) -> None:
    assert runtimes.find("myrunc") == runtimes.find(str(program)) == str(program)


@pytest.mark.parametrize("name", ["nosuch", "/nosuch/runc", "./myrunc", "/tmp", "/etc/passwd"])
def test_what_is_no_program_is_refused_in_dockers_words(program: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"unknown or invalid runtime name: {name}"):
        runtimes.find(name)


def test_it_gets_the_words_of_the_oci_command_line(program: Path, tmp_path: Path) -> None:
    foreign._run(str(program), str(tmp_path), ["delete", "--force", "x"])
    wanted = f"--root {tmp_path}/oci --log {tmp_path}/oci.log --log-format json delete --force x\n"
    assert (tmp_path / "words").read_text() == wanted


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (json.dumps({"level": "error", "msg": "no room"}), MinirunError, "myrunc create: no room"),
        (
            '{"level": "error", "msg": "first"}\n{"level": "warning", "msg": "x"}',
            MinirunError,
            "create: first",
        ),
        ("plain words\n", MinirunError, "myrunc create: plain words"),
        ("[1]", MinirunError, "create:"),
        (
            '{"level":"error","msg":"exec: \\"x\\": executable file not found in $PATH"}',
            ProgramNotFound,
            "not found",
        ),
        ("exec: /etc: Permission denied", ProgramNotInvocable, "Permission denied"),
    ],
)
def test_its_last_error_is_told(
    program: Path, tmp_path: Path, text: str, kind: type[MinirunError], words: str
) -> None:
    (tmp_path / "says").write_text(text)
    with pytest.raises(MinirunError, match=words.replace("$", ".")) as caught:
        foreign._run(str(program), str(tmp_path), ["create", "x"])
    assert type(caught.value) is kind


@pytest.mark.parametrize("made", ["", "x", "-1", "0", str(os.getpid())])
def test_what_makes_no_process_is_no_runtime(program: Path, tmp_path: Path, made: str) -> None:
    (tmp_path / "oci.pid").write_text(made)
    with pytest.raises(MinirunError, match="myrunc is no OCI runtime: its `create` has made no process"):
        foreign._create(str(program), str(tmp_path.parent), tmp_path.name, str(tmp_path), None, None)


def test_a_runtime_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(MinirunError, match="/nosuch/runc: No such file or directory"):
        foreign._run("/nosuch/runc", str(tmp_path), ["start", "x"])


@pytest.mark.parametrize("name", ["", "minirun-oci", "/usr/bin/minirun-oci"])
def test_our_own_by_name(name: str) -> None:
    words = run.run_command.make_context("run", ["--runtime", name, "busybox"]).params
    assert run.container_options.parse("busybox", [], {**words, "args": ()})["runtime"] == ""


def test_among_options_it_is_a_path() -> None:
    with pytest.raises(UsageError, match='invalid runtime: "runc"'):
        run_options.check({**run_options.defaults("busybox"), "runtime": "runc"})
