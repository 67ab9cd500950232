"""The last step of `minirun run`: the process that becomes PID 1 of the container.

It starts with every privilege and gives them up in the one order the kernel allows.  CREATE below is that order;
each step says why it stands where it stands, and its name is what `--break before:NAME` and error messages use.
Where others are in the pid namespace already, EXEC and CREATE_BESIDE, it does all of that outside of it, and what
appears there at last is one more process.

Nothing may be imported here once the root has changed: Python would take it from the image and run it as root of
the host.  So `main` empties sys.path and sys.meta_path first; all this needs is loaded before the fork.

See      namespaces(7), pivot_root(2), capabilities(7), seccomp(2); runtime-spec config.md "process"
By hand  unshare --pid --fork --mount --uts --ipc --net sh -c 'mount ...; pivot_root ...; exec setpriv ... sh'
Left out SELinux and AppArmor labels; user namespaces
"""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import stat
import struct
import sys

from minirun.errors import MinirunError, ProgramError, ProgramNotFound, ProgramNotInvocable
from minirun.linux import capabilities, inroot, memory, signals, syscalls, trace
from minirun.linux.constants import (
    AT_FDCWD,
    CLONE_NEWNET,
    CLONE_NEWPID,
    PR_SET_DUMPABLE,
    PR_SET_KEEPCAPS,
    RESOLVE_NO_MAGICLINKS,
)
from minirun.runtime import process, rootfs
from minirun.runtime.plan import NAMESPACES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from minirun.runtime.plan import Plan
    from minirun.runtime.sync import Sync

    Step = Callable[[Plan, Sync], None]

_SYS_ADMIN = capabilities.NUMBERS["CAP_SYS_ADMIN"]
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
        except trace.Cancelled as error:
            sync.report(kind="cancelled", message=str(error))
        except syscalls.SyscallError as error:
            where = f"{name} (step {number} of {len(steps)})"
            sync.report(
                kind="call",
                step=where,
                call=f"{error.call}(2)",
                errno=error.errno,
                path=error.path,
                hint=_hint(error),
            )
        except ProgramError as error:
            kind = "not found" if isinstance(error, ProgramNotFound) else "not invocable"
            sync.report(kind=kind, message=error.message, hint=error.hint)
        except MinirunError as error:
            sync.report(kind="error", message=error.message, hint=error.hint)
        except BaseException as error:
            sync.report(kind="error", message=f"{type(error).__name__} in {name}: {error}")
        else:
            continue
        return 1
    return 1


def _hint(error: syscalls.SyscallError) -> str:
    if error.call == "prlimit64" and error.errno == errno.EPERM:
        return "raising a hard limit needs CAP_SYS_RESOURCE, which minirun itself does not have here"
    if error.call == "clone" and error.errno in (errno.EPERM, errno.ENOSYS):
        return (
            "the container's seccomp filter forbids clone(2), by which an exec without noNewPrivileges begins"
        )
    if error.path == "/proc/self/oom_score_adj":
        return "lowering the OOM score needs CAP_SYS_RESOURCE, which minirun itself does not have here"
    return ""


# ---- with every privilege, in the host's tree ---------------------------------------------------------------


def await_placement(plan: Plan, sync: Sync) -> None:
    """The parent puts us into the cgroup first: the cgroup namespace will take that group for its root."""
    memory.forget_environment()  # whoever may look into this process later finds none of the host's
    syscalls.prctl(PR_SET_DUMPABLE, 0, why="nobody inside may look at us through /proc/PID before execve")
    if plan.die_with_parent:
        syscalls.set_pdeathsig(signals.SIGKILL, why="no container without its shim")
    process.call_itself("minirun:init")
    os.setsid()
    sync.hear("placed")


def enter_namespaces(plan: Plan, _sync: Sync) -> None:
    """First namespaces, then what they are to contain: every later step acts on these alone."""
    if plan.pid_namespace:
        plan.procfs = rootfs.find_procfs(plan.pid_namespace)
        process.join(plan.pid_namespace, CLONE_NEWPID, why="the program is to live in this pid namespace")
    for flag, path in plan.joins:
        process.join(path, flag, why=f"share the namespace at {path}")
    if plan.unshare_flags:
        syscalls.unshare(plan.unshare_flags, why="a private view of mounts, names, network and the rest")


def await_hooks(_plan: Plan, sync: Sync) -> None:
    """Prestart and createRuntime hooks run on the host, once the namespaces exist and before the pivot."""
    sync.say("namespaced")
    sync.hear("go on")


def set_kernel_knobs(plan: Plan, _sync: Sync) -> None:
    """Loopback, sysctls, OOM score: written through the host's /proc, for the container's is sealed soon."""
    if plan.unshare_flags & CLONE_NEWNET:
        _raise_loopback()
    for file, value in plan.sysctl.items():
        syscalls.write_file(f"/proc/sys/{file}", value, why="--sysctl, in this namespace only")
    if plan.oom_score_adj is not None:
        syscalls.write_file(
            "/proc/self/oom_score_adj", str(plan.oom_score_adj), why="who dies first when memory ends"
        )


def _raise_loopback() -> None:
    request = struct.pack("16sH14x", b"lo", IFF_UP)
    sock = syscalls.inet_socket()
    why = "a new network namespace has a loopback link, and it is down"
    syscalls.act(
        "ioctl", fcntl.ioctl, sock, SIOCSIFFLAGS, request, why=why, shown=("SIOCSIFFLAGS", "lo", "IFF_UP")
    )
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
    plan.root_fd = os.open(plan.rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    rootfs.make_mounts(plan.root_fd, plan.mounts, plan.cgroup_directory, plan.host_cgroups, plan.procfs)
    try:
        inroot.make_directory(plan.root_fd, plan.cwd)
    except OSError as error:
        raise _bad_directory(plan.cwd, error) from None


def make_devices(plan: Plan, _sync: Sync) -> None:
    """Into the fresh /dev; a node needs CAP_MKNOD and a mount without nodev, which it still has."""
    rootfs.make_devices(plan.root_fd, plan.devices)


def open_terminal(plan: Plan, _sync: Sync) -> None:
    """From the container's own devpts, so that its /dev/pts/0 is the terminal the program has."""
    if plan.console is None:
        return
    from_pty = plan.terminal  # the module, imported before the fork
    assert from_pty is not None
    master, plan.slave = from_pty.open_pair(plan.root_fd)
    os.fchown(plan.slave, plan.uid, plan.gid if plan.gid else -1)
    if plan.console_size:
        from_pty.set_size(plan.slave, *plan.console_size)
    from_pty.bind_console(plan.root_fd, plan.slave)
    from_pty.send_master(plan.console, master)
    os.close(master)


def seal_paths(plan: Plan, _sync: Sync) -> None:
    """Last of the mounts: nothing after this needs to write there."""
    rootfs.seal(plan.root_fd, plan.readonly_paths, plan.masked_paths, plan.readonly)


def pivot_root(plan: Plan, _sync: Sync) -> None:
    """All that the host's tree was needed for is done; now it goes out of reach."""
    os.close(plan.root_fd)
    rootfs.pivot(plan.rootfs)


# ---- an exec, instead of all that ---------------------------------------------------------------------------


def join_container(plan: Plan, sync: Sync) -> None:
    """One setns(2) takes the namespaces of the container's first process, its root directory among them."""
    sync.say("namespaced")
    sync.hear("go on")
    flags = sum(NAMESPACES.values())  # one that it shares with the host we are in already: no harm
    syscalls.setns(plan.target_pidfd, flags, path=f"pid {plan.target_pid}", why="all its namespaces at once")
    os.close(plan.target_pidfd)
    plan.root_fd = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def open_exec_terminal(plan: Plan, _sync: Sync) -> None:
    """A second terminal from the container's devpts; /dev/console stays the first one's."""
    if plan.console is not None:
        assert plan.terminal is not None
        master, plan.slave = plan.terminal.open_pair(plan.root_fd)
        os.fchown(plan.slave, plan.uid, -1)
        if plan.console_size:
            plan.terminal.set_size(plan.slave, *plan.console_size)
        plan.terminal.send_master(plan.console, master)
        os.close(master)
    os.close(plan.root_fd)


# ---- inside, giving privileges up ---------------------------------------------------------------------------


def take_stdio(plan: Plan, _sync: Sync) -> None:
    """From here on the container's streams are ours; errors still go through the pipe, not through them."""
    stdio = plan.stdio if plan.slave < 0 else (plan.slave,) * 3
    for number, fd in enumerate(stdio or ()):
        os.dup2(fd, number, inheritable=True)
    for number in range(3):
        _reopen_null(number)
    if plan.slave >= 0 and plan.terminal and not plan.born:
        plan.terminal.become_controlling(0)


def _reopen_null(number: int) -> None:
    """The container's own null device for the host's: root could change the mode of what it has open."""
    null = os.makedev(1, 3)
    try:
        given = os.fstat(number)
        if not stat.S_ISCHR(given.st_mode) or given.st_rdev != null:
            return
        access = fcntl.fcntl(number, fcntl.F_GETFL) & (os.O_ACCMODE | os.O_APPEND)
        careful = os.O_NONBLOCK | os.O_NOCTTY  # it may be anything: a fifo, a terminal
        own = syscalls.openat2(AT_FDCWD, "/dev/null", access | careful, 0, RESOLVE_NO_MAGICLINKS)
    except OSError:
        return  # it is closed, or the container has no such device
    if stat.S_ISCHR(os.fstat(own).st_mode) and os.fstat(own).st_rdev == null:
        os.set_blocking(own, True)
        os.dup2(own, number, inheritable=True)
    os.close(own)


def set_limits(plan: Plan, _sync: Sync) -> None:
    """Resource limits while CAP_SYS_RESOURCE may still be here to raise one."""
    for name, number, soft, hard in plan.rlimits:
        syscalls.prlimit(0, number, soft, hard, name=name, why="--ulimit")
    if plan.keyring:
        syscalls.keyctl_join_session_keyring(
            plan.keyring, why="the keys of whoever started us stay with them"
        )
    os.umask(plan.umask)


def drop_bounding(plan: Plan, _sync: Sync) -> None:
    """What leaves the bounding set cannot come back through any execve; needs CAP_SETPCAP, so now."""
    capabilities.limit_bounding(plan.capabilities[0], plan.host_bounding, plan.last_capability)


def change_user(plan: Plan, _sync: Sync) -> None:
    """Groups before the user id: afterwards there is no right left to change them."""
    syscalls.prctl(
        PR_SET_KEEPCAPS, 1, why="a change from root to a user would drop all capabilities; we choose"
    )
    syscalls.setgroups(plan.groups, why="the supplementary groups, and none of the host's")
    syscalls.setresgid(plan.gid, plan.gid, plan.gid, why="real, effective and saved: no way back")
    syscalls.setresuid(plan.uid, plan.uid, plan.uid, why="real, effective and saved: no way back")


def set_capabilities(plan: Plan, sync: Sync) -> None:
    """The sets the program may keep; execve computes its own from them, see capabilities(7)."""
    _bounding, effective, permitted, inheritable, ambient = plan.capabilities
    capabilities.set_all(effective, permitted | _lent(plan), inheritable, ambient)
    if plan.no_new_privs:
        syscalls.set_no_new_privs(why="no set-user-ID program gives a privilege back")
    if plan.die_with_parent:
        syscalls.set_pdeathsig(signals.SIGKILL, why="the change of user cleared it")
        if sync.parent_is_gone():
            raise MinirunError("the shim went away")


def _lent(plan: Plan) -> int:
    """Without no_new_privs a filter needs CAP_SYS_ADMIN: not in use meanwhile, and gone with load_seccomp_as_root."""
    return 1 << _SYS_ADMIN if plan.seccomp is not None and not plan.no_new_privs else 0


def find_program(plan: Plan, _sync: Sync) -> None:
    """As the user it will run as, in its directory: only now is it known whether it can be run."""
    _enter_directory(plan.cwd)
    plan.program = find_executable(plan.args[0], plan.environment.get("PATH", ""))


def _enter_directory(path: str) -> None:
    """chdir without /proc's magic links: WORKDIR /proc/self/fd/8 was the host's root once (CVE-2024-21626)."""
    try:
        fd = syscalls.openat2(AT_FDCWD, path, os.O_PATH | os.O_DIRECTORY, 0, RESOLVE_NO_MAGICLINKS)
        syscalls.fchdir(fd, path, why="the working directory")
        os.close(fd)
        os.getcwd()  # ENOENT when it lies outside the root
    except OSError as error:
        raise _bad_directory(path, error) from None


def _bad_directory(path: str, error: OSError) -> MinirunError:
    return MinirunError(f'cannot use "{path}" as the working directory: {os.strerror(error.errno or 0)}')


def find_executable(name: str, path: str) -> str:
    """The file that execve(2) is to run.  Raises ProgramNotFound or ProgramNotInvocable in Docker's words."""
    if "/" in name:
        _check_executable(name)
        return name
    for directory in path.split(":"):
        candidate = f"{directory or '.'}/{name}"
        try:
            _check_executable(candidate)
        except ProgramError:
            continue
        return candidate
    raise ProgramNotFound(f'exec: "{name}": executable file not found in $PATH')


def _check_executable(path: str) -> None:
    try:
        fd = syscalls.openat2(AT_FDCWD, path, os.O_PATH, 0, RESOLVE_NO_MAGICLINKS)
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise ProgramNotFound(f'exec: "{path}": stat {path}: no such file or directory') from None
        raise ProgramNotInvocable(f'exec: "{path}": {os.strerror(error.errno or 0).lower()}') from None
    mode = os.fstat(fd).st_mode
    os.close(fd)
    if stat.S_ISDIR(mode):
        raise ProgramNotInvocable(f'exec: "{path}": is a directory')
    if not stat.S_ISREG(mode) or not os.access(path, os.X_OK):
        raise ProgramNotInvocable(f'exec: "{path}": permission denied')


def close_descriptors(plan: Plan, sync: Sync) -> None:
    """Whatever we forgot: at execve, or now where others may look on before (CVE-2024-21626).  Signals, too."""
    for number in range(
        1, signals.NSIG
    ):  # ignoring a signal survives execve, as by Python, the shim, nohup(1)
        if signals.getsignal(number) not in (signals.SIG_DFL, None):
            signals.signal(number, signals.SIG_DFL)
    signals.pthread_sigmask(signals.SIG_SETMASK, ())
    if not plan.born:
        return syscalls.close_range(3, why="whatever we forgot closes at execve (CVE-2024-21626)")
    first = 3
    for kept in sorted({*sync.descriptors(), *trace.descriptors(), plan.fifo, 2**32}):
        if kept > first:
            syscalls.close_range(
                first, min(kept, 2**32) - 1, 0, why="nobody inside may see what we have open"
            )
        first = max(first, kept + 1)


def load_seccomp_as_root(plan: Plan, _sync: Sync) -> None:
    """As late as can be: what comes after it has to be in every filter, and is no more than runc needs, too."""
    lent = _lent(plan)
    if lent and plan.seccomp is not None:
        _bounding, effective, permitted, inheritable, _ambient = plan.capabilities
        why = "without no_new_privs a filter needs CAP_SYS_ADMIN"
        syscalls.capset(effective | lent, permitted | lent, inheritable, why=why)
        syscalls.seccomp(plan.seccomp, plan.seccomp_flags, why="most of the kernel's system calls close here")
        syscalls.capset(effective, permitted, inheritable, why="its work is done")


def enter_pid_namespace(plan: Plan, sync: Sync) -> None:
    """The fork comes last: who can be seen from inside has nothing by now that the container has not.

    There a program that may trace could stop the new process and take what it has: its root, its descriptors,
    its capabilities.  PR_SET_DUMPABLE does not keep CAP_SYS_PTRACE out.
    """
    assert plan.born
    assert plan.last_words
    sync.leave(plan.last_words)
    process.continue_beside(plan.born, until_exec=plan.fifo < 0)


def lead_session(plan: Plan, _sync: Sync) -> None:
    """What a process can only do for itself: a session of its own, with its terminal, and to die with the shim."""
    with syscalls.tolerating(*(() if plan.slave >= 0 else (errno.EPERM, errno.ENOSYS))):  # a narrow filter's
        os.setsid()
    if plan.slave >= 0 and plan.terminal:
        plan.terminal.become_controlling(0)
    if plan.die_with_parent:
        syscalls.set_pdeathsig(signals.SIGKILL, why="a fork clears it")


def await_start(plan: Plan, sync: Sync) -> None:
    """Everything is ready and nothing runs: this is the state `created`.  `start` writes one byte."""
    if not plan.born:
        sync.say("ready")
    os.read(plan.fifo, 1)


def load_seccomp(plan: Plan, _sync: Sync) -> None:
    """With no_new_privs anybody may load a filter; as late as can be, it hinders nothing above."""
    if plan.seccomp is not None and plan.no_new_privs:
        syscalls.seccomp(plan.seccomp, plan.seccomp_flags, why="most of the kernel's system calls close here")


def execute(plan: Plan, _sync: Sync) -> None:
    """This process, its pid and its namespaces stay; the program in it becomes the container's."""
    try:
        syscalls.execve(plan.program, plan.args, plan.environment, why="the container's own program begins")
    except syscalls.SyscallError as error:
        message = f"exec {plan.args[0]}: {os.strerror(error.errno or 0).lower()}"
        raise (ProgramNotFound if error.errno == errno.ENOENT else ProgramNotInvocable)(message) from None


_PRIVILEGES: tuple[Step, ...] = (
    take_stdio,
    set_limits,
    drop_bounding,
    change_user,
    set_capabilities,
    find_program,
    close_descriptors,
    load_seccomp_as_root,
)
_PREPARATION: tuple[Step, ...] = (
    await_placement,
    enter_namespaces,
    await_hooks,
    set_kernel_knobs,
    set_names,
    detach_mounts,
    mount_filesystems,
    make_devices,
    open_terminal,
    seal_paths,
    pivot_root,
    *_PRIVILEGES,
)
_BESIDE: tuple[Step, ...] = (enter_pid_namespace, lead_session)
CREATE: tuple[Step, ...] = (*_PREPARATION, await_start, load_seccomp, execute)
CREATE_BESIDE: tuple[Step, ...] = (*_PREPARATION, *_BESIDE, await_start, load_seccomp, execute)
EXEC: tuple[Step, ...] = (
    await_placement,
    join_container,
    open_exec_terminal,
    *_PRIVILEGES,
    *_BESIDE,
    load_seccomp,
    execute,
)
