"""Run from copies of the interpreter and its libraries that no container can write (CVE-2019-5736).

Inside a container, /proc/self/exe of a process that is about to become the program leads to the host's Python, and
root in there could open it for writing later and so own the next run on the host.  With CAP_CHECKPOINT_RESTORE (or
CAP_SYS_ADMIN) and CAP_SYS_PTRACE, /proc/PID/map_files leads to whatever else is mapped: the C library, Python's
modules.  Here all of these are copies on a read-only tmpfs: writing to them fails with EROFS whoever asks.

    /run/minirun-pythons/python3.11-KEY/           a file system each, made once a boot
        python3  ld-linux-x86-64.so.2              how it is started, see `command_of`
        libc.so.6  _ctypes.cpython-311-....so ...  found by --library-path, and before lib-dynload in sys.path
        of/python3 -> /usr/bin/python3.11 ...      what each is a copy of

Several Pythons may take turns, those of two checkouts or of an upgrade; each has its copy.  scripts/minirun starts the
copy at once; a Python that was started otherwise makes the copy and re-executes itself, which costs 10 ms.  Both start
it with LC_ALL=C, for a locale is a file that is mapped as well; the caller's own value is put back for our children.

See  CVE-2019-5736; runc libcontainer/dmz; proc_pid_map_files(5), ld.so(8)
"""

from __future__ import annotations

import os
import sys

from minirun import files
from minirun.linux import syscalls
from minirun.linux.constants import MNT_DETACH, MS_NODEV, MS_NOSUID, MS_RDONLY, MS_REMOUNT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

DIRECTORY = "/run/minirun-pythons"
COPIES_MAX = 20  # 12 MB each; where more checkouts take turns, each removes what another is about to start
# What a process has mapped when it enters a container.  A module that this Python has built in needs no copy.
_MODULES = (
    "_ctypes _json _posixsubprocess _prctl _socket _struct array fcntl grp math mmap resource select termios"
)
_LIBRARIES = ("libseccomp.so.2",)
_PROGRAMS = {
    "minirun-oci": "minirun.cli.oci.main",
    "minirun-spawner": "minirun.engine.shim.spawn",
}  # name -> its main()


def is_secure() -> bool:
    """Whether this process runs from a file on a read-only file system."""
    return bool(os.statvfs("/proc/self/exe").f_flag & os.ST_RDONLY)


def secure() -> None:
    """Return at once when this process is safe; else re-execute it from the copies.  Needs root."""
    environment = {**os.environ, "LC_ALL": "C"}
    if not is_secure():
        copy = copy_of(os.path.realpath("/proc/self/exe"), _mapped())
        command = [*command_of(copy), *_interpreter_arguments(os.path.dirname(copy))]
        os.execve(command[0], command, environment)
    directory = os.path.dirname(os.path.realpath("/proc/self/exe"))
    if directory.startswith(DIRECTORY) and not _is_fresh(directory):  # an upgrade: copy what is there now
        original = os.readlink(f"{directory}/of/python3")
        if os.path.exists(original):
            os.execve(original, [original, *_interpreter_arguments("")], environment)


def copy_of(original: str, libraries: Sequence[str] = ()) -> str:
    """The copy of the interpreter at `original`, made with that of its libraries if it is not there."""
    directory = f"{DIRECTORY}/{_key([original, *libraries])}"
    copy = f"{directory}/python3"
    if not _is_sealed(copy):
        os.makedirs(DIRECTORY, mode=0o755, exist_ok=True)
        with files.locked(f"{DIRECTORY}/lock"):
            if not _is_sealed(copy):
                _remove(directory)  # what a crash has left
                _make({"python3": original} | {os.path.basename(path): path for path in libraries}, directory)
                _remove_others(directory)
    return copy


def command_of(copy: str) -> list[str]:
    """The words that start a copy: the dynamic linker is asked for by name, or the kernel would take the host's."""
    directory = os.path.dirname(copy)
    linkers = [name for name in os.listdir(directory) if name.startswith("ld")]
    return [f"{directory}/{linkers[0]}", "--library-path", directory, copy] if linkers else [copy]


def _mapped() -> list[str]:
    """The libraries and modules that this process has mapped, when all that it may need later is loaded, too."""
    import ctypes
    import importlib

    for name in _MODULES.split():
        importlib.import_module(name)
    for name in _LIBRARIES:
        try:
            ctypes.CDLL(name)
        except OSError:
            pass  # it is not installed; who needs it says so
    with open("/proc/self/maps") as file:
        mappings = [line.split(maxsplit=5) for line in file]
    programs = {words[5].strip() for words in mappings if len(words) > 5 and "x" in words[1]}
    own = os.path.realpath("/proc/self/exe")
    return sorted(path for path in programs if path.startswith("/") and path != own)


def _key(originals: Sequence[str]) -> str:
    """What the copy's directory is called.  The launchers know the version, and compare the times of the files."""
    numbers: list[int] = []
    for path in originals:
        found = os.stat(path)
        numbers += (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    return f"python{sys.version_info[0]}.{sys.version_info[1]}-{hash(tuple(numbers)) & (2**64 - 1):x}"


def _is_sealed(copy: str) -> bool:
    try:
        return bool(os.statvfs(copy).f_flag & os.ST_RDONLY)
    except FileNotFoundError:
        return False


def _make(originals: dict[str, str], directory: str) -> None:
    os.mkdir(directory, 0o755)
    flags = MS_NOSUID | MS_NODEV
    why = "a file system of its own, so that it can be sealed"
    syscalls.mount("minirun-python", directory, "tmpfs", flags, "mode=755", why=why)
    import shutil  # once a boot; it loads five compressors

    os.mkdir(f"{directory}/of")
    for name, original in originals.items():
        os.symlink(original, f"{directory}/of/{name}")
        shutil.copy2(original, f"{directory}/{name}")
        for shorter in _sonames(name):
            os.symlink(name, f"{directory}/{shorter}")
    flags |= MS_REMOUNT | MS_RDONLY
    syscalls.mount(
        "minirun-python", directory, "tmpfs", flags, why="nobody changes the copies, root included"
    )


def _sonames(name: str) -> list[str]:
    """The names by which a linker may ask for a library's file.

    >>> _sonames("libz.so.1.2.13")
    ['libz.so.1.2', 'libz.so.1']
    """
    stem, so, version = name.partition(".so.")
    parts = version.split(".")
    return [stem + so + ".".join(parts[:count]) for count in range(len(parts) - 1, 0, -1)]


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
    """Whether all in it are copies of what their originals are now."""
    try:
        return all(
            _is_copy(f"{directory}/{name}", f"{directory}/of/{name}")
            for name in os.listdir(f"{directory}/of")
        )
    except OSError:
        return False


def _is_copy(path: str, original: str) -> bool:
    copied, now = os.stat(path), os.stat(original)
    return (copied.st_size, copied.st_mtime_ns) == (now.st_size, now.st_mtime_ns)


def _remove(directory: str) -> None:
    while os.path.ismount(directory):
        syscalls.umount2(directory, MNT_DETACH, why="a copy of an interpreter that nobody starts any more")
    if os.path.isdir(directory):
        os.rmdir(directory)


def _interpreter_arguments(copies: str) -> list[str]:
    """The same program again, without site; modules are looked for in `copies` first, and in no others of ours.

    What is loaded from older copies would be taken for an original, and copied in its turn.
    """
    path = [directory for directory in sys.path if not directory.startswith(DIRECTORY)]
    locale = os.environ.get("LC_ALL")
    program = [
        "import os, sys",
        "del os.environ['LC_ALL']" if locale is None else f"os.environ['LC_ALL'] = {locale!r}",
        f"sys.path[:] = {[copies, *path] if copies else path!r}",
        "sys.argv = sys.argv[1:]",
        f"from {_PROGRAMS.get(os.path.basename(sys.argv[0]), 'minirun.cli.main')} import main",
        "main()",
    ]
    return ["-I", "-S", "-X", "utf8", "-c", "; ".join(program), *sys.argv]
