"""From files to a project: the story as a whole, with extends, include, profiles and files of variables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from minirun.compose.language import loading, profiles
from minirun.compose.language.model import Project
from minirun.compose.language.problems import ComposeError
from minirun.errors import MinirunError, NotFoundError


def sources(directory: Path, files: Mapping[str, str], *names: str, **words: Any) -> loading.Sources:
    """`files` are written; of these the first is read, or `names`."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    chosen = [str(directory / name) for name in names or [next(iter(files))]]
    words.setdefault("environment", {})
    return loading.Sources(files=chosen, name="p", **words)


def load(directory: Path, files: Mapping[str, str], *names: str, **words: Any) -> Project:
    return loading.load(sources(directory, files, *names, **words))


def complaints(directory: Path, files: Mapping[str, str], *names: str, **words: Any) -> list[str]:
    """What is wrong, paths relative to the directory."""
    with pytest.raises(ComposeError) as caught:
        load(directory, files, *names, **words)
    return [str(problem).replace(f"{directory}/", "") for problem in caught.value.problems]


def test_simple_file(tmp_path: Path) -> None:
    project = load(tmp_path, {"c.yaml": "services: {web: {image: nginx, ports: ['80:80']}}"})
    assert (project.name, project.working_dir) == ("p", str(tmp_path))
    assert project.services["web"]["ports"][0]["published"] == "80"
    assert project.networks["default"]["name"] == "p_default"


def test_later_file_wins(tmp_path: Path) -> None:
    files = {
        "a.yaml": "services: {a: {image: x, command: [b]}}",
        "b.yaml": "services: {a: {image: y, privileged: true}}",
    }
    service = load(tmp_path, files, "a.yaml", "b.yaml").services["a"]
    assert (service["image"], service["command"], service["privileged"]) == ("y", ["b"], True)  # type: ignore[typeddict-item]


def test_documents_of_a_file_go_on_each_other(tmp_path: Path) -> None:
    project = load(tmp_path, {"a.yaml": "services: {a: {image: x}}\n---\nservices: {a: {image: y}}\n"})
    assert project.services["a"]["image"] == "y"


def test_variables(tmp_path: Path) -> None:
    files = {
        "a.yaml": "services: {a: {image: '${I}:$T$T', command: '$$x', environment: [COMPOSE_PROJECT_NAME]}}"
    }
    project = load(tmp_path, files, environment={"I": "busybox"})
    assert project.services["a"]["image"] == "busybox:"
    assert project.services["a"]["command"] == ["$x"]
    assert project.services["a"]["environment"] == {"COMPOSE_PROJECT_NAME": "p"}
    assert project.warnings == ['The "T" variable is not set. Defaulting to a blank string.']


def test_obsolete_version_is_told(tmp_path: Path) -> None:
    (warning,) = load(tmp_path, {"a.yaml": "version: '3'\nservices: {a: {image: x}}"}).warnings
    assert warning.startswith(f"{tmp_path}/a.yaml: the attribute `version` is obsolete, it will be ignored")


# --- everything that is wrong ---


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    files = {
        "a.yaml": "services:\n  web:\n    image: ${TAG?no tag}\n    prots: []\n  db:\n    extends: nobody\n",
        "b.yaml": "volumes: [a]\n",
    }
    assert complaints(tmp_path, files, "a.yaml", "b.yaml") == [
        "a.yaml:3:12: services.web.image: required variable TAG is missing a value: no tag",
        "a.yaml:4:5: services.web.prots: unknown key; did you mean ports?",
        'a.yaml:6:14: services.db.extends: there is no service "nobody" to extend',
        "b.yaml:1:10: volumes: expected a mapping, not a list",
    ]


def test_files_that_are_no_yaml_are_told_all(tmp_path: Path) -> None:
    assert complaints(tmp_path, {"a.yaml": "a: [b", "b.yaml": "a: 'b"}, "a.yaml", "b.yaml") == [
        "a.yaml:1:4: this [ is never closed, or a comma is missing in it",
        "b.yaml:1:4: this quote is never closed",
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_empty_file(tmp_path: Path, text: str) -> None:
    assert complaints(tmp_path, {"a.yaml": text}) == ["a.yaml: empty compose file"]


@pytest.mark.parametrize("text", ["- a", "a"])
def test_file_that_is_no_mapping(tmp_path: Path, text: str) -> None:
    assert complaints(tmp_path, {"a.yaml": text}) == [
        "a.yaml:1:1: a compose file is a mapping: services, networks, volumes and so on"
    ]


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such file"):
        load(tmp_path, {"a.yaml": ""}, "nope.yaml")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"a: \xff")
    with pytest.raises(MinirunError, match="this is no UTF-8 text"):
        load(tmp_path, {}, "a.yaml")


# --- extends ---


def test_extends_a_service_of_the_same_file(tmp_path: Path) -> None:
    text = """
    services:
      base: {image: x, environment: {A: 1, B: 2}, depends_on: [db]}
      middle: {extends: base, environment: {B: 3}}
      web: {extends: {service: middle}, environment: [C=4]}
      db: {image: db}
    """
    web = load(tmp_path, {"a.yaml": text}).services["web"]
    assert web["environment"] == {"A": "1", "B": "3", "C": "4"}
    assert list(web["depends_on"]) == ["db"]


def test_extends_a_service_of_another_file(tmp_path: Path) -> None:
    files = {
        "a.yaml": "services: {web: {extends: {file: sub/b.yaml, service: base}, image: w}}",
        "sub/b.yaml": "services: {base: {build: ., env_file: v.env, extends: {file: deep/c.yaml, service: c}}}",
        "sub/v.env": "A=1",
        "sub/deep/c.yaml": "services: {c: {volumes: ['.:/x']}}",
    }
    web = load(tmp_path, files).services["web"]
    assert web["build"]["context"] == f"{tmp_path}/sub"
    assert web["environment"] == {"A": "1"}
    assert web["volumes"][0]["source"] == f"{tmp_path}/sub/deep"


def test_several_services_extend_one_that_extends(tmp_path: Path) -> None:
    files = {
        "a.yaml": "services: {a: {extends: {file: b.yaml, service: b}}, c: {extends: {file: b.yaml, service: b}}}",
        "b.yaml": "services: {b: {extends: d, labels: {b: b}}, d: {image: d, labels: {d: d}}}",
    }
    services = load(tmp_path, files).services
    assert services["a"]["labels"] == services["c"]["labels"] == {"b": "b", "d": "d"}


def test_reset_takes_away_what_is_extended(tmp_path: Path) -> None:
    files = {
        "a.yaml": "services: {a: {image: x, ports: ['1']}, b: {extends: a, ports: !reset []}}",
        "b.yaml": "services: {a: {ports: !override ['2']}, b: {ports: ['3']}}",
    }
    services = load(tmp_path, files, "a.yaml", "b.yaml").services
    assert [services[name]["ports"][0]["target"] for name in "ab"] == [2, 3]


@pytest.mark.parametrize(
    ("service", "complaint"),
    [
        ("{extends: a}", "services.a.extends: extends goes in a circle: a -> a"),
        ("{extends: b}", "services.a.extends: extends goes in a circle: a -> b -> a"),
        ("{extends: {file: nope.yaml, service: a}}", "services.a.extends.file: nope.yaml: no such file"),
        (
            "{extends: {file: d.yaml, service: z}}",
            'services.a.extends: there is no service "z" in d.yaml to extend',
        ),
        ("{extends: {file: d.yaml}}", "expected the name of a service, or a mapping with service"),
        ("{extends: 3}", "services.a.extends: expected the name of a service"),
    ],
)
def test_bad_extends(tmp_path: Path, service: str, complaint: str) -> None:
    files = {"c.yaml": f"services:\n  a: {service}\n  b: {{extends: a}}\n", "d.yaml": "services: {}"}
    told = "\n".join(complaints(tmp_path, files))
    assert complaint in told
    assert told.startswith("c.yaml:")


def test_problem_of_an_extended_file_is_told_there(tmp_path: Path) -> None:
    files = {
        "a.yaml": "services: {a: {extends: {file: b.yaml, service: b}}}",
        "b.yaml": "services:\n  b:\n    imaeg: x\n",
    }
    assert complaints(tmp_path, files) == ["b.yaml:3:5: services.a.imaeg: unknown key; did you mean image?"]


# --- include ---

INCLUDED = {
    "sub/c.yaml": "services: {i: {image: 'i$V', build: ., environment: [V]}, w: {image: iw, ports: ['1']}}",
    "sub/.env": "V=sub",
}


def test_include(tmp_path: Path) -> None:
    files = {"a.yaml": "include: [sub/c.yaml]\nservices: {z: {image: 'z$V'}}", **INCLUDED}
    services = load(tmp_path, files).services
    assert (services["i"]["image"], services["i"]["environment"]) == ("isub", {"V": "sub"})
    assert services["i"]["build"]["context"] == f"{tmp_path}/sub"
    assert services["z"]["image"] == "z"


def test_what_the_including_file_says_wins(tmp_path: Path) -> None:
    files = {
        "a.yaml": "include: [sub/c.yaml]\nservices: {w: {image: w}, i: {build: !reset null}}",
        **INCLUDED,
    }
    services = load(tmp_path, files).services
    assert services["w"]["image"] == "w"
    assert services["w"]["ports"][0]["target"] == 1
    assert "build" not in services["i"]


def test_long_form_of_include(tmp_path: Path) -> None:
    include = "{path: [sub/c.yaml, d.yaml], env_file: e.env, project_directory: other}"
    files = {
        "a.yaml": f"include: [{include}]",
        "d.yaml": "services: {i: {image: 'd$V'}}",
        "e.env": "V=e",
        **INCLUDED,
    }
    service = load(tmp_path, files).services["i"]
    assert service["image"] == "de"
    assert service["build"]["context"] == f"{tmp_path}/other"


def test_file_that_comes_in_by_two_ways(tmp_path: Path) -> None:
    files = {
        "a.yaml": "include: [b.yaml, c.yaml]",
        "b.yaml": "include: [d.yaml]",
        "c.yaml": "include: [d.yaml]",
        "d.yaml": "services: {d: {image: d, post_start: [{command: x}]}}",
    }
    assert len(load(tmp_path, files).services["d"]["post_start"]) == 1


def test_variables_that_secrets_of_an_included_project_are(tmp_path: Path) -> None:
    text = "services: {i: {image: i, secrets: [s]}}\nsecrets: {s: {environment: V}}"
    project = load(tmp_path, {"a.yaml": "include: [sub/c.yaml]", **INCLUDED, "sub/c.yaml": text})
    assert project.environment[project.secrets["s"]["environment"]] == "sub"


@pytest.mark.parametrize(
    ("include", "complaint"),
    [
        ("[a.yaml]", "a.yaml:1:11: include[0]: include goes in a circle: a.yaml -> a.yaml"),
        ("[b.yaml]", "b.yaml:1:11: include[0]: include goes in a circle: a.yaml -> b.yaml -> a.yaml"),
        ("[nope.yaml]", "a.yaml:1:11: include[0]: nope.yaml: no such file"),
        ("[{path: c.yaml, env_file: no.env}]", "a.yaml:1:11: include[0]: couldn't find env file: no.env"),
        ("[{}]", "a.yaml:1:11: include[0]: expected a path, or a mapping with path"),
        ("b.yaml", 'a.yaml:1:10: include: expected a list, not "b.yaml"'),
        ("[d.yaml]", "d.yaml:1:11: services.d.ports: expected a list"),
    ],
)
def test_bad_include(tmp_path: Path, include: str, complaint: str) -> None:
    files = {
        "a.yaml": f"include: {include}",
        "b.yaml": "include: [a.yaml]",
        "c.yaml": "services: {}",
        "d.yaml": "services: {d: {image: d, ports: 3}}",
    }
    (told,) = complaints(tmp_path, files)
    assert told.startswith(complaint.partition("services.d")[0][:6])
    assert complaint.partition(": ")[2] in told


# --- profiles ---

PROFILES = """
services:
  always: {image: a}
  tool: {image: t, profiles: [tools], depends_on: [always], volumes: ["data:/x"]}
  other: {image: o, profiles: [others, tools]}
  last: {image: l, profiles: [last]}
volumes: {data: , unused: }
"""


@pytest.mark.parametrize(
    ("active", "environment", "on"),
    [
        ([], {}, ["always"]),
        (["tools"], {}, ["always", "other", "tool"]),
        ([], {"COMPOSE_PROFILES": "others,last"}, ["always", "last", "other"]),
        (["last"], {"COMPOSE_PROFILES": "others"}, ["always", "last"]),
        (["*"], {}, ["always", "last", "other", "tool"]),
    ],
)
def test_profiles(tmp_path: Path, active: list[str], environment: dict[str, str], on: list[str]) -> None:
    project = load(tmp_path, {"c.yaml": PROFILES}, profiles=active, environment=environment)
    assert list(project.services) == on
    assert sorted([*project.services, *project.disabled]) == ["always", "last", "other", "tool"]


def test_naming_a_service_turns_its_profiles_on(tmp_path: Path) -> None:
    project = loading.load(sources(tmp_path, {"c.yaml": PROFILES}), ["tool"])
    assert list(project.services) == ["always", "other", "tool"]
    assert project.profiles == ["tools"]
    assert list(project.volumes) == ["data"]


def test_selected_services_come_with_what_they_need(tmp_path: Path) -> None:
    project = load(tmp_path, {"c.yaml": PROFILES}, profiles=["*"])
    profiles.select(project, ["tool"])
    assert list(project.services) == ["always", "tool"]
    profiles.select(project, ["tool"], dependencies=False)
    assert list(project.services) == ["tool"]


def test_service_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such service: tol") as caught:
        loading.load(sources(tmp_path, {"c.yaml": PROFILES}), ["tol"])
    assert caught.value.hint == "did you mean tool?"


# --- files of variables ---


def environment_of(directory: Path, service: str, **words: Any) -> dict[str, str | None]:
    files = {
        "c.yaml": f"services: {{a: {{image: x, {service}}}}}",
        "1.env": "A=1\nB=1\nC=$B-$S-$O\nE\nS=file",
        "2.env": "B=2",
        "raw.env": "A='$B'",
    }
    return (
        load(directory, files, environment={"S": "shell", "E": "e"}, **words)
        .services["a"]
        .get("environment", {})
    )


def test_env_file(tmp_path: Path) -> None:
    found = environment_of(tmp_path, "env_file: [1.env, 2.env], environment: {O: own, A: own}")
    assert found == {"A": "own", "B": "2", "C": "1-shell-own", "E": "e", "O": "own", "S": "file"}


def test_raw_env_file(tmp_path: Path) -> None:
    assert environment_of(tmp_path, "env_file: [{path: raw.env, format: raw}]") == {"A": "'$B'"}


def test_env_file_that_is_not_required(tmp_path: Path) -> None:
    assert environment_of(tmp_path, "env_file: [{path: no.env, required: false}]") == {}


def test_env_files_that_are_missing_are_told_all(tmp_path: Path) -> None:
    text = "services:\n  a: {image: x, env_file: a.env}\n  b: {image: x, label_file: b.env}\n"
    assert complaints(tmp_path, {"c.yaml": text}) == [
        "c.yaml:2:17: services.a.env_file: a.env: no such file or directory",
        "c.yaml:3:17: services.b.label_file: b.env: no such file or directory",
    ]


@pytest.mark.parametrize(
    "text",
    [
        r'services: {a: {image: x, env_file: "n\0l"}}',
        r'services: {a: {image: x, label_file: "n\0l"}}',
        r'services: {a: {extends: {file: "n\0l", service: x}}}',
        r'include: ["n\0l"]',
    ],
)
def test_a_file_with_a_nul_in_its_name_is_not_there(tmp_path: Path, text: str) -> None:
    [complaint] = complaints(tmp_path, {"c.yaml": text})
    assert "no such file" in complaint


def test_label_file(tmp_path: Path) -> None:
    text = "services: {a: {image: x, label_file: l, labels: {A: own}}}"
    project = load(tmp_path, {"c.yaml": text, "l": "A=file\nB=file"})
    assert project.services["a"]["labels"] == {"A": "own", "B": "file"}


def test_large_file_is_read(tmp_path: Path) -> None:
    lines = [
        f"  s{number}: {{image: x, command: [sleep, '{number}'], labels: {{a: b}}}}" for number in range(2000)
    ]
    project = load(tmp_path, {"c.yaml": "\n".join(["services:", *lines])})
    assert len(project.services) == 2000


def test_what_no_service_uses_is_left_out(tmp_path: Path) -> None:
    text = "services: {a: {image: a}}\nvolumes: {v: }\nnetworks: {n: }\nconfigs: {c: {content: x}}"
    project = load(tmp_path, {"c.yaml": text})
    assert (project.volumes, list(project.networks), project.configs) == ({}, ["default"], {})
    project = loading.load(sources(tmp_path, {"c.yaml": text}), all_resources=True)
    assert [*project.volumes, *project.networks, *project.configs] == ["v", "default", "n", "c"]
