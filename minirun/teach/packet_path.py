"""`network why`: the way of a packet, hop by hop, until it arrives or is lost.

    to a port of this host   published - running - listening - address - veth - rule - forwarding - route - probe
    container to container   running - network - name - listening - address - veth - forwarding - probe
    container to elsewhere   running - name - way out - address - veth - masquerade - forwarding - route - probe

A walk looks as it goes and tells each hop at once.  It ends early where nothing further can be looked at, and goes on
where more may be wrong.  The probe at the end is the only packet that is sent, apart from a question for the name.

See      path_in.py, path_between.py, path_out.py for the ways; path_checks.py for what is judged,
         engine/diagnose/ for what is looked at
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from minirun.engine import records
from minirun.engine.diagnose import inventory
from minirun.errors import NotFoundError, UsageError
from minirun.network import ports
from minirun.teach import path_between, path_checks, path_in
from minirun.teach.path_checks import FAIL, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from minirun.paths import Paths
    from minirun.teach.path_checks import Hop

_MEANT = {"": path_checks.THIS_HOST, "localhost": "127.0.0.1"}


def parse(text: str) -> Target:
    """`host:8080`, `8080`, `db:5432/udp`, `[::1]:80`.  Raises UsageError.

    >>> parse("db:53/udp")
    Target(name='db', port=53, protocol='udp')
    """
    rest, slash, protocol = text.partition("/")
    protocol = protocol.lower() if slash else "tcp"
    if protocol not in ports.PROTOCOLS:
        raise UsageError(f'invalid protocol "{protocol}" in "{text}"', "there are tcp and udp")
    name, colon, number = rest.rpartition(":")
    if not colon and not number.isdecimal():
        raise UsageError(f'no port in "{text}"', f"as in {text or 'host'}:80")
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    elif ":" in name:
        raise UsageError(f'invalid address in "{text}"', "an IPv6 address stands as in [::1]:80")
    numbers = ports.port_range(number, "port", least=1)
    if len(numbers) > 1:
        raise UsageError(f'several ports in "{text}"', "ask for one at a time")
    return Target(_MEANT.get(name, name), numbers[0], protocol)


def walk(paths: Paths, words: tuple[str, ...]) -> Iterator[Hop]:
    """The way to a port of this host or of a container (one word), or from a container (two).

    Raises UsageError and NotFoundError before the first hop.
    """
    target = parse(words[-1])
    asking = records.find(paths, words[0]) if len(words) > 1 else None
    seen = inventory.read(paths)
    if asking is not None:
        return _brief(path_between.from_container(seen, asking, target))
    if target.name == path_checks.THIS_HOST:
        return _brief(path_in.to_host(seen, target, ""))
    record = inventory.named(seen, target.name)
    if record is not None:
        return _brief(path_in.to_container(seen, record, target))
    if not inventory.is_address(target.name):
        hint = f"host:{target.port} is this host; from a container: minirun network why CONTAINER NAME:PORT"
        raise NotFoundError(f"No such container: {target.name}", hint)
    return _brief(path_in.to_host(seen, target, target.name))


def _brief(way: Iterable[Hop]) -> Iterator[Hop]:
    """A probe that fails after another hop has failed needs no advice of its own."""
    lost = False
    for hop in way:
        yield hop._replace(advice="") if lost and hop.name == path_checks.PROBE else hop
        lost = lost or hop.status == FAIL
