"""The shim and those who talk to it: processes of `exec`, those attached, requests that make no sense."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from minirun import jsontext
from minirun.engine import channel
from tests.containers import Container, eventually
from tests.terminals import Terminal


def shim_of(container) -> int:
    return int(container.proc("stat").read_text().rpartition(")")[2].split()[1])


def children(pid: int) -> set[int]:
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def descriptors(pid: int) -> list[str]:
    """What a process has open, without what is counted in names: pipes and sockets have numbers."""
    links = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()]
    return sorted(link.partition("[")[0] for link in links)


@pytest.fixture
def sleeper(start):
    return start("busybox", "sleep", "1000")


@pytest.fixture
def connect(minirun):
    """connect(container) -> a connection to its shim, as any client has."""
    opened = []

    def connected(container):
        sock = channel.connect(f"{minirun.state}/{container.id}/shim.sock")
        sock.settimeout(5)
        opened.append(sock)
        return sock

    yield connected
    for sock in opened:
        sock.close()


def ask(sock: socket.socket, message: bytes) -> tuple[bytes, str]:
    sock.send(message)
    kind, content = channel.receive(sock)
    return kind, content.decode()


def child_names(container) -> list[str]:
    """What the shim's children are called, in order; an exec has its program's name from execve(2) on."""
    names = []
    for pid in children(shim_of(container)):
        with contextlib.suppress(OSError):  # the one that joins the container has just ended
            names.append(Path(f"/proc/{pid}/comm").read_text().strip())
    return sorted(names)


# ---- exec


def test_a_process_of_exec_is_the_shims_child(sleeper, minirun):
    minirun("exec", "-d", sleeper.id, "tail", "-f", "/dev/null", check=True)
    eventually(lambda: child_names(sleeper) == ["sleep", "tail"])


def test_nothing_of_an_exec_stays_in_the_shim_however_it_ends(sleeper, minirun):
    before = descriptors(shim_of(sleeper))
    for words in (["true"], ["false"], ["nosuch"], ["/etc"], ["sh", "-c", "kill -9 $$"]):
        for options in ((), ("-d",), ("-t",), ("-i",)):
            minirun("exec", *options, sleeper.id, *words)
    eventually(lambda: children(shim_of(sleeper)) == {sleeper.pid})
    eventually(lambda: descriptors(shim_of(sleeper)) == before)


def test_an_unknown_user_is_told_and_nothing_stays(sleeper, minirun):
    before = descriptors(shim_of(sleeper))
    result = minirun("exec", "-u", "nobodyknows", sleeper.id, "true")
    assert result.code == 125
    assert "unable to find user nobodyknows" in result.stderr
    eventually(lambda: descriptors(shim_of(sleeper)) == before)


def test_a_person_leaves_an_exec_with_the_keys_and_it_goes_on(sleeper, minirun):
    command = minirun.command("exec", "-it", sleeper.id, "sh", "-c", "echo here; sleep 1000")
    with Terminal(command) as terminal:
        terminal.expect("here")
        terminal.press("\x10\x11")
        terminal.wait()
        assert terminal.is_as_before()
    assert len(children(shim_of(sleeper))) == 2


def test_other_keys_to_leave_can_be_chosen(sleeper, minirun):
    command = minirun.command("exec", "-it", "--detach-keys", "ctrl-a,x", sleeper.id, "cat")
    with Terminal(command) as terminal:
        terminal.press("\x10\x11echo\r")
        terminal.expect("echo")
        terminal.press("\x01x")
        terminal.wait()
    assert len(children(shim_of(sleeper))) == 2


def test_a_program_never_gets_the_terminal_of_the_person(sleeper, minirun):
    script = "for fd in 0 1 2; do readlink /proc/self/fd/$fd; done; tty"
    with Terminal(minirun.command("exec", "-i", sleeper.id, "sh", "-c", script)) as terminal:
        _, seen = terminal.wait()
    assert seen.count("pipe:") == 3
    assert "not a tty" in seen


def test_what_is_typed_reaches_a_program_without_a_terminal(sleeper, minirun):
    with Terminal(minirun.command("exec", "-i", sleeper.id, "head", "-n", "1")) as terminal:
        terminal.press("typed\n")
        terminal.expect("typed")
        terminal.expect("typed")  # the first was the echo
        assert terminal.wait()[0] == 0


def test_an_exec_outlives_the_command_line_that_was_killed(sleeper, minirun):
    process = minirun.spawn("exec", sleeper.id, "sleep", "500", stdin=subprocess.DEVNULL)
    eventually(lambda: child_names(sleeper) == ["sleep", "sleep"])
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert child_names(sleeper) == ["sleep", "sleep"]
    assert sleeper.exec("true").code == 0


# ---- those attached


def test_one_who_does_not_read_costs_the_container_nothing(start, connect):
    container = start("busybox", "sh", "-c", "while :; do head -c 65536 /dev/zero; echo; done")
    sock = connect(container)
    sock.send(channel.ATTACH + b'["stdout", "stderr"]')
    log = Path(container.inspect("{{.LogPath}}"))
    eventually(lambda: log.stat().st_size > 20 << 20, seconds=30)


def test_two_attached_see_the_same(start, connect):
    container = start("-i", "busybox", "cat")
    socks = [connect(container), connect(container)]
    for sock in socks:
        sock.send(channel.ATTACH + b'["stdout"]')
    kind, _ = ask(connect(container), channel.REQUEST + b'{"do": "execs"}')  # the shim has heard both
    assert kind == channel.ANSWER
    socks[0].send(channel.STDIN + b"hello\n")
    assert [channel.receive(sock) for sock in socks] == [(channel.STDOUT, b"hello\n")] * 2


def test_the_input_stays_open_when_one_who_came_later_has_no_more(start, connect):
    container = start("-i", "busybox", "cat")
    sock = connect(container)
    sock.send(channel.ATTACH + b'["stdout"]')
    sock.send(channel.STDIN_END)
    sock.send(channel.STDIN + b"still\n")
    assert channel.receive(sock) == (channel.STDOUT, b"still\n")


def test_whoever_waits_hears_the_end_and_then_that_all_is_put_away(sleeper, connect, minirun):
    sock = connect(sleeper)
    minirun("rm", "-f", sleeper.id, check=True)
    kind, content = channel.receive(sock)
    how = {"code": 137, "oom": False, "last": True, "trouble": ""}
    assert (kind, jsontext.loads(content)) == (channel.EXITED, how)
    assert channel.receive(sock) == (b"", b"")


# ---- those who do not read

FLOOD = "trap 'exit 0' TERM; while :; do head -c 65536 /dev/zero; done"


@pytest.fixture
def flooding(minirun):
    """The name of a container whose program is held up, for nobody reads what the `run` in front of it prints."""
    process = minirun.spawn("run", "--name", "slow", "busybox", "sh", "-c", FLOOD, stdout=subprocess.PIPE)
    eventually(lambda: minirun("ps", "-q").stdout)
    yield "slow"
    process.stdout.close()
    process.wait(10)


@pytest.mark.parametrize("words", [("stop", "-t", "1"), ("kill",), ("rm", "-f"), ("restart", "-t", "1")])
def test_who_began_it_and_does_not_read_keeps_nobody_from_ending_it(minirun, flooding, words):
    began = time.monotonic()
    assert minirun(*words, flooding, check=True).stderr == ""
    assert time.monotonic() - began < 6
    minirun("rm", "-f", flooding)


def flood_unread(container, sock) -> None:
    """Attach without ever reading, and wait until the shim has more for us than it can send."""
    sock.send(channel.ATTACH + b'["stdout"]')
    log = Path(container.inspect("{{.LogPath}}"))
    before = log.stat().st_size
    eventually(lambda: log.stat().st_size > before + (5 << 20), seconds=30)


@pytest.mark.parametrize("words", [("stop", "-t", "1"), ("rm", "-f")])
def test_an_onlooker_who_does_not_read_keeps_nobody_from_ending_it(start, connect, minirun, words):
    container = start("busybox", "sh", "-c", FLOOD)
    flood_unread(container, connect(container))
    began = time.monotonic()
    minirun(*words, container.id, check=True)
    assert time.monotonic() - began < 4


def test_an_onlooker_who_does_not_read_does_not_keep_run_in_front(minirun, connect):
    process = minirun.spawn("run", "--name", "seen", "busybox", "sh", "-c", FLOOD, stdout=subprocess.DEVNULL)
    eventually(lambda: minirun("ps", "-q").stdout)
    container = Container(minirun, minirun("inspect", "-f", "{{.Id}}", "seen").stdout.strip(), 0)
    flood_unread(container, connect(container))
    minirun("kill", "seen", check=True)
    assert process.wait(4) == 137


def test_whoever_has_read_all_is_hung_up_on_and_who_has_not_still_gets_all(start, connect, minirun):
    container = start("busybox", "sh", "-c", FLOOD)
    slow, quick = connect(container), connect(container)
    flood_unread(container, slow)
    minirun("kill", container.id, check=True)
    assert [channel.receive(quick)[0] for _ in range(2)] == [channel.EXITED, b""]
    heard = list(iter(lambda: channel.receive(slow)[0], b""))
    assert heard[0] == channel.STDOUT
    assert channel.EXITED in heard


# ---- requests


@pytest.mark.parametrize(
    "message",
    [
        channel.REQUEST + b"not json",
        channel.REQUEST + b"[]",
        channel.REQUEST + b'{"do": "nonsense"}',
        channel.REQUEST + b'{"do": "signal"}',
        channel.REQUEST + b'{"do": "signal", "number": "x"}',
        channel.REQUEST + b'{"do": "signal", "number": 4000}',
        channel.EXEC + b"{}",
        channel.EXEC + b'{"args": ["true"], "tty": false, "detach": false}',
        channel.ATTACH + b"7",
    ],
)
def test_a_message_that_makes_no_sense_is_refused_and_the_container_goes_on(sleeper, connect, message):
    kind, _ = ask(connect(sleeper), message)
    assert kind == channel.FAILED
    assert sleeper.exec("true").code == 0


def test_unknown_kinds_of_messages_are_passed_over(sleeper, connect):
    sock = connect(sleeper)
    sock.send(b"?")
    sock.send(b"")
    assert sleeper.exec("true").code == 0


def test_only_root_reaches_the_shim(sleeper, minirun):
    socket_file = minirun.state / sleeper.id / "shim.sock"
    assert socket_file.stat().st_mode & 0o077 == 0
    assert socket_file.parent.stat().st_mode & 0o077 == 0
