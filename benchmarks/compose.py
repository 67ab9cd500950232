"""`compose`: ten services, and fifty of which ten wait for each other, beside Docker Compose on a private dockerd.

    up           up -d, with nothing there but the image
    up again     the same once more: there is nothing to do
    ps
    scale        four more containers of one service
    restart      restart -t 0: all ten
    down         down -t 0

Every service is a busybox that sleeps, on the project's default network.  The fifty are ten levels of five services:
each waits until one of the level before has started.  In turns: what disturbs the machine disturbs both.

See  docs/compose.md; benchmarks/README.md for figures
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from measuring import CHECKOUT, Cost, Row, cost, row

if TYPE_CHECKING:
    from bench import Bench

JUDGE = CHECKOUT / ".venv" / "bin" / "docker-compose"
TEN_ROUNDS, FIFTY_ROUNDS = 7, 3
LEVELS, WIDTH = 10, 5
TRIES = 5
BOX = {"image": "busybox", "command": ["sleep", "1000"]}
STEPS = {
    "up": ["up", "-d"],
    "up again": ["up", "-d"],
    "ps": ["ps"],
    "scale": ["up", "-d", "--scale", "s0=5", "--no-recreate"],
    "restart": ["restart", "-t", "0"],
    "down": ["down", "-t", "0"],
}
FEWER_STEPS = ("up", "up again", "ps", "down")


def ten() -> dict[str, object]:
    return {f"s{number}": BOX for number in range(10)}


def fifty() -> dict[str, object]:
    """s3-1 waits for s2-1, and so on."""
    services = {}
    for level in range(LEVELS):
        for number in range(WIDTH):
            after = {"depends_on": [f"s{level - 1}-{number}"]} if level else {}
            services[f"s{level}-{number}"] = {**BOX, **after}
    return services


def sides(bench: "Bench") -> dict[str, list[str]]:
    """Who -> the words before `up -d`."""
    found = {}
    if "docker" in bench.peers():
        (socket,) = (word for word in bench.peers()["docker"] if word.startswith("unix:"))
        found["docker compose"] = ["env", f"DOCKER_HOST={socket}", str(JUDGE)]
    else:
        print("bench: dockerd is not installed: left out", file=sys.stderr)
    return {**found, "minirun": [*bench.minirun, "compose"]}


def timed(words: list[str], steps: dict[str, list[str]]) -> dict[str, Cost]:
    """One round from nothing to nothing."""
    try:
        return {name: cost([*words, *step]) for name, step in steps.items()}
    finally:
        take_down(words)


def take_down(words: list[str]) -> None:
    """Docker Compose may be told that the network is in use, just after its containers have gone."""
    for _ in range(TRIES):
        done = subprocess.run([*words, "down", "-t", "0"], check=False, capture_output=True, text=True)
        if done.returncode == 0:
            return
    sys.exit(f"bench: {' '.join(words)} down: {done.stderr.strip()[-1000:]}")


def compared(
    bench: "Bench", name: str, services: dict[str, object], rounds: int, steps: dict[str, list[str]]
) -> Iterator[Row]:
    directory = Path(bench.directory / name.replace(" ", "-"))
    directory.mkdir()
    file = directory / "compose.yaml"
    file.write_text(json.dumps({"services": services}))  # JSON is YAML
    found = {who: [*words, "-f", str(file)] for who, words in sides(bench).items()}
    costs: dict[str, list[dict[str, Cost]]] = {who: [] for who in found}
    for _ in range(rounds):
        for who, words in found.items():
            costs[who].append(timed(words, steps))
            shown = " ".join(f"{step} {one.milliseconds:.0f}" for step, one in costs[who][-1].items())
            print(f"bench: {who}: {shown}", file=sys.stderr)
    for step in steps:
        for who, all_rounds in costs.items():
            yield row(f"{name}: {step}", who, [one[step].milliseconds for one in all_rounds])


def compose(bench: "Bench") -> Iterator[Row]:
    yield from compared(bench, "ten services", ten(), TEN_ROUNDS, STEPS)
    fewer = {name: STEPS[name] for name in FEWER_STEPS}
    yield from compared(bench, "fifty services", fifty(), FIFTY_ROUNDS, fewer)


BENCHMARKS = {"compose": compose}
