"""What a config.json may hold: every property of the specification, its type and its range, as one table.

    str                 text                        range(a, b)    a whole number, a <= number < b
    bool                true or false               ("x", "y")     one of these words
    [shape]             an array of such            {"key": shape} an object; "key!" has to be there
    {ANY: shape}        an object with any keys     a function     returns what is wrong with the value, "" for nothing

A property that is not here is ignored, as the specification wants it; null is the same as leaving a property out, as it
is for runc, whose Go leaves such a field alone.  The error names the way to the value: linux.resources.memory.limit.

See      runtime-spec config.md, config-linux.md, schema/*.json, "Extensibility"
Left out solaris, windows, vm, zos: other platforms; what two namespaces or paths mean together (validate.py, plan.py)
"""

from __future__ import annotations

from minirun import jsontext
from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ANY = ""  # the key that stands for all others

# ---- texts ---------------------------------------------------------------------------------------------------


def _absolute(value: object) -> str:
    if type(value) is not str:
        return "expected an absolute path"
    return "" if value.startswith("/") else "has to be an absolute path"


def _some(value: object) -> str:
    return "" if type(value) is str and value else "expected text that is not empty"


def _version(value: object) -> str:
    """Semantic versioning; 1.x is one specification, which newer versions only add to."""
    parts = value.split("-")[0].split("+")[0].split(".") if type(value) is str else []
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        return "expected a version as 1.2.0"
    return "" if parts[0] == "1" else "is of a specification that is not known here: 1.x is"


def _access(value: object) -> str:
    good = type(value) is str and set(value) <= set("rwm")
    return "" if good else 'expected letters of "rwm"'


def _page_size(value: object) -> str:
    number = value[:-2] if type(value) is str and value[-2:] in ("KB", "MB", "GB") else ""
    return "" if number.isdecimal() and number[0] != "0" else "expected a size as 2MB"


def _cpus(value: object) -> str:
    good = type(value) is str and set(value) <= set("0123456789, -")
    return "" if good else "expected a list of numbers and ranges, as 0-2,5"


# ---- numbers -------------------------------------------------------------------------------------------------

_UINT16, _UINT32, _UINT64 = range(2**16), range(2**32), range(2**64)
_INT32, _INT64 = range(-(2**31), 2**31), range(-(2**63), 2**63)
_ID = range(2**32 - 1)  # the next one is -1, which setresuid(2) and chown(2) take for "as it was"
_LIMIT = range(-1, 2**63)  # bytes; -1 is no limit
_MAJOR, _MINOR = range(2**12), range(2**20)  # what a dev_t of the kernel has room for: <linux/kdev_t.h>

# ---- config.md -----------------------------------------------------------------------------------------------

_RLIMITS = tuple(
    f"RLIMIT_{name}"
    for name in (
        *("AS", "CORE", "CPU", "DATA", "FSIZE", "LOCKS", "MEMLOCK", "MSGQUEUE", "NICE", "NOFILE", "NPROC"),
        *("RSS", "RTPRIO", "RTTIME", "SIGPENDING", "STACK"),
    )
)
_POLICIES = (
    "SCHED_OTHER",
    "SCHED_FIFO",
    "SCHED_RR",
    "SCHED_BATCH",
    "SCHED_ISO",
    "SCHED_IDLE",
    "SCHED_DEADLINE",
)
_SCHEDULER_FLAGS = (
    *("SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN", "SCHED_FLAG_KEEP_POLICY"),
    *("SCHED_FLAG_KEEP_PARAMS", "SCHED_FLAG_UTIL_CLAMP_MIN", "SCHED_FLAG_UTIL_CLAMP_MAX"),
)
_CAPABILITIES = {key: [str] for key in ("bounding", "effective", "inheritable", "permitted", "ambient")}
_MAPPINGS = [{"containerID!": _ID, "hostID!": _ID, "size!": _UINT32}]
_HOOKS = [{"path!": _absolute, "args": [str], "env": [str], "timeout": range(1, 2**31)}]

PROCESS = {
    "terminal": bool,
    "consoleSize": {"height!": _UINT16, "width!": _UINT16},  # as in struct winsize: ioctl_tty(2)
    "cwd!": _absolute,
    "env": [str],
    "args": [str],
    "user": {"uid": _ID, "gid": _ID, "umask": _UINT32, "additionalGids": [_ID], "username": str},
    "rlimits": [{"type!": _RLIMITS, "soft!": _UINT64, "hard!": _UINT64}],
    "capabilities": _CAPABILITIES,
    "noNewPrivileges": bool,
    "oomScoreAdj": range(-1000, 1001),
    "apparmorProfile": str,
    "selinuxLabel": str,
    "scheduler": {
        "policy!": _POLICIES,
        "nice": range(-20, 20),
        "priority": _INT32,
        "flags": [_SCHEDULER_FLAGS],
        **dict.fromkeys(("runtime", "deadline", "period"), _UINT64),
    },
    "ioPriority": {
        "class!": ("IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"),
        "priority": range(8),
    },
    "execCPUAffinity": {"initial": _cpus, "final": _cpus},
}

# ---- config-linux.md -----------------------------------------------------------------------------------------

NAMESPACES = ("cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts")
_PROPAGATIONS = (
    "",
    *(f"{depth}{kind}" for kind in ("private", "shared", "slave", "unbindable") for depth in ("", "r")),
)
_BLOCK_DEVICE = {"major!": _MAJOR, "minor!": _MINOR}
_THROTTLE = [{**_BLOCK_DEVICE, "rate!": _UINT64}]
_WEIGHT = range(1001)  # 0 is unset
RESOURCES = {
    "devices": [
        {
            "allow!": bool,
            "type": ("a", "b", "c"),
            "major": range(-1, 2**12),
            "minor": range(-1, 2**20),
            "access": _access,
        },
    ],
    "memory": {
        **dict.fromkeys(("limit", "reservation", "swap", "kernel", "kernelTCP"), _LIMIT),
        "swappiness": range(101),
        **dict.fromkeys(("disableOOMKiller", "useHierarchy", "checkBeforeUpdate"), bool),
    },
    "cpu": {
        **dict.fromkeys(("shares", "burst", "period", "realtimePeriod"), _UINT64),
        **dict.fromkeys(("quota", "realtimeRuntime"), _INT64),
        "idle": range(2),
        "cpus": _cpus,
        "mems": _cpus,
    },
    "pids": {"limit": _INT64},
    "blockIO": {
        "weight": _WEIGHT,
        "leafWeight": _WEIGHT,
        "weightDevice": [{**_BLOCK_DEVICE, "weight": _WEIGHT, "leafWeight": _WEIGHT}],
        **{f"throttle{what}Device": _THROTTLE for what in ("ReadBps", "WriteBps", "ReadIOPS", "WriteIOPS")},
    },
    "hugepageLimits": [{"pageSize!": _page_size, "limit!": _UINT64}],
    "network": {"classID": _UINT32, "priorities": [{"name!": str, "priority!": _UINT32}]},
    "rdma": {ANY: {"hcaHandles": _UINT32, "hcaObjects": _UINT32}},
    "unified": {ANY: str},
}
_ACTIONS = tuple(
    f"SCMP_ACT_{name}"
    for name in (
        *("KILL", "KILL_PROCESS", "KILL_THREAD", "TRAP", "ERRNO", "TRACE", "ALLOW", "LOG", "NOTIFY"),
    )
)
ARCHITECTURES = tuple(
    f"SCMP_ARCH_{name}"
    for name in (
        *("X86", "X86_64", "X32", "ARM", "AARCH64", "MIPS", "MIPS64", "MIPS64N32", "MIPSEL", "MIPSEL64"),
        *("MIPSEL64N32", "PPC", "PPC64", "PPC64LE", "S390", "S390X", "PARISC", "PARISC64", "RISCV64"),
        *("LOONGARCH64", "M68K", "SH", "SHEB"),
    )
)
_SECCOMP_FLAGS = tuple(
    f"SECCOMP_FILTER_FLAG_{name}" for name in ("TSYNC", "LOG", "SPEC_ALLOW", "WAIT_KILLABLE_RECV")
)
_OPERATORS = tuple(f"SCMP_CMP_{name}" for name in ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"))
_SECCOMP = {
    "defaultAction!": _ACTIONS,
    "defaultErrnoRet": _UINT16,  # SECCOMP_RET_DATA: seccomp(2)
    "architectures": [ARCHITECTURES],
    "flags": [_SECCOMP_FLAGS],
    "listenerPath": str,
    "listenerMetadata": str,
    "syscalls": [
        {
            "names!": [_some],
            "action!": _ACTIONS,
            "errnoRet": _UINT16,
            "args": [{"index!": range(6), "value!": _UINT64, "valueTwo": _UINT64, "op!": _OPERATORS}],
        }
    ],
}
_OFFSET = {"secs": _INT64, "nanosecs": range(10**9)}
LINUX = {
    "namespaces": [{"type!": NAMESPACES, "path": str}],
    "uidMappings": _MAPPINGS,
    "gidMappings": _MAPPINGS,
    "timeOffsets": {"boottime": _OFFSET, "monotonic": _OFFSET},
    "devices": [
        {
            "type!": ("b", "c", "p", "u"),
            "path!": _some,
            "major": _MAJOR,
            "minor": _MINOR,
            "fileMode": _UINT32,
            "uid": _ID,
            "gid": _ID,
        }
    ],
    "cgroupsPath": str,
    "resources": RESOURCES,
    "intelRdt": {
        **dict.fromkeys(("closID", "l3CacheSchema", "memBwSchema"), str),
        **dict.fromkeys(("enableCMT", "enableMBM", "enableMonitoring"), bool),
        "schemata": [str],
    },
    "memoryPolicy": {"mode!": _some, "nodes": _cpus, "flags": [str]},
    "netDevices": {ANY: {"name": str}},
    "sysctl": {ANY: str},
    "seccomp": _SECCOMP,
    "rootfsPropagation": _PROPAGATIONS,
    "maskedPaths": [_absolute],
    "readonlyPaths": [_absolute],
    "mountLabel": str,
    "personality": {"domain!": ("LINUX", "LINUX32"), "flags": [str]},
}
CONFIG = {
    "ociVersion": _version,
    "root!": {"path!": _some, "readonly": bool},
    "mounts": [
        {
            "destination!": _some,
            "source": str,
            "type": str,
            "options": [str],
            "uidMappings": _MAPPINGS,
            "gidMappings": _MAPPINGS,
        }
    ],
    "process!": PROCESS,
    "hostname": str,
    "domainname": str,
    "hooks": dict.fromkeys(
        ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"), _HOOKS
    ),
    "annotations": {ANY: str},
    "linux": LINUX,
}


# ---- asking the table ----------------------------------------------------------------------------------------


def check(config: Any, where: str = "config.json") -> None:
    """Raises UsageError for the first value that config.json must not have.  Properties that are null are taken out."""
    _check(config, CONFIG, "", where)
    _check_process(config["process"], "process.", where)
    namespaces = config.get("linux", {}).get("namespaces", [])
    _require_once([one["type"] for one in namespaces], "linux.namespaces[{}].type", where)
    for number, device in enumerate(config.get("linux", {}).get("devices", [])):
        lacking = [key for key in ("major", "minor") if key not in device and device["type"] != "p"]
        if lacking:
            raise UsageError(f"{where}: linux.devices[{number}].{lacking[0]} is missing")


def check_process(process: Any, where: str) -> None:
    """The same for one process alone, in the file `where`: what an exec is given."""
    _check(process, PROCESS, "", where)
    _check_process(process, "", where)


def check_resources(resources: Any, where: str) -> None:
    """The same for linux.resources alone: what an update is given."""
    _check(resources, RESOURCES, "", where)


def _check_process(process: Any, prefix: str, where: str) -> None:
    if not process.get("args"):
        raise UsageError(f"{where}: {prefix}args is empty")
    rlimits = process.get("rlimits", [])
    _require_once([one["type"] for one in rlimits], f"{prefix}rlimits[{{}}].type", where)
    for number, one in enumerate(rlimits):
        if one["soft"] > one["hard"]:
            raise UsageError(
                f"{where}: {prefix}rlimits[{number}].soft: {one['soft']} is above hard, {one['hard']}"
            )


def _require_once(words: list[str], path: str, where: str) -> None:
    for number, word in enumerate(words):
        if word in words[:number]:
            raise UsageError(f'{where}: {path.format(number)}: "{word}" is there twice')


def _check(value: object, shape: Any, path: str, where: str) -> None:
    """`path` is how to get to the value in the file `where`, "process.args[0]"."""
    kind = type(shape)
    if kind is dict and type(value) is dict:
        return _check_object(value, shape, path, where)
    if kind is list and type(value) is list:
        if shape[0] is str and all(type(item) is str and _is_plain(item) for item in value):
            return None  # by far the most of what there is in a config.json
        for number, item in enumerate(value):
            _check(item, shape[0], f"{path}[{number}]", where)
        return None
    if problem := _problem(value, shape):
        shown = _KINDS.get(type(value)) or jsontext.dumps(value)
        told = f"{problem}, found {shown}" if problem.startswith("expected") else f"{shown} {problem}"
        words = ", ".join(filter(None, shape)) if kind is tuple and type(value) is str else ""
        raise UsageError(f"{where}: {path or 'the whole'}: {told}", words and f"it is one of {words}")
    return None


_KINDS: dict[object, str] = {dict: "an object", list: "an array"}


def _check_object(value: dict[str, Any], shape: dict[str, Any], path: str, where: str) -> None:
    prefix = f"{path}." if path else ""
    for key in [key for key, item in value.items() if item is None]:
        del value[key]
    for key, of in shape.items():
        if key == ANY:
            for name, item in value.items():
                _check(name, str, f"{prefix}{name}", where)
                _check(item, of, f"{prefix}{name}", where)
            continue
        name = key.rstrip("!")
        if name in value:
            _check(value[name], of, f"{prefix}{name}", where)
        elif name != key:
            raise UsageError(f"{where}: {prefix}{name} is missing")


def _problem(value: object, shape: Any) -> str:
    """What is wrong with a value that is no object and no array: "expected ...", or what it is; "" for nothing."""
    kind = type(shape)
    if kind is range:
        if type(value) is float:
            return "expected a whole number"
        if type(value) is not int:
            return "expected a number"
        return "" if value in shape else f"expected a number from {shape[0]} to {shape[-1]}"
    if shape is bool:
        return "" if type(value) is bool else "expected true or false"
    if kind in (dict, list):
        return f"expected {_KINDS[kind]}"
    if type(value) is str and not _is_plain(value):
        return "has a character that no path and no word can have"
    if kind is tuple:
        if type(value) is not str:
            return "expected a word"
        return "" if value in shape else "is not known"
    if shape is str:
        return "" if type(value) is str else "expected text"
    found: str = shape(value)
    return found


def _is_plain(text: str) -> bool:
    """Whether the kernel could be given it: no NUL, and no half of a surrogate pair, which JSON can spell.

    Those from U+DC80 to U+DCFF stand for bytes that are no UTF-8, see PEP 383: a word may have them.
    """
    if "\0" in text:
        return False
    return text.isascii() or all(
        sign < "\ud800" or "\udc80" <= sign <= "\udcff" or sign > "\udfff" for sign in text
    )
