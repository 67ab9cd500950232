"""Dockerfiles with small contexts, built by Docker's BuildKit and by minirun, to be looked at side by side.

    case('''FROM busybox
            COPY f /f''', {"f": "hello"})     a Dockerfile, and what lies beside it
    BuildKit(docker).build(case, ...)          Docker's: an Outcome
    Ours(minirun).build(case, ...)             minirun's: an Outcome

An Outcome is an exit code and words and, where there is an image, its tree (tests/trees.py), its config, its history
and its number of layers, without what has to differ: ids, times of the build, and the mtimes of directories, which
Docker 20.10 sets to the time of the build.
"""

import bz2
import gzip
import io
import json
import lzma
import os
import re
import tarfile
import textwrap
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minirun.image.store import Store
from minirun.paths import Paths
from tests import trees
from tests.docker import Docker
from tests.support import Minirun, Result, run

LONG_AGO = 1_000_000_000
"""When everything in a context was changed last, in 2001: what is younger in an image was made by a build."""
STARTED = time.time() - 3600


@dataclass(frozen=True)
class Node:
    """What lies at a path of a context. A bare text or bytes there is a file of mode 644, owned by root."""

    kind: str = "file"  # directory, symlink, link, fifo
    content: bytes = b""
    target: str = ""
    mode: int = 0o644
    owner: tuple[int, int] = (0, 0)
    mtime: int = LONG_AGO
    xattrs: Mapping[str, bytes] = field(default_factory=dict)


def file(content: str | bytes = "", **fields: Any) -> Node:
    return Node(content=content.encode() if isinstance(content, str) else content, **fields)


def directory(mode: int = 0o755, **fields: Any) -> Node:
    return Node("directory", mode=mode, **fields)


def symlink(target: str, **fields: Any) -> Node:
    return Node("symlink", target=target, **fields)


def link(target: str) -> Node:
    """Another name of the file at `target`, which has to stand before it."""
    return Node("link", target=target)


def fifo() -> Node:
    return Node("fifo")


Files = Mapping[str, Node | str | bytes]


def node(value: Node | str | bytes) -> Node:
    return value if isinstance(value, Node) else file(value)


def put(root: Path, files: Files) -> None:
    """Makes `files` below `root`; directories last, so that their mode and mtime stay."""
    for name, value in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        _make(place, node(value), root)
    for path, _, _ in os.walk(root, topdown=False):
        wanted = node(files.get(os.path.relpath(path, root), directory()))
        os.chmod(path, wanted.mode)
        os.chown(path, *wanted.owner)
        os.utime(path, (wanted.mtime, wanted.mtime))


def _make(place: Path, wanted: Node, root: Path) -> None:
    if wanted.kind == "directory":
        place.mkdir(exist_ok=True)
        return
    if wanted.kind == "link":
        os.link(root / wanted.target, place)
        return
    if wanted.kind == "symlink":
        place.symlink_to(wanted.target)
    elif wanted.kind == "fifo":
        os.mkfifo(place)
    else:
        place.write_bytes(wanted.content)
    os.lchown(place, *wanted.owner)
    if wanted.kind != "symlink":
        place.chmod(wanted.mode)  # chown(2) takes setuid away
    for name, value in wanted.xattrs.items():
        os.setxattr(place, name, value, follow_symlinks=False)
    os.utime(place, (wanted.mtime, wanted.mtime), follow_symlinks=False)


def tar(files: Files, compress: str = "") -> bytes:
    """A tar of `files`; owner and mode are theirs. `compress` is gz, bz2 or xz."""
    kinds = {"directory": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE, "link": tarfile.LNKTYPE}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, value in files.items():
            wanted, info = node(value), tarfile.TarInfo(name)
            shown = node(files[wanted.target]) if wanted.kind == "link" else wanted
            info.type = {**kinds, "fifo": tarfile.FIFOTYPE}.get(wanted.kind, tarfile.REGTYPE)
            info.mode, (info.uid, info.gid), info.mtime = shown.mode, shown.owner, shown.mtime
            info.linkname, info.size = wanted.target, len(wanted.content)
            info.pax_headers = {f"SCHILY.xattr.{key}": text.decode() for key, text in wanted.xattrs.items()}
            archive.addfile(info, io.BytesIO(wanted.content))
    packers: dict[str, Callable[[bytes], bytes]] = {
        "": bytes,
        "gz": gzip.compress,
        "bz2": bz2.compress,
        "xz": lzma.compress,
    }
    return packers[compress](buffer.getvalue())


@dataclass(frozen=True)
class Case:
    """One build: `args` are flags of docker build, in the directory of the context.

    `bases` are images to be made first, name -> Dockerfile. `context` is the last word; for "-" `stdin` is what comes
    in. With `fails` both have to say that, whatever the case of its letters; `ours` are minirun's words for it.
    """

    dockerfile: str
    files: Files
    args: tuple[str, ...] = ()
    bases: Mapping[str, str] = field(default_factory=dict)
    context: str = "."
    stdin: bytes = b""
    fails: str = ""
    ours: str = ""


def case(dockerfile: str, files: Files | None = None, *args: str, **fields: Any) -> Case:
    return Case(_text(dockerfile), files or {}, args, **fields)


def _text(dockerfile: str) -> str:
    """Without the margin of the lines after the first, which stand further right in the table."""
    first, newline, rest = dockerfile.partition("\n")
    return first + newline + textwrap.dedent(rest)


@dataclass(frozen=True)
class Outcome:
    """What a build came to; the last four are empty where there is no image."""

    code: int
    said: str
    tree: trees.Tree
    config: dict[str, Any]
    history: list[dict[str, Any]]
    layers: int


class Builder:
    """What both have in common: the directory of a case, and the words of its command."""

    name = ""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def command(self, *words: str) -> list[str]:
        raise NotImplementedError

    def look(self, image: str) -> tuple[dict[str, Any], list[str]]:
        """An image's config file, and the directories of its layers, lowest first."""
        raise NotImplementedError

    def build(self, name: str, case: Case) -> Outcome:
        short = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
        place = self.directory / short
        for base, dockerfile in case.bases.items():
            made = self.run(place / base, Case(_text(dockerfile), {}), base)
            if made.code:
                return Outcome(made.code, f"{base}: {made.stderr}{made.stdout}", {}, {}, [], 0)
        image = f"case/{short}"
        done = self.run(place / "context", case, image)
        if done.code:
            return Outcome(done.code, done.stderr + done.stdout, {}, {}, [], 0)
        document, layers = self.look(image)
        return outcome(done, document, trees.of_layers(layers) if layers else {})

    def run(self, place: Path, case: Case, image: str) -> Result:
        place.mkdir(parents=True)
        put(place, {**({"Dockerfile": case.dockerfile} if case.dockerfile else {}), **case.files})
        network = () if any(word.startswith("--network") for word in case.args) else ("--network", "none")
        # BuildKit takes two contexts of one name for one that changed, and a file of the same size and mtime for the
        # same: "." would be the name of all
        context = case.context if case.context == "-" else str(place / case.context)
        # nor may one case find what another made of the same content: times and, with Docker, attributes are not its
        words = self.command("build", "-q", "--no-cache", "-t", image, *network, *case.args, context)
        if case.context == "-" or "-" in case.args:
            given = place.parent / "stdin"
            given.write_bytes(case.stdin)
            words = ["sh", "-c", 'exec "$@" < ../stdin', "sh", *words]
        return run(*words, env={"DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain"}, cwd=place)


class BuildKit(Builder):
    """Debian's docker with BuildKit in it."""

    name = "docker"

    def __init__(self, directory: Path, docker: Docker) -> None:
        super().__init__(directory)
        self.docker = docker

    def command(self, *words: str) -> list[str]:
        return [*self.docker.client, *words]

    def look(self, image: str) -> tuple[dict[str, Any], list[str]]:
        (facts,) = json.loads(self.docker("image", "inspect", image))
        data = self.docker.directory / "data/image/overlay2/imagedb/content/sha256"
        document = json.loads((data / facts["Id"].removeprefix("sha256:")).read_text())
        places = facts["GraphDriver"]["Data"] or {}
        lower = places.get("LowerDir", "").split(":")
        return document, [*filter(None, reversed(lower)), *filter(None, [places.get("UpperDir")])]


class Ours(Builder):
    """minirun."""

    name = "minirun"

    def __init__(self, directory: Path, minirun: Minirun) -> None:
        super().__init__(directory)
        self.minirun = minirun

    def command(self, *words: str) -> list[str]:
        return self.minirun.command(*words)

    def look(self, image: str) -> tuple[dict[str, Any], list[str]]:
        found = Store(Paths(str(self.minirun.root), str(self.minirun.state))).get(image)
        return found.document, found.layer_paths()


def outcome(done: Result, document: dict[str, Any], tree: trees.Tree) -> Outcome:
    config = {key: value for key, value in (document.get("config") or {}).items() if value not in NOTHING}
    for key in ("architecture", "os", "author", "variant"):
        if document.get(key):
            config[f"(top) {key}"] = document[key]
    history = [
        {key: value for key, value in entry.items() if key != "created" and value not in NOTHING}
        for entry in document.get("history") or []
    ]
    layers = len(document["rootfs"].get("diff_ids") or [])
    return Outcome(done.code, done.stderr + done.stdout, _settled(tree), config, history, layers)


NOTHING = (None, "", False, [], {})


def _settled(tree: trees.Tree) -> trees.Tree:
    """Without the times of the build itself."""
    for entry in tree.values():
        if entry["type"] == "d":
            del entry["mtime"]
        elif entry["mtime"] / 1e9 > STARTED:
            entry["mtime"] = "now"
    return tree


def differences(docker: Outcome, ours: Outcome) -> list[str]:
    """[] or lines that say what is not the same."""
    if docker.code or ours.code:
        return [] if docker.code == ours.code else [f"exit code {docker.code} and {ours.code}: {ours.said}"]
    lines = trees.differences(docker.tree, ours.tree)
    lines += [
        f"config {key}: {docker.config.get(key)} and {ours.config.get(key)}"
        for key in sorted(docker.config.keys() | ours.config.keys())
        if docker.config.get(key) != ours.config.get(key)
    ]
    if docker.layers != ours.layers:
        lines.append(f"layers: {docker.layers} and {ours.layers}")
    return lines + _histories(docker.history, ours.history)


def _histories(docker: list[dict[str, Any]], ours: list[dict[str, Any]]) -> list[str]:
    if len(docker) != len(ours):
        return [f"history: {docker} and {ours}"]
    pairs = zip(docker, ours, strict=True)
    return [f"history: {one} and {two}" for one, two in pairs if one != two]
