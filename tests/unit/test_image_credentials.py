"""~/.docker/config.json and the programs that keep credentials for it."""

import base64
import json
import os
from pathlib import Path

import pytest

from minirun.errors import MinirunError
from minirun.image import credentials
from minirun.image.credentials import Credentials

HUB = "https://index.docker.io/v1/"
# A helper as docker-credential-helpers specifies them, with one file for each host beside it.
HELPER = """#!/bin/sh
cd "${0%/*}"
name() { tr -c 'a-zA-Z0-9\\n' _; }
case $1 in
store) input=$(cat); echo "$input" >"$(echo "$input" | sed 's/.*"ServerURL": "\\([^"]*\\)".*/\\1/' | name)" ;;
get) cat "$(name)" 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; } ;;
erase) rm "$(name)" ;;
esac
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    return tmp_path / "docker/config.json"


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory in which docker-credential-test keeps things."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/docker-credential-test"
    program.write_text(HELPER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return tmp_path / "bin"


def auth(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def found(host: str) -> tuple[str, str] | None:
    kept = credentials.find(host)
    return (kept.user, kept.secret) if kept else None


@pytest.mark.parametrize("key", ["host:5000", "https://host:5000", "http://host:5000/v2/"])
def test_every_form_of_key_is_found(config: Path, key: str) -> None:
    config.write_text(json.dumps({"auths": {"other": {}, key: {"auth": auth("me", "a:b")}}}))
    assert found("host:5000") == ("me", "a:b")
    assert found("host") is None


def test_docker_hub_has_a_key_of_its_own(config: Path) -> None:
    credentials.save("docker.io", Credentials("me", "pw"))
    assert list(json.loads(config.read_text())["auths"]) == [HUB]
    assert found("docker.io") == ("me", "pw")


def test_without_a_file_nothing_is_known(config: Path) -> None:
    assert found("host") is None
    assert credentials.erase("host") is False
    assert not config.exists()


def test_what_is_saved_is_private_and_the_rest_is_kept(config: Path) -> None:
    config.write_text(json.dumps({"psFormat": "x", "auths": {"other": {"auth": auth("you", "pw")}}}))
    assert credentials.save("host", Credentials("me", "pw")) == str(config)
    document = json.loads(config.read_text())
    assert document["psFormat"] == "x"
    assert set(document["auths"]) == {"other", "host"}
    assert config.stat().st_mode & 0o777 == 0o600


def test_the_file_behind_a_link_is_written(config: Path, tmp_path: Path) -> None:
    (tmp_path / "dotfiles").write_text("{}")
    config.symlink_to(tmp_path / "dotfiles")
    credentials.save("host", Credentials("me", "pw"))
    assert config.is_symlink()
    assert "host" in (tmp_path / "dotfiles").read_text()


def test_erase_forgets_one_host(config: Path) -> None:
    credentials.save("host", Credentials("me", "pw"))
    credentials.save("other", Credentials("you", "pw"))
    assert credentials.erase("host") is True
    assert credentials.erase("host") is False
    assert (found("host"), found("other")) == (None, ("you", "pw"))


def test_an_identity_token_is_kept_as_docker_keeps_it(config: Path) -> None:
    credentials.save("host", Credentials("<token>", "secret"))
    assert json.loads(config.read_text())["auths"]["host"]["identitytoken"] == "secret"
    kept = credentials.find("host")
    assert kept is not None
    assert (kept.is_token, kept.secret) == (True, "secret")


def test_a_user_and_password_in_the_clear_are_found(config: Path) -> None:
    config.write_text(json.dumps({"auths": {"host": {"username": "me", "password": "pw"}}}))
    assert found("host") == ("me", "pw")


@pytest.mark.parametrize("where", [{"credsStore": "test"}, {"credHelpers": {"host": "test"}}])
def test_a_helper_keeps_what_the_file_does_not(config: Path, helper: Path, where: dict[str, object]) -> None:
    config.write_text(json.dumps(where))
    assert credentials.save("host", Credentials("me", "pw")) == ""
    assert json.loads((helper / "host").read_text()) == {
        "ServerURL": "host",
        "Username": "me",
        "Secret": "pw",
    }
    assert json.loads(config.read_text())["auths"] == {"host": {}}
    assert found("host") == ("me", "pw")
    assert credentials.erase("host") is True
    assert not (helper / "host").exists()
    assert found("host") is None


def test_a_helper_of_one_host_comes_before_the_store_of_all(config: Path, helper: Path) -> None:
    config.write_text(json.dumps({"credsStore": "nosuch", "credHelpers": {"host": "test"}}))
    assert found("host") is None
    with pytest.raises(MinirunError, match=r"docker-credential-nosuch: not found in \$PATH"):
        found("other")


def test_a_helper_that_fails_is_told_with_its_words(config: Path, helper: Path) -> None:
    (helper / "docker-credential-test").write_text("#!/bin/sh\necho the keychain is locked\nexit 1\n")
    config.write_text(json.dumps({"credsStore": "test"}))
    with pytest.raises(MinirunError, match="docker-credential-test get: the keychain is locked"):
        found("host")


def test_a_helper_that_answers_nonsense_is_refused(config: Path, helper: Path) -> None:
    (helper / "docker-credential-test").write_text("#!/bin/sh\necho '[]'\n")
    config.write_text(json.dumps({"credsStore": "test"}))
    with pytest.raises(MinirunError, match="not the answer of a credential helper"):
        found("host")


WRONG = {
    "{": "not valid JSON",
    "[]": "not a JSON object",
    '{"auths": [1]}': "'auths' is not an object",
    '{"auths": {"host": {"auth": "!"}}}': "the 'auth' of host is not base64",
    '{"auths": {"host": {"auth": "c2VjcmV0"}}}': "the 'auth' of host is not base64 of USER:PASSWORD",
    '{"auths": {"host": {"auth": 1}}}': "the 'auth' of host",
    '{"credsStore": "../x"}': "'../x' is not the name of a credential helper",
    '{"credsStore": 1}': "1 is not the name",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_damaged_file_is_named(config: Path, text: str) -> None:
    config.write_text(text)
    with pytest.raises(MinirunError, match=rf"config.json: .*{WRONG[text]}"):
        found("host")


def test_an_empty_list_for_an_empty_table_is_no_damage(config: Path) -> None:
    config.write_text('{"auths": []}')
    assert found("host") is None
