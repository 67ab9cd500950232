"""A `compose up` that is killed: the next one completes it, and `down` leaves nothing."""

import os
import random
import signal
import subprocess
import time
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
    scale: 2
    environment: {TURN: "${TURN}"}
    volumes: [/scratch, "data:/data"]
    depends_on: {db: {condition: service_healthy}}
  db:
    image: busybox
    command: sleep 1000
    init: true
    environment: {TURN: "${TURN}"}
    healthcheck: {test: "true", interval: 100ms}
    volumes: [/scratch]
volumes:
  data:
"""
ENVIRONMENT = dict(os.environ)
KILLS = 30
LONGEST = 1.2  # seconds, in which such an `up` ends on a machine that does nothing else


def kill_after(process: subprocess.Popen[bytes], seconds: float) -> None:
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_up_is_killed_at_random_moments(compose: Make, seed: int) -> None:
    demo = compose(FILE)
    volumes = demo.minirun("volume", "ls", "-q").stdout  # of tests before this one
    moments = random.Random(seed)
    for turn in range(KILLS // 3):
        env = {"TURN": str(turn)}
        process = demo.spawn("up", "-d", env={**ENVIRONMENT, **env}, stderr=subprocess.DEVNULL)
        kill_after(process, moments.uniform(0.02, LONGEST))
        if turn % 3 == 2:
            demo("up", "-d", check=True, env=env)
            assert demo.states() == {"web-1": "running", "web-2": "running", "db-1": "running"}
            assert all(f"TURN={turn}" in one["Config"]["Env"] for one in demo.containers().values())
    demo("up", "-d", check=True, env={"TURN": "last"})
    assert set(demo.states()) == {"web-1", "web-2", "db-1"}
    demo("down", "-v", "-t", "0", check=True)
    assert (demo.containers(), demo.objects("network"), demo.objects("volume")) == ({}, [], [])
    assert demo.minirun("volume", "ls", "-q").stdout == volumes


def test_down_that_is_killed_is_done_by_the_next(compose: Make) -> None:
    demo = compose(FILE)
    for moment in (0.05, 0.1, 0.15, 0.2):
        demo("up", "-d", check=True, env={"TURN": "1"})
        process = demo.spawn("down", "-v", "-t", "0", stderr=subprocess.DEVNULL)
        kill_after(process, moment)
    demo("down", "-v", "-t", "0", check=True)
    assert (demo.containers(), demo.objects("network"), demo.objects("volume")) == ({}, [], [])


def test_two_ups_of_one_project_wait_for_each_other(compose: Make) -> None:
    demo = compose(FILE.replace('"true"', '"sleep 1"'))
    env = {**ENVIRONMENT, "TURN": "1"}
    both = [demo.spawn("up", "-d", env=env, stderr=subprocess.PIPE) for _ in range(2)]
    said = [process.communicate()[1].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("waiting for it" in text for text in said) == 1
    assert demo.states() == {"web-1": "running", "web-2": "running", "db-1": "running"}
