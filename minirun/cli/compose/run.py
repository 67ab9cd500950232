"""`compose run`: one command in a container of its own, made as a service's are.

What the service depends on is started and waited for.  In front of it we are as in `minirun run -it`, with a terminal
where there is one here; the exit code is the command's.

See  compose/one_off.py; cli/starting.py
"""

from __future__ import annotations

import threading

import click

from minirun.cli import attach as front
from minirun.cli import starting
from minirun.cli.compose import choosing, options
from minirun.cli.compose.execute import has_terminal
from minirun.cli.printing import say
from minirun.compose import hooks, one_off
from minirun.engine import containers
from minirun.errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.cli.compose.group import Compose
    from minirun.compose.language.model import Project
    from minirun.engine.record_types import Record

_STREAMS = ("stdout", "stderr")


@click.command(
    "run",
    context_settings={"allow_interspersed_args": False},
    short_help="Run a command once, in a container of a service",
)
@click.option("--build", is_flag=True, help="Build the image first.")
@click.option("--cap-add", multiple=True, help="Give a capability, or ALL.")
@click.option("--cap-drop", multiple=True, help="Take a capability, or ALL.")
@click.option("-d", "--detach", is_flag=True, help="Run in the background and print the container's ID.")
@click.option("--entrypoint", help="Program to run instead of the image's, with its arguments.")
@click.option("-e", "--env", multiple=True, help="NAME=VALUE, or NAME for the value it has here.")
@click.option("--env-from-file", multiple=True, help="A file of variables, as .env is.")
@click.option("-i", "--interactive/--no-interactive", default=True, help="Keep STDIN open: the default.")
@click.option("-l", "--label", multiple=True, help="KEY=VALUE to remember.")
@click.option("--name", default="", help="Name of the container.")
@click.option("--no-deps", is_flag=True, help="Not what it depends on.")
@click.option("-T", "--no-tty", "--no-TTY", is_flag=True, help="No terminal, though there is one here.")
@click.option("-p", "--publish", multiple=True, help="[IP:][HOST:]CONTAINER[/udp]: a port of the host.")
@click.option("--pull", default="policy", help="When to pull images: always, missing or never.")
@click.option("-q", "--quiet", is_flag=True, help="Do not show what is made and started.")
@click.option("--quiet-build", is_flag=True, help="Do not show how images are built.")
@click.option("--quiet-pull", is_flag=True, help="Do not show how images are pulled.")
@click.option("--remove-orphans", is_flag=True, help="Remove containers of services that are not there.")
@click.option("--rm", "remove", is_flag=True, help="Remove the container when it exits.")
@click.option("-P", "--service-ports", is_flag=True, help="Publish the service's ports.")
@click.option("-t", "--tty", is_flag=True, hidden=True)
@click.option("--use-aliases", is_flag=True, help="It is found by the service's names, too.")
@click.option("-u", "--user", default="", help="NAME or UID, and :GROUP or :GID.")
@click.option("-v", "--volume", multiple=True, help="NAME:/P or /HOST:/P[:ro]: one more.")
@click.option("-w", "--workdir", default="", help="Working directory.")
@click.argument("service")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def run_command(compose: Compose, /, service: str, args: tuple[str, ...], **words: Any) -> int:
    """Run a command once, in a container of SERVICE; without ARGS, the service's own command."""
    project = compose.load([service])
    choosing.require_in(project, [service])
    detach = words["detach"]
    once = one_off.Once(
        service,
        args,
        name=words["name"],
        entrypoint=words["entrypoint"],
        environment=words["env"],
        env_files=words["env_from_file"],
        labels=words["label"],
        user=words["user"],
        workdir=words["workdir"],
        volumes=words["volume"],
        publish=words["publish"],
        service_ports=words["service_ports"],
        use_aliases=words["use_aliases"],
        cap_add=words["cap_add"],
        cap_drop=words["cap_drop"],
        interactive=words["interactive"] and not detach,
        tty=not words["no_tty"] and (words["tty"] or has_terminal()),
        remove=words["remove"],
        dependencies=not words["no_deps"],
    )
    one_off.changed(project, once)  # what is wrong with the words is said before anything is made
    record = _made(compose, project, once, words)
    return _run(compose, project, once, record, detach)


def _made(compose: Compose, project: Project, once: one_off.Once, words: dict[str, Any]) -> Record:
    """Its container, and before it what that needs."""
    choice = options.choice(compose, project, [], words)
    choice.ignore_orphans = True
    quiet = {name: words[name] for name in ("quiet_pull", "quiet_build")}
    with options.report(compose, "run", mode="quiet" if words["quiet"] else "", **quiet) as report:
        one_off.ready(compose.session, project, once, choice, report, compose.session.spawn)
        if compose.dry_run:
            raise UnsupportedError("interactive run is not supported in dry-run mode")
        return one_off.make(compose.session, project, once, report)


def _run(compose: Compose, project: Project, once: one_off.Once, record: Record, detach: bool) -> int:
    """Start it, and unless `detach` stay until its end.  Returns the exit code."""
    session, tty = compose.session, record["options"]["tty"]
    starting.require_terminal(record, once.interactive)
    after_start = project.services[once.service].get("post_start") or []
    attached = containers.start(
        session,
        record,
        streams=() if detach else _STREAMS,
        size=front.own_size() if tty else (0, 0),
        once=not detach,
        spawn=session.spawn,
        wait=detach or bool(after_start),
    )
    hooked = threading.Thread(target=hooks.run, args=(session, record, after_start, lambda *_: None))
    hooked.start()
    if detach:
        hooked.join()
        say(record["id"])
        return 0
    end = front.attach(attached, interactive=once.interactive, tty=tty)
    if end and end.last:
        attached.wait_for_shim()
    return end.code if end else 0
