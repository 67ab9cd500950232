"""Capabilities: root's power in 41 pieces, and the sets of them that a process carries.

    bounding     what execve(2) can ever give again; can only shrink
    permitted    what the process may switch on
    effective    what is on now
    inheritable  what passes through execve for programs with file capabilities
    ambient      what passes through execve for plain programs of a non-root user

A set is a bit mask here, bit n for capability number n, as /proc/PID/status shows it in hexadecimal.
Numbers, not names, go to the kernel, so a capability newer than this list is still dropped.

See      capabilities(7), capset(2); runtime-spec config.md "capabilities"
By hand  capsh --drop=cap_net_raw -- -c 'grep Cap /proc/self/status'
Left out file capabilities (they are extended attributes: image/tarentry.py sets them)
"""

from __future__ import annotations

from minirun.errors import UsageError
from minirun.linux import syscalls
from minirun.linux.constants import PR_CAP_AMBIENT_CLEAR_ALL, PR_CAP_AMBIENT_RAISE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# /usr/include/linux/capability.h, without the CAP_: a place in this list is a number.
_LIST = """
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
    NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT
    SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
    AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ
    PERFMON BPF CHECKPOINT_RESTORE
"""
NAMES = ["CAP_" + name for name in _LIST.split()]
NUMBERS = {name: number for number, name in enumerate(NAMES)}

# moby daemon/pkg/oci/caps/defaults.go: enough for package managers and servers, not enough to leave.
DEFAULT = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
)

ALL = "ALL"


# ---- names and masks --------------------------------------------------------------------------------------


def normalise(name: str) -> str:
    """`net_admin`, `NET_ADMIN`, `CAP_NET_ADMIN` are all CAP_NET_ADMIN; ALL stays.  UsageError if unknown."""
    if name.strip().upper() == ALL:
        return ALL
    full = _full(name)
    if full not in NUMBERS:
        hint = "capabilities(7) lists them; the CAP_ in front may be left out"
        raise UsageError(f'invalid capability: "{name}"', hint)
    return full


def _full(name: str) -> str:
    upper = name.strip().upper()
    return upper if upper.startswith("CAP_") else f"CAP_{upper}"


def parse(name: str) -> int:
    """The number of one capability.  UsageError names the one it does not know; ALL is not one capability."""
    full = normalise(name)
    if full == ALL:
        raise UsageError(f'invalid capability: "{name}" stands for all of them, not for one')
    return NUMBERS[full]


def is_known(name: str) -> bool:
    """Whether parse() would know it."""
    return _full(name) in NUMBERS


def mask(names: Iterable[str]) -> int:
    """The bit mask of `names`."""
    bits = 0
    for name in names:
        bits |= 1 << parse(name)
    return bits


def names(bits: int) -> list[str]:
    """The names in a bit mask, in the order of their numbers; an unknown one is CAP_<number>."""
    numbers = [number for number in range(bits.bit_length()) if bits >> number & 1]
    return [NAMES[number] if number < len(NAMES) else f"CAP_{number}" for number in numbers]


def effective_set(
    add: Iterable[str] = (),
    drop: Iterable[str] = (),
    privileged: bool = False,
    bounding: int | None = None,
) -> list[str]:
    """What a container with these `--cap-add`, `--cap-drop` and `--privileged` may do.

    Docker's rules (moby daemon/pkg/oci/caps, TweakCapabilities), the first that fits: privileged is all of
    them and the two lists say nothing; add ALL is all but what `drop` names; drop ALL is only what is added;
    else the defaults, less `drop`, with `add`, which wins.  The result is cut to `bounding` (default: this
    process's): a capability the host does not have cannot be given.
    """
    added = {normalise(name) for name in add}
    dropped = {normalise(name) for name in drop}
    if privileged:
        wanted = set(NAMES)
    elif ALL in added:
        wanted = set(NAMES) - dropped
    elif ALL in dropped:
        wanted = added
    else:
        wanted = (set(DEFAULT) - dropped) | added
    limit = read_sets("self")["CapBnd"] if bounding is None else bounding
    return [name for name in NAMES if name in wanted and limit >> NUMBERS[name] & 1]


# ---- what the host has ------------------------------------------------------------------------------------


def bounding() -> int:
    """The bounding set of this process.  A container engine may itself live in a container that cut it."""
    return read_sets("self")["CapBnd"]


def read_sets(pid: int | str) -> dict[str, int]:
    """The five sets of a process as {"CapInh": mask, "CapPrm", "CapEff", "CapBnd", "CapAmb"}."""
    with open(f"/proc/{pid}/status", "rb") as file:
        lines = file.read().decode(errors="replace").splitlines()
    pairs = (line.split(":") for line in lines if line.startswith("Cap"))
    return {name: int(value, 16) for name, value in pairs}


def last_cap() -> int:
    """The highest capability number this kernel knows."""
    with open("/proc/sys/kernel/cap_last_cap", "rb") as file:
        return int(file.read())


# ---- giving them up: called by the container's init -------------------------------------------------------


def limit_bounding(bits: int, present: int | None = None, last: int | None = None) -> None:
    """Drop from the bounding set all that is not in `bits`.  Needs CAP_SETPCAP: so before the uid changes.

    `present` is the bounding set now (what is gone already needs no call), `last` the kernel's last_cap();
    without them /proc is asked, which must then still be there.  EPERM without CAP_SETPCAP.
    """
    present = bounding() if present is None else present
    last = last_cap() if last is None else last
    for number in range(last + 1):
        if present >> number & 1 and not bits >> number & 1:
            syscalls.capbset_drop(number, why="nothing in the container can ever have this one again")


def set_all(effective: int, permitted: int, inheritable: int, ambient: int) -> None:
    """Set the thread's own four sets.  After setresuid(2), with PR_SET_KEEPCAPS before that.

    Ambient comes last: the kernel wants each of its members permitted and inheritable already, and capset(2)
    takes out those that are no longer.
    """
    syscalls.capset(effective, permitted, inheritable, why="only the capabilities of config.json are left")
    syscalls.cap_ambient(PR_CAP_AMBIENT_CLEAR_ALL, why="none are handed on by themselves")
    for number in range(ambient.bit_length()):
        if ambient >> number & 1:
            syscalls.cap_ambient(
                PR_CAP_AMBIENT_RAISE, number, why="this one survives execve for a non-root user"
            )
