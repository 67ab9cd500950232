"""From files to a project: the story as a whole."""

from pathlib import Path

import pytest

from minirun.compose.language import loading
from minirun.compose.language.model import Project
from minirun.compose.language.problems import ComposeError


def load(
    directory: Path, text: str, *more: str, services: tuple[str, ...] = (), **environment: str
) -> Project:
    """The project of `text`, and of files that go on it."""
    files = [directory / f"{number}.yaml" for number in range(len(more) + 1)]
    for path, content in zip(files, (text, *more), strict=True):
        path.write_text(content)
    sources = loading.Sources(files=[str(path) for path in files], environment=environment, name="p")
    return loading.load(sources, services)


def problems(directory: Path, text: str, *more: str, **environment: str) -> list[str]:
    with pytest.raises(ComposeError) as caught:
        load(directory, text, *more, **environment)
    return [str(problem).removeprefix(f"{directory}/") for problem in caught.value.problems]


def test_simple_file(tmp_path: Path) -> None:
    project = load(tmp_path, "services:\n  web:\n    image: nginx\n    ports: ['80:80']\n")
    assert project.name == "p"
    assert project.services["web"]["ports"][0]["published"] == "80"
    assert project.networks["default"]["name"] == "p_default"


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    text = "services:\n  web:\n    image: ${TAG?no tag}\n    prots: []\n  db:\n    extends: nobody\n"
    assert problems(tmp_path, text, "volumes: [a]\n") == [
        "0.yaml:3:12: services.web.image: required variable TAG is missing a value: no tag",
        "0.yaml:4:5: services.web.prots: unknown key; did you mean ports?",
        '0.yaml:6:14: services.db.extends: there is no service "nobody" to extend',
        "1.yaml:1:10: volumes: expected a mapping, not a list",
    ]


def test_later_file_wins(tmp_path: Path) -> None:
    project = load(
        tmp_path, "services: {a: {image: x, command: [b]}}", "services: {a: {image: y, privileged: true}}"
    )
    assert project.services["a"] == {
        "name": "a",
        "image": "y",
        "command": ["b"],
        "privileged": True,
        "networks": {"default": None},
    }


def test_variables(tmp_path: Path) -> None:
    project = load(tmp_path, "services: {a: {image: '${I}:$T', command: '$$x'}}", I="busybox")
    assert project.services["a"]["image"] == "busybox:"
    assert project.services["a"]["command"] == ["$x"]
    assert project.warnings == ['The "T" variable is not set. Defaulting to a blank string.']
