"""What a hybrid host has of its own: a group in each v1 hierarchy, whose it is, and that nothing of it stays."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import containers, limits
from tests.bundles import Oci
from tests.containers import Container, eventually
from tests.support import Minirun, Result, run
from tests.vm.test_update import holder_of_40_megabytes

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif("memory" not in limits.v1_mounts(), reason="cgroup2 holds the controllers here"),
]

NONE = ("--network", "none")
LIMITS = ("--memory", "64m", "--cpus", "0.5", "--pids-limit", "50", "--cpuset-cpus", "0")
MEBIBYTE = 1 << 20


def groups_of(pid: int | str) -> dict[str, str]:
    """{controller: group}, cgroup2's under ""; proc_pid_cgroup(5)."""
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return {line.split(":")[1]: line.split(":", 2)[2] for line in lines}


def all_groups() -> set[Path]:
    """minirun's groups in every hierarchy, those of others who test beside us included."""
    return set(limits.groups("/minirun")) | {
        group for top in limits.groups("/minirun") for group in top.iterdir() if group.is_dir()
    }


@pytest.fixture
def start(minirun: Minirun) -> Callable[..., Container]:
    return lambda *words: containers.start(minirun, *words)


# ---- in the groups ----------------------------------------------------------------------------------------------


def test_the_first_process_is_in_each_hierarchy(start: Callable[..., Container]) -> None:
    container = start(*LIMITS, "busybox", "sleep", "100")
    found = groups_of(container.pid)
    assert {found[name] for name in ["", *limits.v1_mounts()]} == {f"/minirun/{container.id}"}
    assert found["freezer"] == groups_of("self")["freezer"]  # what nobody asked for


def test_an_exec_is_in_each_hierarchy(minirun: Minirun, start: Callable[..., Container]) -> None:
    container = start(*LIMITS, "busybox", "sleep", "100")
    process = minirun.spawn("exec", container.id, "sleep", "77")
    where = limits.v1_mounts()["memory"] / "minirun" / container.id / "tasks"
    eventually(lambda: len(where.read_text().split()) == 2)
    (pid,) = set(where.read_text().split()) - {str(container.pid)}
    assert {groups_of(pid)[name] for name in ["", *limits.v1_mounts()]} == {f"/minirun/{container.id}"}
    os.kill(int(pid), signal.SIGKILL)
    process.wait(10)


def test_an_exec_is_held_by_the_limits(minirun: Minirun, start: Callable[..., Container]) -> None:
    """And the container goes on when one in it is killed; the event is told meanwhile."""
    container = start("--memory", "32m", "busybox", "sleep", "100")
    assert container.exec("tail", "/dev/zero").code == 137
    eventually(lambda: container.inspect("{{.State.OOMKilled}}") == "true")
    assert container.inspect("{{.State.Status}}") == "running"
    events = minirun(
        "events", "--since", "1m", "--until", "0s", "--filter", f"container={container.id}"
    ).stdout
    assert " container oom " in events


def test_a_program_inside_sees_itself_at_the_top(minirun: Minirun) -> None:
    """The cgroup namespace is made in the groups, so it hides where they are."""
    seen = minirun("run", *NONE, *LIMITS, "busybox", "grep", "-c", "minirun", "/proc/self/cgroup")
    assert seen.stdout == "0\n"


def test_parents_of_other_tools_are_not_changed(start: Callable[..., Container]) -> None:
    tops = {name: (top / "cgroup.clone_children").read_text() for name, top in limits.v1_mounts().items()}
    cpus = (limits.v1_mounts()["cpuset"] / "cpuset.cpus").read_text()
    start(*LIMITS, "busybox", "sleep", "100")
    assert {
        name: (top / "cgroup.clone_children").read_text() for name, top in limits.v1_mounts().items()
    } == tops
    assert (limits.v1_mounts()["cpuset"] / "cpuset.cpus").read_text() == cpus


# ---- what is refused --------------------------------------------------------------------------------------------


def kernel(container: Container, file: str) -> str:
    return limits.kernel(f"/minirun/{container.id}", file)


def test_less_memory_than_a_program_holds_is_refused_by_v1(minirun: Minirun) -> None:
    """It reclaims what it can, and kills nobody for a new limit; Docker's words are the kernel's."""
    container = holder_of_40_megabytes(minirun)
    result = minirun("update", "--memory", "16m", "--memory-swap", "16m", "box", timeout=60)
    assert result.code == 1
    assert "--memory: 16777216 is less than what is in use and cannot be reclaimed" in result.stderr
    assert kernel(container, "memory.max") == str(100 * MEBIBYTE)
    assert kernel(container, "memory.swap.max") == "0"
    assert container.inspect("{{.State.Status}}") == "running"


def test_what_v1_cannot_do_is_refused(minirun: Minirun) -> None:
    result = minirun("run", "--network", "none", "--cgroup-conf", "memory.high=16M", "busybox", "true")
    assert result.code == 125
    assert "memory.high exists only in cgroup v2" in result.stderr


@pytest.mark.parametrize("controller", ["memory", "pids"])
def test_a_group_that_somebody_else_made_is_refused_and_stays(
    minirun: Minirun, oci: Oci, bundle: Callable[..., Path], controller: str
) -> None:
    """Before anything is made in another hierarchy."""
    path = f"/minirun-test-{os.getpid()}"
    foreign = limits.v1_mounts()[controller] / path[1:]
    foreign.mkdir()
    try:
        made = bundle(change=lambda config: config["linux"].update(cgroupsPath=path))
        result = oci("create", "--bundle", made, "x")
        assert result.code == 1
        assert f"cgroup {foreign} is not free: somebody else has made it" in result.stderr
        assert limits.groups(path) == [foreign]
    finally:
        foreign.rmdir()


def test_a_value_that_is_refused_leaves_no_group(minirun: Minirun) -> None:
    result = minirun("run", "--name", "box", *NONE, *LIMITS, "--cgroup-conf", "pids.max=many", "busybox")
    assert result.code == 125
    assert '--pids-limit: the kernel refuses "many" for pids.max' in result.stderr
    id = minirun("inspect", "-f", "{{.Id}}", "box", check=True).stdout.strip()
    assert limits.groups(f"/minirun/{id}") == []


def test_an_update_that_is_refused_puts_back_the_very_shares(minirun: Minirun) -> None:
    """Several numbers of shares are one weight, and the weight is what a limit is kept by."""
    container = containers.start(minirun, "--cpu-shares", "512", "busybox", "sleep", "100")
    shares = limits.v1_mounts()["cpu"] / "minirun" / container.id / "cpu.shares"
    words = ("--cpu-shares", "700", "--cgroup-conf", "pids.max=many")
    assert minirun("update", *words, container.id).code == 1
    assert shares.read_text() == "512\n"
    minirun("update", "--cpu-shares", "513", container.id, check=True)
    assert shares.read_text() == "513\n"


# ---- what only v1 has -------------------------------------------------------------------------------------------


def held_by_v1(container: Container, controller: str, file: str) -> str:
    return (limits.v1_mounts()[controller] / "minirun" / container.id / file).read_text().split("\n")[0]


def test_memory_that_is_waited_for_and_seldom_swapped(start: Callable[..., Container]) -> None:
    """A process that wants more than there is stops where its neighbour would be killed."""
    words = ("--memory", "16m", "--memory-swap", "16m", "--memory-swappiness", "10", "--oom-kill-disable")
    container = start(*words, "busybox", "awk", 'BEGIN { s = "x"; while (1) s = s s }')
    assert held_by_v1(container, "memory", "memory.swappiness") == "10"
    control = limits.v1_mounts()["memory"] / "minirun" / container.id / "memory.oom_control"
    eventually(lambda: "under_oom 1" in control.read_text())
    assert "oom_kill_disable 1" in control.read_text()
    assert "oom_kill 0" in control.read_text()
    assert container.inspect("{{.HostConfig.MemorySwappiness}} {{.HostConfig.OomKillDisable}}") == "10 true"


@pytest.mark.skipif(
    "cpu" not in limits.v1_mounts() or not (limits.v1_mounts()["cpu"] / "cpu.rt_runtime_us").exists(),
    reason="this kernel has no RT_GROUP_SCHED",
)
def test_real_time_is_given_to_the_container_and_to_the_group_above(
    minirun: Minirun, start: Callable[..., Container]
) -> None:
    """A group without any refuses a real-time policy to all in it: sched_setscheduler(2)."""
    container = start("--cpu-rt-runtime", "20000", "--cpu-rt-period", "500000", "busybox", "sleep", "1000")
    os.sched_setscheduler(container.pid, os.SCHED_FIFO, os.sched_param(1))
    minirun("update", "--cpu-rt-runtime", "50000", container.id, check=True)
    assert held_by_v1(container, "cpu", "cpu.rt_runtime_us") == "50000"
    refused = minirun(
        "update", "--cpu-rt-runtime", "499999", container.id
    )  # the host keeps a part for itself
    assert (refused.code, "--cpu-rt-runtime: the kernel refuses" in refused.stderr) == (1, True)
    assert held_by_v1(container, "cpu", "cpu.rt_runtime_us") == "50000"


# ---- nothing stays ----------------------------------------------------------------------------------------------


def faulty(minirun: Minirun, fault: str) -> Result:
    return run(
        *minirun.command("run", "--name", "victim", *NONE, *LIMITS, "busybox", "true"),
        env={"MINIRUN_FAULT": fault},
    )


def id_of(minirun: Minirun, name: str) -> str:
    return minirun("inspect", "-f", "{{.Id}}", name).stdout.strip() or "no-such"


@pytest.mark.parametrize("controller", ["blkio", "cpu", "cpuacct", "cpuset", "memory", "pids"])
@pytest.mark.parametrize("end", ["kill", "28"])  # ENOSPC
def test_whoever_is_stopped_while_he_makes_groups_leaves_none(
    minirun: Minirun, controller: str, end: str
) -> None:
    """The mkdir of each hierarchy in turn, found in the trace of a run that works."""
    told = minirun("run", "--rm", "--explain=json", *NONE, *LIMITS, "busybox", "true").stderr
    made = [event for event in map(json.loads, told.splitlines()) if event.get("call") == "mkdir"]
    place = limits.v1_mounts()[controller] / "minirun"
    shim = next(event["pid"] for event in made if event["args"]["path"].startswith(str(place)))
    mine = [event["args"]["path"] for event in made if event["pid"] == shim]
    number = next(n for n, path in enumerate(mine, 1) if path.startswith(f"{place}/"))
    before = all_groups()
    assert faulty(minirun, f"mkdir:{number}:{end}").code != 0
    id = id_of(minirun, "victim")
    minirun("rm", "-f", "victim")
    minirun("ps", "-a", check=True)
    assert not {group for group in all_groups() - before if group.name == id}


def test_a_killed_shim_leaves_no_group_after_the_next_command(
    minirun: Minirun, start: Callable[..., Container]
) -> None:
    container = start(*LIMITS, "busybox", "sleep", "100")
    assert len(limits.groups(f"/minirun/{container.id}")) == 1 + len(limits.v1_mounts())
    os.kill(int((minirun.state / container.id / "shim.lock").read_text()), signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{container.pid}").exists())
    minirun("ps", "-a", check=True)
    assert limits.groups(f"/minirun/{container.id}") == []


def test_groups_made_inside_go_with_the_container(minirun: Minirun, start: Callable[..., Container]) -> None:
    """A privileged container may mount a v1 hierarchy, and make groups below its own."""
    script = "mkdir /v1 && mount -t cgroup -o memory none /v1 && mkdir /v1/inner && echo done; sleep 100"
    container = start("--privileged", "busybox", "sh", "-c", script)
    eventually(lambda: "done" in container.logs().stdout)
    assert limits.groups(f"/minirun/{container.id}/inner")
    minirun("rm", "-f", container.id, check=True)
    assert limits.groups(f"/minirun/{container.id}") == []


def test_a_hundred_at_once(minirun: Minirun) -> None:
    words = minirun.command("run", "--rm", *NONE, "--memory", "32m", "--pids-limit", "20", "busybox", "true")
    before = all_groups()
    running = [
        subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for _ in range(100)
    ]
    ends = [(process.communicate(timeout=300)[1], process.returncode) for process in running]
    assert ends == [(b"", 0)] * 100
    assert not {group for group in all_groups() - before if group.name != "minirun"} or minirun("ps", "-aq")


# ---- by the other doors -----------------------------------------------------------------------------------------


def test_minirun_oci_limits_and_removes(oci: Oci, bundle: Callable[..., Path]) -> None:
    resources = {"memory": {"limit": 64 * MEBIBYTE, "swap": 96 * MEBIBYTE}, "pids": {"limit": 30}}
    resources["cpu"] = {"shares": 512, "quota": 20000, "period": 100000, "cpus": "0"}
    path = f"/minirun-test-{os.getpid()}/one"
    made = bundle(change=lambda c: c["linux"].update(cgroupsPath=path, resources=resources))
    try:
        oci.detached("run", "-d", "--bundle", made, "x")
        held = {
            file: limits.kernel(path, file)
            for file in ("memory.max", "memory.swap.max", "pids.max", "cpu.max", "cpu.weight", "cpuset.cpus")
        }
        assert list(held.values()) == [
            str(64 * MEBIBYTE),
            str(32 * MEBIBYTE),
            "30",
            "20000 100000",
            "59",
            "0",
        ]
        oci("delete", "--force", "x", check=True)
        assert limits.groups(path) == []
    finally:
        for above in limits.groups(os.path.dirname(path)):
            above.rmdir()


def test_in_a_group_that_was_there_only_ours_are_removed(oci: Oci, bundle: Callable[..., Path]) -> None:
    path = f"/minirun-test-{os.getpid()}"
    top = limits.cgroup2_mount()
    assert top
    (top / path[1:]).mkdir()
    try:
        oci.detached(
            "run", "-d", "--bundle", bundle(change=lambda c: c["linux"].update(cgroupsPath=path)), "x"
        )
        assert len(limits.groups(path)) == 1 + len(limits.v1_mounts())
        oci("delete", "--force", "x", check=True)
        assert limits.groups(path) == [top / path[1:]]
    finally:
        (top / path[1:]).rmdir()


def test_a_hierarchy_that_cannot_be_written_is_done_without_unless_it_is_needed(minirun: Minirun) -> None:
    top = limits.v1_mounts()["memory"]
    ours = limits.in_mounts(f"mount -o remount,bind,ro {top}")
    assert run(*ours, *minirun.command("run", "--rm", *NONE, "busybox", "true")).code == 0
    refused = run(*ours, *minirun.command("run", "--rm", *NONE, "--memory", "64m", "busybox", "true"))
    assert refused.code == 125
    assert "Read-only file system" in refused.stderr


def test_info_counts_as_docker_does(minirun: Minirun) -> None:
    facts = json.loads(minirun("info", "--format", "{{json .}}", check=True).stdout)
    assert (facts["CgroupVersion"], facts["MemoryLimit"], facts["CPUSet"]) == ("1", True, True)
    assert not [warning for warning in facts["Warnings"] if "support" in warning]


@pytest.fixture
def twin(minirun: Minirun, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The ids of a container, and of what the script of its run makes."""
    made = minirun("run", "-d", "--explain=sh", *NONE, *LIMITS, "busybox", "sleep", "1000", check=True)
    id = next(line for line in made.stderr.splitlines() if len(line) == 64)
    (tmp_path / "script").write_text(made.stdout)
    with subprocess.Popen(["sh", tmp_path / "script"], stdin=subprocess.DEVNULL) as process:
        pids = limits.v1_mounts()["pids"] / "minirun"
        eventually(lambda: [group for group in pids.glob(f"{id[:12]}-*") if (group / "tasks").read_text()])
        (copy,) = pids.glob(f"{id[:12]}-*")
        eventually(lambda: "sleep" in commands(copy))
        yield id, copy.name
        for pid in (copy / "tasks").read_text().split():
            os.kill(int(pid), signal.SIGKILL)
        process.wait(10)
    assert limits.groups(f"/minirun/{copy.name}") == []


def commands(group: Path) -> list[str]:
    try:
        return [
            Path(f"/proc/{pid}/comm").read_text().strip() for pid in (group / "tasks").read_text().split()
        ]
    except OSError:
        return []


def test_the_script_of_a_run_limits_as_the_run_did(twin: tuple[str, str]) -> None:
    files = ("memory.max", "memory.swap.max", "cpu.max", "pids.max", "cpuset.cpus")
    original, copy = ({file: limits.kernel(f"/minirun/{id}", file) for file in files} for id in twin)
    assert copy == original
