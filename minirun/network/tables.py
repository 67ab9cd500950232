"""The tables follow the ledger: one transaction for each container that comes or goes.

It says only what is new or old.  Where nft cannot do that, because somebody has flushed or changed the tables, they are
made anew with all that the ledger has.  nft works beside us: what begins here is finished when the links are made.

See      firewall.py for what is said
By hand  nft list ruleset; nft monitor
"""

from __future__ import annotations

from minirun.errors import MinirunError, UnsupportedError
from minirun.network import firewall, foreign_firewalls, ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.network.firewall import Element
    from minirun.network.ledger import Endpoint, Network
    from minirun.paths import Paths


def begin_change(
    paths: Paths, network: Network, endpoint: Endpoint, lock: int, *, fresh: bool
) -> tuple[int, int]:
    """Start nft on what a container adds; all of it when there was nothing before."""
    table = ledger.names(paths.root)[1]
    networks = [other for other in ledger.read_all(paths) if other["name"] != network["name"]]
    if not any(other["endpoints"] for other in networks) and (fresh or len(network["endpoints"]) == 1):
        why = "the rules, and in their sets who there is: only what is published comes in, nobody speaks for another"
        return firewall.begin(firewall.all_of(table, [network]), lock, why, foreign_firewalls.QUESTION)
    elements: list[Element] = [*firewall.of_network(network), *firewall.of_endpoint(network, endpoint)]
    why = "what the rules have to know of the network and the container"
    return firewall.begin(firewall.adding(table, elements), lock, why, foreign_firewalls.QUESTION)


def finish_change(paths: Paths, started: tuple[int, int], lock: int) -> str:
    """What nft says.  When it cannot add to what is there, the tables are made anew."""
    try:
        return firewall.finish(started)
    except UnsupportedError:
        raise
    except MinirunError:
        return say_all_anew(paths, lock, ledger.read_all(paths))


def say_all_anew(paths: Paths, lock: int, networks: list[Network]) -> str:
    """Make both tables as `networks` say, which are all there are, whatever they are now."""
    text = firewall.all_of(ledger.names(paths.root)[1], networks)
    why = "somebody has changed the tables: all is said anew"
    return firewall.finish(firewall.begin(text, lock, why, foreign_firewalls.QUESTION))


def change(paths: Paths, text: str, lock: int, why: str) -> str:
    """One script and its end; returns what foreign_firewalls.py asks."""
    return finish_change(paths, firewall.begin(text, lock, why, foreign_firewalls.QUESTION), lock)


def remove_unused(paths: Paths, lock: int) -> None:
    """Delete the tables, which no container uses, if they are there."""
    table = ledger.names(paths.root)[1]
    try:
        listed = firewall.finish(firewall.begin("", lock, "whether tables are left", "list tables\n"))
        if any(line.split()[-1:] == [table] for line in listed.splitlines()):
            why = "left over: no container is there to translate for"
            firewall.finish(firewall.begin(firewall.removal(table), lock, why))
    except UnsupportedError:
        return  # without nft nothing was made


def begin_removal(
    paths: Paths, elements: list[Element], lock: int, spared: Network
) -> tuple[int, int] | None:
    """Start nft on taking elements out; on the tables themselves if nobody else is left.  None without nft."""
    table = ledger.names(paths.root)[1]
    others = [network for network in ledger.read_all(paths) if network["name"] != spared["name"]]
    try:
        if not spared["endpoints"] and not any(network["endpoints"] for network in others):
            return firewall.begin(firewall.removal(table), lock, why="no container is left to translate for")
        return firewall.begin(firewall.deleting(table, elements), lock, why="what was about this container")
    except UnsupportedError:
        return None


def finish_removal(paths: Paths, started: tuple[int, int] | None, lock: int, network: Network) -> None:
    """Without nftables there is nothing to delete; a table that somebody has changed is made anew."""
    if started is None:
        return
    try:
        firewall.finish(started)
    except UnsupportedError:
        return
    except MinirunError:
        others = [other for other in ledger.read_all(paths) if other["name"] != network["name"]]
        if not any(other["endpoints"] for other in (*others, network)):
            raise
        say_all_anew(paths, lock, [*others, network])
