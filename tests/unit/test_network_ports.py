"""What `-p` says, and who has a port; the sockets themselves are tried in the root tier."""

import socket

import pytest

from minirun.errors import ConflictError, UsageError
from minirun.network import ports


def port_request(container: int, *host: int, ip: str = "", protocol: str = "tcp") -> dict:
    return {"host_ip": ip, "host_ports": list(host), "container_port": container, "protocol": protocol}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80", [port_request(80, 0)]),
        ("8080:80", [port_request(80, 8080)]),
        ("0:80", [port_request(80, 0)]),
        (":80", [port_request(80, 0)]),
        ("8080:80/udp", [port_request(80, 8080, protocol="udp")]),
        ("8080:80/TCP", [port_request(80, 8080)]),
        ("127.0.0.1:8080:80", [port_request(80, 8080, ip="127.0.0.1")]),
        ("127.0.0.1::80", [port_request(80, 0, ip="127.0.0.1")]),
        ("[::1]:8080:80", [port_request(80, 8080, ip="::1")]),
        ("[::1]::80", [port_request(80, 0, ip="::1")]),
        ("[FD00:0::1]:8080:80", [port_request(80, 8080, ip="fd00::1")]),
        ("8000-8002:80", [port_request(80, 8000, 8001, 8002)]),
        ("8000-8001:80-81", [port_request(80, 8000), port_request(81, 8001)]),
        ("80-81", [port_request(80, 0), port_request(81, 0)]),
    ],
)
def test_a_port_is_published_as_docker_reads_it(text: str, expected: list[dict]) -> None:
    assert ports.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            ":",
            "a",
            "80:",
            "80:70000",
            "65536:80",
            "-1:80",
            "80-70",
            "80-",
            "1:2:3:4",
            "[::1]80:80",
        ),
        *("[x]:1:2", "80/", "80/sctp", "1.2.3.4.5:80:80", "80 ", "8000-8002:80-81", "0", "8080:0"),
        *("\uff18\uff10", "\u0663:80"),  # digits, but no ASCII
    ],
)
def test_what_is_no_port_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        ports.parse(text)
    assert "\n" not in str(caught.value)


def test_exposed_ports_are_single_ones() -> None:
    assert ports.parse_exposed("80-82/udp") == ["80/udp", "81/udp", "82/udp"]
    assert list(ports.of_exposed(["53/udp"])) == [port_request(53, 0, protocol="udp")]


def test_a_port_that_is_bound_is_refused_with_who_has_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        with pytest.raises(
            ConflictError, match=rf"Bind for 127\.0\.0\.1:{port} failed: .* allocated by \S+ \(pid \d+\)"
        ):
            ports.reserve([port_request(80, port, ip="127.0.0.1")], [], v6=False)  # type: ignore[list-item]


def test_a_failure_gives_back_the_ports_before_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        taken = sock.getsockname()[1]
        free = ports.bound("tcp", "127.0.0.1", 0)
        number = free.getsockname()[1]
        free.close()
        requests = [port_request(80, number, ip="127.0.0.1"), port_request(81, taken, ip="127.0.0.1")]
        with pytest.raises(ConflictError):
            ports.reserve(requests, [], v6=False)  # type: ignore[arg-type]
        ports.bound("tcp", "127.0.0.1", number).close()


def test_one_port_is_taken_of_both_families() -> None:
    made = ports.reserve([port_request(80, 0)], [], v6=True)  # type: ignore[list-item]
    try:
        assert [port["host_ip"] for port in made.ports] == ["0.0.0.0", "::"]
        assert len({port["host_port"] for port in made.ports}) == 1
    finally:
        made.close()


def test_who_connects_before_the_rules_are_there_is_refused() -> None:
    made = ports.reserve([port_request(80, 0, ip="127.0.0.1")], [], v6=False)  # type: ignore[list-item]
    try:
        with socket.create_connection(made.sockets[0].getsockname(), timeout=5) as client:
            made.refuse_early()
            with pytest.raises(ConnectionResetError):
                client.recv(1)
    finally:
        made.close()
