"""--mount=type=ssh: a RUN may ask an ssh-agent to sign, and has no key.

    program in the RUN ── socket in the container ── relay, here ── the person's agent, or one of our own

The socket is our own, with the owner and mode that the mount asks for: the agent itself answers root and its owner
alone, and root is who we are.  What the program says is looked at: it may list keys and have something signed; to add
a key, remove one or lock the agent is refused, as BuildKit does.  For keys given as files an agent is started that
ends with us.

See      draft-miller-ssh-agent 3 (a message is its length, its number, its content); ssh-agent(1)
By hand  SSH_AUTH_SOCK=/run/buildkit/ssh_agent.0 ssh-add -l
"""

from __future__ import annotations

import os
import select
import socket
import time

from minirun.engine.shim import loop
from minirun.errors import MinirunError
from minirun.linux import programs, syscalls
from minirun.runtime import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST_IDENTITIES, SIGN_REQUEST, EXTENSION = 11, 13, 27
_ALLOWED = (REQUEST_IDENTITIES, SIGN_REQUEST, EXTENSION)
_FAILURE = b"\0\0\0\1\5"
_LONGEST = 1 << 18  # bytes of a message: OpenSSH's own limit
_SECONDS_TO_START = 5.0


class Relay(loop.Part):
    """The socket in the container: each connection leads to the agent that listens at `agent`."""

    def __init__(self, path: str, agent: str, parts: list[loop.Part]) -> None:
        self.agent, self.parts = agent, parts
        self.listener = socket.socket(socket.AF_UNIX)
        with _short(path) as name:
            self.listener.bind(name)
        self.listener.listen()

    def interests(self) -> Iterator[tuple[int, int]]:
        yield self.listener.fileno(), select.POLLIN

    def ready(self, fd: int, events: int) -> None:
        client, _ = self.listener.accept()
        agent = socket.socket(socket.AF_UNIX)
        try:
            with _short(self.agent) as name:
                agent.connect(name)
        except OSError:
            client.close()
            agent.close()
            return
        self.parts.append(Conversation(client, agent, self.parts))


class Conversation(loop.Part):
    """One connection: the client's messages that are allowed, and all the agent's answers."""

    def __init__(self, client: socket.socket, agent: socket.socket, parts: list[loop.Part]) -> None:
        self.client, self.agent, self.parts = client, agent, parts
        self.received = b""

    def interests(self) -> Iterator[tuple[int, int]]:
        yield self.client.fileno(), select.POLLIN
        yield self.agent.fileno(), select.POLLIN

    def ready(self, fd: int, events: int) -> None:
        try:
            if fd == self.client.fileno():
                self._from_client(self.client.recv(_LONGEST))
            elif data := self.agent.recv(_LONGEST):
                self.client.sendall(data)
            else:
                self.close()
        except OSError:
            self.close()

    def _from_client(self, data: bytes) -> None:
        self.received += data
        messages, self.received = split(self.received)
        for message in messages:
            if is_allowed(message):
                self.agent.sendall(message)
            else:
                self.client.sendall(_FAILURE)
        if not data or len(self.received) > _LONGEST:
            self.close()

    def close(self) -> None:
        if self in self.parts:
            self.parts.remove(self)
        self.client.close()
        self.agent.close()


def split(received: bytes) -> tuple[list[bytes], bytes]:
    """The whole messages, each with its length in front, and the rest.

    >>> split(bytes([0, 0, 0, 1, 11, 0, 0]))
    ([b'\\x00\\x00\\x00\\x01\\x0b'], b'\\x00\\x00')
    """
    messages = []
    while len(received) >= 4:
        end = 4 + int.from_bytes(received[:4], "big")
        if len(received) < end:
            break
        messages.append(received[:end])
        received = received[end:]
    return messages, received


def is_allowed(message: bytes) -> bool:
    return message[4:5] != b"" and message[4] in _ALLOWED


class _short:
    """A name for `path` that fits into a socket's address, 107 bytes (unix(7)), for other processes, too."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> str:
        self.fd = os.open(os.path.dirname(self.path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/{os.getpid()}/fd/{self.fd}/{os.path.basename(self.path)}"

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)


# ---- keys in files ------------------------------------------------------------------------------------------------


def start(keys: list[str], place: str) -> int:
    """An agent of our own with these keys that listens at `place`; returns its pid.

    Raises UnsupportedError without OpenSSH, MinirunError for a bad key.
    """
    instead = "name the socket of an agent that runs, as in --ssh default"
    agent, add = programs.find("ssh-agent", instead), programs.find("ssh-add", instead)
    with _short(place) as name:
        parent = os.getpid()
        pid = process.fork(lambda: _become_agent(agent, name, parent))
        try:
            deadline = time.monotonic() + _SECONDS_TO_START
            while not os.path.exists(place):
                if process.reap(pid) is not None or time.monotonic() > deadline:
                    raise MinirunError("ssh-agent did not start", "ssh-agent -D tells why")
                time.sleep(0.002)
            _add(add, keys, name)
        except BaseException:
            process.kill_and_wait(pid)
            raise
    return pid


def _add(program: str, keys: list[str], name: str) -> None:
    """Hand it the keys.  Nobody is asked for a passphrase."""
    variables = {"SSH_AUTH_SOCK": name, "SSH_ASKPASS": "/bin/false", "SSH_ASKPASS_REQUIRE": "force"}
    os.environ.update(variables)  # this process is one RUN's, and has no other use for them
    added = programs.wait(programs.start(program, ["ssh-add", "-q", *keys]))
    if added.code:
        hint = "a key with a passphrase: ssh-add it to your own agent, and --ssh default"
        raise MinirunError(f"--ssh {','.join(keys)}: ssh-add: {added.reason}", hint)


def _become_agent(program: str, place: str, parent: int) -> int:
    """It ends with us.  Without new privileges, for the signal would be cleared with them: prctl(2)."""
    process.die_with(parent, why="no agent without its RUN")
    syscalls.set_no_new_privs(why="the set-group-ID bit of ssh-agent would clear that")
    null = os.open("/dev/null", os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    os.execve(program, ["ssh-agent", "-D", "-a", place], {})
    return 127
