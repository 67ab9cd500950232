"""`compose up`, `create`, `scale`: containers as the files describe them, made, changed and started.

In front of it (no -d) the containers are made first, and started while their output is shown: attached_up.py.

See  compose/lifecycle.py, compose/choice.py
"""

from __future__ import annotations

import click

from minirun.cli.compose import choosing, options
from minirun.compose import lifecycle
from minirun.compose.choice import Choice
from minirun.errors import UnsupportedError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.cli.compose.group import Compose

_NOT_DETACHED = (
    "abort_on_container_exit",
    "abort_on_container_failure",
    "attach",
    "attach_dependencies",
    "watch",
)


@click.command("up", short_help="Create and start containers")
@click.option("-d", "--detach", is_flag=True, help="Leave them running in the background.")
@click.option("--abort-on-container-exit", is_flag=True, help="Stop all when one has ended.")
@click.option("--abort-on-container-failure", is_flag=True, help="Stop all when one has failed.")
@click.option("--always-recreate-deps", is_flag=True, help="Make anew what they depend on, too.")
@click.option("--attach", multiple=True, metavar="SERVICE", help="Show what these print, and no others.")
@click.option("--attach-dependencies", is_flag=True, help="Show what their dependencies print, too.")
@click.option(
    "--exit-code-from", default="", metavar="SERVICE", help="Stop all when one ends; its exit code."
)
@click.option("--menu", is_flag=False, flag_value="true", default="false", hidden=True)
@click.option("--no-attach", multiple=True, metavar="SERVICE", help="Do not show what these print.")
@click.option("--no-color", is_flag=True, help="Show no colours.")
@click.option("--no-deps", is_flag=True, help="Not what they depend on.")
@click.option("--no-log-prefix", is_flag=True, help="Show no names before lines.")
@click.option("--no-start", is_flag=True, help="Make them, and start none.")
@click.option("--quiet-build", is_flag=True, help="Do not show how images are built.")
@click.option("-V", "--renew-anon-volumes", is_flag=True, help="New anonymous volumes, not those of before.")
@click.option("--timestamps", is_flag=True, help="Show when each line was written.")
@click.option("--wait", is_flag=True, help="Return when they are running, or healthy; with -d.")
@click.option("--wait-timeout", type=int, default=0, help="Seconds after which --wait gives up.")
@click.option("-w", "--watch", is_flag=True, help="Follow changes of files: copy, rebuild, restart.")
@options.timeout
@options.of_making
@options.services
@click.pass_obj
def up_command(compose: Compose, /, services: tuple[str, ...], **words: Any) -> int:
    """Create and start containers; those that are right already are left alone."""
    check(words)
    project = compose.load(services)
    choosing.require_in(project, [*services, *filter(None, [words["exit_code_from"]])])
    if not project.services:
        raise UsageError("no service selected", "the files have none, or profiles have them off: --profile")
    choice = options.choice(compose, project, services, words)
    if not (words["detach"] or words["wait"] or words["no_start"]):
        from minirun.cli.compose import attached_up

        return attached_up.run(compose, project, choice, words)
    quiet = {name: words[name] for name in ("quiet_pull", "quiet_build")}
    with options.report(compose, "up", **quiet) as report:
        found = lifecycle.up(compose.session, project, choice, report, compose.session.spawn)
        if words["wait"] and not compose.dry_run:
            lifecycle.wait_until_ready(compose.session, found, report, words["wait_timeout"])
    return 0


def check(words: dict[str, Any]) -> None:
    """Raises UsageError for what does not go together, in Compose's words."""
    if words["menu"] not in ("false", "f", "0"):
        raise UnsupportedError(
            "--menu is not supported", "there is none: Ctrl-C stops all, up -d leaves them"
        )
    if words["abort_on_container_exit"] and words["abort_on_container_failure"]:
        raise UsageError("--abort-on-container-failure cannot be combined with --abort-on-container-exit")
    words["abort_on_container_exit"] |= (
        bool(words["exit_code_from"]) and not words["abort_on_container_failure"]
    )
    given = [name for name in _NOT_DETACHED if words[name]]
    if words["wait"] and given:
        raise UsageError(f"--wait cannot be combined with {_option(given[0])}")
    if words["detach"] and given:
        raise UsageError(f"--detach cannot be combined with {_option(given[0])}")
    if words["attach"] and words["attach_dependencies"]:
        raise UsageError("cannot combine --attach and --attach-dependencies")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


@click.command("create", short_help="Create containers for services")
@options.of_making
@options.services
@click.pass_obj
def create_command(compose: Compose, /, services: tuple[str, ...], **words: Any) -> None:
    """Make containers; `start` runs them."""
    project = compose.load(services)
    choosing.require_in(project, services)
    choice = options.choice(compose, project, services, words | {"no_start": True})
    with options.report(compose, "create", quiet_pull=words["quiet_pull"]) as report:
        lifecycle.up(compose.session, project, choice, report, compose.session.spawn)


@click.command("scale", short_help="Say how many containers services have")
@click.option("--no-deps", is_flag=True, help="Not what they depend on.")
@click.argument("services", nargs=-1, required=True, metavar="SERVICE=N...")
@click.pass_obj
def scale_command(compose: Compose, no_deps: bool, services: tuple[str, ...]) -> None:
    """Have N containers of SERVICE, more or fewer."""
    project = compose.load([word.partition("=")[0] for word in services])
    wanted = options.scale(project, services)
    choice = Choice(wanted, scale=wanted, dependencies=not no_deps, at_once=max(compose.parallel, 0))
    with options.report(compose, "scale") as report:
        lifecycle.up(compose.session, project, choice, report, compose.session.spawn)
