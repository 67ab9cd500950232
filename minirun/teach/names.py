"""Short names for the long paths of one container, so that a command fits a line and can still be typed.

The names are shell variables: `definitions` are the lines that make the commands work when pasted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from minirun.errors import MinirunError
from minirun.linux import cgroup_files

if TYPE_CHECKING:
    from minirun.paths import Paths


class Names:
    """The paths of the container that a run makes; its id becomes known when an event first mentions it."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.id = ""
        try:
            self.cgroups = cgroup_files.mount_point()
        except MinirunError:
            self.cgroups = "/sys/fs/cgroup"

    def learn(self, text: str) -> bool:
        """Look for the container's id in an act.  True the first time it is found."""
        found = None if self.id else re.search(r"[0-9a-f]{64}", text)
        if found and not re.search(re.escape(self.paths.layers) + f"/(chain-)?{found[0]}", text):
            self.id = found[0]
        return bool(found and self.id)

    def _places(self) -> list[tuple[str, str]]:
        """(variable, path), the longest paths first."""
        container_id = self.id or "*"  # a pattern, while nobody has said it
        container = self.paths.container(container_id)
        return [
            ("R", f"{container}/merged"),
            ("C", container),
            ("S", self.paths.run(container_id)),
            ("G", f"{self.cgroups}/minirun/{container_id}"),
            ("L", self.paths.layers),
        ]

    def definitions(self) -> list[tuple[str, str]]:
        """(assignment, what it is), in an order that a shell can read."""
        return [
            (f"ID={self.id}", "the container"),
            (f"C={self.paths.containers}/$ID", "its files"),
            ("R=$C/merged", "its root filesystem"),
            (f"S={self.paths.state}/$ID", "what is gone after a reboot"),
            (f"G={self.cgroups}/minirun/$ID", "its control group"),
            (f"L={self.paths.layers}", "the layers of all images"),
        ]

    def shorten(self, text: str) -> str:
        """`text` with the variables for the paths, and layers' names cut to twelve digits."""
        return re.sub(r"(\$L/(?:chain-)?[0-9a-f]{12})[0-9a-f]{52}", r"\1…", self.substitute(text))

    def substitute(self, text: str) -> str:
        """`text` with the variables for the paths and the id."""
        if not self.id:
            return text
        for variable, path in self._places():
            text = text.replace(path, f"${variable}")
        return text.replace(self.id, "$ID")

    def value(self, variable: str) -> str:
        """The path a variable stands for; a pattern for it while the id is not known."""
        return next(path for name, path in self._places() if name == variable)
