"""Two files become one.  What comes of each pair was asked of Docker Compose 5.6.1."""

from typing import Any

import pytest

from minirun.compose.language import keys, merging, yaml_nodes
from minirun.compose.language.problems import Problem


def merged(base: str, over: str, path: tuple[str, ...] = ("services", "*")) -> tuple[Any, list[Problem]]:
    """Two services."""
    trees = []
    for text in (base, over):
        (tree,) = yaml_nodes.read(f"services: {{a: {text}}}", "f")
        keys.spell_out(tree)
        trees.append(tree)
    problems: list[Problem] = []
    tree = merging.merge(*trees, problems)
    merging.drop_repeated(tree)
    merging.settle(tree)
    return yaml_nodes.plain(tree)["services"]["a"], problems


# What is below, what goes on it, what comes of it.
PAIRS = [
    ("{image: x}", "{image: y}", {"image": "y"}),
    ("{image: x}", "{tty: true}", {"image": "x", "tty": True}),
    ("{image: x}", "{image: null}", {"image": "x"}),
    ("{command: [a, b]}", "{command: c}", {"command": "c"}),
    ("{command: a}", "{command: null}", {"command": None}),
    ("{entrypoint: [a]}", "{entrypoint: [b]}", {"entrypoint": ["b"]}),
    (
        "{healthcheck: {test: [CMD, a], retries: 1}}",
        "{healthcheck: {test: b}}",
        {"healthcheck": {"test": "b", "retries": 1}},
    ),
    ("{environment: {A: 1, B: 2}}", "{environment: {B: 3}}", {"environment": {"A": 1, "B": 3}}),
    ("{environment: [A=1, B=2]}", "{environment: {B: 3}}", {"environment": {"A": "1", "B": 3}}),
    ("{environment: {A: 1}}", "{environment: [A]}", {"environment": {"A": None}}),
    ("{environment: [A=1]}", "{environment: [A=2]}", {"environment": ["A=1", "A=2"]}),
    ("{labels: [a]}", "{labels: {b: c}}", {"labels": {"a": None, "b": "c"}}),
    ("{security_opt: [a, b]}", "{security_opt: [b, c]}", {"security_opt": ["a", "b", "c"]}),
    ("{dns: a}", "{dns: [b, a]}", {"dns": ["a", "b"]}),
    ("{expose: [1]}", "{expose: ['1', 2]}", {"expose": ["1", 2]}),
    ("{tmpfs: /a}", "{tmpfs: [/b, /a]}", {"tmpfs": ["/a", "/b"]}),
    ("{ulimits: {nofile: {soft: 1, hard: 2}}}", "{ulimits: {nofile: 3}}", {"ulimits": {"nofile": 3}}),
    ("{extra_hosts: ['a=1']}", "{extra_hosts: {a: '2', b: '3'}}", {"extra_hosts": ["a=1", "a=2", "b=3"]}),
    (
        "{logging: {driver: a, options: {x: y}}}",
        "{logging: {options: {z: w}}}",
        {"logging": {"driver": "a", "options": {"x": "y", "z": "w"}}},
    ),
    (
        "{logging: {driver: a, options: {x: y}}}",
        "{logging: {driver: b}}",
        {"logging": {"driver": "b"}},
    ),
    ("{x-a: [1]}", "{x-a: [2]}", {"x-a": [1, 2]}),
    ("{ports: ['1', '2']}", "{ports: !reset []}", {}),
    ("{cap_add: [A]}", "{cap_add: !override [B]}", {"cap_add": ["B"]}),
    ("{environment: {A: 1, B: 2}}", "{environment: {A: !reset null}}", {"environment": {"B": 2}}),
    ("{image: x, build: .}", "{build: !reset null}", {"image": "x"}),
    (
        "{networks: [a]}",
        "{networks: {a: {priority: 1}, b: null}}",
        {"networks": {"a": {"priority": 1}, "b": None}},
    ),
]


@pytest.mark.parametrize(("base", "over", "expected"), PAIRS)
def test_pair(base: str, over: str, expected: Any) -> None:
    assert merged(base, over) == (expected, [])


@pytest.mark.parametrize(
    ("key", "base", "over", "left"),
    [
        ("ports", "['80:80', '81:81']", "['80:80', '82:82']", ["80", "81", "82"]),
        ("ports", "['80:80']", "['127.0.0.1:80:80', '80:80/udp']", ["80", "80", "80"]),
        ("volumes", "['./a:/x', '/y']", "['./b:/x']", ["/x", "/y"]),
        ("devices", "[/dev/a]", "['/dev/b:/dev/a']", ["/dev/a"]),
        ("secrets", "[a]", "[{source: b, target: /run/secrets/a}]", ["/run/secrets/a"]),
        ("configs", "[{source: a, target: /a}]", "[a]", [None]),
    ],
)
def test_what_can_be_in_a_list_once(key: str, base: str, over: str, left: list[str | None]) -> None:
    service, problems = merged(f"{{{key}: {base}}}", f"{{{key}: {over}}}")
    assert [str(item["target"]) if "target" in item else None for item in service[key]] == left
    assert problems == []


def test_later_mount_takes_the_place_of_the_first() -> None:
    service, _ = merged("{volumes: ['/a:/x', '/b:/y']}", "{volumes: ['/c:/x']}")
    assert [mount["source"] for mount in service["volumes"]] == ["/c", "/b"]


def test_mapping_on_a_list_is_told_with_both_places() -> None:
    _, problems = merged("{cap_add: [a]}", "{cap_add: {b: c}}")
    assert [str(problem) for problem in problems] == [
        "f:1:25: services.a.cap_add: this is a mapping, and a list in f:1; !override puts it in its place"
    ]
