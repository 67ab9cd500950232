"""Messages that make no sense, from somebody who may speak with the shim: told so, and the container lives on."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from minirun.engine import channel
from tests.containers import Container

Start = Callable[..., Container]

DEEP = b"[" * 30000
FRAMES = [
    b"q", b"q5", b"q[]", b"q{}", b"qnull", b"q" + DEEP, b"q\xff", b"q" + b'{"a":' * 9000,
    b'q{"do": 5}', b'q{"do": []}', b'q{"do": "stop"}', b'q{"do": "signal", "number": "x"}',
    b'q{"do": "signal", "number": 99999}', b'q{"do": "resize", "rows": "x", "columns": 1}',
    b'q{"do": "change", "fields": 5}', b'q{"do": "change", "fields": {"state": 5}}',
    b'q{"do": "change", "fields": {"name": 5}}', b'q{"do": "change", "fields": {"restart": []}}',
    b"c", b"c5", b"c{}", b'c{"args": 5}', b'c{"args": []}', b'c{"args": ["a\\u0000"], "tty": false}',
    b'c{"args": ["true"], "tty": true, "rows": "x", "columns": []}',
    b'c{"args": [5], "tty": false, "interactive": true, "detach": true}',
    b'c{"args": ["true"], "env": ["novalue"], "tty": false, "interactive": false, "detach": true}',
    b"a", b"a5", b"a[[]]", b'a{"a": []}', b"k", b"kx", b"k{}", b"w", b"w5", b'w["x", 1]', b"w[1]", b"i",
    b"e", b"Z", b"\0",
]  # fmt: skip


def connect(container: Container) -> socket.socket:
    sock = channel.connect(f"{container.minirun.state}/{container.id}/shim.sock")
    assert sock
    sock.settimeout(20)
    return sock


def works(container: Container) -> bool:
    return container.exec("true").code == 0 and container.inspect("{{.State.Status}}") == "running"


@pytest.mark.parametrize("terminal", [(), ("-t",)], ids=["pipes", "terminal"])
def test_no_frame_ends_the_shim(start: Start, terminal: tuple[str, ...]) -> None:
    container = start(*terminal, "busybox", "sleep", "1000")
    for frame in FRAMES:
        with connect(container) as sock:
            channel.send(sock, b"a", b'["stdout"]')  # whoever is attached may say more
            channel.send(sock, frame[:1], frame[1:])
        assert container.proc("status").exists(), frame
    assert works(container)


def test_whoever_sent_it_is_told(start: Start) -> None:
    container = start("busybox", "sleep", "1000")
    with connect(container) as sock:
        channel.send(sock, b"q", b'{"do": "resize", "rows": "x"}')
        assert channel.receive(sock)[0] == channel.FAILED


def test_no_frame_ends_it_in_a_session(start: Start) -> None:
    container = start("busybox", "sleep", "1000")
    wish = {
        "args": ["sleep", "1000"],
        "tty": True,
        "interactive": True,
        "detach": False,
        "rows": 1,
        "columns": 1,
    }
    for frame in FRAMES:
        if frame[:1] == b"k":
            continue
        with connect(container) as sock:
            channel.send_json(sock, channel.EXEC, wish)
            assert channel.receive(sock)[0] == channel.RUNNING
            channel.send(sock, frame[:1], frame[1:])
    assert works(container)


def test_descriptors_that_are_sent_in_a_session_are_closed(start: Start) -> None:
    container = start("busybox", "sleep", "1000")
    shim = Path(f"/proc/{container.status('PPid')}/fd")
    wish = {"args": ["sleep", "1000"], "tty": False, "interactive": True, "detach": False}
    with connect(container) as sock:
        channel.send_json(sock, channel.EXEC, wish)
        assert channel.receive(sock)[0] == channel.RUNNING
        before = len(list(shim.iterdir()))
        reader, writer = os.pipe()
        for _ in range(20):
            channel.send_descriptors(sock, channel.RESIZE, [1, 1], [reader, writer, writer])
        assert works(container)  # it has heard them by then
        assert len(list(shim.iterdir())) <= before
        os.close(reader)
        os.close(writer)
