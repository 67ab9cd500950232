"""What `info` tells: how many containers and images there are, and what they stand on.

Under the names of Docker's API, as far as there is such a thing here: there is no daemon to ask, so nothing about one.

See  docs.docker.com/engine/api "Get system information"
"""

from __future__ import annotations

import os
import sys

from minirun import __version__
from minirun.engine import cleanup, records
from minirun.engine.view import host
from minirun.image import platforms, settings
from minirun.image.store import Store
from minirun.runtime.state import OCI_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.paths import Paths

INDEX_SERVER = "https://index.docker.io/v1/"
_LIMITS = {
    "MemoryLimit": "memory",
    "SwapLimit": "memory",
    "CpuCfsPeriod": "cpu",
    "CpuCfsQuota": "cpu",
    "CPUShares": "cpu",
    "CPUSet": "cpuset",
    "PidsLimit": "pids",
}
_WARNINGS = {
    "memory": "No memory limit support",
    "cpu": "No cpu cfs quota support",
    "cpuset": "No cpuset support",
    "pids": "No pids limit support",
    "io": "No io.max support",
}


def facts(paths: Paths) -> dict[str, Any]:
    machine, here = os.uname(), host.controllers()
    forwarding = host.sysctl("net/ipv4/ip_forward") == "1"
    return {
        **_counts(paths),
        "Driver": "overlay",
        "DriverStatus": [["Backing Filesystem", host.file_system(paths.root)]],
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "null"],
            "Log": ["json-file", "local", "none"],
        },
        **{name: controller in here for name, controller in _LIMITS.items()},
        "IPv4Forwarding": forwarding,
        "OomKillDisable": False,
        "SystemTime": records.now(),
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": host.cgroup_version(),
        "KernelVersion": machine.release,
        "OperatingSystem": host.operating_system(),
        "OSVersion": host.os_release().get("VERSION_ID", ""),
        "OSType": "linux",
        "Architecture": machine.machine,
        "IndexServerAddress": INDEX_SERVER,
        "RegistryConfig": _registries(paths),
        "NCPU": os.cpu_count(),
        "MemTotal": host.memory_bytes(),
        "DockerRootDir": paths.root,
        "Name": machine.nodename,
        "Labels": [],
        "ExperimentalBuild": False,
        "ServerVersion": __version__,
        "Runtimes": {"minirun-oci": {"path": "minirun-oci"}},
        "DefaultRuntime": "minirun-oci",
        "SecurityOptions": ["name=seccomp,profile=default", "name=cgroupns"],
        "Warnings": _warnings(here, forwarding),
    }


def _counts(paths: Paths) -> dict[str, int]:
    states = [cleanup.reconcile(paths, record)["state"]["status"] for record in records.list_all(paths)]
    running, paused = states.count("running"), states.count("paused")
    return {
        "Containers": len(states),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": len(states) - running - paused,
        "Images": len({image.id for image in Store(paths).images()}),
    }


def _registries(paths: Paths) -> dict[str, Any]:
    known = settings.load(paths.registries)
    mirrors = [f"https://{mirror}/" for mirror in known.mirrors("docker.io")]
    insecure = sorted(host for host in known.hosts() if known.is_insecure(host))
    hub = {"Name": "docker.io", "Mirrors": mirrors, "Secure": True, "Official": True}
    return {
        "InsecureRegistryCIDRs": ["127.0.0.0/8"],
        "InsecureRegistries": insecure,
        "IndexConfigs": {"docker.io": hub},
        "Mirrors": mirrors,
    }


def _warnings(here: set[str], forwarding: bool) -> list[str]:
    """What containers here have to do without."""
    missing = [f"WARNING: {words}" for controller, words in _WARNINGS.items() if controller not in here]
    return missing if forwarding else [*missing, "WARNING: IPv4 forwarding is disabled"]


def version() -> dict[str, Any]:
    """Under Docker's two headings, though the same program is both ends: scripts ask for `.Server.Version`."""
    machine = os.uname()
    system, architecture, _ = platforms.own()
    where = {"Os": system, "Arch": architecture}
    runtime = {"Name": "minirun-oci", "Version": __version__, "Details": {"Spec": OCI_VERSION}}
    engine = {
        "Name": "Engine",
        "Version": __version__,
        "Details": {**where, "KernelVersion": machine.release},
    }
    return {
        "Client": {"Version": __version__, "PythonVersion": _python(), **where},
        "Server": {
            "Version": __version__,
            **where,
            "KernelVersion": machine.release,
            "Components": [engine, runtime],
        },
    }


def _python() -> str:
    return ".".join(map(str, sys.version_info[:3]))
