"""Running nft(8), whose scripts firewall.py writes.

It inherits the ledger's lock: when we are killed, whoever waits for that lock waits for nft as well, and does not find
a table that appears a moment after it was deleted.

See      nft(8), flock(2); linux/programs.py
By hand  nft -f - <<END ... END; nft monitor
"""

from __future__ import annotations

from minirun.errors import MinirunError, UnsupportedError
from minirun.linux import programs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.linux.programs import Result, Running

_INSTEAD = "use --network host or none"


def start(script: str, lock: int, why: str, query: str = "") -> Running:
    """Begin one transaction, all of the `script` or nothing, and return at once, with what `wait` needs.

    `query` are commands that only print.  Raises UnsupportedError when nft is not installed.
    """
    program = programs.find("nft", _INSTEAD)
    if script:
        programs.announce("nft", [script], why)
    return programs.start(program, ["nft", "-f", "-"], script + query, lock=lock)


def wait(running: Running) -> str:
    """Wait for what `start` has begun; returns what it printed.

    Raises MinirunError with nft's first words; UnsupportedError when the kernel has no nftables for IP.
    """
    result = programs.wait(running)
    if not result.code:
        return result.output
    if "Operation not supported" in result.errors + result.output:
        raise UnsupportedError(
            f"this kernel has no nftables for IP: nft: {result.reason}",
            "networks need CONFIG_NF_TABLES_INET and _BRIDGE; --network host and --network none do not",
        )
    raise MinirunError(f"nft: {result.reason}", "modprobe -a nf_tables nft_ct nft_masq nft_nat nft_fib_inet")


def run(script: str, lock: int, why: str, query: str = "") -> str:
    """`start` and `wait`."""
    return wait(start(script, lock, why, query))


def list_json(*what: str) -> Result:
    """`nft -j list WHAT`: JSON, whose root has a list under "nftables".  Raises UnsupportedError without nft."""
    program = programs.find("nft", _INSTEAD)
    return programs.wait(programs.start(program, ["nft", "-j", "list", *what]))
