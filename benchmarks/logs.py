"""What a log costs: programs that print as fast as they can, into a log that is put aside when full, and into a pipe.

    logs       the same bytes through `| cat > /dev/null` and into the log, in the same kind of container, in turns
    follow     `logs -f` beside a container that prints 5 million lines; both have to end

The time is the container's own, from its record: no client is in it.

By hand  minirun run -d --log-opt max-size=10m --log-opt max-file=3 busybox sh -c 'yes | head -c 1000000000'
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from measuring import Row, call, row

if TYPE_CHECKING:
    from bench import Bench

ROUNDS = 3
LINE = "x" * 99
ROTATED = ["--log-opt", "max-size=10m", "--log-opt", "max-file=3"]
PROGRAMS = {
    "1 GB of 100-byte lines, yes": f"yes {LINE} | head -c 1000000000",
    "300 MB of 100-byte lines, awk": f"awk 'BEGIN {{ for (i = 0; i < 3000000; i++) print \"{LINE}\" }}'",
    "300 MB of 11-byte lines, seq": "seq -w 1000000001 1027272727",
    "100 MB of 2-byte lines, yes": "yes | head -c 100000000",
}


def bench_logs(bench: "Bench") -> Iterator[Row]:
    for name, program in PROGRAMS.items():
        times: dict[str, list[float]] = {"| cat > /dev/null": [], "into the log": []}
        for _ in range(ROUNDS):  # in turns: what disturbs the machine disturbs both
            times["| cat > /dev/null"].append(
                lifetime(bench, ["--log-driver", "none"], f"({program}) | cat > /dev/null")
            )
            times["into the log"].append(lifetime(bench, ROTATED, program))
        for who, numbers in times.items():
            yield row(name, who, numbers)


def lifetime(bench: "Bench", options: list[str], program: str) -> float:
    """Milliseconds from the start to the end of a container that runs `program`."""
    words = ["run", "-d", "--network", "none", *options, "busybox", "sh", "-c", program]
    container = call(*bench.minirun, *words).strip()
    call(*bench.minirun, "wait", container)
    state = json.loads(call(*bench.minirun, "inspect", "-f", "{{json .State}}", container))
    call(*bench.minirun, "rm", container)
    begin, end = (datetime.fromisoformat(state[key]) for key in ("StartedAt", "FinishedAt"))
    return (end - begin).total_seconds() * 1000


def bench_follow(bench: "Bench") -> Iterator[Row]:
    """With files enough that none goes: the follower must have had every byte."""
    program = "sleep 0.5; seq -w 1000001 6000000"
    options = ["--log-opt", "max-size=10m", "--log-opt", "max-file=100"]
    alone = [lifetime(bench, options, program) for _ in range(ROUNDS)]
    followed = [followed_lifetime(bench, options, program) for _ in range(ROUNDS)]
    yield row("5 million lines", "nobody follows", alone)
    yield row("5 million lines", "until logs -f has them", followed)


def followed_lifetime(bench: "Bench", options: list[str], program: str) -> float:
    words = ["run", "-d", "--network", "none", *options, "busybox", "sh", "-c", program]
    container = call(*bench.minirun, *words).strip()
    begin = datetime.now()
    output = bench.directory / "followed"
    with output.open("wb") as file:
        subprocess.run([*bench.minirun, "logs", "-f", container], stdout=file, check=True)
    elapsed = (datetime.now() - begin).total_seconds() * 1000
    complete(output)
    call(*bench.minirun, "rm", container)
    return elapsed


def complete(output: Path) -> None:
    expected = "".join(f"{number}\n" for number in range(1000001, 6000001))
    if output.read_text() != expected:
        sys.exit("bench: logs -f has missed lines")


BENCHMARKS = {"logs": bench_logs, "follow": bench_follow}
