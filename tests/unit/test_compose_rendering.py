"""What `compose config` prints, where its letters matter; tests/interop/test_compose_config.py compares whole files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from minirun.compose.language import hashing, json_text, yaml_text

if TYPE_CHECKING:
    from minirun.compose.language.model import Service


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain words", "plain words"),
        ("1", '"1"'),
        ("1.5e3", '"1.5e3"'),
        ("0x1F", '"0x1F"'),
        ("true", '"true"'),
        ("", '""'),
        ("~", '"~"'),
        ("2024-01-01", '"2024-01-01"'),
        ("yes", "'yes'"),
        ("22:22", "'22:22'"),
        ("a: b", "'a: b'"),
        ("- a", "'- a'"),
        ("it's", "it's"),
        ("'quoted'", "'''quoted'''"),
        (" space", "' space'"),
        ("a\tb", '"a\\tb"'),
        ("é", "é"),
        ("😀", '"\\U0001F600"'),
        ("a\nb\n", "|\n    a\n    b"),
        ("a\nb", "|-\n    a\n    b"),
        (" a\nb", "|2-\n     a\n    b"),
        ("\n", '"\\n"'),
    ],
)
def test_quotes_are_where_go_yaml_has_them(text: str, written: str) -> None:
    assert yaml_text.scalar(text, 2, 4) == written


def test_a_long_line_is_folded() -> None:
    text = " ".join(["word"] * 20)
    assert yaml_text.dump({"key": text}).count("\n") == 2


def test_lists_and_mappings_are_two_spaces_deeper() -> None:
    value = {"a": [{"b": 1, "c": None}, ["d"], [], {}], "e": {"f": True}}
    expected = "a:\n  - b: 1\n    c: null\n  - - d\n  - []\n  - {}\ne:\n  f: true\n"
    assert yaml_text.dump(value) == expected


def test_json_is_written_as_go_does() -> None:
    value = {"a": "<é\n\u2028>", "b": [1.0, 1e21, 1e-7], "c": {}}
    assert json_text.dumps(value) == '{"a":"\\u003cé\\n\\u2028\\u003e","b":[1,1e+21,1e-7],"c":{}}'


def test_the_hash_of_a_service_is_docker_composes() -> None:
    """As `docker-compose config --hash` of 5.6.1 says for `{image: pg, restart: always}`."""
    service: Service = {"name": "db", "image": "pg", "restart": "always", "networks": {"default": None}}
    assert hashing.config_hash(service) == "487db10b59b4c6572c262f13a17b8ad695ebde9cf1e30368c1e93fcdbbc492cc"


def test_replicas_and_profiles_do_not_change_the_hash() -> None:
    service: Service = {"name": "db", "image": "pg", "deploy": {"mode": "replicated"}}
    more: Service = {
        **service,
        "profiles": ["a"],
        "scale": 3,
        "deploy": {"mode": "replicated", "replicas": 3},
    }
    assert hashing.config_hash(more) == hashing.config_hash(service)


def test_a_changed_variable_changes_the_hash() -> None:
    service: Service = {"name": "db", "image": "pg", "environment": {"A": "1"}}
    assert hashing.config_hash({**service, "environment": {"A": "2"}}) != hashing.config_hash(service)
