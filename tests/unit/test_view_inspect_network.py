"""The words of `ps` and the facts of `inspect` about networks."""

import pytest

from minirun.engine.view import inspect_network
from minirun.network import ledger


def port(container: int, host: int, ip: str = "0.0.0.0", protocol: str = "tcp") -> dict:
    return {"protocol": protocol, "host_ip": ip, "host_port": host, "container_port": container}


@pytest.mark.parametrize(
    ("exposed", "held", "words"),
    [
        ([], [], ""),
        (["80/tcp"], [], "80/tcp"),
        (["80/tcp", "81/tcp", "82/tcp", "53/udp"], [], "53/udp, 80-82/tcp"),
        (["80/tcp"], [port(80, 8080)], "0.0.0.0:8080->80/tcp"),
        (["81/tcp"], [port(80, 8080)], "81/tcp, 0.0.0.0:8080->80/tcp"),
        ([], [port(80, 80), port(81, 81)], "0.0.0.0:80-81->80-81/tcp"),
        ([], [port(80, 80), port(82, 82)], "0.0.0.0:80->80/tcp, 0.0.0.0:82->82/tcp"),
        ([], [port(80, 80), port(80, 80, "::")], "0.0.0.0:80->80/tcp, [::]:80->80/tcp"),
    ],
)
def test_ports_in_dockers_words(exposed: list[str], held: list[dict], words: str) -> None:
    assert inspect_network.port_words(exposed, held) == words


def test_bindings_are_what_was_asked_for() -> None:
    requests = [
        {"host_ip": "", "host_ports": [0], "container_port": 81, "protocol": "tcp"},
        {"host_ip": "127.0.0.1", "host_ports": [8000, 8001], "container_port": 80, "protocol": "tcp"},
    ]
    assert inspect_network.bindings(requests) == {
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8000-8001"}],
        "81/tcp": [{"HostIp": "", "HostPort": ""}],
    }


def test_what_was_said_to_be_attachable_is_shown_so() -> None:
    town = ledger.unused("a" * 64, "town", "mr-town")
    assert inspect_network.network(town)["Attachable"] is False
    assert inspect_network.network({**town, "attachable": True})["Attachable"] is True
