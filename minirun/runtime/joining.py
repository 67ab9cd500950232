"""A process that joins a container: `exec`, a health probe, and a create in a pid namespace that exists.

It differs from the first process of a container (init.py) in one thing: others are there already, and see it.  One of
them that may trace could stop the new process and take what it has: its root, its descriptors, its capabilities.
PR_SET_DUMPABLE does not keep CAP_SYS_PTRACE out.  So all is prepared outside of the pid namespace, which is entered
last, by one more fork; what appears there has nothing by then that the container has not.  (CVE-2016-9962: from a
process of `runc exec` a descriptor was taken that led to the host.)  It must not hold a pipe of ours either.  What it
still has to report is left on a page of memory, which execve takes away:

      execute (parent)                  the child                    its sibling, in the pid namespace
      ---------------- fork -----------------
                 ...  as in sync.py  ...
                    <---- "ready" ----  closes its pipes
                                        ------------- clone(CLONE_PARENT) ---------------
                    <----- exit ------  waits (vfork)                execve, or a report

What stands on the page is not believed further than an error message: a container that may trace could write there.
For the same reason nothing waits for the new process without a deadline: who can be seen can be stopped.

See  setns(2), clone(2) "CLONE_PARENT" and "CLONE_VFORK", ptrace(2) "Ptrace access mode checking", pid_namespaces(7)
"""

from __future__ import annotations

import errno
import os
import time

from minirun.errors import ConflictError, MinirunError
from minirun.linux import cgroups, memory, processes, signals, syscalls, trace
from minirun.linux.constants import (
    AT_FDCWD,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_VFORK,
    OPEN_TREE_CLOEXEC,
    OPEN_TREE_CLONE,
)
from minirun.runtime import init, process, schema, state
from minirun.runtime.plan import NAMESPACES, Plan
from minirun.runtime.sync import Created, Sync, TooLate, await_ready, raise_report
from minirun.runtime.undo import Undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from minirun.runtime.config import Process, State
    from minirun.runtime.init import Step

# that a process may take to join a container; less than a shim's client waits for an answer
JOIN_SECONDS = 8.0

_END = 2**32  # the number after the last that a descriptor can have: close_range(2) takes an unsigned int


# ---- the parent ----------------------------------------------------------------------------------------------


def execute(
    state_root: str,
    container_id: str,
    spec: Process,
    *,
    stdio: tuple[int, int, int] | None = None,
    console: socket.socket | None = None,
    preserved: int = 0,
) -> Created:
    """Start one more process in a running container: the same namespaces, cgroup, filter and rules.

    Returns when its program has begun; it is a child of the caller.
    """
    schema.check_process(spec, "the process")
    current = state.read(state_root, container_id)
    state.require(current, "running", "created")
    trace.step("exec", "a second process joins all that makes the container")
    config = state.read_config(state_root, container_id)
    plan = Plan({**config, "process": spec}, current["bundle"], container_id, f"/proc/{current['pid']}/root")
    plan.use_compiled_seccomp(config.get("linux", {}), state.read_filter(state_root, container_id))
    plan.stdio, plan.preserved = stdio, preserved
    if console:
        plan.use_console(console)
    return _spawn_into(plan, current)


def _spawn_into(plan: Plan, current: State) -> Created:
    pidfd = processes.open_pidfd(current["pid"], current["start_time"])
    if pidfd is None:
        raise ConflictError(f'container not running: "{current["id"]}" has just ended')
    plan.target_pid, plan.target_pidfd = current["pid"], pidfd
    try:
        plan.cgroups_v1 = cgroups.to_join(current["cgroup"]) if current["cgroup"] else []
        with Undo() as undo:
            return _spawn(plan, current["cgroup"], undo, EXEC)
    except (MinirunError, OSError):
        # its namespaces and its group go with it: whatever could not be entered then, this is why
        if not processes.is_alive(current["pid"], current["start_time"]):
            raise ConflictError(f'container not running: "{current["id"]}" has just ended') from None
        raise
    finally:
        os.close(pidfd)


def create_beside(plan: Plan, cgroup: str, undo: Undo) -> Created:
    """A new container's first process, in the pid namespace of somebody else."""
    return _spawn(plan, cgroup, undo, CREATE_BESIDE)


def _spawn(plan: Plan, cgroup: str, undo: Undo, steps: Sequence[Step]) -> Created:
    """The program's process is begun by the one that we fork, and is our child as well."""
    sync = JoiningSync(time.monotonic() + JOIN_SECONDS)
    undo.add(sync.close)
    child = process.fork(lambda: init.main(plan, sync, steps), cgroup)
    undo.add(lambda: process.kill_and_wait(sync.sibling.number()))
    undo.add(process.kill_and_wait, child)
    sync.in_parent()
    await_ready(sync, child, cgroup)
    status = process.wait(child, sync.deadline)
    if status is None:
        raise TooLate()
    if report := sync.page.read():
        raise_report(report.decode(errors="replace"), trusted=False)
    if status or not sync.sibling.number():
        raise MinirunError("the process that was to enter the container was killed")
    return Created(sync.sibling.number(), sync)


class JoiningSync(Sync):
    """A conversation whose last part is left on shared memory: the sibling's pid, and what it has to report."""

    def __init__(self, deadline: float) -> None:
        super().__init__(deadline)
        self.sibling, self.page = memory.SharedMemory(), memory.SharedMemory()
        self._pipes_closed = False

    def descriptors(self) -> set[int]:
        """The child's ends."""
        return {self._child_reads, self._child_writes}

    def close_in_child(self) -> None:
        """The child's last word through the pipes."""
        self.notify("ready")
        os.close(self._child_reads)
        os.close(self._child_writes)
        self._pipes_closed = True

    def _write_report(self, line: bytes) -> None:
        if self._pipes_closed:
            self.page.write(line)
        else:
            super()._write_report(line)


# ---- the child: steps in the place of those in init.py -----------------------------------------------------------


def join_container(plan: Plan, sync: Sync) -> None:
    """One setns(2) takes the namespaces of the container's first process, its root directory among them."""
    sync.notify("namespaced")
    sync.wait_for("go on")
    init.choose_profile(plan)
    flags = sum(NAMESPACES.values())  # one that it shares with the host we are in already: no harm
    syscalls.setns(plan.target_pidfd, flags, path=f"pid {plan.target_pid}", why="all its namespaces at once")
    os.close(plan.target_pidfd)
    plan.root_fd = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    init.find_home(plan)


def enter_namespaces(plan: Plan, sync: Sync) -> None:
    """First namespaces, then what they are to contain: every later step acts on these alone."""
    assert plan.pid_namespace
    plan.procfs = find_procfs(plan.pid_namespace)
    why = "the program is to live in this pid namespace"
    process.join_namespace(plan.pid_namespace, CLONE_NEWPID, why)
    init.enter_namespaces(plan, sync)


def find_procfs(namespace: str) -> int:
    """A copy of the /proc of somebody in the pid namespace `namespace`, mounted nowhere: a descriptor.

    A new /proc would show the pids of the namespace that we are in ourselves; and we enter that one last of all.
    """
    wanted = os.stat(namespace)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        # it has ended, is not to be looked at, or has no /proc
        with syscalls.tolerating(errno.ENOENT, errno.ESRCH, errno.EACCES, errno.EINVAL):
            if os.path.samestat(os.stat(f"/proc/{pid}/ns/pid"), wanted):
                return _copy_of_procfs(pid, wanted)
    raise MinirunError(
        f"no process of the pid namespace {namespace} has its /proc mounted, so none can be had"
    )


def _copy_of_procfs(pid: str, namespace: os.stat_result) -> int:
    home = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    why = "where a /proc of that pid namespace is mounted"
    try:
        process.join_namespace(f"/proc/{pid}/ns/mnt", CLONE_NEWNS, why)
        flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC
        found = syscalls.open_tree(AT_FDCWD, "/proc", flags, why="a copy of the mount, not mounted yet")
        is_it = os.path.samestat(os.stat("1/ns/pid", dir_fd=found), namespace)
    finally:
        syscalls.setns(home, CLONE_NEWNS, path="/proc/self/ns/mnt", why="back to the host's mounts")
        os.close(home)
    if not is_it:
        raise syscalls.SyscallError(errno.EINVAL, "open_tree", "/proc")  # it is another one's
    return found


def open_exec_terminal(plan: Plan, _sync: Sync) -> None:
    """A second terminal from the container's devpts; /dev/console stays the first one's."""
    if plan.terminal:
        master, plan.slave = plan.terminal.open_pair(plan.root_fd, plan.console_size)
        os.fchown(plan.slave, plan.uid, -1)
        plan.terminal.hand_over(plan.console, master)
    os.close(plan.root_fd)


def take_stdio(plan: Plan, _sync: Sync) -> None:
    """From here on the container's streams are ours; errors still go through the pipe, not through them."""
    init.replace_stdio(plan)  # its terminal will be the sibling's: lead_session


def close_descriptors(plan: Plan, sync: Sync) -> None:
    """Whatever we forgot: at execve, or now where others may look on before (CVE-2024-21626).  Signals, too."""
    init.reset_signals()
    assert isinstance(sync, JoiningSync)
    first = 3 + plan.preserved
    for kept in sorted({*sync.descriptors(), *trace.descriptors(), plan.fifo, _END}):
        if kept > first:
            syscalls.close_range(first, kept - 1, 0, why="nobody inside may see what we have open")
        first = max(first, kept + 1)


def enter_pid_namespace(plan: Plan, sync: Sync) -> None:
    """The fork comes last: who can be seen from inside has nothing by now that the container has not.

    There a program that may trace could stop the new process and take what it has: its root, its descriptors,
    its capabilities.  PR_SET_DUMPABLE does not keep CAP_SYS_PTRACE out.
    """
    assert isinstance(sync, JoiningSync)
    sync.close_in_child()
    sync.sibling.hide_from_children()
    trace.before("fork")
    # vfork: this process ends, and its parent looks for a report, when the sibling has come to its execve or has
    # died.  A container that is created waits for `start` first, and nobody waits for that.
    if syscalls.clone_sibling(CLONE_VFORK if plan.fifo < 0 else 0, sync.sibling):
        os._exit(0)


def lead_session(plan: Plan, _sync: Sync) -> None:
    """What a process can only do for itself: a session of its own, with its terminal, and to die with the shim."""
    with syscalls.tolerating(*(() if plan.slave >= 0 else (errno.EPERM, errno.ENOSYS))):  # a narrow filter's
        os.setsid()
    if plan.slave >= 0 and plan.terminal:
        plan.terminal.become_controlling(0)
    if plan.die_with_parent:
        syscalls.set_pdeathsig(signals.SIGKILL, why="a fork clears it")


def await_start(plan: Plan, _sync: Sync) -> None:
    """Everything is ready and nothing runs: this is the state `created`.  `start` writes one byte."""
    os.read(plan.fifo, 1)


PRIVILEGES: tuple[Step, ...] = (
    take_stdio,
    init.set_limits,
    init.drop_bounding,
    init.change_user,
    init.set_capabilities,
    init.find_program,
    close_descriptors,
    init.load_seccomp_as_root,
)
CREATE_BESIDE: tuple[Step, ...] = (
    init.await_placement,
    enter_namespaces,
    *init.BUILD,
    *PRIVILEGES,
    enter_pid_namespace,
    lead_session,
    await_start,
    init.load_seccomp,
    init.execute,
)
EXEC: tuple[Step, ...] = (
    init.await_placement,
    join_container,
    open_exec_terminal,
    *PRIVILEGES,
    enter_pid_namespace,
    lead_session,
    init.load_seccomp,
    init.execute,
)
