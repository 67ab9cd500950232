"""Do the parts of a project fit together?"""

from typing import Any

import pytest

from minirun.compose.language import consistency
from minirun.compose.language.model import Project


def problems(services: dict[str, Any], **sections: Any) -> list[str]:
    project = Project("demo", "/project")
    project.services = services
    for section, value in sections.items():
        setattr(project, section, value)
    return [problem.message for problem in consistency.check(project)]


def needs(*names: str, required: bool = True) -> dict[str, Any]:
    dependency = {"condition": "service_started", "required": required}
    return {"image": "i", "depends_on": dict.fromkeys(names, dependency)}


@pytest.mark.parametrize(
    ("web", "said"),
    [
        ({}, 'service "web" has neither an image nor a build context specified'),
        (needs("db"), 'service "web" depends on undefined service "db"'),
        ({"image": "i", "networks": {"n": None}}, 'service "web" refers to undefined network n'),
        ({"image": "i", "secrets": [{"source": "s"}]}, 'service "web" refers to undefined secret s'),
        ({"image": "i", "configs": [{"source": "c"}]}, 'service "web" refers to undefined config c'),
        (
            {"image": "i", "volumes": [{"type": "volume", "source": "v", "target": "/v"}]},
            'service "web" refers to undefined volume v',
        ),
        (
            {"image": "i", "container_name": "the-web", "scale": 2},
            "can't set container_name and scale as container name must be unique",
        ),
        (
            {"image": "i", "scale": 1, "deploy": {"replicas": 2}},
            "can't set distinct values on 'scale' and 'deploy.replicas'",
        ),
        (needs("web"), "dependency cycle detected: web -> web"),
    ],
)
def test_what_does_not_fit_is_told_in_dockers_words(web: dict[str, Any], said: str) -> None:
    assert problems({"web": web}) == [said]


def test_a_cycle_is_told_with_its_way() -> None:
    assert problems({"a": needs("b"), "b": needs("c"), "c": needs("b")}) == [
        "dependency cycle detected: b -> c -> b"
    ]


def test_a_long_chain_is_no_cycle() -> None:
    chain = {f"s{number}": needs(f"s{number + 1}") for number in range(5000)}
    assert problems({**chain, "s5000": {"image": "i"}}) == []


def test_what_is_not_required_may_be_off() -> None:
    assert problems({"web": needs("db", required=False)}, disabled={"db": {"image": "i"}}) == []


def test_a_secret_has_one_source() -> None:
    assert problems({}, secrets={"a": {}, "b": {"file": "f", "environment": "E"}}) == [
        "one of file|environment must be set",
        "file|environment attributes are mutually exclusive",
    ]
