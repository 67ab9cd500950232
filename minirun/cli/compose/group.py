"""`minirun compose`: the options that come before its commands, and what every one of them gets.

    minirun compose [-f FILE] [-p NAME] [--profile NAME] ... COMMAND

Where an option is not given, COMPOSE_... of the environment counts, and then the same of the project's `.env`.
A command that only asks or stops things needs the project's name and no more: name() finds it without reading YAML.

See  docs.docker.com "docker compose", "Configure pre-defined environment variables"
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys

import click

from minirun.cli.commands import LazyGroup, Session
from minirun.cli.compose.table import COMMANDS
from minirun.cli.printing import say
from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from click.shell_completion import CompletionItem

    from minirun.compose.language.discovery import Sources
    from minirun.compose.language.model import Project

_ANSI = ("never", "always", "auto")
_PROGRESS = ("auto", "tty", "plain", "json", "quiet")
_TRUE = ("1", "t", "true")
_KNOWN = {  # what the arguments and options of the commands can be
    **dict.fromkeys(("service", "services", "attach", "no_attach", "exit_code_from"), "services"),
    **dict.fromkeys(("source", "destination"), "paths"),
    "statuses": "statuses",
}
_ABOUT_DRY_RUN = "Show what would be done, and do nothing."


class Compose:
    """ctx.obj of the group's commands: what was said before the command, and the project it means."""

    def __init__(
        self,
        session: Session,
        *,
        files: Sequence[str] = (),
        project_name: str = "",
        project_directory: str = "",
        profiles: Sequence[str] = (),
        env_files: Sequence[str] = (),
        ansi: str = "",
        progress: str = "",
        parallel: int | None = None,
        compatibility: bool = False,
        dry_run: bool = False,
        all_resources: bool = False,
    ) -> None:
        self.session = session
        self.files, self.profiles, self.env_files = list(files), list(profiles), list(env_files)
        self.project_name, self.project_directory = project_name, project_directory
        self.dry_run, self.all_resources = dry_run, all_resources
        self._ansi, self._progress, self._parallel, self._compatibility = (
            ansi,
            progress,
            parallel,
            compatibility,
        )
        self._warned: set[str] = set()

    # ---- the project ---------------------------------------------------------------------------------------

    def load(self, services: Sequence[str] = ()) -> Project:
        """The project of the files, with `services` and what they depend on on, whatever their profiles.

        Raises ComposeError for files that are wrong, NotFoundError where there is none.
        """
        from minirun.compose.language import loading

        project = loading.load(self.sources, services, all_resources=self.all_resources)
        if self.compatibility:
            project.separator = "_"
        for text in project.warnings:
            self.warn(text)
        return project

    def load_if_asked(self, services: Sequence[str] = ()) -> Project | None:
        """None where the project is named, by -p, and no file is: then it is what is there, whatever is in files."""
        if self.project_name and not self.files:
            return None
        return self.load(services)

    def name(self) -> str:
        """The project's name: of -p, COMPOSE_PROJECT_NAME, the files' `name:`, or the directory's.  No YAML is read."""
        from minirun.compose.language import discovery

        name = discovery.name(self.sources)
        for text in self.sources.found.warnings if self.sources.found else ():
            self.warn(text)
        return name

    @functools.cached_property
    def sources(self) -> Sources:
        """What was said of where the project is.  Standard input is read where it is a file of it, once."""
        from minirun.compose.language.discovery import Sources

        return Sources(
            files=self.files,
            project_directory=self.project_directory,
            name=self.project_name,
            profiles=self.profiles,
            env_files=self.env_files,
            environment=os.environ,
            stdin=sys.stdin.read() if "-" in self.files else "",
        )

    def environment(self) -> Mapping[str, str]:
        """The environment, with what the project's `.env` says where it says nothing."""
        from minirun.compose.language import discovery

        return discovery.environment(self.sources)

    def warn(self, text: str) -> None:
        """Show a warning, once."""
        if text not in self._warned:
            self._warned.add(text)
            say(f"WARN[0000] {text}", err=True)

    # ---- manners -------------------------------------------------------------------------------------------

    @property
    def ansi(self) -> str:
        """When colours and cursor movements are written: never, always, auto."""
        return self._ansi or self._chosen("COMPOSE_ANSI", _ANSI)

    @property
    def progress(self) -> str:
        """How news of resources is shown: auto, tty, plain, json, quiet."""
        return self._progress or self._chosen("COMPOSE_PROGRESS", _PROGRESS)

    @property
    def parallel(self) -> int:
        """How many things are done at the same time; -1: no limit."""
        if self._parallel is not None:
            return self._parallel
        text = self.environment().get("COMPOSE_PARALLEL_LIMIT") or "-1"
        try:
            return int(text)
        except ValueError:
            raise UsageError(f'COMPOSE_PARALLEL_LIMIT must be an integer (found: "{text}")') from None

    @property
    def compatibility(self) -> bool:
        """Whether names have _ where they have - now."""
        return self._compatibility or self.environment().get("COMPOSE_COMPATIBILITY", "").lower() in _TRUE

    def colours(self, file: Any = None) -> bool:
        """Whether `file`, standard output if none is said, may get colours."""
        if self.ansi != "auto":
            return self.ansi == "always"
        return "NO_COLOR" not in os.environ and (file or sys.stdout).isatty()

    def _chosen(self, variable: str, values: Sequence[str]) -> str:
        text = self.environment().get(variable) or "auto"
        if text not in values:
            raise UsageError(f'unsupported value of {variable}: "{text}"', f"one of {', '.join(values)}")
        return text


class ComposeGroup(LazyGroup):
    """The group; each of its commands takes --dry-run after its name, too."""

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        command = super().get_command(ctx, name)
        if command and ctx.resilient_parsing:  # the shell asks what can come next
            for param in command.params:
                if what := _KNOWN.get(str(param.name)):
                    param.type = _Completed(what)
        if command and not any(param.name == "dry_run" for param in command.params):
            command.params.append(
                click.Option(
                    ["--dry-run"], is_flag=True, expose_value=False, callback=_dry_run, help=_ABOUT_DRY_RUN
                )
            )
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with _usage_errors_exit_1():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with _usage_errors_exit_1():
            return super().invoke(ctx)


class _Completed(click.ParamType[str]):
    """A word of which completing.py knows what it can be."""

    name = "text"

    def __init__(self, what: str) -> None:
        self.what = what

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        from click.shell_completion import CompletionItem

        from minirun.cli.compose import completing

        compose = _as_given(ctx)
        typed = ctx.params.get(str(param.name)) if param.nargs == -1 or param.multiple else ()
        found = completing.complete(self.what, compose.session, compose.sources)
        left = [one for one in found if one.value.startswith(incomplete) and one.value not in (typed or ())]
        return [*left, CompletionItem(incomplete, type="file")] if self.what == "paths" else left


def _as_given(ctx: click.Context) -> Compose:
    """What the commands would get, of the words so far."""
    given = ctx.find_root().params
    group = ctx if isinstance(ctx.command, ComposeGroup) else ctx.parent
    options = {name: value for name, value in group.params.items() if value is not None} if group else {}
    return Compose(Session(given["root"], given["state"]), **options)


@contextlib.contextmanager
def _usage_errors_exit_1() -> Iterator[None]:
    """As with Docker Compose, where 2 could be the code of `run`'s program."""
    try:
        yield
    except click.UsageError as error:
        error.exit_code = 1  # type: ignore[misc]
        raise


def _dry_run(ctx: click.Context, _param: click.Parameter, given: bool) -> None:
    if given and ctx.obj:  # there is none while a shell asks what can come next
        ctx.obj.dry_run = True


compose_group = ComposeGroup("compose", "Run several containers, as a file describes them.", COMMANDS)
compose_group.invoke_without_command, compose_group.no_args_is_help = True, False
compose_group.params = [
    click.Option(
        ["-f", "--file", "files"], multiple=True, type=click.Path(allow_dash=True), help="A compose file."
    ),
    click.Option(
        ["-p", "--project-name"], default="", type=_Completed("projects"), help="The project's name."
    ),
    click.Option(
        ["--profile", "profiles"],
        multiple=True,
        type=_Completed("profiles"),
        help="Services of this profile, too; '*' for all.",
    ),
    click.Option(
        ["--env-file", "env_files"], multiple=True, type=click.Path(), help="Variables, instead of .env."
    ),
    click.Option(
        ["--project-directory", "--workdir"],
        default="",
        type=click.Path(file_okay=False),
        help="What relative paths begin at, instead of the first file's directory.",
    ),
    click.Option(["--parallel"], type=int, help="How many things are done at once; -1: all."),
    click.Option(["--ansi"], type=click.Choice(_ANSI), help="When colours are written."),
    click.Option(["--progress"], type=click.Choice(_PROGRESS), help="How progress is shown."),
    click.Option(["--compatibility"], is_flag=True, help="Names with _, as Compose 1 had them."),
    click.Option(["--all-resources"], is_flag=True, help="Networks and volumes that no service uses, too."),
    click.Option(["--dry-run"], is_flag=True, help=_ABOUT_DRY_RUN),
]


@click.pass_context
def _make_compose(ctx: click.Context, /, **given: Any) -> None:
    if ctx.invoked_subcommand is None:
        say(ctx.get_help())
        return
    given["ansi"], given["progress"] = given["ansi"] or "", given["progress"] or ""
    ctx.obj = Compose(ctx.obj, **given)


compose_group.callback = _make_compose
