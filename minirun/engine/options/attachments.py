"""What the command line says about networks: `--network`, `--ip`, `-p` and their like, as plain values.

Each raises UsageError quoting the bad part.  No file and no kernel is asked here: whether the network exists is seen
when the container is made.

See      docs.docker.com/engine/network for the words
"""

from __future__ import annotations

import re
import socket

from minirun.errors import UsageError
from minirun.network import addresses, endpoint_options, ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from minirun.engine.record_types import RunOptions
    from minirun.network.ledger import Attachment

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_ALIAS = re.compile(r"[a-zA-Z0-9_]([a-zA-Z0-9_.-]*[a-zA-Z0-9_])?")
_LONGEST_NAME = 128
_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")
_OTHERS = "give it to the container whose network is used"
_KEYS = {"ip": "ipv4", "ip6": "ipv6", "mac-address": "mac"}
_OTHER_KEYS = ("alias", "gw-priority", "link-local-ip", "driver-opt")


def check_name(name: str) -> None:
    """A network's name.  Raises UsageError."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"invalid network name ({_short(name)}), only [a-zA-Z0-9][a-zA-Z0-9_.-]* are allowed"
        )
    if len(name) > _LONGEST_NAME:
        raise UsageError(f"invalid network name ({_short(name)}): more than {_LONGEST_NAME} characters")


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"


def mode(text: str) -> str:
    """How a container is on the network at all: bridge, none, host, container:X, or a network's name."""
    if text in ("default", "", "private"):
        return "bridge"
    if text.startswith("container:"):
        if not text.removeprefix("container:"):
            raise UsageError("invalid network: container: without a container", "--network container:NAME")
        return text
    check_name(text)
    return text


def parse(text: str) -> Attachment:
    """`--network NAME` or `name=NAME,alias=A,ip=...,driver-opt=...`; in quotes, a field may have a comma."""
    if "=" not in text:
        return ledger.attachment(mode(text))
    made = ledger.attachment("")
    for word in _fields(text):
        key, equals, value = word.partition("=")
        if key == "name":
            made["network"] = mode(value)
        elif key not in (*_KEYS, *_OTHER_KEYS) or not equals:
            raise UsageError(
                f'invalid --network field "{word}"', f"there are name, {', '.join((*_KEYS, *_OTHER_KEYS))}"
            )
        elif key == "alias":
            made["aliases"].append(alias(value))
        elif key == "gw-priority":
            made["gw_priority"] = priority(value)
        elif key == "link-local-ip":
            _add_link_local(made, [value])
        elif key == "driver-opt":
            _add_driver_opts(made, [value])
        else:
            _set(made, _KEYS[key], value)
    if not made["network"]:
        raise UsageError(f'invalid --network "{text}": it has no name=', "name=NET,alias=A")
    return made


def _fields(text: str) -> list[str]:
    """Raises UsageError for quotes that have no end, and for the end of a line outside of them."""
    if '"' not in text:
        return text.split(",")
    import csv  # hardly anybody's words need it

    try:
        return next(csv.reader([text], strict=True))
    except csv.Error:
        hint = 'a field with a comma in it is in quotes as a whole: "driver-opt=A=b,c"'
        raise UsageError(f'invalid --network: the quotes in "{text}" make no sense', hint) from None


def _set(into: Attachment, key: str, value: str) -> None:
    if value:
        check = {"ipv4": ipv4, "ipv6": ipv6, "mac": mac}[key]
        into[key] = check(value)  # type: ignore[literal-required]


def all_of(
    networks: Iterable[str],
    *,
    aliases: Iterable[str] = (),
    ipv4: str = "",
    ipv6: str = "",
    mac: str = "",
    links: Iterable[str] = (),
    link_local: Iterable[str] = (),
) -> tuple[str, list[Attachment]]:
    """What several `--network` say: the mode a container is in, and its attachments, none where there can be none.

    The keywords are about the first network.  Raises UsageError.
    """
    _refuse_text(networks=networks, aliases=aliases, links=links, link_local=link_local)
    attachments = [parse(text) for text in networks] or [parse("bridge")]
    first = attachments[0]
    first["aliases"] += [alias(text) for text in aliases]
    for key, text in (("ipv4", ipv4), ("ipv6", ipv6), ("mac", mac)):
        _set(first, key, text)
    _set_links(first, links)
    _add_link_local(first, link_local)
    if _is_unattached(first["network"]) and all(one == first for one in attachments):
        attachments = attachments[:1]  # the same thing said twice
    _check_attachments(attachments)
    if mac and first["network"].startswith("container:"):
        raise UsageError("conflicting options: mac-address and the network mode", _OTHERS)
    return first["network"], [] if _is_unattached(first["network"]) else attachments


def attachment(
    network: str,
    *,
    aliases: Iterable[str] = (),
    ipv4: str = "",
    ipv6: str = "",
    mac: str = "",
    links: Iterable[str] = (),
    link_local: Iterable[str] = (),
    driver_opts: Iterable[str] = (),
) -> Attachment:
    """How a container is to be on one network.  Raises UsageError."""
    _refuse_text(aliases=aliases, links=links, link_local=link_local, driver_opts=driver_opts)
    made = ledger.attachment(network)
    made["aliases"] = [alias(text) for text in aliases]
    for key, text in (("ipv4", ipv4), ("ipv6", ipv6), ("mac", mac)):
        _set(made, key, text)
    _set_links(made, links)
    _add_link_local(made, link_local)
    _add_driver_opts(made, driver_opts)
    return made


def _add_link_local(into: Attachment, texts: Iterable[str]) -> None:
    if made := [link_local_address(text) for text in texts]:
        into["link_local"] = [*into.get("link_local", []), *made]


def _add_driver_opts(into: Attachment, texts: Iterable[str]) -> None:
    """`KEY=VALUE`; of one key the last counts."""
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f'invalid --driver-opt: "{text}"', "KEY=VALUE")
        endpoint_options.check({key: value})
        into.setdefault("driver_opts", {})[key] = value


def _set_links(into: Attachment, texts: Iterable[str]) -> None:
    if made := [link(text) for text in texts]:
        into["links"] = made


def _refuse_text(**lists: object) -> None:
    from minirun.engine.options import shape

    shape.refuse_text(**lists)


def _is_unattached(network: str) -> bool:
    return network in ledger.UNATTACHED or network.startswith("container:")


def check(options: RunOptions) -> None:
    """What does not go together, whatever networks there are.  Raises UsageError."""
    for one in options["attachments"]:
        check_words(one)
    _check_names(options)
    _check_ports(options)
    _check_attachments(options["attachments"])
    if options["network"].startswith("container:"):
        _check_shared(options)
    _check_mode(options)


def check_words(one: Attachment) -> None:
    """Aliases and addresses of one attachment, as if they were words of a command line.  Raises UsageError."""
    mode(one["network"])
    for text in one["aliases"]:
        alias(text)
    for words in one.get("links", []):
        if len(words) != 2:
            raise UsageError(f"invalid entry of links: {words}", "[name, alias]")
        link(":".join(words))
    for text in one.get("link_local", []):
        link_local_address(text)
    endpoint_options.check(one.get("driver_opts", {}))
    for key in ("ipv4", "ipv6", "mac"):
        if one[key]:
            {"ipv4": ipv4, "ipv6": ipv6, "mac": mac}[key](one[key])


def _check_names(options: RunOptions) -> None:
    """What goes into the container's /etc/hosts and resolv.conf."""
    for address in options["dns"]:
        nameserver(address)
    for word in (*options["dns_search"], *options["dns_options"]):
        check_line(word, "word for resolv.conf")
    for entry in options["extra_hosts"]:
        if len(entry) != 2 or "=" in entry[0]:
            raise UsageError(f"invalid entry of extra_hosts: {entry}", "[name, address]")
        extra_host("=".join(entry))


def check_line(text: str, what: str) -> None:
    """What stands in a line of /etc/hosts or resolv.conf may not begin another one.  Raises UsageError."""
    if not text.isprintable():
        raise UsageError(f"invalid {what}: {text!a}", "one line, without control characters")


def _check_ports(options: RunOptions) -> None:
    if not options["ports"] and not options["exposed"]:
        return
    from minirun.network import ports  # opens sockets, which most have no need of

    for text in options["exposed"]:
        if ports.parse_exposed(text) != [text]:
            raise UsageError(f'invalid exposed port: "{text}"', "as in 80/tcp")
    for request in options["ports"]:
        ports.check(request)


def _check_mode(options: RunOptions) -> None:
    """`network` says again what the first attachment says, for those who have none."""
    first = next((one["network"] for one in options["attachments"]), "")
    network = options["network"]
    mode(network)
    if first if _is_unattached(network) else first != network:
        raise UsageError(
            f'the options contradict each other: network is "{network}", and attachments '
            + (f'begin with "{first}"' if first else "are empty"),
            'options["network"], options["attachments"] = attachments.all_of(["NETWORK"])',
        )


def _check_attachments(attachments: Sequence[Attachment]) -> None:
    for one in attachments:
        if _is_unattached(one["network"]) and len(attachments) > 1:
            raise UsageError(
                f"conflicting options: --network {one['network']} goes with no other network",
                "give the networks without it, or it alone",
            )
        if one.get("links") and _is_unattached(one["network"]):
            kind = one["network"].partition(":")[0]
            raise UsageError(f"conflicting options: {kind} type networking can't be used with links")
        named = one["ipv4"] or one["ipv6"] or one["aliases"]
        if named and (one["network"] == "bridge" or _is_unattached(one["network"])):
            what = "network-scoped alias" if one["aliases"] else "user specified IP address"
            raise UsageError(
                f"{what} is supported on user defined networks only, not on {one['network']}",
                "minirun network create NAME, then --network NAME",
            )
    names = [one["network"] for one in attachments]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise UsageError(f'network "{twice}" is specified multiple times')


def _check_shared(options: RunOptions) -> None:
    """Who is in another container's network has that one's names and ports."""
    given = {
        "hostname and the network mode": options["hostname"],
        "port publishing and the container type network mode": options["ports"] or options["publish_all"],
        "port exposing and the container type network mode": options["exposed"],
        "dns and the network mode": options["dns"] or options["dns_search"] or options["dns_options"],
        "custom host-to-IP mapping and the network mode": options["extra_hosts"],
    }
    for name, value in given.items():
        if value:
            raise UsageError(f"conflicting options: {name}", _OTHERS)


# ---- single words -----------------------------------------------------------------------------------------------


def ipv4(text: str) -> str:
    return _address(text, socket.AF_INET, "--ip", "IPv4")


def ipv6(text: str) -> str:
    return _address(text, socket.AF_INET6, "--ip6", "IPv6")


def _address(text: str, family: int, option: str, kind: str) -> str:
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, text))
    except (OSError, ValueError):  # it may be no text at all
        raise UsageError(f'invalid {option}: "{text}" is no {kind} address') from None


def link_local_address(text: str) -> str:
    """An address that a container has besides those of its network."""
    found = _address(text, socket.AF_INET6 if ":" in text else socket.AF_INET, "--link-local-ip", "IP")
    if not addresses.is_link_local(found):
        raise UsageError(
            f'invalid --link-local-ip: "{text}" is not link-local', "one of 169.254.0.0/16 or of fe80::/64"
        )
    return found


def mac(text: str) -> str:
    """A hardware address that one interface can have."""
    text = text.lower().replace("-", ":")
    if not _MAC.fullmatch(text) or int(text[:2], 16) & 1 or set(text) == {"0", ":"}:
        raise UsageError(
            f'invalid --mac-address: "{text}" is no address of one interface', "as in 02:42:ac:11:00:02"
        )
    return text


def alias(text: str) -> str:
    if not _ALIAS.fullmatch(text) or len(text) > 253 or any(len(part) > 63 for part in text.split(".")):
        raise UsageError(f'invalid --network-alias: "{_short(text)}" cannot be asked for by name')
    return text


def priority(text: str) -> int:
    """`gw-priority`: any whole number; the network of the highest has the container's way out."""
    try:
        return int(text)
    except ValueError:
        raise UsageError(f'invalid gw-priority: "{text}" is no whole number') from None


def link(text: str) -> list[str]:
    """`--link NAME[:ALIAS]` as [name, alias].

    >>> link("shop-db-1:db")
    ['shop-db-1', 'db']
    """
    name, colon, word = text.partition(":")
    if not name or (colon and not word) or ":" in word:
        raise UsageError(f'invalid --link: "{text}"', "as in --link shop-db-1:db")
    return [name, alias(word or name)]


def nameserver(text: str) -> str:
    try:
        return ipv6(text) if ":" in text else ipv4(text)
    except UsageError:
        raise UsageError(f'invalid --dns: "{text}" is no IP address') from None


def extra_host(text: str) -> list[str]:
    """`--add-host NAME:IP`, `NAME=IP`, `NAME:host-gateway` as [name, address]."""
    name, separator, address = text.partition("=" if "=" in text else ":")
    address = address.removeprefix("[").removesuffix("]")
    if not separator or not name or any(letter.isspace() for letter in name):
        raise UsageError(f'invalid --add-host: "{text}"', "as in db:192.0.2.7 or host:host-gateway")
    if address == "host-gateway":
        return [name, address]
    try:
        return [name, nameserver(address)]
    except UsageError:
        raise UsageError(f'invalid IP address in --add-host: "{address}"') from None
