"""Docker Compose on a private dockerd, and minirun, each made to do the same in a directory of its own.

Each side lives in a network namespace of its own: both have the same names, ports and subnets, and nobody notices.
After each step a Side is looked at, so that what is compared is what was said and what has become of it.
"""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from minirun.network import namespace
from tests.docker import Docker
from tests.support import CHECKOUT, Minirun, Result, run

JUDGE = CHECKOUT / ".venv" / "bin" / "docker-compose"
PATIENCE = 60  # seconds a step may take
LOOKS = {"config", "images", "logs", "ls", "port", "ps", "top"}  # after them the containers are not looked at
ASSIGNMENT = re.compile(r"^[A-Z_]+=")

Fact = Any  # of a container: what the engine's `inspect` says


class Until(NamedTuple):
    """A step that runs until it has printed `text`, and is then given a signal."""

    line: str
    text: str
    signal: int = signal.SIGINT


Step = str | Until


class Case(NamedTuple):
    """A compose file, what is done with it, and what else lies in the directory (name -> text)."""

    file: str
    steps: list[Step]
    files: Mapping[str, str] = MappingProxyType({})


class Seen(NamedTuple):
    """A step's outcome: what is compared."""

    step: str
    code: int
    stdout: list[str]
    stderr: list[str]
    containers: list[str]


# ---- the two sides ----------------------------------------------------------------------------------------


class Side:
    """Who does it: the words before `up -d` (`compose`) and before `inspect` (`engine`)."""

    def __init__(self, compose: list[str], engine: list[str], env: dict[str, str]) -> None:
        self.compose, self.engine, self.env = compose, engine, env

    def command(self, line: str) -> tuple[list[str], dict[str, str]]:
        """`docker ps` is the engine's, `sh ...` the host's, all else is compose's; `A=b` before it is environment."""
        words = shlex.split(line)
        given = {}
        while ASSIGNMENT.match(words[0]):
            name, _, value = words.pop(0).partition("=")
            given[name] = value
        start = {"docker": self.engine, "sh": ["sh"]}.get(words[0])
        return (start + words[1:] if start else self.compose + words), {**self.env, **given}

    def do(self, step: Step, directory: Path) -> Result:
        command, env = self.command(step.line if isinstance(step, Until) else step)
        if isinstance(step, Until):
            return until(command, env, directory, step)
        return run(*command, env=env, cwd=directory, timeout=PATIENCE)

    def ask(self, *words: str) -> str:
        return run(*self.engine, *words, env=self.env, check=True).stdout

    def inspect(self) -> list[Fact]:
        ids = self.ask("ps", "-aq", "--no-trunc").split()
        found = json.loads(self.ask("inspect", *ids)) if ids else []
        return sorted(found, key=lambda fact: str(fact["Name"]))

    def named(self, kind: str) -> list[Fact]:
        """What `inspect` says of networks or volumes that compose has made."""
        names = self.ask(kind, "ls", "-q", "--filter", "label=com.docker.compose.project").split()
        found = json.loads(self.ask(kind, "inspect", *names)) if names else []
        return sorted(found, key=lambda fact: str(fact["Name"]))

    def clear(self) -> None:
        """Takes everything away; images stay."""
        if ids := self.ask("ps", "-aq").split():
            self.ask("rm", "-f", "-v", *ids)
        if names := self.ask("volume", "ls", "-q").split():
            self.ask("volume", "rm", "-f", *names)
        self.ask("network", "prune", "-f")


def until(command: list[str], env: dict[str, str], directory: Path, step: Until) -> Result:
    print("$", shlex.join(command), "until", step.text)
    streams = [tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")]
    with streams[0] as out, streams[1] as err:
        process = subprocess.Popen(command, env={**os.environ, **env}, cwd=directory, stdout=out, stderr=err)
        try:
            _wait_for(step.text, process, streams)
            process.send_signal(step.signal)
            code = process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()
        texts = [_text(stream) for stream in streams]
    print(*texts, f"exit {code}", sep="\n")
    return Result(texts[0], texts[1], code)


def _wait_for(text: str, process: subprocess.Popen[bytes], streams: list[Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while text not in "".join(map(_text, streams)):
        assert process.poll() is None, f"it ends before {text!r} is printed"
        assert time.monotonic() < deadline, f"{text!r} is not printed"
        time.sleep(0.05)


def _text(stream: Any) -> str:
    return os.pread(stream.fileno(), 1 << 20, 0).decode()


@contextlib.contextmanager
def docker(program: Callable[[str], str], busybox: Path) -> Iterator[Side]:
    """The judge.  A socket's path has to be short."""
    directory = Path(tempfile.mkdtemp(prefix="dk"))
    where = str(directory / "net")
    with elsewhere(where):
        daemon = Docker(directory, program, where)
        try:
            daemon.wait()
            daemon("load", "-i", busybox)
            env = {"DOCKER_HOST": f"unix://{directory}/sock", "DOCKER_CONFIG": str(directory / "config")}
            yield Side([*enter(where), str(JUDGE)], daemon.client, env)
        finally:
            daemon.stop()
    shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def ours(minirun: Minirun, directory: Path) -> Iterator[Side]:
    where = str(directory / "net")
    with elsewhere(where):
        words = [*enter(where), *minirun.command()]
        yield Side([*words, "compose"], words, {})


@contextlib.contextmanager
def elsewhere(where: str) -> Iterator[None]:
    """A network namespace at that path, with a loopback alone."""
    namespace.pin(where)
    try:
        run(*enter(where), "ip", "link", "set", "lo", "up", check=True)
        yield
    finally:
        namespace.unpin(where)


def enter(where: str) -> list[str]:
    return ["nsenter", f"--net={where}"]


# ---- what is compared -------------------------------------------------------------------------------------


def play(side: Side, case: Case, directory: Path) -> tuple[list[Seen], list[str]]:
    """Each step's outcome, and what is there at the end."""
    directory.mkdir(parents=True)
    for name, text in {"compose.yaml": case.file, **case.files}.items():
        (directory / name).parent.mkdir(exist_ok=True, parents=True)
        (directory / name).write_text(text)
    seen: list[Seen] = []
    before: dict[str, Fact] = {}
    for step in case.steps:
        done = side.do(step, directory)
        looked = isinstance(step, str) and step.split()[0] in LOOKS
        facts = before if looked else {fact["Name"]: fact for fact in side.inspect()}
        changes = [becoming(before.get(name), facts.get(name)) for name in sorted({*before, *facts})]
        line = step.line if isinstance(step, Until) else step
        seen.append(
            Seen(line, done.code, said(done.stdout, directory), news(done.stderr, directory), changes)
        )
        before = facts
    return seen, [plain(line, directory) for line in there(side)]


def becoming(before: Fact | None, after: Fact | None) -> str:
    """`/p-web-1 running 0, made anew`: what a step made of a container."""
    if after is None:
        return f"{plain(before['Name'])} gone" if before else ""
    state = after["State"]
    line = f"{plain(after['Name'])} {state['Status']} {state['ExitCode']}"
    if before is None:
        return f"{line}, new"
    if before["Id"] != after["Id"]:
        return f"{line}, made anew"
    return f"{line}, {'as it was' if before['State']['StartedAt'] == state['StartedAt'] else 'started'}"


# a value of these is another in each run
VARYING = {"config-hash", "image", "version", "slug", "image-volume-digest", "replace", "engine"}


def there(side: Side) -> Iterator[str]:
    for fact in side.inspect():
        config, host = fact["Config"], fact["HostConfig"]
        yield f"container {fact['Name']}"
        yield from (f"  label {label}" for label in labels(config["Labels"]))
        yield f"  {config['Entrypoint']} {config['Cmd']} {config['User']!r} {config['WorkingDir']!r}"
        yield f"  env {sorted(config['Env'])}"
        yield f"  restart {host['RestartPolicy']['Name'] or 'no'}"
        yield f"  network mode {host['NetworkMode']}"
        yield from sorted(f"  mount {mount_text(mount)}" for mount in fact["Mounts"])
        yield from sorted(f"  {line}" for line in networks_of(fact))
        yield from sorted(f"  port {port} {ends}" for port, ends in (host["PortBindings"] or {}).items())
    for kind in ("network", "volume"):
        for fact in side.named(kind):
            yield f"{kind} {fact['Name']} {fact['Driver']} {fact.get('Options') or {}}"
            yield from (f"  label {label}" for label in labels(fact["Labels"] or {}))


def labels(given: dict[str, str]) -> list[str]:
    """Sorted; the values of some are left out."""
    return [
        name if name.rpartition("compose.")[2] in VARYING else f"{name}={value}"
        for name, value in sorted(given.items())
    ]


def mount_text(mount: Fact) -> str:
    source = mount.get("Name", "") if mount["Type"] == "volume" else mount.get("Source", "")
    return f"{mount['Type']} {source} {mount['Destination']} {'rw' if mount['RW'] else 'ro'}"


def networks_of(fact: Fact) -> Iterator[str]:
    for name, endpoint in fact["NetworkSettings"]["Networks"].items():
        aliases = sorted(set(endpoint["Aliases"] or []) - {fact["Id"][:12]})
        yield f"network {name} {aliases}"


# ---- words ------------------------------------------------------------------------------------------------


def said(text: str, directory: Path) -> list[str]:
    """Lines; without those that wipe a picture which is not there, and without a builder's."""
    lines = text.replace("\n\x1b[K", "").splitlines()
    return [plain(settled(line), directory) for line in lines if not BUILDERS.match(line)]


def news(text: str, directory: Path) -> list[str]:
    """What was told on stderr, in no order: each resource is told of when it happens, some of it twice by Docker."""
    lines = {plain(line, directory).strip() for line in text.splitlines() if not BUILDERS.match(line)}
    return sorted(line for line in lines if line and not line.startswith("hint: "))


# Docker's classic builder and its reproach, and what `minirun build` tells of its steps
BUILDERS = re.compile(
    r"Sending build context |Step \d|( --->|#\d+ )|Successfully |Removing intermediate |.* msg=.buildx |\s*$"
)


def settled(line: str) -> str:
    """JSON without what has no order: keys, labels, one of several answers."""
    if line[:1] not in "[{":
        return line
    found = json.loads(line)
    if isinstance(found, dict):
        return json.dumps(in_order(found), sort_keys=True)
    return json.dumps(sorted(map(in_order, found), key=str), sort_keys=True)


def in_order(found: dict[str, Any]) -> dict[str, Any]:
    given = found.get("Labels") or ""
    pairs = dict(pair.partition("=")[::2] for pair in given.split(",")) if given else {}
    return {**found, "Labels": labels(pairs)}


LOGGED = re.compile(r'time="[^"]*" level=warning msg="(.*)"$')
PREFIXES = re.compile(r"^(?:minirun: |Error response from daemon: |Error: )+")


def plain(line: str, directory: Path | None = None) -> str:
    """The line without what has to differ: ids, times, where the directory is."""
    if logged := LOGGED.match(line):
        line = logged[1].replace('\\"', '"')
    line = PREFIXES.sub("", line.rstrip())
    if directory:
        line = line.replace(str(directory), "<dir>")
    line = re.sub(r"\b(sha256:)?[0-9a-f]{64}\b", "<id>", line)
    line = re.sub(r"\b[0-9a-f]{12}\b", "<short id>", line)
    line = re.sub(r"\b20\d\d-\d\d-\d\d[T ][\d:.]+( \+0000 UTC|Z)?", "<time>", line)
    line = re.sub(r"^(\w+ +\d+ +root) .* \? ", r"\1 <process> ? ", line)
    line = re.sub(r"Less than a second|About a minute|\b\d+ seconds?", "<seconds>", line)
    line = re.sub(r"\b\d[\d.]*[kMG]B\b|(?<=\"Size\": )\d+", "<size>", line)
    return re.sub(r" {2,}", "  ", line)
