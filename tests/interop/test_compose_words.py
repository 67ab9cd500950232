"""The words of compose files beside Docker Compose's: variables, .env files, plain scalars, merging, which files.

Texts are put together at random, from what is hard to read; the seeds are fixed, so that a run can be had again.
"""

import json
import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from minirun.compose.language import dotenv, interpolation, loading, rendering, scalars
from minirun.errors import MinirunError
from tests.support import CHECKOUT, Result, run

pytestmark = pytest.mark.interop

JUDGE = CHECKOUT / ".venv/bin/docker-compose"
ENVIRONMENT = {"A": "a", "B": "", "C": "c$d", "LONG_NAME": "x y", "HOME": "/home/somebody"}
SEEDS = range(4)

DOLLARS = "$ $$ ${ } A B C N _n LONG_NAME :- - :? ? :+ + { x 1 : $A ${A} ${B:-x} ${N:-y} ${A:-${B:-z}} ${N- é / ' \\"
ENV_LINES = (
    "K= X= Y: K export\t # ' \" \\ \\n \\t \\$ \\0 \\0101 \\012 \\\\ \\\" \\' \\c "
    "$A ${N:-x} ${B} $K $$ = é a 1 - [0] . v"
)
BLANKS = [" ", " ", "\n", "\n", "\n", "\t", " #", "export ", "\r\n"]
SCALARS = "0123456789.+-eExXoObB_afnt"


def config(directory: Path, *words: str, environment: Mapping[str, str] = ENVIRONMENT) -> Result:
    return run(JUDGE, *words, "config", cwd=directory, env={"PWD": str(directory), **environment})


def services(directory: Path, services: Mapping[str, Any]) -> Any:
    """What Docker Compose makes of services."""
    (directory / "f.json").write_text(json.dumps({"services": services}))
    result = run(JUDGE, "-f", "f.json", "config", "--format=json", cwd=directory, env=ENVIRONMENT)
    assert result.code == 0, result.stderr
    return json.loads(result.stdout)["services"]


def texts(seed: int, parts: list[str], most: int, count: int) -> list[str]:
    chance = random.Random(seed)
    return ["".join(chance.choices(parts, k=chance.randint(1, most))) for _ in range(count)]


def filled(text: str) -> str | None:
    try:
        return interpolation.substitute(text, ENVIRONMENT.get, lambda name: None)
    except interpolation.Unfit:
        return None


@pytest.mark.parametrize("seed", SEEDS)
def test_variables(tmp_path: Path, seed: int) -> None:
    given = [text for text in texts(seed, DOLLARS.split(" "), 7, 1000) if filled(text) is not None]
    labels = services(tmp_path, {"a": {"image": "x", "labels": dict(enumerate(given))}})["a"]["labels"]
    theirs = [labels[str(number)].replace("$$", "$") for number in range(len(given))]
    assert theirs == [filled(text) for text in given]


@pytest.mark.parametrize("seed", SEEDS)
def test_text_that_is_no_template_is_refused(tmp_path: Path, seed: int) -> None:
    given = [text for text in texts(seed, DOLLARS.split(" "), 7, 100) if filled(text) is None]
    for text in given[:8]:
        (tmp_path / "f.json").write_text(json.dumps({"services": {"a": {"image": text}}}))
        assert config(tmp_path, "-f", "f.json").code == 1, text


def variables(text: str, raw: bool) -> dict[str, str] | None:
    try:
        return (
            dotenv.read_raw(text, ENVIRONMENT.get)
            if raw
            else dotenv.read(text, ENVIRONMENT.get, lambda name: None)
        )
    except dotenv.Unreadable:
        return None


@pytest.mark.parametrize("raw", [False, True], ids=["dotenv", "raw"])
@pytest.mark.parametrize("seed", SEEDS)
def test_files_of_variables(tmp_path: Path, seed: int, raw: bool) -> None:
    # A name alone in a last line that does not end is another thing to Docker Compose: docs/differences.md.
    given = [text + "\n" for text in texts(seed, ENV_LINES.split(" ") + BLANKS, 9, 400)]
    given = [text for text in given if variables(text, raw) is not None]
    asked = {}
    for number, text in enumerate(given):
        (tmp_path / f"{number}.env").write_text(text, newline="")
        file = {"path": f"{number}.env", **({"format": "raw"} if raw else {})}
        asked[f"s{number}"] = {"image": "x", "env_file": [file]}
    seen = services(tmp_path, asked)
    for number, text in enumerate(given):
        theirs = seen[f"s{number}"].get("environment", {})
        unescaped = {name.replace("$$", "$"): value.replace("$$", "$") for name, value in theirs.items()}
        assert unescaped == variables(text, raw), repr(text)


@pytest.mark.parametrize("seed", SEEDS)
def test_plain_words(tmp_path: Path, seed: int) -> None:
    given = [text for text in texts(seed, list(SCALARS), 6, 500) if text != "-"]
    lines = [f"      l{number}: {text}" for number, text in enumerate(given)]
    (tmp_path / "f.yaml").write_text("\n".join(["services:", "  a:", "    image: x", "    labels:", *lines]))
    result = config(tmp_path, "-f", "f.yaml")
    ours = loading.load(
        loading.Sources(files=[f"{tmp_path}/f.yaml"], environment=ENVIRONMENT, name=tmp_path.name.lower())
    )
    assert result.code == 0, result.stderr
    labels = ours.services["a"]["labels"]
    assert [labels[f"l{number}"] for number in range(len(given))] == [
        scalars.as_text(scalars.resolve(text)) for text in given
    ]
    assert "\n".join(sorted(result.stdout.splitlines())) == "\n".join(
        sorted(rendering.as_yaml(ours).splitlines())
    )


# --- which files ---

FILE = 'services: {a: {image: "x${T}", build: ., environment: [COMPOSE_PROJECT_NAME, T]}}\n'
OTHER = "services: {b: {image: b, build: .}}\n"

# What there is, where compose is called, with which words and environment.
PLACES: dict[str, tuple[dict[str, str], str, list[str], dict[str, str]]] = {
    "its name is the directory's": ({"_My Shop.2/compose.yaml": FILE}, "_My Shop.2", [], {}),
    "the first name wins": ({"p/compose.yml": FILE, "p/docker-compose.yaml": OTHER}, "p", [], {}),
    "an override": ({"p/compose.yaml": FILE, "p/compose.override.yaml": OTHER}, "p", [], {}),
    "in a directory above": ({"p/compose.yaml": FILE, "p/.env": "T=up", "p/q/.env": "T=down"}, "p/q", [], {}),
    "COMPOSE_FILE": ({"p/a.yml": FILE, "p/s/b.yml": OTHER}, "p", [], {"COMPOSE_FILE": "a.yml:s/b.yml"}),
    "COMPOSE_FILE of .env": (
        {
            "p/s/a.yml": FILE,
            "p/.env": "COMPOSE_FILE=s/a.yml\nT=outer",
            "p/s/.env": "COMPOSE_PROJECT_NAME=inner",
        },
        "p",
        [],
        {},
    ),
    "-f in another directory": (
        {"p/s/a.yml": FILE, "p/.env": "T=p", "p/s/.env": "T=s"},
        "p",
        ["-f", "s/a.yml"],
        {},
    ),
    "two -f": ({"p/s/a.yml": FILE, "p/t/b.yml": OTHER}, "p", ["-f", "s/a.yml", "-f", "t/b.yml"], {}),
    "--project-directory": (
        {"p/s/a.yml": FILE, "p/.env": "T=p", "p/s/.env": "T=s"},
        "p",
        ["-f", "s/a.yml", "--project-directory", "."],
        {},
    ),
    "a directory that is searched": ({"p/s/compose.yaml": FILE}, "p", ["--project-directory", "s"], {}),
    "-p": ({"p/compose.yaml": "name: n\n" + FILE}, "p", ["-p", "given"], {}),
    "a bad -p": ({"p/compose.yaml": FILE}, "p", ["-p", "Given"], {}),
    "a bad COMPOSE_PROJECT_NAME": ({"p/compose.yaml": FILE}, "p", [], {"COMPOSE_PROJECT_NAME": "a.b"}),
    "a name with a variable": ({"p/compose.yaml": "name: n-${T:-u}.x\n" + FILE}, "p", [], {}),
    "a name in quotes": ({"p/compose.yaml": "'name': 'My Name'\n" + FILE}, "p", [], {}),
    "the last name": ({"p/compose.yaml": f"name: a\n{FILE}---\nname: b\n"}, "p", [], {}),
    "no name is left": ({"p/compose.yaml": "name: ${U}\n" + FILE}, "p", [], {}),
    "--env-file": (
        {"p/compose.yaml": FILE, "p/.env": "T=no", "p/a": "T=1\nU=$T", "p/b": "T=$T-$U"},
        "p",
        ["--env-file", "a", "--env-file", "b"],
        {},
    ),
    "--env-file that is not there": ({"p/compose.yaml": FILE}, "p", ["--env-file", "a"], {}),
    "COMPOSE_ENV_FILES": ({"p/compose.yaml": FILE, "p/a": "T=a"}, "p", [], {"COMPOSE_ENV_FILES": "a"}),
    "COMPOSE_DISABLE_ENV_FILE": (
        {"p/compose.yaml": FILE, "p/.env": "T=no"},
        "p",
        [],
        {"COMPOSE_DISABLE_ENV_FILE": "true"},
    ),
    "a bad .env": ({"p/compose.yaml": FILE, "p/.env": "T='x"}, "p", [], {}),
    "an empty file": ({"p/compose.yaml": "# nothing\n"}, "p", [], {}),
    "no file": ({"p/x": ""}, "p", [], {}),
    "-f that is not there": ({"p/compose.yaml": FILE}, "p", ["-f", "x"], {}),
    "include": (
        {
            "p/compose.yaml": f"include: [s/c.yaml]\n{FILE}",
            "p/s/c.yaml": FILE.replace("a:", "i:"),
            "p/s/.env": "T=s",
        },
        "p",
        [],
        {},
    ),
    "include, long": (
        {
            "p/compose.yaml": "include: [{path: [s/c.yaml, d.yaml], env_file: e, project_directory: t}]",
            "p/s/c.yaml": FILE,
            "p/d.yaml": "services: {a: {ports: ['1:1']}}",
            "p/e": "T=e",
            "p/t/there": "",
        },
        "p",
        [],
        {},
    ),
    "include of what is here": (
        {"p/compose.yaml": f"include: [c.yaml]\n{FILE}", "p/c.yaml": "services: {a: {image: i, tty: true}}"},
        "p",
        [],
        {},
    ),
    "include in a circle": ({"p/compose.yaml": "include: [compose.yaml]"}, "p", [], {}),
    "extends": (
        {
            "p/compose.yaml": "services: {a: {extends: {file: s/c.yaml, service: b}, image: a, ports: !reset []}}",
            "p/s/c.yaml": "services: {b: {build: ., ports: ['1:1'], extends: {file: t/d.yaml, service: d}}}",
            "p/s/t/d.yaml": "services: {d: {volumes: ['.:/x'], env_file: [{path: no, required: false}]}}",
        },
        "p",
        [],
        {},
    ),
    "extends in a circle": ({"p/compose.yaml": "services: {a: {extends: b}, b: {extends: a}}"}, "p", [], {}),
}


def ours(words: list[str], environment: dict[str, str]) -> str | None:
    given: dict[str, Any] = {"files": [], "env_files": []}
    for option, value in zip(words[::2], words[1::2], strict=True):
        if option in ("-f", "--env-file"):
            given["files" if option == "-f" else "env_files"].append(value)
        else:
            given["name" if option == "-p" else "project_directory"] = value
    try:
        return rendering.as_yaml(loading.load(loading.Sources(environment=environment, **given)))
    except MinirunError:
        return None


@pytest.mark.parametrize("name", PLACES)
def test_which_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    files, place, words, environment = PLACES[name]
    for file, text in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    (tmp_path / place).mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / place)
    theirs = config(tmp_path / place, *words, environment=environment)
    mine = ours(words, {"PWD": os.getcwd(), **environment})
    assert mine == (theirs.stdout if theirs.code == 0 else None), theirs.stderr
