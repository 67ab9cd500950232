"""Step 7 of 13: what every config.json holds before an option has changed it: Docker's defaults.

config.json is the narrow waist.  What is above it (engine/bundle.py) knows images and options; what is below knows
only this file.  Copy a container's to another machine, with a root filesystem, and `runc run` makes the same of it.

    namespaces    what it has of its own               default_namespaces
    mounts        /proc, /dev, /sys, and below them    default_mounts
    masks         what it must not see of the host     masked_paths, READONLY_PATHS
    process       who runs it, with which privileges   default_process

See      runtime-spec config.md and config-linux.md; moby daemon/pkg/oci/defaults.go for the same decisions
By hand  minirun-oci spec; minirun inspect -f '{{json .Spec}}' NAME
Left out the capabilities (linux/capabilities.py), device rules (linux/devices.py), the filter (linux/seccomp.py)
Next     runtime/container.py
"""

from __future__ import annotations

import os

from minirun.linux import capabilities
from minirun.runtime.state import OCI_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.runtime.config import Config, MountEntry, Namespace, Process

# moby's, too: the program is looked for here when neither image nor -e says
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# /proc and /sys are not namespaced as a whole: these files show, or change, the host as it is.
_MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
# To be looked at, not written: /proc/sys is the host's sysctls, sysrq-trigger reboots it.  What a network namespace has
# of its own in /proc/sys/net is read-only with the rest; `--sysctl` writes it before (init.py, set_kernel_knobs).
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def masked_paths(cpus: str = "/sys/devices/system/cpu") -> list[str]:
    """What no container may read: secrets, and what measures the host's work finely enough to guess them.

    That is what interrupts, power and the throttling of each CPU can do (CVE-2020-8694; moby's GHSA-6fw5-f8r9-fgfm and
    GHSA-jq35-85cj-fj4p).  A CPU that is not there, or does not throttle, has no such directory in `cpus`.
    """
    names = os.listdir(cpus) if os.path.exists(cpus) else []
    numbers = sorted(int(name[3:]) for name in names if name[:3] == "cpu" and name[3:].isdigit())
    throttles = [f"{cpus}/cpu{number}/thermal_throttle" for number in numbers]
    return [*_MASKED_PATHS, *filter(os.path.exists, throttles)]


def default_mounts() -> list[MountEntry]:
    """The file systems every container gets, in the order they are mounted: a place after the one it lies in."""
    safe = ["nosuid", "noexec", "nodev"]  # the kernel's own files: no programs, no devices are expected there
    return [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": safe},
        {
            "destination": "/dev",
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
        },
        # devpts, the kernel's Documentation/filesystems/devpts.rst: each instance counts from 0, and its ptmx opens
        # its own terminals only.  5 is the group tty of Debian, which may write to a terminal: write(1), mesg(1)
        {
            "destination": "/dev/pts",
            "type": "devpts",
            "source": "devpts",
            "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        },
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": safe},
        {
            "destination": "/dev/shm",
            "type": "tmpfs",
            "source": "shm",
            "options": [*safe, "mode=1777", "size=67108864"],
        },
        # read-only: only the network part is a namespace's own, the rest is the host's hardware
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": [*safe, "ro"]},
        {
            "destination": "/sys/fs/cgroup",
            "type": "cgroup",
            "source": "cgroup",
            "options": [*safe, "relatime", "ro"],
        },
    ]


def default_namespaces(network: str = "") -> list[Namespace]:
    """All six kinds, new; `network` is "" for a new one, "host", or the path of one to join.

    Not among them: user (minirun runs as root of the host) and time (namespaces(7); Docker has none either).
    """
    kinds = ["pid", "ipc", "uts", "mount", "cgroup"]
    namespaces: list[Namespace] = [{"type": kind} for kind in kinds]
    if network != "host":
        namespaces.append({"type": "network", "path": network} if network else {"type": "network"})
    return namespaces


def default_process(args: list[str], names: list[str]) -> Process:
    """A process with the capabilities `names` in the three sets Docker fills.

    Not in inheritable: with it a program with inheritable file capabilities would give them to an ordinary user of the
    container (CVE-2022-24769).  `noNewPrivileges` is for `minirun-oci spec`, as in runc's; engine/bundle.py sets it by
    --security-opt.
    """
    return {
        "args": args,
        "cwd": "/",
        "env": [f"PATH={DEFAULT_PATH}", "TERM=xterm"],
        "user": {"uid": 0, "gid": 0},
        "capabilities": {"bounding": names, "effective": names, "permitted": names},
        "noNewPrivileges": True,
    }


def default_config() -> Config:
    """What `minirun-oci spec` writes: a shell in ./rootfs with Docker's default isolation."""
    return {
        "ociVersion": OCI_VERSION,
        "process": {**default_process(["sh"], list(capabilities.DEFAULT)), "terminal": True},
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "minirun",
        "mounts": default_mounts(),
        "linux": {
            "namespaces": default_namespaces(),
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "maskedPaths": masked_paths(),
            "readonlyPaths": list(READONLY_PATHS),
        },
    }
