"""Variables in values.  What each form gives was asked of Docker Compose 5.6.1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirun.compose.language import yaml_nodes
from minirun.compose.language.interpolation import Unfit, fill_in, substitute

ENVIRONMENT = {"A": "a", "EMPTY": "", "PRICE": "5$x"}


def filled(text: str) -> str:
    return substitute(text, ENVIRONMENT.get, lambda name: None)


FORMS = {
    "$A": "a",
    "${A}": "a",
    "$A$A-${A}b": "aa-ab",
    "$UNSET.": ".",
    "$$A": "$A",
    "$$$A": "$a",
    "$PRICE": "5$x",
    "^[a-z]+$": "^[a-z]+$",
    "$1 $- $": "$1 $- $",
    "${A:-b}": "a",
    "${EMPTY:-b}": "b",
    "${EMPTY-b}": "",
    "${UNSET-b}": "b",
    "${UNSET:-}": "",
    "${UNSET:-a:b-c}": "a:b-c",
    "${UNSET:-${EMPTY:-$A}}x": "ax",
    "${UNSET:-{}}": "{}",
    "${UNSET:-a}b}": "ab}",
    "${A:+b}": "b",
    "${EMPTY:+b}": "",
    "${EMPTY+b}": "b",
    "${UNSET+b}": "",
    "${A:+${A}-}x": "a-x",
    "${A:?no}": "a",
    "${EMPTY?no}": "",
    "${A:-${EMPTY}": "a",
    "${A?${UNSET?}": "a",
}


@pytest.mark.parametrize("text", FORMS)
def test_form(text: str) -> None:
    assert filled(text) == FORMS[text]


@pytest.mark.parametrize(
    "text",
    ["${", "${}", "${A", "${A/a/b}", "${A:}", "${1}", "${ A}", "${A }", "${UNSET:-${}", "${UNSET:-a\n}"],
)
def test_text_that_is_no_template(text: str) -> None:
    with pytest.raises(Unfit, match=r"has a \$ that no variable follows") as caught:
        filled(text)
    assert caught.value.hint == "write $$ for a plain $"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${UNSET?}", "required variable UNSET is missing a value"),
        ("${UNSET:?say $A}", "required variable UNSET is missing a value: say a"),
        ("${EMPTY:?x}", "required variable EMPTY is missing a value: x"),
        ("${UNSET:-${UNSET?y}}", "required variable UNSET is missing a value: y"),
    ],
)
def test_required_variable(text: str, message: str) -> None:
    with pytest.raises(Unfit) as caught:
        filled(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "names"), [("$X${Y}$X", ["X", "Y", "X"]), ("${A:-$X}", []), ("${X:-$Y}", ["Y"])]
)
def test_what_is_not_set_is_told(text: str, names: list[str]) -> None:
    told: list[str] = []
    substitute(text, ENVIRONMENT.get, told.append)
    assert told == names


def test_values_are_filled_in_and_keys_are_not() -> None:
    (tree,) = yaml_nodes.read("$A: [$A, {b: '${A}', c: 1}]", "f")
    assert list(fill_in(tree, ENVIRONMENT.get, lambda name: None)) == []
    assert yaml_nodes.plain(tree) == {"$A": ["a", {"b": "a", "c": 1}]}


def test_all_that_is_wrong_is_found() -> None:
    (tree,) = yaml_nodes.read("a: ${\nb: [$A, '${X?}']", "f")
    problems = list(fill_in(tree, ENVIRONMENT.get, lambda name: None))
    assert [(problem.path, problem.line) for problem in problems] == [("a", 1), ("b[1]", 2)]


@given(st.text(alphabet="$ {}A:-?+x\n_1"))
def test_any_text_is_filled_in_or_refused(text: str) -> None:
    try:
        filled(text)
    except Unfit:
        pass


@given(st.text())
def test_doubled_dollars_keep_any_text(text: str) -> None:
    assert filled(text.replace("$", "$$")) == text


@pytest.mark.parametrize("depth", [101, 3000])
def test_variables_within_variables_have_an_end(depth: int) -> None:
    with pytest.raises(Unfit, match="too deeply"):
        substitute("${X:-" * depth + "}" * depth, {}.get, print)
