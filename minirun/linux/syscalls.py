"""System calls: each declared once with its C types, under its C name, in the man page's argument order.

So the man page is the documentation; an option of prctl(2) that is a call of its own has a wrapper of its own.  What
changes kernel state goes through `act`, the choke point that announces it to the trace and turns an errno into a
SyscallError that knows its call and its path.  What only looks (openat2, inotify) raises the same and is not traced;
a clone is announced by its caller.  `why` is the comment of the line that makes the call; `minirun run --explain`
prints it.

See      syscalls(2), and the man page of each call
By hand  strace -f shows the same calls from outside
"""

from __future__ import annotations

import ctypes
import os
import struct

import _prctl as _python_prctl  # the C half of python-prctl; the other makes an object of every capability, 1 ms

from minirun import files
from minirun.linux import trace
from minirun.linux.constants import (
    AT_EMPTY_PATH,
    CLONE_INTO_CGROUP,
    CLONE_PARENT,
    CLONE_PARENT_SETTID,
    CLOSE_RANGE_CLOEXEC,
    M_MMAP_THRESHOLD,
    M_TRIM_THRESHOLD,
    PR_CAP_AMBIENT,
    PR_CAPBSET_DROP,
    PR_SET_NAME,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    SECCOMP_SET_MODE_FILTER,
    SYSCALL_NUMBERS,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from minirun.linux.memory import SharedMemory


class SyscallError(OSError):
    """A system call that failed: `errno`, `call` (its C name), `path` (what it was about, or "").

    >>> str(SyscallError(13, "mount", "/proc"))
    'mount(2) /proc: Permission denied'
    """

    def __init__(self, errno: int, call: str, path: str = "") -> None:
        super().__init__(errno, os.strerror(errno))
        self.call = call
        self.path = path

    def __str__(self) -> str:
        return f"{self.call}(2) {self.path}".rstrip() + f": {self.strerror}"


def act(
    call: str,
    function: Callable[..., Any],
    *args: Any,
    path: str = "",
    why: str = "",
    shown: Sequence[object] | None = None,
) -> Any:
    """Make one call that changes kernel state: inject a fault, call, trace, raise.  Returns what it returned.

    `path` is for the error message; `shown` replaces `args` in the trace where the raw ones (descriptors,
    structures) would say nothing to a reader.
    """
    if not trace.on:
        try:
            return function(*args)
        except OSError as error:
            raise SyscallError(error.errno or 0, call, path) from None
    result, errno = None, 0
    try:
        trace.before(call)
        result = function(*args)
        return result
    except OSError as error:
        errno = error.errno or 0
        raise SyscallError(errno, call, path) from None
    finally:
        trace.after(call, args if shown is None else shown, result, errno, why)


class tolerating:
    """`with tolerating(errno.EEXIST):` goes on when that is all that went wrong."""

    def __init__(self, *errnos: int) -> None:
        self.errnos = errnos

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> bool:
        return isinstance(error, OSError) and error.errno in self.errnos


# ---- the C library, declared ------------------------------------------------------------------------------

_libc = ctypes.CDLL(None, use_errno=True)
_python = ctypes.PyDLL(None, use_errno=True)  # the interpreter itself; its lock is kept during a call


def _check(result: int, _function: object, _args: object) -> int:
    if result == -1:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno))
    return result


def _declare(name: str, *types: Any) -> Any:
    function = _libc[name]  # a new object each time: getattr would share one, and its types
    function.argtypes = types
    function.restype = ctypes.c_long if name == "syscall" else ctypes.c_int
    function.errcheck = _check  # type: ignore[assignment]
    return function


_char_p, _int, _ulong, _void_p = ctypes.c_char_p, ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p

_mount = _declare("mount", _char_p, _char_p, _char_p, _ulong, _char_p)
_umount2 = _declare("umount2", _char_p, _int)
_unshare = _declare("unshare", _int)
_setns = _declare("setns", _int, _int)
_prctl = _declare("prctl", _int, _ulong, _ulong, _ulong, _ulong)
_socket = _declare("socket", _int, _int, _int)
_sethostname = _declare("sethostname", _char_p, ctypes.c_size_t)
_setdomainname = _declare("setdomainname", _char_p, ctypes.c_size_t)
_capset = _declare("capset", _void_p, _void_p)
_mallopt = _declare("mallopt", _int, _int)
_inotify_init1 = _declare("inotify_init1", _int)
_inotify_add_watch = _declare("inotify_add_watch", _int, _char_p, ctypes.c_uint32)
_SIGCHLD = 17
_syscall = _declare("syscall")  # glibc has no wrapper for the calls in SYSCALL_NUMBERS


def _raw(name: str, *args: Any) -> int:
    """syscall(2): a call glibc does not wrap.  Arguments are ctypes objects or ints (passed as longs)."""
    _syscall.argtypes = None
    wide = (ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args)
    return int(_syscall(ctypes.c_long(SYSCALL_NUMBERS[name]), *wide))


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


# ---- mounts -----------------------------------------------------------------------------------------------


def mount(
    source: str | None,
    target: str,
    filesystemtype: str | None,
    mountflags: int,
    data: str | None = None,
    *,
    path: str = "",
    origin: str = "",
    why: str = "",
) -> None:
    """mount(2).  `path` and `origin` are what to show for a `target` and a `source` in /proc/self/fd."""
    raw = (_bytes(source), _bytes(target), _bytes(filesystemtype), mountflags, _bytes(data))
    shown = (origin or source, path or target, filesystemtype, mountflags, data)
    act("mount", _mount, *raw, path=path or target, why=why, shown=shown)


def umount2(target: str, flags: int = 0, *, why: str = "") -> None:
    """umount2(2)"""
    act("umount2", _umount2, _bytes(target), flags, path=target, why=why)


def pivot_root(new_root: str, put_old: str, *, why: str = "") -> None:
    """pivot_root(2)"""
    raw = (ctypes.c_char_p(_bytes(new_root)), ctypes.c_char_p(_bytes(put_old)))
    shown = (new_root, put_old)
    act("pivot_root", _raw, "pivot_root", *raw, path=new_root, why=why, shown=shown)


class _MountAttr(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd")]


def mount_setattr(
    dirfd: int, flags: int, attr_set: int, attr_clr: int = 0, *, path: str, userns: int = 0, why: str = ""
) -> None:
    """mount_setattr(2) on the mount that `dirfd` (O_PATH) is in.  Linux 5.12; ENOSYS before.

    `userns` is a descriptor of the user namespace for MOUNT_ATTR_IDMAP.
    """
    attr = _MountAttr(attr_set, attr_clr, 0, userns)
    args = (dirfd, ctypes.c_char_p(b""), flags | AT_EMPTY_PATH, ctypes.byref(attr), ctypes.sizeof(attr))
    shown = (path, flags, attr_set, attr_clr)
    act("mount_setattr", _raw, "mount_setattr", *args, path=path, why=why, shown=shown)


def open_tree(dirfd: int, path: str, flags: int, *, why: str = "") -> int:
    """open_tree(2).  With OPEN_TREE_CLONE: a copy of the mount at `path` that is mounted nowhere yet."""
    raw = ctypes.c_char_p(_bytes(path))
    return int(
        act("open_tree", _raw, "open_tree", dirfd, raw, flags, path=path, why=why, shown=(path, flags))
    )


def move_mount(from_dirfd: int, to_dirfd: int, flags: int, *, path: str, why: str = "") -> None:
    """move_mount(2) of the mount `from_dirfd` onto what `to_dirfd` (O_PATH) is; `path` is what that is called."""
    empty = ctypes.c_char_p(b"")
    args = (from_dirfd, empty, to_dirfd, empty, flags)
    act("move_mount", _raw, "move_mount", *args, path=path, why=why, shown=(path, flags))


# ---- namespaces and names ---------------------------------------------------------------------------------


def unshare(flags: int, *, why: str = "") -> None:
    """unshare(2)"""
    act("unshare", _unshare, flags, why=why)


def setns(fd: int, nstype: int, *, path: str = "", why: str = "") -> None:
    """setns(2).  `path` is the namespace file `fd` was opened from."""
    act("setns", _setns, fd, nstype, path=path, why=why, shown=(path or fd, nstype))


def sethostname(name: str, *, why: str = "") -> None:
    """sethostname(2)"""
    raw = os.fsencode(name)
    act("sethostname", _sethostname, raw, len(raw), path=name, why=why, shown=(name,))


def setdomainname(name: str, *, why: str = "") -> None:
    """setdomainname(2)"""
    raw = os.fsencode(name)
    act("setdomainname", _setdomainname, raw, len(raw), path=name, why=why, shown=(name,))


def clone3_into_cgroup(cgroup: int) -> int:
    """clone3(2) as fork(2), but the child starts in the group `cgroup` is a descriptor of.  Linux 5.7."""
    arguments = struct.pack("=11Q", CLONE_INTO_CGROUP, 0, 0, 0, _SIGCHLD, 0, 0, 0, 0, 0, cgroup)
    return _clone("clone3", arguments, len(arguments))


def clone_sibling(flags: int, pid: SharedMemory) -> int:
    """clone(2) as fork(2), but the new process is a child of our parent.  Returns 0 in it.

    `flags` are more of clone(2)'s.  The kernel writes the pid, as this process sees it, to the start of `pid`, before
    the new process runs.  Raises SyscallError: EPERM where a seccomp filter forbids it.
    """
    flags |= CLONE_PARENT | CLONE_PARENT_SETTID  # its exit signal is ours, so none may be named
    return _clone("clone", ctypes.c_ulong(flags), None, ctypes.c_void_p(pid.address()), None, None)


def _clone(call: str, *arguments: Any) -> int:
    """A call that returns twice, between what CPython's own os.fork() does before and after."""
    _python.PyOS_BeforeFork()
    pid = int(_python.syscall(ctypes.c_long(SYSCALL_NUMBERS[call]), *arguments))
    if pid == 0:
        _python.PyOS_AfterFork_Child()
        return 0
    _python.PyOS_AfterFork_Parent()
    if pid < 0:
        raise SyscallError(ctypes.get_errno(), call)
    return pid


# ---- privileges -------------------------------------------------------------------------------------------


def prctl(option: int, arg2: int = 0, arg3: int = 0, *, why: str = "") -> int:
    """prctl(2).  Returns its result, for the options that answer with it."""
    return int(act("prctl", _prctl, option, arg2, arg3, 0, 0, why=why, shown=(option, arg2, arg3)))


def set_no_new_privs(*, why: str = "") -> None:
    """PR_SET_NO_NEW_PRIVS: from here on no execve(2) gains anything."""
    act("prctl", _python_prctl.prctl, PR_SET_NO_NEW_PRIVS, True, why=why, shown=(PR_SET_NO_NEW_PRIVS, 1, 0))


def set_pdeathsig(number: int, *, why: str = "") -> None:
    """PR_SET_PDEATHSIG: the signal this process gets when its parent dies."""
    act(
        "prctl",
        _python_prctl.prctl,
        PR_SET_PDEATHSIG,
        number,
        why=why,
        shown=(PR_SET_PDEATHSIG, int(number), 0),
    )


def set_name(name: str) -> None:
    """PR_SET_NAME: what ps shows for this process, 15 characters at most."""
    act("prctl", _python_prctl.prctl, PR_SET_NAME, name, shown=(PR_SET_NAME, name, 0))


def inet_socket() -> int:
    """socket(2) AF_INET SOCK_DGRAM: what the old network ioctls want.  Without importing `socket`."""
    return int(_socket(2, 2 | os.O_CLOEXEC, 0))


def capbset_drop(capability: int, *, why: str = "") -> None:
    """Take one capability out of the bounding set: no execve(2) can ever give it back."""
    prctl(PR_CAPBSET_DROP, capability, why=why)


def cap_ambient(operation: int, capability: int = 0, *, why: str = "") -> None:
    """PR_CAP_AMBIENT_RAISE, or PR_CAP_AMBIENT_CLEAR_ALL: the set that survives execve for non-root users."""
    prctl(PR_CAP_AMBIENT, operation, capability, why=why)


class _CapHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapData(ctypes.Structure):
    """The low 32 capabilities and then the high ones, as capget(2) explains under version 3."""

    _fields_ = [
        (f"{name}{half}", ctypes.c_uint32)
        for half in (0, 1)
        for name in ("effective", "permitted", "inheritable")
    ]


_CAPABILITY_VERSION_3 = 0x20080522


def capset(effective: int, permitted: int, inheritable: int, *, why: str = "") -> None:
    """capset(2) on this thread; each set is a bit mask, bit n for capability number n."""
    header = _CapHeader(_CAPABILITY_VERSION_3, 0)
    halves = [
        (mask >> shift) & 0xFFFFFFFF for shift in (0, 32) for mask in (effective, permitted, inheritable)
    ]
    data = _CapData(*halves)
    shown = (effective, permitted, inheritable)
    act("capset", _capset, ctypes.byref(header), ctypes.byref(data), why=why, shown=shown)


def setgroups(groups: list[int], *, why: str = "") -> None:
    """setgroups(2)"""
    act("setgroups", os.setgroups, groups, why=why)


def setresgid(rgid: int, egid: int, sgid: int, *, why: str = "") -> None:
    """setresgid(2)"""
    act("setresgid", os.setresgid, rgid, egid, sgid, why=why)


def setresuid(ruid: int, euid: int, suid: int, *, why: str = "") -> None:
    """setresuid(2)"""
    act("setresuid", os.setresuid, ruid, euid, suid, why=why)


def prlimit(pid: int, resource: int, soft: int, hard: int, *, name: str, why: str = "") -> None:
    """prlimit(2); `name` is the limit's name for messages, as RLIMIT_NOFILE."""
    limits = (ctypes.c_uint64 * 2)(soft & (2**64 - 1), hard & (2**64 - 1))
    args = (pid, resource, limits, ctypes.c_void_p(None))
    act("prlimit64", _raw, "prlimit64", *args, path=name, why=why, shown=(name, soft, hard))


def set_mempolicy(mode: int, nodes: int, *, shown: tuple[str, str], why: str = "") -> None:
    """set_mempolicy(2); `nodes` is a bit mask, `shown` are mode and nodes in words."""
    count = max(nodes.bit_length(), 1)
    mask = (ctypes.c_ulong * (count // 64 + 1))(
        *(nodes >> 64 * i & 2**64 - 1 for i in range(count // 64 + 1))
    )
    # the kernel takes one bit less than it is told: mempolicy.c, get_nodes
    args = (mode, mask if nodes else ctypes.c_void_p(None), count + 1 if nodes else 0)
    act("set_mempolicy", _raw, "set_mempolicy", *args, why=why, shown=shown)


class _SockFprog(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def seccomp(program: bytes, flags: int = 0, *, why: str = "") -> int:
    """seccomp(2) SECCOMP_SET_MODE_FILTER with a classic BPF program, 8 bytes an instruction.

    Returns the listener descriptor when `flags` ask for one, else 0.
    """
    fprog = _SockFprog(len(program) // 8, program)
    args = (SECCOMP_SET_MODE_FILTER, flags, ctypes.byref(fprog))
    shown = (SECCOMP_SET_MODE_FILTER, flags, f"{len(program) // 8} instructions")
    return int(act("seccomp", _raw, "seccomp", *args, why=why, shown=shown))


def bpf(command: int, attr: bytes, *, shown: Sequence[object] = (), why: str = "") -> int:
    """bpf(2) with `attr` laid out by the caller (union bpf_attr).  Returns a descriptor, or 0."""
    buffer = ctypes.create_string_buffer(attr, len(attr))
    return int(act("bpf", _raw, "bpf", command, buffer, len(attr), why=why, shown=(command, *shown)))


def keyctl_join_session_keyring(name: str, *, why: str = "") -> None:
    """keyctl(2) KEYCTL_JOIN_SESSION_KEYRING: a keyring of our own, not the one of whoever ran us."""
    act("keyctl", _raw, "keyctl", 1, ctypes.c_char_p(_bytes(name)), path=name, why=why, shown=("join", name))


# ---- files and descriptors --------------------------------------------------------------------------------


class _OpenHow(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("flags", "mode", "resolve")]


def openat2(dirfd: int, path: str, flags: int, mode: int = 0, resolve: int = 0) -> int:
    """openat2(2).  Returns a close-on-exec descriptor.  Not traced: opening changes no kernel state."""
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    raw = ctypes.c_char_p(_bytes(path))
    try:
        return _raw("openat2", dirfd, raw, ctypes.byref(how), ctypes.sizeof(how))
    except OSError as error:
        raise SyscallError(error.errno or 0, "openat2", path) from None


def close_range(
    first: int, last: int = 2**32 - 1, flags: int = CLOSE_RANGE_CLOEXEC, *, why: str = ""
) -> None:
    """close_range(2).  With CLOSE_RANGE_CLOEXEC the descriptors close at execve, not now."""
    args = (ctypes.c_uint(first), ctypes.c_uint(last), flags)
    act("close_range", _raw, "close_range", *args, why=why, shown=(first, last, flags))


def keep_freed_memory(most: int) -> None:
    """mallopt(3): up to `most` bytes that are not used any more stay ours.

    glibc gives larger blocks back to the kernel at once, and has it make and clear the pages anew for the next one.
    """
    for parameter in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD):
        _mallopt(parameter, most)


def inotify_init(flags: int) -> int:
    """inotify_init1(2).  Not traced, as it only looks: see inotify.py."""
    return int(_inotify_init1(flags))


def inotify_add_watch(fd: int, path: str, mask: int) -> int:
    """inotify_add_watch(2).  Not traced, either."""
    try:
        return int(_inotify_add_watch(fd, _bytes(path), mask))
    except OSError as error:
        raise SyscallError(error.errno or 0, "inotify_add_watch", path) from None


def write_file(path: str, text: str, *, why: str = "") -> None:
    """Write `text` to a file of a kernel file system (/proc, /sys, cgroup) in one write(2)."""
    act("write", _write_file, path, text, path=path, why=why)


def _write_file(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def mkdir(path: str, mode: int = 0o755, *, dir_fd: int | None = None, shown: str = "", why: str = "") -> None:
    """mkdirat(2); `shown` is the whole path, for the trace."""
    act("mkdir", _mkdir, path, mode, dir_fd, path=shown or path, why=why, shown=(shown or path, mode))


def _mkdir(path: str, mode: int, dir_fd: int | None) -> None:
    os.mkdir(path, mode, dir_fd=dir_fd)


def rmdir(path: str, *, why: str = "") -> None:
    """rmdir(2)"""
    act("rmdir", os.rmdir, path, path=path, why=why)


def unlink(path: str, *, why: str = "") -> None:
    """unlink(2)"""
    act("unlink", os.unlink, path, path=path, why=why)


def remove_tree(path: str, *, why: str = "") -> None:
    """unlink(2) and rmdir(2) of all there is at `path`, as far as that can be done: see files.py."""
    act("unlink", files.remove_tree, path, path=path, why=why)


def rename(old: str, new: str, *, why: str = "") -> None:
    """rename(2)"""
    act("rename", os.rename, old, new, path=new, why=why)


def chmod(path: str, mode: int, *, why: str = "") -> None:
    """chmod(2): the mode is what is said, whatever our umask."""
    act("chmod", os.chmod, path, mode, path=path, why=why)


def creat(path: str, text: str, mode: int = 0o600, *, durable: bool = False, why: str = "") -> None:
    """A file with `text` in it, whole or not at all: see files.py."""
    act("creat", _creat, path, text, mode, durable, path=path, why=why, shown=(path, text))


def _creat(path: str, text: str, mode: int, durable: bool) -> None:
    files.write_whole(path, text.encode(), mode, durable=durable)


def mknod(
    path: str, mode: int, device: int, *, dir_fd: int | None = None, shown: str = "", why: str = ""
) -> None:
    """mknodat(2); `device` as os.makedev(major, minor) makes it.  `shown` is the whole path, for the trace."""
    number = f"{os.major(device)}:{os.minor(device)}"
    act(
        "mknod",
        _mknod,
        path,
        mode,
        device,
        dir_fd,
        path=shown or path,
        why=why,
        shown=(shown or path, mode, number),
    )


def _mknod(path: str, mode: int, device: int, dir_fd: int | None) -> None:
    os.mknod(path, mode, device, dir_fd=dir_fd)


def symlink(target: str, path: str, *, dir_fd: int | None = None, shown: str = "", why: str = "") -> None:
    """symlinkat(2); `shown` is the whole path, for the trace."""
    act("symlink", _symlink, target, path, dir_fd, path=shown or path, why=why, shown=(target, shown or path))


def _symlink(target: str, path: str, dir_fd: int | None) -> None:
    os.symlink(target, path, dir_fd=dir_fd)


def chdir(path: str, *, why: str = "") -> None:
    """chdir(2)"""
    act("chdir", os.chdir, path, path=path, why=why)


def fchdir(fd: int, path: str, *, why: str = "") -> None:
    """fchdir(2); `path` is what `fd` was opened from."""
    act("fchdir", os.fchdir, fd, path=path, why=why, shown=(path,))


def execve(
    path: str,
    argv: list[str],
    environment: dict[str, str],
    *,
    secrets: dict[str, str] | None = None,
    why: str = "",
) -> None:
    """execve(2).  Announced before it is made: after it, there is nobody left to tell.

    `secrets` are more variables, of which only the names are announced.
    """
    secrets = secrets or {}
    if trace.on:
        trace.before("execve")
        shown = {**environment, **dict.fromkeys(secrets, "...")}
        variables = [f"{name}={value}" for name, value in shown.items()]
        trace.after("execve", (path, argv, variables), 0, 0, why)
    try:
        os.execve(path, argv, {**environment, **secrets})
    except OSError as error:
        raise SyscallError(error.errno or 0, "execve", path) from None
