"""firewalld on the same host, a network namespace, with a message bus of its own."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import containers, netlab
from tests.containers import eventually
from tests.netlab import ElsewhereMinirun, Machine, Servers, netns, reaches
from tests.support import Minirun, run

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/> <allow own="*"/> <allow send_destination="*"/> <allow receive_sender="*"/>
  </policy>
</busconfig>
"""

Host = tuple[ElsewhereMinirun, Machine]


@pytest.fixture
def host(
    minirun: Minirun, tmp_path: Path, program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Host]:
    """A host on which firewalld runs; firewall-cmd finds it by the environment."""
    with netlab.host(minirun, tmp_path) as made, tempfile.TemporaryDirectory(prefix="fw") as directory:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={directory}/bus")
        config = Path(directory, "bus.conf")
        config.write_text(BUS.format(path=f"{directory}/bus"))
        bus = [program("dbus-daemon"), f"--config-file={config}", "--nofork", "--nopidfile"]
        wall = ["nsenter", f"--net={made[0].where}", program("firewalld"), "--nofork", "--nopid"]
        wall += ["--log-file", f"{directory}/log"]
        with open(os.devnull, "wb") as null:
            daemons = [subprocess.Popen(bus, stdout=null, stderr=null)]
            eventually(lambda: os.path.exists(f"{directory}/bus"))
            daemons.append(subprocess.Popen(wall, stdout=null, stderr=null))
        try:
            eventually(lambda: run("firewall-cmd", "--state").code == 0, 30)
            yield made
            minirun.remove_all()
        finally:
            for daemon in reversed(daemons):
                daemon.terminate()
                daemon.wait(20)


def test_both_work_and_nothing_stays_in_its_zones(host: Host) -> None:
    host[0]("network", "create", "town", check=True)
    words = ("--name", "one", "-p", "8080:80")
    one = containers.start(host[0], *words, "busybox", "sleep", "1000", network="town")
    with Servers() as servers:
        servers.add("one", netns(one))
        servers.add("machine", host[1].where)
        servers.add("host", host[0].where, 8091)
        assert netlab.ask(one, "one") == [one.inspect("{{.NetworkSettings.Networks.town.IPAddress}}")]
        assert reaches(netns(one), host[1].addresses[0]) == "machine"
        assert reaches(host[1].where, host[1].host[0], 8080) == "one"
        assert reaches(host[1].where, host[1].host[0], 8091, expected=False) == ""  # firewalld's own work
    host[0]("rm", "-f", "one", check=True)
    host[0]("network", "rm", "town", check=True)
    assert run("firewall-cmd", "--zone=trusted", "--list-interfaces").stdout == "\n"
