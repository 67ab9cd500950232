"""`events`: what happens to containers, images, volumes and networks, as it happens.

See  engine/events.py for how they come to be written; docs/logs-and-events.md
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import click

from minirun import files
from minirun.cli import filters, moments, template
from minirun.cli.commands import Session
from minirun.cli.printing import say, say_line
from minirun.engine import events
from minirun.engine.logs import tail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FILTERS = (
    *("config", "container", "daemon", "event", "image", "label", "network", "node", "plugin", "scope"),
    *("secret", "service", "type", "volume"),
)
_FUZZY = ("health_status", "exec_create", "exec_start")  # what follows is the event's own


@click.command("events", short_help="Get real time events")
@click.option("-f", "--filter", "words", multiple=True, help=f"KEY=VALUE; {', '.join(_FILTERS)}.")
@click.option("--format", "form", default="", help="json, '{{.Type}} {{.Action}}'.")
@click.option("--since", default="", metavar="TIME", help="Begin with the past: 10m, 2024-01-31T12:00:00.")
@click.option("--until", default="", metavar="TIME", help="End then; at once, where that is past.")
@click.pass_obj
def events_command(session: Session, words: tuple[str, ...], form: str, since: str, until: str) -> None:
    """Show what happens, until it is interrupted."""
    wanted = filters.parse(words, _FILTERS)
    line, show = _formatter(form), say if form else say_line
    begin = moments.nanoseconds(since, "since") if since else 0
    end = moments.nanoseconds(until, "until") if until else None
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `minirun events | head` ends quietly
    files.make_private(session.root)
    for event in stream(events.path(session), begin, end, past=bool(since or until)):
        if is_wanted(event, wanted):
            show(line(event))


def stream(path: str, begin: int, end: int | None, *, past: bool) -> Iterator[dict[str, Any]]:
    """Events from `begin` to `end` (nanoseconds), for ever if that is None; `past`: those there are already, too."""
    news = tail.Tail(path, follow=True)
    if not past:
        news.go(news.size())
    going = True
    while going:
        going = end is None or time.time_ns() < end  # before we look: what is written until then is still in
        while block := news.read():
            for event in tail.parse(block):
                if end is not None and event["timeNano"] > end:
                    return
                if event["timeNano"] >= begin:
                    yield event
        if going and 1 in news.wait([1], None if end is None else end / 1e9):
            return  # nobody reads our output any more


# ---- which of them ----------------------------------------------------------------------------------------


def is_wanted(event: dict[str, Any], wanted: dict[str, list[str]]) -> bool:
    """Whether all the filters let an event through.  `wanted` is as filters.parse() makes it."""
    return all(_TESTS.get(key, _is_or_is_called)(event, key, values) for key, values in wanted.items())


def _has_action(event: dict[str, Any], key: str, values: list[str]) -> bool:
    action = str(event["Action"])
    return any(action == value or (value in _FUZZY and action.startswith(value)) for value in values)


def _is_equal(event: dict[str, Any], key: str, values: list[str]) -> bool:
    return event[{"type": "Type"}.get(key, key)] in values


def _has_labels(event: dict[str, Any], key: str, values: list[str]) -> bool:
    return all(filters.has_label(event["Actor"]["Attributes"], value) for value in values)


def _is_of_image(event: dict[str, Any], key: str, values: list[str]) -> bool:
    """The image itself, or a container of it; with its tag or without."""
    actor = event["Actor"]
    name = actor["Attributes"].get("name" if event["Type"] == "image" else "image", "")
    known = {actor["ID"], name}
    return not (known | {_without_tag(one) for one in known}).isdisjoint(values)


def _without_tag(name: str) -> str:
    before, colon, tag = name.rpartition(":")
    return before if colon and "/" not in tag else name


def _is_or_is_called(event: dict[str, Any], key: str, values: list[str]) -> bool:
    """Docker's rule for objects of all kinds: the beginning of the id or of the name."""
    actor = event["Actor"]
    called = (actor["ID"], actor["Attributes"].get("name", ""))
    return any(one.startswith(value) for one in called for value in values)


def _is_of_daemon(event: dict[str, Any], key: str, values: list[str]) -> bool:
    return True  # there is none, so all are of the one that was meant


_TESTS: dict[str, Callable[[dict[str, Any], str, list[str]], bool]] = {
    "daemon": _is_of_daemon,
    "event": _has_action,
    "image": _is_of_image,
    "label": _has_labels,
    "scope": _is_equal,
    "type": _is_equal,
}

# ---- how they look ----------------------------------------------------------------------------------------


def _formatter(form: str) -> Callable[[dict[str, Any]], str]:
    if not form:
        return text
    if form == "json":
        return template.as_json
    shown = template.of_type(form, "Event")
    shown({})  # what is wrong with it is said now, not at the first event
    return shown


def text(event: dict[str, Any]) -> str:
    """`2026-11-24T02:00:00.000000000Z container start 3f4e... (image=busybox, name=quick_tug)`"""
    actor = event["Actor"]
    attributes = ", ".join(f"{key}={value}" for key, value in sorted(actor["Attributes"].items()))
    words = f"{moments.local(event['timeNano'])} {event['Type']} {event['Action']} {actor['ID']}".rstrip()
    return f"{words} ({attributes})" if attributes else words
