"""AppArmor: whether this kernel has it, and the profile that a process will have from its next execve(2) on.

See      aa_change_onexec(2); opencontainers/runc libcontainer/apparmor
By hand  cat /sys/module/apparmor/parameters/enabled; aa-exec -p PROFILE sh
Left out loading a profile: apparmor_parser(8) does that
"""

from __future__ import annotations

import os

from minirun.linux import syscalls

_ENABLED = "/sys/module/apparmor/parameters/enabled"
_FILES = (
    "/proc/self/attr/apparmor/exec",
    "/proc/self/attr/exec",
)  # the second before Linux 5.1, or where it is alone


def is_enabled() -> bool:
    """Whether the kernel has AppArmor, and it is on."""
    try:
        with open(_ENABLED, encoding="ascii") as file:
            return file.read(1) == "Y"
    except OSError:
        return False


def use_at_execve(profile: str) -> None:
    """Through the host's /proc: a fork inherits it, execve(2) makes it so.  SyscallError ENOENT: it is not loaded."""
    file = next((name for name in _FILES if os.path.exists(name)), _FILES[-1])
    syscalls.write_file(file, f"exec {profile}", why="--security-opt apparmor")
