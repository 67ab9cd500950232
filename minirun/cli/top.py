"""`top` and `port`: what runs in a container, and what of it can be reached from outside.

See  ps(1); Docker's `top`: the host's ps, of which the container's processes are kept
"""

from __future__ import annotations

import click

from minirun.cli import format
from minirun.cli.commands import Session
from minirun.cli.printing import say
from minirun.engine import containers, records, sandbox
from minirun.errors import ConflictError, MinirunError, NotFoundError, UsageError
from minirun.linux import cgroup_processes, programs
from minirun.network.ports import show_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_NARROWEST = 20  # letters of a column, as in Docker


@click.command("top", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("container")
@click.argument("ps_options", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def top_command(session: Session, container: str, ps_options: tuple[str, ...]) -> None:
    """Display the running processes of a container; options after it are ps(1)'s."""
    record = containers.find(session, container)
    if not records.is_up(record):
        raise ConflictError(f"Container {record['id']} is not running")
    pids = set(cgroup_processes.pids(records.cgroup(record)))
    for line in format.table(list(rows(ps(ps_options or ("-ef",)), pids)), _NARROWEST):
        say(line)


def ps(options: tuple[str, ...]) -> str:
    """What the host's ps prints.  Raises MinirunError with its first words when it refuses."""
    result = programs.run(["ps", *options])
    if result.code:
        raise MinirunError(f"ps: {result.reason}")
    return result.output


def rows(text: str, pids: Collection[int]) -> Iterator[list[str]]:
    """The heading of what ps printed, and its lines about `pids`, in columns.

    Raises MinirunError when there is no column PID to know them by.  The last column may hold spaces.
    """
    heading, *lines = text.splitlines()
    titles = heading.split()
    if "PID" not in titles:
        raise MinirunError("Couldn't find PID field in ps output", "let ps show it: -o pid,...")
    yield titles
    for line in lines:
        cells = line.split(None, len(titles) - 1)
        pid = cells[titles.index("PID")] if len(cells) == len(titles) else ""
        if pid.isdigit() and int(pid) in pids:
            yield cells


@click.command("port")
@click.argument("container")
@click.argument("port", default="")
@click.pass_obj
def port_command(session: Session, container: str, port: str) -> None:
    """List port mappings of a container."""
    record = containers.find(session, container)
    number, _, protocol = port.partition("/")
    if port and (not number.isdigit() or protocol not in ("", "tcp", "udp", "sctp")):
        raise UsageError(f"Invalid port: {port}", "PORT or PORT/PROTOCOL, as 80 or 53/udp")
    asked = f"{number}/{protocol or 'tcp'}"
    found = [
        (f"{held['container_port']}/{held['protocol']}", show_address(held["host_ip"], held["host_port"]))
        for held in sandbox.published(sandbox.endpoints_of(session, record["id"]))
    ]
    for inner, outer in sorted(found):
        if not port:
            say(f"{inner} -> {outer}")
        elif inner == asked:
            say(outer)
    if port and asked not in dict(found):
        raise NotFoundError(f"No public port '{asked}' published for {record['name']}")
