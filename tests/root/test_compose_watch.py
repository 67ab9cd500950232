"""`compose watch` with real containers: what changes here is changed there."""

import contextlib
import signal
import subprocess

import pytest

from tests.containers import eventually

SERVICE = """
name: demo
services:
  web:
    {image}
    command: sleep 1000
    init: true
    user: nobody
    scale: {scale}
    stop_grace_period: 1s
    develop:
      watch:
        - {rule}
"""


@pytest.fixture
def watch(minirun, tmp_path):
    """watch(rule) -> what `compose watch` prints, as a function, once it watches, and its process."""
    (tmp_path / "src").mkdir()
    file = ("compose", "-f", str(tmp_path / "compose.yaml"))
    with contextlib.ExitStack() as stack:

        def watch(rule, image="image: busybox", scale=1):
            text = SERVICE.format(rule=rule, image=image, scale=scale)
            (tmp_path / "compose.yaml").write_text(text)
            out = stack.enter_context((tmp_path / "out").open("wb"))
            process = stack.enter_context(minirun.spawn(*file, "watch", stdout=out, stderr=subprocess.STDOUT))
            stack.callback(minirun, *file, "down", "-t", "0")
            stack.callback(process.kill)
            printed = (tmp_path / "out").read_text
            eventually(lambda: "Watch enabled" in printed(), seconds=30)
            return printed, process

        yield watch


def shown(minirun, number, *command):
    return minirun("exec", f"demo-web-{number}", *command).stdout


def started(minirun):
    return minirun("inspect", "-f", "{{.State.StartedAt}}", "demo-web-1", check=True).stdout


def test_a_file_is_copied_into_every_container_for_its_user(minirun, tmp_path, watch):
    watch("{path: ./src, action: sync, target: /tmp/src}", scale=2)
    (tmp_path / "src" / "new").mkdir()
    (tmp_path / "src" / "new" / "file").write_text("hello")
    for number in (1, 2):
        eventually(lambda number=number: shown(minirun, number, "cat", "/tmp/src/new/file") == "hello")
        assert shown(minirun, number, "stat", "-c", "%U:%G", "/tmp/src/new/file") == "nobody:nobody\n"


def test_a_file_that_goes_here_goes_there(minirun, tmp_path, watch):
    (tmp_path / "src" / "gone").write_text("x")
    watch("{path: ./src, action: sync, target: /tmp/src, initial_sync: true}")
    assert shown(minirun, 1, "cat", "/tmp/src/gone") == "x"
    (tmp_path / "src" / "gone").unlink()
    eventually(lambda: shown(minirun, 1, "ls", "/tmp/src") == "")


def test_a_link_in_the_container_leads_nowhere_else(minirun, tmp_path, watch):
    (tmp_path / "victim").write_text("mine")
    watch("{path: ./src, action: sync, target: /tmp/src}")
    command = f"mkdir -p {tmp_path} && ln -s {tmp_path} /tmp/src"
    minirun("exec", "-u", "0", "demo-web-1", "sh", "-c", command, check=True)
    (tmp_path / "src" / "victim").write_text("theirs")
    eventually(lambda: shown(minirun, 1, "cat", f"{tmp_path}/victim") == "theirs")
    assert (tmp_path / "victim").read_text() == "mine"


def test_sync_and_restart_copies_and_restarts(minirun, tmp_path, watch):
    printed, _ = watch("{path: ./src, action: sync+restart, target: /tmp/src}")
    before = started(minirun)
    (tmp_path / "src" / "conf").write_text("x")
    eventually(lambda: 'service(s) ["web"] restarted' in printed())
    assert shown(minirun, 1, "cat", "/tmp/src/conf") == "x"
    assert started(minirun) > before


def test_sync_and_exec_shows_what_its_program_says(tmp_path, watch):
    printed, _ = watch(
        "{path: ./src, action: sync+exec, target: /tmp/src, exec: {command: [cat, /tmp/src/conf]}}"
    )
    (tmp_path / "src" / "conf").write_text("read it again\n")
    eventually(lambda: "read it again" in printed())


def test_rebuild_makes_an_image_and_a_container_anew_and_goes_on_after_a_failure(minirun, tmp_path, watch):
    dockerfile = tmp_path / "src" / "Dockerfile"
    dockerfile.write_text("FROM busybox\n")
    printed, _ = watch("{path: ./src, action: rebuild}", image="build: ./src")
    dockerfile.write_text("FROM busybox\nRUN false\n")
    eventually(lambda: "Build failed" in printed())
    dockerfile.write_text("FROM busybox\nENV MADE=again\n")
    eventually(lambda: "MADE=again" in shown(minirun, 1, "env"), seconds=30)
    assert 'service(s) ["web"] successfully built' in printed()


def test_an_interrupt_ends_it_and_the_containers_stay(minirun, watch):
    _, process = watch("{path: ./src, action: sync, target: /tmp/src}")
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    assert shown(minirun, 1, "echo", "here") == "here\n"


def test_up_watches_while_it_shows_what_is_printed(minirun, tmp_path):
    (tmp_path / "src").mkdir()
    rule = "{path: ./src, action: sync+restart, target: /tmp/src}"
    text = SERVICE.format(rule=rule, image="image: busybox", scale=1)
    (tmp_path / "compose.yaml").write_text(text.replace("sleep 1000", "sh -c 'cat /tmp/src/*; sleep 1000'"))
    with (tmp_path / "out").open("wb") as out:
        file = ("compose", "-f", str(tmp_path / "compose.yaml"))
        with minirun.spawn(*file, "up", "--watch", stdout=out, stderr=subprocess.STDOUT) as process:
            printed = (tmp_path / "out").read_text
            eventually(lambda: "Watch enabled" in printed(), seconds=30)
            (tmp_path / "src" / "words").write_text("read anew\n")
            eventually(lambda: "web-1  | read anew" in printed())
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
    minirun(*file, "down", "-t", "0", check=True)
