"""The words of `build`: what they mean, and what is refused."""

import contextlib
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirun.build import attributes, options, output_words
from minirun.errors import MinirunError, UsageError
from tests.fuzzing import fuzz


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("type=local,dest=out", {"type": "local", "dest": "out"}),
        ("TYPE=local", {"type": "local"}),
        ('type=image,"name=a,b"', {"type": "image", "name": "a,b"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=", {"a": ""}),
    ],
)
def test_words_in_one_are_pairs(text: str, found: dict[str, str]) -> None:
    assert attributes.pairs(text, "--x") == found


@pytest.mark.parametrize("text", ["type", "type=a,b", '"a=b', "", ","])
def test_what_is_no_pair_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="invalid --x"):
        attributes.pairs(text, "--x")


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        (["A=1", "B="], {"A": "1", "B": ""}),
        (["A=1", "A=2"], {"A": "2"}),
        (["A=b=c"], {"A": "b=c"}),
        (["OURS"], {"OURS": "here"}),
        (["NOT_SET"], {}),
    ],
)
def test_build_arguments(entries: list[str], found: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "here")
    assert options.build_args(entries) == found


def test_a_label_without_a_value_is_empty() -> None:
    assert options.values(["a", "b=c"], "--label") == {"a": "", "b": "c"}


def test_the_epoch_is_the_build_arguments_or_else_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "17")
    assert options.epoch({}) == 17
    assert options.epoch({"SOURCE_DATE_EPOCH": "0"}) == 0
    assert options.epoch({"SOURCE_DATE_EPOCH": ""}) is None


@pytest.mark.parametrize("text", ["now", "-1", "1.5", "²"])
def test_an_epoch_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH"):
        options.epoch({"SOURCE_DATE_EPOCH": text})


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("alpine", "alpine"),
        ("alpine:latest", "alpine"),
        ("docker.io/library/alpine", "alpine"),
        ("alpine:3", "alpine:3"),
        ("SRC", "SRC"),
    ],
)
def test_a_named_context_may_stand_for_an_image(name: str, known: str) -> None:
    assert options.build_contexts([f"{name}=dir"]) == {known: "dir"}


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ([], ""),
        (["local"], ""),
        (["linux/aarch64"], "linux/arm64"),
        (["linux/arm64", "linux/arm64"], "linux/arm64"),
    ],
)
def test_platform(entries: list[str], found: str) -> None:
    assert options.platform(entries) == found


def test_several_platforms_are_refused() -> None:
    with pytest.raises(MinirunError, match="one platform at a time"):
        options.platform(["linux/amd64,linux/arm64"])


@pytest.mark.parametrize(("text", "found"), [("", "default"), ("bridge", "default"), ("host", "host")])
def test_network(text: str, found: str) -> None:
    assert options.network(text) == found


def test_resources_are_said_in_two_ways() -> None:
    assert options.resources(["memory=64m,cpu-quota=50000"], {"cpu-shares": "512"}) == {
        "memory": {"limit": 64 << 20, "swap": 128 << 20},
        "cpu": {"quota": 50000, "shares": 512},
    }


# ---- secrets and agents -----------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory we are in, with a file `token`; the environment has TOKEN."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOKEN", "secret")
    (tmp_path / "token").write_text("secret")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("id=x,src=token", {"file": "token"}),
        ("id=x,source=token", {"file": "token"}),
        ("type=file,id=x,src=token", {"file": "token"}),
        ("id=token", {"file": "token"}),
        ("id=TOKEN", {"env": "TOKEN"}),
        ("id=x,env=TOKEN", {"env": "TOKEN"}),
        ("type=env,id=x,src=TOKEN", {"env": "TOKEN"}),
        ("type=env,id=TOKEN", {"env": "TOKEN"}),
    ],
)
def test_where_a_secret_comes_from(text: str, found: dict[str, str], here: Path) -> None:
    wanted = {key: str(here / value) if key == "file" else value for key, value in found.items()}
    assert list(options.secrets([text]).values()) == [wanted]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("src=token", "no id="),
        ("id=x,src=nothing", "No such file"),
        ("id=x,src=.", "is a directory"),
        ("id=x,env=NOTHING", "no variable NOTHING"),
        ("id=x,target=/y", "no key 'target'"),
        ("id=x,sec=token", "did you mean 'src'"),
        ("type=vault,id=x", "no type 'vault'"),
    ],
)
def test_a_secret_that_is_not_there_is_refused(text: str, why: str, here: Path) -> None:
    with pytest.raises(MinirunError, match=why):
        options.secrets([text])


def test_a_secret_is_small(here: Path) -> None:
    os.truncate(here / "token", options.SECRET_BYTES_MAX + 1)
    with pytest.raises(UsageError, match="larger than 500 kB"):
        options.secrets(["id=token"])


def test_an_agent_is_a_socket_or_keys(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind("agent")
        monkeypatch.setenv("SSH_AUTH_SOCK", str(here / "agent"))
        assert options.ssh(["default", "a=agent", "b=token"]) == {
            "default": {"socket": str(here / "agent")},
            "a": {"socket": str(here / "agent")},
            "b": {"keys": [str(here / "token")]},
        }
        with pytest.raises(UsageError, match="one socket, or files"):
            options.ssh(["a=agent,token"])


def test_no_agent_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(MinirunError, match="no agent is running"):
        options.ssh(["default"])


# ---- caches and outputs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "option", "found"),
    [
        ("me/app:cache", "--cache-from", {"type": "registry", "ref": "me/app:cache"}),
        ("type=registry,ref=me/app,mode=max", "--cache-to", {"ref": "me/app", "mode": "max"}),
        ("type=local,src=/c", "--cache-from", {"type": "local", "path": "/c"}),
        ("type=local,dest=/c,compression=zstd", "--cache-to", {"type": "local", "path": "/c", "mode": "min"}),
        ("type=inline", "--cache-to", {"type": "inline"}),
    ],
)
def test_caches(text: str, option: str, found: dict[str, str]) -> None:
    assert found.items() <= options.cache([text], option)[0].items()


@pytest.mark.parametrize(
    ("text", "option", "why"),
    [
        ("type=s3,bucket=x", "--cache-to", "no cache of type 's3'"),
        ("type=gha", "--cache-from", "no cache of type 'gha'"),
        ("type=local,src=/c", "--cache-to", "wants dest="),
        ("type=registry", "--cache-to", "wants ref="),
        ("type=inline", "--cache-from", "named as it is"),
        ("type=local,dest=/c,mode=most", "--cache-to", "min or max"),
        ("me/UPPER", "--cache-from", "lower case"),
    ],
)
def test_caches_that_are_refused(text: str, option: str, why: str) -> None:
    with pytest.raises(MinirunError, match=why):
        options.cache([text], option)


def test_without_a_word_the_result_is_an_image_in_the_store() -> None:
    assert [output.kind for output in options.outputs([])] == ["image"]


@pytest.mark.parametrize(
    ("entries", "push", "load", "found"),
    [
        ([], True, False, ["image push"]),
        ([], False, True, ["image"]),
        ([], True, True, ["image push"]),
        (["out"], True, False, ["local", "image push"]),
        (["out"], False, True, ["local", "image"]),
        (["type=image"], True, False, ["image push"]),
        (["type=docker"], False, True, ["docker"]),
        (["type=docker,dest=x"], False, True, ["docker", "image"]),
    ],
)
def test_push_and_load_are_short_for_outputs(
    entries: list[str], push: bool, load: bool, found: list[str]
) -> None:
    made = options.outputs(entries, push=push, load=load)
    assert [output.kind + " push" * output.push for output in made] == found


@pytest.mark.parametrize(
    ("text", "name", "form"),
    [
        ("check", "check", ""),
        ("lint", "check", ""),
        ("outline,format=json", "outline", "json"),
        ("", "build", ""),
    ],
)
def test_call(text: str, name: str, form: str) -> None:
    assert options.call(text) == (name, form)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"tags": ["UPPER"]}, "lower case"),
        ({"tags": ["a@sha256:" + "0" * 64]}, "a name and a tag"),
        ({"context": "-", "dockerfile": "-"}, "standard input"),
        ({"quiet": True, "progress": "plain"}, "cannot be used together"),
        ({"outputs": [output_words.parse("out")], "iidfile": "id"}, "no image"),
        ({"outputs": [output_words.parse("-"), output_words.parse("type=oci,dest=-")]}, "only one output"),
        ({"outputs": options.outputs([], push=True)}, "a tag is needed"),
        ({"annotations": [("index", "a", "b")]}, "has no index"),
        ({"tags": [""]}, "it is empty"),
        ({"iidfile": "/nosuch/id"}, "there is no directory /nosuch"),
        ({"metadata_file": "nosuch/x"}, "there is no directory nosuch"),
        ({"outputs": [output_words.parse("type=oci,dest=/nosuch/dir/x")]}, "no directory /nosuch/dir"),
        ({"outputs": [output_words.parse("type=tar,dest=/nosuch/x")]}, "no directory /nosuch"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, object], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        options.check({**options.defaults("."), **changes})  # type: ignore[typeddict-item]


def test_files_go_where_a_directory_is(tmp_path: Path) -> None:
    outputs = [output_words.parse(f"type=oci,dest={tmp_path}/x"), output_words.parse("type=oci,dest=-")]
    files = {"iidfile": "id", "metadata_file": f"{tmp_path}/m"}
    options.check({**options.defaults("."), "outputs": outputs, **files})  # type: ignore[typeddict-item]


def test_the_defaults_go_together() -> None:
    options.check(options.defaults("."))


@pytest.mark.parametrize(
    "parse",
    [
        options.build_args,
        options.build_contexts,
        options.allow,
        options.platform,
        options.extra_hosts,
        options.secrets,
        options.ssh,
        lambda entries: options.cache(entries, "--cache-from"),
        lambda entries: options.cache(entries, "--cache-to"),
        lambda entries: options.resources(entries, {}),
        lambda entries: options.call("".join(entries)),
        lambda entries: output_words.annotation_words(entries),
    ],
)
@fuzz(100)
@given(st.lists(st.text(st.sampled_from('abtypeidsrc=,":/.-0m\n ü')), max_size=3))
def test_whatever_is_typed_is_a_value_or_one_sentence(parse: Any, entries: list[str]) -> None:
    with contextlib.suppress(MinirunError):
        parse(entries)
