"""Whatever a compose file has in whatever place: it is loaded, or refused, and nobody sees a traceback."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirun.compose.language import keys, loading, rendering
from minirun.errors import MinirunError
from tests.fuzzing import fuzz

WORDS = [
    "",
    "a",
    "80:80",
    "./x:/y",
    "K=v",
    "$A",
    "${A:-b}",
    "${A?c}",
    "service:a",
    "1s",
    "1g",
    "/x",
    "a:b:c",
    "no",
    "-",
]
SCALARS = st.sampled_from([*WORDS, None, True, 0, 1, -1, 1.5, 10**30])
NAMES = sorted(
    {*keys.SERVICE.table, "source", "target", "type", "published", "path", "condition", "test", "x-a", "a"}
)


def values(names: list[str]) -> st.SearchStrategy[Any]:
    def larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(names), inner, max_size=4)

    return st.recursive(SCALARS, larger, max_leaves=8)


SERVICE = st.dictionaries(st.sampled_from(sorted(keys.SERVICE.table)), values(NAMES), max_size=5)
SERVICES = st.dictionaries(st.sampled_from(["a", "b", "c d"]), SERVICE | values(NAMES), max_size=3) | values(
    NAMES
)
SECTION = st.dictionaries(
    st.sampled_from(["a", "default"]), values(["name", "external", "file", "driver", "ipam", "labels"])
)
FILE = st.fixed_dictionaries(
    {"services": SERVICES},
    optional={
        "networks": SECTION | values(NAMES),
        "volumes": SECTION | values(NAMES),
        "secrets": SECTION,
        "configs": SECTION,
        "include": values(["path", "env_file", "project_directory"]),
        "name": SCALARS,
        "x-a": values(NAMES),
    },
)


def load(*files: Any, **flags: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        paths = []
        for number, file in enumerate(files):
            paths.append(f"{directory}/{number}.yaml")
            Path(paths[-1]).write_text(json.dumps(file))
        try:
            project = loading.load(loading.Sources(files=paths, environment={"A": ""}), **flags)
            rendering.as_yaml(project)
        except MinirunError:
            pass


@given(FILE)
@fuzz(150)
def test_any_file(file: Any) -> None:
    load(file)


@given(FILE, FILE)
@fuzz(150)
def test_any_two_files(one: Any, other: Any) -> None:
    load(one, other)


@given(FILE)
@fuzz(50)
def test_any_file_with_its_variables(file: Any) -> None:
    load(file, interpolate=False)


@given(values(NAMES))
@fuzz(50)
def test_anything(file: Any) -> None:
    load(file)


JUNK = [
    None,
    "",
    True,
    0,
    -1,
    1.5,
    "x",
    "a:b",
    [],
    ["x"],
    [None],
    [1],
    [{}],
    {},
    {"x": "y"},
    {"x": None},
    {"x": [1]},
]


@pytest.mark.parametrize("key", sorted(keys.SERVICE.table))
def test_any_value_of_a_key(key: str) -> None:
    for value in JUNK:
        load({"services": {"a": {"image": "i", key: value}, "x": {"image": "x"}}})
        load({"services": {"a": {"image": "i", key: value}}}, {"services": {"a": {key: ["x"]}}})
