"""`--link`: what one container calls another, and nobody else does."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests import containers
from tests.containers import Container
from tests.netlab import ask
from tests.support import Minirun

Start = Callable[..., Container]


@pytest.fixture
def start(minirun: Minirun) -> Iterator[Start]:
    """start("one", "--link", ...) runs a container on the network `town`."""
    minirun("network", "create", "town", check=True)
    yield lambda name, *words: containers.start(
        minirun, "--name", name, *words, "busybox", "sleep", "1000", network="town"
    )
    minirun.remove_all()
    minirun("network", "rm", "-f", "town")


def address(container: Container) -> list[str]:
    return [container.inspect("{{.NetworkSettings.Networks.town.IPAddress}}")]


def test_the_alias_is_for_who_said_it_alone(start: Start) -> None:
    one, two = start("one"), start("two", "--link", "one:db", "--link", "one")
    assert ask(two, "db") == ask(two, "DB") == ask(two, "one") == address(one)
    assert ask(one, "db") == []


def test_it_goes_before_a_name_that_somebody_has(start: Start) -> None:
    one, two = start("one"), start("two")
    three = start("three", "--link", "two:one")
    assert ask(three, "one") == address(two)
    assert ask(two, "one") == address(one)


def test_it_may_be_another_containers_alias_and_who_has_that_may_come_later(start: Start) -> None:
    two = start("two", "--link", "database:db")
    assert ask(two, "db") == []
    one = start("one", "--network-alias", "database")
    assert ask(two, "db") == address(one)


def test_a_network_that_is_connected_later_may_have_one(minirun: Minirun, start: Start) -> None:
    one = start("one")
    two = containers.start(minirun, "--name", "two", "busybox", "sleep", "1000", network="bridge")
    minirun("network", "connect", "--link", "one:db", "town", "two", check=True)
    assert ask(two, "db", server=one.inspect("{{.NetworkSettings.Networks.town.Gateway}}")) == address(one)
    assert two.inspect("{{json .NetworkSettings.Networks.town.Links}}") == '["one:db"]'


def test_on_the_default_bridge_there_are_lines_of_hosts_and_variables(minirun: Minirun) -> None:
    """From before there were networks; an exec has the variables, too."""
    words = ("-e", "A=1", "--expose", "53/udp", "--expose", "5432", "-h", "dbhost")
    db = containers.start(minirun, "--name", "db", *words, "busybox", "sleep", "1000", network="bridge")
    where = db.inspect("{{.NetworkSettings.IPAddress}}")
    app = containers.start(
        minirun, "--name", "app", "--link", "db:my-db", "busybox", "sleep", "1000", network="bridge"
    )
    assert f"{where}\tmy-db dbhost db\n" in app.exec("cat", "/etc/hosts").stdout
    found = app.exec("env").stdout.splitlines()
    wanted = {
        f"MY_DB_PORT=udp://{where}:53",
        "MY_DB_PORT_53_UDP_PROTO=udp",
        "MY_DB_NAME=/app/my-db",
        "MY_DB_ENV_A=1",
    }
    assert wanted <= set(found)
    assert app.exec("ping", "-c1", "my-db").code == 0
    assert app.inspect("{{json .HostConfig.Links}}") == '["/db:/app/my-db"]'
    minirun("stop", "-t", "0", "db", "app", check=True)
    refused = minirun("start", "app")
    assert (refused.code, "Cannot link to a non running container: /db AS /app/my-db" in refused.stderr) == (
        1,
        True,
    )
    minirun("rm", "--link", "app/my-db", check=True)
    minirun("start", "app", check=True)
    assert "my-db" not in app.exec("cat", "/etc/hosts").stdout
    assert app.inspect("{{json .HostConfig.Links}}") == "null"


def test_a_link_to_nobody_is_refused_before_anything_is_made(minirun: Minirun) -> None:
    result = minirun("create", "--link", "nosuch:x", "busybox")
    assert result.code == 125
    assert "could not get container for nosuch: No such container: nosuch" in result.stderr
    assert minirun("ps", "-aq").stdout == ""


@pytest.mark.parametrize("network", ["host", "none"])
def test_where_nobody_is_asked_for_names_it_is_refused(minirun: Minirun, network: str) -> None:
    result = minirun("run", "--rm", "--network", network, "--link", "one:db", "busybox", "true")
    assert result.code == 125
    assert f"conflicting options: {network} type networking can't be used with links" in result.stderr


@pytest.mark.parametrize("text", ["", ":db", "one:", "one:a:b", "one:a b"])
def test_what_is_no_link_is_quoted(minirun: Minirun, text: str) -> None:
    result = minirun("create", "--network", "town", "--link", text, "busybox")
    assert (result.code, "invalid --" in result.stderr) == (125, True)


def test_a_link_is_removed_and_the_container_stays(minirun: Minirun, start: Start) -> None:
    one, two = start("one"), start("two", "--link", "one:db", "--link", "one:cache")
    assert minirun("rm", "-l", "/two/db", check=True).stdout == "/two/db\n"
    assert (ask(two, "db"), ask(two, "cache")) == ([], address(one))
    assert two.inspect("{{json .NetworkSettings.Networks.town.Links}}") == '["one:cache"]'
    again = minirun("rm", "--link", "two/db", "two")
    assert again.code == 1
    assert "container two has no link db" in again.stderr
    assert '"two" is no link' in again.stderr
