"""Run from a copy of the interpreter that no container can write (CVE-2019-5736).

Inside a container, /proc/self/exe of a process that is about to become the program leads to the host's Python, and
root in there could open it for writing later and so own the next run on the host.  Here that file is a copy on a
read-only tmpfs: writing to it fails with EROFS whoever asks.

    /run/minirun-pythons/python3.11-DEVICE-INODE-SIZE-MTIME/python3    a file system each, made once a boot

Several Pythons may take turns, those of two checkouts or of an upgrade; each has its copy.  scripts/minirun starts the
copy at once; a Python that was started otherwise makes the copy and re-executes itself, which costs 10 ms.

See  CVE-2019-5736; runc libcontainer/dmz
"""

from __future__ import annotations

import os
import sys

from minirun import files
from minirun.linux import syscalls
from minirun.linux.constants import MNT_DETACH, MS_NODEV, MS_NOSUID, MS_RDONLY, MS_REMOUNT

DIRECTORY = "/run/minirun-pythons"
COPIES_MAX = 8  # 7 MB each


def is_secure() -> bool:
    """Whether this process runs from a file on a read-only file system."""
    return bool(os.statvfs("/proc/self/exe").f_flag & os.ST_RDONLY)


def secure() -> None:
    """Return at once when this process is safe; else re-execute it from the copy.  Needs root."""
    if is_secure():
        return
    copy = copy_of(os.path.realpath("/proc/self/exe"))
    os.execv(copy, [copy, *_interpreter_arguments()])


def copy_of(original: str) -> str:
    """The copy of the interpreter at `original`, made if it is not there."""
    directory = f"{DIRECTORY}/{_key(original)}"
    copy = f"{directory}/python3"
    if not _is_sealed(copy):
        os.makedirs(DIRECTORY, mode=0o755, exist_ok=True)
        with files.locked(f"{DIRECTORY}/lock"):
            if not _is_sealed(copy):
                _remove(directory)  # what a crash has left
                _make(original, directory)
                _remove_others(directory)
    return copy


def _key(original: str) -> str:
    """What the copy's directory is called.  The launchers know the version, and compare the time of the file itself."""
    found = os.stat(original)
    identity = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    return f"python{sys.version_info[0]}.{sys.version_info[1]}-" + "-".join(
        f"{number:x}" for number in identity
    )


def _is_sealed(copy: str) -> bool:
    try:
        return bool(os.statvfs(copy).f_flag & os.ST_RDONLY)
    except FileNotFoundError:
        return False


def _make(original: str, directory: str) -> None:
    os.mkdir(directory, 0o755)
    flags = MS_NOSUID | MS_NODEV
    why = "a file system of its own, so that it can be sealed"
    syscalls.mount("minirun-python", directory, "tmpfs", flags, "mode=755", why=why)
    import shutil  # once a boot; it loads five compressors

    os.symlink(original, f"{directory}/original")
    shutil.copy2(original, f"{directory}/python3")
    flags |= MS_REMOUNT | MS_RDONLY
    syscalls.mount("minirun-python", directory, "tmpfs", flags, why="nobody changes the copy, root included")


def _remove_others(kept: str) -> None:
    """Remove the copies whose original is another by now, and the oldest of too many.

    Who runs from one goes on: the mount is detached, and stays read-only until the last process has ended.
    """
    others = [f"{DIRECTORY}/{name}" for name in os.listdir(DIRECTORY) if name.startswith("python")]
    others = sorted((one for one in others if one != kept), key=_age)
    fresh = [one for one in others if _is_fresh(one)]
    for directory in others:
        if directory not in fresh[-(COPIES_MAX - 1) :]:
            _remove(directory)


def _age(directory: str) -> int:
    return os.stat(directory).st_mtime_ns


def _is_fresh(directory: str) -> bool:
    """Whether it is a copy of what its original is now.  The version in the name is left out: it may not be ours."""
    try:
        key = _key(os.readlink(f"{directory}/original"))
    except OSError:
        return False
    return key.partition("-")[2] == os.path.basename(directory).partition("-")[2]


def _remove(directory: str) -> None:
    while os.path.ismount(directory):
        syscalls.umount2(directory, MNT_DETACH, why="a copy of an interpreter that nobody starts any more")
    if os.path.isdir(directory):
        os.rmdir(directory)


def _interpreter_arguments() -> list[str]:
    """The same program again, without site: sys.path is passed on as it is now."""
    program = "import sys; sys.argv = sys.argv[1:]; sys.path[:] = {!r}; from {} import main; main()"
    module = "minirun.cli.oci" if os.path.basename(sys.argv[0]) == "minirun-oci" else "minirun.cli.main"
    return ["-I", "-S", "-X", "utf8", "-c", program.format(sys.path, module), *sys.argv]
