"""One mount of config.json after the other, made inside the container's root.

mounts.py has turned the options' names into flags; here are the kinds that need more than one mount(2): a bind whose
flags only a remount sets, a tmpfs filled with what it covers, cgroup2 on a hybrid host, a /proc that is moved here.

Every target is opened with openat2(2) inside the root and mounted on through its descriptor, so that a symbolic link in
the image cannot lead a mount to a place of the host, not even one that is swapped in meanwhile (CVE-2021-30465).

See  mount(2), mount_setattr(2), move_mount(2), cgroups(7), the kernel's Documentation/filesystems/sharedsubtree.rst
"""

from __future__ import annotations

import errno
import os
import stat

from minirun.errors import MinirunError
from minirun.linux import inroot, syscalls
from minirun.linux.constants import (
    AT_RECURSIVE,
    MOVE_MOUNT_F_EMPTY_PATH,
    MOVE_MOUNT_T_EMPTY_PATH,
    MS_BIND,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
)
from minirun.runtime import procmounts
from minirun.runtime.mounts import PER_MOUNT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.runtime.mounts import Mount

WHY = {
    "proc": "ps and /proc/self need it; it shows this pid namespace only",
    "sysfs": "the kernel's objects; read-only, they belong to the host",
    "devpts": "terminals of this container alone: ptmx hands out /dev/pts/0 here",
    "tmpfs": "memory-backed, gone with the container",
    "mqueue": "POSIX message queues of this ipc namespace",
}


_MISMATCH = {
    errno.EISDIR: "there is a directory, and what is to be mounted is a file",
    errno.ENOTDIR: "there, or above it, is a file, and a directory is needed",
}


def make_mounts(root_fd: int, mounts: list[Mount], cgroup: str, host_cgroups: str, procfs: int = -1) -> None:
    """Mount all of `mounts` in order; `cgroup` is the host's path of the container's own cgroup.

    `host_cgroups` is the host's cgroup2 mount for a container that shares its cgroup namespace, else "".  `procfs` is
    a descriptor of find_procfs() for one that joins a pid namespace.
    """
    for mount in mounts:
        try:
            if mount.type in ("proc", "sysfs"):
                procmounts.refuse_link(root_fd, mount)
            if mount.type == "proc" and procfs >= 0:
                _attach_procfs(root_fd, mount, procfs)
            else:
                _make_mount(root_fd, mount, cgroup, host_cgroups)
        except syscalls.SyscallError as error:
            if error.errno == errno.EINVAL and mount.type == "tmpfs":
                words = f'this kernel takes no tmpfs on {mount.target} with the options "{mount.data}"'
                raise MinirunError(words) from None
            raise syscalls.SyscallError(
                error.errno or 0, error.call, f"{mount.source} on {mount.target}"
            ) from None


def _make_mount(root_fd: int, mount: Mount, cgroup: str, host_cgroups: str) -> None:
    covered = inroot.mode_of(root_fd, mount.target) if mount.type == "tmpfs" else 0
    _make_target(root_fd, mount)
    # behind the making: where links lead is known only when there is something
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
        mount_on(
            root_fd, mount.source, mount.target, mount.type, mount.flags, mount.data, WHY.get(mount.type, "")
        )
    # mount(2) takes a propagation type alone, with no other flag but MS_REC and MS_SILENT
    for flags in mount.propagation:
        mount_on(root_fd, None, mount.target, None, flags, None, "propagation asked for in config.json")
    # a remount reaches one mount; the attributes of all below need mount_setattr(2), Linux 5.12
    if mount.recursive:
        with inroot.opened(root_fd, mount.target) as fd:
            syscalls.mount_setattr(
                fd, AT_RECURSIVE, mount.recursive, path=mount.target, why="and all mounts below"
            )


def _attach_procfs(root_fd: int, mount: Mount, procfs: int) -> None:
    """A /proc that is mounted nowhere yet, into its place: joining.find_procfs says why."""
    inroot.make_directory(root_fd, mount.target)
    with inroot.opened(root_fd, mount.target) as fd:
        flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
        syscalls.move_mount(
            procfs, fd, flags, path=mount.target, why="it shows the pid namespace that is joined"
        )
    flags = MS_BIND | MS_REMOUNT | (mount.flags & PER_MOUNT)
    mount_on(root_fd, None, mount.target, None, flags, None, "with the flags of config.json")


def _make_target(root_fd: int, mount: Mount) -> None:
    """A file is mounted on a file, everything else on a directory: mount(2) ENOTDIR otherwise.

    Raises MinirunError, for what is wrong is the path that somebody has named.
    """
    is_file = mount.is_bind and not os.path.isdir(mount.source)
    if is_file and not os.path.exists(mount.source):
        raise syscalls.SyscallError(errno.ENOENT, "mount", mount.source)
    try:
        (inroot.make_file if is_file else inroot.make_directory)(root_fd, mount.target)
    except OSError as error:
        reason = _MISMATCH.get(error.errno or 0) or os.strerror(error.errno or 0)
        raise MinirunError(f"{mount.source} cannot be mounted on {mount.target}: {reason}") from None


def mount_on(
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
    """Two calls: with MS_BIND mount(2) ignores all other flags but MS_REC, and a remount clears what it does not name.

    So the flags that the source's mount has are kept, unless config.json has taken them back (`rw`, `exec`).
    """
    recursive = mount.flags & MS_REC
    mount_on(
        root_fd, mount.source, mount.target, None, MS_BIND | recursive, None, "a host path, seen from inside"
    )
    wanted = mount.flags & PER_MOUNT
    if wanted or mount.cleared & PER_MOUNT:
        with inroot.opened(root_fd, mount.target) as fd:
            kept = os.fstatvfs(fd).f_flag & PER_MOUNT & ~mount.cleared  # ST_* equal MS_* for these
        why = "a bind mount ignores flags the first time; a remount sets them"
        mount_on(root_fd, None, mount.target, None, MS_BIND | MS_REMOUNT | kept | wanted, None, why)


def _mount_tmpfs(root_fd: int, mount: Mount, covered: int) -> None:
    """With the mode of the directory it covers, if there was one and no option says; filled with its files if asked."""
    with inroot.opened(root_fd, mount.target, os.O_RDONLY | os.O_DIRECTORY) as below:
        mode = [f"mode={stat.S_IMODE(covered):04o}"] if covered else []
        data = ",".join([*mode, mount.data] if mount.data else mode)
        late = mount.flags & MS_RDONLY if mount.tmpcopyup else 0
        mount_on(root_fd, mount.source, mount.target, "tmpfs", mount.flags & ~late, data, WHY["tmpfs"])
        if mount.tmpcopyup:
            with inroot.opened(root_fd, mount.target, os.O_RDONLY | os.O_DIRECTORY) as top:
                _copy_up(below, top)
    if late:
        flags = MS_BIND | MS_REMOUNT | mount.flags
        mount_on(root_fd, None, mount.target, None, flags, None, "read-only, now that it is filled")


def _copy_up(source: int, target: int) -> None:
    """Directories, files and links below one directory descriptor to another; not what is neither.

    No path is followed: names are opened with O_NOFOLLOW below the descriptor of the directory that they are in.
    """
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
        mount_on(
            root_fd, "cgroup2", mount.target, "cgroup2", flags, None, "the container's own limits, to look at"
        )
    except syscalls.SyscallError as error:
        if error.errno not in (errno.EBUSY, errno.EPERM) or not cgroup:
            raise
        mount_on(root_fd, cgroup, mount.target, None, MS_BIND | MS_REC, None, "the container's own limits")
    if mount.flags & MS_RDONLY:
        flags = MS_BIND | MS_REMOUNT | mount.flags
        mount_on(
            root_fd, None, mount.target, None, flags, None, "read-only: nobody raises a limit from inside"
        )


def _bind_host_cgroups(root_fd: int, mount: Mount, host_cgroups: str) -> None:
    """The host's groups for a container without a cgroup namespace.

    Not a new mount: from the host's namespace that sets the host's own cgroup2 options anew (nsdelegate is lost,
    cgroups(7)), and takes the kernel 10 ms.
    """
    mount_on(root_fd, host_cgroups, mount.target, None, MS_BIND, None, "the namespace is the host's too")
    flags = MS_BIND | MS_REMOUNT | mount.flags
    mount_on(root_fd, None, mount.target, None, flags, None, "with the flags of config.json")
