"""`minirun builder` and `minirun buildx`: the build command once more, and what builds keep on disk.

    ID             RECLAIMABLE   SIZE      LAST ACCESSED
    0f3c2a9be1d4   true          129MB*    2 hours ago        *: an image has it as well
    7ac1...-0*     true          31.2MB    3 days ago         *: a mount, which goes on changing

There is one builder, called default: minirun itself.

See      build/usage.py; docs.docker.com "docker buildx du", "docker builder prune"
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from minirun.cli import filters, format, pruning, refused_options, units
from minirun.cli.command_table import COMMANDS
from minirun.cli.commands import LazyGroup
from minirun.cli.printing import say
from minirun.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from minirun.build.usage import Entry
    from minirun.cli.command_table import Table
    from minirun.cli.format import Row
    from minirun.paths import Paths

_COMMANDS: Table = {
    "build": COMMANDS["build"],
    "prune": ("minirun.cli.builder:prune_command", "Remove build cache"),
    "du": ("minirun.cli.builder:du_command", "Disk usage"),
    "ls": ("minirun.cli.builder:ls_command", "List builder instances"),
    "inspect": ("minirun.cli.builder:inspect_command", "Inspect the builder instance"),
    "version": ("minirun.cli.builder:version_command", "Show version information"),
}
builder_group = LazyGroup("builder", "Manage builds.", _COMMANDS)
buildx_group = LazyGroup("buildx", "Build images: the same under its newer name.", _COMMANDS)
refused_options.as_it_is("--builder")(buildx_group)

_FILTERS = ("until", "unused-for", "id", "type", "shared", "description")
_HEADINGS = {
    "ID": "ID",
    "Reclaimable": "RECLAIMABLE",
    "Size": "SIZE",
    "LastAccessed": "LAST ACCESSED",
    "Type": "TYPE",
    "Description": "DESCRIPTION",
    "CreatedAt": "CREATED AT",
    "Mutable": "MUTABLE",
    "Shared": "SHARED",
}
_COLUMNS = ("ID", "Reclaimable", "Size", "LastAccessed")
_BUILDERS = {
    "Name": "NAME/NODE",
    "DriverEndpoint": "DRIVER/ENDPOINT",
    "Status": "STATUS",
    "Buildkit": "BUILDKIT",
    "Platforms": "PLATFORMS",
}
_WHOLE_ID, _SHOWN_ID = 64, 12


# ---- what there is ------------------------------------------------------------------------------------------


@click.command("du")
@click.option("--filter", "words", multiple=True, help=f"KEY=VALUE; {', '.join(_FILTERS)}.")
@click.option("--format", "form", default="", help="json, 'table {{.ID}}', '{{.Description}}'.")
@click.option("--verbose", is_flag=True, help="All that is known of each.")
@refused_options.as_it_is("--builder")
@click.pass_obj
def du_command(paths: Paths, words: tuple[str, ...], form: str, verbose: bool) -> None:
    """Show what the cache of builds takes up on disk: the results of steps, and cache mounts."""
    from minirun.build import usage

    found = [entry for entry in usage.entries(paths) if _wanted(words)(entry)]
    if verbose:
        for entry in found:
            say("\n".join([*_details(entry), ""]))
    else:
        for line in format.lines(map(row, found), form, _HEADINGS, _COLUMNS):
            say(line)
    if not form and not words:
        for line in _sums(found):
            say(line)


def row(entry: Entry) -> Row:
    """The fields of `--format`."""
    return {
        "ID": shown_id(entry) + ("*" if entry.kind == "exec.cachemount" else ""),
        "Reclaimable": "true",
        "Size": units.size(entry.size, 4) + ("*" if entry.shared else ""),
        "LastAccessed": _ago(entry.used),
        "Type": entry.kind,
        "Description": entry.description,
        "CreatedAt": entry.created,
        "Mutable": str(entry.kind == "exec.cachemount").lower(),
        "Shared": str(entry.shared).lower(),
    }


def shown_id(entry: Entry) -> str:
    return entry.id[:_SHOWN_ID] if len(entry.id) == _WHOLE_ID else entry.id


def _ago(moment: float) -> str:
    return f"{units.duration(time.time() - moment)} ago"


def _details(entry: Entry) -> list[str]:
    facts = row(entry)
    shown = {
        "ID": entry.id,
        "Created at": entry.created and units.when(entry.created),
        "Mutable": facts["Mutable"],
        "Reclaimable": facts["Reclaimable"],
        "Shared": facts["Shared"],
        "Size": units.size(entry.size, 4),
        "Description": entry.description,
        "Last used": facts["LastAccessed"],
        "Type": entry.kind,
    }
    return [f"{name + ':':16}{value}" for name, value in shown.items() if value]


def _sums(found: list[Entry]) -> list[str]:
    own = sum(entry.own_size for entry in found)
    shared = sum(entry.size for entry in found if entry.shared and not entry.repeated)
    sums = {"Shared": shared, "Private": own} if shared else {}
    sums |= {"Reclaimable": own, "Total": own + shared}
    return [f"{name + ':':16}{units.size(count, 4)}" for name, count in sums.items()]


def _wanted(words: tuple[str, ...]) -> Callable[[Entry], bool]:
    wanted = filters.parse(words, _FILTERS)
    limits = [filters.until(text) for key in ("until", "unused-for") for text in wanted.get(key, ())]
    shared = [filters.boolean(text) for text in wanted.get("shared", ())]

    def is_wanted(entry: Entry) -> bool:
        return (
            all(entry.used < moment for moment in limits)
            and all(entry.id.startswith(text.removesuffix("*")) for text in wanted.get("id", ()))
            and all(entry.kind == text for text in wanted.get("type", ()))
            and all(entry.shared == one for one in shared)
            and all(text in entry.description for text in wanted.get("description", ()))
        )

    return is_wanted


# ---- what goes ----------------------------------------------------------------------------------------------


@click.command("prune")
@click.option("-a", "--all", "every", is_flag=True, help="What images have as well, too.")
@click.option(
    "--filter", "words", multiple=True, help=f"until=24h: unused for so long; {', '.join(_FILTERS[2:])}."
)
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option(
    "--keep-storage", "--reserved-space", "reserved", default="", help="Always leave so much: 10GB."
)
@click.option("--max-used-space", "most", default="", help="Leave so much at most.")
@click.option("--min-free-space", "free", default="", help="Until so much of the disk is free.")
@click.option("--verbose", is_flag=True, help="All that is known of what goes.")
@refused_options.as_it_is("--builder")
@click.pass_obj
def prune_command(
    paths: Paths,
    every: bool,
    words: tuple[str, ...],
    force: bool,
    reserved: str,
    most: str,
    free: str,
    verbose: bool,
) -> None:
    """Remove what builds have kept, the longest unused first: the next build does those steps again."""
    from minirun.build import usage
    from minirun.engine.options import limits

    texts = {"--keep-storage": reserved, "--max-used-space": most, "--min-free-space": free}
    keep = usage.Keep(*(limits.size(text or "0", option) for option, text in texts.items()))
    wanted = _wanted(words)
    kind = "all" if every else "all dangling"
    pruning.confirm(f"WARNING! This will remove {kind} build cache.", force, "build cache")
    gone = usage.prune(paths, wanted, every=every, keep=keep)
    if verbose:
        for entry in gone:
            say("\n".join([*_details(entry), ""]))
        gone_names = []
    else:
        gone_names = [entry.id for entry in gone]
    report(gone_names, sum(entry.own_size for entry in gone))


def report(names: list[str], reclaimed: int) -> None:
    if names:
        say("\n".join(["Deleted build cache objects:", *names, ""]))
    say(f"Total reclaimed space: {units.size(reclaimed, 4)}")


# ---- the one builder ----------------------------------------------------------------------------------------


@click.command("ls")
@click.option("--format", "form", default="", help="json, 'table {{.Name}}', '{{.Platforms}}'.")
@refused_options.as_it_is("--no-trunc")
def ls_command(form: str) -> None:
    """List the builders there are: one."""
    from minirun import __version__

    nothing = dict.fromkeys(_BUILDERS, "")
    rows: list[Row] = [
        {**nothing, "Name": "default*", "DriverEndpoint": "minirun"},
        {
            "Name": " \\_ default",
            "DriverEndpoint": " \\_ default",
            "Status": "running",
            "Buildkit": f"minirun {__version__}",
            "Platforms": _platforms(),
        },
    ]
    for line in format.lines(rows, form, _BUILDERS, list(_BUILDERS)):
        say(line)


@click.command("inspect")
@refused_options.nothing_to_do("buildx inspect")
@click.option(
    "--builder", default="default", help="Which one, if no NAME is given: default is what there is."
)
@click.argument("name", default="")
@click.pass_obj
def inspect_command(paths: Paths, builder: str, name: str) -> None:
    """Show what the builder can do, and how much of the disk it may keep."""
    from minirun.build import usage

    if (name or builder) != "default":
        raise NotFoundError(f'no builder "{name or builder}" found', "there is one, called default")
    say("Name:          default\nDriver:        minirun\n\nNodes:")
    say(f"Name:          default\nStatus:        running\nPlatforms:     {_platforms()}")
    say(f"Cache at most: {units.size(usage.most(paths), 4)}")


@click.command("version")
def version_command() -> None:
    """Show the version."""
    from minirun import __version__

    say(f"minirun build {__version__}")


def _platforms() -> str:
    from minirun.image import platforms

    return ", ".join(platforms.show(one) for one in platforms.compatible(platforms.own()))
