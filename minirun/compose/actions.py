"""What can be done to make a project as it is wanted, as data: plan.py decides it, carry_out.py does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from minirun.compose.observed import Container

Kind = Literal[
    "create network",
    "remake network",
    "remove network",
    "create volume",
    "remove volume",
    "create",
    "remake",
    "rename",
    "start",
    "restart",
    "leave",
    "stop",
    "kill",
    "remove",
    "remove image",
    "pause",
    "unpause",
    "wait",
]
"""`remake`: another one in its place.  `leave`: it is right as it is.  `wait`: for what a service depends on."""


class Action:
    """One act on one resource, and what has to have ended before it begins."""

    def __init__(
        self,
        kind: Kind,
        name: str,
        *,
        key: str = "",
        service: str = "",
        number: int = 0,
        container: Container | None = None,
        condition: str = "",
        required: bool = True,
        after: Iterable[Action] = (),
        why: Iterable[str] = (),
    ) -> None:
        self.kind = kind
        self.name = name  # of the container, network, volume or image
        self.key = key  # what the files call a network or a volume
        self.service = service
        self.number = number
        self.container = container  # that is there already
        self.condition = condition  # of a wait: service_started ...; of a kill: the signal's number
        self.required = required  # whether a wait in vain is a failure
        self.after = list(after)
        self.why = list(why)

    def __repr__(self) -> str:
        return " ".join([self.kind, self.name, *([self.condition] if self.condition else [])])


def on(
    kind: Kind,
    container: Container,
    why: Iterable[str] = (),
    *,
    name: str = "",
    condition: str = "",
    after: Iterable[Action] = (),
) -> Action:
    """An act on a container that is there."""
    return Action(
        kind,
        name or container.name,
        service=container.service,
        number=container.number,
        container=container,
        condition=condition,
        after=after,
        why=why,
    )


class Plan:
    """Actions, each behind those that it is after; and what a person should know beforehand."""

    def __init__(self) -> None:
        self.actions: list[Action] = []
        self.warnings: list[str] = []
        self.images: list[
            tuple[str, str]
        ] = []  # (name, pulled or built) of those that come before all actions

    def __iter__(self) -> Iterator[Action]:
        return iter(self.actions)

    def add(self, action: Action) -> Action:
        self.actions.append(action)
        return action

    def of(self, *kinds: Kind) -> list[Action]:
        return [action for action in self.actions if action.kind in kinds]

    @property
    def changes(self) -> list[Action]:
        """Those that change something."""
        return [action for action in self.actions if action.kind not in ("leave", "wait")]
