"""A running container's endpoints, as libnetwork calls its places on networks: it joins a network, and leaves one.

Hold `locked` meanwhile.  A join or leave that was killed is completed by network_repair.py.

See      network/bridge.py, which makes and takes away what belongs to an endpoint
By hand  minirun network connect NETWORK CONTAINER
"""

from __future__ import annotations

import contextlib

from minirun import files
from minirun.engine import control, etc, nameservers, records, sandbox
from minirun.errors import MinirunError
from minirun.network import bridge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.engine.record_types import Record
    from minirun.network.ledger import Attachment, Endpoint, Network
    from minirun.paths import Paths


def locked(paths: Paths, record: Record) -> files.locked:
    """Nobody else changes this container's networks meanwhile; the kernel lets go when we are killed."""
    return files.locked(f"{paths.container(record['id'])}/networks.lock")


def join(paths: Paths, record: Record, attachment: Attachment) -> None:
    """Make the endpoint of a container that runs; its record has the attachment already."""
    own = sandbox.endpoints_of(paths, record["id"])
    described = sandbox.describe(paths, record, held=control.request(paths, record, "ports"))
    described.pop("gateway", None)  # it keeps the way out that it has, until it starts anew
    try:
        bridge.connect(paths, described, attachment, _netns(record), nameservers.starter())
    except BaseException:
        with contextlib.suppress(MinirunError, OSError):  # then its entry stays, and the next command does it
            bridge.disconnect(paths, record["id"], attachment["network"], _netns(record))
        raise
    _rewrite_etc(paths, record, own)


def leave(paths: Paths, record: Record, name: str) -> None:
    """The opposite, of the network of this name."""
    own = sandbox.endpoints_of(paths, record["id"])
    bridge.disconnect(paths, record["id"], name, _netns(record))
    _rewrite_etc(paths, record, own)


def rename(paths: Paths, record: Record, name: str) -> None:
    """Its neighbours find it by its new name."""
    if records.is_up(record) and sandbox.has_own(record):
        bridge.rename(paths, record["id"], name)


def _netns(record: Record) -> str:
    return f"/proc/{record['state']['pid']}/ns/net"


def _rewrite_etc(paths: Paths, record: Record, before: list[tuple[Network, Endpoint]]) -> None:
    """The container's /etc/hosts and resolv.conf follow."""
    etc.rewrite(paths.container(record["id"]), record, before, sandbox.endpoints_of(paths, record["id"]))
