"""Step 12 of 13: init, the process that becomes PID 1 of the container.

It starts with every privilege and gives them up in the one order the kernel allows: namespaces, then what they are to
contain, while it has CAP_SYS_ADMIN; then the host's file tree; then groups, user, capabilities; then, as late as can
be, the system calls that the filter takes away.  CREATE, at the end, is that order.  Each step says why it stands
where it stands, and its name is what `--break before:NAME` and error messages use.

Nothing may be imported here once the root has changed: Python would take it from the image and run it as root of
the host.  So `main` empties sys.path and sys.meta_path first; all this needs is loaded before the fork.

See      namespaces(7), pivot_root(2), capabilities(7), credentials(7), seccomp(2); runtime-spec config.md "process"
By hand  unshare --pid --fork --mount --uts --ipc --net sh -c 'mount ...; pivot_root ...; exec setpriv ... sh'
Left out SELinux labels; user namespaces; processes that join a container: joining.py
Next     runtime/rootfs.py
"""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import stat
import struct
import sys

from minirun.errors import MinirunError, ProgramError, ProgramNotFound, ProgramNotInvocable, sentence
from minirun.linux import apparmor, capabilities, inroot, memory, signals, syscalls, trace
from minirun.linux.constants import (
    AT_FDCWD,
    CLONE_NEWNET,
    PR_SET_DUMPABLE,
    PR_SET_KEEPCAPS,
    RESOLVE_NO_MAGICLINKS,
)
from minirun.runtime import mounting, process, program, rootfs
from minirun.runtime.plan import home_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from minirun.runtime.plan import Plan
    from minirun.runtime.sync import Sync

    Step = Callable[[Plan, Sync], None]

_SYS_ADMIN = 1 << capabilities.NUMBERS["CAP_SYS_ADMIN"]
_TOO_LONG = (  # execve(2), "Limits on size of arguments and environment"
    "the kernel takes words and variables of 128 KiB each, and all together a quarter of ulimit -s, at most 6 MiB"
)
SIOCSIFFLAGS, IFF_UP = 0x8914, 1  # netdevice(7)


def main(plan: Plan, sync: Sync, steps: Sequence[Step]) -> int:
    """Make the steps in order; the last one does not return.  Anything that goes wrong is reported and ends it."""
    gc.disable()  # a collection here would copy pages shared with the parent, for nothing
    sys.path.clear()
    sys.meta_path.clear()
    sync.in_child()
    for number, step in enumerate(steps, 1):
        name = step.__name__
        try:
            trace.step(name, (step.__doc__ or "").strip())
            step(plan, sync)
        except BaseException as error:
            sync.report(**_report(error, name, f"{name} (step {number} of {len(steps)})"))
            return 1
    return 1


def _report(error: BaseException, name: str, where: str) -> dict[str, object]:
    """What Sync.report says of `error`, and sync.raise_report makes an exception of in the parent."""
    if isinstance(error, trace.Cancelled):
        return {"kind": "cancelled", "message": str(error)}
    if isinstance(error, syscalls.SyscallError):
        call = {"kind": "call", "step": where, "call": f"{error.call}(2)", "errno": error.errno}
        return {**call, "path": error.path, "hint": _hint(error)}
    if isinstance(error, MinirunError):
        kind = "error"
        if isinstance(error, ProgramError):
            kind = "not found" if isinstance(error, ProgramNotFound) else "not invocable"
        return {"kind": kind, "message": error.message, "hint": error.hint}
    return {"kind": "error", "message": f"{sentence(error)} (in {name})"}


def _hint(error: syscalls.SyscallError) -> str:
    if error.call == "prlimit64" and error.errno == errno.EPERM:
        return "raising a hard limit needs CAP_SYS_RESOURCE, which minirun itself does not have here"
    if error.call == "clone" and error.errno in (errno.EPERM, errno.ENOSYS):
        return (
            "the container's seccomp filter forbids clone(2), by which an exec without noNewPrivileges begins"
        )
    if error.path.startswith("/proc/self/attr/") and error.errno == errno.ENOENT:
        return "the profile is not loaded: apparmor_parser(8) loads one, aa-status(8) lists them"
    if error.path == "/proc/self/oom_score_adj":
        return "lowering the OOM score needs CAP_SYS_RESOURCE, which minirun itself does not have here"
    return ""


class wished:
    """What the kernel refuses in this block is a person's wish, and `words` say which: no call of ours, no step."""

    def __init__(self, words: str) -> None:
        self.words = words

    def __enter__(self) -> None:
        return

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, syscalls.SyscallError):
            reason = "this kernel has none" if error.errno == errno.ENOENT else os.strerror(error.errno or 0)
            raise MinirunError(f"{self.words}: {reason}", _hint(error)) from None


# ---- with every privilege, in the host's tree ---------------------------------------------------------------


def await_placement(plan: Plan, sync: Sync) -> None:
    """The parent puts us into the cgroup first: the cgroup namespace will take that group for its root."""
    memory.forget_environment()  # whoever may look into this process later finds none of the host's
    # ptrace(2), "Ptrace access mode checking": only who has CAP_SYS_PTRACE looks at a process that is not dumpable,
    # and at its descriptors, which lead to the host until the pivot (CVE-2016-9962).  execve sets it back.
    syscalls.prctl(PR_SET_DUMPABLE, 0, why="nobody inside may look at us through /proc/PID before execve")
    if plan.die_with_parent:
        syscalls.set_pdeathsig(signals.SIGKILL, why="no container without its shim")
    process.set_title("minirun:init")
    os.setsid()
    sync.wait_for("placed")
    for where in plan.cgroups_v1:
        syscalls.write_file(f"{where}/tasks", "0", why="its limits and accounts apply; 0 is who writes it")


def enter_namespaces(plan: Plan, _sync: Sync) -> None:
    """First namespaces, then what they are to contain: every later step acts on these alone."""
    # The pid namespace was chosen before the fork (process.py): these two calls change that of later children only.
    # Joins come first, for their paths are the host's.  The new cgroup namespace begins at the group that we are in.
    for flag, path in plan.joins:
        process.join_namespace(path, flag, why=f"share the namespace at {path}")
    if plan.unshare_flags:
        syscalls.unshare(plan.unshare_flags, why="a private view of mounts, names, network and the rest")


def await_hooks(_plan: Plan, sync: Sync) -> None:
    """Where createRuntime hooks would run on the host, had plan.py not refused them: namespaces made, no pivot yet."""
    sync.notify("namespaced")
    sync.wait_for("go on")


def set_kernel_knobs(plan: Plan, _sync: Sync) -> None:
    """Loopback, sysctls, OOM score: written through the host's /proc, for the container's is sealed soon."""
    if plan.unshare_flags & CLONE_NEWNET:
        _raise_loopback()
    # who opens a file of /proc/sys/net or of ipc finds the values of his own namespace: network_namespaces(7)
    for file, value in plan.sysctl.items():
        with wished(f'the sysctl "{file.replace("/", ".")}" cannot be set to "{value}"'):
            syscalls.write_file(f"/proc/sys/{file}", value, why="--sysctl, in this namespace only")
    if plan.oom_score_adj is not None:
        score = str(plan.oom_score_adj)
        with wished(f"the OOM score cannot be set to {score}"):
            syscalls.write_file("/proc/self/oom_score_adj", score, why="who dies first when memory ends")
    choose_profile(plan)


def choose_profile(plan: Plan) -> None:
    """While /proc is the host's: in the container's anything may have been mounted over the file."""
    if plan.apparmor_profile:
        apparmor.use_at_execve(plan.apparmor_profile)


def _raise_loopback() -> None:
    request = struct.pack("16sH14x", b"lo", IFF_UP)  # struct ifreq: the link's name and its flags
    sock = syscalls.inet_socket()
    why = "a new network namespace has a loopback link, and it is down"
    shown = ("SIOCSIFFLAGS", "lo", "IFF_UP")
    syscalls.act("ioctl", fcntl.ioctl, sock, SIOCSIFFLAGS, request, why=why, shown=shown)
    os.close(sock)


def set_names(plan: Plan, _sync: Sync) -> None:
    """Needs CAP_SYS_ADMIN in the uts namespace that was just made."""
    if plan.hostname:
        syscalls.sethostname(plan.hostname, why="the name the shell's prompt shows")
    if plan.domainname:
        syscalls.setdomainname(plan.domainname, why="--domainname")


def detach_mounts(plan: Plan, _sync: Sync) -> None:
    """Our copy of the host's mount table must stop sending mounts back to the host."""
    rootfs.cut_off(plan.rootfs, plan.propagation)


def mount_filesystems(plan: Plan, _sync: Sync) -> None:
    """/proc shows the pid namespace of whoever mounts it, so it is mounted here and not by the parent."""
    # from here to the pivot every path of the container is opened from this descriptor: linux/inroot.py
    plan.root_fd = os.open(plan.rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    mounting.make_mounts(plan.root_fd, plan.mounts, plan.cgroup_directory, plan.host_cgroups, plan.procfs)
    program.make_directory(plan.root_fd, plan.cwd)
    find_home(plan)


def find_home(plan: Plan) -> None:
    """$HOME, unless it is given: by the passwd file that the program will see, which may be mounted (as in runc)."""
    if "HOME" not in plan.environment:
        text = inroot.read_as_mounted(plan.root_fd, "/etc/passwd")
        plan.environment["HOME"] = home_directory(text, plan.uid)


def make_devices(plan: Plan, _sync: Sync) -> None:
    """Into the fresh /dev; a node needs CAP_MKNOD and a mount without nodev, which it still has."""
    rootfs.make_devices(plan.root_fd, plan.devices)


def open_terminal(plan: Plan, _sync: Sync) -> None:
    """From the container's own devpts, so that its /dev/pts/0 is the terminal the program has."""
    if plan.terminal:
        master, plan.slave = plan.terminal.open_pair(plan.root_fd, plan.console_size)
        # the user may open it anew; for group 0 the group stays devpts's own, `gid=5`, tty
        os.fchown(plan.slave, plan.uid, plan.gid if plan.gid else -1)
        plan.terminal.bind_console(plan.root_fd, plan.slave)
        plan.terminal.hand_over(plan.console, master)


def seal_paths(plan: Plan, _sync: Sync) -> None:
    """Last of the mounts: nothing after this needs to write there."""
    rootfs.seal(plan.root_fd, plan.readonly_paths, plan.masked_paths, plan.readonly)


def pivot_root(plan: Plan, _sync: Sync) -> None:
    """All that the host's tree was needed for is done; now it goes out of reach."""
    os.close(plan.root_fd)
    rootfs.pivot(plan.rootfs)


# ---- inside, giving privileges up ---------------------------------------------------------------------------


def take_stdio(plan: Plan, _sync: Sync) -> None:
    """From here on the container's streams are ours; errors still go through the pipe, not through them."""
    replace_stdio(plan)
    if plan.slave >= 0 and plan.terminal:
        plan.terminal.become_controlling(0)


def replace_stdio(plan: Plan) -> None:
    """Descriptors 0, 1 and 2 of the program: its terminal, what the caller gave, or ours as they are."""
    stdio = plan.stdio if plan.slave < 0 else (plan.slave,) * 3
    for number, fd in enumerate(
        stdio or ()
    ):  # dup2(2): the copy is not close-on-exec, whatever the original is
        os.dup2(fd, number, inheritable=True)
    for number in range(3):
        _reopen_null(number)


def _reopen_null(number: int) -> None:
    """The container's own null device for the host's: root could change the mode of what it has open."""
    try:
        given = os.fstat(number)
        if not stat.S_ISCHR(given.st_mode) or given.st_rdev != rootfs.NULL_DEVICE:
            return
        access = fcntl.fcntl(number, fcntl.F_GETFL) & (os.O_ACCMODE | os.O_APPEND)
        careful = os.O_NONBLOCK | os.O_NOCTTY  # it may be anything: a fifo, a terminal
        own = syscalls.openat2(AT_FDCWD, "/dev/null", access | careful, 0, RESOLVE_NO_MAGICLINKS)
    except OSError:
        return  # it is closed, or the container has no such device
    if stat.S_ISCHR(os.fstat(own).st_mode) and os.fstat(own).st_rdev == rootfs.NULL_DEVICE:
        os.set_blocking(own, True)
        os.dup2(own, number, inheritable=True)
    os.close(own)


def set_limits(plan: Plan, _sync: Sync) -> None:
    """Resource limits while CAP_SYS_RESOURCE may still be here to raise one."""
    for name, number, soft, hard in plan.rlimits:
        with wished(f"the limit {name} cannot be {soft}:{hard}"):
            syscalls.prlimit(0, number, soft, hard, name=name, why="--ulimit")
    # keyrings are not namespaced, and a session keyring goes through fork and execve: keyrings(7)
    if plan.keyring:
        why = "the keys of whoever started us stay with them"
        syscalls.keyctl_join_session_keyring(plan.keyring, why=why)
    if plan.memory_policy:
        plan.memory_policy.apply()
    os.umask(plan.umask)


def drop_bounding(plan: Plan, _sync: Sync) -> None:
    """What leaves the bounding set cannot come back through any execve; needs CAP_SETPCAP, so now."""
    capabilities.limit_bounding(plan.capabilities[0], plan.host_bounding, plan.last_capability)


def change_user(plan: Plan, _sync: Sync) -> None:
    """Groups before the user id: afterwards there is no right left to change them."""
    # When all three user ids leave 0 the kernel empties permitted, effective and ambient: capabilities(7), "Effect
    # of user ID changes on capabilities".  KEEPCAPS saves the permitted set, until execve; set_capabilities goes on
    # from there.  The effective set is lost all the same, CAP_SETGID with it: hence the order.
    why = "a change from root to a user would drop all capabilities; we choose"
    syscalls.prctl(PR_SET_KEEPCAPS, 1, why=why)
    # Always, with an empty list too: setresgid leaves the supplementary groups alone, and root's 0 among them opens
    # what is group-writable for root.
    syscalls.setgroups(plan.groups, why="the supplementary groups, and none of the host's")
    # All three of each: who keeps 0 as saved id takes it back with seteuid(2), no privilege needed.
    syscalls.setresgid(plan.gid, plan.gid, plan.gid, why="real, effective and saved: no way back")
    syscalls.setresuid(plan.uid, plan.uid, plan.uid, why="real, effective and saved: no way back")


def set_capabilities(plan: Plan, sync: Sync) -> None:
    """The sets the program may keep; execve computes its own from them, see capabilities(7)."""
    _bounding, effective, permitted, inheritable, ambient = plan.capabilities
    capabilities.set_all(effective, permitted | _lent(plan), inheritable, ambient)
    if plan.no_new_privs:
        syscalls.set_no_new_privs(why="no set-user-ID program gives a privilege back")
    if plan.die_with_parent:
        # prctl(2): a change of user or group clears the signal; the parent may have died since
        syscalls.set_pdeathsig(signals.SIGKILL, why="the change of user cleared it")
        if sync.parent_is_gone():
            raise MinirunError("the shim went away")


def _lent(plan: Plan) -> int:
    """Without no_new_privs a filter needs CAP_SYS_ADMIN: not in use meanwhile, and gone with load_seccomp_as_root."""
    return _SYS_ADMIN if plan.seccomp is not None and not plan.no_new_privs else 0


def find_program(plan: Plan, _sync: Sync) -> None:
    """As the user it will run as, in its directory: only now is it known whether it can be run."""
    program.enter_directory(plan.cwd)
    plan.program = program.find(plan.args[0], plan.environment.get("PATH", ""))


def close_descriptors(plan: Plan, _sync: Sync) -> None:
    """Whatever we forgot: at execve, or now where others may look on before (CVE-2024-21626).  Signals, too."""
    reset_signals()
    syscalls.close_range(3 + plan.preserved, why="whatever we forgot closes at execve (CVE-2024-21626)")


def reset_signals() -> None:
    """All handled in the default way, none blocked: both survive execve (signal(7)), from Python, shim or nohup(1)."""
    for number in range(1, signals.NSIG):
        if signals.getsignal(number) not in (signals.SIG_DFL, None):
            signals.signal(number, signals.SIG_DFL)
    signals.pthread_sigmask(signals.SIG_SETMASK, ())


def load_seccomp_as_root(plan: Plan, _sync: Sync) -> None:
    """As late as can be: what comes after it has to be in every filter, and is no more than runc needs, too."""
    lent = _lent(plan)
    if lent and plan.seccomp is not None:
        _bounding, effective, permitted, inheritable, _ambient = plan.capabilities
        why = "without no_new_privs a filter needs CAP_SYS_ADMIN"
        syscalls.capset(effective | lent, permitted | lent, inheritable, why=why)
        syscalls.seccomp(plan.seccomp, plan.seccomp_flags, why="most of the kernel's system calls close here")
        syscalls.capset(effective, permitted, inheritable, why="its work is done")


def await_start(plan: Plan, sync: Sync) -> None:
    """Everything is ready and nothing runs: this is the state `created`.  `start` writes one byte."""
    sync.notify("ready")
    # The parent has opened it for reading and writing, so this waits for a byte and never finds the end of the file,
    # however often somebody opens exec.fifo and goes away.
    os.read(plan.fifo, 1)


def load_seccomp(plan: Plan, _sync: Sync) -> None:
    """With no_new_privs anybody may load a filter; as late as can be, it hinders nothing above."""
    # seccomp(2): EACCES without no_new_privs or CAP_SYS_ADMIN, or a set-user-ID program could be run with a filter that
    # makes its setuid(2) say yes and do nothing.  After this there is execve alone, which every filter has to allow.
    if plan.seccomp is not None and plan.no_new_privs:
        syscalls.seccomp(plan.seccomp, plan.seccomp_flags, why="most of the kernel's system calls close here")


def execute(plan: Plan, _sync: Sync) -> None:
    """This process, its pid and its namespaces stay; the program in it becomes the container's."""
    try:
        # args[0] as it was given, not the path that was found: busybox is the program that argv[0] names
        why = "the container's own program begins"
        syscalls.execve(plan.program, plan.args, plan.environment, secrets=plan.secrets, why=why)
    except syscalls.SyscallError as error:
        message = f"exec {plan.args[0]}: {os.strerror(error.errno or 0).lower()}"
        hint = _TOO_LONG if error.errno == errno.E2BIG else ""
        raise (ProgramNotFound if error.errno == errno.ENOENT else ProgramNotInvocable)(
            message, hint
        ) from None


BUILD: tuple[Step, ...] = (
    await_hooks,
    set_kernel_knobs,
    set_names,
    detach_mounts,
    mount_filesystems,
    make_devices,
    open_terminal,
    seal_paths,
    pivot_root,
)
PRIVILEGES: tuple[Step, ...] = (
    take_stdio,
    set_limits,
    drop_bounding,
    change_user,
    set_capabilities,
    find_program,
    close_descriptors,
    load_seccomp_as_root,
)
CREATE: tuple[Step, ...] = (
    await_placement,
    enter_namespaces,
    *BUILD,
    *PRIVILEGES,
    await_start,
    load_seccomp,
    execute,
)
