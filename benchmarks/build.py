"""`build`: Dockerfiles that do one thing often, or one big thing, and the same again when nothing changed.

    docker      20.10 with BuildKit, its daemon a private one
    buildah     bud --layers, which keeps its steps as the others do; apt-get install buildah
    minirun     build

All start from busybox, without a network, with --no-cache where it says nothing else. Contexts are made once, so what
a builder remembers about files it may use; images and caches stay until the end, as they do for people.

See  docs/build.md; benchmarks/README.md for figures
"""

import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from measuring import Cost, Row, call, in_turns, row

if TYPE_CHECKING:
    from bench import Bench

FROM = "FROM docker.io/library/busybox:latest\n"
STEPS = 10
TREE_FILES, TREE_BYTES = 7900, 129_000_000
BIG = 500  # MB that a RUN writes
QUICK, SLOW = 9, 5  # times that each is built


class Case:
    """A Dockerfile, what lies beside it, and how often it is built; `again` when it is built unchanged, too."""

    def __init__(self, dockerfile: str, files: int = 0, runs: int = QUICK, again: bool = False) -> None:
        self.dockerfile, self.files, self.runs, self.again = dockerfile, files, runs, again


def lines(form: str, count: int = STEPS) -> str:
    """`form` with {0}, {1}, ... in turn."""
    return "".join(form.format(number) + "\n" for number in range(count))


THREE_STAGES = "".join(
    f"FROM docker.io/library/busybox:latest AS s{number}\nRUN sleep 5 && echo {number} >/{number}\n"
    for number in range(3)
)
CASES = {
    f"{STEPS} ENV": Case(FROM + lines("ENV NAME{0}=value{0}")),
    f"{STEPS} COPY": Case(FROM + lines("COPY file{0} /file{0}"), STEPS, again=True),
    f"{STEPS} RUN": Case(FROM + lines("RUN echo {0} >/file{0}"), again=True),
    f"COPY of {TREE_FILES} files, 129 MB": Case(FROM + "COPY . /tree\n", TREE_FILES, SLOW, again=True),
    f"RUN that writes {BIG} MB": Case(FROM + f"RUN dd if=/dev/zero of=/big bs=1M count={BIG}\n", runs=SLOW),
    "three stages of sleep 5": Case(THREE_STAGES + FROM + lines("COPY --from=s{0} /{0} /{0}", 3), runs=3),
}


# ---- contexts ---------------------------------------------------------------------------------------------


def make_context(directory: Path, case: Case) -> None:
    """The Dockerfile and its files: a few bytes each, or a tree of TREE_BYTES in directories of a hundred."""
    directory.mkdir(parents=True)
    (directory / "Dockerfile").write_text(case.dockerfile)
    if case.files == TREE_FILES:
        make_tree(directory)
    else:
        for number in range(case.files):
            (directory / f"file{number}").write_text(f"text{number}\n")


def make_tree(directory: Path) -> None:
    """Many small files and a few large ones, as source trees have them; half text, half what does not compress."""
    chance = random.Random(0)
    shares = [chance.paretovariate(1.2) for _ in range(TREE_FILES)]
    scale = TREE_BYTES / sum(shares)
    for number, share in enumerate(shares):
        place = directory / "tree" / f"{number // 100:03}"
        place.mkdir(parents=True, exist_ok=True)
        size = int(share * scale)
        content = b"a line of text\n" * (size // 30) + chance.randbytes(size - size // 30 * 15)
        (place / f"file{number}").write_bytes(content)


# ---- builders ---------------------------------------------------------------------------------------------


def builders(bench: "Bench") -> dict[str, list[str]]:
    """Who -> its words for `build --network none`; the options and the context follow."""
    os.environ["DOCKER_BUILDKIT"] = "1"
    found = {}
    if "docker" in bench.peers():
        found["docker"] = [*bench.peers()["docker"], "build", "--network", "none"]
    if shutil.which("buildah"):
        found["buildah"] = buildah(bench)
    else:
        print("bench: buildah is not installed: left out", file=sys.stderr)
    return {**found, "minirun": [*bench.minirun, "build", "--network", "none"]}


def buildah(bench: "Bench") -> list[str]:
    """Debian's crun refuses this kind of host, so runc; its stages may run beside each other (--jobs)."""
    place = bench.directory / "buildah"
    words = ["buildah", "--root", f"{place}/root", "--runroot", f"{place}/run", "--storage-driver", "overlay"]
    call(*words, "pull", "-q", f"oci-archive:{bench.image}")
    bench.stack.callback(os.system, f"umount -l {place}/root/overlay 2>/dev/null")
    options = ["--layers", "--pull-never", "--jobs", "0", "--runtime", "runc", "--network", "none"]
    return [*words, "bud", *options]


def compared(case: Case, found: dict[str, list[str]], place: Path, *options: str) -> dict[str, list[Cost]]:
    """What each builder needs for the case, built in turns."""
    words = [*options, "-q", "-t", "bench", str(place / "context")]
    commands = {who: always([*command, *words]) for who, command in found.items()}
    return in_turns(commands, place, case.runs)


def always(command: list[str]) -> Callable[[Path], list[str]]:
    return lambda _: command


# ---- the benchmarks ---------------------------------------------------------------------------------------


def build(bench: "Bench") -> Iterator[Row]:
    found = builders(bench)
    for number, (name, case) in enumerate(CASES.items()):
        print(f"bench: {name}", file=sys.stderr)
        place = bench.directory / f"build{number}"
        make_context(place / "context", case)
        costs = compared(case, found, place, "--no-cache")
        yield from rows(name, costs)
        yield row(f"{name}, memory (MB)", "minirun", [one.peak_megabytes for one in costs["minirun"]])
        if case.again:
            yield from rows(f"{name}, nothing changed", compared(case, found, place))
        if case.files == TREE_FILES:
            yield from first_run(bench, place)


def rows(name: str, costs: dict[str, list[Cost]]) -> Iterator[Row]:
    for who, runs in costs.items():
        yield row(name, who, [one.milliseconds for one in runs])


def first_run(bench: "Bench", place: Path) -> Iterator[Row]:
    """`run` of an image right after it was built anew: whether its layers have to be unpacked first."""
    built = [*bench.minirun, "build", "-q", "--network", "none", "--no-cache", "-t", "bench"]
    run = [*bench.minirun, "run", "--rm", "--network", "none"]
    first, old = [], []
    for _ in range(SLOW):
        call(*built, place / "context")
        first += in_turns({"first": always([*run, "bench", "true"])}, place, 1)["first"]
        old += in_turns({"old": always([*run, "busybox", "true"])}, place, 1)["old"]
    yield row("first run of the 129 MB image", "minirun", [one.milliseconds for one in first])
    yield row("first run of the 129 MB image", "an older image", [one.milliseconds for one in old])


BENCHMARKS = {"build": build}
