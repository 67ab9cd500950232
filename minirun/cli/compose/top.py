"""`compose top` and `compose port`: what runs in the containers of services, and what of them can be reached.

See  cli/top.py
"""

from __future__ import annotations

import click

from minirun.cli import format, top
from minirun.cli.compose import choosing
from minirun.cli.printing import say
from minirun.engine import sandbox
from minirun.errors import NotFoundError
from minirun.linux import cgroup_processes
from minirun.network.ports import show_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.cli.compose.group import Compose


@click.command("top", short_help="Display the running processes")
@click.argument("services", nargs=-1)
@click.pass_obj
def top_command(compose: Compose, services: tuple[str, ...]) -> None:
    """Display the running processes of the project, or of SERVICES."""
    found = [one for one in choosing.containers(compose, services) if one.is_up]
    processes = top.ps(("-ef",)) if found else ""
    lines: list[list[str]] = []
    for one in found:
        heading, *rows = top.rows(processes, set(cgroup_processes.pids(f"/minirun/{one.id}")))
        lines = lines or [["SERVICE", "#", *heading]]
        lines += [[one.service, str(one.number or ""), *row] for row in rows]
    for line in format.table(lines) if lines else ():
        say(line)


@click.command("port", short_help="Print the public port of a service's port")
@click.option("--index", type=int, default=0, help="Of a service's containers, this one.")
@click.option("--protocol", type=click.Choice(["tcp", "udp"]), default="tcp", help="Of PRIVATE_PORT.")
@click.argument("service")
@click.argument("private_port", type=int, default=0)
@click.pass_obj
def port_command(compose: Compose, index: int, protocol: str, service: str, private_port: int) -> None:
    """Print where PRIVATE_PORT of SERVICE can be reached; without it, all that it publishes."""
    one = choosing.one(compose, service, index, up=True)
    held = sandbox.published(sandbox.endpoints_of(compose.session, one.id))
    found = sorted(
        (port["container_port"], port["protocol"], show_address(port["host_ip"], port["host_port"]))
        for port in held
    )
    if not private_port:
        for number, kind, place in found:
            say(f"{number}/{kind} -> {place}")
        return
    places = [place for number, kind, place in found if (number, kind) == (private_port, protocol)]
    if not places:
        there = ", ".join(dict.fromkeys(f"{number}/{kind}" for number, kind, _ in found))
        raise NotFoundError(f"no port {private_port}/{protocol} for container {one.name}: {there}")
    say(places[0])
