"""A project as a graph: which service waits for which, on what networks they are, what they keep and publish.

Pure: what the files say, and how the containers that are there are, put together for those who draw it.

    level 0    services that wait for nobody
    level n    services that wait for one of level n - 1, and for none above

See  docs/compose.md "A picture of it"; cli/compose/graph_text.py, cli/compose/graph_svg.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from minirun.compose import names, order

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from minirun.compose.language.model import Mount, Port, Project, Service
    from minirun.compose.observed import Container, Observed

WELL, COMING, BAD, DONE, NONE = "well", "coming", "bad", "done", "none"
STARTED = "started"
_CONDITIONS = {
    "service_started": STARTED,
    "service_healthy": "healthy",
    "service_completed_successfully": "completed",
}


class Edge(NamedTuple):
    """`source` begins when `target` is so."""

    source: str
    target: str
    condition: str  # started, healthy, completed
    required: bool = True


class Storage(NamedTuple):
    """Something of a service's that is not in its image."""

    kind: str  # volume, bind, tmpfs, image
    source: str  # the key of a volume, or a path
    target: str


class Box(NamedTuple):
    """One service."""

    name: str
    image: str
    wanted: int  # containers
    ports: list[str]  # "8000:80", "127.0.0.1:53:53/udp"
    networks: list[str]  # keys; of another mode: "host"
    storage: list[Storage]
    state: str  # WELL, COMING, BAD, DONE; NONE: there is no container
    words: str  # the same: "2 running, healthy"


class Network(NamedTuple):
    key: str
    name: str
    internal: bool
    external: bool


class Graph:
    """What there is to draw; `levels` from those that start first."""

    def __init__(
        self,
        name: str,
        levels: list[list[Box]],
        edges: list[Edge],
        networks: list[Network],
        volumes: list[str],
    ) -> None:
        self.name = name
        self.levels = levels
        self.edges = edges
        self.networks = networks
        self.volumes = volumes

    @property
    def boxes(self) -> list[Box]:
        return [box for level in self.levels for box in level]

    def needs(self, name: str) -> list[Edge]:
        """What a service waits for."""
        return [edge for edge in self.edges if edge.source == name]


def make(project: Project, services: Sequence[str] = (), there: Observed | None = None) -> Graph:
    """The graph of `services`, none: all, with what they depend on.  Raises NotFoundError for one that is not there."""
    chosen = order.selected(project, services, dependencies=True)
    edges = [edge for name in chosen for edge in _edges(project.services[name], chosen)]
    boxes = [_box(project, project.services[name], there.of(name) if there else []) for name in chosen]
    return Graph(
        project.name,
        levels(boxes, edges),
        edges,
        [
            _network(key, project.networks[key])
            for key in _used(project.networks, (box.networks for box in boxes))
        ],
        _used(project.volumes, ([one.source for one in box.storage] for box in boxes)),
    )


def levels(boxes: Iterable[Box], edges: Iterable[Edge]) -> list[list[Box]]:
    """The boxes, of which each comes behind what it waits for, by level."""
    level: dict[str, int] = {}
    found: list[list[Box]] = []
    edges = list(edges)
    for box in boxes:
        needed = [level[edge.target] for edge in edges if edge.source == box.name]
        level[box.name] = max(needed, default=-1) + 1
        if level[box.name] == len(found):
            found.append([])
        found[level[box.name]].append(box)
    return found


def _edges(service: Service, chosen: Iterable[str]) -> list[Edge]:
    wanted = service.get("depends_on") or {}
    return [
        Edge(service["name"], name, _CONDITIONS[one["condition"]], one.get("required", True))
        for name, one in sorted(wanted.items())
        if name in chosen
    ]


def _used(known: Iterable[str], used: Iterable[Iterable[str]]) -> list[str]:
    """Those of `known` that are used, in their order."""
    wanted = {name for names_ in used for name in names_}
    return [name for name in known if name in wanted]


def _network(key: str, definition: dict[str, Any]) -> Network:
    return Network(
        key,
        definition.get("name") or key,
        bool(definition.get("internal")),
        bool(definition.get("external")),
    )


def _box(project: Project, service: Service, found: list[Container]) -> Box:
    wanted = names.scale(service, {})
    state, words = condition(found, wanted)
    mode = service.get("network_mode") or ""
    return Box(
        service["name"],
        names.image(project, service),
        wanted,
        [_port(port) for port in service.get("ports") or []],
        list(service.get("networks") or {}) or ([mode] if mode else []),
        [_storage(mount) for mount in service.get("volumes") or []],
        state,
        words,
    )


def _port(port: Port) -> str:
    """
    >>> _port({"target": 53, "protocol": "udp", "published": "5353", "host_ip": "127.0.0.1"})
    '127.0.0.1:5353:53/udp'
    >>> _port({"target": 80, "protocol": "tcp"})
    '80'
    """
    protocol = "" if port["protocol"] == "tcp" else f"/{port['protocol']}"
    outside = [part for part in (port.get("host_ip"), port.get("published")) if part]
    return ":".join([*outside, str(port["target"])]) + protocol


def _storage(mount: Mount) -> Storage:
    return Storage(mount["type"], mount.get("source") or "", mount["target"])


# ---- how it is ------------------------------------------------------------------------------------------------------


def condition(found: list[Container], wanted: int) -> tuple[str, str]:
    """(state, words) of a service's containers."""
    if not found:
        return NONE, ""
    if bad := [one for one in found if is_bad(one)]:
        return BAD, _said(bad, len(found))
    if all(one.status == "exited" for one in found):
        return DONE, "exited (0)"
    up = [one for one in found if one.status == "running"]
    coming = [one for one in up if one.health == "starting"]
    if len(up) < wanted or coming:
        left = [one for one in found if one.status != "running"] or coming or found
        return COMING, _said(
            left, len(found)
        ) if coming or left is not found else f"{len(up)} of {wanted} running"
    count = f"{len(up)} running" if len(up) > 1 else "running"
    return WELL, f"{count}, healthy" if all(one.health for one in up) else count


def is_bad(container: Container) -> bool:
    """Whether it has failed, or its health check has."""
    failed = container.status in ("exited", "restarting") and container.exit_code != 0
    return failed or container.health == "unhealthy" or bool(container.record["state"]["error"])


def _said(some: list[Container], count: int) -> str:
    """How the first of them is, and how many of all are like it."""
    first = some[0]
    text = first.status
    if first.status in ("exited", "restarting"):
        text += f" ({first.exit_code})"
    elif first.health and first.health != "healthy":
        text = f"health: {first.health}" if first.health == "starting" else first.health
    return text if count == 1 else f"{len(some)} of {count} {text}"
