"""What the commands of Compose that change something have in common: options, and what is made of them.

See  compose/choice.py
"""

from __future__ import annotations

import contextlib
import re
import sys

import click

from minirun.cli.compose import choosing
from minirun.cli.printing import say
from minirun.compose import observed, order
from minirun.compose.choice import Choice
from minirun.errors import MinirunError, ProgramError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from minirun.cli.compose.group import Compose
    from minirun.cli.compose.report_lines import Shown
    from minirun.compose.language.model import Project
    from minirun.compose.observed import Container

PULL = ("always", "missing", "never", "build", "if_not_present", "newer", "policy")


services = click.argument("services", nargs=-1)
timeout = click.option("-t", "--timeout", type=int, help="Seconds to wait for a container's end.")
MAKING = (
    click.option("--build", is_flag=True, help="Build images first."),
    click.option("--no-build", is_flag=True, help="Build no image, even where there is none."),
    click.option("--force-recreate", is_flag=True, help="Make containers anew though nothing has changed."),
    click.option("--no-recreate", is_flag=True, help="Leave containers as they are, whatever has changed."),
    click.option("--pull", default="policy", help="When to pull images: always, missing or never."),
    click.option("--quiet-pull", is_flag=True, help="Do not show how images are pulled."),
    click.option("--remove-orphans", is_flag=True, help="Remove containers of services that are not there."),
    click.option("--scale", multiple=True, metavar="SERVICE=N", help="Have N containers of SERVICE."),
    click.option("-y", "--yes", is_flag=True, help="Ask nothing, and take it for yes."),
)


def of_making(command: Any) -> Any:
    """Decorator: the options that up and create share."""
    for option in reversed(MAKING):
        command = option(command)
    return command


@contextlib.contextmanager
def report(
    compose: Compose, operation: str, *, mode: str = "", quiet_pull: bool = False, quiet_build: bool = False
) -> Iterator[Shown]:
    """What shows what is done, as --progress and --ansi want it; a build that fails is shown as `build` shows it."""
    from minirun.cli.compose import reports  # completion asks for options alone

    try:
        with reports.show(
            operation,
            mode or compose.progress,
            ansi=compose.ansi,
            dry_run=compose.dry_run,
            quiet_pull=quiet_pull,
            quiet_build=quiet_build,
        ) as shown:
            yield shown
    except ProgramError as error:
        if operation == "run":
            raise
        raise MinirunError(
            error.message, error.hint
        ) from error  # 127 would be the code of one command's program
    except MinirunError as error:
        _show_build_error(error)
        raise


def _show_build_error(error: MinirunError) -> None:
    """The lines of the Dockerfile that did not work, instead of the error alone."""
    if "minirun.build.source" not in sys.modules:
        return  # nothing was built
    from minirun.build.source import BuildError
    from minirun.cli import build

    if isinstance(error, BuildError):
        for line in [*build.failure(error), *error.explanation]:
            say(line, err=True)
        raise click.exceptions.Exit(1) from error


def choice(compose: Compose, project: Project, services: Sequence[str], words: dict[str, Any]) -> Choice:
    """What was asked for.  Raises UsageError for what does not go together."""
    check(words)
    pull = words.get("pull", "policy")
    if pull not in PULL:
        raise UsageError(f'invalid --pull option "{pull}"', "always, missing or never")
    remove_orphans = words.get("remove_orphans") or is_set(compose, "COMPOSE_REMOVE_ORPHANS")
    ignore_orphans = is_set(compose, "COMPOSE_IGNORE_ORPHANS")
    if remove_orphans and ignore_orphans:
        raise UsageError("cannot combine COMPOSE_IGNORE_ORPHANS and --remove-orphans")
    no_recreate = words.get("no_recreate", False)
    return Choice(
        services,
        recreate="never" if no_recreate else "force" if words.get("force_recreate") else "diverged",
        recreate_dependencies=(
            "never" if no_recreate else "force" if words.get("always_recreate_deps") else "diverged"
        ),
        dependencies=not words.get("no_deps", False),
        scale=scale(project, words.get("scale", ())),
        remove_orphans=remove_orphans,
        ignore_orphans=ignore_orphans,
        timeout_seconds=words.get("timeout"),
        renew_anonymous_volumes=words.get("renew_anon_volumes", False),
        pull="" if pull in ("policy", "build") else pull,
        build=False if words.get("no_build") else True if words.get("build") or pull == "build" else None,
        start=not words.get("no_start", False),
        at_once=max(compose.parallel, 0),
    )


_APART = (
    (("build",), ("no_build",)),
    (("no_recreate",), ("force_recreate", "always_recreate_deps", "renew_anon_volumes")),
    (("no_build",), ("watch",)),
)


def check(words: dict[str, Any]) -> None:
    """Raises UsageError for two options of which one takes back the other."""
    for firsts, seconds in _APART:
        for one in firsts:
            for other in seconds:
                if words.get(one) and words.get(other):
                    first, second = sorted(f"--{name.replace('_', '-')}" for name in (one, other))
                    raise UsageError(f"{first} and {second} are incompatible")


def is_set(compose: Compose, variable: str) -> bool:
    """Whether a variable of the environment, or of the project's .env, says yes."""
    return compose.environment().get(variable, "").lower() in ("1", "t", "true", "y", "yes")


def scale(project: Project, words: Iterable[str]) -> dict[str, int]:
    """`web=3 db=1`.  Raises UsageError quoting the bad one, NotFoundError for a service that is not there."""
    found = {}
    for word in words:
        name, equals, number = word.partition("=")
        if not equals or not re.fullmatch("[0-9]{1,6}", number):
            raise UsageError(f'invalid scale of a service: "{word}"', "SERVICE=N, as in web=3")
        choosing.require_in(project, [name])
        found[name] = int(number)
    return found


def project(compose: Compose, services: Sequence[str], *, needed: bool = True) -> tuple[str, Project | None]:
    """Its name, and what the files say of it: nothing where -p alone says which it is.

    Not `needed`: the files are read only for a service that has no container, to see whether there is such a one.
    """
    if not needed:
        name = compose.name()
        choosing.require_services(compose, services, observed.containers_of(compose.session, name))
        return name, None
    found = compose.load_if_asked(services)
    choosing.require_in(found, services)
    return (found.name if found else compose.name()), found


def with_dependencies(project: Project | None, services: Sequence[str]) -> list[str]:
    """The `services` and what they depend on; none stays none, which means all."""
    if project is None or not services:
        return list(services)
    return order.selected(project, services, dependencies=True)


def running(compose: Compose, service: str, index: int = 0) -> Container:
    """The container of a service that runs: its number `index`, 0: the first.  Raises NotFoundError."""
    project(compose, [service], needed=False)
    return choosing.one(compose, service, index, up=True)
