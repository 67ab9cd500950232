"""The networks in the script of `--explain=sh`: bridges, veths and tables like those of the run, beside them.

See  script.py; network/bridge.py for what the run makes
"""

from __future__ import annotations

import re
import shlex
import textwrap
from typing import TYPE_CHECKING

from minirun.network import firewall
from minirun.teach import acts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from minirun.teach.events import Act
    from minirun.teach.names import Names

WIDTH = 100  # columns of the script


class Network:
    """Bridges, veths and tables as those of the run, under other names and, if need be, in other subnets.

    The run may have found a bridge or the tables made already.  The script makes its own in any case: minirun takes
    them away with their last container, and does not know of this one.
    """

    def __init__(self, made: list[Act]) -> None:
        self.acts = made
        self.texts = [str(act.args[0]) for act in made if act.call in ("netlink", "nft")]
        self.table = self._find(r"(?:table|element) (?:inet|bridge) (\S+)")
        veths = r"ip link add (\S+) group (\d+) master (\S+)"
        found = [match.groups() for text in self.texts if (match := re.search(veths, text))]
        self.links = [
            Link(number or "", veth, group, bridge, self._prefix(bridge))
            for number, (veth, group, bridge) in enumerate(found)
        ]

    def _find(self, pattern: str) -> str:
        return next((found[1] for text in self.texts if (found := re.search(pattern, text))), "")

    def _prefix(self, bridge: str) -> str:
        """The part of the addresses that all on a bridge share, as 172.17 of a /16."""
        pattern = rf"ip address replace ([\d.]+)/(\d+) broadcast \+ dev {re.escape(bridge)}$"
        match = next((found for text in self.texts if (found := re.search(pattern, text))), None)
        return ".".join(match[1].split(".")[: int(match[2]) // 8]) if match else ""

    def rename(self, text: str) -> str:
        """`text` with the script's names and addresses for the run's."""
        if self.table:
            text = re.sub(rf"\b(inet|bridge) {re.escape(self.table)}(?![\w-])", r"\1 $TABLE", text)
        for link in self.links:
            text = link.rename(text)
        return text

    def variables(self) -> Iterator[str]:
        if not self.links:
            return
        yield from ("", "TABLE=minirun-sh-$$")
        for link in self.links:
            yield from link.variables()

    def put_away(self) -> Iterator[str]:
        for link in self.links:
            yield f'ip link delete "{link.veth}" 2> /dev/null || true'
            yield f'ip link delete "{link.bridge}" 2> /dev/null || true'
        if self.links:
            yield 'nft delete table inet "$TABLE" 2> /dev/null || true'
            yield 'nft delete table bridge "$TABLE" 2> /dev/null || true'

    def commands(self, names: Names) -> Iterator[str]:
        """The commands of the run's network process, without those that only moved that process about."""
        if self.table and not any("chain postrouting" in text for text in self.texts):
            yield from comment("the run found its tables made already")
            yield from ("nft -f - <<END", *firewall.rules("$TABLE").splitlines(), "END")
        for link in self.links:
            if not any(f"ip link add {link.old_bridge} " in text for text in self.texts):
                yield from comment("the run found its bridge made already")
                yield f"ip link add {link.bridge} up group {link.group} type bridge"
        inside = False
        for act in self.acts:
            if act.call == "setns":
                inside = str(act.args[0]).endswith("/netns")
            elif act.call == "unshare":
                yield from comment(act.why)
                yield "touch $S/netns"
                yield "unshare --net=$S/netns true"
            elif act.call == "iptables":
                yield from comment(
                    "the run also let its bridge through iptables here, where a chain drops by its policy"
                )
            elif act.call in ("netlink", "nft", "write") and " link delete " not in str(act.args[0]):
                yield from comment(act.why)
                text = self._renamed(act, names)
                if inside and act.call == "write":  # /proc/sys/net is that of whoever opens it
                    text = f"nsenter --net=$S/netns sh -c {shlex.quote(text)}"
                yield from (line.removeprefix("    ") for line in text.splitlines())
        if any("map names4" not in text and " names4 " in text for text in self.texts):
            yield from comment(
                "the network's name server is a process of minirun's: here nobody answers for names"
            )

    def _renamed(self, act: Act, names: Names) -> str:
        return self.rename(names.substitute(acts.command(act)))


class Link:
    """One bridge with one veth, and the shell variables that stand for them."""

    def __init__(self, number: object, veth: str, group: str, bridge: str, prefix: str) -> None:
        self.old_veth, self.old_group, self.old_bridge, self.prefix = veth, group, bridge, prefix
        self.bridge, self.veth = f"$BRIDGE{number}", f"$VETH{number}"
        self.group, self.net, self.number = f"$GROUP{number}", f"$NET{number}", number

    def rename(self, text: str) -> str:
        text = re.sub(rf"\bgroup {self.old_group}\b", f"group {self.group}", text)
        text = text.replace(f"/conf/{self.old_bridge}/", f"/conf/{self.bridge}/")
        for old, new in ((self.old_veth, self.veth), (self.old_bridge, self.bridge)):
            text = re.sub(rf"(?<![\w/$-]){re.escape(old)}(?![\w-])", new, text)
        if not self.prefix:
            return text
        return re.sub(rf"(?<![\d.]){re.escape(self.prefix)}\.(?=\d)", f"{self.net}.", text)

    def variables(self) -> Iterator[str]:
        upper, _, last = self.prefix.rpartition(".")
        end = 31 if upper == "172" else 254
        others = f"$(seq {int(last) + 1 if int(last) < end else 1} {end})"
        number = self.number
        yield from (
            f"BRIDGE{number}=shbr$${number} VETH{number}=shve$${number} GROUP{number}=$${number}",
            f"for last in {last} {others}; do   # the first subnet that this host has no route to",
            f"    NET{number}={upper + '.' if upper else ''}$last",
            f'    ip route show table all | grep -q "\\(^\\|[^0-9.]\\){self.net}\\." || break',
            "done",
            f"export BRIDGE{number} VETH{number} TABLE GROUP{number} NET{number}",
        )


def comment(text: str) -> Iterator[str]:
    return (f"# {line}" for line in textwrap.wrap(text, WIDTH - 2))
