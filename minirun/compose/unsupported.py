"""What compose files may ask for, and one machine or this engine cannot do.

    left_out(project, services)   what they run without: said by name, once
    refuse(project, services)     what they would not be the same without: nothing is made

Where Docker Compose without a swarm ignores a key, so it is here; where Docker refuses, so do we.

See  compose-spec 05-services.md, deploy.md
"""

from __future__ import annotations

from minirun.compose import network_options
from minirun.engine.options import logging, runtimes
from minirun.errors import UnsupportedError, UsageError
from minirun.linux import apparmor
from minirun.network import endpoint_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from minirun.compose.language.model import Project, Service

_SECURITY = ("no-new-privileges", "seccomp", "systempaths", "writable-cgroups")  # of security_opt
_NO_SECURITY = ("apparmor=unconfined", "label=disable")  # there is none to take away
OWN_RUNTIMES = ("", "runc", "io.containerd.runc.v2", "minirun-oci")  # names of the default one, ours
_SWARM = "only a swarm does something with it"
_CGROUP = "only cgroup v1 has such a setting, and a file is for every host"
_NO_RESERVATION = "only a scheduler of several machines reserves something"
_WINDOWS = "it is for containers of Windows"

_MOUNTS = {"npipe": _WINDOWS, "cluster": _SWARM}
LEFT_OUT = {
    "deploy.labels": _SWARM,
    "deploy.placement": _SWARM,
    "deploy.endpoint_mode": _SWARM,
    "deploy.update_config": _SWARM,
    "deploy.rollback_config": _SWARM,
    "deploy.resources.reservations.cpus": _NO_RESERVATION,
    "deploy.resources.reservations.generic_resources": _NO_RESERVATION,
    "cpu_rt_period": _CGROUP,
    "cpu_rt_runtime": _CGROUP,
    "mem_swappiness": _CGROUP,
    "oom_kill_disable": _CGROUP,
    "storage_opt": "an overlay has no quota of its own",
}
REFUSED = {
    "cpu_count": _WINDOWS,
    "cpu_percent": _WINDOWS,
    "credential_spec": _WINDOWS,
    "deploy.resources.reservations.devices": "no device driver is known here; `devices` gives a file of /dev",
    "gpus": "no device driver is known here; `devices` gives a file of /dev",
    "pre_start": "make it a service of its own, on which this one depends with service_completed_successfully",
    "models": "there is no runner of models here",
    "provider": "there are no providers here; a service is a container",
    "use_api_socket": "there is no daemon here whose socket could be given",
}


def is_security(word: str) -> bool:
    """Whether an entry of security_opt is one that the engine acts on."""
    key = word.replace(":", "=", 1).partition("=")[0]
    return key in _SECURITY or (key == "apparmor" and apparmor.is_enabled())


def left_out(project: Project, services: Iterable[str]) -> list[str]:
    """A sentence for each thing that these services run without, with the names of those that asked for it."""
    asked: dict[str, list[str]] = {}
    for name in services:
        for text in dict.fromkeys(_of_service(project, project.services[name])):
            asked.setdefault(text, []).append(name)
    return [*(f"{_services(names)}: {text}" for text, names in asked.items()), *_of_networks(project)]


def refuse(project: Project, services: Iterable[str]) -> None:
    """Raises UnsupportedError, with all that these services cannot have."""
    found = [f'service "{name}": {text}' for name in services for text in _refused(project.services[name])]
    if found:
        raise UnsupportedError("\n".join(found), "take it out of the file, or run this service elsewhere")


def _services(names: list[str]) -> str:
    quoted = ", ".join(f'"{name}"' for name in names)
    return f"service{'s' if len(names) > 1 else ''} {quoted}"


def _listed(service: Service, reasons: dict[str, str], what: str) -> Iterator[str]:
    for path, reason in reasons.items():
        if _at(service, path):
            yield f"{path} {what}: {reason}"


def _at(service: Service, path: str) -> Any:
    """What stands under a path of keys, None for nothing."""
    found: Any = service
    for key in path.split("."):
        found = (found or {}).get(key)
    return found


def _of_service(project: Project, service: Service) -> Iterator[str]:
    yield from _listed(service, LEFT_OUT, "is left out")
    mode = _at(service, "deploy.mode")
    if mode not in (None, "", "replicated"):
        yield f"deploy.mode {mode} is left out: {_SWARM}"
    driver = _at(service, "logging.driver")
    if driver and driver not in logging.DRIVERS:
        yield f"logging.driver {driver} is left out: what it prints is kept in a file, as ever"
    yield from _of_security(service.get("security_opt") or [])
    yield from _of_mounts(service)
    yield from _of_endpoints(service)
    yield from _of_files(project, service)


def _of_security(words: Iterable[str]) -> Iterator[str]:
    for word in words:
        if not is_security(word) and word.replace(":", "=", 1) not in _NO_SECURITY:
            yield f"security_opt {word} is left out: there is no AppArmor on this host, and SELinux is not used"


def _of_mounts(service: Service) -> Iterator[str]:
    for mount in service.get("volumes") or []:
        if (mount.get("bind") or {}).get("propagation") in ("shared", "rshared"):
            yield "volumes.bind.propagation shared is left out: mounts go from the host to the container alone"


def _of_endpoints(service: Service) -> Iterator[str]:
    for endpoint in (service.get("networks") or {}).values():
        for option in (endpoint or {}).get("driver_opts") or {}:
            if option not in endpoint_options.KNOWN:
                yield f"networks.driver_opts {option} is left out: an interface has no such option here"


def _of_files(project: Project, service: Service) -> Iterator[str]:
    """Who may read a file of the host's is said by that file; one that is written for a container can be anybody's."""
    for kind, defined in (("secrets", project.secrets), ("configs", project.configs)):
        for one in service.get(kind) or []:  # type: ignore[attr-defined]
            for key in ("uid", "gid", "mode"):
                if key in one and "file" in defined[one["source"]]:
                    yield f"{kind}.{key} is left out: a file is mounted as it is, see chmod(1)"


def _of_networks(project: Project) -> Iterator[str]:
    for key, network in project.networks.items():
        ipam = network.get("ipam") or {}
        if network.get("driver") == "overlay":
            yield f'network "{key}": driver overlay is left out: on one machine a bridge does the same'
        if network.get("enable_ipv4") is False:
            yield f'network "{key}": enable_ipv4 is left out: every network has IPv4 here'
        if ipam.get("options") or ipam.get("driver") not in (None, "", "default"):
            yield f'network "{key}": ipam.driver and its options are left out: there is one way to choose addresses'
        for option in network.get("driver_opts") or {}:
            if option not in network_options.known_options(network):
                yield f'network "{key}": driver_opts {option} is left out: it has no such option here'


def _refused(service: Service) -> Iterator[str]:
    yield from _listed(service, REFUSED, "is not supported")
    if (name := service.get("runtime", "")) not in OWN_RUNTIMES:
        try:
            runtimes.find(name)
        except UsageError:
            yield f"runtime {name} is not supported: no OCI runtime of that name is installed"
    for key, known in (("isolation", ("", "default")), ("userns_mode", ("", "host"))):
        value = _at(service, key) or ""
        if value not in known:
            yield f"{key} {value} is not supported: there is {known[1]} alone"
    for mount in service.get("volumes") or []:
        if mount["type"] in _MOUNTS:
            yield f"volumes.type {mount['type']} is not supported: {_MOUNTS[mount['type']]}"
