"""`compose explain`: what `up` would do and why, in words, before anything happens.

    web-1   is made anew: environment DEBUG 0 -> 1
    db-1    stays as it is

See  plan.py, which gives each action its reasons
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from minirun.compose.actions import Action, Plan

_WORDS = {
    "create network": "is made",
    "remake network": "is made anew",
    "create volume": "is made",
    "create": "is made",
    "remake": "is made anew",
    "rename": "gets its name",
    "start": "is started",
    "unpause": "goes on",
    "stop": "is stopped meanwhile",
    "remove": "is removed",
    "leave": "stays as it is",
}
_AFTER = {
    "start": "{} runs",
    "leave": "{} runs",
    "wait service_healthy": "{} is healthy",
    "wait service_completed_successfully": "{} has ended with 0",
}


class Line:
    """One resource, what happens to it, and why."""

    def __init__(self, kind: str, name: str, words: str, why: Iterable[str], changes: bool) -> None:
        self.kind = kind  # image, network, volume, container
        self.name = name
        self.words = words
        self.why = list(why)
        self.changes = changes


def lines(plan: Plan) -> list[Line]:
    """One for each image, network, volume and container that the plan is about, in the order in which it begins."""
    found: dict[tuple[str, str], list[Action]] = {}
    for action in plan:
        if action.kind != "wait":
            found.setdefault((_kind(action), action.name), []).append(action)
    images = [Line("image", name, f"is {how}", [], True) for name, how in plan.images]
    return [*images, *(_line(kind, name, actions) for (kind, name), actions in found.items())]


def _kind(action: Action) -> str:
    last = action.kind.split()[-1]
    return last if last in ("network", "volume") else "container"


def _line(kind: str, name: str, actions: list[Action]) -> Line:
    acts = [action for action in actions if action.kind != "leave"] or actions
    words = [_WORDS[action.kind] for action in acts]
    if kind == "container" and acts[-1].kind == "start":
        words[-1] += "".join(f", once {one}" for one in [_conditions(acts[-1])] if one)
    why = [
        reason
        for action in acts
        for reason in action.why
        if reason not in ("there is none", "nothing has changed")
    ]
    return Line(kind, name, " and ".join(words), why, acts[0].kind != "leave")


def _conditions(start: Action) -> str:
    """`db is healthy and init has ended with 0`"""
    found = [
        _AFTER[f"{one.kind} {one.condition}".strip()].format(one.service)
        for one in start.after
        if f"{one.kind} {one.condition}".strip() in _AFTER and one.service != start.service
    ]
    return " and ".join(dict.fromkeys(found))


def text(plan: Plan) -> Iterator[str]:
    """The lines as they are printed, names below each other; what stays comes last, in one line."""
    found = lines(plan)
    changing = [line for line in found if line.changes]
    width = max((len(line.name) for line in changing), default=0)
    for line in changing:
        first, *rest = line.why or [""]
        yield f"{line.kind:<9} {line.name:<{width}}  {line.words}" + (f": {first}" if first else "")
        yield from (f"{'':<9} {'':<{width}}  {'':>{len(line.words)}}  {reason}" for reason in rest)
    staying = [line.name for line in found if not line.changes]
    if staying:
        yield f"{', '.join(staying)}: {'stays as it is' if len(staying) == 1 else 'stay as they are'}"
    if not changing:
        yield "up would change nothing"
