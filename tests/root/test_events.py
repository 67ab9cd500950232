"""`events` as people use it: what was, what is, and what is let through."""

import json
import os
import signal
import subprocess
import time
from datetime import datetime

import pytest

from tests.containers import eventually


@pytest.fixture
def since(minirun):
    """since("--filter", "a=b") -> the events of this test so far, parsed."""
    began = f"{time.time():.6f}"

    def since(*words):
        printed = minirun(
            "events", "--since", began, "--until", "0s", "--format", "json", *words, check=True
        ).stdout
        return [json.loads(line) for line in printed.splitlines()]

    since.began = began
    return since


def actions(events):
    return [event["Action"] for event in events]


def test_a_container_tells_of_its_life(minirun, since):
    id = minirun(
        "run", "-d", "--network", "none", "-l", "a=b", "--name", "told", "busybox", "sh", "-c", "exit 3"
    ).stdout
    minirun("wait", "told", check=True)
    minirun("rm", "told", check=True)
    found = since("--filter", "container=told")
    assert [one for one in actions(found) if one != "attach"] == ["create", "start", "die", "destroy"]
    assert {event["id"] for event in found} == {id.strip()}
    die = next(event for event in found if event["Action"] == "die")
    attributes = {"a": "b", "image": "busybox", "name": "told", "exitCode": "3"}
    assert attributes.items() <= die["Actor"]["Attributes"].items()


def test_exec_tells_what_it_ran(start, since):
    start("--name", "told", "busybox", "sleep", "100").exec("sh", "-c", "exit 4")
    found = since(
        "--filter", "event=exec_create", "--filter", "event=exec_start", "--filter", "event=exec_die"
    )
    assert actions(found) == ["exec_create: sh -c exit 4", "exec_start: sh -c exit 4", "exec_die"]
    assert found[-1]["Actor"]["Attributes"]["exitCode"] == "4"
    assert len({event["Actor"]["Attributes"]["execID"] for event in found}) == 1


def test_images_tell_of_their_names(minirun, since, tmp_path):
    minirun("tag", "busybox", "told:1", check=True)
    minirun("save", "-o", tmp_path / "told.tar", "told:1", check=True)
    minirun("rmi", "told:1", check=True)
    minirun("load", "-i", tmp_path / "told.tar", check=True)
    minirun("rmi", "told:1", check=True)
    found = since("--filter", "type=image")
    assert actions(found) == ["tag", "save", "untag", "load", "untag"]
    assert len({event["Actor"]["ID"] for event in found}) == 1
    assert found[0]["Actor"]["Attributes"]["name"] == "told:1"


def test_an_image_that_goes_is_deleted_once(minirun, since, tmp_path):
    tar = tmp_path / "empty.tar"
    subprocess.run(["tar", "-cf", tar, "-T", "/dev/null"], check=True)
    id = minirun("import", tar, "told:2", check=True).stdout.strip()
    minirun("rmi", "told:2", check=True)
    found = since("--filter", "type=image")
    assert [(event["Action"], event["id"]) for event in found] == [
        ("tag", id),
        ("import", id),
        ("untag", id),
        ("delete", id),
    ]


def test_a_line_is_as_dockers(minirun, since):
    minirun("run", "--rm", "--network", "none", "--name", "told", "busybox", "true", check=True)
    words = ("--filter", "event=start", "--filter", "container=told")
    line = minirun("events", "--since", since.began, "--until", "0s", *words, check=True).stdout
    moment, kind, action, id, attributes = line.rstrip("\n").split(" ", 4)
    assert datetime.fromisoformat(moment).utcoffset() == datetime.now().astimezone().utcoffset()
    assert (kind, action, len(id)) == ("container", "start", 64)
    assert attributes == "(image=busybox, name=told)"


def test_a_template_knows_gos_names(minirun, since):
    minirun("run", "--rm", "--network", "none", "--name", "told", "busybox", "true", check=True)
    form = (
        "{{.Type}} {{.Status}} {{.From}} {{.Scope}} {{.Actor.Attributes.name}} {{.Actor.Attributes.nosuch}}"
    )
    words = ("--filter", "event=die", "--format", form)
    shown = minirun("events", "--since", since.began, "--until", "0s", *words, check=True).stdout
    assert shown == "container die busybox local told <no value>\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--filter", "nosuch=1"], "invalid filter 'nosuch'"),
        (["--filter", "event"], "invalid filter 'event'"),
        (["--since", "soon"], 'invalid value for "since": failed to parse value as time or duration: "soon"'),
        (["--format", "{{.Type"], "template"),
    ],
)
def test_what_makes_no_sense_is_said_so(minirun, words, message):
    result = minirun("events", "--until", "0s", *words)
    assert result.code == 1
    assert message in result.stderr.splitlines()[0]


@pytest.fixture
def watch(minirun):
    """watch("--filter", ...) -> `minirun events` as it runs, when it is listening."""
    started = []

    def watch(*words):
        watcher = minirun.spawn("events", *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        started.append(watcher)
        eventually(lambda: "inotify" in descriptors(watcher.pid))
        return watcher

    yield watch
    for watcher in started:
        watcher.kill()
        watcher.communicate()


def descriptors(pid):
    places = (f"/proc/{pid}/fd/{fd}" for fd in os.listdir(f"/proc/{pid}/fd"))
    return " ".join(os.readlink(place) for place in places if os.path.lexists(place))


def test_events_are_shown_as_they_happen_until_interrupted(minirun, watch):
    watcher = watch("--filter", "container=told", "--format", "{{.Action}}")
    minirun("run", "--rm", "--network", "none", "--name", "told", "busybox", "true", check=True)
    lines = iter(watcher.stdout.readline, b"destroy\n")
    assert [line for line in lines if line != b"attach\n"] == [b"create\n", b"start\n", b"die\n"]
    watcher.send_signal(signal.SIGINT)
    assert watcher.wait(10) == 130


def test_the_past_comes_first_where_it_is_asked_for(minirun, watch, since):
    minirun("tag", "busybox", "told:1", check=True)
    watcher = watch("--since", since.began, "--filter", "type=image", "--format", "{{.Action}}")
    assert watcher.stdout.readline() == b"tag\n"
    minirun("rmi", "told:1", check=True)
    assert watcher.stdout.readline() == b"untag\n"


def test_an_end_in_the_future_is_waited_for(minirun, watch):
    watcher = watch("--until", f"{time.time() + 1:.3f}", "--filter", "event=tag", "--format", "{{.Status}}")
    minirun("tag", "busybox", "told:1", check=True)
    out, err = watcher.communicate(timeout=10)
    minirun("rmi", "told:1", check=True)
    assert (out.splitlines()[-1:], err, watcher.returncode) == ([b"tag"], b"", 0)


def test_a_watcher_whose_reader_leaves_ends_quietly(minirun, watch):
    watcher = watch()
    watcher.stdout.close()
    watcher.stdout = None
    watcher.wait(10)
    assert watcher.stderr.read() == b""


def test_it_is_the_same_command_under_system(minirun, since):
    minirun("tag", "busybox", "told:1", check=True)
    minirun("rmi", "told:1", check=True)
    words = ("events", "--since", since.began, "--until", "0s")
    assert minirun("system", *words).stdout == minirun(*words).stdout != ""


def test_nothing_fails_where_events_cannot_be_written(minirun):
    file = minirun.root / "events.jsonl"
    file.rename(f"{file}.kept")
    file.mkdir()
    try:
        result = minirun("run", "--rm", "--network", "none", "busybox", "echo", "x")
    finally:
        file.rmdir()
        os.rename(f"{file}.kept", file)
    assert (result.stdout, result.stderr, result.code) == ("x\n", "", 0)
