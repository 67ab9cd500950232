"""Which files make a project, where it lives, what it is called."""

import os
from pathlib import Path

import pytest

from minirun.compose.language import discovery
from minirun.compose.language.discovery import Sources
from minirun.errors import NotFoundError, UsageError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, and the current one."""
    (tmp_path / "Shop").mkdir()
    monkeypatch.chdir(tmp_path / "Shop")
    return tmp_path / "Shop"


def write(directory: Path, **files: str) -> None:
    """`compose_yaml` is compose.yaml, `sub__x_env` sub/x.env."""
    for name, text in files.items():
        path = directory / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def found(**words: object) -> list[str]:
    words.setdefault("environment", {})
    return [os.path.relpath(path) for path in discovery.files(Sources(**words))]  # type: ignore[arg-type]


def test_first_name_wins(here: Path) -> None:
    write(here, compose_yml="", docker_compose_yaml="")
    (here / "docker-compose.yml").write_text("")
    assert found() == ["compose.yml"]


def test_override_goes_with_it(here: Path) -> None:
    write(here, compose_yaml="", compose_override_yaml="")
    assert found() == ["compose.yaml", "compose.override.yaml"]
    assert found(files=["compose.yaml"]) == ["compose.yaml"]


def test_it_is_looked_for_upwards(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(here, compose_yaml="")
    (here / "a/b").mkdir(parents=True)
    monkeypatch.chdir(here / "a/b")
    sources = Sources(environment={})
    assert discovery.files(sources) == [f"{here}/compose.yaml"]
    assert discovery.look(sources).directory == str(here)


def test_there_is_none(here: Path) -> None:
    with pytest.raises(NotFoundError, match="no configuration file provided: not found"):
        found()


@pytest.mark.parametrize(
    "environment", [{"COMPOSE_FILE": "a:b"}, {"COMPOSE_FILE": "a;b", "COMPOSE_PATH_SEPARATOR": ";"}]
)
def test_compose_file(here: Path, environment: dict[str, str]) -> None:
    write(here, a="", b="")
    assert found(environment=environment) == ["a", "b"]
    assert found(environment=environment, files=["b"]) == ["b"]


def test_compose_file_that_is_not_there(here: Path) -> None:
    with pytest.raises(NotFoundError, match="nope: no such file"):
        found(environment={"COMPOSE_FILE": "nope"})


def test_dotenv_may_say_where_the_file_is(here: Path) -> None:
    (here / ".env").write_text("COMPOSE_FILE=sub/c.yaml\nCOMPOSE_PROFILES=x, y\nA=outer")
    write(here, sub__c_yaml="")
    (here / "sub/.env").write_text("A=inner\nB=inner")
    sources = Sources(environment={})
    assert discovery.files(sources) == [f"{here}/sub/c.yaml"]
    assert discovery.look(sources).profiles == ["x", "y"]
    assert [discovery.environment(sources)[name] for name in "AB"] == ["outer", "inner"]


@pytest.mark.parametrize(
    ("words", "environment", "value"),
    [
        ({}, {}, "dot"),
        ({}, {"V": "shell"}, "shell"),
        ({"env_files": ["x.env"]}, {}, "x"),
        ({"env_files": ["x.env", "y.env"]}, {}, "y"),
        ({}, {"COMPOSE_ENV_FILES": "y.env,x.env"}, "x"),
        ({}, {"COMPOSE_DISABLE_ENV_FILE": "1"}, None),
    ],
)
def test_where_variables_come_from(
    here: Path, words: dict[str, list[str]], environment: dict[str, str], value: str | None
) -> None:
    write(here, compose_yaml="", _env="V=dot", x_env="V=x", y_env="V=y")
    assert discovery.environment(Sources(environment=environment, **words)).get("V") == value  # type: ignore[arg-type]


def test_env_file_that_is_not_there(here: Path) -> None:
    with pytest.raises(NotFoundError, match="couldn't find env file: "):
        discovery.look(Sources(env_files=["x.env"], environment={}))


@pytest.mark.parametrize(
    ("text", "environment", "name"),
    [
        ("", {}, "shop"),
        ("name: My_App.1\n", {}, "my_app1"),
        ("name: a # b\n", {}, "a"),
        ("'name': a\n", {}, "a"),
        ("name: 'a'\n", {}, "a"),
        ("name: a\n  b\n", {}, "ab"),
        ("{name: a}\n", {}, "a"),
        ("# c\n---\nname: a\n", {}, "a"),
        ("name: a\n---\nname: b\n", {}, "b"),
        ("name: x-${V:-d}\n", {}, "x-d"),
        ("x-a: |\n  name: b\n", {}, "shop"),
        ("name: a\n", {"COMPOSE_PROJECT_NAME": "c"}, "c"),
    ],
)
def test_name(here: Path, text: str, environment: dict[str, str], name: str) -> None:
    write(here, compose_yaml=text)
    assert discovery.name(Sources(environment=environment)) == name
    assert discovery.name(Sources(environment=environment, name="given")) == "given"


@pytest.mark.parametrize("name", ["Shop", "_shop", "a b", "a.b"])
def test_bad_name(here: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"invalid project name {name}"):
        discovery.name(Sources(name=name, environment={}))


def test_no_name_is_left(here: Path) -> None:
    write(here, compose_yaml="name: ${UNSET}")
    with pytest.raises(UsageError, match="project name must not be empty"):
        discovery.name(Sources(environment={}))


def test_project_directory(here: Path) -> None:
    write(here, a__c_yaml="")
    sources = Sources(files=["a/c.yaml"], environment={})
    assert discovery.look(sources).directory == f"{here}/a"
    sources = Sources(files=["a/c.yaml"], project_directory=".", environment={})
    assert discovery.look(sources).directory == str(here)


def test_directory_has_the_name_of_the_symlink(here: Path) -> None:
    write(here, compose_yaml="")
    link = here.parent / "link"
    link.symlink_to(here)
    sources = Sources(environment={"PWD": str(link)})
    assert discovery.name(sources) == "link"
    assert "from a symlink" in discovery.look(sources).warnings[0]


def test_standard_input(here: Path) -> None:
    sources = Sources(files=["-"], stdin="name: a", environment={})
    assert discovery.files(sources) == ["-"]
    assert (discovery.look(sources).directory, discovery.name(sources)) == (str(here), "a")
