"""What can go wrong, as one tree.  Only cli/ prints it.

MinirunError              a sentence for a person, and a hint what to do about it
├── UsageError            the command line asks for something that makes no sense
├── NotFoundError         no such container, image, network
├── ConflictError         it exists already, is in use, or is in the wrong state
├── UnsupportedError      this kernel or machine cannot do what was asked
├── ProgramError          the container's program cannot be started
│   ├── ProgramNotFound       nothing there (a shell's 127)
│   └── ProgramNotInvocable   there, but it cannot be run (a shell's 126)
├── InitError             a kernel call failed while the container was being made
│
│   those above are raised anywhere, those below where they are declared:
├── image.transport.Broken        a registry cannot be reached; so `create` says of an image that is not here, then
├── image.incoming.Cancelled      one layer of several: another one failed, and that is told
├── engine.control.Unanswered     a shim is there and says nothing
├── engine.control.LeftOverError  a container has ended, and not all of it could be put away
├── engine.attached.ShimLost       a shim has ended, and did not say how the program did
└── runtime.sync.TooLate          the child was not ready in time

trace.Cancelled, a `q` at --step, is none of them: nothing went wrong.
linux.syscalls.SyscallError is an OSError that knows its call; InitError is what becomes of one on its
way out of the container's first process.
"""

from __future__ import annotations

import errno
import os


class MinirunError(Exception):
    """A failure told in one sentence.  `hint` says what to try; both are plain text without a full stop."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.step = ""  # what was being done; filled in where that is known


def none_left(what: str) -> MinirunError:
    """The kernel gives no more of `what`: clone(2) EAGAIN, which Python says as BlockingIOError or RuntimeError."""
    hint = "ulimit -u, or pids.max of the control group that minirun runs in, is too low"
    return MinirunError(f"no more {what} can be started: {os.strerror(errno.EAGAIN)}", hint)


def in_words(error: BaseException) -> str:
    """What went wrong, without Python's `[Errno 30]`.

    >>> in_words(OSError(30, "Read-only file system", "/etc/hosts"))
    '/etc/hosts: Read-only file system'
    """
    if isinstance(error, OSError) and type(error).__str__ is OSError.__str__ and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def sentence(error: BaseException) -> str:
    """The same for whoever asked; of what nobody has foreseen it says that it is our own mistake."""
    if isinstance(error, (MinirunError, OSError)):
        return in_words(error)
    return f"minirun has made a mistake: {in_words(error)}"


def unforeseen(error: BaseException) -> MinirunError:
    """What is to be told instead of an exception that no code here expects: our mistake, not the person's."""
    told = MinirunError(sentence(error), "please report it, with what `minirun --debug ...` says")
    told.__cause__ = error  # whose traceback that is
    return told


class UsageError(MinirunError):
    pass


class NotFoundError(MinirunError):
    pass


class ConflictError(MinirunError):
    pass


class UnsupportedError(MinirunError):
    pass


class ProgramError(MinirunError):
    pass


class ProgramNotFound(ProgramError):
    pass


class ProgramNotInvocable(ProgramError):
    pass


class InitError(MinirunError):
    """A failed call in the process that becomes PID 1: `step`, `call` and `path` say where it was."""

    def __init__(self, step: str, call: str, errno: int, path: str, hint: str = "") -> None:
        where = f"{call} {path}".strip()
        super().__init__(f"{where}: {os.strerror(errno)}", hint)
        self.step = step
        self.call = call
        self.errno = errno
        self.path = path
