"""Numbers from the kernel's headers, under the kernel's names.  Facts, no code.

See  /usr/include/linux/mount.h, sched.h, prctl.h, openat2.h, seccomp.h, and the table of system calls.
"""

import os

# mount(2) flags
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 0x1, 0x2, 0x4, 0x8
MS_SYNCHRONOUS, MS_REMOUNT, MS_MANDLOCK, MS_DIRSYNC = 0x10, 0x20, 0x40, 0x80
MS_NOSYMFOLLOW, MS_NOATIME, MS_NODIRATIME = 0x100, 0x400, 0x800
MS_BIND, MS_MOVE, MS_REC, MS_SILENT = 0x1000, 0x2000, 0x4000, 0x8000
MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED = 0x20000, 0x40000, 0x80000, 0x100000
MS_RELATIME, MS_STRICTATIME, MS_LAZYTIME = 0x200000, 0x1000000, 0x2000000
MNT_DETACH = 2

# mount_setattr(2)
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC = 0x1, 0x2, 0x4, 0x8
MOUNT_ATTR_IDMAP = 0x100000
AT_FDCWD, AT_EMPTY_PATH, AT_RECURSIVE = -100, 0x1000, 0x8000

# namespaces(7): the flag that unshare(2) and setns(2) take
CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000

# prctl(2)
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_NAME = 1, 4, 8, 15
PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 24, 36, 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, PR_CAP_AMBIENT_CLEAR_ALL = 47, 2, 4

# openat2(2)
RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS = 0x1, 0x2, 0x4
RESOLVE_BENEATH, RESOLVE_IN_ROOT = 0x8, 0x10

# clone(2), clone3(2)
CLONE_VFORK, CLONE_PARENT, CLONE_PARENT_SETTID = 0x4000, 0x8000, 0x100000
CLONE_INTO_CGROUP = 0x200000000

# open_tree(2), move_mount(2)
OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC = 0x1, 0x80000
MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH = 0x4, 0x40

CLOSE_RANGE_CLOEXEC = 4
SECCOMP_SET_MODE_FILTER = 1

# mallopt(3)
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3

_X86_64 = {
    "clone": 56,
    "pivot_root": 155,
    "keyctl": 250,
    "prlimit64": 302,
    "set_mempolicy": 238,
    "seccomp": 317,
    "bpf": 321,
    "open_tree": 428,
    "move_mount": 429,
    "clone3": 435,
    "close_range": 436,
    "openat2": 437,
    "mount_setattr": 442,
}
_ARM64 = {
    "clone": 220,
    "pivot_root": 41,
    "keyctl": 219,
    "prlimit64": 261,
    "set_mempolicy": 237,
    "seccomp": 277,
    "bpf": 280,
    "open_tree": 428,
    "move_mount": 429,
    "clone3": 435,
    "close_range": 436,
    "openat2": 437,
    "mount_setattr": 442,
}
SYSCALL_NUMBERS = {"x86_64": _X86_64, "aarch64": _ARM64}.get(os.uname().machine, _X86_64)
