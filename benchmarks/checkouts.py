"""Two checkouts of minirun beside each other: is this one slower than that one was?

Usage: .venv/bin/python3 benchmarks/checkouts.py OLD [run|bridge|exec|ps]...      each ROUNDS times, all of it in turns

OLD is another checkout that has its .venv.  Both get directories of their own, with the busybox image and a container.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
ROUNDS = 100
LOAD = ["load", "-q", "-i", str(HERE / ".venv" / "busybox.tar")]
BOX = ["run", "-d", "--name", "box", "busybox", "sleep", "9999"]
WORDS = {
    "run": ["run", "--rm", "--network", "none", "busybox", "true"],
    "bridge": ["run", "--rm", "busybox", "true"],
    "exec": ["exec", "box", "true"],
    "ps": ["ps"],
}


def milliseconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - began) * 1000


def compare(work: str, launchers: list[list[str]]) -> None:
    """In turns, and in changing order, so that what else the machine does falls on both."""
    times: list[list[float]] = [[], []]
    for number in range(ROUNDS):
        for which in (0, 1) if number % 2 else (1, 0):
            times[which].append(milliseconds([*launchers[which], *WORDS[work]]))
    old, new = map(statistics.median, times)
    print(f"{work:8} old {old:6.1f} ms  new {new:6.1f} ms  ratio {new / old:.3f}", flush=True)


def main() -> None:
    old, *works = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="minirun-checkouts-") as directory:
        launchers = []
        for number, checkout in enumerate((Path(old).resolve(), HERE)):
            trees = [f"--root={directory}/{number}/root", f"--state={directory}/{number}/state"]
            launchers.append([str(checkout / "scripts/minirun"), *trees])
            for words in (LOAD, BOX):
                subprocess.run([*launchers[-1], *words], stdout=subprocess.DEVNULL, check=True)
        try:
            for work in works or list(WORDS):
                compare(work, launchers)
        finally:
            for launcher in launchers:
                subprocess.run([*launcher, "rm", "-f", "box"], stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main()
