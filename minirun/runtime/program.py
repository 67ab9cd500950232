"""The program and its working directory, found from inside the container as the user it will run as.

What execvp(3) does, with two differences: the error says which of Docker's exit codes it is (127 not found, 126 not
invocable), and no path leads through /proc's magic links.  Those ignore every root: WORKDIR /proc/self/fd/8 led to a
directory of the host that runc had left open (CVE-2024-21626), an entry point /proc/self/exe to the runtime's own
binary (CVE-2019-5736).

See  execve(2), execvp(3), openat2(2) "RESOLVE_NO_MAGICLINKS", proc_pid_fd(5)
"""

from __future__ import annotations

import errno
import os
import stat

from minirun.errors import MinirunError, ProgramError, ProgramNotFound, ProgramNotInvocable
from minirun.linux import inroot, syscalls
from minirun.linux.constants import AT_FDCWD, RESOLVE_NO_MAGICLINKS


def make_directory(root_fd: int, path: str) -> None:
    """The working directory, made inside the root if it is not there.  Raises MinirunError."""
    try:
        inroot.make_directory(root_fd, path)
    except OSError as error:
        raise _bad_directory(path, error) from None


def enter_directory(path: str) -> None:
    """chdir(2), refusing magic links and what lies outside the root.  Raises ProgramNotInvocable."""
    try:
        fd = syscalls.openat2(AT_FDCWD, path, os.O_PATH | os.O_DIRECTORY, 0, RESOLVE_NO_MAGICLINKS)
        syscalls.fchdir(fd, path, why="the working directory")
        os.close(fd)
        os.getcwd()  # ENOENT when it lies outside the root
    except OSError as error:
        raise ProgramNotInvocable(_bad_directory(path, error).message) from None


def _bad_directory(path: str, error: OSError) -> MinirunError:
    return MinirunError(f'cannot use "{path}" as the working directory: {os.strerror(error.errno or 0)}')


def find(name: str, path: str) -> str:
    """The file that execve(2) is to run, `path` being $PATH.

    Raises ProgramNotFound or ProgramNotInvocable in Docker's words.
    """
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
