"""`doctor` on this machine, on machines that are made worse for it, and what it leaves: nothing."""

import json
import os
from pathlib import Path

import pytest

from minirun.engine.diagnose import doctor
from minirun.linux import capabilities
from tests import leaks, limits
from tests.support import Minirun, Result, run
from tests.terminals import Terminal


def rows(result: Result) -> dict[str, dict[str, str]]:
    return {row["Check"]: row for row in map(json.loads, result.stdout.splitlines())}


def checked(minirun: Minirun, *before: str) -> dict[str, dict[str, str]]:
    """The checks by name; `before` are words of a command that runs minirun in a place of its own."""
    return rows(run(*before, *minirun.command("doctor", "--format", "json")))


def in_network(minirun: Minirun, script: str) -> dict[str, dict[str, str]]:
    """In a network namespace of its own, after `script`."""
    return checked(minirun, "unshare", "--net", "sh", "-c", f'{script}; exec "$@"', "sh")


def test_this_machine_can_run_containers(minirun: Minirun) -> None:
    result = minirun("doctor")
    assert result.code == 0
    assert result.stdout.startswith("ok    kernel           Linux ")
    assert "FAIL" not in result.stdout
    assert "\x1b" not in result.stdout


def test_nothing_is_left(minirun: Minirun) -> None:
    before = leaks.snapshot(minirun)
    files = sorted(leaks.tree(minirun.root))
    minirun("doctor", check=True)
    assert leaks.leaked(before, minirun) == {}
    assert sorted(leaks.tree(minirun.root)) == files


def test_a_data_root_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    minirun = Minirun(root=tmp_path / "not" / "yet", state=tmp_path / "state")
    assert checked(minirun)["overlay"]["Found"].startswith(f"on {tmp_path} ")
    assert list(tmp_path.iterdir()) == []


def test_controllers_are_those_of_the_hierarchies(minirun: Minirun) -> None:
    there = limits.controllers()
    found = checked(minirun)
    for name in ("cpu", "cpuset", "io", "memory", "pids"):
        assert (found[f"limits: {name}"]["Status"] == "ok") == (name in there)


def test_one_that_a_v1_hierarchy_holds_is_told_with_its_place(minirun: Minirun) -> None:
    found = checked(minirun)["limits: memory"]["Found"]
    holder = limits.v1_mounts().get("memory")
    assert found == (f"(cgroup v1, {holder})" if holder else "on cgroup2")


def test_a_host_without_controllers_is_warned(minirun: Minirun) -> None:
    found = checked(minirun, *limits.WITHOUT_CONTROLLERS)
    assert {found[f"limits: {name}"]["Status"] for name in ("cpu", "cpuset", "io", "memory", "pids")} == {
        "warn"
    }


def test_a_host_with_v1_alone_is_told_to_mount_cgroup2(minirun: Minirun) -> None:
    found = checked(minirun, *limits.in_mounts(f"umount -l {leaks.cgroup2_mount()}"))["cgroup2"]
    assert (found["Status"], found["Found"]) == ("FAIL", "cgroup2 is not mounted")
    assert "mount -t cgroup2 none" in found["Advice"]


def test_an_overlay_cannot_lie_on_an_overlay(minirun: Minirun, tmp_path: Path) -> None:
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    options = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    mount = f"mount -t overlay overlay -o {options} {tmp_path}/merged"
    stacked = Minirun(root=tmp_path / "merged", state=tmp_path / "state")
    found = checked(stacked, "unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh")
    assert found["overlay"]["Status"] == "FAIL"
    assert "(overlay)" in found["overlay"]["Found"]


def test_forwarding_that_is_off_is_told(minirun: Minirun) -> None:
    assert in_network(minirun, "sysctl -qw net.ipv4.ip_forward=0")["forwarding"]["Status"] == "warn"
    assert in_network(minirun, "sysctl -qw net.ipv4.ip_forward=1")["forwarding"]["Status"] == "ok"


def test_somebody_who_drops_what_is_forwarded_is_named(minirun: Minirun) -> None:
    chain = "{ type filter hook forward priority 0; policy drop; }"
    found = in_network(minirun, f"nft add table ip mine; nft add chain ip mine wall '{chain}'")
    assert found["firewall"]["Status"] == "warn"
    assert found["firewall"]["Found"].startswith("ip mine wall drops")


def let_through(advice: str) -> str:
    """The two commands that are advised, for a shell."""
    command = advice.partition(": ")[2].removesuffix(", and the same with oifname").replace('"', '\\"')
    return f"; {command}; {command.replace('iifname', 'oifname')}"


def test_somebody_who_lets_ours_through_is_not_named(minirun: Minirun) -> None:
    chain = "{ type filter hook forward priority 0; policy drop; }"
    script = f"nft add table ip mine; nft add chain ip mine wall '{chain}'"
    script += let_through(in_network(minirun, script)["firewall"]["Advice"])
    assert in_network(minirun, script)["firewall"]["Status"] == "ok"
    minirun("network", "create", "shop", check=True)
    found = in_network(minirun, script)["firewall"]
    minirun("network", "rm", "shop", check=True)
    assert 'iifname "mr-' in found["Advice"]


def test_without_nft_a_bridge_cannot_be(minirun: Minirun) -> None:
    hide = "mount --bind /dev/null $(command -v nft)"
    found = checked(minirun, "unshare", "--mount", "sh", "-c", f'{hide} && exec "$@"', "sh")
    assert found["nftables"]["Status"] == "FAIL"
    assert "nft is not installed" in found["nftables"]["Found"]


def test_what_fails_is_the_exit_code(minirun: Minirun) -> None:
    result = run(
        "setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin", *minirun.command("doctor")
    )
    assert result.code == 1
    assert "FAIL  capabilities     not ours to give: " in result.stdout
    assert "FAIL  namespaces       cannot be made: pid mount network uts ipc cgroup" in result.stdout
    assert "Traceback" not in result.stderr


def test_colours_are_for_a_terminal(minirun: Minirun) -> None:
    with Terminal(minirun.command("doctor")) as terminal:
        assert "\x1b[32mok" in terminal.wait()[1]


def test_an_old_kernel_is_a_warning() -> None:
    assert doctor.kernel("5.10.0-23-amd64").status == "warn"
    assert doctor.kernel("5.15.0").status == "ok"
    assert doctor.kernel("6.1.0-rc1").status == "ok"


def test_capabilities_that_are_missing_are_named() -> None:
    everything = capabilities.mask(capabilities.NAMES)
    assert doctor.rights(everything).status == "ok"
    assert doctor.rights(everything & ~capabilities.mask(["CHOWN"])).found == "not ours to give: CAP_CHOWN"
    assert doctor.rights(everything & ~capabilities.mask(["SYS_ADMIN"])).status == "FAIL"


def test_a_clock_that_is_behind_is_told() -> None:
    assert doctor.clock(0).status == "warn"
    assert doctor.clock(os.stat(doctor.__file__).st_mtime + 1).status == "ok"


@pytest.mark.parametrize("size", ["1m", "200m"])
def test_little_space_is_told(tmp_path: Path, size: str) -> None:
    script = f'mount -t tmpfs -o size={size} tmpfs {tmp_path} && exec "$@"'
    minirun = Minirun(root=tmp_path / "root", state=tmp_path / "state")
    found = checked(minirun, "unshare", "--mount", "sh", "-c", script, "sh")
    assert found["space"]["Status"] == ("FAIL" if size == "1m" else "warn")


def test_a_try_tells_what_went_wrong() -> None:
    assert doctor.tried(lambda: None) == ""
    assert "No such file" in doctor.tried(lambda: os.unlink("/no/such/file"))
