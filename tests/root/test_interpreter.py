"""The copies of interpreters that no container can write: one for each Python, and no more than that."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from minirun.linux import interpreter
from tests.support import CHECKOUT, Minirun, run


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where they are made; nothing of them stays mounted."""
    directory = tmp_path / "copies"
    monkeypatch.setattr(interpreter, "DIRECTORY", str(directory))
    yield directory
    for copy in directory.glob("python*"):
        subprocess.run(["umount", "--lazy", copy], check=False)


@pytest.fixture
def pythons(tmp_path: Path) -> list[str]:
    """A few programs, each another file, of one size and time."""
    made = [str(tmp_path / f"python{number}") for number in range(interpreter.COPIES_MAX + 2)]
    for path in made:
        shutil.copy2("/bin/sleep", path)
    return made


def test_two_that_take_turns_leave_each_other_alone(copies: Path, pythons: list[str]) -> None:
    one, other = map(interpreter.copy_of, pythons[:2])
    before = os.stat(one).st_dev, os.stat(other).st_dev
    assert (interpreter.copy_of(pythons[0]), interpreter.copy_of(pythons[1])) == (one, other)
    assert (os.stat(one).st_dev, os.stat(other).st_dev) == before
    assert before[0] != before[1]


def test_a_copy_cannot_be_written(copies: Path, pythons: list[str]) -> None:
    with pytest.raises(OSError, match="Read-only file system"):
        open(interpreter.copy_of(pythons[0]), "r+b")


def test_the_copy_of_what_was_upgraded_goes(copies: Path, pythons: list[str]) -> None:
    old = interpreter.copy_of(pythons[0])
    running = subprocess.Popen([old, "100"])
    os.utime(pythons[0], (1, 1))
    assert interpreter.copy_of(pythons[0]) != old
    assert not os.path.exists(os.path.dirname(old))
    with pytest.raises(OSError, match="Read-only file system"):  # who runs from it is as safe as before
        open(f"/proc/{running.pid}/exe", "r+b")
    running.kill()
    running.wait()


def test_they_do_not_pile_up(copies: Path, pythons: list[str]) -> None:
    made = list(map(interpreter.copy_of, pythons))
    kept = sorted(str(path) for path in copies.glob("*/python3"))
    assert kept == sorted(made[-interpreter.COPIES_MAX :])


def test_what_a_crash_has_left_is_made_anew(copies: Path, pythons: list[str]) -> None:
    unsealed = interpreter.copy_of(pythons[0])
    subprocess.run(["mount", "-o", "remount,rw", os.path.dirname(unsealed)], check=True)
    Path(unsealed).write_bytes(b"half")
    assert Path(interpreter.copy_of(pythons[0])).read_bytes() == Path(pythons[0]).read_bytes()
    assert os.statvfs(unsealed).f_flag & os.ST_RDONLY


def mounted() -> set[str]:
    return {
        line
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
        if "/run/minirun-python" in line
    }


@pytest.fixture
def other_python(tmp_path: Path) -> Iterator[Path]:
    """Another Python of the same version, as another checkout may have it."""
    before = mounted()
    yield Path(shutil.copy(Path(sys.executable).resolve(), tmp_path))
    for line in mounted() - before:
        subprocess.run(["umount", "--lazy", line.split()[4]], check=True)


def test_two_checkouts_may_have_different_pythons(other_python: Path) -> None:
    paths = [str(CHECKOUT), f"{CHECKOUT}/.venv/site-packages"]
    program = f"import sys; sys.path += {paths}; from minirun.cli.main import main; main()"

    def take_turns() -> None:
        run(CHECKOUT / "scripts" / "minirun", "version", check=True)
        run(other_python, "-I", "-S", "-c", program, "version", check=True)

    take_turns()
    before = mounted()
    take_turns()
    assert mounted() == before


# ---- an upgrade while minirun is in use

UPGRADE = """
mount --make-rprivate /
mount -t tmpfs none /run
version() {{ {checkout}/scripts/minirun version >/dev/null && echo $?: /run/minirun-pythons/python*; }}
version
library=$(ldd $(readlink -f {python}) | sed -n 's/.*libz[^ ]* => \\([^ ]*\\).*/\\1/p')
library=$(readlink -f $library)
cp $library /run/upgraded && touch /run/upgraded && mount --bind /run/upgraded $library
version
version
readlink /run/minirun-pythons/python*/of/*
"""


def test_the_copies_of_an_upgraded_library_are_made_anew_once() -> None:
    """In a mount namespace of its own, with copies of its own; what is copied are the originals, never copies."""
    script = UPGRADE.format(checkout=CHECKOUT, python=sys.executable)
    lines = run("unshare", "--mount", "sh", "-c", script, check=True).stdout.splitlines()
    before, after, again, *originals = lines
    assert before.startswith("0: ")
    assert after.startswith("0: ")
    assert after == again != before
    assert len(after.split()) == 2  # the outdated ones have gone
    assert len(originals) > 5
    assert not [path for path in originals if path.startswith("/run")]


@pytest.mark.parametrize("value", [None, "xx"])
def test_who_begins_again_from_the_copies_keeps_the_locale(minirun: Minirun, value: str | None) -> None:
    """As with the launcher, see unit/test_scripts.py."""
    paths = [str(CHECKOUT), f"{CHECKOUT}/.venv/site-packages"]
    program = f"import sys; sys.path += {paths}; from minirun.cli.main import main; main()"
    words = [*minirun.command("run", "--rm", "--network", "none", "-e", "LC_ALL", "busybox", "env")][1:]
    environment = {"LC_ALL": value} if value else {}
    found = run(sys.executable, "-I", "-S", "-c", program, *words, env=environment, check=True).stdout
    assert [line for line in found.splitlines() if "LC_ALL" in line] == ([f"LC_ALL={value}"] if value else [])
