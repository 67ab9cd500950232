"""The three files of /etc that are a container's own: hostname, hosts and resolv.conf.

They are made anew at each start, for by then the container has its addresses, and they follow its networks while it
runs.  In the container each is a bind mount of the file in its directory.  Beside them a link, /etc/mtab.

See      hosts(5), resolv.conf(5); network/resolve.py writes the text of the last two
By hand  cat /var/lib/minirun/containers/ID/{hostname,hosts,resolv.conf}
"""

from __future__ import annotations

import contextlib
import errno
import os

from minirun import files
from minirun.errors import MinirunError
from minirun.linux import inroot, syscalls, trace
from minirun.network import ledger, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.engine.record_types import Record
    from minirun.network.ledger import Endpoint, Network

MTAB, MTAB_TARGET = "etc/mtab", "/proc/mounts"
_WHY = {
    "hostname": "to be /etc/hostname",
    "hosts": "to be /etc/hosts: names that need no server",
    "resolv.conf": "to be /etc/resolv.conf: the servers to ask for names",
}


def write(directory: str, record: Record, places: list[tuple[Network, Endpoint]]) -> None:
    """Write them into the container's directory; `places` are the networks it is on, its way out first."""
    for name, text in texts(record, places).items():
        files.write_whole(f"{directory}/{name}", text.encode())
        trace.announce("creat", [f"{directory}/{name}", text], _WHY[name])


def link_mtab(rootfs: str) -> None:
    """/etc/mtab, which df(1) and others read, as a link to /proc/mounts, in a tree that has none."""
    root_fd = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _make_etc(root_fd)
        with inroot.opened(root_fd, "/etc") as etc, syscalls.tolerating(errno.EEXIST):
            why = "what is mounted, for programs that know no other place"
            syscalls.symlink(MTAB_TARGET, "mtab", dir_fd=etc, shown=f"{rootfs}/etc/mtab", why=why)
    finally:
        os.close(root_fd)


def _make_etc(root_fd: int) -> None:
    try:
        inroot.make_directory(root_fd, "/etc")
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        said = f"the image's /etc can be no directory ({reason}), and hosts and resolv.conf have to be in it"
        raise MinirunError(said) from None


def has_our_mtab(upper: str) -> bool:
    """Whether the /etc/mtab of an upper directory is the link that we make, which is no change of the container's."""
    try:
        return os.readlink(f"{upper}/{MTAB}") == MTAB_TARGET
    except OSError:
        return False


def texts(record: Record, places: list[tuple[Network, Endpoint]]) -> dict[str, str]:
    """The texts of hostname, hosts and resolv.conf; with the host's network, the host's own resolv.conf.

    `places` are the networks it is on, its way out first.
    """
    host_text = resolve.host_resolv_conf()
    addresses = [address for _, endpoint in places for address in endpoint["addresses"]]
    asked = (record["options"]["dns"], record["options"]["dns_search"], record["options"]["dns_options"])
    servers = [network["pools"][0]["gateway"] for network, _ in places if ledger.has_names(network)]
    if record["network"] == "host" and not any(asked):
        resolv = host_text
    elif servers:  # any of them answers for all networks of the container
        options = ["ndots:0", *(option for option in asked[2] if option != "ndots:0")]
        resolv = resolve.resolv_conf(host_text, servers[:1], asked[1], options)
    else:
        resolv = resolve.resolv_conf(host_text, *asked)
    return {
        "hostname": record["hostname"] + "\n",
        "hosts": resolve.hosts_file(record["hostname"], addresses, _extra_hosts(record, places)),
        "resolv.conf": resolv,
    }


def _extra_hosts(record: Record, places: list[tuple[Network, Endpoint]]) -> list[tuple[str, str]]:
    """--add-host, then --link; host-gateway is the host's address on the container's first network, or its own."""
    gateway = places[0][0]["pools"][0]["gateway"] if places else "127.0.0.1"
    linked = record["linked"]["hosts"] if "linked" in record else []
    return [
        (name, gateway if address == "host-gateway" else address)
        for name, address in [*record["options"]["extra_hosts"], *linked]
    ]


def rewrite(
    directory: str,
    record: Record,
    before: list[tuple[Network, Endpoint]],
    after: list[tuple[Network, Endpoint]],
) -> None:
    """The files of /etc of a running container follow its networks; one that somebody has changed is left alone.

    They are written in place: what is mounted in the container is the file, not its name.
    """
    old, new = texts(record, before), texts(record, after)
    for name, text in new.items():
        with contextlib.suppress(OSError), open(f"{directory}/{name}", "r+", encoding="utf-8") as file:
            if text != old[name] == file.read():
                file.seek(0)
                file.truncate()
                file.write(text)
