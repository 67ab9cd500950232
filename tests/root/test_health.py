"""Health checks of real containers, as inspect, ps and events show them."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import image_tars
from tests.containers import Container, eventually
from tests.support import Minirun

Start = Callable[..., Container]
FAST = ("--health-interval", "100ms", "--health-retries", "2")


def check(command: str, *words: str) -> tuple[str, ...]:
    """The words of a container that does nothing but be checked."""
    return ("--health-cmd", command, *FAST, *words, "busybox", "sleep", "1000")


def health(container: Container) -> dict[str, Any]:
    return json.loads(container.inspect("{{json .State.Health}}"))


def await_status(container: Container, wanted: str) -> dict[str, Any]:
    eventually(lambda: health(container)["Status"] == wanted)
    return health(container)


def await_result(container: Container) -> dict[str, Any]:
    """The first result there is."""
    return eventually(lambda: health(container)["Log"])[0]


def ps_status(container: Container) -> str:
    return container.minirun("ps", "--filter", f"id={container.id}", "--format", "{{.Status}}").stdout


def health_events(container: Container) -> list[str]:
    lines = (container.minirun.root / "events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    mine = [event["Action"] for event in events if event["Actor"]["ID"] == container.id]
    return [action.partition(": ")[2] for action in mine if action.startswith("health_status")]


def test_a_container_without_a_check_has_no_health(start: Start):
    assert '"Health"' not in start("busybox", "sleep", "1000").inspect("{{json .State}}")


def test_it_starts_then_is_healthy(start: Start):
    container = start(*check("exit 0", "--health-interval", "1s"))
    assert health(container)["Status"] == "starting"
    assert "(health: starting)" in ps_status(container)
    assert await_status(container, "healthy")["FailingStreak"] == 0
    assert "(healthy)" in ps_status(container)
    assert health_events(container) == ["healthy"]


def test_failures_make_it_unhealthy_and_a_success_well_again(start: Start):
    container = start(*check("test -e /well"))
    assert await_status(container, "unhealthy")["FailingStreak"] >= 2
    assert "(unhealthy)" in ps_status(container)
    container.exec("touch", "/well")
    assert await_status(container, "healthy")["FailingStreak"] == 0
    assert health_events(container) == ["unhealthy", "healthy"]


def test_a_result_says_when_and_what(start: Start):
    result = await_result(start(*check("echo out; echo err >&2; exit 3")))
    assert (result["ExitCode"], result["Output"]) == (3, "out\nerr\n")
    assert result["Start"] < result["End"]


def test_the_probe_sees_the_container(start: Start):
    container = start("--hostname", "inside", "-e", "WHO=me", *check("hostname; echo $WHO; id -u", "-u", "7"))
    assert await_result(container)["Output"] == "inside\nme\n7\n"


def test_a_probe_that_takes_too_long_is_killed(start: Start):
    container = start(*check("sleep 1234", "--health-timeout", "200ms"))
    result = await_result(container)
    assert (result["ExitCode"], result["Output"]) == (-1, "Health check exceeded timeout (200ms)")
    eventually(lambda: container.exec("ps").stdout.count("sleep 1234") <= 1)


def test_failures_are_forgiven_while_it_starts(start: Start):
    container = start(*check("exit 1", "--health-start-period", "60s", "--health-start-interval", "100ms"))
    eventually(lambda: len(health(container)["Log"]) >= 3)
    assert (health(container)["Status"], health(container)["FailingStreak"]) == ("starting", 0)


def test_a_probe_that_is_not_there_has_failed(start: Start):
    container = start(*check("exit 0", "--user", "nobody"))
    assert await_result(container)["ExitCode"] == 0
    broken = start("--health-cmd", "/nowhere", *FAST, "busybox", "sleep", "1000")
    assert await_result(broken)["ExitCode"] == 127


def test_no_probe_in_a_paused_container(start: Start):
    container = start(*check("date +%N >>/probes"))
    await_status(container, "healthy")
    container.minirun("pause", container.id, check=True)
    probes = container.proc("root/probes")
    before = probes.read_text()
    time.sleep(0.5)
    assert probes.read_text() == before
    container.minirun("unpause", container.id, check=True)
    eventually(lambda: probes.read_text() != before)
    await_status(container, "healthy")


def test_a_stopped_container_is_not_healthy(start: Start):
    container = start(*check("exit 0"))
    await_status(container, "healthy")
    container.minirun("stop", "-t", "0", container.id, check=True)
    assert health(container)["Status"] == "unhealthy"


def test_a_container_that_starts_again_is_starting(start: Start):
    container = start(*check("exit 0", "--health-interval", "1s"))
    await_status(container, "healthy")
    container.minirun("restart", "-t", "0", container.id, check=True)
    assert health(container)["Status"] == "starting"
    await_status(container, "healthy")


def test_a_probe_under_way_does_not_hold_up_the_end(start: Start):
    container = start(*check("echo x >/begun; sleep 1234"))
    eventually(lambda: container.proc("root/begun").exists())
    begin = time.monotonic()
    container.minirun("stop", "-t", "0", container.id, check=True)
    assert time.monotonic() - begin < 3


@pytest.fixture
def checked_image(minirun: Minirun, tmp_path: Path) -> str:
    """busybox with HEALTHCHECK --interval=100ms CMD test -e /bin/sh, as docker save would write it."""
    id = minirun("create", "--network", "none", "busybox", check=True).stdout.strip()
    minirun("export", "-o", tmp_path / "layer", id, check=True)
    layer = (tmp_path / "layer").read_bytes()
    check = {"Test": ["CMD", "test", "-e", "/bin/sh"], "Interval": 10**8}
    config = image_tars.config_of([layer], Cmd=["sleep", "1000"], Healthcheck=check)
    manifest = json.dumps(
        [{"Config": "config", "RepoTags": ["checked:latest"], "Layers": ["layer"]}]
    ).encode()
    members = {"layer": layer, "config": config, "manifest.json": manifest}
    archive = tmp_path / "archive"
    archive.write_bytes(image_tars.tar(*(image_tars.entry(*member) for member in members.items())))
    minirun("load", "-i", archive, check=True)
    return "checked"


def test_an_image_brings_its_check(start: Start, checked_image: str):
    container = start(checked_image)
    await_status(container, "healthy")
    assert container.inspect("{{json .Config.Healthcheck.Test}}") == '["CMD","test","-e","/bin/sh"]'


def test_the_command_line_replaces_the_command_of_the_image(start: Start, checked_image: str):
    container = start("--health-cmd", "exit 1", "--health-retries", "1", checked_image)
    await_status(container, "unhealthy")


def test_a_container_can_refuse_the_check_of_its_image(start: Start, checked_image: str):
    container = start("--no-healthcheck", checked_image)
    assert '"Health"' not in container.inspect("{{json .State}}")


def test_the_shim_keeps_nothing_of_its_probes(start: Start):
    container = start(*check("exit 0", "--health-interval", "20ms"))
    shim = int((container.minirun.state / container.id / "shim.lock").read_text())
    await_status(container, "healthy")
    first = fewest_descriptors(shim)
    assert fewest_descriptors(shim) <= first


def fewest_descriptors(pid: int) -> int:
    """In half a second: while no probe runs."""
    counts = []
    for _ in range(50):
        counts.append(len(os.listdir(f"/proc/{pid}/fd")))
        time.sleep(0.01)
    return min(counts)
