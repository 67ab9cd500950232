"""RUN --mount: what was asked for becomes mounts of config.json, and what has to be there for them is made.

    bind     files of the context, a stage or an image, where they are: bind_sources.py
    cache    a directory below the data root, locked: cache_mounts.py
    tmpfs    the runtime's own
    secret   a file on a tmpfs of ours, or a variable that is in no file
    ssh      a socket of ours, behind which is an agent: ssh_agent.py

Everything lies in one directory, on a tmpfs that only this child's mount namespace shows.  So neither a secret nor
what is bound can be found by anybody else, and nobody who tidies up can walk into somebody's source.

See      tmpfs(5); docs.docker.com "Dockerfile reference", RUN --mount
"""

from __future__ import annotations

import os
import posixpath

from minirun.build import bind_sources, cache_mounts
from minirun.build.nodes import SCRIPTS
from minirun.engine import filling
from minirun.engine.options import mounts as points
from minirun.errors import MinirunError, NotFoundError, UsageError
from minirun.linux import syscalls
from minirun.linux.constants import MS_NODEV, MS_NOSUID
from minirun.runtime import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from minirun.build.bind_sources import Source
    from minirun.build.cache_mounts import CacheMount
    from minirun.build.mounts import Mount
    from minirun.build.options import Agent, Secret
    from minirun.engine.record_types import MountPoint
    from minirun.engine.shim.loop import Part
    from minirun.paths import Paths

_SECRET_OPTIONS = ["bind", "rprivate", "ro", "nosuid", "nodev", "noexec"]


class Supply:
    """What mounts may take from.  `sources`: "" is the context, others are named by from=."""

    def __init__(
        self,
        sources: Mapping[str, Source] | None = None,
        secrets: Mapping[str, Secret] | None = None,
        ssh: Mapping[str, Agent] | None = None,
    ) -> None:
        self.sources = sources or {}
        self.secrets = secrets or {}
        self.ssh = ssh or {}


# ---- what a mount leaves unsaid -----------------------------------------------------------------------------------


def target(mount: Mount, workdir: str, number: int = 0) -> str:
    """Where it is mounted; `number` counts the mounts of type ssh.  "" for a secret that is a variable alone.

    Raises UsageError.
    """
    place = mount.target
    if mount.kind == "secret" and not place:
        place = "" if mount.env else f"/run/secrets/{posixpath.basename(secret_id(mount))}"
    elif mount.kind == "ssh" and not place:
        place = f"/run/buildkit/ssh_agent.{number}"
    if not place and mount.kind == "secret":
        return ""
    whole = posixpath.normpath(posixpath.join("/", workdir, place)) if place else "/"
    if whole.strip("/") == "":
        raise UsageError(f'invalid mount target "{mount.target}"', "a directory or a file in the image")
    return "/" + whole.lstrip("/")


def secret_id(mount: Mount) -> str:
    """Which secret it is.  Raises UsageError."""
    name = mount.source or mount.id or posixpath.basename(mount.target)
    if not name:
        raise UsageError(f"a secret without a name: target={mount.target}", "id=NAME")
    return name


def cache_id(mount: Mount) -> str:
    return mount.id or posixpath.normpath(mount.target)


# ---- making them --------------------------------------------------------------------------------------------------


class Mounts:
    """Those of one RUN.  `private` is the directory for all that is made; `beside` is one on the data root's disk.

    After `make`: `points` for config.json, `env` for the program, `secret_env` that no file may have, and `parts` that
    have to be served while it runs.
    """

    def __init__(self, paths: Paths, private: str, beside: str, supply: Supply) -> None:
        self.paths, self.private, self.beside, self.supply = paths, private, beside, supply
        self.points: list[MountPoint] = []
        self.env: list[str] = []
        self.secret_env: dict[str, str] = {}
        self.parts: list[Part] = []
        self.agents: list[int] = []  # pids of our own
        self.caches: dict[str, CacheMount] = {}
        self.count = 0

    def make(self, mounts: Sequence[Mount], files: Sequence[tuple[str, str]], workdir: str) -> None:
        """Raises MinirunError, with what is made so far for `release` to give back."""
        if not mounts and not files:
            return
        os.mkdir(self.private, 0o700)
        why = "secrets, and what will be bound: on no disk, and for this process alone to see"
        syscalls.mount("tmpfs", self.private, "tmpfs", MS_NOSUID | MS_NODEV, "mode=700", why=why)
        self._lock_caches([mount for mount in mounts if mount.kind == "cache"])
        agents = [mount for mount in mounts if mount.kind == "ssh"]
        for mount in mounts:
            place = target(mount, workdir, agents.index(mount) if mount in agents else 0)
            getattr(self, f"_make_{mount.kind}")(mount, place)
        if files:
            self._make_scripts(files)

    def release(self) -> None:
        """Give the caches to others, and stop agents and relays.  What is mounted goes with this process."""
        for pid in self.agents:
            process.kill_and_wait(pid)
        for cache in self.caches.values():
            cache.release()
        self.agents, self.caches = [], {}
        self.parts.clear()

    def _new_place(self) -> str:
        self.count += 1
        return f"{self.private}/{self.count}"

    def _add(self, kind: str, source: str, destination: str, options: list[str]) -> None:
        self.points.append({**points.point(kind, source, destination, "--mount"), "options": options})

    def _source(self, mount: Mount) -> Source:
        try:
            return self.supply.sources[mount.source_stage]
        except KeyError:
            raise NotFoundError(
                f"--mount: there is nothing to take from: from={mount.source_stage}"
            ) from None

    # ---- one kind each

    def _make_bind(self, mount: Mount, place: str) -> None:
        own = self._new_place()
        changes = "" if mount.readonly else f"{self.beside}/mount-{self.count}"
        bind_sources.bind(self._source(mount), mount.source, own, changes)
        self._add("bind", own, place, ["rbind", "rprivate", *(["ro"] if mount.readonly else [])])

    def _make_tmpfs(self, mount: Mount, place: str) -> None:
        self._add("tmpfs", "tmpfs", place, ["nosuid", *([f"size={mount.size}"] if mount.size else [])])

    def _make_secret(self, mount: Mount, place: str) -> None:
        name = secret_id(mount)
        if name not in self.supply.secrets:
            if mount.required:
                raise NotFoundError(f"secret {name}: not found", f"--secret id={name},src=FILE")
            return
        content = read_secret(name, self.supply.secrets[name])
        if mount.env:
            self.secret_env[mount.env] = os.fsdecode(content)
        if place:
            own = self._new_place()
            self._write(own, content, 0o400 if mount.mode is None else mount.mode, mount)
            self._add("bind", own, place, _SECRET_OPTIONS)

    def _make_ssh(self, mount: Mount, place: str) -> None:
        name = mount.id or "default"
        if name not in self.supply.ssh:
            if mount.required:
                raise NotFoundError(f"no SSH key {name} was given to the build", f"--ssh {name}")
            return
        from minirun.build import ssh_agent  # for the few that want one

        own = self._new_place()
        agent = self.supply.ssh[name].get("socket", f"{own}.agent")
        if "keys" in self.supply.ssh[name]:
            self.agents.append(ssh_agent.start(self.supply.ssh[name]["keys"], agent))
        self.parts.append(ssh_agent.Relay(own, agent, self.parts))
        self._own(own, 0o600 if mount.mode is None else mount.mode, mount)
        self._add("bind", own, place, ["bind", "rprivate"])
        if not any(entry.startswith("SSH_AUTH_SOCK=") for entry in self.env):
            self.env.append(f"SSH_AUTH_SOCK={place}")

    def _make_scripts(self, files: Sequence[tuple[str, str]]) -> None:
        own = self._new_place()
        os.mkdir(own)
        for name, text in files:
            self._write(f"{own}/{name}", text.encode(errors="surrogateescape"), 0o755, None)
        self._add("bind", own, SCRIPTS, ["bind", "rprivate", "ro"])

    def _write(self, path: str, content: bytes, mode: int, mount: Mount | None) -> None:
        with open(path, "xb") as file:
            file.write(content)
        self._own(path, mode, mount)

    def _own(self, path: str, mode: int, mount: Mount | None) -> None:
        os.chmod(path, mode)
        if mount:
            os.chown(path, mount.uid or 0, mount.gid or 0)

    # ---- caches

    def _lock_caches(self, mounts: list[Mount]) -> None:
        """All at once, each once and in one order, so that of two RUNs neither waits for the other."""
        wanted: dict[str, list[Mount]] = {}
        for mount in mounts:
            wanted.setdefault(self._cache_key(mount), []).append(mount)
        for key in sorted(wanted):
            first = wanted[key][0]
            sharing = {mount.sharing or "shared" for mount in wanted[key]}
            strictest = next(word for word in ("locked", "private", "shared") if word in sharing)
            self.caches[key] = cache_mounts.acquire(
                self.paths,
                key,
                cache_id(first),
                strictest,
                lambda data, first=first: self._fill(first, data),  # type: ignore[misc]
            )

    def _cache_key(self, mount: Mount) -> str:
        """Its id, and what a new one begins with: with from= that of a stage or image, else an owner and a mode."""
        if mount.source_stage:
            source = self._source(mount)
            layers = source if isinstance(source, list) else ["context"]
            names = [os.path.basename(layer) for layer in layers]
            return cache_mounts.key(cache_id(mount), names, posixpath.normpath(f"/{mount.source}"))
        return cache_mounts.key(cache_id(mount), mount.mode, mount.uid, mount.gid)

    def _fill(self, mount: Mount, data: int) -> None:
        if not mount.source_stage:
            if mount.source:
                raise NotFoundError(
                    f'"/{mount.source.strip("/")}": not found', "from= names what it is taken from"
                )
            os.fchmod(data, 0o755 if mount.mode is None else mount.mode)
            os.fchown(data, mount.uid or 0, mount.gid or 0)
            return
        source = bind_sources.open_source(self._source(mount), mount.source, self._new_place())
        try:
            filling.Copy(source, data).all()
        finally:
            os.close(source)

    def _make_cache(self, mount: Mount, place: str) -> None:
        data = self.caches[self._cache_key(mount)].data
        self._add("bind", data, place, ["bind", "rprivate", *(["ro"] if mount.readonly else [])])


def read_secret(name: str, secret: Secret) -> bytes:
    """What it is now.  Raises MinirunError."""
    if "text" in secret:
        return secret["text"]
    if "env" in secret:
        return os.environb.get(os.fsencode(secret["env"]), b"")
    try:
        with open(secret["file"], "rb") as file:
            return file.read()
    except OSError as error:
        raise MinirunError(f"secret {name}: {secret['file']}: {error.strerror}") from None
