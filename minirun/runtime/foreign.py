"""`--runtime`: another OCI runtime, as runc or crun, makes the process of a bundle; all else is as with our own.

    RUNTIME create   in the cgroup that we have made; its child is ours when it ends, for we are the subreaper
    state.json       of ours, too: exec, signals, pause, stats go by the process and its cgroup, whoever made it
    RUNTIME start    the program begins
    RUNTIME delete   before we take the cgroup away

See      runtime-spec runtime.md "Operations"; PR_SET_CHILD_SUBREAPER(2const); opencontainers/runc on
         terminals, for the socket
By hand  runc --root /run/minirun/ID/oci list
Left out runtimes whose processes are not the host's (virtual machines): an exec joins namespaces here
"""

from __future__ import annotations

import contextlib
import json
import os
import socket

from minirun.errors import MinirunError, ProgramNotFound, ProgramNotInvocable, none_left
from minirun.linux import cgroup_files, cgroup_processes, cgroups, processes, signals, syscalls, trace
from minirun.linux.constants import PR_SET_CHILD_SUBREAPER
from minirun.runtime import container, process, state, terminal
from minirun.runtime.plan import Plan
from minirun.runtime.sync import Created, Sync
from minirun.runtime.undo import Undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Stdio = tuple[int, int, int]


class Told(Sync):
    """Nobody to talk to: the runtime's exit code has said it."""

    def __init__(self) -> None:
        pass

    def expect_exec(self) -> None:
        """`start` has waited."""

    def close(self) -> None:
        """There is no pipe."""


def create(
    program: str,
    state_root: str,
    container_id: str,
    bundle: str,
    *,
    cache: str,
    stdio: Stdio | None,
    console: socket.socket | None,
) -> Created:
    """As container.create(), by the runtime at `program`.  Raises MinirunError in its words."""
    trace.step("create", f"{program} makes a process of the bundle, which waits")
    config = container.load_config(bundle)
    linux = config.get("linux", {})
    plan = Plan(config, bundle, container_id)
    plan.use_seccomp(linux, cache)  # for those who exec
    cgroup = container.cgroup_path(linux, container_id)
    owner = state.directory(state_root, container_id)
    with Undo() as undo:
        os.close(state.reserve(state_root, container_id))
        undo.add(state.discard, state_root, container_id)
        current = state.new(container_id, config, bundle, plan.rootfs, cgroup)
        state.keep(state_root, container_id, json.dumps(config).encode(), plan.seccomp)
        state.write(state_root, current)
        undo.add(cgroups.delete_own, cgroup, owner)
        container.make_cgroup(cgroup, linux, owner)
        undo.add(delete, program, state_root, container_id)
        pid = _create(program, state_root, container_id, bundle, stdio, console)
        undo.add(process.kill_and_wait, pid)
        cgroup_processes.add(cgroup, pid)  # a runtime that knows v1 hierarchies alone has not
        current.update({"status": "created", "pid": pid, "start_time": processes.start_time(pid)})
        state.write(state_root, current)
    return Created(pid, Told())


def _create(
    program: str,
    state_root: str,
    container_id: str,
    bundle: str,
    stdio: Stdio | None,
    console: socket.socket | None,
) -> int:
    """The pid of the container's first process, which is our child."""
    where = state.directory(state_root, container_id)
    words = ["create", "--bundle", bundle, "--pid-file", f"{where}/oci.pid"]
    with contextlib.ExitStack() as stack:
        listener = None
        if console:
            # sun_path has 108 bytes (unix(7)); so the long path has a short name
            directory = os.open(where, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, directory)
            path = f"/proc/{os.getpid()}/fd/{directory}/tty.sock"
            listener = stack.enter_context(_listening(path))
            words += ["--console-socket", path]
        syscalls.prctl(PR_SET_CHILD_SUBREAPER, 1, why="the container is our child when its maker ends")
        try:
            _run(program, where, [*words, container_id], stdio)
        finally:
            syscalls.prctl(PR_SET_CHILD_SUBREAPER, 0, why="nobody else's are")
        try:
            with open(f"{where}/oci.pid", encoding="ascii") as file:
                pid = int(file.read())
            # ChildProcessError for a process that is none of ours: it is not ours to kill, either
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if listener and console:
                sender, _ = listener.accept()
                with sender:
                    terminal.hand_over(console, terminal.receive_master(sender))
        except (OSError, ValueError, OverflowError, EOFError):
            what = "is no OCI runtime: its `create` has made no process, or no terminal"
            raise MinirunError(f"{program} {what}", "an OCI runtime is wanted, as runc or crun") from None
    return pid


@contextlib.contextmanager
def _listening(path: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as listener:
        listener.bind(path)
        try:
            listener.listen(1)
            listener.settimeout(10)
            yield listener
        finally:
            os.unlink(path)


def start(program: str, state_root: str, container_id: str) -> None:
    """Let the created container's program begin.  Raises MinirunError in the runtime's words."""
    trace.step("start", f"{program} lets the program begin")
    _run(program, state.directory(state_root, container_id), ["start", container_id])
    os.unlink(state.fifo_path(state_root, container_id))  # by which our own state says `created`


def delete(program: str, state_root: str, container_id: str) -> None:
    """Have the runtime forget the container, and take away what it has made beside ours: groups of v1."""
    where = state.directory(state_root, container_id)
    if not os.path.isdir(f"{where}/oci"):
        return
    with contextlib.suppress(MinirunError, OSError):  # it is not installed any more, or knows nothing of it
        _run(program, where, ["delete", "--force", container_id])
    for point, kind, _ in cgroup_files.mounts():
        with contextlib.suppress(OSError):  # the parent of groups in hierarchies that we make none in
            if kind == "cgroup" and point not in cgroup_files.v1_mounts().values():
                os.rmdir(point + cgroup_files.PARENT)


# ---- the program -------------------------------------------------------------------------------------------


def _run(program: str, where: str, words: Sequence[str], stdio: Stdio | None = None) -> None:
    """Run it to its end, with its own state below `where`; `stdio` are for the container's program."""
    log = f"{where}/oci.log"
    argv = [program, "--root", f"{where}/oci", "--log", log, "--log-format", "json", *words]
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    try:
        actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(stdio or (null, null, null))]
        default = [number for number in range(1, signals.NSIG) if number not in _FIXED]
        trace.announce("posix_spawn", [argv], "another OCI runtime")
        pid = os.posix_spawn(
            program, argv, os.environ, file_actions=actions, setsigmask=(), setsigdef=default
        )
    except BlockingIOError:
        raise none_left("processes") from None
    except OSError as error:
        raise MinirunError(f"{program}: {error.strerror}") from None
    finally:
        os.close(null)
    _, status = os.waitpid(pid, 0)
    if status:
        raise _error(os.path.basename(program), words[0], reason(log))


_FIXED = (9, 19, 32, 33)  # SIGKILL and SIGSTOP are nobody's to set, the last two the C library's: nptl(7)


def reason(log: str) -> str:
    """The last error in the runtime's log, "" for none: JSON lines, or text of one that knows nothing else."""
    try:
        with open(log, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return ""
    found = ""
    for line in lines:
        try:
            entry = json.loads(line)
            found = str(entry["msg"]) if entry.get("level") in ("error", "fatal") else found
        except (ValueError, KeyError, AttributeError):
            found = line
    return found


def _error(name: str, operation: str, text: str) -> MinirunError:
    """127 and 126 are a shell's for a program that is not there, or cannot be run."""
    message = f"{name} {operation}: {text or 'it has failed, and does not say why'}"
    lowered = text.lower()
    if "executable file not found" in lowered or ("exec" in lowered and "no such file" in lowered):
        return ProgramNotFound(message)
    if "exec" in lowered and ("permission denied" in lowered or "is a directory" in lowered):
        return ProgramNotInvocable(message)
    return MinirunError(message)
