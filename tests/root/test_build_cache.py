"""What a build does again after a change, and what it takes from the cache: a table; and builds beside each other.

The first build of each row is the same one; the row says what is changed then, and the first step of each stage that
runs again. What stands behind it in its stage has to run again, too, what stands before it must not.
"""

import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.buildkit import Files, put, symlink
from tests.containers import eventually
from tests.support import Minirun, Result

DOCKERFILE = """FROM base AS tools
RUN echo tool > /tool

FROM base
LABEL l=1
COPY a /a
RUN echo early > /early
ARG V=1
RUN echo $V > /v
ENV E=1
RUN echo $E > /e
COPY d /d
COPY --from=tools /tool /tool
RUN --mount=target=/m,source=b cat /m/x > /x
RUN --mount=type=secret,id=s cat /run/secrets/s > /dev/null
RUN --mount=type=cache,target=/c,id=table echo run >> /c/log
COPY <<EOF /here
text
EOF
ENV LATE=1
COPY --link l /l
"""
FILES: Files = {
    "Dockerfile": DOCKERFILE,
    ".dockerignore": "*.log\n**/*.log\n",
    "a": "a",
    "d/f": "f",
    "d/link": symlink("f"),
    "d/sub/g": "g",
    "b/x": "x",
    "l": "l",
    "not-copied": "",
    "../secret": "secret",
}
STEPS = [
    "COPY a",
    "RUN echo early",
    "RUN echo $V",
    "RUN echo $E",
    "COPY d",
    "COPY --from=tools",
    "RUN --mount=target=/m",
    "RUN --mount=type=secret",
    "RUN --mount=type=cache",
    "COPY <<EOF",
]
TOOLS, LINK = "RUN echo tool", "COPY --link"
ALL = {TOOLS, *STEPS, LINK}


def after(step: str) -> set[str]:
    """The step and what follows it, but for a COPY --link, which asks nobody what it is put upon."""
    return set(STEPS[STEPS.index(step) :])


def ran(result: Result) -> set[str]:
    """The steps that ran, by how their lines begin, from --progress rawjson."""
    done: dict[str, bool] = {}
    for line in result.stderr.splitlines():
        for vertex in json.loads(line).get("vertexes", ()) if line.startswith("{") else ():
            if "completed" in vertex:
                done[vertex["name"].partition("] ")[2]] = not vertex.get("cached", False)
    found = {name for name, did in done.items() if did and name.startswith(("RUN", "COPY", "ADD"))}
    return {next((step for step in sorted(ALL, key=len) if name.startswith(step)), name) for name in found}


class Place:
    """A context that is built again and again."""

    def __init__(self, minirun: Minirun, context: Path) -> None:
        self.minirun = minirun
        self.context = context
        put(context, FILES)

    def build(self, *words: str) -> Result:
        secret = ("--secret", f"id=s,src={self.context.parent / 'secret'}")
        flags = ("--network", "none", "--progress", "rawjson", *secret, *words)
        return self.minirun("build", "-t", "table", *flags, self.context, check=True)

    def build_id(self) -> tuple[str, Result]:
        """The image's id, and what was said."""
        with tempfile.NamedTemporaryFile() as file:
            result = self.build("--iidfile", file.name)
            return Path(file.name).read_text(), result

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.context / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


@pytest.fixture
def place(minirun: Minirun, tmp_path: Path) -> Iterator[Place]:
    minirun("tag", "busybox", "base", check=True)
    yield Place(minirun, tmp_path / "context")
    minirun("builder", "prune", "-af")
    minirun("rmi", "base", check=True)


def same_size_same_time(place: Place) -> None:
    path = place.context / "d/f"
    before = path.stat()
    path.write_text("F")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def move_base(place: Place) -> None:
    put(place.context.parent / "base", {"Dockerfile": "FROM busybox\nCOPY f /f", "f": ""})
    place.minirun("build", "-q", "-t", "base", place.context.parent / "base", check=True)


def label_base(place: Place) -> None:
    put(place.context.parent / "base", {"Dockerfile": "FROM busybox\nLABEL x=y"})
    place.minirun("build", "-q", "-t", "base", place.context.parent / "base", check=True)


def use_cache_mount(place: Place) -> None:
    put(
        place.context.parent / "other",
        {"Dockerfile": "FROM busybox\nRUN --mount=type=cache,target=/c,id=table echo other > /c/other"},
    )
    place.minirun("build", "-q", "--network", "none", place.context.parent / "other", check=True)


Change = Callable[[Place], object]
Row = tuple[Change, tuple[str, ...], set[str]]
"""What is changed, further flags of the second build, what runs then."""


def text(old: str, new: str) -> Change:
    return lambda place: place.edit("Dockerfile", old, new)


def nothing(place: Place) -> None:
    """Only the flags differ."""


TABLE: dict[str, Row] = {
    "nothing": (nothing, (), set()),
    "touch": (lambda at: os.utime(at.context / "a"), (), set()),
    "touch of all": (lambda at: [os.utime(path) for path in at.context.rglob("*")], (), set()),
    "content": (lambda at: (at.context / "a").write_text("b"), (), after("COPY a")),
    "content below a directory": (lambda at: (at.context / "d/sub/g").write_text("h"), (), after("COPY d")),
    "content of the same size and time": (same_size_same_time, (), after("COPY d")),
    "mode": (lambda at: (at.context / "a").chmod(0o600), (), after("COPY a")),
    "mode of a directory inside": (lambda at: (at.context / "d/sub").chmod(0o700), (), after("COPY d")),
    "owner": (lambda at: os.chown(at.context / "a", 5, 6), (), set()),
    "attribute": (lambda at: os.setxattr(at.context / "a", "user.x", b"y"), (), after("COPY a")),
    "name": (lambda at: (at.context / "d/f").rename(at.context / "d/ff"), (), after("COPY d")),
    "target of a link": (
        lambda at: [(at.context / "d/link").unlink(), (at.context / "d/link").symlink_to("sub")],
        (),
        after("COPY d"),
    ),
    "new file": (lambda at: (at.context / "d/new").touch(), (), after("COPY d")),
    "new empty directory": (lambda at: (at.context / "d/new").mkdir(), (), after("COPY d")),
    "file that is gone": (lambda at: (at.context / "d/f").unlink(), (), after("COPY d")),
    "new file that is ignored": (lambda at: (at.context / "d/new.log").touch(), (), set()),
    "file nobody copies": (lambda at: (at.context / "not-copied").write_text("x"), (), set()),
    "file that was linked": (lambda at: (at.context / "l").write_text("x"), (), {LINK}),
    "the same file anew": (
        lambda at: [(at.context / "a").unlink(), (at.context / "a").write_text("a")],
        (),
        set(),
    ),
    "bind mount, its source": (
        lambda at: (at.context / "b/x").write_text("y"),
        (),
        after("RUN --mount=target=/m"),
    ),
    "secret": (lambda at: (at.context.parent / "secret").write_text("other"), (), set()),
    "cache mount": (use_cache_mount, (), set()),
    "here-document": (text("\ntext\n", "\nother\n"), (), {"COPY <<EOF"}),
    "comment and blank lines": (text("COPY a /a\n", "\n# comment\n\nCOPY   a   /a\n"), (), set()),
    "LABEL": (text("LABEL l=1", "LABEL l=2 m=3"), (), set()),
    "ENV": (text("ENV E=1", "ENV E=2"), (), after("RUN echo $E")),
    "ENV before the last COPY": (text("ENV LATE=1", "ENV LATE=2"), (), set()),
    "ENV of another name before a RUN": (text("ENV E=1", "ENV E=1 F=2"), (), after("RUN echo $E")),
    "USER before a RUN": (text("ENV E=1", "ENV E=1\nUSER 0"), (), after("RUN echo $E")),
    "CMD": (text("ENV LATE=1", "CMD x"), (), set()),
    "command": (
        text("echo early >", "echo  early >"),
        (),
        after("RUN echo early"),
    ),
    "ARG that is used": (nothing, ("--build-arg", "V=2"), after("RUN echo $V")),
    "ARG of the same value": (nothing, ("--build-arg", "V=1"), set()),
    "ARG that is not declared": (nothing, ("--build-arg", "NOBODY=2"), set()),
    "proxy": (nothing, ("--build-arg", "HTTP_PROXY=http://x"), set()),
    "stage that is copied from, same result": (
        text("echo tool >", "echo  tool >"),
        (),
        {TOOLS},
    ),
    "stage that is copied from": (
        text("echo tool >", "echo tools >"),
        (),
        {TOOLS, *after("COPY --from=tools")},
    ),
    "base image": (move_base, (), {TOOLS, *after("COPY a")}),
    "label of the base image": (label_base, (), set()),
    "--no-cache": (nothing, ("--no-cache",), ALL),
    "--no-cache-filter": (nothing, ("--no-cache-filter", "tools"), {TOOLS}),
    "--target": (nothing, ("--target", "tools"), set()),
}


@pytest.mark.parametrize("change", TABLE)
def test_what_runs_again_after_a_change(place: Place, change: str) -> None:
    act, flags, expected = TABLE[change]
    assert ran(place.build()) == ALL
    act(place)
    assert ran(place.build(*flags)) == expected


def test_going_back_finds_what_was_made_before(place: Place) -> None:
    first, _ = place.build_id()
    place.edit("a", "a", "b")
    place.build()
    place.edit("a", "b", "a")
    again, result = place.build_id()
    assert (again, ran(result)) == (first, set())


def test_an_unchanged_build_is_the_same_image(place: Place) -> None:
    assert place.build_id()[0] == place.build_id()[0]


def test_eight_builds_at_once_share_the_work(place: Place) -> None:
    place.edit("Dockerfile", "echo run >>", "sleep 1; echo run >>")
    with ThreadPoolExecutor(8) as pool:
        ids = {id for id, _ in pool.map(lambda _: place.build_id(), range(8))}
    assert len(ids) == 1
    put(
        place.context.parent / "look",
        {"Dockerfile": "FROM busybox\nRUN --mount=type=cache,target=/c,id=table cp /c/log /log"},
    )
    place.minirun("build", "-q", "-t", "look", "--network", "none", place.context.parent / "look", check=True)
    assert place.minirun("run", "--rm", "--network", "none", "look", "cat", "/log").stdout == "run\n"


def test_eight_different_builds_at_once(place: Place, tmp_path: Path) -> None:
    def build(number: int) -> str:
        context = tmp_path / str(number)
        put(context, {"Dockerfile": f"FROM base\nCOPY f /f\nRUN echo {number} >> /f", "f": f"{number}\n"})
        tag = f"many-{number}"
        place.minirun("build", "-q", "-t", tag, "--network", "none", context, check=True)
        return place.minirun("run", "--rm", "--network", "none", tag, "cat", "/f", check=True).stdout

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(build, range(8))) == [f"{number}\n{number}\n" for number in range(8)]


KILLED = """FROM base AS one
RUN echo one > /one; sleep 0.1
FROM base
RUN --mount=type=cache,target=/c,id=killed,sharing=locked echo x >> /c/log; sleep 0.1
COPY d /d
COPY --from=one /one /one
RUN cat /d/* /one > /all; sleep 0.1
"""
ROUNDS = 30


def temporary(minirun: Minirun) -> list[str]:
    """What only a build that is running may have."""
    places = [
        minirun.root / "layers",
        minirun.root / "build/cache",
        minirun.root / "build/tmp",
        minirun.state,
    ]
    return [
        str(path) for place in places if place.is_dir() for path in place.iterdir() if ".tmp" in path.name
    ]


def test_kill_9_at_a_random_moment_leaves_nothing_half_made(place: Place) -> None:
    files = {f"d/{number}": f"{number}\n" * 1000 for number in range(20)}
    put(place.context, {"Dockerfile": KILLED, **files})
    words = ("build", "-q", "-t", "killed", "--network", "none", place.context)
    place.minirun(*words, check=True)
    expected = place.minirun("run", "--rm", "--network", "none", "killed", "cat", "/all", check=True).stdout
    began = time.monotonic()
    for _ in range(ROUNDS):
        place.minirun("builder", "prune", "-af", check=True)
        place.minirun("rmi", "killed", check=True)
        with place.minirun.spawn(*words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as build:
            time.sleep(random.uniform(0.02, 0.7))
            build.send_signal(signal.SIGKILL)
        told = place.minirun("images", "-q", "killed", check=True).stdout
        if told:  # it had come to its end
            assert (
                place.minirun("run", "--rm", "--network", "none", "killed", "cat", "/all").stdout == expected
            )
        place.minirun(*words, check=True)
        assert place.minirun("run", "--rm", "--network", "none", "killed", "cat", "/all").stdout == expected
        assert eventually(lambda: not temporary(place.minirun))
    assert time.monotonic() - began < ROUNDS * 6
