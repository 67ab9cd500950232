"""Where minirun keeps things.  Two trees: `root` survives a reboot, `state` does not (it is on a tmpfs).

    root   /var/lib/minirun    images/ layers/ containers/<id>/ volumes/<name>/ networks/
    state  /run/minirun        <id>/ with state.json, exec.fifo, shim.sock

`--root` and `--state` move them, so tests and classrooms do not collide.
"""

from __future__ import annotations

import os

DEFAULT_ROOT = "/var/lib/minirun"
DEFAULT_STATE = "/run/minirun"
ROOT_MARK = "trusted.minirun.root"  # extended attribute of a layer's directory: the layer says whose / is, and its mode
DEFAULT_REGISTRIES = "/etc/minirun/registries.toml"  # `--config` names another


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
        self.cache = f"{self.root}/cache"

    def container(self, container_id: str) -> str:
        """The directory of a container's lasting files: container.json, config.json, upper/, log.json."""
        return f"{self.containers}/{container_id}"

    def run(self, container_id: str) -> str:
        """The directory of a container's running state: state.json, exec.fifo, shim.sock, netns."""
        return f"{self.state}/{container_id}"
