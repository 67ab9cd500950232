"""What .dockerignore leaves out, by Docker's rules and against a matcher that is too simple to be wrong."""

import time
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirun.build.globs import Automaton, has_wildcards, matches
from minirun.build.ignore import Ignore, clean, read
from minirun.errors import MinirunError
from tests.fuzzing import fuzz

LINES = {
    b"a\n\nb": ["a", "b"],
    b"\xef\xbb\xbfa": ["a"],
    b"# a\n #b\na#c": ["#b", "a#c"],
    b"  a b \r\n": ["a b"],
    b"/a\n//b/\n/": ["a", "b", "/"],
    b"./a//b/../c/": ["a/c"],
    b"../a\n.": ["../a", "."],
    b"! /a\n!b/./c": ["!a", "!b/c"],
    b"a\xff": ["a\udcff"],
    b"!\n": ["!"],
}


@pytest.mark.parametrize(("text", "patterns"), LINES.items())
def test_a_file_of_patterns_is_read(text: bytes, patterns: list[str]):
    assert read(text) == patterns


@pytest.mark.parametrize(
    "path", ["", "/", "a", "/a/../b", "a/..", "a//b/./c/", "/../..", "../a", "a/../../b"]
)
def test_a_path_is_cleaned_as_posix_says(path: str):
    from posixpath import normpath

    assert clean(path) == normpath(path)


# patterns: (left out, kept)
TABLE: dict[tuple[str, ...], tuple[str, str]] = {
    ("a",): ("a a/b a/b/c", "b b/a aa"),
    ("*.log",): ("x.log .log x.log/y", "d/x.log log"),
    ("**/*.log",): ("x.log d/x.log d/e/x.log d/x.log/y", "x.logs"),
    ("*/x",): ("a/x a/x/y", "x a/b/x"),
    ("a?c",): ("abc a.c", "ac abbc a/c"),
    ("a/**",): ("a/b a/b/c", "a b"),
    ("a/**/b",): ("a/b a/x/b a/x/y/b a/b/c", "b x/a/b a/xb"),
    ("**/b",): ("b a/b a/x/b b/c", "ab a/xb"),
    ("**",): ("a a/b .x", ""),
    ("**.pyc",): ("a.pyc d/a.pyc", "a.py pyc"),
    ("**/x/**",): ("x/y a/x/y", "x a/x"),
    ("[a-c]x",): ("ax bx cx", "dx x a-x"),
    ("[^a]x",): ("bx ^x", "ax x"),
    ("[!a]x",): ("!x ax", "bx"),
    ("[*]",): ("*", "a"),
    ("\\*",): ("*", "a \\*"),
    ("a.c",): ("a.c", "abc"),
    ("a(b|c)+${x}",): ("a(b|c)+${x}", "ab ac"),
    ("a", "!a/b"): ("a a/c", "a/b a/b/c"),
    ("*", "!a"): ("b .c", "a a/b a/b/c"),
    ("*.md", "!README*.md", "README-secret.md"): ("a.md README-secret.md", "README.md README-x.md"),
    ("*.md", "README-secret.md", "!README*.md"): ("a.md", "README.md README-secret.md"),
    ("a", "!a", "a/b"): ("a/b", "a a/c"),
    ("a/*.txt", "!a"): ("a/x.txt", "a a/b"),  # patternmatcher: a did not bring a back, it was not out
    ("!a", "a"): ("a a/b", "b"),
    ("a/", "./b"): ("a b", "c"),
    ("é?",): ("éx é\udcff", "e é"),
    (".",): ("", "a .x"),
}


@pytest.mark.parametrize(("patterns", "paths"), TABLE.items())
def test_what_matches_is_left_out(patterns: tuple[str, ...], paths: tuple[str, str]):
    ignore = Ignore(patterns)
    assert [path for path in paths[0].split() if not ignore.excludes(path)] == []
    assert [path for path in paths[1].split() if ignore.excludes(path)] == []


@pytest.mark.parametrize(
    "pattern", ["[]a]", "[-x]", "[x-]", "[", "[a", "[^]", "[]", "a\\", "[a\\", "b[a-", "!", "![", "x[-]"]
)
def test_what_go_does_not_take_is_refused(pattern: str):
    with pytest.raises(MinirunError, match=r"syntax error in pattern|illegal exclusion"):
        Ignore([pattern])


PRUNED = {
    ("a",): ("a", "b"),
    ("a", "!b"): ("a", "b"),
    ("a", "!a/b"): ("", "a"),
    ("a", "!a/b/c"): ("a/x", "a a/b"),
    ("a", "!*/b"): ("a/x", "a"),
    ("a", "!**/b"): ("", "a a/x"),
    ("!a/b", "a"): ("a a/b", ""),
    ("*", "!src", "src/x"): ("doc src/x", "src"),
}


@pytest.mark.parametrize(("patterns", "paths"), PRUNED.items())
def test_a_directory_is_pruned_when_nothing_in_it_can_come_back(
    patterns: tuple[str, ...], paths: tuple[str, str]
):
    ignore = Ignore(patterns)
    assert [path for path in paths[0].split() if not ignore.prunes(path)] == []
    assert [path for path in paths[1].split() if ignore.prunes(path)] == []


def test_hostile_patterns_take_no_time():
    started = time.process_time()
    patterns = ["**/" + "*a*/**/" * 40 + "b", "*a" * 500 + "b", "**a**a**a" * 50 + "z", "a*" * 500 + "/x"]
    ignore = Ignore(patterns)
    for path in ("a" * 1000, "a/" * 500 + "a", "ac/" * 300 + "c"):
        assert not ignore.excludes(path)
    assert time.process_time() - started < 2


def test_many_patterns_take_no_time():
    started = time.process_time()
    ignore = Ignore([f"*x{number}*/**/y?" for number in range(20_000)])
    assert ignore.excludes("ax19999b/c/d/yz")
    assert time.process_time() - started < 2


def test_memory_is_bounded_by_forgetting(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("minirun.build.globs._STATES_MAX", 5)
    ignore = Ignore(["*a*b*c", "!x"])
    assert [path for path in ("abc", "xaxbxc", "cba", "aabbcc", "x") if ignore.excludes(path)] == [
        "abc",
        "xaxbxc",
        "aabbcc",
    ]


@pytest.mark.parametrize(
    ("path", "is_pattern"),
    [("a*", True), ("a\\*", False), ("a\\\\*", True), ("[a]", True), ("a?", True), ("a]", False)],
)
def test_a_source_is_a_pattern_or_a_name(path: str, is_pattern: bool):
    assert has_wildcards(path) == is_pattern


def test_two_stars_are_one_in_a_source():
    assert matches(Automaton(["a**c"], deep=False), "abbc")
    assert not matches(Automaton(["a**c"], deep=False), "a/c")


# ---- against a naive matcher ------------------------------------------------------------------------------


def naive(pattern: str, path: str) -> bool:
    """One pattern, whole path, by trying everything."""

    @cache
    def at(p: int, s: int) -> bool:
        if p == len(pattern):
            return s == len(path)
        if pattern.startswith("**", p):
            rest = p + 2 + pattern.startswith("/", p + 2)
            if rest == len(pattern) or (p == 0 and rest == 2 and not set(pattern[2:]) & set("*?[]\\")):
                return any(at(rest, end) for end in range(s, len(path) + 1))
            return at(rest, s) or any(path[end] == "/" and at(rest, end + 1) for end in range(s, len(path)))
        if pattern[p] == "*":
            return at(p + 1, s) or (s < len(path) and path[s] != "/" and at(p, s + 1))
        if s == len(path):
            return False
        if pattern[p] == "?":
            return path[s] != "/" and at(p + 1, s + 1)
        if pattern[p] == "[":
            end = pattern.index("]", p)
            return path[s] in pattern[p + 1 : end] and at(end + 1, s + 1)
        return pattern[p] == path[s] and at(p + 1, s + 1)

    return at(0, 0)


def naive_excludes(patterns: list[str], path: str) -> bool:
    """A whole list: from the top down, what a directory's patterns said is handed on."""
    names = path.split("/")
    above = [False] * len(patterns)
    out = False
    for depth in range(1, len(names) + 1):
        here = list(above)
        out = False
        for index, pattern in enumerate(patterns):
            negated = pattern.startswith("!")
            if not here[index]:
                if negated != out:
                    continue
                here[index] = naive(pattern.removeprefix("!"), "/".join(names[:depth]))
            if here[index]:
                out = not negated
        above = here
    return out


PIECES = st.sampled_from(["a", "b", "ab", "*", "**", "?", "[ab]", ".", "é"])
NAMES = st.text(alphabet="abc.é", min_size=1, max_size=4).filter(lambda name: name not in (".", ".."))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PARTS = st.lists(PIECES, min_size=1, max_size=3).map("".join)
PATTERNS = (
    st.lists(PARTS, min_size=1, max_size=4).map("/".join).map(clean).filter(lambda text: text[0] not in "./")
)


@fuzz(300)
@given(PATTERNS, PATHS)
def test_one_pattern_matches_what_the_naive_matcher_does(pattern: str, path: str):
    assert matches(Automaton([pattern]), path) == naive(pattern, path)


@fuzz(300)
@given(st.lists(st.tuples(st.sampled_from(["", "", "!"]), PATTERNS).map("".join), max_size=5), PATHS)
def test_a_list_leaves_out_what_the_naive_matcher_does(patterns: list[str], path: str):
    assert Ignore(patterns).excludes(path) == naive_excludes(patterns, path)


@fuzz(300)
@given(st.lists(st.tuples(st.sampled_from(["", "", "!"]), PATTERNS).map("".join), max_size=5), PATHS, PATHS)
def test_what_is_pruned_has_nothing_that_is_kept(patterns: list[str], directory: str, below: str):
    ignore = Ignore(patterns)
    assert not ignore.prunes(directory) or ignore.excludes(f"{directory}/{below}")


@fuzz(200)
@given(st.text(alphabet="a*?[]^-\\/!.", max_size=12), PATHS)
def test_any_text_is_a_pattern_or_an_error(text: str, path: str):
    try:
        Ignore([text]).excludes(path)
    except MinirunError:
        pass
