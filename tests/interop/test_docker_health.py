"""Health checks and restarts: the same words to Debian's docker and to minirun, a while apart, and the same answers."""

import json
import shlex
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.docker import Docker
from tests.support import Minirun, Result

# name -> command lines and seconds to wait; what the lines that begin with "inspect" print is compared
HEALTH = "inspect -f '{{json .State.Health}}' one"
STATE = "inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}' one"
CHECK = "run -d --network none --name one --health-interval 1s --health-retries 2"
CASES: dict[str, list[str | float]] = {
    "it starts": [f"{CHECK} --health-cmd true --health-interval 9s busybox sleep 100", HEALTH],
    "well": [f"{CHECK} --health-cmd 'echo fine' busybox sleep 100", 1.7, HEALTH],
    "one failure": [
        f"{CHECK} --health-retries 9 --health-cmd 'echo bad; exit 7' busybox sleep 100",
        1.7,
        HEALTH,
    ],
    "unhealthy": [f"{CHECK} --health-cmd 'echo bad >&2; exit 7' busybox sleep 100", 2.9, HEALTH],
    "timeout": [f"{CHECK} --health-cmd 'sleep 9' --health-timeout 1s busybox sleep 100", 2.8, HEALTH],
    "output is cut": [
        f"{CHECK} --health-cmd 'head -c 5000 /dev/zero | tr \\\\0 x' busybox sleep 100",
        1.7,
        HEALTH,
    ],
    "start period": [f"{CHECK} --health-cmd false --health-start-period 9s busybox sleep 100", 5.7, HEALTH],
    "stopped": [f"{CHECK} --health-cmd true busybox sleep 100", 1.7, "stop -t 0 one", HEALTH],
    "paused": [f"{CHECK} --health-cmd true busybox sleep 100", 1.7, "pause one", HEALTH, "unpause one"],
    "started again": [
        f"{CHECK} --health-cmd true --health-interval 3s busybox sleep 100",
        3.7,
        "restart -t 0 one",
        HEALTH,
    ],
    "no check": [
        f"{CHECK.partition(' --health')[0]} --no-healthcheck busybox sleep 100",
        "inspect -f '{{json .Config.Healthcheck.Test}}' one",
    ],
    "gives up": ["run -d --network none --name one --restart on-failure:2 busybox false", 3, STATE],
    "stopped by hand": [
        "run -d --network none --name one --restart always busybox sleep 100",
        "stop -t 0 one",
        1,
        STATE,
    ],
    "killed by hand": [
        "run -d --network none --name one --restart always busybox sleep 100",
        "kill one",
        1,
        STATE,
    ],
    "started by hand counts anew": [
        "run -d --network none --name one --restart on-failure:2 busybox false",
        3,
        "start one",
        3,
        STATE,
    ],
}


def follow(attempt: Callable[..., Result], lines: list[str | float]) -> list[Any]:
    """Do it all; what `inspect` said, without what has to differ: times, and how many probes there have been."""
    said = []
    for line in lines:
        if not isinstance(line, str):
            time.sleep(line)
            continue
        result = attempt(*shlex.split(line))
        if line.startswith("inspect"):
            said.append((result.code, _plain(result.stdout)))
    return said


def _plain(text: str) -> Any:
    if not text.startswith("{"):
        return text
    health = json.loads(text)
    last = (health["Log"] or [{}])[-1]
    said = {key: value for key, value in last.items() if key not in ("Start", "End")}
    return health["Status"], health["FailingStreak"] > 0, said


@pytest.fixture(scope="module")
def loaded(docker: Docker, minirun_session: Minirun, tmp_path_factory: pytest.TempPathFactory) -> Docker:
    tar = tmp_path_factory.mktemp("busybox") / "busybox.tar"
    minirun_session("save", "-o", tar, "busybox", check=True)
    docker("load", "-i", tar)
    return docker


@pytest.mark.parametrize("name", CASES)
def test_minirun_judges_as_docker(loaded: Docker, minirun: Minirun, name: str) -> None:
    with ThreadPoolExecutor() as pool:
        theirs = pool.submit(follow, loaded.attempt, CASES[name])
        ours = pool.submit(follow, minirun, CASES[name])
    loaded.remove_all()
    assert ours.result() == theirs.result()


RELOAD: list[str | float] = [
    "run -d --network none --name one --restart always busybox sh -c 'trap \"exit 4\" USR1; sleep 100 & wait'",
    1,
    "kill -s USR1 one",
    1.5,
    STATE,
]


def test_a_signal_that_is_no_stop_leaves_the_policy_alone(loaded: Docker, minirun: Minirun) -> None:
    """A difference, told in docs/differences.md: Docker gives the policy up after any signal (moby issue 41302)."""
    theirs = follow(loaded.attempt, RELOAD)
    loaded.remove_all()
    assert (follow(minirun, RELOAD), theirs) == ([(0, "running 0 1\n")], [(0, "exited 4 0\n")])
