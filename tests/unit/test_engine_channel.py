"""Messages between a shim and its clients."""

import os

import pytest

from minirun import errors
from minirun.engine import channel


@pytest.fixture
def ends():
    ours, theirs = channel.pair()
    with ours, theirs:
        yield ours, theirs


def test_messages_stay_whole_and_in_order(ends):
    ours, theirs = ends
    channel.send(ours, channel.STDOUT, b"x" * 60000)
    channel.send(ours, channel.STDIN_END)
    channel.send_json(ours, channel.RESIZE, [24, 80])
    assert channel.receive(theirs) == (channel.STDOUT, b"x" * 60000)
    assert channel.receive(theirs) == (channel.STDIN_END, b"")
    assert channel.receive(theirs) == (channel.RESIZE, b"[24, 80]")


def test_the_largest_message_fits(ends):
    ours, theirs = ends
    channel.send(ours, channel.STDOUT, b"x" * channel.LARGEST)
    assert len(channel.receive(theirs)[1]) == channel.LARGEST


@pytest.mark.parametrize("size", [channel.LARGEST + 1, 70_000, 500_000, 8_000_000])
def test_one_of_any_size_arrives_whole_with_its_descriptors(ends, size):
    ours, theirs = ends
    before = len(os.listdir("/proc/self/fd"))
    words = "x" * size
    with open(os.devnull, "rb") as null:
        channel.send_descriptors(ours, channel.EXEC, words, [null.fileno()] * 3)
    channel.send(ours, channel.STDIN_END)
    kind, content, descriptors = channel.receive_descriptors(theirs)
    assert (kind, channel.value(content)) == (channel.EXEC, words)
    assert [os.readlink(f"/proc/self/fd/{fd}") for fd in descriptors] == [os.devnull] * 3
    for fd in descriptors:
        os.close(fd)
    assert channel.receive(theirs) == (channel.STDIN_END, b"")
    assert len(os.listdir("/proc/self/fd")) == before


def test_one_that_is_cut_is_refused_and_the_next_is_read(ends):
    ours, theirs = ends
    ours.send(b"c" + b"x" * (channel.LARGEST + 1))  # as a minirun from before would
    channel.send(ours, channel.STDIN_END)
    with pytest.raises(errors.MinirunError, match="a message of more than 65536 bytes"):
        channel.receive(theirs)
    assert channel.receive(theirs) == (channel.STDIN_END, b"")


def test_one_whose_memory_is_none_leaves_no_descriptor(ends):
    ours, theirs = ends
    reader, writer = os.pipe()
    before = len(os.listdir("/proc/self/fd"))
    channel._post(ours, channel.IN_MEMORY, [reader, writer])
    with pytest.raises(OSError, match="Illegal seek"):
        channel.receive_descriptors(theirs)
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(reader)
    os.close(writer)


def test_a_peer_that_has_gone_is_no_error(ends):
    ours, theirs = ends
    theirs.close()
    channel.send(ours, channel.STDOUT, b"x")
    assert channel.receive(ours) == (b"", b"")


@pytest.mark.parametrize(
    "error",
    [
        errors.ProgramNotFound("a"),
        errors.ConflictError("b", "hint"),
        errors.MinirunError("c"),
        errors.UsageError("d"),
    ],
)
def test_an_error_arrives_as_what_it_was(error):
    import json

    text = json.dumps([type(error).__name__, error.message, error.hint, "a step"]).encode()
    arrived = channel.error(text)
    assert (type(arrived), arrived.message, arrived.hint, arrived.step) == (
        type(error),
        error.message,
        error.hint,
        "a step",
    )


@pytest.mark.parametrize("receive", [channel.receive, channel.receive_descriptors])
def test_what_a_peer_says_last_is_heard_although_it_left_input_unread(ends, receive):
    ours, theirs = ends
    channel.send(ours, channel.STDIN, b"nobody reads this")
    channel.send(theirs, channel.EXITED, b"{}")
    theirs.close()
    assert receive(ours)[:2] == (channel.EXITED, b"{}")
    assert receive(ours)[:2] == (b"", b"")


def test_a_socket_may_have_a_very_long_path(tmp_path):
    directory = tmp_path / ("d" * 100) / ("e" * 100)
    directory.mkdir(parents=True)
    path = str(directory / "shim.sock")
    with channel.listen(path) as listener:
        assert (directory / "shim.sock").stat().st_mode & 0o777 in (0o600, 0o700)
        client = channel.connect(path)
        with client, listener.accept()[0] as accepted:
            channel.send(client, channel.SIGNAL, b"15")
            assert channel.receive(accepted) == (channel.SIGNAL, b"15")
    assert channel.connect(path) is None
    assert channel.connect(str(tmp_path / "nosuch")) is None


def test_an_exit_shows_itself():
    told = channel.Exit(b'{"code": 137, "oom": true, "last": false}')
    assert repr(told) == "Exit(code=137, oom=True, last=False, trouble='')"
