"""`--step`: where a run can stop, and three commands that show the state of things there.

A command is typed in another terminal while the process waits.  {pid} is the process that waits; the other words
in braces are paths of this container, see `describe`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from minirun.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from minirun.teach.events import Step
    from minirun.teach.names import Names

_NAMESPACES = "lsns -p {pid}"
_MOUNTS = "cat /proc/{pid}/mountinfo"
_FDS = "ls -l /proc/{pid}/fd"
_CAPABILITIES = "grep Cap /proc/{pid}/status"
_INTO_MOUNTS = "nsenter -t {pid} -m "

# step -> what to look at just before it happens; in the order of a run
HINTS: dict[str, tuple[str, str, str]] = {
    "image": ("cat {root}/images/index.json", "ls {root}/images/blobs/sha256", "ls -l /proc/{pid}/ns"),
    "record": ("ls {layers}", "ls {root}", "cat /proc/{pid}/cgroup"),
    "order": (
        "ls -t {root}/containers | head -1",
        "cat {root}/containers/*/container.json",
        "ps -o pid,ppid,comm --ppid {pid}",
    ),
    "own_mounts": (
        "readlink /proc/{pid}/ns/mnt /proc/self/ns/mnt",
        "wc -l /proc/{pid}/mountinfo",
        "ls -l {run}",
    ),
    "network": ("readlink /proc/{pid}/ns/net /proc/self/ns/net", "ip -br address", "nft list tables"),
    "overlay": ("ls -l {container}", "ls {layers}", "grep -c overlay /proc/{pid}/mountinfo"),
    "bundle": ("grep overlay /proc/{pid}/mountinfo", _INTO_MOUNTS + "ls {rootfs}", "ls {container}/upper"),
    "create": ("cat {container}/config.json", "cat {container}/hosts", "ls -l {run}"),
    "cgroup": ("ls {cgroups}", "cat {cgroups}/cgroup.controllers", "cat {run}/state.json"),
    "fork": ("ls {cgroup}", "grep -s . {cgroup}/*.max", "readlink /proc/{pid}/ns/pid_for_children"),
    "await_placement": (
        "ps -o pid,ppid,comm -p {pid}",
        "cat /proc/{pid}/cgroup",
        "grep NSpid /proc/{pid}/status",
    ),
    "enter_namespaces": (
        "cat {cgroup}/cgroup.procs",
        "readlink /proc/{pid}/ns/uts /proc/self/ns/uts",
        _NAMESPACES,
    ),
    "await_hooks": (_NAMESPACES, "readlink /proc/{pid}/ns/uts /proc/self/ns/uts", "cat /proc/{pid}/cgroup"),
    "set_kernel_knobs": (
        "nsenter -t {pid} -n ip link",
        "nsenter -t {pid} -u hostname",
        "ls -l /proc/{pid}/ns",
    ),
    "set_names": ("nsenter -t {pid} -u hostname", "nsenter -t {pid} -n ip -br address", _NAMESPACES),
    "detach_mounts": (
        "nsenter -t {pid} -u hostname",
        "grep -c master: /proc/{pid}/mountinfo",
        "wc -l /proc/{pid}/mountinfo",
    ),
    "mount_filesystems": (
        "grep {rootfs} /proc/{pid}/mountinfo",
        _INTO_MOUNTS + "ls {rootfs}/proc",
        "grep -c {rootfs} /proc/self/mountinfo",
    ),
    "make_devices": (
        "grep {rootfs} /proc/{pid}/mountinfo",
        _INTO_MOUNTS + "ls -l {rootfs}/dev",
        _INTO_MOUNTS + "ls {rootfs}/proc",
    ),
    "open_terminal": (_INTO_MOUNTS + "ls -l {rootfs}/dev", _INTO_MOUNTS + "ls -l {rootfs}/dev/pts", _FDS),
    "seal_paths": (
        "grep {rootfs}/proc /proc/{pid}/mountinfo",
        _INTO_MOUNTS + "ls -l {rootfs}/proc/sys/kernel/hostname",
        _INTO_MOUNTS + "head -3 {rootfs}/proc/interrupts",
    ),
    "pivot_root": ("ls -l /proc/{pid}/root", "grep ' ro' /proc/{pid}/mountinfo", "ls /proc/{pid}/root/home"),
    "take_stdio": ("ls /proc/{pid}/root/", _MOUNTS, _FDS),
    "set_limits": (_FDS, "cat /proc/{pid}/limits", "readlink /proc/{pid}/cwd"),
    "drop_bounding": (_CAPABILITIES, "cat /proc/{pid}/limits", "cat /proc/keys"),
    "change_user": (
        "grep -E 'Uid|Gid|Groups' /proc/{pid}/status",
        "capsh --decode=$(sed -n 's/CapBnd:.//p' /proc/{pid}/status)",
        "cat /proc/{pid}/root/etc/passwd",
    ),
    "set_capabilities": (
        "grep -E 'Uid|Gid|Groups' /proc/{pid}/status",
        _CAPABILITIES,
        "grep NoNewPrivs /proc/{pid}/status",
    ),
    "find_program": (
        _CAPABILITIES,
        "capsh --decode=$(sed -n 's/CapEff:.//p' /proc/{pid}/status)",
        "ls /proc/{pid}/root/bin",
    ),
    "close_descriptors": ("readlink /proc/{pid}/cwd", "grep SigIgn /proc/{pid}/status", _FDS),
    "load_seccomp_as_root": (_CAPABILITIES, "grep Seccomp /proc/{pid}/status", _FDS),
    "await_start": ("readlink /proc/{pid}/cwd", "ls -l {run}", _FDS),
    "start": ("cat {run}/state.json", "cat {cgroup}/cgroup.procs", "ls -l {run}/exec.fifo"),
    "load_seccomp": ("grep Seccomp /proc/{pid}/status", "grep NoNewPrivs /proc/{pid}/status", _FDS),
    "execute": (
        "grep Seccomp /proc/{pid}/status",
        "tr '\\0' ' ' < /proc/{pid}/cmdline",
        "readlink /proc/{pid}/exe",
    ),
}


def breakpoints(everywhere: bool, words: Iterable[str]) -> list[str]:
    """The steps to stop before: "*" for `--step`, the names of `--break before:NAME`.

    Raises UsageError for a word of another form, or a step that there is not.
    """
    found = ["*"] if everywhere else []
    for word in words:
        when, _, name = word.partition(":")
        if when != "before" or name not in HINTS:
            hint = f"--break before:STEP, and the steps are {', '.join(HINTS)}"
            raise UsageError(f'there is no step "{name or word}" to stop at', hint)
        found.append(name)
    return found


def describe(step: Step, names: Names) -> str:
    """What to say about a step the run has stopped before: its name, its reason, and three commands."""
    lines = [f"before {step.name}   {step.role}, pid {step.pid}", f"  {step.why}", "  In another terminal:"]
    return "\n".join([*lines, *(f"    {command}" for command in commands(step, names))])


def commands(step: Step, names: Names) -> list[str]:
    """The three commands, with this run's pid and paths."""
    words = {
        "pid": step.pid,
        "root": names.paths.root,
        "layers": names.paths.layers,
        "cgroups": names.cgroups,
        "container": names.value("C"),
        "rootfs": names.value("R"),
        "run": names.value("S"),
        "cgroup": names.value("G"),
    }
    return [command.format(**words) for command in HINTS.get(step.name, _ANYWHERE)]


_ANYWHERE = (_NAMESPACES, _MOUNTS, _CAPABILITIES)
