"""Life of a container beside docker's: exec, run -d, many at once, and the commands that look.

    exec       `exec NAME true` in a container that runs
    detached   `run -d`, which returns when the program runs; without a network and with the bridge
    many       50 of them started at once, until all have returned
    looks      ps, inspect, and logs of a few lines

By hand  hyperfine -N 'docker exec NAME true' 'minirun exec NAME true'
"""

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from measuring import Row, call, hyperfine, row

if TYPE_CHECKING:
    from bench import Bench

NAME = "bench-lifecycle"
AT_ONCE = 50
ROUNDS = 5

Peers = dict[str, list[str]]  # who -> the beginning of a command line


def peers(bench: "Bench") -> Peers:
    return {
        **{who: words for who, words in bench.peers().items() if who == "docker"},
        "minirun": bench.minirun,
    }


def detached(network: str, *words: str) -> list[str]:
    return ["run", "-d", f"--network={network}", *words]


def remove_all(words: list[str]) -> None:
    if ids := call(*words, "ps", "-aq").split():
        call(*words, "rm", "-f", *ids)


def bench_exec(bench: "Bench") -> Iterator[Row]:
    both = peers(bench)
    for words in both.values():
        call(*words, *detached("none", "--name", NAME, "busybox", "sleep", "600"))
    yield from hyperfine("exec true", {who: [*words, "exec", NAME, "true"] for who, words in both.items()})
    for words in both.values():
        remove_all(words)


def bench_detached(bench: "Bench") -> Iterator[Row]:
    both = peers(bench)
    for network in ("none", "bridge"):
        command = detached(network, "busybox", "sleep", "600")
        yield from hyperfine(f"run -d, {network}", {who: [*words, *command] for who, words in both.items()})
        for words in both.values():
            remove_all(words)


def bench_many(bench: "Bench") -> Iterator[Row]:
    for network in ("none", "bridge"):
        times: dict[str, list[float]] = {who: [] for who in peers(bench)}
        for _ in range(ROUNDS):
            for who, words in peers(bench).items():  # in turns: what disturbs the machine disturbs both
                times[who].append(at_once([*words, *detached(network, "busybox", "sleep", "600")]))
                remove_all(words)
        for who, numbers in times.items():
            yield row(f"{AT_ONCE} at once, {network}", who, numbers)


def at_once(command: list[str]) -> float:
    """Milliseconds until all of them have returned."""
    begin = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        started = [
            pool.submit(subprocess.run, command, check=True, capture_output=True) for _ in range(AT_ONCE)
        ]
        for one in started:
            one.result()
    return (time.perf_counter() - begin) * 1000


def bench_looks(bench: "Bench") -> Iterator[Row]:
    both = peers(bench)
    for words in both.values():
        script = "seq 100; sleep 600"
        call(*words, *detached("none", "--name", NAME, "busybox", "sh", "-c", script))
    for command in (["ps"], ["inspect", NAME], ["logs", NAME]):
        yield from hyperfine(command[0], {who: [*words, *command] for who, words in both.items()})
    for words in both.values():
        remove_all(words)


BENCHMARKS = {"exec": bench_exec, "detached": bench_detached, "many": bench_many, "looks": bench_looks}
