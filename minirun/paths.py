"""Where minirun keeps things.  Two trees: `root` survives a reboot, `state` does not (it is on a tmpfs).

    root   /var/lib/minirun    images/ layers/ containers/<id>/ volumes/<name>/ networks/ build/ compose/ cache/
                               events.jsonl
    state  /run/minirun        <id>/ with state.json, exec.fifo, shim.sock, netns

`--root` and `--state` move them, so tests and classrooms do not collide.

Both are root's alone.  What is in there would make an ordinary user of the host root: a set-user-ID program that an
image brought or a container made, and the secrets of `-e`.  So the way in is closed at the top, and once more one level
below, where the top is a directory of somebody else's that others have to enter (CVE-2021-41091, in Docker's tree).
"""

from __future__ import annotations

import errno
import os

DEFAULT_ROOT = "/var/lib/minirun"
DEFAULT_STATE = "/run/minirun"
DEFAULT_REGISTRIES = "/etc/minirun/registries.toml"  # `--config` names another


# All that minirun makes in `root`: directories, with how a name in each of them ends that nobody else would put there,
# and how the names of files begin.
_MARKS = {
    "containers": ".lock",
    "images": "oci-layout",
    "layers": ".lock",
    "volumes": ".lock",
    "networks": ".json",
    "build": ".lock",
    "compose": ".lock",
    "cache": "seccomp",
}
_FILES = ("content.lock", "images.lock", "events.jsonl")

_OTHERS = 0o077  # the bits of a mode that let in anybody but the owner


class Paths:
    """The two trees, and the places in them.  Nothing is created by asking for a path."""

    def __init__(
        self, root: str = DEFAULT_ROOT, state: str = DEFAULT_STATE, registries: str = DEFAULT_REGISTRIES
    ) -> None:
        self.registries = registries
        self.root = os.path.abspath(root)
        self.state = os.path.abspath(state)
        self.images = f"{self.root}/images"
        self.layers = f"{self.root}/layers"
        self.containers = f"{self.root}/containers"
        self.volumes = f"{self.root}/volumes"
        self.networks = f"{self.root}/networks"
        self.build = f"{self.root}/build"
        self.compose = f"{self.root}/compose"
        self.cache = f"{self.root}/cache"

    @property
    def build_cache(self) -> str:
        """A file KEY.LAYER.json for each step of a build that need not be done again; LAYER is below layers/."""
        return f"{self.build}/cache"

    def container(self, container_id: str) -> str:
        """The directory of a container's lasting files: container.json, config.json, upper/, log.json."""
        return f"{self.containers}/{container_id}"

    def run(self, container_id: str) -> str:
        """The directory of a container's running state: state.json, exec.fifo, shim.sock, netns."""
        return f"{self.state}/{container_id}"

    def secure(self) -> None:
        """Let nobody but the owner into trees that an older minirun or somebody's chmod(1) has left open.

        It costs two stat(2) when they are closed, as they are from the second time on.  What is not recognised as
        minirun's stays as it is: with --root /srv, /srv and what else is in there are not ours to close.
        """
        if _is_open(self.root):
            marked = [path for path in self._directories() if _has_mark(path)]
            if marked and all(map(is_ours, os.listdir(self.root))):
                _shut(self.root)
            for path in filter(_is_open, marked):
                _shut(path)
        if _is_open(self.state):
            inside = os.listdir(self.state)
            if inside and all(_is_run_directory(self.state, name) for name in inside):
                _shut(self.state)

    def _directories(self) -> list[str]:
        return [f"{self.root}/{name}" for name in _MARKS]


def is_ours(name: str) -> bool:
    """Whether minirun makes what has this name in `root`."""
    return name in _MARKS or name.lstrip(".").startswith(_FILES)


def _has_mark(path: str) -> bool:
    """Whether minirun has put things into this directory."""
    try:
        return any(name.endswith(_MARKS[os.path.basename(path)]) for name in os.listdir(path))
    except OSError:
        return False


def _is_run_directory(state: str, name: str) -> bool:
    """The runtime's ids may be any words, so it is told by what is in there; names with a dot are the seccomp cache."""
    inside = ("state.json", "exec.fifo", "shim.lock", "netns")
    return name.startswith(".") or any(os.path.lexists(f"{state}/{name}/{one}") for one in inside)


def _is_open(path: str) -> bool:
    """Whether others may enter or list a directory of our own."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    return bool(status.st_mode & _OTHERS) and status.st_uid == os.geteuid()


def _shut(path: str) -> None:
    try:
        os.chmod(path, 0o700)
    except OSError as error:
        if error.errno != errno.EROFS:  # a tree to look at only
            raise
