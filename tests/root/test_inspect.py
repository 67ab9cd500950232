"""`inspect` of containers: Docker's names, and what the kernel says."""

import json
from pathlib import Path
from typing import Any

import pytest

from minirun.engine import records
from tests.containers import eventually, start
from tests.support import Minirun


def facts(minirun: Minirun, *words: str) -> dict[str, Any]:
    (found,) = json.loads(minirun("inspect", *words, check=True).stdout)
    assert isinstance(found, dict)
    return found


def created(minirun: Minirun, *words: str) -> dict[str, Any]:
    id = minirun("create", "--network", "none", *words, check=True).stdout.strip()
    return facts(minirun, id)


def test_one_that_never_ran_has_gos_zero_times(minirun: Minirun) -> None:
    state = created(minirun, "busybox")["State"]
    assert (state["StartedAt"], state["FinishedAt"]) == ("0001-01-01T00:00:00Z",) * 2
    assert (state["Status"], state["Running"], state["Pid"]) == ("created", False, 0)


def test_a_running_one_is_what_proc_says(minirun: Minirun) -> None:
    container = start(minirun, "busybox", "sleep", "100")
    found = facts(minirun, container.id)
    assert found["State"]["Running"]
    assert Path(f"/proc/{found['State']['Pid']}/cmdline").read_bytes() == b"sleep\x00100\x00"
    assert int(found["Kernel"]["Capabilities"]["CapEff"], 16) == int(container.status("CapEff"), 16)


def test_a_paused_one_is_running_and_paused(minirun: Minirun) -> None:
    container = start(minirun, "busybox", "sleep", "100")
    minirun("pause", container.id, check=True)
    state = facts(minirun, container.id)["State"]
    assert (state["Status"], state["Running"], state["Paused"]) == ("paused", True, True)
    minirun("unpause", container.id, check=True)


def test_one_between_two_runs_is_restarting(minirun: Minirun) -> None:
    words = ["--restart", "always", "busybox", "sh", "-c", "sleep 0.1; exit 3"]
    container = start(minirun, *words)
    state = eventually(lambda: (s := facts(minirun, container.id)["State"])["Restarting"] and s)
    assert (state["Status"], state["Running"], state["Pid"]) == ("restarting", True, 0)


def test_without_a_health_check_there_is_no_health(minirun: Minirun) -> None:
    found = created(minirun, "busybox")
    assert "Health" not in found["State"]
    assert "Healthcheck" not in found["Config"]


def test_a_health_check_is_in_nanoseconds(minirun: Minirun) -> None:
    check = created(minirun, "--health-cmd", "true", "--health-interval", "90s", "busybox")["Config"][
        "Healthcheck"
    ]
    assert check == {"Test": ["CMD-SHELL", "true"], "Interval": 90_000_000_000}


def test_health_has_its_log(minirun: Minirun) -> None:
    container = start(
        minirun, "--health-cmd", "echo well", "--health-interval", "50ms", "busybox", "sleep", "100"
    )
    health = eventually(lambda: (h := facts(minirun, container.id)["State"]["Health"])["Log"] and h)
    assert (health["Status"], health["FailingStreak"]) == ("healthy", 0)
    assert health["Log"][0]["ExitCode"] == 0
    assert health["Log"][0]["Output"] == "well\n"


def test_entrypoint_and_command_are_shown_apart(minirun: Minirun) -> None:
    found = created(minirun, "--entrypoint", "echo", "busybox", "a", "b")
    assert (found["Config"]["Entrypoint"], found["Config"]["Cmd"]) == (["echo"], ["a", "b"])
    assert (found["Path"], found["Args"]) == ("echo", ["a", "b"])


def test_capabilities_are_shown_as_asked_for(minirun: Minirun) -> None:
    host = created(minirun, "--cap-add", "net_admin", "--cap-drop", "CHOWN", "busybox")["HostConfig"]
    assert (host["CapAdd"], host["CapDrop"]) == (["net_admin"], ["CHOWN"])


@pytest.mark.parametrize(
    ("words", "attached"),
    [(("run", "-d"), (False, False)), (("create",), (False, True)), (("create", "-i"), (True, True))],
)
def test_who_is_attached(minirun: Minirun, words: tuple[str, ...], attached: tuple[bool, bool]) -> None:
    id = minirun(*words, "--network", "none", "busybox", "true", check=True).stdout.strip()
    config = facts(minirun, id)["Config"]
    assert (config["AttachStdin"], config["AttachStdout"]) == attached


def test_processes_of_exec_are_there_while_they_run(minirun: Minirun) -> None:
    container = start(minirun, "busybox", "sleep", "100")
    assert facts(minirun, container.id)["ExecIDs"] is None
    minirun("exec", "-d", container.id, "sleep", "100", check=True)
    assert len(facts(minirun, container.id)["ExecIDs"]) == 1


def test_the_size_is_what_was_written(minirun: Minirun) -> None:
    script = "head -c 5000 /dev/zero > /five; ln /five /again"
    id = minirun("create", "--network", "none", "busybox", "sh", "-c", script, check=True).stdout.strip()
    minirun("start", "-a", id, check=True)
    found = facts(minirun, "--size", id)
    assert found["SizeRw"] == 5000
    assert found["SizeRootFs"] > 1_000_000
    assert "SizeRw" not in facts(minirun, id)


def test_the_endpoint_stands_under_its_network(minirun: Minirun) -> None:
    container = start(minirun, "busybox", "sleep", "100", network="bridge")
    network = facts(minirun, container.id)["NetworkSettings"]
    assert network["Networks"]["bridge"]["IPAddress"] == network["IPAddress"] != ""
    assert network["IPAddress"] in container.exec("ip", "addr").stdout


def test_containers_come_before_images(minirun: Minirun) -> None:
    assert "RootFS" in facts(minirun, "busybox")
    created(minirun, "--name", "busybox", "busybox")
    assert "State" in facts(minirun, "busybox")
    assert "RootFS" in facts(minirun, "--type", "image", "busybox")


def test_what_is_found_is_shown_beside_what_is_not(minirun: Minirun) -> None:
    created(minirun, "--name", "here", "busybox")
    result = minirun("inspect", "-f", "{{.Name}}", "nosuch", "here", "UPPER/")
    assert result.code == 1
    assert result.stdout.splitlines()[0] == "/here"
    assert "No such object: nosuch" in result.stderr


def test_of_a_type_that_is_not_there(minirun: Minirun) -> None:
    result = minirun("inspect", "--type", "container", "busybox")
    assert (result.code, result.stdout.strip()) == (1, "[]")
    assert "No such container: busybox" in result.stderr


def test_container_inspect_knows_no_images(minirun: Minirun) -> None:
    assert minirun("container", "inspect", "busybox").code == 1


def test_a_record_of_a_newer_minirun_is_told(minirun: Minirun) -> None:
    id = created(minirun, "busybox", "echo", "hi")["Id"]
    path = minirun.root / "containers" / id / "container.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "version": records.VERSION + 1}))
    result = minirun("inspect", id)
    formats = f"in format {records.VERSION + 1}; this one knows {records.VERSION}"
    assert f"a newer minirun wrote it, {formats}" in result.stderr
    assert result.code == 1
    path.write_text(json.dumps(record))
    assert facts(minirun, id)["Config"]["Cmd"] == ["echo", "hi"]
