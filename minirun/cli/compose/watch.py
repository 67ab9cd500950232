"""`compose watch`: changes of files are followed, after `up`, until Ctrl-C.

See  compose/watching.py
"""

from __future__ import annotations

import os
import sys

import click

from minirun.cli.compose import choosing, options
from minirun.cli.printing import draw, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from minirun.cli.compose.group import Compose
    from minirun.cli.compose.report_lines import Shown
    from minirun.compose.language.model import Project
    from minirun.compose.watching import Watch

_INTERRUPTED = 130
_LOOK_SECONDS = 60.0  # a signal is heard at once


@click.command("watch", short_help="Follow changes of files: copy, rebuild, restart")
@click.option("--no-up", is_flag=True, help="Do not build and start the services first.")
@click.option("--prune/--no-prune", default=True, help="Remove images that a rebuild has replaced.")
@click.option("--quiet", is_flag=True, help="Do not show how images are built.")
@options.services
@click.pass_obj
def watch_command(compose: Compose, no_up: bool, prune: bool, quiet: bool, services: tuple[str, ...]) -> int:
    """Follow changes of the files that `develop.watch` names: copy them, rebuild, restart; until Ctrl-C.

    The containers stay when it ends.
    """
    from minirun.compose import lifecycle, watching_rules
    from minirun.compose.choice import Choice

    project = compose.load(services)
    choosing.require_in(project, services)
    watching_rules.rules_of(project, services)  # what cannot be is told before anything is done
    with options.report(compose, "watch", quiet_pull=quiet, quiet_build=quiet) as report:
        if not no_up:
            for service in project.services.values():
                if service.get("build") and service.get("develop"):
                    service["pull_policy"] = "build"
            choice = Choice(services, recreate_dependencies="never", at_once=max(compose.parallel, 0))
            lifecycle.up(compose.session, project, choice, report, compose.session.spawn)
    if compose.dry_run:
        return 0
    try:
        with begin(compose, project, services, prune=prune, quiet=quiet) as watch:
            while True:
                watch.step(_LOOK_SECONDS)
    except KeyboardInterrupt:
        return _INTERRUPTED


def begin(
    compose: Compose,
    project: Project,
    services: tuple[str, ...],
    *,
    prune: bool = True,
    quiet: bool = False,
) -> Watch:
    """Watch from now on; for whoever calls its step() again and again."""
    from minirun.compose.watching import Watch

    return Watch(
        compose.session,
        project,
        services,
        lambda: _report(compose, quiet),
        _tell,
        _write,
        compose.session.spawn,
        prune_images=prune,
    )


def _report(compose: Compose, quiet: bool) -> AbstractContextManager[Shown]:
    """Lines also on a terminal, for there are others between them; a build that fails ends nothing."""
    from minirun.cli.compose import reports

    mode = "plain" if compose.progress in ("auto", "tty") and compose.ansi != "always" else compose.progress
    return reports.show("watch", mode, ansi=compose.ansi, quiet_pull=quiet, quiet_build=quiet)


def _tell(text: str) -> None:
    mark = click.style("⦿", fg="bright_green") + " " if sys.stdout.isatty() else ""
    draw(mark + text) if mark else say(text)


def _write(stream: str, data: bytes) -> None:
    os.write(2 if stream == "stderr" else 1, data)
