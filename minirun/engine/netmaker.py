"""The process that makes one container's network, beside the shim, which mounts the overlay meanwhile.

What it imports is heavy, so it lives and dies here and never gets into the shim.  And it takes time, 20 ms, so the
process is forked before it is known whether it is needed, and imports while the command line is still being read.

Next     network/bridge.py
"""

from __future__ import annotations

import os

from minirun import jsontext
from minirun.engine import channel
from minirun.errors import MinirunError
from minirun.linux import signals, trace
from minirun.linux.constants import CLONE_NEWNS
from minirun.paths import Paths
from minirun.runtime import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

    from minirun.engine.record_types import Record


class Maker:
    """One such process.  `ahead`: forked before the shim has a mount namespace of its own, which it joins later."""

    def __init__(self, *, ahead: bool) -> None:
        self.sock, theirs = channel.pair()
        self.pid = process.fork(lambda: _child(self.sock, theirs, ahead))
        theirs.close()

    def order(self, paths: Paths, record: Record, namespace: str) -> None:
        """Begin with it: the network of `record`, its namespace pinned at the path `namespace`."""
        order = {"root": paths.root, "state": paths.state, "id": record["id"], "hostname": record["hostname"]}
        channel.send_json(self.sock, channel.ORDER, {**order, "namespace": namespace})

    def finish(self) -> Any:
        """Wait until it is made; returns the endpoint.  Raises MinirunError, or Cancelled."""
        _, content = channel.receive(self.sock)
        self.sock.close()
        os.waitpid(self.pid, 0)
        answer = jsontext.loads(content or b'{"error": "the process that makes the network died"}')
        if "cancelled" in answer:
            raise trace.Cancelled(answer["cancelled"])
        if "error" in answer:
            raise MinirunError(answer["error"], answer.get("hint", ""))
        return answer["endpoint"]

    def dismiss(self) -> None:
        """It is not needed after all."""
        self.sock.close()
        os.kill(self.pid, signals.SIGKILL)
        os.waitpid(self.pid, 0)


def _child(theirs: socket.socket, sock: socket.socket, ahead: bool) -> int:
    theirs.close()
    from minirun.network import bridge, links  # noqa: F401  (links is what takes time; bridge wants it later)

    kind, content = channel.receive(sock)
    if kind == channel.ORDER:
        channel.send_json(sock, channel.ORDER, _make(jsontext.loads(content), ahead))
    return 0


def _make(order: dict[str, str], ahead: bool) -> dict[str, object]:
    from minirun.network import bridge

    try:
        if ahead:
            process.join(
                f"/proc/{os.getppid()}/ns/mnt", CLONE_NEWNS, why="what is mounted here is the shim's"
            )
        paths = Paths(order["root"], order["state"])
        return {"endpoint": bridge.attach(paths, order["id"], order["namespace"], order["hostname"])}
    except (MinirunError, OSError) as error:
        return {"error": str(error), "hint": getattr(error, "hint", "")}
    except trace.Cancelled as error:
        return {"cancelled": str(error)}
