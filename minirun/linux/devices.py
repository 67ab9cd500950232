"""Device rules: which device nodes the container may make, read and write, judged by a BPF program.

cgroup v2 has no file for this.  Instead a program of type BPF_PROG_TYPE_CGROUP_DEVICE is attached to the
group, and the kernel runs it at every open(2) and mknod(2) of a device.  The rules are config.json's: a list
in which a later rule beats an earlier one, for each of r, w and m by itself; what no rule mentions is denied.

The program is written here instruction by instruction.  It walks the rules from the last to the first and
keeps in r3 the accesses that no rule has decided yet: a rule that allows takes its own out and is done when
none is left, a rule that denies ends it all when one of its own is still there.

See      bpf(2); kernel Documentation/bpf/standardization/instruction-set.rst and
         admin-guide/cgroup-v2.rst "Device controller"; runtime-spec config-linux.md "Allowed Device list"
By hand  bpftool cgroup show /sys/fs/cgroup/minirun/ID; bpftool prog dump xlated id N
Left out replacing the program of a group that runs (two programs must both allow)
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from minirun.errors import MinirunError, UnsupportedError, UsageError
from minirun.linux import cgroup_files, syscalls
from minirun.linux.syscalls import SyscallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


def _allow(kind: str, major: int | None, minor: int | None, access: str = "rwm") -> dict[str, Any]:
    numbers = {name: number for name, number in (("major", major), ("minor", minor)) if number is not None}
    return {"allow": True, "type": kind, **numbers, "access": access}


# What every container may do, as in runc (specconv AllowedDevices): it puts them behind config.json's rules.
ALLOWED: list[dict[str, Any]] = [
    _allow("c", None, None, "m"),  # making a node is harmless: using it is what is judged
    _allow("b", None, None, "m"),
    _allow("c", 1, 3),  # null
    _allow("c", 1, 5),  # zero
    _allow("c", 1, 7),  # full
    _allow("c", 1, 8),  # random
    _allow("c", 1, 9),  # urandom
    _allow("c", 5, 0),  # tty
    _allow("c", 5, 1),  # console
    _allow("c", 5, 2),  # ptmx
    _allow("c", 136, None),  # the terminals in /dev/pts
    _allow("c", 10, 200),  # net/tun
]


def _node(path: str, major: int, minor: int) -> dict[str, Any]:
    return {"path": path, "type": "c", "major": major, "minor": minor, "fileMode": 0o666, "uid": 0, "gid": 0}


# The nodes runtime-spec config-linux.md "Default Devices" wants in every /dev, in its `linux.devices` form.
DEFAULT_NODES = [
    _node("/dev/null", 1, 3),
    _node("/dev/zero", 1, 5),
    _node("/dev/full", 1, 7),
    _node("/dev/random", 1, 8),
    _node("/dev/urandom", 1, 9),
    _node("/dev/tty", 5, 0),
]


# ---- rules as numbers -------------------------------------------------------------------------------------

# <linux/bpf.h> BPF_DEVCG_ACC_* and BPF_DEVCG_DEV_*
_ACCESS = {"m": 1, "r": 2, "w": 4}
_ALL_ACCESS = 7
_TYPES = {"b": 1, "c": 2, "u": 2}
_ANY = -1


def decisions(rules: Sequence[Mapping[str, Any]]) -> tuple[list[tuple[bool, int, int, int, int]], bool]:
    """The rules that matter, last first, as (allow, type, major, minor, access bits); and what holds after.

    A rule of type `a` is about every device and every access: nothing before it matters.  UsageError for a
    rule that makes no sense.
    """
    found: list[tuple[bool, int, int, int, int]] = []
    for rule in reversed(rules):
        if rule.get("type") in (None, "", "a"):
            _check_all(rule)
            return found, bool(rule["allow"])
        found.append((bool(rule["allow"]), *_match(rule)))
    return found, False


def _match(rule: Mapping[str, Any]) -> tuple[int, int, int, int]:
    kind, access = rule["type"], rule.get("access") or ""
    if kind not in _TYPES:
        raise UsageError(f'device rule: unknown type "{kind}"', "a is all, b block, c character devices")
    if not access or set(access) - set(_ACCESS):
        raise UsageError(f'device rule: bad access "{access}"', "some of r, w and m")
    bits = sum(_ACCESS[letter] for letter in set(access))
    return _TYPES[kind], _number(rule.get("major")), _number(rule.get("minor")), bits


def _number(number: int | None) -> int:
    return _ANY if number is None or number < 0 else number


def _check_all(rule: Mapping[str, Any]) -> None:
    """runc and the kernel's v1 read `a 1:3 r` as all of everything: too much to guess when it allows."""
    narrow = _number(rule.get("major")) != _ANY or _number(rule.get("minor")) != _ANY
    narrow = narrow or set(rule.get("access") or "rwm") != set(_ACCESS)
    if rule["allow"] and narrow:
        raise UsageError("device rule: type a is every device with rwm", "use types b and c for some of them")


def allows_all(rules: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the rules deny nothing, as those of a privileged container."""
    found, otherwise = decisions(rules)
    return otherwise and all(allow for allow, *_ in found)


# ---- the program ------------------------------------------------------------------------------------------

# Opcodes.  An instruction is code, registers (destination low, source high), jump offset, immediate.
_LOAD32, _MOV, _AND32, _SHIFT_RIGHT32 = 0x61, 0xB7, 0x54, 0x74
_JA, _JNE, _JSET, _EXIT = 0x05, 0x55, 0x45, 0x95
_R0, _R1, _TYPE, _WANTED, _MAJOR, _MINOR = 0, 1, 2, 3, 4, 5  # r0 is the answer, r1 comes with the context


def program(rules: Sequence[Mapping[str, Any]]) -> bytes:
    """The program for `rules`, 8 bytes an instruction: returns 1 to allow, 0 to deny."""
    found, otherwise = decisions(rules)
    code = [
        # struct bpf_cgroup_dev_ctx: u32 access_type (access in the high half, type in the low), major, minor
        _op(_LOAD32, _TYPE, source=_R1, offset=0),
        _op(_LOAD32, _WANTED, source=_R1, offset=0),
        _op(_AND32, _TYPE, 0xFFFF),
        _op(_SHIFT_RIGHT32, _WANTED, 16),
        _op(_LOAD32, _MAJOR, source=_R1, offset=4),
        _op(_LOAD32, _MINOR, source=_R1, offset=8),
    ]
    for rule in found:
        code += _block(*rule)
    return b"".join([*code, *_answer(otherwise)])


def _block(allow: bool, kind: int, major: int, minor: int, access: int) -> list[bytes]:
    """One rule; each jump that finds it does not apply goes to the end of the block."""
    if allow:
        verdict = [
            _op(_AND32, _WANTED, _ALL_ACCESS & ~access),
            _op(_JNE, _WANTED, 0, offset=2),
            *_answer(True),
        ]
    else:
        verdict = [_op(_JSET, _WANTED, access, offset=1), _op(_JA, offset=2), *_answer(False)]
    block = verdict
    for register, number in ((_MINOR, minor), (_MAJOR, major), (_TYPE, kind)):
        if number != _ANY:
            block = [_op(_JNE, register, number, offset=len(block)), *block]
    return block


def _answer(allow: bool) -> list[bytes]:
    return [_op(_MOV, _R0, int(allow)), _op(_EXIT)]


def _op(code: int, register: int = 0, immediate: int = 0, *, source: int = 0, offset: int = 0) -> bytes:
    return struct.pack("=BBhi", code, register | source << 4, offset, immediate)


# ---- handing it to the kernel -----------------------------------------------------------------------------

_PROG_LOAD, _PROG_ATTACH = 5, 8
_PROG_TYPE_CGROUP_DEVICE, _ATTACH_CGROUP_DEVICE = 15, 6
_ALLOW_MULTI = 2  # groups below may add programs of their own; all of them must allow
_LOG_BYTES = 65536


def apply(path: str, rules: Sequence[Mapping[str, Any]]) -> None:
    """Let `rules` judge the devices of the group `path`; rules that allow everything need no program.

    What they do not mention is denied, so runc's runtime defaults are `[*config_rules, *ALLOWED]`.
    UnsupportedError when the kernel has no BPF for cgroups; MinirunError with the verifier's words.
    """
    if allows_all(rules):
        return
    loaded = _load(program(rules))
    try:
        _attach(path, loaded)
    finally:
        os.close(loaded)  # the group keeps the program


def _load(code: bytes) -> int:
    """A descriptor of the program.  The verifier is only asked for its log when it has refused."""
    try:
        return _prog_load(code, None)
    except SyscallError as error:
        if error.errno not in (errno.EACCES, errno.EINVAL):
            raise _explained(error) from error
    log = ctypes.create_string_buffer(_LOG_BYTES)
    try:
        return _prog_load(code, log)
    except SyscallError as error:
        if not log.value:
            raise _explained(error) from error
        words = "; ".join(log.value.decode(errors="replace").splitlines())
        raise MinirunError(f"{error}: the verifier says: {words}") from error


def _prog_load(code: bytes, log: ctypes.Array[ctypes.c_char] | None) -> int:
    instructions = ctypes.create_string_buffer(code, len(code))
    licence = ctypes.create_string_buffer(b"none")  # the helpers that want a GPL one are not called
    attr = struct.pack(
        "=IIQQIIQII16s",
        _PROG_TYPE_CGROUP_DEVICE,
        len(code) // 8,
        ctypes.addressof(instructions),
        ctypes.addressof(licence),
        1 if log else 0,
        _LOG_BYTES if log else 0,
        ctypes.addressof(log) if log else 0,
        0,
        0,
        b"minirun_devices",
    )
    shown = ("prog_type=CGROUP_DEVICE", f"{len(code) // 8} instructions")
    return syscalls.bpf(_PROG_LOAD, attr, shown=shown, why="the device rules, as a program the kernel checks")


def _attach(path: str, loaded: int) -> None:
    where = cgroup_files.directory(path)
    group = os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    attr = struct.pack("=IIII", group, loaded, _ATTACH_CGROUP_DEVICE, _ALLOW_MULTI)
    try:
        why = "from here on it judges every open and mknod of a device in the group"
        syscalls.bpf(_PROG_ATTACH, attr, shown=(where, "CGROUP_DEVICE", "ALLOW_MULTI"), why=why)
    except SyscallError as error:
        raise _explained(error) from error
    finally:
        os.close(group)


def _explained(error: SyscallError) -> Exception:
    if error.errno in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
        return UnsupportedError(
            f"this kernel has no BPF for devices on cgroup v2 ({error}), so device rules cannot be applied",
            "it needs CONFIG_CGROUP_BPF=y and CONFIG_BPF_SYSCALL=y",
        )
    return error
