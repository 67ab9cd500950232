"""`ps`, `logs`, `stop`, `rm` and `inspect`: containers that exist."""

from __future__ import annotations

import json
import time

import click

from minirun.cli.commands import Session
from minirun.engine import lifecycle, logs
from minirun.errors import MinirunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minirun.engine.record_types import Record


@click.command("ps")
@click.option("-a", "--all", "every", is_flag=True, help="Those that do not run, too.")
@click.option("-q", "--quiet", is_flag=True, help="Only the IDs.")
@click.option("--no-trunc", is_flag=True, help="Whole IDs and commands.")
@click.pass_obj
def ps_command(session: Session, every: bool, quiet: bool, no_trunc: bool) -> None:
    """List containers."""
    shown = [one for one in lifecycle.all_containers(session) if every or one["state"]["status"] == "running"]
    if quiet:
        click.echo("".join(f"{one['id'] if no_trunc else one['id'][:12]}\n" for one in shown), nl=False)
        return
    header = ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    table([header, *(_row(one, no_trunc) for one in shown)])


def _row(record: Record, no_trunc: bool) -> list[str]:
    command = " ".join(record["args"])
    if not no_trunc and len(command) > 18:
        command = command[:17] + "…"
    return [
        record["id"] if no_trunc else record["id"][:12],
        familiar(record["image"]),
        f'"{command}"',
        f"{ago(record['created'])} ago",
        status_words(record),
        "",
        record["name"],
    ]


def familiar(reference: str) -> str:
    """docker.io/library/alpine:latest is alpine to everybody."""
    return reference.removeprefix("docker.io/").removeprefix("library/").removesuffix(":latest")


def status_words(record: Record) -> str:
    """`Up 3 minutes`, `Exited (137) 2 seconds ago`, `Created`: Docker's words."""
    state = record["state"]
    if state["status"] == "running":
        return f"Up {ago(state['started'])}"
    if state["status"] == "exited":
        return f"Exited ({state['exit_code']}) {ago(state['finished'])} ago"
    return "Created"


def ago(moment: str) -> str:
    """How long ago an RFC 3339 time was, in Docker's words."""
    then = time.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S")
    seconds = max(0, int(time.time() - _utc(then)))
    if seconds < 1:
        return "Less than a second"
    if seconds < 60:
        return f"{seconds} second{'s' if seconds != 1 else ''}"
    if seconds < 120:
        return "About a minute"
    if seconds < 3600:
        return f"{seconds // 60} minutes"
    if seconds < 7200:
        return "About an hour"
    if seconds < 48 * 3600:
        return f"{seconds // 3600} hours"
    return f"{seconds // 86400} days"


def _utc(then: time.struct_time) -> float:
    import calendar

    return calendar.timegm(then)


def table(rows: list[list[str]]) -> None:
    """Columns as wide as their widest entry, three spaces apart, as Docker prints them."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("   ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


@click.command("logs")
@click.option("--tail", "-n", default="all", help="Only the last lines.")
@click.option("-t", "--timestamps", is_flag=True, help="When each line was written.")
@click.argument("container")
@click.pass_obj
def logs_command(session: Session, tail: str, timestamps: bool, container: str) -> None:
    """Fetch the logs of a container."""
    record = lifecycle.find(session, container)
    lines = list(logs.read(f"{session.container(record['id'])}/log.json"))
    if tail != "all":
        if not tail.isdigit():
            raise click.BadParameter(f'"{tail}" is neither a number nor "all"', param_hint="--tail")
        lines = lines[len(lines) - int(tail) :] if int(tail) < len(lines) else lines
    for line in lines:
        prefix = f"{line['time']} " if timestamps else ""
        click.echo(prefix + line["log"], nl=False, err=line["stream"] == "stderr")


@click.command("stop")
@click.option(
    "-t", "--time", "--timeout", "timeout", type=int, default=lifecycle.STOP_TIMEOUT, help="Seconds to wait."
)
@click.argument("containers", nargs=-1, required=True)
@click.pass_obj
def stop_command(session: Session, timeout: int, containers: tuple[str, ...]) -> int:
    """Stop one or more running containers."""

    def stop_one(name: str) -> None:
        remark = lifecycle.stop(session, lifecycle.find(session, name), timeout)
        if remark:
            click.echo(f"minirun: {remark}", err=True)

    return for_each(containers, stop_one)


@click.command("rm")
@click.option("-f", "--force", is_flag=True, help="Kill it first if it runs.")
@click.argument("containers", nargs=-1, required=True)
@click.pass_obj
def rm_command(session: Session, force: bool, containers: tuple[str, ...]) -> int:
    """Remove one or more containers."""
    return for_each(
        containers, lambda name: lifecycle.remove(session, lifecycle.find(session, name), force=force)
    )


def for_each(names: tuple[str, ...], act: Callable[[str], None]) -> int:
    """Do `act` to each and print its name; go on after a failure.  Returns the exit code."""
    code = 0
    for name in names:
        try:
            act(name)
        except MinirunError as error:
            click.echo(f"minirun: {error}", err=True)
            code = 1
        else:
            click.echo(name)
    return code


@click.command("inspect")
@click.option("-f", "--format", "template", help="{{.State.Pid}}, {{json .Config}}: one part of it.")
@click.argument("containers", nargs=-1, required=True)
@click.pass_obj
def inspect_command(session: Session, template: str | None, containers: tuple[str, ...]) -> None:
    """Return low-level information on containers."""
    found = [lifecycle.inspect(session, lifecycle.find(session, name)) for name in containers]
    if template is None:
        click.echo(json.dumps(found, indent=4))
        return
    for one in found:
        click.echo(fill(template, one))


def fill(template: str, value: object) -> str:
    """A template with {{.Path.To.It}} and {{json .Path}} filled in: the part of Go's that people use."""
    import re

    def replace(match: re.Match[str]) -> str:
        part = value
        for name in filter(None, match["path"].split(".")):
            if not isinstance(part, dict) or name not in part:
                raise MinirunError(
                    f'template: there is no "{match["path"]}"', "`minirun inspect` without -f shows all"
                )
            part = part[name]
        return json.dumps(part) if match["json"] or isinstance(part, (dict, list)) else _plain(part)

    return re.sub(r"\{\{\s*(?P<json>json\s+)?\.(?P<path>[\w.]*)\s*\}\}", replace, template)


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
