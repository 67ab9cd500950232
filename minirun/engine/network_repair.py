"""Networks again as ledger and records say: what was killed or failed half-way is completed by the next command.

Two things are written down.  The container's record has the networks it wants, also for the next time it starts.  The
ledger (network/ledger.py) has what is.  `connect` and `disconnect` change the record first, so where the two differ,
the record is right.

See      networks.py; network/bridge.py `repair`
By hand  minirun network map shows what does not agree
"""

from __future__ import annotations

import contextlib
import os

from minirun.engine import records, sandbox
from minirun.errors import MinirunError, NotFoundError
from minirun.network import ledger, nameserver_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.engine.record_types import Record
    from minirun.network.ledger import Network
    from minirun.paths import Paths


def repair_names(paths: Paths) -> None:
    """Begin name servers that were killed."""
    if any(_lacks_name_server(paths, network) for network in ledger.list_all(paths)):
        with contextlib.suppress(MinirunError, OSError):  # the next one tries again
            _repair_bridges(paths)


def repair_for(paths: Paths, found: list[Record]) -> None:
    """`repair`, if the ledger does not agree with these records, which are all there are: a look that costs little."""
    ledgered = ledger.list_all(paths)
    up = {record["id"]: record for record in found if records.is_up(record)}
    lost = any(_differs(ledgered, record) for record in up.values() if sandbox.has_own(record))
    if lost or any(_lacks_name_server(paths, network) or _has_dead(network, up) for network in ledgered):
        with contextlib.suppress(MinirunError, OSError):  # the next one tries again
            repair(paths)


def _lacks_name_server(paths: Paths, network: Network) -> bool:
    """Whether it should have a name server and has not."""
    return bool(network["endpoints"] and network["dns_port"]) and not nameserver_process.is_running(
        paths, network
    )


def _has_dead(network: Network, up: dict[str, Record]) -> bool:
    return any(
        holder not in up and not ledger.is_alive(endpoint)
        for holder, endpoint in network["endpoints"].items()
    )


def repair(paths: Paths) -> None:
    """Complete what was killed or failed: name servers, a connect or disconnect of a container that runs, the end of
    one that does not."""
    if not os.path.isdir(paths.networks):
        return
    _repair_bridges(paths)
    ledgered = ledger.list_all(paths)
    for record in records.list_all(paths):
        if records.is_up(record) and sandbox.has_own(record) and _differs(ledgered, record):
            _reconcile(paths, record)


def _repair_bridges(paths: Paths) -> None:
    # here, not above: nearly every command looks, and few have to load all that changes a network
    from minirun.engine import nameservers
    from minirun.network import bridge

    bridge.repair(paths, nameservers.starter())


def _differs(ledgered: list[Network], record: Record) -> bool:
    own = {
        network["name"]: endpoint["joining"]
        for network, endpoint in ledger.endpoints_of(ledgered, record["id"])
    }
    return set(own) != {attachment["network"] for attachment in record["attachments"]} or any(own.values())


def _reconcile(paths: Paths, record: Record) -> None:
    from minirun.engine import endpoints  # as in _repair_bridges

    # suppressed: it may end at this moment
    with endpoints.locked(paths, record), contextlib.suppress(MinirunError, OSError):
        record = records.read(paths, record["id"])
        if not records.is_up(record) or not records.has_shim(paths, record["id"]):
            return
        done = {network["name"]: endpoint for network, endpoint in sandbox.endpoints_of(paths, record["id"])}
        names = {attachment["network"] for attachment in record["attachments"]}
        for name in done:
            if name not in names:
                endpoints.leave(paths, record, name)
        for attachment in record["attachments"]:
            if attachment["network"] not in done or done[attachment["network"]]["joining"]:
                with contextlib.suppress(NotFoundError):
                    endpoints.join(paths, record, attachment)
