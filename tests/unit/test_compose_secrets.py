"""Secrets and configs: what a service sees of them, and what is wrong with them before anything is made."""

import os
from pathlib import Path
from typing import Any

import pytest

from minirun.compose import secrets
from minirun.compose.language.model import Project
from minirun.errors import MinirunError, NotFoundError, UnsupportedError
from tests.compose_projects import project, service


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("one")
    return path


def demo(file: Path, **keys: Any) -> Project:
    return project(
        {"web": service(**keys)},
        secrets={"pass": {"file": str(file)}, "token": {"environment": "TOKEN"}, "far": {"external": True}},
        configs={"conf": {"content": "a = $1"}},
    )


def places(file: Path, **keys: Any) -> list[str]:
    made = demo(file, **keys)
    return [one.place for one in secrets.used_by(made, made.services["web"])]


def hashed(made: Project) -> str:
    return secrets.content_hash(made, made.services["web"])


def test_places(password: Path) -> None:
    assert places(password, secrets=[{"source": "pass"}]) == ["/run/secrets/pass"]
    assert places(password, secrets=[{"source": "pass", "target": "other"}]) == ["/run/secrets/other"]
    assert places(password, secrets=[{"source": "pass", "target": "/etc/p"}]) == ["/etc/p"]
    assert places(password, configs=[{"source": "conf"}]) == ["/conf"]
    assert places(password, configs=[{"source": "conf", "target": "/etc/c"}]) == ["/etc/c"]
    assert places(password, configs=[{"source": "conf", "target": "//etc/../new/c/"}]) == ["/new/c"]


def test_a_file_is_mounted_read_only(password: Path) -> None:
    made = demo(password, secrets=[{"source": "pass"}, {"source": "token"}], configs=[{"source": "conf"}])
    (mount,) = secrets.binds(made, made.services["web"])
    assert (mount["kind"], mount["source"], mount["destination"]) == (
        "bind",
        str(password),
        "/run/secrets/pass",
    )
    assert "ro" in mount["options"]


def test_the_hash_follows_the_content(password: Path) -> None:
    made = demo(password, secrets=[{"source": "pass"}, {"source": "token"}])
    made.environment["TOKEN"] = "x"
    before = hashed(made)
    assert hashed(made) == before
    made.environment["TOKEN"] = "y"
    assert hashed(made) != before
    made.environment["TOKEN"] = "x"
    password.write_text("two")
    assert hashed(made) != before


def test_without_secrets_there_is_no_hash(password: Path) -> None:
    assert hashed(demo(password)) == ""


def check(made: Project) -> None:
    secrets.check(made, made.services["web"])


def test_a_variable_that_is_not_set_is_named(password: Path) -> None:
    made = demo(password, secrets=[{"source": "token"}])
    with pytest.raises(MinirunError, match='variable "TOKEN" required by secret "demo_token" is not set'):
        check(made)
    made.environment["TOKEN"] = ""
    check(made)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"secret file .*/nowhere does not exist"):
        check(demo(tmp_path / "nowhere", secrets=[{"source": "pass"}]))


def test_only_a_swarm_has_external_ones(password: Path) -> None:
    with pytest.raises(UnsupportedError, match="unsupported external secret far"):
        check(demo(password, secrets=[{"source": "far"}]))


def test_nothing_can_be_written_into_a_read_only_container(password: Path) -> None:
    with pytest.raises(UnsupportedError, match='cannot create config "demo_conf" in read-only service web'):
        check(demo(password, configs=[{"source": "conf"}], read_only=True))
    check(demo(password, secrets=[{"source": "pass"}], read_only=True))


def test_a_directory_can_be_a_secret(tmp_path: Path) -> None:
    check(demo(tmp_path, secrets=[{"source": "pass"}]))


def test_what_is_no_regular_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero")):
        check(demo(path, secrets=[{"source": "pass"}]))


def test_the_root_is_no_place_for_a_file(password: Path) -> None:
    with pytest.raises(MinirunError, match="secret pass of service web cannot be at /"):
        check(demo(password, secrets=[{"source": "pass", "target": "/."}]))


def test_no_path_has_a_nul(password: Path) -> None:
    for file, target in ((Path("a\0b"), "x"), (password, "a\0b")):
        with pytest.raises(MinirunError, match="a path of secret pass has a NUL in it"):
            check(demo(file, secrets=[{"source": "pass", "target": target}]))
