"""The options of `run` and `create` about health and restarts."""

from __future__ import annotations

import click

from minirun.engine.options import policies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from minirun.engine.record_types import RunOptions

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


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the command takes them all, under the names that `apply` knows."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def apply(words: Mapping[str, Any], options: RunOptions) -> None:
    """The words of `run` and `create` about health and restarts into the options."""
    options["restart"] = policies.restart(words["restart"])
    options["health"] = policies.health(
        command=words["health_cmd"],
        interval=words["health_interval"] or "",
        timeout=words["health_timeout"] or "",
        start_period=words["health_start_period"] or "",
        start_interval=words["health_start_interval"] or "",
        retries=words["health_retries"],
        disable=words["no_healthcheck"],
    )
