"""The network of a build: one for all RUNs, gone with the build, and no trouble to anybody meanwhile."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from minirun.build.network import Network
from minirun.build.run_state import RunState, clear_leftovers
from minirun.errors import MinirunError
from minirun.network import ledger
from minirun.paths import Paths
from minirun.runtime import process
from tests.build_steps import Steps
from tests.containers import eventually, http_get, start
from tests.support import Minirun


@pytest.fixture
def network(steps: Steps) -> Iterator[Network]:
    made = Network(steps.state)
    made.start()
    yield made
    made.close()


def address(paths: Paths, build: str) -> str:
    return ledger.read(paths, "bridge")["endpoints"][build]["addresses"][0]


def test_a_run_is_on_the_default_network(steps: Steps, network: Network, paths: Paths) -> None:
    done = steps("ip -4 addr show eth0; ip route", network="default", namespace=network.path())
    assert address(paths, steps.state.id) in done.stdout
    assert "default via" in done.stdout


def test_a_second_run_is_on_the_same(steps: Steps, network: Network) -> None:
    seen = {
        steps("readlink /proc/self/ns/net", network="default", namespace=network.path()).stdout for _ in "ab"
    }
    assert len(seen) == 1


def test_the_way_out_is_open(steps: Steps, network: Network, minirun: Minirun) -> None:
    """To a container on the same bridge; what is further away is routed by the same gateway."""
    web = start(minirun, "busybox", "sh", "-c", "echo hello > /index.html; httpd -f -h /", network="bridge")
    where = web.inspect("{{.NetworkSettings.IPAddress}}")
    assert eventually(lambda: http_get(where, "/index.html")) is not None
    done = steps(f"wget -qO- http://{where}/index.html", network="default", namespace=network.path())
    assert done.stdout == "hello\n"


@pytest.mark.parametrize("kind", ["none", "host"])
def test_none_and_host_ask_for_no_network(steps: Steps, kind: str) -> None:
    links = ["lo"] if kind == "none" else sorted(os.listdir("/sys/class/net"))
    assert steps("ls /sys/class/net", network=kind).stdout.split() == links


def test_host_gateway_is_the_bridge(steps: Steps, network: Network) -> None:
    options = {"network": "default", "namespace": network.path(), "extra_hosts": [["me", "host-gateway"]]}
    done = steps("grep me$ /etc/hosts; ip route | grep default", **options)
    gateway, _, route = done.stdout.partition("\tme\n")
    assert f"via {gateway} " in route


def test_it_is_given_back(steps: Steps, paths: Paths) -> None:
    network = Network(steps.state)
    network.start()
    network.path()
    network.close()
    assert ledger.read(paths, "bridge")["endpoints"] == {}


def test_it_may_be_closed_while_it_is_made(steps: Steps, paths: Paths) -> None:
    network = Network(steps.state)
    network.start()
    network.close()
    assert ledger.read(paths, "bridge")["endpoints"] == {}


def test_what_went_wrong_is_said_by_each_run_that_wants_it(
    steps: Steps, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nothing")
    monkeypatch.setattr("minirun.linux.programs._ROOTS_PATH", ())
    network = Network(steps.state)
    network.start()
    for _ in "ab":
        with pytest.raises(MinirunError, match="the network of the build: nft is not installed"):
            network.path()
    monkeypatch.undo()
    network.close()


@pytest.mark.parametrize(
    "words", [["ps"], ["network", "prune", "-f"], ["system", "prune", "-f"], ["network", "ls"], ["info"]]
)
def test_other_commands_leave_a_living_build_alone(
    steps: Steps, network: Network, minirun: Minirun, paths: Paths, words: list[str]
) -> None:
    before = network.path(), address(paths, steps.state.id)
    minirun(*words, check=True)
    assert before == (network.path(), address(paths, steps.state.id))
    assert steps("ip route", network="default", namespace=network.path()).stdout.startswith("default via")


def test_the_map_shows_it_and_finds_nothing_wrong(steps: Steps, network: Network, minirun: Minirun) -> None:
    network.path()
    shown = minirun("network", "map", check=True).stdout
    assert "building" in shown
    assert "no such container" not in shown
    assert steps.state.id in minirun("network", "inspect", "bridge", check=True).stdout


def test_a_killed_builds_place_is_given_back_by_the_next(paths: Paths, minirun: Minirun) -> None:
    kill_a_build(paths)
    assert len(ledger.read(paths, "bridge")["endpoints"]) == 1
    clear_leftovers(paths)
    assert ledger.read(paths, "bridge")["endpoints"] == {}
    assert not Path(paths.state, ".build").exists()


def test_a_killed_builds_place_is_given_back_by_any_command(paths: Paths, minirun: Minirun) -> None:
    kill_a_build(paths)
    minirun("network", "ls", check=True)
    assert ledger.read(paths, "bridge")["endpoints"] == {}
    clear_leftovers(paths)


def kill_a_build(paths: Paths) -> None:
    """A build that has a network, and is killed."""

    def build() -> int:
        network = Network(RunState(paths))
        network.start()
        network.path()
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    os.waitpid(process.fork(build), 0)


def test_the_runs_of_a_build_have_one_network(minirun: Minirun, paths: Paths, tmp_path: Path) -> None:
    look = "RUN readlink /proc/self/ns/net >> /seen; ip route > /route"
    (tmp_path / "Dockerfile").write_text(f"FROM busybox\n{look}\n{look}\nRUN --network=none ip route > /none")
    minirun("build", "-q", "-t", "seen", "--no-cache", tmp_path, check=True)
    seen = minirun(
        "run", "--rm", "--network", "none", "seen", "cat", "/none", "/route", "/seen", check=True
    ).stdout
    minirun("rmi", "seen", check=True)
    assert seen.startswith("default via")
    assert len(set(seen.splitlines()[-2:])) == 1
    assert ledger.read(paths, "bridge")["endpoints"] == {}
