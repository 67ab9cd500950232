"""`features`: what of the specification this runtime knows, for engines that ask before they ask for more.

Taken from the tables by which it is done, so that it cannot say anything else.

See  runtime-spec features.md, features-linux.md
"""

from __future__ import annotations

from minirun import __version__
from minirun.linux import apparmor, capabilities, mempolicy, seccomp
from minirun.runtime import mounts, plan, schema
from minirun.runtime.state import OCI_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def known() -> dict[str, Any]:
    """The object of features.md."""
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": OCI_VERSION,
        "hooks": [],
        "mountOptions": mounts.known(),
        "linux": {
            "namespaces": sorted(plan.NAMESPACES),
            "capabilities": list(capabilities.NAMES),
            "cgroup": {"v1": True, "v2": True, "systemd": False, "systemdUser": False, "rdma": True},
            "seccomp": {"enabled": True, **seccomp.known(), "archs": list(schema.ARCHITECTURES)},
            "apparmor": {"enabled": apparmor.is_enabled()},
            "selinux": {"enabled": False},
            "intelRdt": {"enabled": False},
            "memoryPolicy": mempolicy.known(),
            "mountExtensions": {"idmap": {"enabled": False}},
            "netDevices": {"enabled": False},
        },
        "annotations": {"io.minirun.version": __version__},
        "potentiallyUnsafeConfigAnnotations": [],
    }
