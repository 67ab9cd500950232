"""`compose events`: what happens to a project's containers, as it happens.

See  cli/events.py; engine/events.py
"""

from __future__ import annotations

import signal
import time

import click

from minirun import files
from minirun.cli import events, moments, template
from minirun.cli.printing import say_line
from minirun.compose import labels
from minirun.engine import events as engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.cli.compose.group import Compose


@click.command("events", short_help="Receive real time events from containers")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--since", default="", metavar="TIME", help="Begin with the past: 10m, 2024-01-31T12:00:00.")
@click.option("--until", default="", metavar="TIME", help="End then; at once, where that is past.")
@click.argument("services", nargs=-1)
@click.pass_obj
def events_command(
    compose: Compose, as_json: bool, since: str, until: str, services: tuple[str, ...]
) -> None:
    """Show what happens to the containers of the project, or of SERVICES, until it is interrupted."""
    begin = moments.nanoseconds(since, "since") if since else 0
    end = moments.nanoseconds(until, "until") if until else None
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `minirun compose events | head` ends quietly
    files.make_private(compose.session.root)
    project = compose.name()
    stream = events.stream(engine.path(compose.session), begin, end, past=bool(since or until))
    for event in stream:
        given = event["Actor"]["Attributes"]
        mine = event["Type"] == "container" and given.get(labels.PROJECT) == project
        if mine and (not services or given.get(labels.SERVICE) in services):
            say_line(template.as_json(_fields(event)) if as_json else _text(event))


def _attributes(event: dict[str, Any]) -> dict[str, str]:
    """All but Compose's own labels, which say the same of every event."""
    given = event["Actor"]["Attributes"]
    return {key: value for key, value in sorted(given.items()) if not key.startswith("com.docker.compose.")}


def _fields(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "action": event["Action"],
        "attributes": _attributes(event),
        "id": event["Actor"]["ID"],
        "service": event["Actor"]["Attributes"].get(labels.SERVICE, ""),
        "time": moments.local(event["timeNano"]),
        "type": "container",
    }


def _text(event: dict[str, Any]) -> str:
    """`2026-11-29 20:24:03.721887 container create 3f4e... (image=busybox, name=demo-db-1)`"""
    seconds, rest = divmod(event["timeNano"], 10**9)
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds)) + f".{rest // 1000:06d}"
    attributes = ", ".join(f"{key}={value}" for key, value in _attributes(event).items())
    return f"{moment} container {event['Action']} {event['Actor']['ID']} ({attributes})"
