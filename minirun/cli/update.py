"""`update`: other limits, or another restart policy, for containers that exist."""

from __future__ import annotations

import click

from minirun.cli import limit_options, stopping
from minirun.engine import containers as engine
from minirun.engine import update as updating
from minirun.engine.options import limits, policies
from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@click.command("update")
@limit_options.changeable
@click.option("--restart", help="no, on-failure[:n], always or unless-stopped.")
@click.argument("containers", nargs=-1, required=True)
@click.pass_context
def update_command(
    ctx: click.Context, /, containers: tuple[str, ...], restart: str | None, **words: Any
) -> int:
    """Change the limits of one or more containers, all that is asked for or nothing."""
    sources = [ctx.get_parameter_source(name) for name in ("restart", *words)]
    if click.core.ParameterSource.COMMANDLINE not in sources:  # 0 and "" say something, too
        raise UsageError("You must provide one or more flags when using this command", "as in --memory 128m")
    policy = policies.restart(restart) if restart else None
    resources = limit_options.resources(words, lifting=True)
    conf = limits.raw(words["cgroup_conf"])

    def update(name: str) -> None:
        record = engine.find(ctx.obj, name)
        updating.update(ctx.obj, record, resources=resources, cgroup_conf=conf, restart=policy)

    return stopping.for_each(containers, update)
