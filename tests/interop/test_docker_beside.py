"""Docker's daemon on the same host, a network namespace: both have bridges, rules and published ports there."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import containers, netlab
from tests.containers import Container, eventually
from tests.docker import Docker
from tests.netlab import ElsewhereMinirun, Machine, Servers, netns, reaches
from tests.support import Minirun

Host = tuple[ElsewhereMinirun, Machine]
Program = Callable[[str], str]


@pytest.fixture
def host(minirun: Minirun, tmp_path: Path) -> Iterator[Host]:
    with netlab.host(minirun, tmp_path) as made:
        yield made
        minirun.remove_all()


@contextmanager
def daemon(host: Host, program: Program) -> Iterator[Docker]:
    """A dockerd on that host, with busybox.  Its sockets' paths have to be short."""
    directory = Path(tempfile.mkdtemp(prefix="dk"))
    made = Docker(directory, program, host[0].where)
    try:
        made.wait()
        host[0]("save", "-o", directory / "busybox.tar", "busybox", check=True)
        made("load", "-i", directory / "busybox.tar")
        yield made
    finally:
        made.stop()
        shutil.rmtree(directory, ignore_errors=True)


def ours(host: Host) -> Container:
    return containers.start(
        host[0], "--name", "ours", "-p", "8080:80", "busybox", "sleep", "1000", network="bridge"
    )


def theirs(docker: Docker) -> tuple[str, str]:
    """The namespace and the address of a container of Docker's that publishes 9090."""
    docker("run", "-d", "--name", "theirs", "-p", "9090:80", "busybox", "sleep", "1000")
    pid = docker("inspect", "-f", "{{.State.Pid}}", "theirs").strip()
    return f"/proc/{pid}/ns/net", docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "theirs").strip()


def check_both(host: Host, mine: Container, other: tuple[str, str]) -> None:
    """Out, in by published ports, and not from Docker's bridge into ours."""
    own, foreign = netns(mine), other[0]
    on_wire = host[1].host[0]
    with Servers() as servers:
        servers.add("ours", own)
        servers.add("theirs", foreign)
        servers.add("machine", host[1].where)
        machine = host[1].addresses[0]
        assert [reaches(where, machine) for where in (own, foreign)] == ["machine", "machine"]
        outer = host[1].where
        assert [reaches(outer, on_wire, port) for port in (8080, 9090)] == ["ours", "theirs"]
        assert reaches(own, on_wire, 9090) == "theirs"
        assert reaches(foreign, on_wire, 8080) == "ours"
        assert reaches(foreign, mine.inspect("{{.NetworkSettings.IPAddress}}"), expected=False) == ""


def test_docker_first(host: Host, program: Program) -> None:
    """Docker switches forwarding on, and has its FORWARD chain drop what it does not know."""
    with daemon(host, program) as docker:
        other = theirs(docker)
        mine = ours(host)
        check_both(host, mine, other)
        with Servers() as servers:
            servers.add("theirs", other[0], 81)
            assert reaches(netns(mine), other[1], 81, expected=False) == ""  # its rules still say so


def test_minirun_first(host: Host, program: Program) -> None:
    mine = ours(host)
    with daemon(host, program) as docker:
        check_both(host, mine, theirs(docker))


def test_dockers_rules_are_as_they_were_when_our_containers_have_gone(host: Host, program: Program) -> None:
    def rules() -> list[str]:
        words = ["nsenter", f"--net={host[0].where}", "iptables-save"]
        text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        return [line.split(" [")[0] for line in text.splitlines() if not line.startswith("#")]

    with daemon(host, program):
        before = rules()
        ours(host)
        assert rules() != before
        host[0]("rm", "-f", "ours", check=True)
        eventually(lambda: rules() == before)


def test_a_port_of_dockers_is_noticed(host: Host, program: Program) -> None:
    with daemon(host, program) as docker:
        theirs(docker)
        result = host[0]("run", "--rm", "-p", "9090:80", "busybox", "true")
        assert "port is already allocated by docker-proxy (pid " in result.stderr
