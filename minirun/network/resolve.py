"""The container's resolv.conf and hosts: text in, text out.

A resolver on the host's loopback (systemd-resolved's 127.0.0.53, dnsmasq's 127.0.0.1) cannot be reached from
a container, whose loopback is its own.  Those lines are left out, as Docker does on the default bridge.

See      resolv.conf(5), hosts(5)
"""

from __future__ import annotations

from minirun import files
from minirun.network.addresses import is_loopback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Docker's choice when the host names no server that a container could reach.
PUBLIC_NAMESERVERS = ("8.8.8.8", "8.8.4.4")

# Where systemd-resolved writes the servers it forwards to; /etc/resolv.conf then names only its stub.
RESOLVED_UPSTREAM = "/run/systemd/resolve/resolv.conf"
_STUB = "127.0.0.53"

_LOCAL_HOSTS = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def host_resolv_conf() -> str:
    """The host's resolv.conf, or what stands behind systemd-resolved's stub.  "" when there is none."""
    text = files.text("/etc/resolv.conf")
    if nameservers(text) == [_STUB]:
        return files.text(RESOLVED_UPSTREAM) or text
    return text


def resolv_conf(
    host_text: str, dns: Sequence[str] = (), search: Sequence[str] = (), options: Sequence[str] = ()
) -> str:
    """The text of a container's resolv.conf, made from the host's.

    `dns`, `search` and `options` replace the host's lines of that kind; a search of "." means none.
    """
    servers = list(dns) or [server for server in nameservers(host_text) if not is_loopback(server)]
    domains = list(search) or _last(host_text, "search", "domain")
    settings = list(options) or _last(host_text, "options")
    lines = [f"nameserver {server}" for server in servers or PUBLIC_NAMESERVERS]
    if domains and domains != ["."]:
        lines.append(f"search {' '.join(domains)}")
    if settings:
        lines.append(f"options {' '.join(settings)}")
    return "\n".join(lines) + "\n"


def nameservers(text: str) -> list[str]:
    """The nameservers of a resolv.conf, in order."""
    return [words[1] for words in _lines(text) if words[0] == "nameserver" and len(words) > 1]


def _last(text: str, *keywords: str) -> list[str]:
    """The words of the last line that begins with one of `keywords`: the one that counts, resolv.conf(5)."""
    found: list[str] = []
    for words in _lines(text):
        if words[0] in keywords:
            found = words[1:]
    return found


def _lines(text: str) -> list[list[str]]:
    # A comment takes a whole line: # and ; mean nothing further to the right.
    return [line.split() for line in text.splitlines() if line.strip() and line[0] not in "#;"]


def hosts_file(hostname: str, addresses: Sequence[str] = (), extra: Sequence[tuple[str, str]] = ()) -> str:
    """The text of a container's hosts file.

    `addresses` are its own, none without a network of its own; `extra` are (name, address) pairs of --add-host.
    The host name `web.example.org` is also known as `web`.
    """
    own = [(_with_short_name(hostname), address) for address in addresses]
    return _LOCAL_HOSTS + "".join(f"{where}\t{name}\n" for name, where in (*extra, *own))


def _with_short_name(hostname: str) -> str:
    short = hostname.partition(".")[0]
    return hostname if short == hostname else f"{hostname} {short}"
