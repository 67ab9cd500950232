"""minirun.service under a real systemd: what starts with it, outlives its command, and ends with it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import containers
from tests.support import Minirun, run

# A unit that does what a person would type, and then ends this systemd, as the end of a machine would.
CHECK = """\
[Unit]
DefaultDependencies=no
Wants=minirun.service
After=minirun.service
[Service]
Type=oneshot
StandardOutput=append:{output}
ExecStart=systemctl is-active minirun.service
ExecStart={minirun} ps --format {{{{.Names}}}}:{{{{.State}}}}
ExecStart=/bin/sh -c 'cat /proc/$$(cat {lock})/cgroup'
ExecStart=systemctl daemon-reload
ExecStart=cat {limit}
ExecStart=systemctl exit 0
"""


# What units have by default, but for sysinit.target.
BARE = "[Unit]\nDefaultDependencies=no\nConflicts=shutdown.target\nBefore=shutdown.target\n"
SYSTEMD = (
    *("unshare", "--pid", "--mount", "--fork", "--mount-proc", "sh", "-c"),
    "mkdir -p /run/systemd && mount -t tmpfs tmpfs /run/systemd && exec "
    "/lib/systemd/systemd --system --unit=check.service --log-target=console --log-level=info",
)
UNITS = Path("/etc/systemd/system")


@pytest.fixture
def bare_systemd() -> Iterator[None]:
    """No unit of the system's own will start: what they need, sysinit.target, is masked.  They would clear /tmp."""
    drop_in = UNITS / "minirun.service.d"
    drop_in.mkdir()
    (drop_in / "bare.conf").write_text(BARE)
    (UNITS / "sysinit.target").symlink_to("/dev/null")
    yield
    (UNITS / "sysinit.target").unlink()
    (drop_in / "bare.conf").unlink()
    drop_in.rmdir()


@pytest.mark.skipif(
    "MINIRUN_VM" not in os.environ, reason="only a guest may be started and shut down by a test"
)
@pytest.mark.usefixtures("bare_systemd")
def test_a_boot_brings_containers_back_and_the_end_stops_them(minirun: Minirun, tmp_path: Path) -> None:
    """As if the machine had lost power, booted, and been shut down."""
    script = "trap 'exit 3' TERM; sleep 1000 & wait"
    words = ("--restart", "unless-stopped", "--name", "back", "--cpus", "0.5", "busybox", "sh", "-c", script)
    container = containers.start(minirun, *words)
    os.kill(int((minirun.state / container.id / "shim.lock").read_text()), signal.SIGKILL)
    minirun("system", "install-service", check=True)
    unit = UNITS / "check.service"
    facts = {
        "output": tmp_path / "output",
        "minirun": " ".join(minirun.command()),
        "lock": minirun.state / container.id / "shim.lock",
        "limit": f"/sys/fs/cgroup/minirun/{container.id}/cpu.max",
    }
    unit.write_text(CHECK.format(**facts))
    run(*SYSTEMD, env={"container": "test"}, check=True)
    unit.unlink()
    minirun("system", "uninstall-service", check=True)

    active, state, cgroup, limit = facts["output"].read_text().splitlines()
    assert (active, state) == ("active", "back:running")
    assert cgroup == "0::/system.slice/minirun.service"
    assert limit == "50000 100000"  # systemd leaves our controllers on
    ended = container.inspect("{{.State.Status}} {{.State.ExitCode}}")
    assert ended == "exited 3"  # asked, not killed: systemd's own last SIGKILL would have made it 137
