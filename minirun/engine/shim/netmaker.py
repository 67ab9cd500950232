"""The process that makes one container's network, beside the shim, which mounts the overlay meanwhile.

Pyroute2, by which it makes links (network/links.py), is heavy: it lives and dies here and never gets into the shim,
which imports no more than it takes to give a network back (cleanup.load_for).  And the import takes time, 20 ms, so the
process is forked before it is known whether it is needed, and imports while the command line is still being read.

Next     network/bridge.py
"""

from __future__ import annotations

import os

from minirun import jsontext
from minirun.engine import channel, nameservers, sandbox
from minirun.errors import MinirunError, sentence
from minirun.linux import signals, trace
from minirun.linux.constants import CLONE_NEWNS
from minirun.paths import Paths
from minirun.runtime import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

    from minirun.engine.record_types import Record
    from minirun.network.ledger import Port


def ahead() -> Maker | None:
    """A maker before it is known whether there is anything to make; None where no more processes are to be had."""
    try:
        return Maker(home=-1)
    except MinirunError:
        return None


class Maker:
    """One such process.

    `home` is a descriptor of the host's mount namespace; -1: it is forked before the shim has left that, and joins
    the shim later.
    """

    def __init__(self, home: int) -> None:
        self.sock, theirs = channel.pair()
        try:
            self.pid = process.fork(lambda: _child(self.sock, theirs, home))
        finally:
            theirs.close()

    def order(self, paths: Paths, record: Record, held: list[Port]) -> None:
        """Begin with it: the networks of `record`, whose ports of the host are `held`."""
        order = {
            "root": paths.root,
            "state": paths.state,
            "sandbox": sandbox.describe(paths, record, held),
            "attachments": record["attachments"],
            "namespace": sandbox.namespace(paths, record),
        }
        channel.send_json(self.sock, channel.ORDER, order)

    def finish(self) -> None:
        """Wait until it is made.  Raises MinirunError, or Cancelled."""
        _, content = channel.receive(self.sock)
        self.sock.close()
        os.waitpid(self.pid, 0)
        answer = jsontext.loads(content or b'{"error": "the process that makes the network died"}')
        if "cancelled" in answer:
            raise trace.Cancelled(answer["cancelled"])
        if "error" in answer:
            raise MinirunError(answer["error"], answer.get("hint", ""))

    def dismiss(self) -> None:
        """It is not needed after all."""
        self.sock.close()
        os.kill(self.pid, signals.SIGKILL)
        os.waitpid(self.pid, 0)


def _child(theirs: socket.socket, sock: socket.socket, home: int) -> int:
    theirs.close()
    from minirun.network import bridge, links  # noqa: F401  (links is what takes time; bridge wants it later)

    kind, content = channel.receive(sock)
    if kind == channel.ORDER:
        channel.send_json(sock, channel.ORDER, _make(jsontext.loads(content), home))
    return 0


def _make(order: dict[str, Any], home: int) -> dict[str, object]:
    from minirun.network import bridge

    try:
        if home < 0:
            home = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
            process.join_namespace(
                f"/proc/{os.getppid()}/ns/mnt", CLONE_NEWNS, why="what is mounted here is the shim's"
            )
        paths = Paths(order["root"], order["state"])
        serve = nameservers.starter(home)
        bridge.attach(paths, order["sandbox"], order["attachments"], order["namespace"], serve)
        return {}
    except trace.Cancelled as error:
        return {"cancelled": str(error)}
    except (MinirunError, OSError) as error:
        return {"error": sentence(error), "hint": getattr(error, "hint", "")}
    except (
        Exception
    ) as error:  # a page of the ledger that is not as it should be: whoever waits is to hear of that
        hint = f"`minirun doctor` looks at the networks, which are in {order['root']}/networks"
        return {"error": f"the network cannot be made: {sentence(error)}", "hint": hint}
