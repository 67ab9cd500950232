"""keys.py and what reads it: which files are in the language, and what is said of those that are not."""

import pytest

from minirun.compose.language import checking, keys, yaml_nodes


def problems(text: str) -> list[str]:
    [tree] = yaml_nodes.read(text, "compose.yaml")
    keys.spell_out(tree)
    return [str(problem) for problem in checking.check(tree)]


def service(text: str) -> list[str]:
    """The problems of one service, `{image: i, ...}`, without the place."""
    found = problems(f"services: {{web: {{image: i, {text}}}}}")
    return [problem.split(": services.web.", 1)[1] for problem in found]


def test_an_unknown_key_is_told_with_its_place_and_a_likely_one() -> None:
    text = "services:\n  web:\n    image: i\n    prots: [80]\n"
    assert problems(text) == ["compose.yaml:4:5: services.web.prots: unknown key; did you mean ports?"]


def test_all_problems_are_told_at_once() -> None:
    text = "services:\n  web:\n    image: 3\n    tty: maybe\n    ports: [x]\nvolume: {}\n"
    lines = [problem.split(":")[1] for problem in problems(text)]
    assert lines == ["3", "4", "5", "6"]


def test_a_key_of_a_service_at_the_top_is_told_where_it_belongs() -> None:
    [problem] = problems("image: nginx\n")
    assert "image belongs to a service" in problem


def test_extensions_are_allowed_wherever_there_are_keys() -> None:
    assert problems("x-a: 1\nservices: {web: {image: i, x-b: {c: [1]}, build: {context: ., x-d: }}}") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("user: 1000", 'user: expected text, not 1000; put it in quotes: "1000"'),
        ("privileged: 1", "privileged: expected true or false, not 1"),
        ("scale: many", 'scale: expected a whole number, not "many"'),
        ("cpus: half", 'cpus: expected a number, not "half"'),
        ("mem_limit: 1 elephant", 'mem_limit: expected a size such as 64m or 1.5g, not "1 elephant"'),
        ("stop_grace_period: 90", "stop_grace_period: expected a duration such as 90s or 1m30s, not 90"),
        ("stop_grace_period: soon", 'stop_grace_period: expected a duration such as 90s or 1m30s, not "soon"'),
        ("ports: {a: 1}", "ports: expected a list, not a mapping"),
        ('ports: ["80:70000"]', 'ports[0]: invalid port "70000" of the container in "80:70000"'),
        ('volumes: ["/a:"]', 'volumes[0]: invalid mount "/a:": expected TARGET, SOURCE:TARGET or '
         'SOURCE:TARGET:OPTIONS'),
        ("environment: [1]", "environment[0]: expected NAME=value, not 1"),
        ("command: 3", 'command: expected text or a list, not 3; put it in quotes: "3"'),
        ("command: 'a \"b'", 'command: expected a command, and its quotes do not match: "a "b"'),
        ("depends_on: {db: {condition: ready}}", 'depends_on.db.condition: expected service_started, service_healthy '
         'or service_completed_successfully, not "ready"'),
        ("depends_on: {db: {}}", "depends_on.db: condition is missing"),
        ("secrets: [{source: s, uid: nobody}]", 'secrets[0].uid: expected a number in quotes such as "1000", '
         'not "nobody"'),
        ("secrets: [{source: s, uid: 1000}]", 'secrets[0].uid: expected a number in quotes such as "1000", not 1000; '
         'put it in quotes: "1000"'),
        ("configs: [{source: c, gid: '-1'}]", 'configs[0].gid: expected a number in quotes such as "1000", not "-1"'),
        ("configs: [{source: c, gid: '4294967295'}]", 'configs[0].gid: expected a number in quotes such as "1000", '
         'not "4294967295"'),
        ("secrets: [{source: s, mode: -1}]", "secrets[0].mode: expected permission bits such as 0440, not -1"),
        ("secrets: [{source: s, mode: 0o10000}]", "secrets[0].mode: expected permission bits such as 0440, not 4096"),
        ("configs: [{source: c, mode: '0x1'}]", 'configs[0].mode: expected permission bits such as 0440, not "0x1"'),
        ("configs: [{source: c, mode: ''}]", 'configs[0].mode: expected permission bits such as 0440, not ""'),
        ("volumes: [{type: tmpfs, target: /t, tmpfs: {mode: -1}}]", 'volumes[0].tmpfs.mode: expected permission bits '
         'such as 0700, not -1'),
        ("networks: {'a b': }", "networks.a b: a name has letters, digits and . _ - only"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_in_one_sentence(text: str, said: str) -> None:
    assert service(text) == [said]


@pytest.mark.parametrize(
    "text",
    [
        "ports: [80, '80:80', '127.0.0.1::80', '[::1]:80:80/udp', {target: 80, published: 8000-8010}]",
        "volumes: [data:/d, ./x:/y:ro, /anonymous, {type: tmpfs, target: /t, tmpfs: {size: 10m}}]",
        "environment: [A=1, B]",
        "environment: {A: 1, B: , C: true}",
        "depends_on: [db]",
        "networks: [front]",
        "privileged: 'yes'",
        "cpus: '0.5'",
        "healthcheck: {test: curl localhost, interval: 1m30s, retries: 3}",
        "ulimits: {nofile: 5, nproc: {soft: 1, hard: 2}}",
        "build: .",
        "command: ",
        "env_file: a.env",
        "env_file: [a.env, {path: b.env, required: false}]",
        "gpus: all",
        "secrets: [{source: s, uid: '1000', gid: '', mode: 0440}, {source: t, mode: '7777'}]",
    ],
)
def test_each_form_of_a_value_is_right(text: str) -> None:
    assert service(text) == []
