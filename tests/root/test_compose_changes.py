"""`compose up` again and again: what has changed is made anew, and nothing else."""

import signal
import subprocess
from collections.abc import Callable

import pytest

from tests.compose import Compose

Make = Callable[..., Compose]

FILE = """
services:
  web:
    image: busybox
    command: sleep 1000
    init: true
    environment: {DEBUG: "${DEBUG:-0}"}
    volumes: [/scratch]
    depends_on: [db]
  db:
    image: busybox
    command: sleep 1000
    init: true
"""


@pytest.fixture
def demo(compose: Make) -> Compose:
    made = compose(FILE)
    made("up", "-d", check=True)
    return made


def volume_of(demo: Compose, name: str) -> str:
    """The name of the container's only volume."""
    (mount,) = demo.containers()[name]["Mounts"]
    return str(mount["Name"])


def test_a_second_up_does_nothing(demo: Compose) -> None:
    before = demo.containers()
    again = demo("up", "-d", check=True)
    assert {name: one["State"] for name, one in demo.containers().items()} == {
        name: one["State"] for name, one in before.items()
    }
    assert "Created" not in again.stderr
    assert "Started" not in again.stderr


def test_only_the_service_that_has_changed_is_made_anew(demo: Compose) -> None:
    before = demo.ids()
    demo("up", "-d", check=True, env={"DEBUG": "1"})
    assert demo.ids()["db-1"] == before["db-1"]
    assert demo.ids()["web-1"] != before["web-1"]
    assert "DEBUG=1" in demo.containers()["web-1"]["Config"]["Env"]


def test_an_anonymous_volume_goes_over_to_the_new_container(demo: Compose) -> None:
    demo("exec", "-T", "web", "sh", "-c", "echo kept >/scratch/f", check=True)
    demo("up", "-d", check=True, env={"DEBUG": "1"})
    assert demo("exec", "-T", "web", "cat", "/scratch/f").stdout == "kept\n"


def test_with_renew_anon_volumes_it_is_a_new_one_and_the_old_one_is_gone(demo: Compose) -> None:
    demo("exec", "-T", "web", "touch", "/scratch/f", check=True)
    before = volume_of(demo, "web-1")
    demo("up", "-d", "-V", check=True, env={"DEBUG": "1"})
    assert demo("exec", "-T", "web", "ls", "/scratch").stdout == ""
    assert before not in demo.minirun("volume", "ls", "-q").stdout.split()
    assert volume_of(demo, "web-1") in demo.minirun("volume", "ls", "-q").stdout.split()


def test_what_cannot_be_made_leaves_the_old_one_running(demo: Compose) -> None:
    before = demo.ids()
    demo.write(FILE.replace("command: sleep 1000", "command: sleep 1000\n    cap_add: [NO_SUCH]", 1))
    failed = demo("up", "-d")
    assert failed.code == 1
    assert "NO_SUCH" in failed.stderr
    assert demo.ids() == before
    assert demo.states()["web-1"] == "running"


def test_a_network_that_has_changed_is_made_anew_with_all_that_is_on_it(demo: Compose) -> None:
    before = demo.ids()
    demo.write(FILE + "networks: {default: {internal: true}}\n")
    demo("up", "-d", check=True)
    assert set(demo.states().values()) == {"running"}
    assert not set(before.values()) & set(demo.ids().values())
    assert demo.minirun("network", "inspect", "demo_default", "-f", "{{.Internal}}").stdout == "true\n"


def test_explain_tells_what_up_would_do_and_does_nothing(demo: Compose) -> None:
    before = demo.ids()
    told = demo("explain", check=True, env={"DEBUG": "1"})
    assert told.stdout.splitlines() == [
        "container demo-web-1  is made anew and is started, once db runs: environment DEBUG 0 -> 1",
        "demo-db-1: stays as it is",
    ]
    assert demo.ids() == before


def test_down_leaves_nothing_but_named_volumes(compose: Make) -> None:
    demo = compose(FILE)
    demo.write(FILE.replace("[/scratch]", "[/scratch, 'data:/data']") + "volumes: {data: {}}\n")
    demo("up", "-d", check=True)
    demo("down", check=True)
    assert demo.containers() == {}
    assert demo.objects("network") == []
    assert demo.objects("volume") == ["data"]
    demo("down", "-v", check=True)
    assert demo.objects("volume") == []


def test_ctrl_c_ends_a_stop_that_waits(compose: Make) -> None:
    demo = compose(
        "services: {web: {image: busybox, stop_grace_period: 60s, command: sh -c 'trap \"\" TERM; sleep 1000'}}"
    )
    demo("up", "-d", check=True)
    with demo.spawn("stop", stderr=subprocess.PIPE) as stopping:
        assert stopping.stderr
        assert b"Stopping" in stopping.stderr.readline()
        stopping.send_signal(signal.SIGINT)
        assert stopping.wait(10) == 130
    assert demo.states() == {"web-1": "running"}
