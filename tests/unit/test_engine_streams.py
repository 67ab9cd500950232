"""Between a program and those attached to it: who waits for whom."""

import os
import socket

import pytest

from minirun.engine import channel
from minirun.engine.shim import loop, stdio, streams
from minirun.engine.shim.streams import Client, Input, Streams


@pytest.fixture
def connection():
    ours, theirs = channel.pair()
    with theirs:
        client = Client(ours, lambda *_: None)
        yield client, theirs
        client.close()


@pytest.fixture
def program():
    """(the writing end of its stdout, the reading end of its stdin, its streams)"""
    (stdin, stdout, stderr), outputs, source = stdio.pipes(interactive=True)
    os.close(stderr)
    made = Streams(outputs, source, None)
    yield stdout, stdin, made
    made.close()
    os.close(stdin)


def drain(sock: socket.socket) -> list[tuple[bytes, bytes]]:
    sock.setblocking(False)
    found = []
    while True:
        try:
            found.append(channel.receive(sock))
        except BlockingIOError:
            return found


def fill(client: Client) -> None:
    """Write until the socket takes no more."""
    while not client.waiting:
        client.send(channel.STDOUT, bytes(60000))


def serve(parts: list[loop.Part], seconds: float = 0.05) -> None:
    class Stop(loop.Part):
        over = False

        def deadline(self):
            return at

        def expired(self):
            self.over = True

    import time

    at, stop = time.monotonic() + seconds, Stop()
    loop.serve([*parts, stop], lambda: stop.over)


def test_what_is_printed_reaches_all_who_want_that_stream(program, connection):
    stdout, _, made = program
    client, theirs = connection
    made.attach(client, ["stdout"])
    os.write(stdout, b"hello")
    serve([made])
    assert drain(theirs) == [(channel.STDOUT, b"hello")]


def test_a_stream_that_is_not_wanted_is_not_sent(program, connection):
    stdout, _, made = program
    client, theirs = connection
    made.attach(client, ["stderr"])
    os.write(stdout, b"hello")
    serve([made])
    assert drain(theirs) == []


def test_the_program_waits_for_the_client_that_began_it(program, connection):
    stdout, _, made = program
    client, _ = connection
    made.attach(client, ["stdout"], patient=True)
    fill(client)
    os.write(stdout, b"later")
    serve([made])
    assert os.read(next(iter(made.outputs)), 10) == b"later"  # it is in the pipe still


def test_an_onlooker_who_does_not_read_holds_nobody_up(program, connection):
    stdout, _, made = program
    client, _ = connection
    made.attach(client, ["stdout"])
    fill(client)
    for _ in range(40):
        os.write(stdout, bytes(60000))
        serve([made], 0.005)
    assert client.lost_bytes > 0
    assert client.waiting_bytes < streams.ONLOOKER_BACKLOG + 2 * channel.LARGEST


def test_an_onlooker_is_told_how_much_was_not_shown(connection):
    client, theirs = connection
    client.streams = frozenset(["stdout"])
    fill(client)
    client.waiting_bytes = streams.ONLOOKER_BACKLOG
    client.show("stdout", b"lost")
    client.waiting_bytes = 0
    drain(theirs)
    client.flush()
    assert any(b"4 bytes were not shown" in text for _, text in drain(theirs))


def test_input_that_the_program_does_not_read_waits_and_is_all_there(program):
    _, stdin, made = program
    data = os.urandom(200_000)
    made.receive(channel.STDIN, data)
    found = b""
    while len(found) < len(data):
        found += os.read(stdin, 65536)
        serve([made], 0.002)
    assert found == data


def test_a_client_is_not_listened_to_while_the_program_has_enough(program, connection):
    _, _, made = program
    client, _ = connection
    made.attach(client, [])
    assert list(client.interests())
    made.receive(channel.STDIN, bytes(2 * streams.INPUT_BACKLOG))
    assert not list(client.interests())


@pytest.mark.parametrize(("once", "open_afterwards"), [(True, False), (False, True)])
def test_the_end_of_a_clients_input_is_the_programs_only_if_it_began_it(once, open_afterwards):
    (stdin, stdout, stderr), outputs, source = stdio.pipes(interactive=True)
    made = Streams(outputs, source, None, once=once)
    made.receive(channel.STDIN_END, b"")
    os.set_blocking(stdin, False)
    if open_afterwards:
        with pytest.raises(BlockingIOError):
            os.read(stdin, 1)
    else:
        assert os.read(stdin, 1) == b""
    made.close()
    for fd in (stdin, stdout, stderr):
        os.close(fd)


def test_all_that_is_left_is_taken_at_the_end_and_every_descriptor_closed(program, connection):
    stdout, _, made = program
    client, theirs = connection
    made.attach(client, ["stdout"])
    os.write(stdout, b"last words")
    before = len(os.listdir("/proc/self/fd"))
    made.drain()
    assert drain(theirs) == [(channel.STDOUT, b"last words")]
    assert len(os.listdir("/proc/self/fd")) == before - 3
    assert made.outputs == {}
    assert made.input.fd == -1


@pytest.mark.parametrize("size", [channel.LARGEST, channel.LARGEST + 1, 1 << 20])
def test_an_answer_of_any_size_reaches_the_client_whole(connection, size):
    client, theirs = connection
    client.send(channel.ANSWER, b"x" * size)
    client.send(channel.STDOUT, b"more")
    assert drain(theirs) == [(channel.ANSWER, b"x" * size), (channel.STDOUT, b"more")]
    assert (client.waiting, client.waiting_bytes) == ([], 0)


def test_a_client_that_has_gone_takes_everything(connection):
    client, theirs = connection
    fill(client)
    theirs.close()
    client.flush()
    assert client.waiting == []


def test_no_input_at_all_is_the_end_of_input():
    source = Input(-1, is_terminal=False)
    source.write(b"nobody reads")
    assert source.waiting == b""
