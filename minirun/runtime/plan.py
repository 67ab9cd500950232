"""What the first process is to do, worked out from config.json before the fork.

Reading, checking and computing happen here, where a mistake is an ordinary exception and nothing exists yet.
init.py afterwards only acts.  What config.json may ask for and minirun cannot do is refused here by name: a
setting that is not applied is an error, never a warning.
"""

from __future__ import annotations

import os
import resource

from minirun.errors import MinirunError, UnsupportedError
from minirun.linux import capabilities, cgroup_files, cgroup_limits, inroot, memory, seccomp
from minirun.linux.constants import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUTS,
)
from minirun.runtime import mounts, validate

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from types import ModuleType

    from minirun.linux.memory import SharedMemory
    from minirun.runtime.config import Config, Linux, Namespace, Process

NAMESPACES = {  # all that a container may have of its own
    "cgroup": CLONE_NEWCGROUP,
    "ipc": CLONE_NEWIPC,
    "mount": CLONE_NEWNS,
    "network": CLONE_NEWNET,
    "pid": CLONE_NEWPID,
    "uts": CLONE_NEWUTS,
}
_UNSUPPORTED_LINUX = ("intelRdt", "personality", "timeOffsets", "mountLabel")
_UNSUPPORTED_PROCESS = ("apparmorProfile", "selinuxLabel", "scheduler", "ioPriority", "execCPUAffinity")


class Plan:
    """The arguments of every step in init.py.  Descriptors are open when the fork happens."""

    def __init__(self, config: Config, bundle: str, container_id: str, rootfs: str = "") -> None:
        """`rootfs` replaces config.json's root: for an exec, the root of a running container."""
        linux = config.get("linux", {})
        _refuse_unsupported(config, linux)
        self.rootfs = rootfs or root_path(config, bundle)
        if not rootfs:
            self._take_container(config, linux, bundle)
        self.cgroup_directory = ""
        self.keyring = container_id
        self.root_fd = self.slave = self.fifo = -1
        self.stdio: tuple[int, int, int] | None = None
        self.console: socket.socket | None = None
        self.terminal: ModuleType | None = None
        self.die_with_parent = False
        self.target_pid = self.target_pidfd = self.procfs = -1
        self.born: SharedMemory | None = None  # who appears in a pid namespace where others are
        self.last_words: SharedMemory | None = None
        self.program = ""
        self.host_bounding = capabilities.bounding()
        self.last_capability = capabilities.last_cap()
        self._take_process(config["process"])

    def _take_container(self, config: Config, linux: Linux, bundle: str) -> None:
        """What an exec finds made already."""
        self.propagation = linux.get("rootfsPropagation", "")
        namespaces = linux.get("namespaces", [])
        self.joins, self.unshare_flags, self.pid_namespace = _namespaces(namespaces)
        self.mounts = mounts.plan(config.get("mounts", []), bundle)
        self.devices = linux.get("devices", [])
        self.readonly = bool(config["root"].get("readonly"))
        self.readonly_paths = linux.get("readonlyPaths", [])
        self.masked_paths = linux.get("maskedPaths", [])
        own = validate.own_namespaces(namespaces)
        validate.check_names(config, own)
        self.sysctl = validate.sysctl_files(linux.get("sysctl", {}), own)
        self.hostname = config.get("hostname", "")
        self.domainname = config.get("domainname", "")
        self.host_cgroups = "" if "cgroup" in own else cgroup_files.mount_point()

    def _take_process(self, process: Process) -> None:
        validate.check_ids(process)
        user = process["user"]
        self.uid, self.gid = user["uid"], user["gid"]
        self.groups = user.get("additionalGids", [])
        self.umask = user.get("umask", 0o022)
        self.args = process["args"]
        self.cwd = process["cwd"]
        self.environment = dict(entry.partition("=")[::2] for entry in process.get("env", []))
        if "HOME" not in self.environment:
            self.environment["HOME"] = home_directory(self.rootfs, self.uid)
        self.no_new_privs = bool(process.get("noNewPrivileges"))
        self.rlimits = [
            _rlimit(entry["type"], entry["soft"], entry["hard"]) for entry in process.get("rlimits", [])
        ]
        self.oom_score_adj = process.get("oomScoreAdj")
        size = process.get("consoleSize")
        self.console_size = (size["height"], size["width"]) if size else None
        self.capabilities = _capability_sets(process, self.host_bounding)
        self.seccomp: bytes | None = None
        self.seccomp_flags = 0

    def take_seccomp(self, linux: Linux, cache: str) -> None:
        """Compile config.json's filter (or find it compiled in `cache`)."""
        profile = linux.get("seccomp")
        if profile:
            self.seccomp = seccomp.compile(profile, cache)
            self.seccomp_flags = seccomp.flags(profile)

    def take_compiled(self, linux: Linux, program: bytes | None) -> None:
        """The same for a filter that is compiled already."""
        if program is not None:
            self.seccomp, self.seccomp_flags = program, seccomp.flags(linux["seccomp"])

    def enter_pid_namespace_last(self) -> tuple[SharedMemory, SharedMemory]:
        """The program's process is to appear in a pid namespace with others in it.  Returns its pid and last words."""
        self.born, self.last_words = memory.SharedMemory(), memory.SharedMemory()
        return self.born, self.last_words

    def take_console(self, console: socket.socket) -> None:
        """The program gets a terminal, whose master goes to `console`."""
        from minirun.runtime import terminal  # termios, array and socket: only for those who want one

        self.console, self.terminal = console, terminal


def root_path(config: Config, bundle: str) -> str:
    """The absolute path of the root filesystem.  Raises MinirunError when it is no directory."""
    path = os.path.realpath(os.path.join(bundle, config["root"]["path"]))
    if not os.path.isdir(path):
        raise MinirunError(f"root filesystem {path}: no such file or directory")
    return path


def home_directory(rootfs: str, uid: int) -> str:
    """The home of `uid` by the image's /etc/passwd; "/" when it does not say."""
    for line in inroot.read_in_root(rootfs, "/etc/passwd").splitlines():
        fields = line.split(":")
        if len(fields) >= 6 and fields[2] == str(uid):
            return fields[5] or "/"
    return "/"


def _namespaces(wanted: list[Namespace]) -> tuple[list[tuple[int, str]], int, str | None]:
    """(those to join as (flag, path), flags of those to make, the pid namespace).

    The pid namespace is apart because the parent has to choose it: "" for a new one, a path, or None for the
    parent's own.  A mount namespace joined by path comes last: it changes what paths mean.
    """
    joins, flags, pid_namespace = [], 0, None
    for namespace in wanted:
        kind, path = namespace["type"], namespace.get("path", "")
        if kind not in NAMESPACES:
            raise UnsupportedError(f'config.json: the namespace type "{kind}" is not supported')
        if path and not os.path.exists(path):
            raise MinirunError(f"config.json: namespace path {path}: no such file or directory")
        if kind == "pid":
            pid_namespace = None if validate.is_of_host(kind, path) else path
        elif path:
            joins.append((NAMESPACES[kind], path))
        else:
            flags |= NAMESPACES[kind]
    if not flags & CLONE_NEWNS:
        raise UnsupportedError("config.json: a container without a new mount namespace is not supported")
    return joins, flags, pid_namespace


def _rlimit(name: str, soft: int, hard: int) -> tuple[str, int, int, int]:
    number = getattr(resource, name, None)
    if number is None:
        raise MinirunError(f'config.json: unknown resource limit "{name}"')
    return name, number, soft, hard


def _capability_sets(process: Process, host: int) -> tuple[int, int, int, int, int]:
    """The five masks in the order bounding, effective, permitted, inheritable, ambient.

    Not named is not given.  All are cut to the host's bounding set: nobody gives what he does not have.
    """
    wanted = process.get("capabilities", {})
    bounding, effective, permitted, inheritable, ambient = (
        capabilities.mask(names) & host
        for names in (
            wanted.get("bounding", []),
            wanted.get("effective", []),
            wanted.get("permitted", []),
            wanted.get("inheritable", []),
            wanted.get("ambient", []),
        )
    )
    # the kernel refuses an ambient capability that is not inheritable (capabilities(7)); `runc spec` writes some
    return bounding, effective, permitted, inheritable, ambient & permitted & inheritable


def _refuse_unsupported(config: Config, linux: Linux) -> None:
    asked = [f"linux.{key}" for key in _UNSUPPORTED_LINUX if linux.get(key)]
    asked += [f"process.{key}" for key in _UNSUPPORTED_PROCESS if config["process"].get(key)]
    asked += ["linux.uidMappings"] if linux.get("uidMappings") else []
    asked += ["hooks"] if any(config.get("hooks", {}).values()) else []
    if asked:
        raise UnsupportedError(f"config.json: {', '.join(asked)}: not supported by minirun yet")


def limits(linux: Linux) -> dict[str, str]:
    """config.json's resources as cgroup v2 files, {"memory.max": "67108864", ...}."""
    return cgroup_limits.from_resources(linux.get("resources", {}))
