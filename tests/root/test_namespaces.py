"""Namespaces that a container shares: /proc/PID/ns says whose it is in, from outside."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import containers
from tests.containers import Container, eventually, mounts_of
from tests.support import Minirun

Start = Callable[..., Container]


@pytest.fixture
def start(minirun: Minirun) -> Iterator[Start]:
    """start("two", "--pid", "host") runs a container of that name that sleeps."""

    def started(name: str, *options: str, script: str = "sleep 1000") -> Container:
        return containers.start(minirun, "--name", name, *options, "busybox", "sh", "-c", script)

    yield started
    minirun.remove_all()


def ns(who: Container | str, kind: str) -> str:
    pid = who.pid if isinstance(who, Container) else who
    return os.readlink(f"/proc/{pid}/ns/{kind}")


def refusal(minirun: Minirun, *words: str) -> str:
    result = minirun("run", "--rm", "--network", "none", *words, "busybox", "true")
    assert result.code == 125
    return result.stderr.splitlines()[0].removeprefix("minirun: ")


# ---- the host's


@pytest.mark.parametrize("kind", ["pid", "ipc", "uts", "cgroup"])
def test_what_is_the_hosts_is_the_hosts_and_nothing_else_is(start: Start, kind: str) -> None:
    option = {"cgroup": "--cgroupns"}.get(kind, f"--{kind}")
    one = start("one", option, "host")
    kinds = ("pid", "ipc", "uts", "cgroup", "mnt", "net")
    assert [name for name in kinds if ns(one, name) == ns("self", name)] == [kind]


def test_with_the_hosts_processes_stop_still_ends_all_of_the_containers(
    minirun: Minirun, start: Start
) -> None:
    one = start("one", "--pid", "host", script="sleep 1001 & sleep 1000")
    assert minirun("top", "one").stdout.count("sleep 100") >= 2
    group = Path(f"/proc/{one.pid}/cgroup").read_text().splitlines()[-1].partition("::")[2]
    minirun("stop", "-t", "0", "one", check=True)
    eventually(lambda: not any(group in text for text in map(cgroup_of, pids())))


def pids() -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdigit()]


def cgroup_of(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cgroup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_with_the_hosts_name_it_is_in_etc_too(start: Start) -> None:
    one = start("one", "--uts", "host")
    assert one.proc("root/etc/hostname").read_text() == f"{os.uname().nodename}\n"
    assert one.exec("hostname").stdout == f"{os.uname().nodename}\n"


def test_with_the_hosts_ipc_its_shared_memory_is_there(start: Start) -> None:
    file = Path(f"/dev/shm/minirun-test-{os.getpid()}")
    file.write_text("seen")
    try:
        assert start("one", "--ipc", "host").exec("cat", str(file)).stdout == "seen"
    finally:
        file.unlink()


def test_in_the_hosts_pid_namespace_nobody_needs_an_init(start: Start) -> None:
    one = start("one", "--pid", "host", "--init")
    assert b"init" not in one.proc("cmdline").read_bytes()
    assert "/sbin/docker-init" not in mounts_of(one.pid)


# ---- another container's


def test_it_sees_the_others_processes_and_is_not_pid_1(start: Start) -> None:
    one = start("one")
    two = start("two", "--pid", "container:one")
    assert ns(two, "pid") == ns(one, "pid")
    assert two.status("NSpid").split()[1:] != ["1"]
    assert "sleep 1000" in two.exec("cat", "/proc/1/cmdline").stdout.replace("\0", " ")
    assert two.inspect("{{.HostConfig.PidMode}}") == f"container:{one.id}"


def test_the_end_of_pid_1_is_that_of_all_who_live_with_it(minirun: Minirun, start: Start) -> None:
    start("one"), start("two", "--pid", "container:one")
    minirun("stop", "-t", "0", "one", check=True)
    assert minirun("wait", "two").stdout == "137\n"
    result = minirun("start", "two")
    assert "failed to join PID namespace: container one is not running" in result.stderr
    minirun("start", "one", "two", check=True)


def test_shared_memory_is_one_for_both_and_the_ipc_namespace_with_it(start: Start) -> None:
    one = start("one", "--ipc", "shareable", "--shm-size", "1m")
    two = start("two", "--ipc", "container:one")
    assert ns(two, "ipc") == ns(one, "ipc")
    two.exec("sh", "-c", "echo from two >/dev/shm/note")
    assert one.exec("cat", "/dev/shm/note").stdout == "from two\n"
    assert os.stat(two.proc("root/dev/shm")).st_dev == os.stat(one.proc("root/dev/shm")).st_dev
    assert {"nosuid", "nodev", "noexec"} <= mounts_of(two.pid)["/dev/shm"][1]


def test_a_third_may_join_the_second(start: Start) -> None:
    one = start("one", "--ipc", "shareable")
    start("two", "--ipc", "container:one")
    three = start("three", "--ipc", "container:two")
    assert ns(three, "ipc") == ns(one, "ipc")
    assert os.stat(three.proc("root/dev/shm")).st_dev == os.stat(one.proc("root/dev/shm")).st_dev


def test_after_a_restart_of_the_other_a_start_finds_its_new_memory(minirun: Minirun, start: Start) -> None:
    start("one", "--ipc", "shareable")
    two = start("two", "--ipc", "container:one")
    minirun("restart", "-t", "0", "one", "two", check=True)
    minirun("exec", "one", "sh", "-c", "echo new >/dev/shm/note", check=True)
    assert two.exec("cat", "/dev/shm/note").stdout == "new\n"


def test_another_run_of_the_program_finds_it_too(minirun: Minirun, start: Start) -> None:
    """By its restart policy, in the same shim: what that has mounted for the run before is taken away."""
    one = start("one", "--ipc", "shareable")
    two = start("two", "--ipc", "container:one", "--restart", "always", script="sleep 0.1")
    eventually(lambda: int(two.inspect("{{.RestartCount}}")) >= 3)
    one.exec("sh", "-c", "echo x >/dev/shm/note")
    shim = (minirun.state / two.id / "shim.lock").read_text().strip()
    mounted = Path(f"/proc/{shim}/mountinfo").read_text()
    assert mounted.count(" /dev/shm ") == Path("/proc/self/mountinfo").read_text().count(" /dev/shm ") + 1
    minirun("stop", "-t", "0", "two", check=True)
    assert one.exec("cat", "/dev/shm/note").stdout == "x\n"


def test_the_end_of_the_second_leaves_the_firsts_memory(minirun: Minirun, start: Start) -> None:
    one = start("one", "--ipc", "shareable", script="echo kept >/dev/shm/note; sleep 1000")
    start("two", "--ipc", "container:one")
    minirun("rm", "-f", "two", check=True)
    minirun("run", "--rm", "--network", "none", "--ipc", "container:one", "busybox", "true", check=True)
    assert one.exec("cat", "/dev/shm/note").stdout == "kept\n"


def test_a_link_in_the_place_of_dev_shm_leads_nowhere_else(minirun: Minirun, start: Start) -> None:
    """Who may mount may also put a link there; it leads into that container's own tree."""
    script = "umount /dev/shm; rmdir /dev/shm; ln -s /etc /dev/shm; sleep 1000"
    one = start("one", "--ipc", "shareable", "--privileged", script=script)
    eventually(lambda: os.path.islink(one.proc("root/dev/shm")))
    result = minirun(
        *("run", "--rm", "--network", "none", "--ipc", "container:one", "busybox", "ls", "/dev/shm")
    )
    assert result.stdout.splitlines() == sorted(os.listdir(one.proc("root/etc")))


def test_without_ipc_there_is_no_shared_memory(start: Start) -> None:
    one = start("one", "--ipc", "none")
    assert "/dev/shm" not in mounts_of(one.pid)
    assert ns(one, "ipc") != ns("self", "ipc")


@pytest.mark.parametrize("mode", ["private", "none"])
def test_an_ipc_namespace_that_is_not_shareable_is_not_shared(
    minirun: Minirun, start: Start, mode: str
) -> None:
    start("one", "--ipc", mode)
    said = refusal(minirun, "--ipc", "container:one")
    assert said == "failed to join IPC namespace: container one: non-shareable IPC"


@pytest.mark.parametrize("option", ["--pid", "--ipc"])
def test_a_container_that_is_not_there_cannot_be_joined(minirun: Minirun, option: str) -> None:
    assert refusal(minirun, option, "container:nosuch") == "No such container: nosuch"


def test_all_that_are_started_at_once_wait_for_those_they_live_with(minirun: Minirun, start: Start) -> None:
    start("one", "--ipc", "shareable")
    start("two", "--ipc", "container:one", "--pid", "container:one")
    minirun("stop", "-t", "0", "two", "one", check=True)
    minirun("start", "one", "two", check=True)
    assert minirun("ps", "-q").stdout.count("\n") == 2
