"""`--link` on the default bridge: the variables about the other container, as moby's links.go has them."""

import pytest

from minirun.engine import default_links


def of(exposed, env=()):
    return list(default_links.variables("/app/db", "10.0.0.2", exposed, env))


def test_one_port():
    assert of(["80/tcp"], ["A=b=c", "HOME=/", "PATH=/bin"]) == [
        "DB_PORT=tcp://10.0.0.2:80",
        "DB_PORT_80_TCP=tcp://10.0.0.2:80",
        "DB_PORT_80_TCP_ADDR=10.0.0.2",
        "DB_PORT_80_TCP_PORT=80",
        "DB_PORT_80_TCP_PROTO=tcp",
        "DB_NAME=/app/db",
        "DB_ENV_A=b=c",
    ]


def test_without_a_port_there_is_the_name_alone():
    assert of([]) == ["DB_NAME=/app/db"]


@pytest.mark.parametrize(
    ("exposed", "first"),
    [(["443/tcp", "80/tcp"], "tcp://10.0.0.2:80"), (["53/udp", "9000/tcp"], "udp://10.0.0.2:53"),
     (["53/udp", "53/tcp"], "tcp://10.0.0.2:53")],
)  # fmt: skip
def test_the_lowest_port_is_the_default(exposed, first):
    assert of(exposed)[0] == f"DB_PORT={first}"


def test_three_in_a_row_are_a_range():
    found = of(["82/tcp", "80/tcp", "81/tcp", "90/tcp"])
    assert found[1:7] == [
        "DB_PORT_80_TCP_START=tcp://10.0.0.2:80",
        "DB_PORT_80_TCP_ADDR=10.0.0.2",
        "DB_PORT_80_TCP_PROTO=tcp",
        "DB_PORT_80_TCP_PORT_START=80",
        "DB_PORT_80_TCP_END=tcp://10.0.0.2:82",
        "DB_PORT_80_TCP_PORT_END=82",
    ]
    assert not [entry for entry in of(["80/tcp", "81/tcp"]) if "_START" in entry]
