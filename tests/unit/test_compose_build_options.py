"""A service's `build` as the options of a build."""

from pathlib import Path
from typing import Any

import pytest

from minirun import __version__
from minirun.build import options as options_of_a_build
from minirun.compose import build_options
from minirun.errors import MinirunError, UnsupportedError, UsageError
from tests.compose_projects import project


def options(build: dict[str, Any], **keys: Any) -> Any:
    made = project(
        {"web": {"build": {"context": "/src", **build}, **keys}, "base": {"build": {"context": "/base"}}},
        secrets={"key": {"file": "/key"}, "token": {"environment": "TOKEN"}},
    )
    made.environment["TOKEN"] = "t0k3n"
    return build_options.make(made, made.services["web"])


PLAIN = options({})
TABLE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"args": {"A": "1", "B": 2, "C": None}}, {"build_args": {"A": "1", "B": "2"}}),
    ({"target": "final"}, {"target": "final"}),
    ({"tags": ["a:b"]}, {"tags": ["demo-web", "a:b"]}),
    ({"dockerfile_inline": "FROM busybox"}, {"dockerfile_inline": "FROM busybox"}),
    ({"no_cache": True}, {"no_cache": True}),
    ({"pull": True}, {"pull": True}),
    ({"network": "host"}, {"network": "host"}),
    ({"platforms": ["linux/amd64", "linux/arm64"]}, {"platform": "linux/amd64"}),
    ({"extra_hosts": ["a=1.1.1.1"]}, {"extra_hosts": [["a", "1.1.1.1"]]}),
    ({"shm_size": "1048576"}, {"shm_size": 1048576}),
    ({"ulimits": {"nofile": 5}}, {"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 5, "hard": 5}]}),
    ({"secrets": [{"source": "key"}]}, {"secrets": {"key": {"file": "/key"}}}),
    ({"secrets": [{"source": "token", "target": "t"}]}, {"secrets": {"t": {"text": b"t0k3n"}}}),
    (
        {"additional_contexts": {"b": "service:base", "d": "/d", "i": "docker-image://alpine"}},
        {"build_contexts": {"b": "docker-image://demo-base", "d": "/d", "i": "docker-image://alpine"}},
    ),
    (
        {"entitlements": ["network.host"], "privileged": True},
        {"allow": ["network.host", "security.insecure"]},
    ),
    ({"args": {"SOURCE_DATE_EPOCH": "7"}}, {"build_args": {"SOURCE_DATE_EPOCH": "7"}, "epoch": 7}),
]


@pytest.mark.parametrize(("build", "expected"), TABLE, ids=lambda value: str(value)[:60])
def test_keys_become_options(build: dict[str, Any], expected: dict[str, Any]) -> None:
    made = options(build)
    different = {key: value for key, value in made.items() if value != PLAIN[key] and key != "outputs"}
    assert different == expected
    options_of_a_build.check(made)


def test_a_plain_build() -> None:
    assert (PLAIN["context"], PLAIN["tags"]) == ("/src", ["demo-web"])
    assert PLAIN["labels"] == {
        "com.docker.compose.project": "demo",
        "com.docker.compose.service": "web",
        "com.docker.compose.version": __version__,
    }
    assert options({"labels": {"a": "b"}})["labels"]["a"] == "b"


def test_an_image_that_is_named_is_the_first_tag() -> None:
    assert options({}, image="mine:1")["tags"] == ["mine:1"]


def test_caches() -> None:
    made = options({"cache_from": ["mine"], "cache_to": ["type=local,dest=/c"]})
    assert (made["cache_from"][0]["type"], made["cache_from"][0]["ref"]) == ("registry", "mine")
    assert (made["cache_to"][0]["type"], made["cache_to"][0]["path"]) == ("local", "/c")


def test_a_dockerfile_is_beside_the_context_or_where_its_whole_path_leads(tmp_path: Path) -> None:
    assert (
        options({"context": str(tmp_path), "dockerfile": "sub/File"})["dockerfile"] == f"{tmp_path}/sub/File"
    )
    assert options({"context": str(tmp_path), "dockerfile": "/etc/File"})["dockerfile"] == "/etc/File"
    assert options({"context": "https://x/y.git", "dockerfile": "File"})["dockerfile"] == "File"


def test_the_services_platform_is_what_is_built() -> None:
    assert (
        options({"platforms": ["linux/amd64", "linux/arm64"]}, platform="linux/arm64")["platform"]
        == "linux/arm64"
    )
    with pytest.raises(UsageError, match="must support platform linux/arm64"):
        options({"platforms": ["linux/amd64"]}, platform="linux/arm64")


def test_keys_for_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("")
    made = options({"ssh": [f"k={tmp_path}/key"]})
    assert made["ssh"] == {"k": {"keys": [f"{tmp_path}/key"]}}
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(MinirunError, match="no agent is running"):
        options({"ssh": ["default"]})


def test_what_the_builder_has_not_got_is_quoted() -> None:
    with pytest.raises(UnsupportedError, match="type 's3'"):
        options({"cache_to": ["type=s3,bucket=x"]})
