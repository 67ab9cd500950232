"""`stats`: numbers beside those the kernel has."""

import json
import os
import signal
import subprocess

import pytest

from tests.terminals import Terminal

DOCKERS = {"BlockIO", "CPUPerc", "Container", "ID", "MemPerc", "MemUsage", "Name", "NetIO", "PIDs"}


def stats(minirun, *words):
    lines = minirun("stats", "--no-stream", "--format", "json", *words, check=True).stdout.splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture
def busy(start):
    return start("--name", "busy", "busybox", "sh", "-c", "while :; do :; done")


def test_a_busy_loop_shows_and_a_sleeper_does_not(minirun, busy, start):
    start("--name", "idle", "busybox", "sleep", "1000")
    used = {row["Name"]: float(row["CPUPerc"].rstrip("%")) for row in stats(minirun)}
    assert used["busy"] > 10
    assert used["idle"] < 5


def test_the_keys_are_dockers_and_some_more(minirun, busy):
    (row,) = stats(minirun, "busy")
    assert set(row) > DOCKERS
    assert row["ID"] == busy.id[:12]


def test_threads_and_processes_are_counted(minirun, start):
    start("--name", "three", "busybox", "sh", "-c", "sleep 100 & sleep 100 & wait")
    assert stats(minirun, "three")[0]["PIDs"] == "3"


def test_what_came_over_the_network_is_counted(minirun, start):
    container = start("--name", "wired", "busybox", "sleep", "1000", network="bridge")
    received = sum(
        int(line.split()[1])
        for line in container.proc("net/dev").read_text().splitlines()[2:]
        if "eth0" in line
    )
    shown = stats(minirun, "wired")[0]["NetIO"].partition(" / ")[0]
    assert (shown == "0B") == (received == 0)


def test_those_that_do_not_run_are_shown_when_asked_for(minirun, busy):
    minirun("create", "--name", "made", "--network", "none", "busybox", "true", check=True)
    assert [row["Name"] for row in stats(minirun)] == ["busy"]
    rows = {row["Name"]: row for row in stats(minirun, "-a")}
    assert rows["made"]["CPUPerc"] == "--"


def test_the_columns_are_dockers(minirun, busy):
    heading = minirun("stats", "--no-stream", check=True).stdout.splitlines()[0]
    words = "CONTAINER ID NAME CPU % MEM USAGE / LIMIT MEM % NET I/O BLOCK I/O PIDS"
    assert " ".join(heading.split()) == words
    assert "THROTTLED" in minirun("stats", "--no-stream", "--wide", check=True).stdout


def test_an_unknown_container_is_told(minirun):
    result = minirun("stats", "--no-stream", "nosuch")
    assert (result.code, result.stdout) == (1, "")
    assert "No such container: nosuch" in result.stderr


def test_it_goes_on_until_somebody_ends_it(minirun, busy):
    with Terminal(minirun.command("stats")) as terminal:
        terminal.expect("busy")
        terminal.expect("busy")
        os.kill(terminal.process.pid, signal.SIGINT)
        assert terminal.wait()[0] == 130


def test_a_reader_who_has_seen_enough_ends_it_quietly(minirun, busy):
    command = subprocess.list2cmdline(minirun.command("stats"))
    done = subprocess.run(["sh", "-c", f"{command} | head -n 1"], capture_output=True, timeout=30)
    assert done.stderr == b""
