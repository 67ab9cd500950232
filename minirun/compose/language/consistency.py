"""Does a project hold together?  Each name that is used is defined, and no two keys contradict each other.

The words are Docker Compose's where it has some; the place in the file is added where it is known.

See  compose-go loader/validate.go
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from minirun.compose.language.problems import Problem

if TYPE_CHECKING:
    from minirun.compose.language.model import Project, Service
    from minirun.compose.language.yaml_nodes import Node

Keys = list[str | int]
"""What leads to a place, numbers in lists."""
Found = Iterator[tuple[str, Keys]]
"""What is wrong, and where."""
Plain = dict[str, Any]


def check(project: Project, tree: Node | None = None) -> list[Problem]:
    """`tree`, merged, tells the lines."""
    found: list[tuple[str, Keys]] = []
    for name, service in project.services.items():
        for rule in _RULES:
            found += [
                (message, ["services", name, *keys]) for message, keys in rule(name, dict(service), project)
            ]
    found += [*_contents(project), *_external(project)]
    if not found:  # a name that is not there leads to no cycle
        found += _cycles(project.services)
    return [placed(message, keys, tree) for message, keys in found]


def placed(message: str, keys: Sequence[str | int], tree: Node | None) -> Problem:
    """With the place of the last of `keys` that the file has."""
    path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    problem = Problem(message, path=path.removeprefix("."))
    node = tree
    for key in keys:
        line, column, node = _step(node, key)
        if node is None:
            break
        problem.file, problem.line, problem.column = node.file, line, column
    return problem


def _step(node: Node | None, key: str | int) -> tuple[int, int, Node | None]:
    """Into a mapping or a list; a key's place, or an item's."""
    value = node.value if node else None
    if node and isinstance(value, dict) and isinstance(key, str) and key in value:
        return *node.keys.get(key, (node.line, node.column)), value[key]
    if isinstance(value, list) and isinstance(key, int) and key < len(value):
        return value[key].line, value[key].column, value[key]
    return 0, 0, None


# --- one service ---


def _source(name: str, service: Plain, project: Project) -> Found:
    if not service.get("image") and not service.get("build") and not service.get("provider"):
        yield f'service "{name}" has neither an image nor a build context specified', []


def _build(name: str, service: Plain, project: Project) -> Found:
    build = service.get("build") or {}
    if build.get("dockerfile") and build.get("dockerfile_inline"):
        yield f'service "{name}" declares mutually exclusive dockerfile and dockerfile_inline', ["build"]
    platform = service.get("platform")
    if platform and build.get("platforms") and platform not in build["platforms"]:
        yield f'service.build.platforms MUST include service.platform "{platform}"', ["build", "platforms"]
    for key, word in (build.get("additional_contexts") or {}).items():
        other = word.removeprefix("service:")
        if other != word and not (project.services.get(other) or {}).get("build"):
            message = (
                f'service "{name}" declares non-buildable service "{other}" as additional contexts {key}'
            )
            yield message, ["build", "additional_contexts", key]


def _networks(name: str, service: Plain, project: Project) -> Found:
    if service.get("network_mode") and service.get("networks"):
        yield f"service {name} declares mutually exclusive `network_mode` and `networks`", ["network_mode"]
    for network in service.get("networks") or ():
        if network not in project.networks:
            yield f'service "{name}" refers to undefined network {network}', ["networks", network]


def _dependencies(name: str, service: Plain, project: Project) -> Found:
    for other, dependency in (service.get("depends_on") or {}).items():
        if other in project.services or (other in project.disabled and not dependency.get("required", True)):
            continue
        yield f'service "{name}" depends on undefined service "{other}"', ["depends_on", other]


def _mounts(name: str, service: Plain, project: Project) -> Found:
    for number, mount in enumerate(service.get("volumes") or ()):
        keys: Keys = ["volumes", number]
        source = mount.get("source")
        if mount["type"] == "volume" and source and source not in project.volumes:
            yield f'service "{name}" refers to undefined volume {source}', keys
        if not mount.get("target"):
            yield f'service "{name}" has a volume without a target', keys
        if mount["type"] == "bind" and not source:
            yield 'invalid mount config for type "bind": field Source must not be empty', keys


def _references(name: str, service: Plain, project: Project) -> Found:
    yield from _undefined(name, service, "secrets", "secret", project.secrets)
    yield from _undefined(name, service, "configs", "config", project.configs)
    for message, keys in _undefined(
        name, service.get("build") or {}, "secrets", "build secret", project.secrets
    ):
        yield message, ["build", *keys]


def _undefined(name: str, holder: Plain, key: str, kind: str, defined: Mapping[str, Any]) -> Found:
    for number, reference in enumerate(holder.get(key) or ()):
        source = reference.get("source")
        if source not in defined:
            yield f'service "{name}" refers to undefined {kind} {source}', [key, number]


def _ports(name: str, service: Plain, project: Project) -> Found:
    for number, port in enumerate(service.get("ports") or ()):
        if not port.get("target"):
            yield f'a port of service "{name}" is missing a target port', ["ports", number]


def _healthcheck(name: str, service: Plain, project: Project) -> Found:
    test = (service.get("healthcheck") or {}).get("test")
    if test and test[0] not in ("CMD", "CMD-SHELL", "NONE"):
        yield 'healthcheck.test must start either by "CMD", "CMD-SHELL" or "NONE"', ["healthcheck", "test"]


def _limits(name: str, service: Plain, project: Project) -> Found:
    """What `deploy` may say again must be said alike."""
    resources = (service.get("deploy") or {}).get("resources") or {}
    for key, section, other in (
        ("cpus", "limits", "cpus"),
        ("mem_limit", "limits", "memory"),
        ("mem_reservation", "reservations", "memory"),
        ("pids_limit", "limits", "pids"),
    ):
        mine = service.get(key)
        if mine and section in resources and resources[section].get(other) != mine:
            yield f"can't set distinct values on '{key}' and 'deploy.resources.{section}.{other}'", [key]


def _scale(name: str, service: Plain, project: Project) -> Found:
    scale, replicas = service.get("scale"), (service.get("deploy") or {}).get("replicas")
    if scale is not None and replicas is not None and scale != replicas:
        yield "can't set distinct values on 'scale' and 'deploy.replicas'", ["scale"]
    wanted = replicas if scale is None else scale
    if service.get("container_name") and (1 if wanted is None else wanted) > 1:
        key = "deploy.replicas" if scale is None else "scale"
        yield f"can't set container_name and {key} as container name must be unique", ["container_name"]


def _devices(name: str, service: Plain, project: Project) -> Found:
    resources = (service.get("deploy") or {}).get("resources") or {}
    reserved = (resources.get("reservations") or {}).get("devices")
    where: list[tuple[Any, Keys]] = [
        (service.get("gpus"), ["gpus"]),
        (reserved, ["deploy", "resources", "reservations", "devices"]),
    ]
    for requests, keys in where:
        for number, request in enumerate(requests or ()):
            if "count" in request and "device_ids" in request:
                yield '"count" and "device_ids" attributes are exclusive', [*keys, number]


def _watch(name: str, service: Plain, project: Project) -> Found:
    for number, rule in enumerate((service.get("develop") or {}).get("watch") or ()):
        if rule["action"] != "rebuild" and not rule.get("target"):
            yield "target is required for non-rebuild actions", ["develop", "watch", number]


_RULES = (
    _source,
    _build,
    _networks,
    _dependencies,
    _mounts,
    _references,
    _ports,
    _healthcheck,
    _limits,
    _scale,
    _devices,
    _watch,
)


# --- the project ---


def _contents(project: Project) -> Found:
    """A secret or a config has its content from one place."""
    for section, defined, sources in (
        ("secrets", project.secrets, ("file", "environment")),
        ("configs", project.configs, ("file", "environment", "content")),
    ):
        for name, definition in defined.items():
            given = [source for source in sources if source in definition]
            words = "|".join(sources)
            if len(given) > 1:
                yield f"{words} attributes are mutually exclusive", [section, name]
            elif not given and not definition.get("external") and "driver" not in definition:
                yield f"one of {words} must be set", [section, name]


def _external(project: Project) -> Found:
    for name, volume in project.volumes.items():
        for key in ("driver", "driver_opts", "labels") if volume.get("external") else ():
            if volume.get(key):
                yield f'conflicting parameters "external" and "{key}" specified', ["volumes", name, key]


def _cycles(services: Mapping[str, Service]) -> Found:
    """The first one, in the order of names."""
    done: set[str] = set()
    for name in sorted(services):
        cycle = _cycle_from(name, services, done)
        if cycle:
            message = f"dependency cycle detected: {' -> '.join(cycle)}"
            yield message, ["services", cycle[0], "depends_on", cycle[1]]
            return


def _cycle_from(start: str, services: Mapping[str, Service], done: set[str]) -> list[str]:
    """A way that comes back to where it was; none if there is none from `start`."""
    way: dict[str, None] = {}
    waiting = [iter([start])]
    while waiting:
        name = next(waiting[-1], None)
        if name is None:
            waiting.pop()
            if way:
                done.add(way.popitem()[0])
        elif name in way:
            names = list(way)
            return [*names[names.index(name) :], name]
        elif name not in done and name in services:
            way[name] = None
            waiting.append(iter(sorted(services[name].get("depends_on") or ())))
    return []
