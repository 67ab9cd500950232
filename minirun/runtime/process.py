"""Step 10 of 13: the fork, from which on two processes run this program's own code: the shim, and init.

Where minirun only wants another program (nft, docker-credential-...), posix_spawn(3) or subprocess does fork and
execve in one, and no line of ours runs between the two.  Here CPython runs on in the child with a copy of everything,
and two of its habits are dangerous there: an exception unwinds into the parent's code (and may run a container's
command on the host), and a normal exit flushes the parent's buffers a second time.  So the child is one function call
inside `try`, and leaves by _exit(2) whatever happens.

No thread may be running at a fork: the child gets a copy of every lock, and of the threads only the one that called.

See      fork(2), _exit(2), unshare(2) "CLONE_NEWPID", setns(2), pid_namespaces(7), clone(2) "CLONE_INTO_CGROUP"
By hand  unshare --pid --fork sh -c 'echo $$'        says 1
Left out the fork of a process that joins a container: joining.py
Next     runtime/sync.py
"""

from __future__ import annotations

import errno
import os
import select
import time

from minirun.errors import none_left, sentence
from minirun.linux import cgroup_files, memory, signals, syscalls, trace
from minirun.linux.constants import CLONE_NEWPID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

TRACED_SECONDS = 0.2  # between two looks whether a child that has ended is let go
SECONDS_TO_DIE = 2.0  # that a killed process may take
_INTERRUPTS = (signals.SIGINT, signals.SIGTERM, signals.SIGHUP)
unreaped: set[int] = set()  # children that were killed, and could not be waited for in that time


def fork(child: Callable[[], int], cgroup: str = "") -> int:
    """Run `child` in a new process and return its pid.  What `child` returns is the exit status.

    `child` reports its own failures; one that escapes it becomes status 125 and one line on descriptor 2.
    It starts in `cgroup` if that can be; whoever asks for it looks.  Raises MinirunError when there are no more
    processes to be had.
    """
    # Where a handler raises, Ctrl-C would be lost: CPython calls functions of its own in fork(), and passes over what
    # is raised in them.
    before = signals.pthread_sigmask(signals.SIG_BLOCK, _INTERRUPTS)
    try:
        trace.before("fork")
        pid = _clone_into(cgroup) if cgroup else os.fork()
    except BaseException as error:
        signals.pthread_sigmask(signals.SIG_SETMASK, before)
        raise (none_left("processes") if isinstance(error, BlockingIOError) else error) from None
    if pid:
        _let_signals_in(before, pid)
        if trace.on:
            trace.after("fork", (), pid, 0, "from here on there are two of us")
        return pid
    # ==================================================================================================
    #  CHILD.  Nothing below returns.
    # ==================================================================================================
    status = 125
    try:
        signals.pthread_sigmask(signals.SIG_SETMASK, before)
        status = child()
    except BaseException as error:
        os.write(2, f"minirun: child process: {sentence(error)}\n".encode(errors="replace"))
    finally:
        os._exit(status)


def _let_signals_in(before: set[int], pid: int) -> None:
    """As it was before.  If one has come meanwhile, nobody will know of the child."""
    try:
        signals.pthread_sigmask(signals.SIG_SETMASK, before)
    except BaseException:
        kill_and_wait(pid)
        raise


def _clone_into(cgroup: str) -> int:
    """fork(2), with the child in its cgroup from the first moment where the kernel can do that.

    It saves 10 ms: to move a running process the kernel waits until every CPU has passed a quiet point.
    A traced run forks and moves, the two steps a person can repeat.
    """
    if trace.on:
        return os.fork()
    directory = os.open(cgroup_files.directory(cgroup), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return syscalls.clone3_into_cgroup(directory)
    except syscalls.SyscallError as error:
        if error.errno == errno.EAGAIN:
            raise none_left("processes") from None
        return os.fork()  # ENOSYS: an older kernel, or the seccomp filter of a container around us
    finally:
        os.close(directory)


def fork_into_new_pid_namespace(child: Callable[[], int], cgroup: str = "") -> int:
    """Fork a child that is PID 1 of a new pid namespace.

    A process never changes its own pid namespace: unshare chooses only that of its next children.  So this process
    chooses, forks, and goes back, for its later children are not the container's.
    """
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    pid = 0
    try:
        syscalls.unshare(CLONE_NEWPID, why="the next child becomes PID 1 of a new pid namespace")
        pid = fork(child, cgroup)
    finally:
        why = "our later children stay on the host"
        try:
            syscalls.setns(own, CLONE_NEWPID, path="/proc/self/ns/pid", why=why)
        except OSError:
            kill_and_wait(pid)
            raise
        finally:
            os.close(own)
    return pid


def join_namespace(path: str, flag: int, why: str) -> None:
    """setns(2) by a namespace file's path."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.setns(fd, flag, path=path, why=why)
    finally:
        os.close(fd)


# ---- what a new process is -----------------------------------------------------------------------------------


def daemonize(keep: set[int], name: str, title: str = "") -> None:
    """Become a process of its own, as daemon(3) does: no terminal, no directory, no streams of the caller.

    Nothing stays open but `keep`.  `name` and `title` are what ps(1) shows.
    """
    memory.forget_environment()  # of whoever called; it has no business in what outlives the call
    os.setsid()
    os.chdir("/")  # the caller's directory may be unmounted while we live
    set_title(name, title)
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for fd in (0, 1, 2):
        os.dup2(null, fd, inheritable=True)
    os.close(null)
    for text in os.listdir("/proc/self/fd"):
        if int(text) > 2 and int(text) not in keep:
            with syscalls.tolerating(errno.EBADF):  # the one that listdir itself had open
                os.close(int(text))  # what the caller left open, a pipe's end say, is not ours to hold


def die_with(parent: int, why: str) -> None:
    """Be killed when `parent`, which has forked us, ends; end now, if that has happened before we could ask for it."""
    syscalls.set_pdeathsig(signals.SIGKILL, why=why)
    if os.getppid() != parent:
        os._exit(1)


def set_title(name: str, title: str = "") -> None:
    """What ps(1) shows for this process: `name`, 15 characters at most, and `title` with -f."""
    syscalls.set_name(name)
    memory.set_title(title or name)


# ---- how a child ends ----------------------------------------------------------------------------------------


def kill_and_wait(pid: int) -> None:
    """Kill a child and wait for it, but not for ever: it may hang in the kernel, or be kept back, see reap().

    Who lives on has to call reap_unreaped() for it now and then: as long as it is there, even dead, its pid namespace
    is not empty, and the PID 1 of that, killed, does not end (pid_namespaces(7)).
    """
    if pid <= 0:
        return
    try:
        os.kill(pid, signals.SIGKILL)
    except ProcessLookupError:
        return
    if wait(pid, time.monotonic() + SECONDS_TO_DIE) is None:
        unreaped.add(pid)


def reap_unreaped() -> None:
    """Wait for those of `unreaped` that can be waited for by now."""
    for pid in list(unreaped):
        try:
            if reap(pid) is None:
                continue
        except ChildProcessError:  # it was none of ours
            pass
        unreaped.discard(pid)


def wait(pid: int, deadline: float) -> int | None:
    """The wait status of a child when it has ended; None when it has not by `deadline`, or is no child of ours."""
    try:
        pidfd = os.pidfd_open(pid)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        ended = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
        os.close(pidfd)
        while ended and (status := reap(pid)) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        return status if ended else None
    except (ProcessLookupError, ChildProcessError):
        return None


def reap(pid: int) -> int | None:
    """The wait status of a child that has ended; None while it is kept back.

    Whoever traces a process waits for it first (ptrace(2), PTRACE_SEIZE), and may take as long as he likes.  So a
    child that a container can see is waited for like this, and nobody sleeps in waitpid(2).
    """
    found, status = os.waitpid(pid, os.WNOHANG)
    return status if found else None


def exit_code(status: int) -> int:
    """A wait status as a shell would say it: the exit code, or 128 + the signal's number."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
