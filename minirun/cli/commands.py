"""The `minirun` command group, and the exit code of a command that fails.

125 when minirun fails in run, create, start or exec (1 in the other commands), 126 and 127 when the container's
program cannot be run or is not there (failures.py), for a wrong command line 125 or, in the other commands, 2 (in those
of compose 1).
"""

from __future__ import annotations

import os
import sys

import click

from minirun import __version__
from minirun.cli import command_table, failures, flag_values
from minirun.cli.printing import say
from minirun.errors import MinirunError, UnsupportedError, unforeseen
from minirun.linux import signals
from minirun.paths import DEFAULT_REGISTRIES, DEFAULT_ROOT, DEFAULT_STATE, Paths
from minirun.printable import shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from click.shell_completion import CompletionItem

    from minirun.cli.command_table import Table
    from minirun.engine.shim.spawn import Shim, Spawn, Spawner

_CONTAINER_COMMANDS = {"run", "create", "start", "exec"}  # whose exit code may be the program's own


class Session(Paths):
    """What every command gets: the two trees, and what was forked ahead for those that start containers."""

    shim: Shim | None = None  # for `run`
    spawn: Spawn | None = None  # makes more of them


class LazyGroup(click.Group):
    """A group that knows its commands' names and help lines, and imports the one that is called."""

    def __init__(self, name: str, help: str, places: Table) -> None:
        super().__init__(name, help=help)
        self.places = places

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.places)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.places:
            return None
        command = command_table.load(self.places[name][0])
        if ctx.resilient_parsing:  # the shell asks what can come next
            from minirun.cli import completion

            completion.attach(str(self.name), command)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The options before a command."""
        return super().parse_args(
            ctx, args if ctx.resilient_parsing else list(flag_values.spell_out(self, args))
        )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Raises UnsupportedError with the reason for a command of Docker's that minirun has not."""
        from minirun.cli import refused_options

        path = _path(ctx)
        if args[0] == "help" and not path:  # `help network create`, as `network create --help`
            args = [*args[1:], "--help"]
            if len(args) == 1:
                say(ctx.get_help())
                ctx.exit()
        name = command_table.ALIASES.get(f"{path} {args[0]}", args[0])
        reason = "" if name in self.places else refused_options.command(path, name)
        if reason and not ctx.resilient_parsing:
            raise UnsupportedError(f"{path} {name}".strip() + f" is not in minirun: {reason}")
        if name not in self.places and not name.startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f'No such command "{name}".{_guess(name, self.places)}')
        found, command, words = super().resolve_command(ctx, [name, *args[1:]])
        if command and not ctx.resilient_parsing:
            with command.context_class(command, info_name=found, parent=ctx):  # whose usage an error shows
                words = list(flag_values.spell_out(command, words))
        return found, command, words

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """The commands, without loading them, and our own options."""
        from click.shell_completion import CompletionItem

        names = [name for name in self.places if name.startswith(incomplete)]
        own = click.Command.shell_complete(self, ctx, incomplete)
        return [*(CompletionItem(name, help=self.places[name][1]) for name in names), *own]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.places.items()])


def call(shim: Shim | None, spawner: Spawner | None = None) -> int:
    """Run the command line in sys.argv; returns the exit code."""
    # it was so while modules were loaded, see scripts/launch
    if signals.getsignal(signals.SIGINT) == signals.SIG_DFL:
        signals.signal(signals.SIGINT, signals.default_int_handler)
    group = _minirun(shim, spawner)
    try:
        result = group.main(prog_name="minirun", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.exceptions.NoArgsIsHelpError as error:  # a group alone
        say(error.format_message(), err=True)
        return 0
    except click.UsageError as error:
        if reason := _why_not(error):
            failures.show("minirun", reason)
        else:
            click.UsageError(shortened(error.format_message()), error.ctx).show()
        return 125 if _command_name() else (1 if reason else error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return 130
    except Exception as error:  # whatever it is, a person is not sent Python's words for it
        told = error if isinstance(error, (MinirunError, OSError)) else unforeseen(error)
        failures.show("minirun", told, debug=bool({"-D", "--debug"} & _command_line()[0]))
        return failures.exit_code(told, otherwise=125 if _command_name() else 1)


def _minirun(shim: Shim | None, spawner: Spawner | None) -> LazyGroup:
    """The group of all commands, with the options that come before a command."""
    group = LazyGroup("minirun", "Run containers, and see how they are made.", command_table.COMMANDS)
    group.params = [
        click.Option(["--root"], default=DEFAULT_ROOT, help="Where images and containers are kept."),
        click.Option(["--state"], default=DEFAULT_STATE, help="Where running state is kept."),
        click.Option(["--config"], default=DEFAULT_REGISTRIES, help="Mirrors and insecure registries."),
        click.Option(["-D", "--debug"], is_flag=True, help="Show a traceback with an error."),
    ]
    click.version_option(__version__, "-v", "--version", message="minirun version %(version)s")(group)

    @click.pass_context
    def make_session(ctx: click.Context, root: str, state: str, config: str, debug: bool) -> None:
        ctx.obj = Session(root, state, config)
        ctx.obj.shim = shim
        ctx.obj.spawn = spawner.spawn if spawner else None
        if os.geteuid() == 0:
            ctx.obj.secure()

    group.callback = make_session
    return group


def _why_not(error: click.UsageError) -> MinirunError | None:
    """The reason, where what is unknown is a flag of Docker's that minirun has not."""
    from minirun.cli import refused_options

    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return None
    reason = refused_options.flag(_path(error.ctx), error.option_name)
    return UnsupportedError(f"{error.option_name} is not in minirun: {reason}") if reason else None


def _guess(name: str, known: Iterable[str]) -> str:
    """The command that was meant, it may be."""
    import difflib

    close = difflib.get_close_matches(name, known, 1)
    return f' Did you mean "{close[0]}"?' if close else ""


def _path(ctx: click.Context) -> str:
    """`network create`; "" for minirun itself."""
    return ctx.command_path.partition(" ")[2]


def _command_line() -> tuple[set[str], list[str]]:
    """sys.argv in two: the options before a command, and the words from the command's name on."""
    words = iter(sys.argv[1:])
    options: set[str] = set()
    for word in words:
        if not word.startswith("-"):
            return options, [word, *words]
        options.add(word)
        if word in ("--root", "--state", "--config"):
            next(words, "")
    return options, []


def _command_name() -> str:
    """`run` of `minirun --root DIR run` and of `minirun container run`; "" for commands with usual exit codes."""
    names = [word for word in _command_line()[1][:2] if word != "container"]
    return names[0] if names and names[0] in _CONTAINER_COMMANDS else ""
