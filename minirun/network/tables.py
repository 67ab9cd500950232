"""The tables follow the ledger: one transaction of nft(8) for each container that comes or goes.

It says only what is new or old.  Where nft cannot do that, because somebody has flushed or changed the tables, they are
made anew with all that the ledger has.  nft works beside us: what is started here is waited for when the links are
made.

See      firewall.py for what is said, nft.py for how
By hand  nft list ruleset; nft monitor
"""

from __future__ import annotations

from minirun.errors import MinirunError, UnsupportedError
from minirun.network import firewall, foreign_firewalls, ledger, nft

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.linux.programs import Running
    from minirun.network.firewall import Element
    from minirun.network.ledger import Endpoint, Network
    from minirun.network.transaction import Transaction


def start_adding(change: Transaction, network: Network, endpoint: Endpoint, *, fresh: bool) -> Running:
    """Start nft on what a container adds; on all of it when there was nothing before."""
    others = _others(change, network)
    if not any(other["endpoints"] for other in others) and (fresh or len(network["endpoints"]) == 1):
        why = "the rules, and in their sets who there is: only what is published comes in, nobody speaks for another"
        script = firewall.all_of(change.table, [network])
        return nft.start(script, change.lock, why, foreign_firewalls.QUERY)
    elements: list[Element] = [*firewall.of_network(network), *firewall.of_endpoint(network, endpoint)]
    why = "what the rules have to know of the network and the container"
    return nft.start(firewall.adding(change.table, elements), change.lock, why, foreign_firewalls.QUERY)


def wait_added(change: Transaction, running: Running) -> str:
    """What nft says to foreign_firewalls.QUERY.  When it cannot add to what is there, the tables are made anew."""
    try:
        return nft.wait(running)
    except UnsupportedError:
        raise
    except MinirunError:
        return rebuild(change, ledger.list_all(change.paths))


def apply(change: Transaction, script: str, why: str) -> str:
    """Add or delete elements, and wait for it; returns what `wait_added` does."""
    return wait_added(change, nft.start(script, change.lock, why, foreign_firewalls.QUERY))


def rebuild(change: Transaction, networks: list[Network]) -> str:
    """Make both tables as `networks` say, which are all there are, whatever they are now; returns what `apply` does."""
    why = "somebody has changed the tables: all is said anew"
    return nft.run(firewall.all_of(change.table, networks), change.lock, why, foreign_firewalls.QUERY)


def are_whole(change: Transaction) -> bool:
    """Whether the last rules of both tables are there: `nft flush table` takes rules away and leaves the sets."""
    why = "whether somebody has flushed the tables"
    # one nft for each: listing a second table in one script finds nothing of it
    started = [
        (
            nft.start("", change.lock, why, f"list chain {family} {change.table} {chain}\n"),
            f'comment "{comment}"',
        )
        for family, (chain, comment) in firewall.LAST_RULES.items()
    ]
    found = [_prints(running, comment) for running, comment in started]  # each has to be waited for
    return all(found)


def _prints(running: Running, words: str) -> bool:
    try:
        return words in nft.wait(running)
    except MinirunError:
        return False


def remove_unused(change: Transaction) -> None:
    """Delete the tables, which no container uses, if they are there."""
    try:
        listed = nft.run("", change.lock, "whether tables are left", "list tables\n")
        if any(line.split()[-1:] == [change.table] for line in listed.splitlines()):
            why = "left over: no container is there to translate for"
            nft.run(firewall.removal(change.table), change.lock, why)
    except UnsupportedError:
        return  # without nft nothing was made


def start_removing(change: Transaction, elements: list[Element], network: Network) -> Running | None:
    """Start nft on taking elements of a network out; on the tables themselves if nobody is left.  None without nft."""
    try:
        if not any(one["endpoints"] for one in (network, *_others(change, network))):
            why = "no container is left to translate for"
            return nft.start(firewall.removal(change.table), change.lock, why)
        return nft.start(
            firewall.deleting(change.table, elements), change.lock, "what was about this container"
        )
    except UnsupportedError:
        return None


def wait_removed(change: Transaction, running: Running | None, network: Network) -> None:
    """Without nftables there is nothing to delete; a table that somebody has changed is made anew."""
    if running is None:
        return
    try:
        nft.wait(running)
    except UnsupportedError:
        return
    except MinirunError:
        left = [*_others(change, network), network]
        if not any(one["endpoints"] for one in left):
            raise
        rebuild(change, left)


def _others(change: Transaction, network: Network) -> list[Network]:
    """All networks that have bridges, but this one, whose page of the ledger may be behind what is in our hands."""
    found = ledger.list_all(change.paths)
    return [other for other in found if other["name"] != network["name"] and ledger.is_bridge(other)]
