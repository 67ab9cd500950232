"""What a reboot leaves and `system restore` brings back; the service; reset."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import containers
from tests.containers import Container, eventually
from tests.support import CHECKOUT, Minirun, run

Start = Callable[..., Container]


def shim_of(container: Container) -> int:
    return int((container.minirun.state / container.id / "shim.lock").read_text())


def lose_shim(container: Container) -> None:
    """As a power cut: nobody puts anything away."""
    pid = shim_of(container)
    pidfd = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{container.pid}").exists())
    os.close(pidfd)


def status(container: Container) -> str:
    return container.inspect("{{.State.Status}}")


def sleeper(start: Start, policy: str, *words: str) -> Container:
    return start("--restart", policy, *words, "busybox", "sleep", "1000")


@pytest.mark.parametrize("policy", ["always", "unless-stopped", "on-failure"])
def test_a_container_that_lost_its_shim_comes_back(start: Start, policy: str):
    container = sleeper(start, policy, "--name", "lost")
    lose_shim(container)
    assert status(container) == "exited"
    result = container.minirun("system", "restore", check=True)
    assert (result.stdout, result.stderr) == ("lost\n", "")
    assert status(container) == "running"
    assert container.exec("true").code == 0


def test_without_a_policy_it_stays_down(start: Start):
    container = sleeper(start, "no")
    lose_shim(container)
    assert container.minirun("system", "restore", check=True).stdout == ""
    assert status(container) == "exited"


def test_what_runs_is_left_alone(start: Start):
    container = sleeper(start, "always")
    assert container.minirun("system", "restore", check=True).stdout == ""
    assert int(container.inspect("{{.State.Pid}}")) == container.pid


def test_always_comes_back_though_stopped_by_hand(start: Start):
    container = sleeper(start, "always")
    container.minirun("stop", "-t", "0", container.id, check=True)
    container.minirun("system", "restore", check=True)
    assert status(container) == "running"


def test_unless_stopped_stays_down_when_stopped_by_hand(start: Start):
    container = sleeper(start, "unless-stopped")
    container.minirun("stop", "-t", "0", container.id, check=True)
    container.minirun("system", "restore", check=True)
    assert status(container) == "exited"


def test_shutdown_is_not_by_hand(start: Start):
    """What the machine's own end stopped comes back with it."""
    container = sleeper(start, "unless-stopped", "--stop-timeout", "0", "--name", "back")
    assert container.minirun("system", "shutdown", check=True).stdout == "back\n"
    assert status(container) == "exited"
    assert container.minirun("system", "restore", check=True).stdout == "back\n"
    assert status(container) == "running"


def test_shutdown_gives_each_its_time_and_all_the_same(start: Start):
    """Five that do not listen, one second each: more than a second, less than five."""
    all_five = [sleeper(start, "always", "--stop-timeout", "1") for _ in range(5)]
    begin = time.monotonic()
    all_five[0].minirun("system", "shutdown", check=True)
    assert 1 <= time.monotonic() - begin < 5
    assert {status(container) for container in all_five} == {"exited"}


def test_shutdown_sends_the_stop_signal(start: Start):
    script = "trap 'exit 7' USR1; echo ready; sleep 1000 & wait"
    container = start("--stop-signal", "USR1", "busybox", "sh", "-c", script)
    eventually(lambda: container.logs().stdout)
    container.minirun("system", "shutdown", check=True)
    assert container.inspect("{{.State.ExitCode}}") == "7"


def test_a_shim_that_is_told_to_end_stops_its_container(start: Start):
    """As systemd tells what is left of a login session."""
    script = "trap 'exit 7' TERM; echo ready; sleep 1000 & wait"
    container = start("--restart", "unless-stopped", "busybox", "sh", "-c", script)
    eventually(lambda: container.logs().stdout)
    os.kill(shim_of(container), signal.SIGTERM)
    eventually(lambda: status(container) == "exited")
    assert container.inspect("{{.State.ExitCode}} {{.State.Error}}") == "7 "
    container.minirun("system", "restore", check=True)
    assert status(container) == "running"


def test_a_shim_that_is_told_to_end_kills_what_does_not_listen(start: Start):
    container = sleeper(start, "always", "--stop-timeout", "1")
    os.kill(shim_of(container), signal.SIGTERM)
    eventually(lambda: status(container) == "exited")
    assert container.inspect("{{.State.ExitCode}}") == "137"


def test_a_container_that_cannot_start_does_not_keep_the_others_down(start: Start):
    first, broken, last = (sleeper(start, "always", "--name", name) for name in ("first", "broken", "last"))
    broken.minirun("system", "shutdown", check=True)
    upper = broken.minirun.root / "containers" / broken.id / "upper"
    shutil.rmtree(upper)
    upper.write_text("no directory")
    result = broken.minirun("system", "restore")
    assert (result.code, result.stdout) == (1, "first\nlast\n")
    assert result.stderr.startswith("minirun: broken: ")
    assert (status(first), status(last)) == ("running", "running")


def test_a_damaged_record_is_told_and_does_not_keep_the_others_down(start: Start):
    damaged, _ = (sleeper(start, "always", "--name", name) for name in ("damaged", "well"))
    minirun = damaged.minirun
    minirun("system", "shutdown", check=True)
    directory = minirun.root / "containers" / damaged.id
    (directory / "container.json").write_text("")
    assert minirun("ps", "-a", "--format", "{{.Names}}", check=True).stdout == "well\n"
    result = minirun("system", "restore")
    assert (result.code, result.stdout) == (1, "well\n")
    assert result.stderr == f"minirun: {directory}: container.json is damaged\n"
    shutil.rmtree(directory)


def test_a_damaged_record_may_use_any_volume(start: Start):
    container = start("-v", "kept:/data", "busybox", "sleep", "1000")
    minirun = container.minirun
    minirun("stop", "-t", "0", container.id, check=True)
    directory = minirun.root / "containers" / container.id
    (directory / "container.json").write_text("{")
    result = minirun("volume", "prune", "-a", "-f")
    assert result.code == 1
    assert f"{directory}/container.json" in result.stderr
    shutil.rmtree(directory)
    minirun("volume", "rm", "kept", check=True)


def test_two_restores_at_once_start_each_container_once(start: Start):
    all_three = [sleeper(start, "always", "--stop-timeout", "0") for _ in range(3)]
    minirun = all_three[0].minirun
    minirun("system", "shutdown", check=True)
    both = [
        minirun.spawn("system", "restore", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in "12"
    ]
    for one in both:
        one.wait()
    assert {status(container) for container in all_three} == {"running"}
    assert len({container.inspect("{{.State.Pid}}") for container in all_three}) == 3


def test_rm_of_a_lost_container_happens_at_boot(start: Start):
    container = start("--rm", "busybox", "sleep", "1000")
    lose_shim(container)
    container.minirun("system", "restore", check=True)
    assert not (container.minirun.root / "containers" / container.id).exists()


# ---- the service ------------------------------------------------------------------------------------------


def test_the_service_is_written_enabled_and_taken_away(minirun: Minirun, tmp_path: Path):
    minirun("system", "install-service", "--prefix", tmp_path, check=True)
    unit = tmp_path / "etc/systemd/system/minirun.service"
    link = tmp_path / "etc/systemd/system/multi-user.target.wants/minirun.service"
    assert link.is_symlink()
    assert f"--root {minirun.root} --state {minirun.state} system restore" in unit.read_text()
    assert run("systemd-analyze", "verify", unit).code == 0
    minirun("system", "uninstall-service", "--prefix", tmp_path, check=True)
    assert not unit.exists()
    assert not link.is_symlink()


def test_without_systemd_it_says_what_to_do(minirun: Minirun, tmp_path: Path):
    """A PATH without systemctl."""
    for name in ("sh", "readlink"):
        (tmp_path / name).symlink_to(f"/bin/{name}")
    command = minirun.command("system", "install-service", "--prefix", str(tmp_path / "there"))
    result = run(*command, env={"PATH": str(tmp_path)})
    assert result.code == 1
    assert "this machine has no systemd" in result.stderr
    assert f"{CHECKOUT}/scripts/minirun system restore" in result.stderr
    assert not (tmp_path / "there").exists()


# ---- reset ------------------------------------------------------------------------------------------------


@pytest.fixture
def other(tmp_path: Path, busybox_tar: Path) -> Minirun:
    """A pair of directories that nobody else uses."""
    made = Minirun(tmp_path / "root", tmp_path / "state")
    made("load", "-i", busybox_tar, check=True)
    return made


def test_reset_leaves_nothing(other: Minirun):
    running = [
        containers.start(other, "busybox", "sleep", "1000", network=kind) for kind in ("none", "bridge")
    ]
    result = other("system", "reset", "-f", check=True)
    assert (result.stdout, result.stderr) == ("", "")
    assert not other.root.exists()
    assert not other.state.exists()
    assert not any(container.proc("").exists() for container in running)


def test_reset_asks_and_says_what_goes(other: Minirun):
    result = other("system", "reset", input="n\n")
    assert result.code == 1
    assert f"the directories {other.root} and {other.state}" in result.stdout
    assert (other.root / "images").exists()


def test_reset_keeps_what_is_not_its_own(other: Minirun):
    (other.root / "thesis.txt").write_text("years of work")
    result = other("system", "reset", "-f", check=True)
    assert [path.name for path in other.root.iterdir()] == ["thesis.txt"]
    assert f"{other.root} is kept" in result.stderr


def test_everything_works_again_after_a_reset(other: Minirun, busybox_tar: Path):
    other("system", "reset", "-f", check=True)
    other("load", "-i", busybox_tar, check=True)
    assert other("run", "--rm", "--network", "none", "busybox", "echo", "hi").stdout == "hi\n"
