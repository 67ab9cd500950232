"""What every benchmark uses: running a program, timing it beside others, and the table of results."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parent.parent
MINIRUN = str(CHECKOUT / "scripts" / "minirun")
RUNS = "40"

Row = tuple[str, str, float, float, float]  # benchmark, who, then min, median, max in ms (or MB)


def call(*words: str | Path, **options: object) -> str:
    """Run a command that has to work; its output."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)  # type: ignore[call-overload]
    if done.returncode:
        sys.exit(f"bench: {' '.join(map(str, words))}: {done.stderr.strip()[-1000:]}")
    return str(done.stdout)


def hyperfine(benchmark: str, commands: dict[str, list[str]]) -> Iterator[Row]:
    """Time each of `commands` (who -> argument vector) without a shell.  One that does not work here is left out."""
    commands = {who: command for who, command in commands.items() if works(who, command)}
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        names = [word for who in commands for word in ("--command-name", who)]
        lines = [" ".join(command) for command in commands.values()]
        call("hyperfine", "-N", "--warmup", "3", "--runs", RUNS, "--export-json", report.name, *names, *lines)
        for result in json.load(report)["results"]:
            numbers = (1000 * result[key] for key in ("min", "median", "max"))
            yield (benchmark, result["command"], *numbers)


def works(who: str, command: list[str]) -> bool:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        print(f"bench: {who} does not work here: {done.stderr.strip()[-300:]}", file=sys.stderr)
    return not done.returncode


class Cost(NamedTuple):
    """What one run of a program took, with all it waited for."""

    milliseconds: float
    cpu_milliseconds: float
    peak_megabytes: float  # of the largest of its processes


# A process of its own that is small: a child's peak begins with what its parent had when it was forked.
_COST = """
import os, sys, time
null = (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)
begin = time.perf_counter()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[null])
_, status, usage = os.wait4(pid, 0)
elapsed = time.perf_counter() - begin
print(elapsed * 1000, (usage.ru_utime + usage.ru_stime) * 1000, usage.ru_maxrss / 1000)
sys.exit(status != 0)
"""


def cost(command: list[str]) -> Cost:
    """Run `command` once, its output thrown away.  Dirty pages of whatever ran before are written first."""
    os.sync()
    return Cost(*map(float, call(sys.executable, "-I", "-S", "-c", _COST, *command).split()))


def in_turns(
    commands: dict[str, Callable[[Path], list[str]]], place: Path, runs: int
) -> dict[str, list[Cost]]:
    """Each of the commands once, then all again: what disturbs the machine disturbs everybody.

    A command is made for a new directory below `place` each time.  Nothing is removed between the runs: an ext4
    without a journal takes inodes anew only 35 seconds after they were freed, and looks for others meanwhile.
    """
    costs: dict[str, list[Cost]] = {who: [] for who in commands}
    for _ in range(runs):
        for who, command in commands.items():
            costs[who].append(cost(command(Path(tempfile.mkdtemp(dir=place)))))
            print(f"bench: {who}: {' '.join(f'{number:.0f}' for number in costs[who][-1])}", file=sys.stderr)
    return costs


def row(benchmark: str, who: str, numbers: list[float]) -> Row:
    return benchmark, who, min(numbers), median(numbers), max(numbers)


def table(rows: list[Row]) -> str:
    """Markdown; the ratio is to the first row of the same benchmark."""
    first: dict[str, float] = {}
    lines = ["| benchmark | | min | median | max | ratio |", "|---|---|---|---|---|---|"]
    for name, who, least, middle, most in rows:
        ratio = middle / first.setdefault(name, middle)
        lines.append(f"| {name} | {who} | {least:.1f} | {middle:.1f} | {most:.1f} | {ratio:.2f} |")
    return "\n".join(lines)
