"""Seccomp: a program of the kernel's small BPF machine that judges every system call of the container.

    profile (Docker's JSON) --resolve--> config.json linux.seccomp --compile--> BPF --seccomp(2)--> kernel
            capabilities, architecture                        libseccomp, cached       in the init

Compiling takes milliseconds, so the program is kept on disk and libseccomp not even loaded the next time.
libseccomp knows only the calls of its own day: a newer one gets ENOSYS from a stub put in front (as runc
does), because C libraries fall back to an older call on ENOSYS but take EPERM for the answer.

See      seccomp(2), seccomp_rule_add(3), kernel Documentation/userspace-api/seccomp_filter.rst;
         runtime-spec config-linux.md "seccomp"; github.com/moby/profiles seccomp/default.json
By hand  grep Seccomp /proc/self/status (2 is a filter); scmp_sys_resolver chmod
Left out SCMP_ACT_NOTIFY and its listener
"""

from __future__ import annotations

import binascii
import ctypes
import os
import struct

from minirun import files, jsontext
from minirun.errors import MinirunError, UnsupportedError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from typing import Any

# <linux/seccomp.h>: what the program returns.  ERRNO and TRACE carry a number in their low 16 bits.
_ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,  # the thread; the name is older than KILL_PROCESS
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
_WITH_ERRNO = ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")
_REFUSING = (
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_TRAP",
    "SCMP_ACT_ERRNO",
)

# enum scmp_compare of <seccomp.h>
_OPERATORS = {
    "SCMP_CMP_NE": 1,
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}

_FLAGS = {
    "SECCOMP_FILTER_FLAG_TSYNC": 1,
    "SECCOMP_FILTER_FLAG_LOG": 2,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
}

_EPERM, _EEXIST, _ENOSYS = 1, 17, 38


# ---- profiles ---------------------------------------------------------------------------------------------


def default_profile() -> dict[str, Any]:
    """Docker's default profile, in Docker's format."""
    profile: dict[str, Any] = files.read_json(f"{os.path.dirname(__file__)}/seccomp_default.json")
    return profile


def load_profile(path: str) -> dict[str, Any]:
    """The profile a user wrote, in Docker's format or plain OCI.  UsageError says what is wrong with it."""
    try:
        profile = files.read_json(path)
    except OSError as error:
        raise UsageError(f"opening seccomp profile ({path}) failed: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"decoding seccomp profile failed: {error}") from error
    if not isinstance(profile, dict) or "defaultAction" not in profile:
        raise UsageError(f"seccomp profile {path} has no defaultAction")
    return profile


def native_arch() -> str:
    """This machine's architecture as Docker's profiles call it (Go's GOARCH): amd64, arm64."""
    machine = os.uname().machine
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def docker_profile_to_oci(
    profile: Mapping[str, Any], caps: Collection[str], arch: str = "", kernel: str = ""
) -> dict[str, Any]:
    """What is left of a Docker profile for a container with the capabilities `caps`: an OCI linux.seccomp.

    A profile that is plain OCI already passes unchanged.  `arch` is as native_arch() has it, `kernel` as
    uname -r; both are this machine's by default.
    """
    arch = arch or native_arch()
    kernel = kernel or os.uname().release
    if profile.get("architectures") and profile.get("archMap"):
        raise UsageError("a seccomp profile has either architectures or archMap, not both")
    resolved = {key: value for key, value in profile.items() if key not in ("archMap", "syscalls")}
    if profile.get("archMap"):
        resolved["architectures"] = _architectures(profile["archMap"], arch)
    resolved["syscalls"] = [
        _plain(rule) for rule in profile.get("syscalls") or [] if _applies(rule, caps, arch, kernel)
    ]
    return resolved


def _architectures(arch_map: Iterable[Mapping[str, Any]], arch: str) -> list[str]:
    """This machine's architecture and those whose programs it also runs, which need filtering as well."""
    native = {"amd64": "SCMP_ARCH_X86_64", "arm64": "SCMP_ARCH_AARCH64"}.get(
        arch, f"SCMP_ARCH_{arch.upper()}"
    )
    for entry in arch_map:
        if entry["architecture"] == native:
            return [native, *(entry.get("subArchitectures") or [])]
    return []


def _applies(rule: Mapping[str, Any], caps: Collection[str], arch: str, kernel: str) -> bool:
    """Every condition in `includes` must hold, and none of those in `excludes`."""
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    if includes.get("arches") and arch not in includes["arches"]:
        return False
    if not all(cap in caps for cap in includes.get("caps") or []):
        return False
    if includes.get("minKernel") and not _at_least(kernel, includes["minKernel"]):
        return False
    if arch in (excludes.get("arches") or []) or any(cap in caps for cap in excludes.get("caps") or []):
        return False
    return not (excludes.get("minKernel") and _at_least(kernel, excludes["minKernel"]))


def _at_least(kernel: str, wanted: str) -> bool:
    def version(text: str) -> list[int]:
        return [int(part) for part in text.split("-")[0].split(".")[:2]]

    return version(kernel) >= version(wanted)


def _plain(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule without what only Docker knows."""
    names = rule.get("names") or [rule["name"]]
    extra = {key: rule[key] for key in ("action", "errnoRet", "args") if rule.get(key) is not None}
    return {"names": names, **extra}


def flags(oci: Mapping[str, Any]) -> int:
    """The flags for seccomp(2).  Without the key SPEC_ALLOW, as runc: what it waives slows every call."""
    if oci.get("flags") is None:
        return _FLAGS["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]
    bits = 0
    for flag in oci["flags"]:
        bits |= _known(_FLAGS, flag, "flag")
    return bits


def known() -> dict[str, list[str]]:
    """The words of a filter that are known here, by their names in features-linux.md "Seccomp"."""
    flags = list(_FLAGS)
    return {
        "actions": list(_ACTIONS),
        "operators": list(_OPERATORS),
        "knownFlags": flags,
        "supportedFlags": flags,
    }


def _known(table: Mapping[str, int], name: str, kind: str) -> int:
    if name not in table:
        raise UsageError(f'seccomp: unknown {kind} "{name}"', f"known: {', '.join(table)}")
    return table[name]


# ---- the compiled program, from the cache or new ----------------------------------------------------------


def compile(oci: Mapping[str, Any], cache_dir: str) -> bytes:
    """The BPF program of an OCI linux.seccomp: 8 bytes an instruction, for syscalls.seccomp.

    UsageError names a bad action, operator or architecture; UnsupportedError: no libseccomp, or NOTIFY.
    """
    key = _key(oci)
    path = f"{cache_dir}/{binascii.crc32(key):08x}.bpf"
    program = _cached(path, key)
    if program is None:
        program = _compile(oci)
        _keep(path, key, program)
    return program


def _key(oci: Mapping[str, Any]) -> bytes:
    """All that the program depends on.  The cache compares the whole of it, so it needs no strong hash."""
    text = jsontext.dumps(oci, sort_keys=True)
    return f"{os.uname().machine} {_library_file()} {text}".encode()


def _library_file() -> str:
    """Which libseccomp this is, by its file, because loading it costs more than the look: "" if not found."""
    machine = os.uname().machine
    for folder in (f"/usr/lib/{machine}-linux-gnu", "/usr/lib64", "/usr/lib", "/lib"):
        try:
            found = os.stat(f"{folder}/libseccomp.so.2")
        except OSError:
            continue
        return f"{found.st_ino}:{found.st_size}:{found.st_mtime_ns}"
    return ""


_HEAD = struct.Struct("<8sIII")  # magic, length of key, length of program, CRC of both
_MAGIC = b"minirun1"


def _cached(path: str, key: bytes) -> bytes | None:
    """The program kept in `path` if it is whole, nobody else's and made for exactly this key."""
    try:
        with open(path, "rb") as file:
            kept = os.fstat(file.fileno())
            content = file.read()
    except OSError:
        return None
    if kept.st_uid != os.geteuid() or kept.st_mode & 0o022 or len(content) < _HEAD.size:
        return None
    magic, key_length, length, crc = _HEAD.unpack_from(content)
    body = content[_HEAD.size :]
    if magic != _MAGIC or key_length + length != len(body) or length == 0 or length % 8:
        return None
    if body[:key_length] != key or binascii.crc32(body) != crc:
        return None
    return body[key_length:]


def _keep(path: str, key: bytes, program: bytes) -> None:
    body = key + program
    head = _HEAD.pack(_MAGIC, len(key), len(program), binascii.crc32(body))
    try:
        files.make_private(os.path.dirname(path))
        files.write_whole(path, head + body, 0o600)
    except OSError:
        pass  # a full or read-only disk costs time at the next run, nothing else


# ---- libseccomp -------------------------------------------------------------------------------------------


class _ArgCompare(ctypes.Structure):
    """struct scmp_arg_cmp; for MASKED_EQ datum_a is the mask and datum_b the value."""

    _fields_ = [
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    ]


_CTL_OPTIMIZE, _BINARY_TREE = 8, 2  # enum scmp_filter_attr, and its value for a tree instead of a list
_MANY_CALLS = 32  # from here on the tree pays; libseccomp 2.5.4 and older fail with it on empty filters
_UNKNOWN = -1  # __NR_SCMP_ERROR


def _load_library() -> Any:
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError as error:
        raise UnsupportedError(
            "libseccomp.so.2 is not installed, so the seccomp profile cannot be applied",
            "apt-get install libseccomp2, or run with --security-opt seccomp=unconfined",
        ) from error
    context, text, number, unsigned = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint32
    compares = ctypes.POINTER(_ArgCompare)
    for name, result, *types in (  # as in <seccomp.h>
        ("seccomp_init", context, unsigned),
        ("seccomp_release", None, context),
        ("seccomp_arch_resolve_name", unsigned, text),
        ("seccomp_arch_native", unsigned),
        ("seccomp_arch_exist", number, context, unsigned),
        ("seccomp_arch_add", number, context, unsigned),
        ("seccomp_attr_set", number, context, number, unsigned),
        ("seccomp_syscall_resolve_name", number, text),
        ("seccomp_syscall_resolve_name_arch", number, unsigned, text),
        ("seccomp_rule_add_array", number, context, unsigned, number, unsigned, compares),
        ("seccomp_export_bpf", number, context, number),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, types
    return library


def _compile(oci: Mapping[str, Any]) -> bytes:
    default = _action(oci["defaultAction"], oci.get("defaultErrnoRet"))
    rules = list(_rules(oci, default))
    library = _load_library()
    context = library.seccomp_init(default)
    if not context:
        raise MinirunError("libseccomp: seccomp_init failed")
    try:
        arches = _add_architectures(library, context, oci.get("architectures") or [])
        if len(rules) > _MANY_CALLS:
            library.seccomp_attr_set(context, _CTL_OPTIMIZE, _BINARY_TREE)
        for name, action, compares in rules:
            _add_rule(library, context, name, action, compares)
        program = _export(library, context)
    finally:
        library.seccomp_release(context)
    if oci["defaultAction"] in _REFUSING:
        program = _enosys_stub(_newest_calls(library, arches, oci)) + program
    return program


def _action(name: str, errno: int | None) -> int:
    if name == "SCMP_ACT_NOTIFY":
        raise UnsupportedError("seccomp: SCMP_ACT_NOTIFY and its listener are not supported yet")
    value = _known(_ACTIONS, name, "action")
    if name not in _WITH_ERRNO:
        if errno is not None:
            raise UsageError(f"seccomp: {name} takes no errno")
        return value
    return value | ((_EPERM if errno is None else errno) & 0xFFFF)


def _rules(
    oci: Mapping[str, Any], default: int
) -> Iterator[tuple[str, int, list[tuple[int, int, int, int]]]]:
    """(name, action, comparisons that must all hold), without those that only repeat the default.

    Two comparisons of one argument are two rules: libseccomp allows one each, so runc reads them as "or".
    """
    for rule in oci.get("syscalls") or []:
        action = _action(rule["action"], rule.get("errnoRet"))
        compares = [_compare(arg) for arg in rule.get("args") or []]
        repeated = len({index for index, *_ in compares}) < len(compares)
        for name in rule["names"] if action != default else []:
            for chosen in [[compare] for compare in compares] if repeated else [compares]:
                yield name, action, chosen


def _compare(arg: Mapping[str, Any]) -> tuple[int, int, int, int]:
    operator = _known(_OPERATORS, arg["op"], "operator")
    if not 0 <= arg["index"] <= 5:
        raise UsageError(f"seccomp: a system call has arguments 0 to 5, not {arg['index']}")
    return arg["index"], operator, arg["value"], arg.get("valueTwo") or 0


def _add_architectures(library: Any, context: int, names: Iterable[str]) -> dict[str, int]:
    """Let the filter cover the architectures; returns all it covers, as {"SCMP_ARCH_X86": number}."""
    arches = {"native": int(library.seccomp_arch_native())}
    for name in names:
        token = library.seccomp_arch_resolve_name(name.removeprefix("SCMP_ARCH_").lower().encode())
        if not token or not name.startswith("SCMP_ARCH_"):
            raise UsageError(f'seccomp: unknown architecture "{name}"')
        if library.seccomp_arch_exist(context, token) != 0:
            _check(library.seccomp_arch_add(context, token), f"seccomp_arch_add {name}")
        arches[name] = token
    return arches


def _add_rule(
    library: Any, context: int, name: str, action: int, compares: list[tuple[int, int, int, int]]
) -> None:
    number = library.seccomp_syscall_resolve_name(name.encode())
    if number == _UNKNOWN:
        return  # newer than libseccomp, or of another architecture: it gets the default, or the stub's ENOSYS
    array = (_ArgCompare * len(compares))(*(_ArgCompare(*compare) for compare in compares))
    result = library.seccomp_rule_add_array(context, action, number, len(compares), array)
    if result != -_EEXIST:
        _check(result, f"seccomp_rule_add {name}")


def _export(library: Any, context: int) -> bytes:
    fd = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    try:
        _check(library.seccomp_export_bpf(context, fd), "seccomp_export_bpf")
        return os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)


def _check(result: int, what: str) -> None:
    if result < 0:
        raise MinirunError(f"libseccomp: {what}: {os.strerror(-result)}")


# ---- the stub: ENOSYS for calls newer than the profile ----------------------------------------------------

# struct seccomp_data, and the instructions of <linux/bpf_common.h> that are needed
_OFFSET_NR, _OFFSET_ARCH = 0, 4
_LD, _JA, _JEQ, _JGT, _JGE, _RET = 0x20, 0x05, 0x15, 0x25, 0x35, 0x06
_TO_THE_END = -1  # placeholder: where the program proper starts is known once the stub is complete

_AUDIT_X86_64, _X32 = (
    0xC000003E,
    0x4000003E,
)  # x32 has x86-64's AUDIT_ARCH and a bit in the number of the call
_X32_BIT = 0x40000000


def _newest_calls(library: Any, arches: Mapping[str, int], oci: Mapping[str, Any]) -> dict[int, int]:
    """{architecture: the highest number of a call the profile names}, where it names any."""
    names = {name.encode() for rule in oci.get("syscalls") or [] for name in rule["names"]}
    resolve = library.seccomp_syscall_resolve_name_arch
    newest = {arch: max((resolve(arch, name) for name in names), default=-1) for arch in set(arches.values())}
    return {arch: number for arch, number in newest.items() if number >= 0}


def _enosys_stub(newest: Mapping[int, int]) -> bytes:
    """A program that returns ENOSYS for numbers above `newest` and falls out of its end for all others."""
    stub = [(_LD, 0, 0, _OFFSET_ARCH)]
    for arch in sorted(newest.keys() - {_X32}):
        block = [(_LD, 0, 0, _OFFSET_NR)]
        if arch == _AUDIT_X86_64:
            block.append((_JGE, 3, 0, _X32_BIT))  # over the three of x86-64's own test
        block += _enosys_above(newest[arch])
        if arch == _AUDIT_X86_64 and _X32 in newest:
            block += _enosys_above(newest[_X32])
        stub += [(_JEQ, 0, len(block), arch), *block]
    end = len(stub)
    resolved = [
        (code, jt, jf, end - place - 1 if k == _TO_THE_END else k)
        for place, (code, jt, jf, k) in enumerate(stub)
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in resolved)


def _enosys_above(number: int) -> list[tuple[int, int, int, int]]:
    return [
        (_JGT, 0, 1, number),
        (_RET, 0, 0, _ACTIONS["SCMP_ACT_ERRNO"] | _ENOSYS),
        (_JA, 0, 0, _TO_THE_END),
    ]
