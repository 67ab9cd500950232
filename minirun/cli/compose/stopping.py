"""`start`, `stop`, `restart`, `kill`, `pause`, `unpause`, `rm`: the containers of a project that are there.

Which project it is, the files say, or -p alone: then they are not needed, nor read.

See  compose/existing.py
"""

from __future__ import annotations

import sys

import click

from minirun.cli.compose import options
from minirun.cli.printing import say
from minirun.compose import existing, names, observed
from minirun.engine import containers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.cli.compose.group import Compose


@click.command("start", short_help="Start services")
@click.option("--wait", is_flag=True, help="Return when they are running, or healthy.")
@click.option("--wait-timeout", type=int, default=0, help="Seconds after which --wait gives up.")
@options.services
@click.pass_obj
def start_command(compose: Compose, wait: bool, wait_timeout: int, services: tuple[str, ...]) -> None:
    """Start what is there and does not run, and what it depends on first."""
    name, project = options.project(compose, services)
    wanted = options.with_dependencies(project, services)
    all_services = project.services.values() if project else ()
    expected = [one["name"] for one in all_services if names.scale(one, {})]
    with options.report(compose, "start") as report:
        existing.start(compose.session, name, wanted, report, compose.session.spawn, expected)
        if wait and not compose.dry_run:
            found = observed.containers_of(compose.session, name)
            mine = [one for one in found if not one.is_one_off and (not wanted or one.service in wanted)]
            from minirun.compose import lifecycle

            lifecycle.wait_until_ready(compose.session, mine, report, wait_timeout)


@click.command("stop", short_help="Stop services")
@options.timeout
@options.services
@click.pass_obj
def stop_command(compose: Compose, timeout: int | None, services: tuple[str, ...]) -> None:
    """Stop what runs; `start` has it run again."""
    name, _ = options.project(compose, services, needed=False)
    with options.report(compose, "stop") as report:
        existing.stop(compose.session, name, services, report, timeout)


@click.command("restart", short_help="Restart the containers of services")
@click.option("--no-deps", is_flag=True, help="Not what depends on them.")
@options.timeout
@options.services
@click.pass_obj
def restart_command(compose: Compose, no_deps: bool, timeout: int | None, services: tuple[str, ...]) -> None:
    """Stop and start what is there, as it was made: changes of the files have no part in it."""
    name, _ = options.project(compose, services, needed=False)
    spawn, dependents = compose.session.spawn, not no_deps
    with options.report(compose, "restart") as report:
        existing.restart(compose.session, name, services, report, timeout, spawn, dependents=dependents)


@click.command("kill", short_help="Kill the containers of services")
@click.option("-s", "--signal", "signal_name", default="SIGKILL", help="Signal to send instead of KILL.")
@click.option("--remove-orphans", is_flag=True, help="Containers of services that are not there, too.")
@options.services
@click.pass_obj
def kill_command(compose: Compose, signal_name: str, remove_orphans: bool, services: tuple[str, ...]) -> None:
    """Send a signal to what runs."""
    number = containers.signal_number(signal_name)
    name, found = options.project(compose, services)
    chosen = services or (found.services if found and not remove_orphans else ())
    with options.report(compose, "kill") as report:
        if not existing.kill(compose.session, name, list(chosen), report, number):
            say("No container to kill", err=True)


@click.command("pause", short_help="Freeze services")
@options.services
@click.pass_obj
def pause_command(compose: Compose, services: tuple[str, ...]) -> None:
    """Freeze all processes of what runs."""
    name, _ = options.project(compose, services, needed=False)
    with options.report(compose, "pause") as report:
        existing.pause(compose.session, name, services, report)


@click.command("unpause", short_help="Let frozen services go on")
@options.services
@click.pass_obj
def unpause_command(compose: Compose, services: tuple[str, ...]) -> None:
    """Let what is frozen go on."""
    name, _ = options.project(compose, services, needed=False)
    with options.report(compose, "unpause") as report:
        existing.unpause(compose.session, name, services, report)


@click.command("rm", short_help="Remove stopped containers")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option("-s", "--stop", is_flag=True, help="Stop first what runs.")
@click.option("-v", "--volumes", is_flag=True, help="Their anonymous volumes, too.")
@options.services
@click.pass_obj
def rm_command(compose: Compose, force: bool, stop: bool, volumes: bool, services: tuple[str, ...]) -> None:
    """Remove containers that have ended.  What they wrote outside of volumes is lost."""
    name, _ = options.project(compose, services, needed=False)
    if stop:
        with options.report(compose, "stop") as report:
            existing.stop(compose.session, name, services, report)
    found = existing.to_remove(compose.session, name, services, running=stop)
    if not found:
        say("No stopped containers", err=True)
        return
    question = f"Going to remove {', '.join(one.name for one in found)}"
    if force or compose.dry_run:
        say(question)
    elif not _is_confirmed(question):
        return
    with options.report(compose, "remove") as report:
        existing.remove(compose.session, name, found, report, with_volumes=volumes)


def _is_confirmed(question: str) -> bool:
    """Where nobody can answer it means no, as with Docker Compose."""
    try:
        return click.confirm(question)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        say("")
        return False
