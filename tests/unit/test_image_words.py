"""The words of a Dockerfile: split at blanks, expanded, as BuildKit's shell/lex_test has them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirun.errors import UsageError
from minirun.image import globs, words

VALUES = {
    "A": "1",
    "EMPTY": "",
    "WORDS": "a b  c",
    "PATH": "/usr/local/bin",
    "NAME": "a.tar.gz",
    "LINES": "x\ny",
}


def expanded(word: str, escape: str = "\\") -> str:
    return words.expand(word, VALUES, escape)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("plain", "plain"),
        ("$A", "1"),
        ("${A}b$A.", "1b1."),
        ("$NONE|${NONE}", "|"),
        ("'$A'", "$A"),
        ('"$A"', "1"),
        (r"\$A", "$A"),
        (r'"\$A \a \" \\"', r'$A \a " ' + "\\"),
        ("a\\", "a"),
        ("$", "$"),
        ("a$.", "a$."),
        ("$1$12a", "a"),
        ("$$", ""),
        ("$_x é$A", " é1"),
        ("'a'\"b\"c", "abc"),
        ("a b", "a b"),
    ],
)
def test_variables_quotes_and_escapes(word: str, expected: str) -> None:
    assert expanded(word) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("${A:-w}${A-w}", "11"),
        ("${NONE:-w}${NONE-w}", "ww"),
        ("${EMPTY:-w}|${EMPTY-w}", "w|"),
        ("${A:+w}${A+w}", "ww"),
        ("${NONE:+w}|${NONE+w}", "|"),
        ("${EMPTY:+w}|${EMPTY+w}", "|w"),
        ("${A:?no}${A?no}|${EMPTY?no}", "11|"),
        ("${NONE:-$A}${NONE:-${NONE:-${A}x}}", "11x"),
        ("${NONE:-'a}b'}", "a}b"),
        (r"${NONE:-a\}b}", "a}b"),
        ('${NONE:-"a  $A"}', "a  1"),
        ("${PATH#*/}|${PATH##*/}", "usr/local/bin|bin"),
        ("${PATH%/*}|${PATH%%/*}", "/usr/local|"),
        ("${NAME%.gz}|${NAME%.*}|${NAME%%.*}|${NAME#b}", "a.tar|a.tar|a|a.tar.gz"),
        ("${NAME#?}|${NAME%??}", ".tar.gz|a.tar."),
        ("${PATH/l/L}|${PATH//l/L}|${PATH//\\//:}", "/usr/Local/bin|/usr/LocaL/bin|:usr:local:bin"),
        ("${PATH//o*a/$A}|${PATH/none/x}|${PATH//l}", None),
        ("${NAME//./}|${NAME/a*r/}", "atargz|.gz"),
        ("${NONE#a}${NONE//a/b}", ""),
        ("${LINES#*y}", "x\ny"),
    ],
)
def test_forms_of_a_variable(word: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(UsageError, match="missing '/'"):
            expanded(word)
    else:
        assert expanded(word) == expected


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("${A:=w}", "unsupported modifier (:=) in substitution"),
        ("${A=w}", "unsupported modifier (=) in substitution"),
        ("${A!}", "unsupported modifier (!) in substitution"),
        ("${}", "syntax error: bad substitution"),
        ("${:-a}", "syntax error: bad substitution"),
        ("${{A}", "syntax error: bad substitution"),
        ("${", "syntax error: missing '}'"),
        ("${A:-w", "syntax error: missing '}'"),
        ("${A#w", "syntax error: missing '}'"),
        ("${A/w", "syntax error: missing '/' in ${}"),
        ("${A/w/x", "syntax error: missing '}'"),
        (r"${A#\a}", r"invalid pattern (\a) in substitution: invalid escape '\a'"),
        ("${NONE:?}", "NONE: is not allowed to be unset"),
        ("${EMPTY:?}", "EMPTY: is not allowed to be empty"),
        ("${NONE?who is $A}", "NONE: who is 1"),
        ("'a", "unexpected end of statement while looking for matching single-quote"),
        ('"a', "unexpected end of statement while looking for matching double-quote"),
    ],
)
def test_what_is_wrong_is_said_as_buildkit_says_it(word: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        expanded(word)
    assert caught.value.message == f"failed to process {words.quoted(word)}: {message}"


def test_the_other_escape_character() -> None:
    assert expanded(r"C:\dir`$A\$A", "`") == r"C:\dir$A\1"


def test_without_quotes_they_are_characters_like_others() -> None:
    assert words.expand('it\'s "$A" \\$A', VALUES, quotes=False) == 'it\'s "1" $A'


def test_names_that_are_not_set_are_told() -> None:
    unset: set[str] = set()
    words.expand("$A $B ${C:-$D} '$E'", VALUES, unset=unset)
    assert unset == {"B", "C", "D"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a  b\tc", ["a", "b", "c"]),
        ("a='b c' \"d e\"f", ["a='b c'", '"d e"f']),
        (r"a\ b c\"d e", [r"a\ b", r"c\"d", "e"]),
        (r'"a\" b" c', [r'"a\" b"', "c"]),
        (r"'a\' b", [r"'a\'", "b"]),
        ("'' b", ["''", "b"]),
        ("a 'b c", ["a", "'b c"]),
        ("a b\\", ["a", "b"]),
        ("a \\", ["a"]),
        ('a "b\\', ["a", '"b']),
        ("", []),
    ],
)
def test_words_are_split_outside_of_quotes(text: str, expected: list[str]) -> None:
    assert words.split(text) == expected


def test_a_value_with_blanks_becomes_words_unless_it_is_quoted() -> None:
    assert words.expand_to_words("$WORDS x '$WORDS' \"$WORDS\" y\\ z", VALUES) == [
        *("a", "b", "c", "x", "$WORDS", "a b  c", "y z"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('["a", "b c"]', ["a", "b c"]),
        (" []", []),
        ('["a" "b"]', None),
        ('["a"] b', None),
        ("['a']", None),
        ("[NaN]", None),
        ("{}", None),
        ('["\\ud800"]', ["\ufffd"]),
        ("[" * 100_000, None),
    ],
)
def test_a_json_list_or_none(text: str, expected: list[str] | None) -> None:
    assert words.json_list(text) == expected


def test_a_json_list_of_something_else_is_refused() -> None:
    with pytest.raises(UsageError, match="arrays must be comprised of strings only"):
        words.json_list('["a", 1]')


@pytest.mark.parametrize(
    ("word", "variables"),
    [
        ("${A#" + "*a" * 200 + "b}", {"A": "a" * 2_000}),
        ("${A//" + "*a?" * 50 + "b/x}", {"A": "a" * 2_000}),
        ("${A:-" * 40 + "}" * 40, {}),
        ("x" * 3_000_000, {}),
        ("'x' \"y\" \\z " * 200_000, {}),
    ],
)
def test_no_word_takes_long(word: str, variables: dict[str, str]) -> None:
    begun = time.monotonic()
    words.expand(word, variables)
    words.split(word)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("word", ["${A:-" * 10_000, "${A:-" * 10_000 + "}" * 10_000, "$B" * 10_000])
def test_what_would_grow_without_end_is_refused(word: str) -> None:
    with pytest.raises(UsageError):
        words.expand(word, {"B": "b" * 10_000})


@given(st.text("ab*?\\\n", max_size=8), st.text("ab\n", max_size=12), st.booleans())
def test_a_match_begins_where_it_is_cut(pattern: str, text: str, longest: bool) -> None:
    try:
        start, end = (
            globs.cut_start(text, pattern, longest=longest),
            globs.cut_end(text, pattern, longest=longest),
        )
        every = globs.replaced(text, pattern, "", every=True)
    except UsageError:
        return
    assert text.endswith(start)
    assert text.startswith(end)
    assert len(every) <= len(globs.replaced(text, pattern, "", every=False))
