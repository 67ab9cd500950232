"""Step 13 of 13: the container's file tree, made and entered by its first process.

    cut_off         mounts made here stay here                     detach_mounts
    make_devices    /dev: six nodes, five links                    make_devices
    seal            host's knobs read-only, host's secrets hidden  seal_paths
    pivot           the tree becomes /, the host's goes            pivot_root

To the right are init's steps; between the first two it makes the mounts of config.json, by mounting.py.

Until the pivot the image's own links are a danger: it may have made /dev one to the host's.  So a path inside the tree
is never joined to a string.  It is opened with openat2(2) RESOLVE_IN_ROOT, from the descriptor of the root, and mounted
on through its descriptor (CVE-2021-30465).

See      mount(2), pivot_root(2), mount_namespaces(7), openat2(2); runtime-spec config-linux.md "Default Devices";
         the kernel's Documentation/filesystems/sharedsubtree.rst
By hand  mount --bind rootfs rootfs; mount -t proc proc rootfs/proc; cd rootfs; pivot_root . .; umount -l .
Left out id-mapped mounts; runc's --no-pivot, for a host that runs from its initramfs
Next     nothing: init goes on to execve, and the program runs
"""

from __future__ import annotations

import errno
import os
import stat

from minirun.linux import inroot, syscalls
from minirun.linux.constants import (
    MNT_DETACH,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    MS_SLAVE,
)
from minirun.linux.devices import DEFAULT_NODES
from minirun.runtime.mounting import mount_on
from minirun.runtime.mounts import PER_MOUNT, PROPAGATION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.runtime.config import Device

DEV_LINKS = (
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
)
_KINDS = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}
NULL_DEVICE = os.makedev(1, 3)  # the kernel's Documentation/admin-guide/devices.txt


def cut_off(rootfs: str, propagation: str) -> None:
    """Make this mount namespace's mounts stay here, and `rootfs` a mount of its own.

    A new mount namespace begins as a copy, and the copy of a shared mount is its peer: what is mounted below one shows
    below the other.  systemd makes / shared, so that is the ordinary case.  A slave still hears of the host's new
    mounts (a USB stick, below a bind mount with `rslave`) and sends none back.
    """
    flags = PROPAGATION.get(propagation or "rslave", MS_SLAVE | MS_REC)
    syscalls.mount(None, "/", None, flags, why="mounts made here must never show on the host")
    # pivot_root(2): neither the new root nor the mount that it is on may be shared, or the pivot would travel, too
    if propagation in ("shared", "rshared"):
        syscalls.mount(None, _mount_point(rootfs), None, MS_PRIVATE, why="pivot_root refuses a shared parent")
    why = "pivot_root wants a mount point, not a directory"
    syscalls.mount(rootfs, rootfs, None, MS_BIND | MS_REC, why=why)
    syscalls.mount(None, rootfs, None, MS_PRIVATE, why="pivot_root refuses a shared mount")


def _mount_point(path: str) -> str:
    """Where the file system that holds `path` is mounted."""
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path


# ---- /dev -------------------------------------------------------------------------------------------------


def make_devices(root_fd: int, devices: list[Device]) -> None:
    """The default nodes and links, and config.json's `devices`, in the container's /dev."""
    previous = os.umask(0)  # mknod(2) would take its bits off the modes
    for device in [*DEFAULT_NODES, *devices]:
        number = os.makedev(device.get("major", 0), device.get("minor", 0))
        mode = _KINDS[device["type"]] | device.get("fileMode", 0o666) & 0o7777
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
        # a remount clears what it does not name: mount(2), "Remounting an existing mount"
        flags = MS_BIND | MS_REMOUNT | MS_RDONLY | (os.fstatvfs(root_fd).f_flag & PER_MOUNT)
        mount_on(root_fd, None, "/", None, flags, None, "--read-only: the image's files stay as they are")


def _make_readonly(root_fd: int, path: str) -> None:
    """/proc/sys as a mount of its own, read-only.  Flags are a mount's, so what has other flags has to be one."""
    if not inroot.mode_of(root_fd, path):
        return  # this kernel has no such file: nothing to protect
    with inroot.opened(root_fd, path) as fd:
        kept = os.fstatvfs(fd).f_flag & PER_MOUNT
        source = f"/proc/self/fd/{fd}"
        why = "a mount of its own, to be sealed"
        syscalls.mount(source, source, None, MS_BIND | MS_REC, path=path, origin=path, why=why)
    why = "a container's root must not turn the host's knobs"
    mount_on(root_fd, None, path, None, MS_BIND | MS_REMOUNT | MS_RDONLY | kept, None, why)


def _mask(root_fd: int, path: str, null: int) -> None:
    """Cover a directory with an empty read-only tmpfs, a file with the device `null`: to be written to, not changed.

    Without the read-only mount a chmod(2) of the masked file would be one of the device node, on the host as well.
    """
    why = "it tells about, or reaches, the host"
    mode = inroot.mode_of(root_fd, path)
    if stat.S_ISDIR(mode):
        flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC
        mount_on(root_fd, "tmpfs", path, "tmpfs", flags, "size=0,nr_inodes=2", why)
    elif mode:
        mount_on(root_fd, f"/proc/self/fd/{null}", path, None, MS_BIND, None, why, origin="/dev/null")
        # not MS_NODEV: opening the node has to work, and a read gives the end of the file at once
        flags = MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NOEXEC
        mount_on(root_fd, None, path, None, flags, None, "nobody inside changes the node's mode or owner")


def _null_device(root_fd: int) -> int:
    """A descriptor of the container's own /dev/null where it has one, else of the host's."""
    try:
        fd = inroot.open_in_root(root_fd, "/dev/null")
        # whatever else lies there would be shown in the place of each secret
        if stat.S_ISCHR(os.fstat(fd).st_mode) and os.fstat(fd).st_rdev == NULL_DEVICE:
            return fd
        os.close(fd)
    except OSError:
        pass
    return os.open("/dev/null", os.O_PATH | os.O_CLOEXEC)


# ---- the switch -------------------------------------------------------------------------------------------


def pivot(rootfs: str) -> None:
    """Make `rootfs` this namespace's `/` and let go of the host's tree.

    pivot_root(".", ".") stacks the old root on the new one, so no directory for it is needed; the lazy umount takes it
    off again: pivot_root(2), NOTES.  chroot(2) would do neither.  It changes where one process begins to look, and the
    host's tree stays mounted in the namespace: who has CAP_SYS_CHROOT, which is one of Docker's defaults, makes a
    second chroot, and from the directory that is then above the root goes up by `..` (chroot(2)).
    """
    old_fd = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    syscalls.chdir(rootfs, why="pivot_root(2): put the new root where we stand")
    syscalls.pivot_root(".", ".", why="from here on / is the image; the host's tree lies on top of it")
    # "." is the new root, and paths begin there: what leads to the old one is the descriptor that was opened before
    syscalls.fchdir(old_fd, "/", why="stand in the old root to take it off")
    os.close(old_fd)
    # `shared` or `rshared` of config.json: an umount below would travel to the host's peers and take its mounts off
    syscalls.mount(None, ".", None, MS_SLAVE | MS_REC, why="the umount below must not reach the host")
    # MNT_DETACH, since the old root is busy: it has mounts below, and this process stands in it
    syscalls.umount2(".", MNT_DETACH, why="the host's files are out of reach now")
    syscalls.chdir("/", why="stand in the new root")
