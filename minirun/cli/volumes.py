"""`minirun volume`: directories that outlive containers.

See  engine/volumes.py; docs/volumes.md
"""

from __future__ import annotations

import click

from minirun.cli import filters, format, pruning, stopping
from minirun.cli.commands import LazyGroup, Session
from minirun.cli.printing import say
from minirun.engine import prune, volumes
from minirun.engine.options import key_values
from minirun.engine.view import inspect_mounts
from minirun.errors import MinirunError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from minirun.engine.record_types import Volume

volume_group = LazyGroup(
    "volume",
    "Manage volumes.",
    {
        "create": ("minirun.cli.volumes:create_command", "Create a volume"),
        "inspect": (
            "minirun.cli.volumes:inspect_command",
            "Display detailed information on one or more volumes",
        ),
        "ls": ("minirun.cli.volumes:ls_command", "List volumes"),
        "prune": ("minirun.cli.volumes:prune_command", "Remove unused local volumes"),
        "rm": ("minirun.cli.volumes:rm_command", "Remove one or more volumes"),
    },
)
COLUMNS = ("Driver", "Name")
HEADINGS = {
    "Driver": "DRIVER",
    "Name": "VOLUME NAME",
    "Scope": "SCOPE",
    "Mountpoint": "MOUNTPOINT",
    "Labels": "LABELS",
    "Links": "LINKS",
    "Size": "SIZE",
    "Availability": "AVAILABILITY",
    "Group": "GROUP",
    "Status": "STATUS",
}


@click.command("create")
@click.option("-d", "--driver", default="local", help="local is what there is.")
@click.option("--label", "labels", multiple=True, help="KEY=VALUE to remember.")
@click.option(
    "-o",
    "--opt",
    "options",
    multiple=True,
    help="type=nfs, device=:/DIR, o=addr=10.0.0.5,rw: what is mounted for it.",
)
@click.option("--name", "given", default="", hidden=True)
@click.argument("volume", required=False, default="")
@click.pass_obj
def create_command(
    session: Session, driver: str, labels: tuple[str, ...], options: tuple[str, ...], given: str, volume: str
) -> None:
    """Create a volume, with a name of its own when none is given; one that exists is left alone."""
    if given and volume:
        raise UsageError("conflicting options: either specify --name or provide positional arg, not both")
    if driver != "local":
        raise MinirunError(
            f'create {given or volume}: error looking up volume plugin {driver}: plugin "{driver}" not found'
        )
    made = volumes.create(session, given or volume, key_values.labels(labels), key_values.pairs(options))
    say(made["name"])


@click.command("ls")
@click.option("-q", "--quiet", is_flag=True, help="Only names.")
@click.option(
    "-f", "--filter", "words", multiple=True, help="dangling=true, driver=, label=KEY[=VALUE], name=PART."
)
@click.option("--format", "form", default="", help="json, 'table {{.Name}}', '{{.Mountpoint}}'.")
@click.pass_obj
def ls_command(session: Session, quiet: bool, words: tuple[str, ...], form: str) -> None:
    """List volumes."""
    shown = _chosen(session, filters.parse(words, ("dangling", "driver", "label", "name")))
    if quiet and format.is_usual(form):
        form = "{{.Name}}"
    for line in format.lines((row(session, volume) for volume in shown), form, HEADINGS, COLUMNS):
        say(line)


def _chosen(session: Session, wanted: dict[str, list[str]]) -> Iterable[Volume]:
    """The volumes that all kinds of filters let through."""
    dangling = {filters.boolean(text) for text in wanted.get("dangling", ())}
    used = volumes.users(session) if dangling else {}
    is_named = filters.finder(wanted.get("name", ()))
    for volume in volumes.list_all(session):
        tests = [
            not dangling or (volume["name"] not in used) in dangling,
            "driver" not in wanted or "local" in wanted["driver"],
            all(filters.has_label(volume["labels"], text) for text in wanted.get("label", ())),
            is_named(volume["name"]),
        ]
        if all(tests):
            yield volume


def row(session: Session, volume: Volume) -> format.Row:
    """The fields of `--format`.  Docker, too, has links and sizes in `system df -v` alone, the rest for clusters."""
    return {
        "Driver": "local",
        "Name": volume["name"],
        "Scope": "local",
        "Mountpoint": volumes.data(session, volume["name"]),
        "Labels": format.Labels(volume["labels"]),
        **dict.fromkeys(("Links", "Size", "Availability", "Group", "Status"), "N/A"),
    }


@click.command("inspect")
@click.option("-f", "--format", "form", default="", help="json, {{.Mountpoint}}: one part of it.")
@click.argument("names", nargs=-1, required=True, metavar="VOLUMES...")
@click.pass_obj
def inspect_command(session: Session, form: str, names: tuple[str, ...]) -> int:
    """Display detailed information on one or more volumes."""
    from minirun.cli import inspecting

    return inspecting.show(
        names, form, lambda name: inspect_mounts.volume(session, volumes.find(session, name))
    )


@click.command("rm")
@click.option("-f", "--force", is_flag=True, help="One that is not there is no error.")
@click.argument("names", nargs=-1, required=True, metavar="VOLUMES...")
@click.pass_obj
def rm_command(session: Session, force: bool, names: tuple[str, ...]) -> int:
    """Remove one or more volumes; not those that a container uses, running or stopped."""
    return stopping.for_each(names, lambda name: volumes.remove(session, name, force=force))


@click.command("prune")
@click.option("-a", "--all", "every", is_flag=True, help="Those with a name, too.")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option("--filter", "words", multiple=True, help="label=KEY[=VALUE], label!=KEY[=VALUE], all=true.")
@click.pass_obj
def prune_command(session: Session, every: bool, force: bool, words: tuple[str, ...]) -> None:
    """Remove the anonymous volumes that no container uses; with -a all of them."""
    wanted = filters.parse(words, ("label", "label!", "all"))
    every = every or any(map(filters.boolean, wanted.pop("all", ())))
    what = "all local volumes" if every else "anonymous local volumes"
    pruning.confirm(f"WARNING! This will remove {what} not used by at least one container.", force, "volume")
    gone = prune.unused_volumes(session, pruning.predicate(wanted), every=every)
    pruning.report({"Deleted Volumes": gone})
