"""Programs of the host: found, run, and what is said of one that is missing or fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from minirun.errors import UnsupportedError
from minirun.linux import programs, trace


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is all of PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def script(directory: Path, name: str, text: str) -> None:
    (directory / name).write_text(f"#!/bin/sh\n{text}\n")
    (directory / name).chmod(0o755)


def test_output_and_errors_come_apart(path: Path) -> None:
    script(path, "prog", "echo out; echo bad >&2; exit 3")
    result = programs.run(["prog"])
    assert (result.code, result.output, result.errors, result.reason) == (3, "out\n", "bad\n", "bad")


def test_it_reads_its_input_and_may_print_more_than_a_pipe_holds(path: Path) -> None:
    script(path, "prog", "while read -r line; do echo $line $1; done")
    text = "".join(f"{number}\n" for number in range(50_000))
    assert programs.run(["prog", "x"], text).output == text.replace("\n", " x\n")


def test_one_that_a_signal_ends_has_a_code_below_zero(path: Path) -> None:
    script(path, "prog", "kill -9 $$")
    assert programs.run(["prog"]).code == -9


def test_root_has_programs_that_path_does_not_name(path: Path) -> None:
    assert programs.find("ip") in ("/usr/sbin/ip", "/sbin/ip")


def test_a_missing_program_is_said_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs.os, "access", lambda path, mode: False)
    with pytest.raises(UnsupportedError, match=r"^nft is not installed$") as caught:
        programs.find("nft", "use none")
    assert caught.value.hint == "apt-get install nftables, or use none"
    with pytest.raises(UnsupportedError) as caught:
        programs.find("nosuch")
    assert caught.value.hint == ""


def test_an_act_is_traced_and_may_be_made_to_fail(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(path, "prog", "echo done > $0.done")
    announced = []
    monkeypatch.setattr(trace, "announce", lambda *about: announced.append(about))
    monkeypatch.setattr(trace, "_fault", ("change", "2", "5"))
    monkeypatch.setattr(trace, "_seen", {})
    programs.run(["prog"], act="change", shown=["all"], why="because")
    assert announced == [("change", ["all"], "because")]
    os.unlink(path / "prog.done")
    with pytest.raises(OSError, match="Input/output error"):
        programs.run(["prog"], act="change")
    assert not (path / "prog.done").exists()


def test_no_descriptor_is_left_open(path: Path) -> None:
    script(path, "prog", "true")
    before = os.listdir("/proc/self/fd")
    programs.run(["prog"])
    with pytest.raises(FileNotFoundError):
        programs.start(str(path / "nosuch"), ["nosuch"])
    assert os.listdir("/proc/self/fd") == before


def test_a_lock_is_inherited_as_descriptor_3(path: Path, tmp_path: Path) -> None:
    script(path, "prog", "test $0 -ef /proc/$$/fd/3 && echo it is")
    with open(path / "prog") as lock:
        running = programs.start(str(path / "prog"), ["prog"], lock=lock.fileno())
        assert programs.wait(running).output == "it is\n"
