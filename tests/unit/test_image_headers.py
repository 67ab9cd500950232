"""Headers with lists in them: each element by itself, whatever commas and quotes are around it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirun.image.headers import challenges, next_page
from tests.fuzzing import fuzz

TOKEN = {"realm": "https://auth/t", "service": "s", "scope": "repository:a:pull,push"}
CHALLENGES: dict[str, tuple[list[str], list[tuple[str, dict[str, str]]]]] = {
    "one": (['Basic realm="x"'], [("basic", {"realm": "x"})]),
    "two headers": (["Negotiate", 'Basic realm="x"'], [("negotiate", {}), ("basic", {"realm": "x"})]),
    "two in one header": (['Negotiate, Basic realm="x"'], [("negotiate", {}), ("basic", {"realm": "x"})]),
    "a comma in quotes": (
        ['Bearer realm="https://auth/t",service="s",scope="repository:a:pull,push"'],
        [("bearer", TOKEN)],
    ),
    "a scheme in quotes": (['Basic realm="a, Bearer realm=b"'], [("basic", {"realm": "a, Bearer realm=b"})]),
    "any case": (['bEARER Realm="x", SERVICE="Y"'], [("bearer", {"realm": "x", "service": "Y"})]),
    "no quotes": (
        ["Bearer realm=https://a/t, service=s"],
        [("bearer", {"realm": "https://a/t", "service": "s"})],
    ),
    "room around the sign": (
        ['Basic realm = "x" , charset = "UTF-8"'],
        [("basic", {"realm": "x", "charset": "UTF-8"})],
    ),
    "an escaped quote": ([r'Basic realm="a\"b,c"'], [("basic", {"realm": 'a"b,c'})]),
    "no commas": (['Bearer realm="x" service="y"'], [("bearer", {"realm": "x", "service": "y"})]),
    "a token of its own": (
        ['NTLM abcd==, Basic realm="x"'],
        [("ntlm", {"abcd": "="}), ("basic", {"realm": "x"})],
    ),
    "empty elements": ([", ,Basic,,", ""], [("basic", {})]),
    "quotes without an end": (['Basic realm="x, Bearer y'], [("basic", {"realm": "x, Bearer y"})]),
    "the same twice": (["Basic realm=a, realm=b"], [("basic", {"realm": "a"})]),
    "a parameter of nothing": (["realm=x, Basic"], [("basic", {})]),
    "nothing": ([], []),
}


@pytest.mark.parametrize("name", CHALLENGES)
def test_challenges(name: str) -> None:
    lines, expected = CHALLENGES[name]
    assert challenges(lines) == expected


LINKS: dict[str, tuple[str, str | None]] = {
    "one": ('</v2/a/tags/list?last=t&n=2>; rel="next"', "/v2/a/tags/list?last=t&n=2"),
    "no quotes": ("</b>;rel=next", "/b"),
    "the second": ('</a>; rel="prev", </b>; rel="next"', "/b"),
    "the first": ('</a>; rel="next", </b>; rel="last"', "/a"),
    "any case": ('</b>; REL="Next"', "/b"),
    "several relations": ('</b>; rel="last next"', "/b"),
    "commas in the address": ("</b?n=1,2;x>; rel=next", "/b?n=1,2;x"),
    "commas in a title": ('</a>; title="x, </c>; rel=next", </b>; rel=next', "/b"),
    "other parameters first": ('</b>; title="t"; rel="next"', "/b"),
    "another relation": ('</b>; rel="nextish"', None),
    "no relation": ("</b>", None),
    "no address": ("b; rel=next", None),
    "nothing before it": ("; ;rel=next", None),
    "a semicolon alone": (";", None),
    "nothing": ("", None),
}


@pytest.mark.parametrize("name", LINKS)
def test_links(name: str) -> None:
    line, expected = LINKS[name]
    assert next_page([line]) == expected


def test_long_lines_take_no_time() -> None:
    started = time.process_time()
    quotes = 30_000 * '"'
    assert challenges(['Basic realm="' + 30_000 * r"\"" + '"']) == [("basic", {"realm": quotes})]
    assert next_page(["<" * 60_000 + '"' * 60_000]) is None
    assert challenges(["Bearer " + "a" * 60_000]) == [("bearer", {})]
    assert time.process_time() - started < 2


@fuzz(300)
@given(st.lists(st.text('abN ,;=<>"\\\t/:é', max_size=60), max_size=3))
def test_any_header_can_be_read(lines: list[str]) -> None:
    """Whatever is in it: a list of pairs, or none, and each scheme and name in small letters, without a space."""
    for scheme, parameters in challenges(lines):
        assert scheme == scheme.lower()
        assert not any(letter.isspace() for letter in scheme)
        assert all(name == name.lower() for name in parameters)
    assert isinstance(next_page(lines), str | None)


@fuzz(100)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Basic", "bearer", "X-Y"]),
            st.dictionaries(
                st.sampled_from(["realm", "scope"]), st.text('ab,="\\ <;', max_size=8), min_size=1
            ),
        ),
        max_size=4,
    ),
    st.sampled_from([", ", ",", " ,, "]),
)
def test_what_is_written_is_read_again(written: list[tuple[str, dict[str, str]]], comma: str) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    words = [
        f"{scheme} " + comma.join(f"{name}={quoted(value)}" for name, value in parameters.items())
        for scheme, parameters in written
    ]
    expected = [(scheme.lower(), parameters) for scheme, parameters in written]
    assert challenges([comma.join(words)]) == challenges(words) == expected
