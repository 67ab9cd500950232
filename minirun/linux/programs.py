"""Programs of this host that we run, nft(8) and ip(8) among them: found, begun, waited for.

What a program reads and prints lies in files without a name (memfd_create(2)) and not in pipes: nobody has to read one
end while the other is written, and a long answer is no different from a short one.

os.posix_spawn rather than subprocess: importing that takes longer than nft does (5 ms).

Not here: the programs of containers (runtime/init.py), and processes of our own (runtime/process.py).

See      posix_spawn(3), memfd_create(2)
By hand  command -v nft; dpkg -S "$(command -v nft)"
"""

from __future__ import annotations

import os

from minirun.errors import UnsupportedError, none_left
from minirun.linux import trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGES = {  # which of Debian's has it
    "bridge": "iproute2",
    "firewall-cmd": "firewalld",
    "git": "git",
    "ip": "iproute2",
    "ip6tables": "iptables",
    "ip6tables-restore": "iptables",
    "iptables": "iptables",
    "iptables-restore": "iptables",
    "nft": "nftables",
    "ps": "procps",
    "ss": "iproute2",
    "ssh-add": "openssh-client",
    "ssh-agent": "openssh-client",
    "systemctl": "systemd",
}
_ROOTS_PATH = ("/usr/sbin", "/sbin")  # sudo and cron may leave them out of PATH


class Running:
    """A program that has begun: hand it to `wait`."""

    def __init__(self, pid: int, output: int, errors: int) -> None:
        self.pid = pid
        self.output = output  # descriptors
        self.errors = errors


class Result:
    """What has become of a program."""

    def __init__(self, code: int, output: str, errors: str) -> None:
        self.code = code  # its exit code; of one that a signal has ended, less than 0
        self.output = output
        self.errors = errors

    @property
    def reason(self) -> str:
        """Why it has failed, in its own first words.

        >>> Result(1, "", "Error: syntax error\\nsecond line").reason
        'Error: syntax error'
        >>> Result(3, "", "").reason
        'ended with status 3'
        """
        words = (self.errors.strip() or self.output.strip()).splitlines()
        return words[0] if words else f"ended with status {self.code}"


def find(name: str, instead: str = "") -> str:
    """The path of a program that root can run.

    Raises UnsupportedError, whose hint says what to install, and what can be done `instead`.
    """
    for directory in (*os.environ.get("PATH", "").split(":"), *_ROOTS_PATH):
        path = f"{directory}/{name}"
        if directory and os.access(path, os.X_OK):
            return path
    hint = f"apt-get install {PACKAGES[name]}" if name in PACKAGES else ""
    raise UnsupportedError(f"{name} is not installed", ", or ".join(filter(None, (hint, instead))))


def run(
    words: Sequence[str], text: str = "", *, act: str = "", shown: Sequence[str] = (), why: str = ""
) -> Result:
    """Run the program `words[0]` on the input `text` to its end.

    `act` is for one that changes kernel state: the trace announces it as that, with `shown` as its arguments and with
    its `why`.  Raises UnsupportedError when it is not installed.
    """
    if act:
        announce(act, shown, why)
    return wait(start(find(words[0]), words, text))


def announce(act: str, shown: Sequence[str], why: str) -> None:
    """Tell the trace of a program that is about to change kernel state, and let it fail here when that is asked for."""
    trace.announce(act, list(shown), why)
    trace.before(act)


def start(path: str, words: Sequence[str], text: str = "", *, lock: int = -1) -> Running:
    """Begin the program at `path`, and return at once.

    It inherits the descriptor `lock`, if one is given, as its descriptor 3.  Raises MinirunError when there are no more
    processes.
    """
    made: list[int] = []
    try:
        made += (_file("stdin"), _file("stdout"), _file("stderr"))
        os.write(made[0], text.encode())
        os.lseek(made[0], 0, os.SEEK_SET)
        inherited = [*made, *([lock] if lock >= 0 else [])]
        actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(inherited)]
        pid = os.posix_spawn(path, list(words), os.environ, file_actions=actions)
    except BaseException as error:
        for fd in made:
            os.close(fd)
        raise (none_left("processes") if isinstance(error, BlockingIOError) else error) from None
    os.close(made[0])
    return Running(pid, *made[1:])


def wait(running: Running) -> Result:
    """Wait for its end."""
    _, status = os.waitpid(running.pid, 0)
    return Result(os.waitstatus_to_exitcode(status), _content(running.output), _content(running.errors))


def _file(name: str) -> int:
    return os.memfd_create(name, os.MFD_CLOEXEC)


def _content(fd: int) -> str:
    """All that is in a file without a name, which is closed."""
    os.lseek(fd, 0, os.SEEK_SET)
    with open(fd, encoding="utf-8", errors="replace") as file:
        return file.read()
