"""Short forms, defaults and what is implied: the one form of a project."""

from typing import Any

import pytest

from minirun.compose.language import canonical, keys, mounts, ports, words, yaml_nodes


def made(text: str, environment: dict[str, str] | None = None) -> dict[str, Any]:
    [tree] = yaml_nodes.read(text, "compose.yaml")
    keys.spell_out(tree)
    return canonical.make(tree, canonical.Where("demo", "/project", environment or {}))


def service(text: str, **environment: str) -> dict[str, Any]:
    """One service `{image: i, ...}`."""
    found: dict[str, Any] = made(f"services: {{web: {{image: i, {text}}}}}", environment)["services"]["web"]
    return found


@pytest.mark.parametrize(
    ("word", "first", "count"),
    [
        ("80", {"target": 80}, 1),
        ("80-82/udp", {"target": 80, "protocol": "udp"}, 3),
        ("8000:80", {"target": 80, "published": "8000"}, 1),
        ("8000-8001:80-81", {"target": 80, "published": "8000"}, 2),
        ("8000-8010:80", {"target": 80, "published": "8000-8010"}, 1),
        ("127.0.0.1::80", {"target": 80, "host_ip": "127.0.0.1"}, 1),
        ("[::1]:81:80", {"target": 80, "published": "81", "host_ip": "::1"}, 1),
        ("::1:81:80", {"target": 80, "published": "81", "host_ip": "::1"}, 1),
    ],
)
def test_a_port_spelt_out(word: str, first: dict[str, Any], count: int) -> None:
    found = ports.spelt(word)
    assert (found[0], len(found)) == (first, count)


@pytest.mark.parametrize(
    "word", ["", "a:80", "80:0", "80-79", "1-2:3-5", "localhost:80:80", "80/icmp", "70000"]
)
def test_what_is_no_port(word: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        ports.spelt(word)


@pytest.mark.parametrize(
    ("word", "kind", "source"),
    [
        ("data:/d", "volume", "data"),
        ("./a:/d", "bind", "./a"),
        ("/a:/d:ro", "bind", "/a"),
        ("~/a:/d", "bind", "~/a"),
        ("v:/d", "volume", "v"),
        ("${DIR:-/srv}:/d", "volume", "${DIR:-/srv}"),
    ],
)
def test_a_mount_spelt_out(word: str, kind: str, source: str) -> None:
    mount = mounts.spelt(word)
    assert (mount["type"], mount["source"], mount["target"]) == (kind, source, "/d")


def test_options_of_a_mount() -> None:
    mount = mounts.spelt("/a:/b:ro,Z,rshared,unheard")
    assert mount["read_only"]
    assert mount["bind"] == {"create_host_path": True, "selinux": "Z", "propagation": "rshared"}


@pytest.mark.parametrize(
    ("word", "duration"),
    [
        ("90s", "1m30s"),
        ("1.5h", "1h30m0s"),
        ("2w", "336h0m0s"),
        ("100us", "100µs"),
        ("0s", "0s"),
        ("-1s", "-1s"),
    ],
)
def test_durations_have_one_form(word: str, duration: str) -> None:
    assert words.duration(word) == duration


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("a  b\tc", ["a", "b", "c"]),
        ("a 'b c' \"d e\"", ["a", "b c", "d e"]),
        (r"a\ b \"c", ["a b", '"c']),
        ("a '' b", ["a", "", "b"]),
        ("a $(b c) `d e`", ["a", "$(b c)", "`d e`"]),
        ("a | b", ["a"]),
        ("", []),
    ],
)
def test_a_command_is_split_into_words(line: str, found: list[str]) -> None:
    assert words.command(line) == found


def test_a_service_is_on_the_default_network_unless_it_says_another() -> None:
    assert service("")["networks"] == {"default": None}
    assert "networks" not in service("network_mode: host")


def test_names_have_the_project_before_them() -> None:
    text = "services: {}\nvolumes: {a: , b: {name: own}, c: {external: true}}"
    assert [volume["name"] for volume in made(text)["volumes"].values()] == ["demo_a", "own", "c"]


def test_paths_are_those_of_the_project() -> None:
    mounts = service("volumes: [./a:/a, ../b:/b, /c:/c]")["volumes"]
    assert [mount["source"] for mount in mounts] == ["/project/a", "/b", "/c"]


def test_a_build_has_a_context_and_a_dockerfile() -> None:
    assert service("build: {target: t}")["build"] == {
        "context": "/project",
        "dockerfile": "Dockerfile",
        "target": "t",
    }
    assert service("build: https://example.com/a.git")["build"]["context"] == "https://example.com/a.git"


def test_what_is_linked_is_depended_on() -> None:
    needed = service('links: ["db:x"], volumes_from: [files], pid: "service:log"')["depends_on"]
    assert {name: needed[name].get("restart", False) for name in needed} == {
        "db": True,
        "files": False,
        "log": True,
    }


def test_a_variable_without_a_value_is_taken_from_outside() -> None:
    environment = service("environment: [A, B, C=c]", A="a")["environment"]
    assert environment == {"A": "a", "B": None, "C": "c"}


def test_text_stands_for_numbers_and_flags() -> None:
    web = service("cpus: '0.5', tty: 'on', scale: '2', mem_limit: 1.5g, pids_limit: 10.0")
    assert (web["cpus"], web["tty"], web["scale"], web["mem_limit"]) == (0.5, True, 2, "1610612736")


def test_what_is_not_set_is_not_there() -> None:
    web = service("privileged: false, command: , dns: [], init: false, entrypoint: []")
    assert [key for key in ("privileged", "command", "dns") if key in web] == []
    assert (web["init"], web["entrypoint"]) == (False, [])


def test_what_runs_before_the_start_is_as_the_service() -> None:
    [hook] = service(
        "user: u, environment: [A=1], volumes: [/v], pre_start: [{command: ls, environment: [B=2]}]"
    )["pre_start"]
    assert hook["environment"] == {"A": "1", "B": "2"}
    assert (hook["image"], hook["user"], "volumes" in hook) == ("i", "u", False)


def test_hosts_are_a_list() -> None:
    hosts = service('extra_hosts: ["a:1.2.3.4", "b=::1", "c:[::2]"]')["extra_hosts"]
    assert hosts == ["a=1.2.3.4", "b=::1", "c=::2"]
