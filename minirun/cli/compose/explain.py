"""`minirun compose explain`: what `up` would do now, and why, before anything happens.  There is no such command in
Docker Compose."""

from __future__ import annotations

import click

from minirun.cli.printing import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.cli.compose.group import Compose


@click.command("explain")
@click.option("--force-recreate", is_flag=True, help="As if it were given to `up`.")
@click.option("--remove-orphans", is_flag=True, help="As if it were given to `up`.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="How it is shown."
)
@click.argument("services", nargs=-1)
@click.pass_obj
def explain_command(
    compose: Compose, force_recreate: bool, remove_orphans: bool, form: str, services: tuple[str, ...]
) -> None:
    """Tell what `compose up` would do now, and why, key by key; nothing is changed."""
    from minirun import jsontext
    from minirun.compose import explanation, lifecycle
    from minirun.compose.choice import Choice

    project = compose.load(services)
    choice = Choice(
        services, recreate="force" if force_recreate else "diverged", remove_orphans=remove_orphans
    )
    plan = lifecycle.planned(compose.session, project, choice)
    for warning in plan.warnings:
        compose.warn(warning)
    if form == "json":
        found = [
            {"kind": line.kind, "name": line.name, "action": line.words, "why": line.why}
            for line in explanation.lines(plan)
        ]
        say(jsontext.dumps(found, indent=2))
        return
    for line in explanation.text(plan):
        say(line)
