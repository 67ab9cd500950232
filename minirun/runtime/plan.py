"""Step 9 of 13: what the first process is to do, worked out from config.json before the fork.

Reading, checking and computing happen here, where a mistake is an ordinary exception and nothing exists yet.  init.py
afterwards only acts: once the root has changed nothing can be loaded any more, and every failure has to be sent
through a pipe.  So modules that only some containers need are loaded here, descriptors are opened by the caller, and
what only the host's /proc tells is asked.

Of what config.json may ask for, the keys in _UNSUPPORTED_* are refused by name, hooks and user namespaces too: what
cannot be applied is an error, never a warning.

See      runtime-spec config.md, config-linux.md; namespaces(7), capabilities(7), getrlimit(2)
By hand  minirun-oci spec; minirun-oci create: an error names the key, and nothing is left
Left out mounts (mounts.py), sysctls and names that would be the host's (validate.py), limits (linux/cgroup_limits.py)
Next     runtime/process.py
"""

from __future__ import annotations

import os
import resource

from minirun.errors import MinirunError, UnsupportedError
from minirun.linux import apparmor, capabilities, cgroup_files, cgroup_limits, seccomp
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

    from minirun.linux.mempolicy import Policy
    from minirun.runtime.config import Config, Linux, Namespace, Process, User

NAMESPACES = {  # all that a container may have of its own
    "cgroup": CLONE_NEWCGROUP,
    "ipc": CLONE_NEWIPC,
    "mount": CLONE_NEWNS,
    "network": CLONE_NEWNET,
    "pid": CLONE_NEWPID,
    "uts": CLONE_NEWUTS,
}
_MAPPINGS = ("uidMappings", "gidMappings")
_UNSUPPORTED_LINUX = (
    *("intelRdt", "mountLabel", "netDevices", "personality", "timeOffsets"),
    *_MAPPINGS,
)
_UNSUPPORTED_PROCESS = ("selinuxLabel", "scheduler", "ioPriority", "execCPUAffinity")


class Plan:
    """The arguments of every step in init.py.

    Descriptors are -1 until they are open.  Those of the caller (`stdio`, `fifo`, `target_pidfd`) are when the fork
    happens; `root_fd`, `slave` and `procfs` are opened by the steps, and `program` found.
    """

    def __init__(self, config: Config, bundle: str, container_id: str, rootfs: str = "") -> None:
        """`rootfs` replaces config.json's root: for an exec, the root of a running container.

        `container_id` is the name of its session keyring, "" for none of its own.  Raises MinirunError for what
        cannot be done.
        """
        linux = config.get("linux", {})
        _refuse_unsupported(config, linux)
        self.rootfs = rootfs or root_path(config, bundle)
        if not rootfs:
            self._read_container(config, linux, bundle)
        self.cgroup_directory = ""
        self.cgroups_v1: list[str] = []  # of a hybrid host: the directories of the groups to join as well
        # runc's name for it; one that begins with a dot is the kernel's own: keyctl(2) KEYCTL_JOIN_SESSION_KEYRING
        self.keyring = container_id and f"_ses.{container_id}"
        self.root_fd = self.slave = self.fifo = -1
        self.stdio: tuple[int, int, int] | None = None
        self.console: socket.socket | None = None
        self.terminal: ModuleType | None = None
        self.die_with_parent = False
        self.preserved = 0  # how many descriptors of the caller's, from 3 on, the program is to have
        self.secrets: dict[str, str] = {}  # variables that the trace does not show
        self.target_pid = self.target_pidfd = self.procfs = -1
        self.program = ""
        self.host_bounding = capabilities.bounding()
        self.last_capability = capabilities.last_cap()
        self.memory_policy: Policy | None = None
        if asked := linux.get("memoryPolicy"):
            from minirun.linux import mempolicy  # for the few that ask for it

            self.memory_policy = mempolicy.Policy(asked)
        self._read_process(config["process"])

    def _read_container(self, config: Config, linux: Linux, bundle: str) -> None:
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

    def _read_process(self, process: Process) -> None:
        """What the program is, who runs it, and what that one may do."""
        user: User = process.get("user", {})  # left out it is root, as runc's Go has it
        self.uid, self.gid = user.get("uid", 0), user.get("gid", 0)
        self.groups = user.get("additionalGids", [])
        self.umask = user.get("umask", 0o022) & 0o777  # as umask(2) does
        self.args = process["args"]
        self.cwd = process["cwd"]
        self.environment = dict(entry.partition("=")[::2] for entry in process.get("env", []))
        self.no_new_privs = bool(process.get("noNewPrivileges"))
        self.rlimits = [
            _rlimit(entry["type"], entry["soft"], entry["hard"]) for entry in process.get("rlimits", [])
        ]
        self.oom_score_adj = process.get("oomScoreAdj")
        self.apparmor_profile = process.get("apparmorProfile", "")
        if self.apparmor_profile and not apparmor.is_enabled():
            raise UnsupportedError("config.json: process.apparmorProfile: this host has no AppArmor")
        size = process.get("consoleSize")
        self.console_size = (size["height"], size["width"]) if size else None
        self.capabilities = _capability_sets(process, self.host_bounding)
        self.seccomp: bytes | None = None
        self.seccomp_flags = 0

    def use_seccomp(self, linux: Linux, cache: str) -> None:
        """Compile config.json's filter (or find it compiled in `cache`)."""
        profile = linux.get("seccomp")
        if profile:
            self.use_compiled_seccomp(linux, seccomp.compile(profile, cache))

    def use_compiled_seccomp(self, linux: Linux, program: bytes | None) -> None:
        """The same for a filter that is compiled already; None for no filter."""
        if program is not None:
            self.seccomp, self.seccomp_flags = program, seccomp.flags(linux["seccomp"])

    def use_console(self, console: socket.socket) -> None:
        """The program gets a terminal, whose master goes to `console`."""
        from minirun.runtime import terminal  # termios, array and socket: only for those who want one

        self.console, self.terminal = console, terminal


def root_path(config: Config, bundle: str) -> str:
    """The absolute path of the root filesystem.  Raises MinirunError when it is no directory."""
    path = os.path.realpath(os.path.join(bundle, config["root"]["path"]))
    if not os.path.isdir(path):
        raise MinirunError(f"root filesystem {path}: no such file or directory")
    return path


def home_directory(passwd: str, uid: int) -> str:
    """The home of `uid` by the text of a passwd file; "/" when it does not say.

    >>> home_directory("root:x:0:0:root:/root:/bin/sh", 0)
    '/root'
    """
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) >= 6 and fields[2] == str(uid):
            return fields[5] or "/"
    return "/"


def _namespaces(wanted: list[Namespace]) -> tuple[list[tuple[int, str]], int, str | None]:
    """(those to join as (flag, path), flags of those to make, the pid namespace).

    The pid namespace is apart because the parent has to choose it (pid_namespaces(7)): "" for a new one, a path, or
    None for the parent's own.  The mount namespace has to be a new one, since all that init mounts goes there.
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
    """(name, number, soft, hard) for prlimit(2)."""
    number = getattr(resource, name, None)
    if number is None:
        raise MinirunError(f'config.json: unknown resource limit "{name}"')
    return name, number, soft, hard


def _capability_sets(process: Process, host: int) -> tuple[int, int, int, int, int]:
    """The five masks in the order bounding, effective, permitted, inheritable, ambient.

    Not named is not given.  All are cut to the host's bounding set: nobody gives what he does not have.  A name that is
    not known is no mistake: config.md wants a warning, see validate.py.
    """
    wanted = process.get("capabilities", {})
    bounding, effective, permitted, inheritable, ambient = (
        capabilities.mask(filter(capabilities.is_known, names)) & host
        for names in (
            wanted.get("bounding", []),
            wanted.get("effective", []),
            wanted.get("permitted", []),
            wanted.get("inheritable", []),
            wanted.get("ambient", []),
        )
    )
    # prctl(2) PR_CAP_AMBIENT_RAISE: EPERM unless it is permitted and inheritable; `runc spec` once wrote others
    return bounding, effective, permitted, inheritable, ambient & permitted & inheritable


def _refuse_unsupported(config: Config, linux: Linux) -> None:
    """Raises UnsupportedError that names all the keys at once."""
    asked = [f"linux.{key}" for key in _UNSUPPORTED_LINUX if linux.get(key)]
    asked += [f"process.{key}" for key in _UNSUPPORTED_PROCESS if config["process"].get(key)]
    filter = linux.get("seccomp") or {}
    asked += [f"linux.seccomp.{key}" for key in ("listenerPath", "listenerMetadata") if filter.get(key)]
    for number, mount in enumerate(config.get("mounts", [])):
        asked += [f"mounts[{number}].{key}" for key in _MAPPINGS if mount.get(key)]
    asked += ["hooks"] if any(config.get("hooks", {}).values()) else []
    if asked:
        raise UnsupportedError(f"config.json: {', '.join(asked)}: not supported by minirun yet")


def limits(linux: Linux) -> dict[str, str]:
    """config.json's resources as cgroup v2 files, {"memory.max": "67108864", ...}."""
    return cgroup_limits.from_resources(linux.get("resources", {}))
