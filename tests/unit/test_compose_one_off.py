"""What `compose run` makes of a service, and what an attached `up` makes of the ends of its containers."""

from typing import Any

import pytest

from minirun.cli.compose import options
from minirun.cli.compose.attached_up import Ends
from minirun.compose import one_off
from minirun.compose.language.model import Project
from minirun.compose.one_off import Once
from minirun.errors import NotFoundError, UsageError

WEB: Any = {
    "name": "web",
    "image": "busybox",
    "command": ["usual"],
    "entrypoint": ["/init"],
    "container_name": "the-web",
    "restart": "always",
    "environment": {"A": "file", "B": "file"},
    "ports": [{"target": 80, "protocol": "tcp", "published": "8080"}],
    "cap_add": ["NET_ADMIN"],
    "depends_on": {},
}


def demo() -> Project:
    project = Project("demo", "/srv/demo")
    project.services["web"] = WEB.copy()
    project.environment = {"HERE": "yes"}
    return project


def changed(*command: str, **wish: Any) -> Any:
    return one_off.changed(demo(), Once("web", command, **wish))


def test_without_a_wish_it_is_the_service_but_once_and_without_ports() -> None:
    made = changed()
    assert (made["command"], made["entrypoint"], made["ports"]) == (["usual"], ["/init"], [])
    assert not {"container_name", "restart"} & set(made)


def test_a_command_of_ones_own() -> None:
    assert changed("sh", "-c", "ls")["command"] == ["sh", "-c", "ls"]


def test_an_entrypoint_takes_the_command_away_and_is_read_as_a_shell_would() -> None:
    made = changed(entrypoint="sh -c 'a b'")
    assert (made["entrypoint"], made["command"]) == (["sh", "-c", "a b"], [])


def test_variables_are_over_those_of_the_file() -> None:
    assert changed(environment=["A=", "HERE", "NOWHERE"])["environment"] == {
        "A": "",
        "B": "file",
        "HERE": "yes",
    }


def test_service_ports_are_those_of_the_file_and_published_ones_are_others() -> None:
    assert changed(service_ports=True)["ports"] == WEB["ports"]
    assert changed(publish=["127.0.0.1:81:80/udp"])["ports"] == [
        {"host_ip": "127.0.0.1", "target": 80, "published": "81", "protocol": "udp"}
    ]


def test_a_capability_that_is_dropped_is_not_added_any_more() -> None:
    made = changed(cap_drop=["NET_ADMIN"], cap_add=["SYS_TIME"])
    assert (made["cap_add"], made["cap_drop"]) == (["SYS_TIME"], ["NET_ADMIN"])


def test_a_path_is_relative_to_the_project() -> None:
    [mount] = changed(volumes=["./src:/app:ro"])["volumes"]
    assert (mount["source"], mount["read_only"]) == ("/srv/demo/src", True)


def test_the_service_of_the_file_stays_as_it_is() -> None:
    project = demo()
    one_off.changed(project, Once("web", ["ls"], environment=["A=1"], cap_drop=["NET_ADMIN"]))
    assert project.services["web"] == WEB


def test_an_entrypoint_with_an_open_quote() -> None:
    with pytest.raises(UsageError, match="invalid --entrypoint"):
        changed(entrypoint="sh 'x")


# ---- ends -----------------------------------------------------------------------------------------------------


def ends(**words: Any) -> Ends:
    return Ends(
        {"abort_on_container_exit": False, "abort_on_container_failure": False, "exit_code_from": ""} | words
    )


def test_an_end_brings_nothing_about_by_itself() -> None:
    found = ends()
    assert (found.ended("web", 3), found.code) == (False, 0)


def test_only_the_first_end_aborts_and_has_the_code() -> None:
    found = ends(abort_on_container_exit=True)
    assert [found.ended("job", 0), found.ended("web", 3)] == [True, False]
    assert found.code == 0


def test_a_failure_aborts_and_a_good_end_does_not() -> None:
    found = ends(abort_on_container_failure=True)
    assert [found.ended("job", 0), found.ended("web", 3)] == [False, True]
    assert found.code == 3


def test_the_code_is_that_of_the_service_that_was_named() -> None:
    found = ends(abort_on_container_exit=True, exit_code_from="web")
    assert [found.ended("job", 5), found.ended("web", 3), found.ended("web", 4)] == [True, False, False]
    assert found.code == 3


# ---- words ----------------------------------------------------------------------------------------------------


def test_scale_reads_pairs() -> None:
    assert options.scale(demo(), ["web=3"]) == {"web": 3}


@pytest.mark.parametrize("word", ["web", "web=", "web=x", "web=-1", "web=1.5"])
def test_a_scale_that_is_none(word: str) -> None:
    with pytest.raises(UsageError, match="invalid scale"):
        options.scale(demo(), [word])


def test_a_scale_of_a_service_that_is_not_there() -> None:
    with pytest.raises(NotFoundError, match="no such service: db"):
        options.scale(demo(), ["db=2"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"build": True, "no_build": True}, "--build and --no-build are incompatible"),
        (
            {"force_recreate": True, "no_recreate": True},
            "--force-recreate and --no-recreate are incompatible",
        ),
        (
            {"no_recreate": True, "renew_anon_volumes": True},
            "--no-recreate and --renew-anon-volumes are incompatible",
        ),
        ({"no_build": True, "watch": True}, "--no-build and --watch are incompatible"),
    ],
)
def test_options_that_take_each_other_back(words: dict[str, bool], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        options.check(words)
