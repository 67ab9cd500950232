"""What a RUN --mount leaves unsaid, and what an agent is asked."""

import pytest

from minirun.build import cache_mounts, run_mounts, ssh_agent
from minirun.build.mounts import parse
from minirun.errors import UsageError


@pytest.mark.parametrize(
    ("words", "workdir", "number", "expected"),
    [
        ("target=/a", "/w", 0, "/a"),
        ("target=a/b", "/w", 0, "/w/a/b"),
        ("target=../a/./b/", "/w/x", 0, "/w/a/b"),
        ("target=../../..//a", "/", 0, "/a"),
        ("type=secret,id=s", "/w", 0, "/run/secrets/s"),
        ("type=secret,id=dir/s", "/w", 0, "/run/secrets/s"),
        ("type=secret,source=s", "/w", 0, "/run/secrets/s"),
        ("type=secret,target=s", "/w", 0, "/w/s"),
        ("type=secret,id=s,env=S", "/w", 0, ""),
        ("type=secret,id=s,env=S,target=/t", "/w", 0, "/t"),
        ("type=ssh", "/w", 2, "/run/buildkit/ssh_agent.2"),
        ("type=ssh,target=s", "/w", 2, "/w/s"),
    ],
)
def test_the_target(words: str, workdir: str, number: int, expected: str) -> None:
    assert run_mounts.target(parse(words), workdir, number) == expected


@pytest.mark.parametrize("words", ["target=/", "target=.", "target=/a/..", "type=bind,source=x"])
def test_the_root_is_no_target(words: str) -> None:
    with pytest.raises(UsageError, match="invalid mount target"):
        run_mounts.target(parse(words), "/")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("type=secret,id=a,target=/b", "a"),
        ("type=secret,source=a,target=/b", "a"),
        ("type=secret,target=/x/b", "b"),
    ],
)
def test_the_name_of_a_secret(words: str, expected: str) -> None:
    assert run_mounts.secret_id(parse(words)) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [("target=/c/", "/c"), ("target=c", "c"), ("target=/c,id=x", "x"), ("target=/a//b", "/a/b")],
)
def test_the_name_of_a_cache_is_its_target_unless_it_has_one(words: str, expected: str) -> None:
    assert run_mounts.cache_id(parse(f"type=cache,{words}")) == expected


def test_the_key_of_a_cache_tells_all_that_it_is_known_by_apart() -> None:
    words = [("a",), ("a", None), ("a", 0), ("a", "0"), (["a"],), ("a", "b"), (["a", "b"],)]
    assert len({cache_mounts.key(*one) for one in words}) == len(words)


@pytest.mark.parametrize(
    ("number", "allowed"), [(11, True), (13, True), (27, True), (17, False), (18, False), (22, False)]
)
def test_an_agent_is_not_changed(number: int, allowed: bool) -> None:
    assert ssh_agent.is_allowed(b"\0\0\0\1" + bytes([number])) == allowed


def test_an_empty_message_is_none() -> None:
    assert not ssh_agent.is_allowed(b"\0\0\0\0")


def test_messages_are_told_apart_however_they_come() -> None:
    whole = b"\0\0\0\1\x0b" + b"\0\0\0\3abc" + b"\0\0\0\0"
    found, received = [], b""
    for byte in whole:
        messages, received = ssh_agent.split(received + bytes([byte]))
        found += messages
    assert (found, received) == (ssh_agent.split(whole)[0], b"")
    assert b"".join(found) == whole
