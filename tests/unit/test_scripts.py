"""The shell scripts: they parse, and the launchers hand everything through untouched."""

import os
import shutil
from pathlib import Path

import pytest

from tests.support import CHECKOUT, run

SCRIPTS = CHECKOUT / "scripts"


@pytest.mark.parametrize("name", ["minirun", "minirun-oci", "launch", "rootfs"])
def test_posix_scripts_parse(name: str) -> None:
    assert run("sh", "-n", SCRIPTS / name).code == 0


@pytest.mark.parametrize("path", ["scripts/setup", "scripts/test", "scripts/vm", ".ci/run"])
def test_bash_scripts_parse(path: str) -> None:
    assert run("bash", "-n", CHECKOUT / path).code == 0


def test_the_two_launchers_differ_only_in_what_they_start() -> None:
    oci = (SCRIPTS / "minirun-oci").read_text().replace("minirun-oci", "minirun")
    assert oci.replace("minirun.cli.oci.main", "minirun.cli.main") == (SCRIPTS / "minirun").read_text()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of its own, set up, whose commands print their arguments; its path needs quoting."""
    made = tmp_path / 'it\'s a "check out"'
    for directory in ("scripts", ".venv/bin", "minirun/cli"):
        (made / directory).mkdir(parents=True)
    for name in ("minirun", "launch"):
        shutil.copy(SCRIPTS / name, made / "scripts")
    (made / "scripts" / "setup").write_text("#!/bin/sh\necho setting up\n")
    (made / "scripts" / "setup").chmod(0o755)
    (made / "pyproject.toml").touch()
    (made / ".venv" / "bin" / "python3").symlink_to("/usr/bin/python3")
    # Times are compared: the stamp is what was made last.
    os.utime(made / "scripts" / "setup", (1, 1))
    os.utime(made / "pyproject.toml", (1, 1))
    (made / ".venv" / "stamp").touch()
    program = "import os, sys\n\n\ndef main():\n    print(sys.argv, os.environ.get('LC_ALL'))\n"
    program += "    print(*sys.path, sep='\\n')\n"
    (made / "minirun" / "cli" / "main.py").write_text(program)
    return made


def test_arguments_arrive_as_they_are(checkout: Path) -> None:
    words = ["run", "a  b", "", "it's", '"', "$HOME", "*", "line\nbreak", "-c"]
    result = run(checkout / "scripts" / "minirun", *words)
    assert result.stdout.startswith(str(["minirun", *words]))


def test_the_package_comes_from_the_checkout_and_its_environment(checkout: Path) -> None:
    result = run(checkout / "scripts" / "minirun")
    assert result.stdout.splitlines()[-2:] == [str(checkout), f"{checkout}/.venv/site-packages"]


def test_the_launcher_may_be_a_symbolic_link(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(checkout / "scripts" / "minirun")
    assert str(checkout) in run(tmp_path / "link").stdout


def test_the_launcher_may_be_called_by_a_relative_path(checkout: Path) -> None:
    assert str(checkout) in run("./minirun", cwd=checkout / "scripts").stdout


def test_the_environment_cannot_add_code(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "sys.py").touch()
    (tmp_path / "os.py").write_text("print('hostile')")
    result = run(checkout / "scripts" / "minirun", env={"PYTHONPATH": str(tmp_path)}, cwd=tmp_path)
    assert result.stdout.startswith("['minirun']")
    assert "hostile" not in result.stdout
    assert str(tmp_path) not in result.stdout.splitlines()


@pytest.mark.parametrize("value", [None, "xx"])
def test_the_caller_keeps_the_locale(checkout: Path, value: str | None) -> None:
    """Python itself is started without one, see linux/interpreter.py."""
    result = run(checkout / "scripts" / "minirun", env={"LC_ALL": value} if value else {})
    assert result.stdout.splitlines()[0] == f"['minirun'] {value}"


def test_a_changed_project_file_is_set_up_again(checkout: Path) -> None:
    later = (checkout / ".venv" / "stamp").stat().st_mtime + 10
    os.utime(checkout / "pyproject.toml", (later, later))
    assert run(checkout / "scripts" / "minirun").stdout.startswith("setting up\n")


def test_a_failed_setup_is_exit_125(checkout: Path) -> None:
    (checkout / ".venv" / "stamp").unlink()
    (checkout / "scripts" / "setup").write_text("#!/bin/sh\nexit 1\n")
    assert run(checkout / "scripts" / "minirun").code == 125


def test_no_registry_and_no_mirror_is_built_in() -> None:
    """Debian packages come from where the machine takes them, Python's from pip's configuration."""
    for script in (*SCRIPTS.iterdir(), CHECKOUT / "rootfs" / "debian"):
        assert "http" + "://" not in script.read_text()
        assert "http" + "s://" not in script.read_text()
