"""The options of `run` and `create` about health and restarts."""

from __future__ import annotations

import click

from minirun.engine.options import policies
from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from minirun.engine.options.run_options import RunOptions

_OPTIONS = (
    click.option("--restart", default="no", help="no, on-failure[:n], always or unless-stopped."),
    click.option("--health-cmd", help="Command that tells by its exit code whether the container is well."),
    click.option("--health-interval", help="Time between two checks: 30s, 500ms."),
    click.option("--health-timeout", help="How long a check may take."),
    click.option("--health-retries", type=int, help="Failures in a row that make it unhealthy."),
    click.option("--health-start-period", help="Failures do not count for so long."),
    click.option("--health-start-interval", help="Time between two checks in the start period."),
    click.option("--no-healthcheck", is_flag=True, help="The image's HEALTHCHECK does not count."),
)
_NAMES = (
    *("health_cmd", "health_interval", "health_timeout", "health_retries", "health_start_period"),
    *("health_start_interval", "no_healthcheck"),
)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the command takes them all, under the names that `take` knows."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take(into: RunOptions, words: dict[str, Any]) -> None:
    """The words of the command line into RunOptions."""
    into.restart = policies.restart(words["restart"])
    if into.rm and into.restart["name"] != "no":
        raise UsageError("conflicting options: cannot specify both --restart and --rm")
    into.health = policies.health({name: words[name] for name in _NAMES})
