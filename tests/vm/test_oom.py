"""Memory runs out: what is told, and when."""

import json

from tests import containers
from tests.containers import eventually
from tests.support import Minirun


def actions(minirun: Minirun, id: str) -> list[str]:
    events = [json.loads(line) for line in (minirun.root / "events.jsonl").read_text().splitlines()]
    return [event["Action"] for event in events if event["Actor"]["ID"] == id]


def test_a_program_that_takes_too_much_is_killed_and_everybody_is_told(minirun: Minirun) -> None:
    words = ("-d", "--network", "none", "--memory", "32m", "busybox", "tail", "/dev/zero")
    id = minirun("run", *words, check=True).stdout.strip()
    eventually(lambda: "die" in actions(minirun, id), 60)
    assert actions(minirun, id)[-3:] == ["start", "oom", "die"]
    shown = minirun("inspect", "-f", "{{.State.OOMKilled}} {{.State.ExitCode}}", id).stdout
    assert shown == "true 137\n"


def test_a_child_that_is_killed_is_told_while_the_container_runs(minirun: Minirun) -> None:
    script = "tail /dev/zero; sleep 1000"
    container = containers.start(minirun, "--memory", "32m", "busybox", "sh", "-c", script)
    eventually(lambda: "oom" in actions(minirun, container.id), 60)
    assert container.inspect("{{.State.Running}} {{.State.OOMKilled}}") == "true true"


def test_a_new_run_begins_without_the_mark(minirun: Minirun) -> None:
    script = "test -e /ran || { touch /ran; exec tail /dev/zero; }; sleep 1000"
    words = ("--restart", "on-failure", "--memory", "32m", "busybox", "sh", "-c", script)
    container = containers.start(minirun, *words)
    eventually(lambda: container.inspect("{{.RestartCount}} {{.State.Running}}") == "1 true", 60)
    assert container.inspect("{{.State.OOMKilled}}") == "false"
