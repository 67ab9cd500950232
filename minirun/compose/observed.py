"""What there is of a project: found by the labels that Compose puts on all it makes, so no file is needed for it.

By hand  minirun ps -a --filter label=com.docker.compose.project=NAME
Next     plan.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from minirun.compose import labels, names
from minirun.engine import containers
from minirun.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from minirun.engine.record_types import Record, Volume
    from minirun.network.ledger import Network
    from minirun.paths import Paths


class Container:
    """One container of a project, as it was when somebody looked."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.labels = record["labels"]

    @property
    def id(self) -> str:
        return self.record["id"]

    @property
    def name(self) -> str:
        return self.record["name"]

    @property
    def service(self) -> str:
        return self.labels.get(labels.SERVICE, "")

    @property
    def number(self) -> int:
        text = self.labels.get(labels.NUMBER, "")
        return int(text) if text.isdecimal() else 0

    @property
    def is_one_off(self) -> bool:
        """Whether `compose run` has made it."""
        return self.labels.get(labels.ONE_OFF, "") == "True"

    @property
    def config_hash(self) -> str:
        return self.labels.get(labels.CONFIG_HASH, "")

    @property
    def is_coming_for(self) -> str:
        """What the id begins with of the container in whose place it is to come, while it is not there yet; else ""."""
        return names.replaced(self.name)

    @property
    def status(self) -> str:
        """created, running, paused, restarting, exited"""
        return self.record["state"]["status"]

    @property
    def is_up(self) -> bool:
        return containers.is_under_way(self.record)

    @property
    def health(self) -> str:
        """starting, healthy, unhealthy; "" when nobody looks."""
        state = self.record["state"]["health"]
        return state["status"] if state and self.is_up else ""

    @property
    def exit_code(self) -> int:
        return self.record["state"]["exit_code"]

    @property
    def conditions(self) -> dict[str, str]:
        """{service: condition} of those it was made to come after."""
        listed = self.labels.get(labels.DEPENDS_ON, "").split(",")
        return dict(one.split(":")[:2] for one in listed if one.count(":") == 2)

    @property
    def dependencies(self) -> list[str]:
        """The services it was made to come after."""
        return list(self.conditions)

    @property
    def restarts_with(self) -> list[str]:
        """The services with which it is to be restarted."""
        listed = self.labels.get(labels.DEPENDS_ON, "").split(",")
        return [one.split(":")[0] for one in listed if one.endswith(":true")]

    @property
    def completing(self) -> list[str]:
        """The services whose end it was made to wait for."""
        return [name for name, condition in self.conditions.items() if condition.endswith("successfully")]


class Observed:
    """The containers, networks and volumes of one project; volumes and networks by the name they have here."""

    def __init__(
        self, found: Iterable[Container], networks: dict[str, Network], volumes: dict[str, Volume]
    ) -> None:
        self.containers = list(found)
        self.networks = networks  # all of this machine: a project may use those of others
        self.volumes = volumes

    def of(self, service: str) -> list[Container]:
        """The containers of a service, by their number; those of `compose run` left out."""
        mine = [one for one in self.containers if one.service == service and not one.is_one_off]
        return sorted(mine, key=lambda one: one.number)

    def services(self) -> list[str]:
        """The services that have containers, in the order of their names."""
        return sorted({one.service for one in self.containers if not one.is_one_off})


def require_made(service: str, found: Sequence[str]) -> str:
    """The first of the ids of a service's containers.  Raises NotFoundError when it has none."""
    if not found:
        raise NotFoundError(f"service {service} has no container yet", f"minirun compose up {service}")
    return found[0]


def look(paths: Paths, project: str) -> Observed:
    """What there is of the project called `project`, for those who are to change it."""
    from minirun.engine import volumes
    from minirun.engine.view import network_list  # `compose ps` has no use for them

    return Observed(
        containers_of(paths, project),
        {network["name"]: network for network in network_list.list_all(paths)},
        {volume["name"]: volume for volume in volumes.list_all(paths)},
    )


def containers_of(paths: Paths, project: str) -> list[Container]:
    """The containers of one project, those of `compose run` too."""
    return [one for one in of_all_projects(paths) if one.labels[labels.PROJECT] == project]


def of_all_projects(paths: Paths) -> Iterator[Container]:
    """Every container that belongs to a project, newest first."""
    for record in containers.all_containers(paths):
        if labels.PROJECT in record["labels"]:
            yield Container(record)
