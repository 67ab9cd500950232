"""`compose why` and `compose graph` with real containers."""

from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from tests.compose import Compose

Make = Callable[..., Compose]

FILE = """
services:
  web:
    image: busybox
    command: httpd -f -p {listening}
    init: true
    ports: ["{published}:80"]
    depends_on: [db]
  db:
    image: busybox
    command: sh -c "echo no such table; sleep 1000"
    init: true
    healthcheck: {{test: "{test}", interval: 200ms, retries: 1, timeout: 5s}}
"""
PORT = 18231


def file(test: str = "true", *, needs_health: bool = False, listening: int = 80) -> str:
    text = FILE.format(test=test, listening=listening, published=PORT)
    return text.replace("[db]", "{db: {condition: service_healthy}}") if needs_health else text


@pytest.fixture
def demo(compose: Make) -> Compose:
    made = compose(file())
    made("up", "-d", "--wait", check=True)
    return made


def test_of_a_service_that_is_well_the_names_and_ports_were_tried(demo: Compose) -> None:
    result = demo("why", "web")
    assert result.stdout == f"✓ web  running; finds db; port {PORT} is answered\nAll is well.\n"
    assert result.code == 0


def test_after_an_up_that_failed_the_way_leads_to_the_probe_and_the_log(compose: Make) -> None:
    made = compose(file("echo refused; exit 1", needs_health=True))
    assert made("up", "-d").code == 1
    result = made("why", "web")
    assert result.code == 1
    assert "– web   created: waits, for db has not become healthy" in result.stdout
    assert "probe: exited 1: refused" in result.stdout
    assert "log: no such table" in result.stdout
    assert (
        "\ndb is unhealthy: its probe `echo refused; exit 1` exited 1: refused; web needs it.\n"
        in result.stdout
    )


def test_a_port_at_which_nothing_listens_is_the_cause(compose: Make) -> None:
    made = compose(file(listening=81))
    made("up", "-d", check=True)
    result = made("why", "web")
    assert f"web runs, but nobody answers at its port {PORT}: nothing in" in result.stdout
    assert "listens at 80/tcp" in result.stdout


def test_a_port_that_another_has_is_the_cause(compose: Make, demo: Compose) -> None:
    made = compose(file(), "other")
    assert made("up", "-d").code == 1
    found = made("why", "web").stdout
    assert f"web could not be started: Bind for 0.0.0.0:{PORT} failed: port is already allocated" in found


def test_a_name_that_leads_nowhere_is_the_cause(demo: Compose) -> None:
    demo.minirun(
        "network", "disconnect", f"{demo.directory.name}_default", f"{demo.directory.name}-db-1", check=True
    )
    assert "web runs and does not find db" in demo("why", "web").stdout


def test_the_picture_shows_how_services_are(demo: Compose) -> None:
    demo("kill", "db", check=True)
    demo("graph", "-o", "demo.svg", check=True)
    root = ElementTree.parse(demo.directory / "demo.svg").getroot()
    states = {
        one.get("class", "").split()[1] for one in root.iter() if one.get("class", "").startswith("service ")
    }
    assert states == {"well", "bad"}


def test_the_text_shows_how_services_are(demo: Compose) -> None:
    lines = demo("graph", check=True).stdout.splitlines()
    assert lines[1].split() == ["●", "db", "busybox", "running,", "healthy"]
