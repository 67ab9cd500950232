"""`compose version`."""

from __future__ import annotations

import click

from minirun import __version__
from minirun.cli.printing import say


@click.command("version")
@click.option("-f", "--format", "form", type=click.Choice(["pretty", "json"]), default="pretty", help="How.")
@click.option("--short", is_flag=True, help="Only the number.")
def version_command(form: str, short: bool) -> None:
    """Show the version."""
    if short:
        say(__version__)
    elif form == "json":
        say(f'{{"version":"{__version__}"}}')
    else:
        say(f"minirun compose version {__version__}")
