"""One nftables table of our own: addresses translated on the way out, and what may pass through the bridge.

The whole state is one script that nft(8) applies as one transaction: all of it or none of it.  The script says
what should be, not what to change, so applying it again repairs a table that something else flushed.

`accept` in our table ends only our table's say.  Where another program's forward chain drops by policy (Docker
and ufw set the policy of `ip filter FORWARD` to drop), it still drops, and no rule in a table of ours can
change that; DOCKER-USER is the chain Docker keeps for such exceptions.

See      nft(8); https://wiki.nftables.org/wiki-nftables/index.php/Configuring_chains
By hand  nft list table inet minirun
"""

from __future__ import annotations

import os

from minirun.errors import MinirunError, UnsupportedError
from minirun.linux import trace

_SCRIPT = """\
add table inet {table}
flush table inet {table}
table inet {table} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {subnet} oifname != "{bridge}" masquerade comment "leave with the host's address"
  }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    iifname "{bridge}" accept comment "containers may go anywhere"
    oifname "{bridge}" ct state established,related accept comment "answers may come back"
    oifname "{bridge}" ct status dnat accept comment "and whatever is published"
    oifname "{bridge}" drop comment "nothing else may come in"
  }}
}}
"""


def script(table: str, bridge: str, subnet: str) -> str:
    """The nft script of a bridge's table; harmless to apply twice."""
    return _SCRIPT.format(table=table, bridge=bridge, subnet=subnet)


def begin(text: str, lock: int, why: str) -> tuple[int, int]:
    """Start nft on the script `text` and return at once, with what `finish` needs.

    nft inherits `lock`, the descriptor of a flock(2): when we are killed, whoever waits for the lock waits for nft
    as well, and does not find a table that appears a moment after it was deleted.

    os.posix_spawn rather than subprocess: importing that would take longer than nft itself (5 ms).
    Raises UnsupportedError when nft is not installed.
    """
    program = _find("nft")
    trace.announce("nft", [text], why)
    trace.before("nft")
    stdin, feed = os.pipe()
    errors, stderr = os.pipe()
    try:
        os.write(feed, text.encode())  # far less than a pipe holds, so it cannot block
        actions = [(os.POSIX_SPAWN_DUP2, *pair) for pair in ((stdin, 0), (stderr, 1), (stderr, 2), (lock, 3))]
        pid = os.posix_spawn(program, ["nft", "-f", "-"], os.environ, file_actions=actions)
    except BaseException:
        os.close(errors)
        raise
    finally:
        for fd in (stdin, feed, stderr):
            os.close(fd)
    return pid, errors


def finish(started: tuple[int, int]) -> None:
    """Wait for what `begin` started.  Raises MinirunError with nft's first words; UnsupportedError when the kernel
    has no nftables for IP."""
    pid, errors = started
    with open(errors, "rb") as file:
        said = file.read().decode(errors="replace").strip()
    _, status = os.waitpid(pid, 0)
    if not status:
        return
    reason = said.splitlines()[0] if said else f"ended with status {os.waitstatus_to_exitcode(status)}"
    if "Operation not supported" in said:
        raise UnsupportedError(
            f"this kernel has no nftables for IP: nft: {reason}",
            "the bridge needs CONFIG_NF_TABLES_INET; --network host and --network none do not",
        )
    raise MinirunError(f"nft: {reason}", "modprobe -a nf_tables nft_ct nft_masq nft_nat nft_chain_nat")


def removal(table: str) -> str:
    """The nft script that deletes the table; the `add` is for the case that it is gone already."""
    return f"add table inet {table}\ndelete table inet {table}\n"


def _find(program: str) -> str:
    for directory in (*os.environ.get("PATH", "").split(":"), "/usr/sbin", "/sbin"):
        path = f"{directory}/{program}"
        if directory and os.access(path, os.X_OK):
            return path
    raise UnsupportedError(
        f"{program} is not installed", "apt-get install nftables, or use --network host or none"
    )
