"""YAML text becomes Nodes; what cannot is told in one sentence with its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirun.compose.language import yaml_nodes
from minirun.compose.language.problems import ComposeError


def read(text: str) -> yaml_nodes.Node:
    (node,) = yaml_nodes.read(text, "c.yaml")
    return node


def complaint(text: str) -> str:
    with pytest.raises(ComposeError) as caught:
        yaml_nodes.read(text, "c.yaml")
    (problem,) = caught.value.problems
    return str(problem)


def test_places_of_keys_and_values() -> None:
    node = read("services:\n  web:\n    image: nginx\n")
    web = node.value["services"].value["web"]
    assert web.keys == {"image": (3, 5)}
    assert (web.value["image"].line, web.value["image"].column, web.value["image"].file) == (3, 12, "c.yaml")


def test_quotes_make_text() -> None:
    assert yaml_nodes.plain(read("a: '12'\nb: \"yes\"\nc: |\n  12\nd: !!str 12")) == {
        "a": "12",
        "b": "yes",
        "c": "12\n",
        "d": "12",
    }


def test_merge_keys() -> None:
    text = "x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz:\n  <<: [*x, *y]\n  a: 0\n"
    assert yaml_nodes.plain(read(text))["z"] == {"a": 0, "b": 2, "c": 4}


def test_merge_key_in_quotes_is_a_key() -> None:
    assert yaml_nodes.plain(read('"<<": {a: 1}')) == {"<<": {"a": 1}}


def test_alias_is_a_copy() -> None:
    node = read("a: &a [1]\nb: *a")
    node.value["b"].value.append(node)
    assert len(node.value["a"].value) == 1


@pytest.mark.parametrize("tag", ["!reset", "!override"])
def test_tags_of_compose(tag: str) -> None:
    assert read(f"a: {tag} [b]").value["a"].tag == tag


def test_other_tags_mean_nothing() -> None:
    node = read("a: !vault x\nb: !foo [1]")
    assert yaml_nodes.plain(node) == {"a": "x", "b": [1]}


def test_word_with_a_tag_is_text() -> None:
    assert yaml_nodes.plain(read("a: !override 1\nb: !reset x\nc: !foo 2")) == {"a": "1", "b": None, "c": "2"}


def test_several_documents() -> None:
    assert [yaml_nodes.plain(node) for node in yaml_nodes.read("a: 1\n---\na: 2\n", "f")] == [
        {"a": 1},
        {"a": 2},
    ]


BAD = {
    "a:\n\tb: 1\n": "c.yaml:2:1: a tab cannot indent YAML; use spaces",
    "a: |\n\tx\n": "c.yaml:2:1: a tab cannot indent YAML; use spaces",
    "a: [1\nb: 2\n": "c.yaml:1:4: this [ is never closed, or a comma is missing in it",
    "a: {b: 1\nc: 2\n": "c.yaml:1:4: this { is never closed, or a comma is missing in it",
    "a: 'x\n": "c.yaml:1:4: this quote is never closed",
    "a: @x\n": "c.yaml:1:4: a value cannot start with @; put it in quotes",
    "a: 1\nb: 2\na: 3\n": "c.yaml:3:1: a: this key is in line 1 already",
    "1: x\n": "c.yaml:1:1: a key must be text, and this one is 1; put it in quotes",
    "a: !!int x\n": "c.yaml:1:4: a: x is no int",
    "a: &a [*a]\n": "c.yaml:1:4: a[0]: the anchor's value has an alias for itself in it",
    "a: {<<: 1}\n": "c.yaml:1:9: a: << wants a mapping or a list of mappings",
    "a: \x01\n": "c.yaml:1:4: the character U+0001 cannot be in a YAML file",
    "a: *b\n": "c.yaml:1:4: found undefined alias",
    "a: b: c\n": "c.yaml:1:5: there is no place for a key here: indent it as its neighbours, "
    "or put text with a colon in quotes",
    "a:\n  b: 1\n c: 2\n": "c.yaml:3:2: expected a key here, as in line 1",
    "a: [": "c.yaml:1:5: a value is missing here",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_text(text: str) -> None:
    assert complaint(text) == BAD[text]


def test_all_that_is_wrong_is_told() -> None:
    with pytest.raises(ComposeError) as caught:
        yaml_nodes.read("a: 1\na: 2\n3: b\nc: !!bool d\na: 5\ne: 'f", "c.yaml")
    assert [problem.line for problem in caught.value.problems] == [6]
    with pytest.raises(ComposeError) as caught:
        yaml_nodes.read("a: 1\na: 2\n3: b\nc: !!bool d\na: 5\n---\n1: 2", "c.yaml")
    assert [problem.line for problem in caught.value.problems] == [2, 3, 4, 5, 7]


def test_bomb() -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    assert complaint("\n".join(lines)).endswith("the aliases of this file stand for more than 250,000 values")


def test_nesting_without_end() -> None:
    assert "nesting" in complaint("[" * 100_000)


@given(st.text(alphabet="ab:-[]{},'\"#&*!|>?%@`~<\\ \t\n0\x07é"))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        yaml_nodes.read(text, "c.yaml")
    except ComposeError:
        pass
