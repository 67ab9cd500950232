"""A container that runs while a test looks at it from outside."""

import json
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.support import Minirun, Result

T = TypeVar("T")


@dataclass(frozen=True)
class Container:
    """A detached container: its id, and the pid of its first process as the host counts."""

    minirun: Minirun
    id: str
    pid: int

    def exec(self, *words: str) -> Result:
        """`minirun exec ID WORDS...`; options go first, as on the command line."""
        options = [word for word in words[:1] if word.startswith("-")]
        return self.minirun("exec", *options, self.id, *words[len(options) :])

    def inspect(self, template: str) -> str:
        return self.minirun("inspect", "-f", template, self.id, check=True).stdout.rstrip("\n")

    def logs(self) -> Result:
        return self.minirun("logs", self.id, check=True)

    def proc(self, name: str) -> Path:
        return Path(f"/proc/{self.pid}/{name}")

    def status(self, field: str) -> str:
        return process_status(self.pid, field)


def start(minirun: Minirun, *words: str | Path, network: str = "none") -> Container:
    """`minirun run -d WORDS...`, which has to work."""
    id = minirun("run", "-d", "--network", network, *words, check=True).stdout.strip()
    pid = minirun("inspect", "-f", "{{.State.Pid}}", id, check=True).stdout
    return Container(minirun, id, int(pid))


def process_status(pid: int | str, field: str) -> str:
    """A line of /proc/PID/status, without its name: proc_pid_status(5)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{field}:"))


def mounts_of(pid: int | str) -> dict[str, tuple[str, set[str]]]:
    """{mount point: (type, options)} as process `pid` sees them; the topmost where several are stacked."""
    found = {}
    for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
        left, right = line.split(" - ")
        found[left.split()[4]] = (right.split()[0], set(left.split()[5].split(",")))
    return found


def eventually(look: Callable[[], T], seconds: float = 10) -> T:
    """Looks again and again until it finds something true, and returns that."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)
    return found


def http_get(address: str, path: str = "/") -> str:
    """The answer of a container to GET over HTTP/1.0; "" when nobody listens.

    Never over another link than a bridge of ours: when the container has gone, its address leads to somebody else.
    """
    route = subprocess.run(["ip", "-j", "route", "get", address], check=True, capture_output=True)
    link = json.loads(route.stdout)[0]
    if "gateway" in link:
        return ""
    with socket.socket() as sock:
        sock.settimeout(5)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link["dev"].encode())
        try:
            sock.connect((address, 80))
            sock.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            return b"".join(iter(lambda: sock.recv(4096), b"")).decode()
        except OSError:
            return ""
