"""What a person has chosen for one command: the options of `compose up`, `create`, `scale` and `run`, without words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Recreate = Literal["diverged", "force", "never"]


class Choice:
    """The defaults are those of `compose up -d`."""

    def __init__(
        self,
        services: Iterable[str] = (),
        *,
        recreate: Recreate = "diverged",
        recreate_dependencies: Recreate = "diverged",
        dependencies: bool = True,
        scale: Mapping[str, int] | None = None,
        remove_orphans: bool = False,
        ignore_orphans: bool = False,
        timeout_seconds: int | None = None,
        renew_anonymous_volumes: bool = False,
        pull: str = "",
        build: bool | None = None,
        start: bool = True,
        at_once: int = 0,
        one_off: str = "",
    ) -> None:
        self.services = list(services)  # none: all that are on
        self.recreate = recreate
        self.recreate_dependencies = recreate_dependencies  # of those that were not named
        self.dependencies = dependencies  # whether what they depend on is looked after
        self.scale = dict(scale or {})
        self.remove_orphans = remove_orphans
        self.ignore_orphans = ignore_orphans
        self.timeout_seconds = timeout_seconds  # for stopping; None: what the container was made with
        self.renew_anonymous_volumes = renew_anonymous_volumes
        self.pull = pull  # always, missing, never; "": what each service says
        self.build = build  # True: always, False: never, None: what is missing
        self.start = start  # False: they are only made
        self.at_once = at_once  # 0: no limit
        self.one_off = (
            one_off  # the service of `compose run`: all that a container of it needs, and none of its own
        )
