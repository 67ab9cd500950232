"""The facts that why.py judges: of the images, the logs, the names and the ports of this machine.

See  engine/diagnose/lookup.py for names; teach/packet_path.py walks to a port, and who calls us brings it
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from minirun.compose import conditions, names
from minirun.compose.why import Problem
from minirun.engine import images
from minirun.engine.diagnose import inventory, lookup
from minirun.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from minirun.compose.language.model import Project, Service
    from minirun.compose.observed import Container
    from minirun.paths import Paths

    WayIn = Callable[[int, str], Problem | None]


class Machine:
    """why.Facts of this machine.  `way_in(port, protocol)` tries a published port of this host."""

    def __init__(self, paths: Paths, project: Project, way_in: WayIn) -> None:
        self.paths = paths
        self.project = project
        self.wrong_port = way_in

    def has_image(self, service: Service) -> bool:
        try:
            images.store(self.paths).get(names.image(self.project, service))
        except NotFoundError:
            return False
        return True

    def log(self, container: Container) -> list[str]:
        return [line for line in conditions.last_lines(self.paths, container.record) if line.strip()]

    def wrong_name(self, container: Container, name: str) -> Problem | None:
        seen = inventory.read(self.paths)
        kernel = inventory.look(seen, [container.record])
        answer = lookup.resolve(seen, kernel, container.record, name)
        if answer.address:
            return None
        return Problem(
            answer.how, f"minirun network why {container.name} {name}:80, with the port that it has"
        )
