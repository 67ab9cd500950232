"""`ps`: containers, those that run or all.

See  docs.docker.com "docker container ls" for the filters
"""

from __future__ import annotations

import contextlib
import re

import click

from minirun.cli import filters, format, units, widths
from minirun.cli.commands import Session
from minirun.cli.printing import say
from minirun.engine import containers, sandbox
from minirun.engine.view import inspect_network, sizes
from minirun.errors import NotFoundError, UsageError
from minirun.network.ports import parse_exposed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minirun.engine.record_types import Record
    from minirun.network.ledger import Endpoint, Network

    Test = Callable[[Record], bool]

_HEADINGS = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "Ports": "PORTS",
    "Names": "NAMES",
    "Size": "SIZE",
    "CreatedAt": "CREATED AT",
    "State": "STATE",
    "Labels": "LABELS",
    "Networks": "NETWORKS",
    "Mounts": "MOUNTS",
    "LocalVolumes": "LOCAL VOLUMES",
}
_COLUMNS = list(_HEADINGS)[:7]
_NEEDS_SIZE = re.compile(r"\.Size\b|\{json \.[ }|)]")  # it takes long, so it is measured for those who look
_LONGEST_COMMAND = 20  # columns
_LONGEST_MOUNT = 15  # anonymous volumes have long names
_STATUSES = ("created", "restarting", "running", "removing", "paused", "exited", "dead")
_HEALTHS = ("starting", "healthy", "unhealthy", "none")


@click.command("ps")
@click.option("-a", "--all", "every", is_flag=True, help="Those that do not run, too.")
@click.option("-q", "--quiet", is_flag=True, help="Only the IDs.")
@click.option("-s", "--size", is_flag=True, help="What they have written.")
@click.option("-l", "--latest", is_flag=True, help="The one created last, whatever its state.")
@click.option("-n", "--last", type=int, default=-1, help="So many created last, whatever their state.")
@click.option("--no-trunc", is_flag=True, help="Whole IDs and commands.")
@click.option("-f", "--filter", "words", multiple=True, help="name=..., status=..., label=..., and so on.")
@click.option("--format", "form", default="", help="json, 'table {{.ID}}', '{{.Names}}: {{.Status}}'.")
@click.pass_obj
def ps_command(
    session: Session,
    every: bool,
    quiet: bool,
    size: bool,
    latest: bool,
    last: int,
    no_trunc: bool,
    words: tuple[str, ...],
    form: str,
) -> None:
    """List containers."""
    wanted = filters.parse(words, _FILTERS)
    count = 1 if latest else last
    every = every or count >= 0 or "status" in wanted
    shown = [one for one in chosen(session, wanted) if every or containers.is_under_way(one)]
    shown = shown[:count] if count >= 0 else shown
    if quiet and format.is_usual(form):
        say("".join(f"{one['id'] if no_trunc else one['id'][:12]}\n" for one in shown), end="")
        return
    size = size or bool(_NEEDS_SIZE.search(form))
    places = sandbox.all_endpoints(session)
    rows = (
        row(one, places.get(one["id"], []), whole=no_trunc)
        | (_size(session, one) if size else {"Size": "0B"})
        for one in shown
    )
    columns = [*_COLUMNS, "Size"] if size else _COLUMNS
    for line in format.lines(rows, form, _HEADINGS, columns):
        say(line)


def row(record: Record, places: list[tuple[Network, Endpoint]], *, whole: bool = False) -> format.Row:
    """The fields of `--format`; `places` are the networks it is on now."""
    volumes = [mount for mount in record["mounts"] if mount.get("name")]
    sources = [mount["name"] or mount["source"] for mount in record["mounts"] if mount["kind"] != "tmpfs"]
    return {
        "ID": record["id"] if whole else record["id"][:12],
        "Image": familiar(record["image"]),
        "Command": shown_command(command_words(record), whole=whole),
        "RunningFor": units.ago(record["created"]),
        "Status": status_words(record),
        "Ports": _ports(record, places),
        "Names": record["name"],
        "CreatedAt": units.when(record["created"]),
        "State": record["state"]["status"],
        "Labels": format.Labels(record["labels"]),
        "Networks": ",".join(networks_of(record)),
        "Mounts": ",".join(one if whole else widths.ellipsis(one, _LONGEST_MOUNT) for one in sources),
        "LocalVolumes": str(len(volumes)),
    }


def command_words(record: Record) -> str:
    """The program and its arguments; one with a space in it is quoted, as Docker does."""
    program, *args = record["args"] or [""]
    return " ".join([program, *(f"'{arg}'" if " " in arg else arg for arg in args)])


def shown_command(words: str, *, whole: bool = False) -> str:
    r"""In quotes, with what is within them escaped: a quote is `\"`, a newline `\n`, what is no letter `\x1b`."""
    from minirun.cli.gotemplate.quoting import quote

    return quote(words if whole else widths.ellipsis(words, _LONGEST_COMMAND))


def networks_of(record: Record) -> list[str]:
    """The names of its networks; none and host count as such here."""
    if sandbox.is_shared(record):
        return []
    return [attachment["network"] for attachment in record["attachments"]] or [record["network"]]


def _ports(record: Record, places: list[tuple[Network, Endpoint]]) -> str:
    if not places:
        return ""
    return inspect_network.port_words(record["exposed"], sandbox.published(places))


def _size(session: Session, record: Record) -> format.Row:
    written = sizes.written(session, record)
    return {"Size": f"{units.size(written)} (virtual {units.size(written + sizes.beneath(record))})"}


def familiar(reference: str) -> str:
    """docker.io/library/alpine:latest is alpine to everybody."""
    return reference.removeprefix("docker.io/").removeprefix("library/").removesuffix(":latest")


def status_words(record: Record) -> str:
    """`Up 3 minutes (healthy)`, `Exited (137) 2 seconds ago`, `Created`: Docker's words."""
    state = record["state"]
    up = f"Up {units.ago(state['started']).removesuffix(' ago')}"
    if state["status"] == "running":
        return up + _health_words(record)
    if state["status"] == "paused":
        return f"{up} (Paused)"
    if state["status"] == "restarting":
        return f"Restarting ({state['exit_code']}) {units.ago(state['finished'])}"
    if state["status"] == "exited":
        return f"Exited ({state['exit_code']}) {units.ago(state['finished'])}"
    return "Created"


def _health_words(record: Record) -> str:
    health = _health(record)
    return {"none": "", "starting": " (health: starting)"}.get(health, f" ({health})")


def _health(record: Record) -> str:
    health = record["state"]["health"]
    return health["status"] if health and record["health"] else "none"


# ---- filters ----------------------------------------------------------------------------------------------


def chosen(session: Session, wanted: dict[str, list[str]]) -> list[Record]:
    """The containers that every filter lets through, newest first.  Raises UsageError for a senseless value."""
    records = containers.all_containers(session)
    tests = [_FILTERS[key](session, values) for key, values in wanted.items()]
    return [record for record in records if all(test(record) for test in tests)]


def _by_id(_session: Session, values: list[str]) -> Test:
    return lambda record: any(record["id"].startswith(value) for value in values)


def _by_name(_session: Session, values: list[str]) -> Test:
    is_named = filters.finder(values)
    return lambda record: is_named(record["name"]) or is_named(f"/{record['name']}")


def _by_label(_session: Session, values: list[str]) -> Test:
    return lambda record: all(filters.has_label(record["labels"], value) for value in values)


def _by_status(_session: Session, values: list[str]) -> Test:
    if bad := set(values) - set(_STATUSES):
        raise UsageError(f"invalid filter 'status={bad.pop()}'", f"there are {', '.join(_STATUSES)}")
    return lambda record: record["state"]["status"] in values


def _by_exit_code(_session: Session, values: list[str]) -> Test:
    if bad := [value for value in values if not value.lstrip("-").isdigit()]:
        raise UsageError(f"invalid filter 'exited={bad[0]}': it is not a number")
    codes = set(map(int, values))
    return lambda record: record["state"]["status"] == "exited" and record["state"]["exit_code"] in codes


def _by_health(_session: Session, values: list[str]) -> Test:
    if bad := set(values) - set(_HEALTHS):
        raise UsageError(f"invalid filter 'health={bad.pop()}'", f"there are {', '.join(_HEALTHS)}")
    return lambda record: _health(record) in values


def _by_ancestor(session: Session, values: list[str]) -> Test:
    """Containers of an image, or of one that was built on it: whose layers begin with its layers."""
    from minirun.image.store import Store

    store = Store(session)
    images = [image for image in map(store.find, values) if image]
    stacks = [image.layer_paths() for image in images]
    return lambda record: any(record["layers"][: len(stack)] == stack for stack in stacks)


def _created(session: Session, values: list[str]) -> list[str]:
    try:
        return [containers.find(session, value)["created"] for value in values]
    except NotFoundError as error:
        raise UsageError(str(error)) from None


def _before(session: Session, values: list[str]) -> Test:
    moment = min(_created(session, values))
    return lambda record: record["created"] < moment


def _since(session: Session, values: list[str]) -> Test:
    moment = max(_created(session, values))
    return lambda record: record["created"] > moment


def _by_volume(_session: Session, values: list[str]) -> Test:
    def mounted(record: Record) -> bool:
        places = [
            {mount.get("name"), mount.get("source"), mount["destination"]} for mount in record["mounts"]
        ]
        return any(value in place for value in values for place in places)

    return mounted


def _by_network(session: Session, values: list[str]) -> Test:
    names = {_network_name(session, value) for value in values}
    return lambda record: bool(names & set(networks_of(record)))


def _network_name(session: Session, text: str) -> str:
    """A network may be given by its id, too."""
    with contextlib.suppress(NotFoundError, UsageError):
        return str(inspect_network.find(session, text)["Name"])
    return text


def _by_port(name: str) -> Callable[[Session, list[str]], Test]:
    """`publish=8080`, a port of the host, and `expose=80/tcp` or `expose=80-90`, of the container."""

    def test(session: Session, values: list[str]) -> Test:
        wanted = {port for value in values for port in parse_exposed(value)}
        places = sandbox.all_endpoints(session)

        def matches(record: Record) -> bool:
            held = sandbox.published(places.get(record["id"], []))
            public = {f"{port['host_port']}/{port['protocol']}" for port in held}
            return bool(wanted & (public if name == "publish" else set(record["exposed"])))

        return matches

    return test


_FILTERS: dict[str, Callable[[Session, list[str]], Test]] = {
    "ancestor": _by_ancestor,
    "before": _before,
    "exited": _by_exit_code,
    "health": _by_health,
    "id": _by_id,
    "label": _by_label,
    "name": _by_name,
    "expose": _by_port("expose"),
    "network": _by_network,
    "publish": _by_port("publish"),
    "since": _since,
    "status": _by_status,
    "volume": _by_volume,
}
