"""Ways through other people's firewalls.

A packet passes only if every table's chain lets it: `accept` in our table does not overrule a chain of Docker's
or ufw's that drops by its policy.  Where iptables has such a chain, a network that comes puts rules for its own
bridge there, and takes them out again when it goes:

    forward   in DOCKER-USER, the chain that Docker keeps for others, or in FORWARD
    input     in INPUT, for questions to the network's name server

firewalld is told of the bridge by its own command, and puts it into its zone `trusted`.

Our own chain still has its say, so what it drops stays dropped; and what goes from our bridge to one of
Docker's is left to Docker's rules.  Firewalls that are nftables tables of their own are not touched: `minirun
doctor` names them.

See      iptables(8); docs.docker.com/engine/network/packet-filtering-firewalls
By hand  iptables -S DOCKER-USER; iptables -S FORWARD; firewall-cmd --zone=trusted --list-interfaces
"""

from __future__ import annotations

import contextlib

from minirun import files
from minirun.errors import MinirunError
from minirun.linux import programs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from minirun.network.ledger import Network

QUERY = "list chains\n"  # at the end of a script for nft: what others have
_PROGRAMS = {"ip": "iptables", "ip6": "ip6tables"}
_LEGACY = {"ip": "/proc/net/ip_tables_names", "ip6": "/proc/net/ip6_tables_names"}
_FIREWALLD = "firewalld"
_DOCKERS = ("docker0", "br-+")  # Docker's own bridges


def allow(network: Network, chains: str) -> bool:
    """Put our rules where others drop; `chains` is nft's answer to QUERY.  Whether the ledger is to remember more.

    Rules of before that are not right any more, as those for a name server's last port, go.
    """
    families = ("ip", "ip6") if len(network["pools"]) > 1 else ("ip",)
    before = list(network["foreign_firewalls"])
    for family in families:
        rules = list(_rules(network, family, _dropping(family, chains), chains))
        there = list(_ours(network, family)) if rules else []
        if {f"-A {rule}" for rule in rules} != set(there):
            lines = [*_deleting(there), *(f"-I {rule}" for rule in reversed(rules))]
            _restore(family, lines, why="somebody else's firewall drops what it does not know")
            network["foreign_firewalls"] = [*dict.fromkeys([*network["foreign_firewalls"], family])]
    if "table inet firewalld" in chains and _FIREWALLD not in network["foreign_firewalls"]:
        _firewalld("add", network, why="firewalld rejects what comes by an interface it does not know")
        network["foreign_firewalls"].append(_FIREWALLD)
    return network["foreign_firewalls"] != before


def disallow(network: Network) -> None:
    """Take them out again."""
    for family in network["foreign_firewalls"]:
        if family == _FIREWALLD:
            _firewalld("remove", network, why="the network has gone")
            continue
        if rules := _deleting(_ours(network, family)):
            _restore(family, rules, why="the network has gone, and its ways through with it")
    network["foreign_firewalls"] = []


def _dropping(family: str, chains: str) -> set[str]:
    """Which of FORWARD and INPUT of iptables drop by policy."""
    found, table, chain = set(), "", ""
    for line in chains.splitlines():
        words = line.split()
        if words[:1] == ["table"]:
            table = " ".join(words[1:3])
        elif words[:1] == ["chain"]:
            chain = words[1]
        elif table == f"{family} filter" and "policy drop;" in line:
            found.add(chain)
    if "filter" in files.text(_LEGACY[family]):
        found |= {
            rule.split()[1] for rule in _present(family) if rule.startswith("-P") and rule.endswith("DROP")
        }
    return found & {"FORWARD", "INPUT"}


def _rules(network: Network, family: str, dropping: set[str], chains: str) -> Iterator[str]:
    """The rules, in the order in which packets meet them, and in the words of `iptables -S`."""
    bridge, mark = network["bridge"], f'-m comment --comment "{_mark(network)}"'
    if "FORWARD" in dropping and not network["internal"]:
        docker = "chain DOCKER-USER" in chains or any("-N DOCKER-USER" in rule for rule in _legacy(family))
        chain = "DOCKER-USER" if docker else "FORWARD"
        for other in _DOCKERS if docker else ():
            yield f"{chain} -i {bridge} -o {other} {mark} -j RETURN"
        yield f"{chain} -i {bridge} {mark} -j ACCEPT"
        yield f"{chain} -o {bridge} {mark} -j ACCEPT"
    if "INPUT" in dropping and network["dns_port"]:
        for protocol in ("udp", "tcp"):
            port = f"-p {protocol} -m {protocol} --dport {network['dns_port']}"
            yield f"INPUT -i {bridge} {port} {mark} -j ACCEPT"


def _firewalld(verb: str, network: Network, why: str) -> None:
    """Put the bridge into the zone of those who are trusted, or take it out: our own table still has its say."""
    words = ["firewall-cmd", "--zone=trusted", f"--{verb}-interface={network['bridge']}"]
    with contextlib.suppress(MinirunError) if verb == "remove" else contextlib.nullcontext():
        _run(words, act="iptables", shown=[" ".join(words), ""], why=why)


def _mark(network: Network) -> str:
    return f"minirun {network['bridge']}"


def _ours(network: Network, family: str) -> Iterator[str]:
    return (rule for rule in _present(family) if _mark(network) in rule)


def _deleting(rules: Iterable[str]) -> list[str]:
    return [rule.replace("-A ", "-D ", 1) for rule in rules]


def _legacy(family: str) -> list[str]:
    return _present(family) if "filter" in files.text(_LEGACY[family]) else []


def _present(family: str) -> list[str]:
    """The rules of the filter table, as `iptables -S` prints them."""
    return _run([_PROGRAMS[family], "-w", "-S"]).splitlines()


def _restore(family: str, rules: list[str], why: str) -> None:
    """All of them or none."""
    text = "".join(f"{line}\n" for line in ("*filter", *rules, "COMMIT"))
    program = f"{_PROGRAMS[family]}-restore"
    _run([program, "--wait", "--noflush"], text, act="iptables", shown=[program, text], why=why)


def _run(words: list[str], text: str = "", *, act: str = "", shown: Sequence[str] = (), why: str = "") -> str:
    """What a program prints.  Raises MinirunError with its words."""
    result = programs.run(words, text, act=act, shown=shown, why=why)
    if result.code:
        raise MinirunError(f"{words[0]}: {result.reason}")
    return result.output
