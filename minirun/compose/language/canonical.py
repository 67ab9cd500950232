"""The one form of a project: defaults are there, names are whole, what a key implies is said, types are the model's.

    merged Node tree, checked  ->  plain values  ->  defaults  ->  what is implied  ->  the types of keys.py

See  model.py for the form
Next consistency.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from minirun.compose.language import keys, merging, paths
from minirun.compose.language.yaml_nodes import Node, plain

Plain = dict[str, Any]


class Where:
    """What is known of a project besides its files."""

    def __init__(
        self,
        name: str,
        directory: str,
        environment: Mapping[str, str],
        *,
        normalize: bool = True,
        resolve_paths: bool = True,
        typed: bool = True,
    ) -> None:
        self.name = name
        self.directory = directory
        self.environment = environment
        self.normalize = normalize
        self.resolve_paths = resolve_paths
        self.typed = typed  # False: variables are in the text still, so no text is looked into


def make(tree: Node, where: Where) -> Plain:
    """The files' tree, merged and checked, as `compose config --format json` prints it."""
    keys.spell_out(tree)
    complete(tree, inherited=where.normalize)
    if where.resolve_paths:
        paths.make_absolute(tree, where.directory)
    project: Plain = plain(tree)
    project.pop("version", None)
    project.pop("include", None)
    set_defaults(project)
    resolve(project, where)
    if where.normalize:
        project["name"] = where.name
        normalize(project, where)
    return keys.FILE.make(project) if where.typed else project


def services(project: Plain) -> Iterator[Plain]:
    yield from (project.get("services") or {}).values()


def complete(tree: Node, *, inherited: bool) -> None:
    """Each service gets what belongs to it before paths are resolved."""
    listed = tree.value.get("services") if isinstance(tree.value, dict) else None
    for service in listed.value.values() if listed and isinstance(listed.value, dict) else ():
        if isinstance(service.value, dict):
            set_context(service.value)
            if inherited:
                inherit(service.value)


def set_context(service: dict[str, Node]) -> None:
    """A build without a context has the project's directory."""
    build = service.get("build")
    if build and isinstance(build.value, dict):
        build.value.setdefault("context", Node(".", build.line, build.column, build.file))


def inherit(service: dict[str, Node]) -> None:
    """What runs before the start is as the service's container, but for its mounts and what it says itself."""
    hooks = service.get("pre_start")
    if hooks is None or not isinstance(hooks.value, list):
        return
    shared = {key: node for key, node in service.items() if key in keys.CONTAINER and key != "volumes"}
    hooks.value = [
        merging.merge_service(Node({key: node.copy() for key, node in shared.items()}), hook, [])
        for hook in hooks.value
    ]


def set_defaults(project: Plain) -> None:
    for service in services(project):
        for port in service.get("ports") or ():
            if isinstance(port, dict):
                port.setdefault("mode", "ingress")
                port.setdefault("protocol", "tcp")
        for file in service.get("env_file") or ():
            file.setdefault("required", True)
        for dependency in (service.get("depends_on") or {}).values():
            dependency.setdefault("required", True)
        for secret in service.get("secrets") or ():
            if not secret.get("target"):
                secret["target"] = f"/run/secrets/{secret['source']}"
        for mount in service.get("volumes") or ():
            if isinstance(mount, dict) and mount.get("bind") is not None:
                mount["bind"].setdefault("create_host_path", True)
        for request in _device_requests(service):
            if "device_ids" not in request:
                request.setdefault("count", "all")


def _device_requests(service: Plain) -> list[Plain]:
    resources = (service.get("deploy") or {}).get("resources") or {}
    return [*(service.get("gpus") or ()), *((resources.get("reservations") or {}).get("devices") or ())]


def resolve(project: Plain, where: Where) -> None:
    """A name without a value gets the one that it has where compose runs."""
    for service in services(project):
        build = service.get("build") or {}
        if "args" in build and where.normalize:
            build["args"] = _resolved(build["args"], where.environment, keep=False)
        if "environment" in service and where.typed:
            service["environment"] = _resolved(service["environment"], where.environment, keep=True)


def _resolved(pairs: Any, environment: Mapping[str, str], *, keep: bool) -> Any:
    if isinstance(pairs, list):
        named = [(pair, environment.get(pair)) if "=" not in pair else (pair, "") for pair in pairs]
        return [
            f"{pair}={found}" if found and "=" not in pair else pair
            for pair, found in named
            if keep or found is not None
        ]
    pairs = {name: environment.get(name) if value is None else value for name, value in (pairs or {}).items()}
    return {name: value for name, value in pairs.items() if keep or value is not None}


def normalize(project: Plain, where: Where) -> None:
    """What files leave out and mean all the same."""
    for service in services(project):
        build = service.get("build")
        if build is not None and not build.get("dockerfile_inline"):
            build.setdefault("dockerfile", "Dockerfile")
        for container in (service, *(service.get("pre_start") or ())):
            normalize_container(container)
        if "scale" in service and isinstance(service.get("deploy"), dict):
            service["deploy"].setdefault("replicas", service["scale"])
        for name, restart in implied(service):
            service.setdefault("depends_on", {}).setdefault(name, _dependency(restart))
    _add_default_network(project)
    _name(project, where.name)


def normalize_container(container: Plain) -> None:
    if container.get("pull_policy") == "if_not_present":
        container["pull_policy"] = "missing"
    if not (container.get("networks") or container.get("network_mode") or container.get("provider")):
        container["networks"] = {"default": None}


def _dependency(restart: bool) -> Plain:
    return {"condition": "service_started", "required": True, "restart": restart}


def implied(service: Plain) -> Iterator[tuple[str, bool]]:
    """The services that this one needs without depends_on saying so; whether it restarts with them."""
    for link in service.get("links") or ():
        yield link.partition(":")[0], True
    for key in ("network_mode", "ipc", "pid", "uts", "cgroup"):
        kind, _, name = (service.get(key) or "").partition(":")
        if kind == "service":
            yield name, True
    for volume in service.get("volumes_from") or ():
        if not volume.startswith("container:"):
            yield volume.partition(":")[0], False


def _add_default_network(project: Plain) -> None:
    """It is there where a service is on it."""
    used = any("default" in (service.get("networks") or ()) for service in services(project))
    networks = project.setdefault("networks", {})
    if used:
        networks.setdefault("default", None)


def _name(project: Plain, name: str) -> None:
    """Networks, volumes, secrets and configs: `project_key`, if the file does not say another name."""
    for section in ("networks", "volumes", "secrets", "configs"):
        for key, value in (project.get(section) or {}).items():
            project[section][key] = definition = value if value is not None else {}
            external = definition.get("external")
            if isinstance(external, dict):
                definition.setdefault("name", external.get("name") or key)
                definition["external"] = True
            elif external and not definition.get("name"):
                definition["name"] = key
            if not definition.get("name"):
                definition["name"] = f"{name}_{key}"
