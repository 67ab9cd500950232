"""The container's file tree, as its first process builds it: mounts, /dev, pivot_root, masks.

Every target is opened with openat2 inside the root and mounted on through its descriptor, so that a symbolic
link in the image cannot lead a mount to a place of the host (CVE-2019-16884, CVE-2021-30465).

See      mount(2), pivot_root(2), mount_namespaces(7); runtime-spec config-linux.md "Default Devices"
By hand  mount --bind rootfs rootfs; mount -t proc proc rootfs/proc; cd rootfs; pivot_root . .; umount -l .
Next     init.py, which calls these in order
"""

from __future__ import annotations

import errno
import os
import stat

from minirun.errors import MinirunError
from minirun.linux import inroot, syscalls
from minirun.linux.constants import (
    AT_FDCWD,
    AT_RECURSIVE,
    CLONE_NEWNS,
    MNT_DETACH,
    MOVE_MOUNT_F_EMPTY_PATH,
    MOVE_MOUNT_T_EMPTY_PATH,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    MS_SLAVE,
    OPEN_TREE_CLOEXEC,
    OPEN_TREE_CLONE,
)
from minirun.linux.devices import DEFAULT_NODES
from minirun.runtime import process, procmounts
from minirun.runtime.mounts import PER_MOUNT, PROPAGATION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.runtime.config import Device
    from minirun.runtime.mounts import Mount

DEV_LINKS = (
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
)


def cut_off(rootfs: str, propagation: str) -> None:
    """Make this mount namespace's mounts stay here, and `rootfs` a mount of its own."""
    flags = PROPAGATION.get(propagation or "rslave", MS_SLAVE | MS_REC)
    syscalls.mount(None, "/", None, flags, why="mounts made here must never show on the host")
    if propagation in ("shared", "rshared"):
        syscalls.mount(None, _mount_point(rootfs), None, MS_PRIVATE, why="pivot_root refuses a shared parent")
    syscalls.mount(
        rootfs, rootfs, None, MS_BIND | MS_REC, why="pivot_root wants a mount point, not a directory"
    )
    syscalls.mount(None, rootfs, None, MS_PRIVATE, why="pivot_root refuses a shared mount")


def _mount_point(path: str) -> str:
    """Where the file system that holds `path` is mounted."""
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path


def find_procfs(namespace: str) -> int:
    """A copy of the /proc of somebody in the pid namespace `namespace`, mounted nowhere: a descriptor.

    A new /proc would show the pids of the namespace that we are in ourselves; and we enter that one last of all.
    """
    wanted = os.stat(namespace)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        # it has ended, is not to be looked at, or has no /proc
        with syscalls.tolerating(errno.ENOENT, errno.ESRCH, errno.EACCES, errno.EINVAL):
            if os.path.samestat(os.stat(f"/proc/{pid}/ns/pid"), wanted):
                return _copy_of_procfs(pid, wanted)
    raise MinirunError(
        f"no process of the pid namespace {namespace} has its /proc mounted, so none can be had"
    )


def _copy_of_procfs(pid: str, namespace: os.stat_result) -> int:
    home = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        process.join(f"/proc/{pid}/ns/mnt", CLONE_NEWNS, why="where a /proc of that pid namespace is mounted")
        flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC
        found = syscalls.open_tree(AT_FDCWD, "/proc", flags, why="a copy of the mount, not mounted yet")
        is_it = os.path.samestat(os.stat("1/ns/pid", dir_fd=found), namespace)
    finally:
        syscalls.setns(home, CLONE_NEWNS, path="/proc/self/ns/mnt", why="back to the host's mounts")
        os.close(home)
    if not is_it:
        raise syscalls.SyscallError(errno.EINVAL, "open_tree", "/proc")  # it is another one's
    return found


def make_mounts(root_fd: int, mounts: list[Mount], cgroup: str, host_cgroups: str, procfs: int = -1) -> None:
    """Mount all of `mounts` in order; `cgroup` is the host's path of the container's own cgroup.

    `host_cgroups` is the host's cgroup2 mount for a container that shares its cgroup namespace, else "".  `procfs` is
    a descriptor of find_procfs() for one that joins a pid namespace.
    """
    for mount in mounts:
        try:
            if mount.type == "proc" and procfs >= 0:
                _attach_procfs(root_fd, mount, procfs)
            else:
                _make_mount(root_fd, mount, cgroup, host_cgroups)
        except syscalls.SyscallError as error:
            raise syscalls.SyscallError(
                error.errno or 0, error.call, f"{mount.source} on {mount.target}"
            ) from None


def _make_mount(root_fd: int, mount: Mount, cgroup: str, host_cgroups: str) -> None:
    covered = inroot.mode_of(root_fd, mount.target) if mount.type == "tmpfs" else 0
    _make_target(root_fd, mount)
    procmounts.check(root_fd, mount)
    if mount.type == "cgroup" and host_cgroups:
        _bind_host_cgroups(root_fd, mount, host_cgroups)
    elif mount.type == "cgroup":
        _mount_cgroup(root_fd, mount, cgroup)
    elif mount.is_bind:
        _mount_bind(root_fd, mount)
    elif mount.type == "tmpfs":
        _mount_tmpfs(root_fd, mount, covered)
    else:
        _mount_on(
            root_fd, mount.source, mount.target, mount.type, mount.flags, mount.data, WHY.get(mount.type, "")
        )
    for flags in mount.propagation:
        _mount_on(root_fd, None, mount.target, None, flags, None, "propagation asked for in config.json")
    if mount.recursive:
        with inroot.opened(root_fd, mount.target) as fd:
            syscalls.mount_setattr(
                fd, AT_RECURSIVE, mount.recursive, path=mount.target, why="and all mounts below"
            )


def _attach_procfs(root_fd: int, mount: Mount, procfs: int) -> None:
    inroot.make_directory(root_fd, mount.target)
    with inroot.opened(root_fd, mount.target) as fd:
        flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
        syscalls.move_mount(
            procfs, fd, flags, path=mount.target, why="it shows the pid namespace that is joined"
        )
    flags = MS_BIND | MS_REMOUNT | (mount.flags & PER_MOUNT)
    _mount_on(root_fd, None, mount.target, None, flags, None, "with the flags of config.json")


WHY = {
    "proc": "ps and /proc/self need it; it shows this pid namespace only",
    "sysfs": "the kernel's objects; read-only, they belong to the host",
    "devpts": "terminals of this container alone: ptmx hands out /dev/pts/0 here",
    "tmpfs": "memory-backed, gone with the container",
    "mqueue": "POSIX message queues of this ipc namespace",
}


def _make_target(root_fd: int, mount: Mount) -> None:
    if mount.is_bind and not os.path.isdir(mount.source):
        if not os.path.exists(mount.source):
            raise syscalls.SyscallError(errno.ENOENT, "mount", mount.source)
        inroot.make_file(root_fd, mount.target)
    else:
        inroot.make_directory(root_fd, mount.target)


def _mount_on(
    root_fd: int,
    source: str | None,
    target: str,
    kind: str | None,
    flags: int,
    data: str | None,
    why: str,
    origin: str = "",
) -> None:
    """mount(2) on `target` inside the root, opened anew each time: a fresh descriptor sees the topmost mount."""
    with inroot.opened(root_fd, target) as fd:
        place = f"/proc/self/fd/{fd}"
        syscalls.mount(source, place, kind, flags, data, path=target, origin=origin, why=why)


def _mount_bind(root_fd: int, mount: Mount) -> None:
    recursive = mount.flags & MS_REC
    _mount_on(
        root_fd, mount.source, mount.target, None, MS_BIND | recursive, None, "a host path, seen from inside"
    )
    wanted = mount.flags & PER_MOUNT
    if wanted or mount.cleared & PER_MOUNT:
        with inroot.opened(root_fd, mount.target) as fd:
            kept = os.fstatvfs(fd).f_flag & PER_MOUNT & ~mount.cleared  # ST_* equal MS_* for these
        why = "a bind mount ignores flags the first time; a remount sets them"
        _mount_on(root_fd, None, mount.target, None, MS_BIND | MS_REMOUNT | kept | wanted, None, why)


def _mount_tmpfs(root_fd: int, mount: Mount, covered: int) -> None:
    """With the mode of the directory it covers, if there was one and no option says; filled with its files if asked."""
    with inroot.opened(root_fd, mount.target, os.O_RDONLY | os.O_DIRECTORY) as below:
        mode = [f"mode={stat.S_IMODE(covered):04o}"] if covered else []
        data = ",".join([*mode, mount.data] if mount.data else mode)
        late = mount.flags & MS_RDONLY if mount.tmpcopyup else 0
        _mount_on(root_fd, mount.source, mount.target, "tmpfs", mount.flags & ~late, data, WHY["tmpfs"])
        if mount.tmpcopyup:
            with inroot.opened(root_fd, mount.target, os.O_RDONLY | os.O_DIRECTORY) as top:
                _copy_up(below, top)
    if late:
        flags = MS_BIND | MS_REMOUNT | mount.flags
        _mount_on(root_fd, None, mount.target, None, flags, None, "read-only, now that it is filled")


def _copy_up(source: int, target: int) -> None:
    """Directories, files and links below one directory descriptor to another; not what is neither."""
    for name in os.listdir(source):
        status = os.stat(name, dir_fd=source, follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        elif stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode):
            _copy_one(source, target, name, stat.S_ISDIR(status.st_mode))
        else:
            continue
        os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode):
            os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=target)


def _copy_one(source: int, target: int, name: str, is_directory: bool) -> None:
    flags, making = (
        os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC,
        os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC,
    )
    old = os.open(name, flags, dir_fd=source)
    if is_directory:
        os.mkdir(name, 0o700, dir_fd=target)
        new = os.open(name, flags, dir_fd=target)
        _copy_up(old, new)
    else:
        new = os.open(name, making, 0o600, dir_fd=target)
        while os.sendfile(new, old, None, 1 << 20):
            pass
    os.close(old)
    os.close(new)


def _mount_cgroup(root_fd: int, mount: Mount, cgroup: str) -> None:
    """cgroup2 in a cgroup namespace shows the container's own group as the root.

    On a hybrid host the kernel may refuse a mount from here (EBUSY, EPERM): then bind that group's directory.
    """
    flags = mount.flags & ~MS_RDONLY
    try:
        _mount_on(
            root_fd, "cgroup2", mount.target, "cgroup2", flags, None, "the container's own limits, to look at"
        )
    except syscalls.SyscallError as error:
        if error.errno not in (errno.EBUSY, errno.EPERM) or not cgroup:
            raise
        _mount_on(root_fd, cgroup, mount.target, None, MS_BIND | MS_REC, None, "the container's own limits")
    if mount.flags & MS_RDONLY:
        flags = MS_BIND | MS_REMOUNT | mount.flags
        _mount_on(
            root_fd, None, mount.target, None, flags, None, "read-only: nobody raises a limit from inside"
        )


def _bind_host_cgroups(root_fd: int, mount: Mount, host_cgroups: str) -> None:
    """The host's groups for a container without a cgroup namespace.

    Not a new mount: from the host's namespace that sets the host's own cgroup2 options anew (nsdelegate is lost,
    cgroups(7)), and takes the kernel 10 ms.
    """
    _mount_on(root_fd, host_cgroups, mount.target, None, MS_BIND, None, "the namespace is the host's too")
    flags = MS_BIND | MS_REMOUNT | mount.flags
    _mount_on(root_fd, None, mount.target, None, flags, None, "with the flags of config.json")


# ---- /dev -------------------------------------------------------------------------------------------------


def make_devices(root_fd: int, devices: list[Device]) -> None:
    """The default nodes and links, and config.json's `devices`, in the container's /dev."""
    previous = os.umask(0)
    for device in [*DEFAULT_NODES, *devices]:
        kind = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}[device["type"]]
        number = os.makedev(device.get("major", 0), device.get("minor", 0))
        mode = kind | device.get("fileMode", 0o666)
        _make_node(root_fd, device["path"], mode, number, device.get("uid", 0), device.get("gid", 0))
    for target, path in DEV_LINKS:
        _make_link(root_fd, target, path)
    os.umask(previous)


def _make_node(root_fd: int, path: str, mode: int, device: int, uid: int, gid: int) -> None:
    parent, name = os.path.split(path)
    inroot.make_directory(root_fd, parent)
    with inroot.opened(root_fd, parent) as fd, syscalls.tolerating(errno.EEXIST):
        syscalls.mknod(name, mode, device, dir_fd=fd, shown=path, why="a device the container may use")
        os.chown(name, uid, gid, dir_fd=fd, follow_symlinks=False)


def _make_link(root_fd: int, target: str, path: str) -> None:
    parent, name = os.path.split(path)
    with inroot.opened(root_fd, parent) as fd:
        if name == "ptmx":
            with syscalls.tolerating(errno.ENOENT):
                os.unlink(name, dir_fd=fd)  # a node here would open the host's terminals
        with syscalls.tolerating(errno.EEXIST):
            syscalls.symlink(target, name, dir_fd=fd, shown=path, why="programs expect it")


# ---- what the container may look at, and write ----------------------------------------------------------


def seal(root_fd: int, readonly_paths: list[str], masked_paths: list[str], readonly: bool) -> None:
    """Make some paths unwritable, some secrets invisible and, if asked, the root itself read-only."""
    for path in readonly_paths:
        _make_readonly(root_fd, path)
    null = _null_device(root_fd)
    for path in masked_paths:
        _mask(root_fd, path, null)
    os.close(null)
    if readonly:
        flags = MS_BIND | MS_REMOUNT | MS_RDONLY | (os.fstatvfs(root_fd).f_flag & PER_MOUNT)
        _mount_on(root_fd, None, "/", None, flags, None, "--read-only: the image's files stay as they are")


def _make_readonly(root_fd: int, path: str) -> None:
    if not inroot.mode_of(root_fd, path):
        return  # this kernel has no such file: nothing to protect
    with inroot.opened(root_fd, path) as fd:
        kept = os.fstatvfs(fd).f_flag & PER_MOUNT
        source = f"/proc/self/fd/{fd}"
        why = "a mount of its own, to be sealed"
        syscalls.mount(source, source, None, MS_BIND | MS_REC, path=path, origin=path, why=why)
    why = "a container's root must not turn the host's knobs"
    _mount_on(root_fd, None, path, None, MS_BIND | MS_REMOUNT | MS_RDONLY | kept, None, why)


def _mask(root_fd: int, path: str, null: int) -> None:
    """Cover a directory with an empty read-only tmpfs, a file with the device `null`: to be written to, not changed.

    Without the read-only mount a chmod(2) of the masked file would be one of the device node, on the host as well.
    """
    why = "it tells about, or reaches, the host"
    mode = inroot.mode_of(root_fd, path)
    if stat.S_ISDIR(mode):
        flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC
        _mount_on(root_fd, "tmpfs", path, "tmpfs", flags, "size=0,nr_inodes=2", why)
    elif mode:
        _mount_on(root_fd, f"/proc/self/fd/{null}", path, None, MS_BIND, None, why, origin="/dev/null")
        flags = MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NOEXEC
        _mount_on(root_fd, None, path, None, flags, None, "nobody inside changes the node's mode or owner")


def _null_device(root_fd: int) -> int:
    """A descriptor of the container's own /dev/null where it has one, else of the host's."""
    try:
        fd = inroot.open_in_root(root_fd, "/dev/null")
        if stat.S_ISCHR(os.fstat(fd).st_mode) and os.fstat(fd).st_rdev == os.makedev(1, 3):
            return fd
        os.close(fd)
    except OSError:
        pass
    return os.open("/dev/null", os.O_PATH | os.O_CLOEXEC)


# ---- the switch -------------------------------------------------------------------------------------------


def pivot(rootfs: str) -> None:
    """Make `rootfs` this namespace's `/` and let go of the host's tree.

    pivot_root(".", ".") stacks the old root on the new one, so no directory for it is needed; the lazy umount
    takes it off again.  chroot(2) would do neither: its old root stays mounted, one escape away.
    """
    old_fd = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    syscalls.chdir(rootfs, why="pivot_root(2): put the new root where we stand")
    syscalls.pivot_root(".", ".", why="from here on / is the image; the host's tree lies on top of it")
    syscalls.fchdir(old_fd, "/", why="stand in the old root to take it off")
    os.close(old_fd)
    syscalls.mount(None, ".", None, MS_SLAVE | MS_REC, why="the umount below must not reach the host")
    syscalls.umount2(".", MNT_DETACH, why="the host's files are out of reach now")
    syscalls.chdir("/", why="stand in the new root")
