"""Run from a copy of the interpreter that no container can write (CVE-2019-5736).

Inside a container, /proc/self/exe of a process that is about to become the program leads to the host's Python, and
root in there could open it for writing later and so own the next run on the host.  Here that file is a copy on a
read-only tmpfs, made once after each boot: writing to it fails with EROFS whoever asks.  scripts/minirun starts the
copy at once; a Python that was started otherwise makes the copy and re-executes itself, which costs 10 ms.

See  CVE-2019-5736; runc libcontainer/dmz
"""

from __future__ import annotations

import os
import sys

from minirun import files
from minirun.linux import syscalls
from minirun.linux.constants import MS_NODEV, MS_NOSUID, MS_RDONLY, MS_REMOUNT

DIRECTORY = "/run/minirun-python"
COPY = f"{DIRECTORY}/python3"


def is_secure() -> bool:
    """Whether this process runs from a file on a read-only file system."""
    return bool(os.statvfs("/proc/self/exe").f_flag & os.ST_RDONLY)


def secure() -> None:
    """Return at once when this process is safe; else re-execute it from the copy.  Needs root."""
    if is_secure():
        return
    original = os.path.realpath("/proc/self/exe")
    if not _is_copy_of(original):
        _make_copy(original)
    os.execv(COPY, [COPY, *_interpreter_arguments()])


def _is_copy_of(original: str) -> bool:
    try:
        copy, source = os.stat(COPY), os.stat(original)
    except FileNotFoundError:
        return False
    return copy.st_size == source.st_size and copy.st_mtime_ns == source.st_mtime_ns


def _make_copy(original: str) -> None:
    with files.locked(f"{DIRECTORY}.lock"):
        if _is_copy_of(original):
            return
        os.makedirs(DIRECTORY, mode=0o755, exist_ok=True)
        flags = MS_NOSUID | MS_NODEV
        why = "a file system of its own, so that it can be sealed"
        syscalls.mount("minirun-python", DIRECTORY, "tmpfs", flags, "mode=755", why=why)
        import shutil  # once a boot; it loads five compressors

        shutil.copy2(original, COPY)
        flags |= MS_REMOUNT | MS_RDONLY
        syscalls.mount(
            "minirun-python", DIRECTORY, "tmpfs", flags, why="nobody changes the copy, root included"
        )


def _interpreter_arguments() -> list[str]:
    """The same program again, without site: sys.path is passed on as it is now."""
    program = "import sys; sys.argv = sys.argv[1:]; sys.path[:] = {!r}; from {} import main; main()"
    module = "minirun.cli.oci" if os.path.basename(sys.argv[0]) == "minirun-oci" else "minirun.cli.main"
    return ["-I", "-S", "-X", "utf8", "-c", program.format(sys.path, module), *sys.argv]
