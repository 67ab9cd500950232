"""What a project's things are called."""

import pytest

from minirun.compose import names
from tests.compose_projects import project, service


def test_names_are_docker_composes() -> None:
    demo = project({"web": service(build={"context": "."}, image="")})
    web = demo.services["web"]
    assert names.container(demo, web, 2) == "demo-web-2"
    assert names.image(demo, web) == "demo-web"
    assert names.one_off(demo, web, "0123456789abcdef") == "demo-web-run-0123456789ab"


def test_with_compatibility_parts_are_joined_by_underscores() -> None:
    demo = project({"web": service(image="")})
    demo.separator = "_"
    assert names.container(demo, demo.services["web"], 1) == "demo_web_1"


def test_a_container_that_is_to_come_says_for_which() -> None:
    name = names.coming("0123456789abcdef" * 4, "demo-web-1")
    assert name == "0123456789ab_demo-web-1"
    assert names.replaced(name) == "0123456789ab"


@pytest.mark.parametrize("name", ["demo_web_1", "demo-web-1", "0123456789ab", "0123456789AB_x"])
def test_others_replace_none(name: str) -> None:
    assert names.replaced(name) == ""


@pytest.mark.parametrize(
    ("keys", "chosen", "wanted"),
    [
        ({}, {}, 1),
        ({"scale": 3}, {}, 3),
        ({"deploy": {"replicas": 2}}, {}, 2),
        ({"deploy": {"replicas": 0}}, {}, 0),
        ({"scale": 3}, {"web": 0}, 0),
        ({}, {"db": 5}, 1),
    ],
)
def test_scale(keys: dict[str, object], chosen: dict[str, int], wanted: int) -> None:
    assert names.scale(project({"web": service(**keys)}).services["web"], chosen) == wanted
