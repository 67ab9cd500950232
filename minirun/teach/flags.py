"""Numbers back into the names that man pages use.

See  linux/constants.py, where the numbers are
"""

from __future__ import annotations

import resource
import signal

from minirun.linux import constants

CLONE = {
    constants.CLONE_NEWNS: "CLONE_NEWNS",
    constants.CLONE_NEWCGROUP: "CLONE_NEWCGROUP",
    constants.CLONE_NEWUTS: "CLONE_NEWUTS",
    constants.CLONE_NEWIPC: "CLONE_NEWIPC",
    constants.CLONE_NEWUSER: "CLONE_NEWUSER",
    constants.CLONE_NEWPID: "CLONE_NEWPID",
    constants.CLONE_NEWNET: "CLONE_NEWNET",
}
# the words of unshare(1) and nsenter(1) for the same
NAMESPACE_OPTIONS = {
    "CLONE_NEWNS": "--mount",
    "CLONE_NEWCGROUP": "--cgroup",
    "CLONE_NEWUTS": "--uts",
    "CLONE_NEWIPC": "--ipc",
    "CLONE_NEWUSER": "--user",
    "CLONE_NEWPID": "--pid",
    "CLONE_NEWNET": "--net",
}
MOUNT = {getattr(constants, name): name for name in dir(constants) if name.startswith("MS_")}
UMOUNT = {constants.MNT_DETACH: "MNT_DETACH"}
PRCTL = {
    getattr(constants, name): name
    for name in dir(constants)
    if name.startswith(("PR_SET_", "PR_CAPBSET_")) or name == "PR_CAP_AMBIENT"
}
AMBIENT = {
    constants.PR_CAP_AMBIENT_RAISE: "PR_CAP_AMBIENT_RAISE",
    constants.PR_CAP_AMBIENT_CLEAR_ALL: "PR_CAP_AMBIENT_CLEAR_ALL",
}
ATTRIBUTES = {getattr(constants, name): name for name in dir(constants) if name.startswith("MOUNT_ATTR_")}
SECCOMP = {1: "TSYNC", 2: "LOG", 4: "SPEC_ALLOW", 8: "NEW_LISTENER", 16: "TSYNC_ESRCH"}  # <linux/seccomp.h>
BPF = {5: "BPF_PROG_LOAD", 8: "BPF_PROG_ATTACH"}  # <linux/bpf.h> enum bpf_cmd

# mount(8)'s word for a flag of mount(2)
MOUNT_OPTIONS = {
    "MS_RDONLY": "ro",
    "MS_NOSUID": "nosuid",
    "MS_NODEV": "nodev",
    "MS_NOEXEC": "noexec",
    "MS_SYNCHRONOUS": "sync",
    "MS_MANDLOCK": "mand",
    "MS_DIRSYNC": "dirsync",
    "MS_NOSYMFOLLOW": "nosymfollow",
    "MS_NOATIME": "noatime",
    "MS_NODIRATIME": "nodiratime",
    "MS_SILENT": "silent",
    "MS_RELATIME": "relatime",
    "MS_STRICTATIME": "strictatime",
    "MS_LAZYTIME": "lazytime",
}
PROPAGATION = {
    "MS_SHARED": "shared",
    "MS_PRIVATE": "private",
    "MS_SLAVE": "slave",
    "MS_UNBINDABLE": "unbindable",
}


def names(bits: int, table: dict[int, str]) -> list[str]:
    """The names of the bits that are set, lowest first; what has no name is one hexadecimal number at the end."""
    found = []
    for bit in sorted(table):
        if bits & bit == bit:
            found.append(table[bit])
            bits &= ~bit
    return [*found, hex(bits)] if bits else found


def joined(bits: int, table: dict[int, str]) -> str:
    """As strace writes them: "MS_BIND|MS_REC"; "0" for none."""
    return "|".join(names(bits, table)) or "0"


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def limit(number: int) -> str:
    """A resource limit as prlimit(1) takes it."""
    return "unlimited" if number in (-1, 2**64 - 1, resource.RLIM_INFINITY) else str(number)
