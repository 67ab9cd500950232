"""`--link` on the default bridge, which has no names: lines in /etc/hosts, and variables about the other container.

    --link db:database    172.17.0.2  database 3f1c9e2b7a40 db        DATABASE_PORT_5432_TCP_ADDR=172.17.0.2 ...

That was Docker's way before there were networks of one's own, where the name server knows an alias.
Names and variables are those of the moment in which the container starts; the other one has to run by then.

See      moby daemon/links/links.go; docs.docker.com "Legacy container links"
By hand  minirun exec NAME env | grep DATABASE_
"""

from __future__ import annotations

from minirun.engine import records, sandbox
from minirun.errors import ConflictError, NotFoundError, UsageError
from minirun.network import ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from minirun.engine.record_types import Linked, LinkedTo, Record, RunOptions
    from minirun.paths import Paths

_NOT_TOLD = ("HOME", "PATH")  # of the other one's variables


def find(paths: Paths, options: RunOptions) -> list[LinkedTo]:
    """Who the options link to on the default bridge, by id.  Raises NotFoundError, UsageError."""
    asked = [one.get("links", []) for one in options["attachments"] if one["network"] == ledger.DEFAULT]
    return [_found(paths, name, alias) for links in asked for name, alias in links]


def _found(paths: Paths, name: str, alias: str) -> LinkedTo:
    try:
        other = records.find(paths, name)
    except NotFoundError:
        raise NotFoundError(f"could not get container for {name}: No such container: {name}") from None
    if other["network"] == "host":
        raise UsageError("conflicting options: host type networking can't be used with links")
    return {"id": other["id"], "name": other["name"], "alias": alias}


def of(record: Record) -> list[LinkedTo]:
    """Those that nobody has taken back with `rm --link`."""
    here = (one for one in record["attachments"] if one["network"] == ledger.DEFAULT)
    aliases = {alias for one in here for _, alias in one.get("links", [])}
    return [link for link in record.get("links", []) if link["alias"] in aliases]


def resolve(paths: Paths, record: Record) -> Linked:
    """The names, with their addresses, and the variables of all that it is linked to.  Raises ConflictError."""
    made: Linked = {"hosts": [], "env": []}
    for link in of(record):
        other = _running(paths, record, link)
        address = _address(paths, other)
        names = [link["alias"], other["hostname"]]
        made["hosts"].append([" ".join(dict.fromkeys([*names, other["name"]])), address])
        made["env"] += variables(
            f"/{record['name']}/{link['alias']}", address, other["exposed"], other["env"]
        )
    return made


def _running(paths: Paths, record: Record, link: LinkedTo) -> Record:
    try:
        other = records.read(paths, link["id"])
    except NotFoundError:
        other = None
    if not other or not records.is_up(other):
        raise ConflictError(
            f"Cannot link to a non running container: /{link['name']} AS /{record['name']}/{link['alias']}",
            f"start {link['name']} first",
        )
    return sandbox.host_of(paths, other) if sandbox.is_shared(other) else other


def _address(paths: Paths, other: Record) -> str:
    for network, endpoint in sandbox.endpoints_of(paths, other["id"]):
        if network["name"] == ledger.DEFAULT:
            return endpoint["addresses"][0]
    raise ConflictError(f"container {other['name']} not attached to default bridge network")


# ---- the variables -----------------------------------------------------------------------------------------


def variables(name: str, address: str, exposed: Iterable[str], env: Iterable[str]) -> Iterator[str]:
    """What is told of the container that is called `name` = /US/ALIAS here; `exposed` as in "80/tcp".

    >>> list(variables("/web/my-db", "172.17.0.2", ["53/udp"], ["A=1", "HOME=/"]))[:2]
    ['MY_DB_PORT=udp://172.17.0.2:53', 'MY_DB_PORT_53_UDP=udp://172.17.0.2:53']
    """
    word = name.rpartition("/")[2].upper().replace("-", "_")
    ports = sorted(map(_split, exposed), key=lambda port: (port[0], port[1] != "tcp", port[1]))
    if ports:
        yield f"{word}_PORT={_url(address, *ports[0])}"
    yield from _ranges(word, address, ports)
    for number, protocol in ports:
        prefix = f"{word}_PORT_{number}_{protocol.upper()}"
        yield f"{prefix}={_url(address, number, protocol)}"
        yield from (f"{prefix}_ADDR={address}", f"{prefix}_PORT={number}", f"{prefix}_PROTO={protocol}")
    yield f"{word}_NAME={name}"
    for entry in env:
        if "=" in entry and entry.partition("=")[0] not in _NOT_TOLD:
            yield f"{word}_ENV_{entry}"


def _split(port: str) -> tuple[int, str]:
    number, _, protocol = port.partition("/")
    return int(number), protocol


def _url(address: str, number: int, protocol: str) -> str:
    return f"{protocol}://{address}:{number}"


def _ranges(word: str, address: str, ports: list[tuple[int, str]]) -> Iterator[str]:
    """Three ports in a row, or more, are told as a range, too; what moby takes for a row."""
    begin = 0
    while begin < len(ports):
        end, most = begin, ports[begin][0] + 1
        while end + 1 < len(ports) and ports[end + 1][0] <= most:
            end, most = end + 1, most + 1
        if end > begin + 1:
            (first, protocol), (last, its) = ports[begin], ports[end]
            prefix = f"{word}_PORT_{first}_{protocol.upper()}"
            yield f"{prefix}_START={_url(address, first, protocol)}"
            yield from (
                f"{prefix}_ADDR={address}",
                f"{prefix}_PROTO={protocol}",
                f"{prefix}_PORT_START={first}",
            )
            prefix = f"{word}_PORT_{first}_{its.upper()}"
            yield from (f"{prefix}_END={_url(address, last, its)}", f"{prefix}_PORT_END={last}")
        begin = end + 1 if end > begin + 1 else begin + 1
