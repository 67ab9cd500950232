"""The kernel that the other tests of this tier count on."""

import subprocess
from pathlib import Path

from tests.leaks import cgroup2_mount


def test_the_controllers_can_be_handed_down() -> None:
    mount = cgroup2_mount()
    assert mount is not None
    (mount / "cgroup.subtree_control").write_text("+cpu +io +memory +pids")
    assert {"cpu", "io", "memory", "pids"} <= set((mount / "cgroup.subtree_control").read_text().split())


def test_a_pids_limit_holds() -> None:
    mount = cgroup2_mount()
    assert mount is not None
    group = mount / "minirun-guest-test"
    group.mkdir()
    try:
        (group / "pids.max").write_text("1")
        script = f"echo $$ > {group}/cgroup.procs; (:) || true"
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
        assert "fork" in done.stderr
        assert "max 1" in (group / "pids.events").read_text()
    finally:
        group.rmdir()


def test_an_overlay_can_be_mounted_below_the_temporary_directory(tmp_path: Path) -> None:
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    options = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, tmp_path / "merged"], check=True)
    subprocess.run(["umount", tmp_path / "merged"], check=True)
