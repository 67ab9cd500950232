"""The `minirun` command group, and how an error ends a command.

Exit codes are decided here alone: 125 when minirun fails in run, create, start or exec (1 in the other commands),
127 and 126 when the container's program is not there or cannot be run, 2 or 125 for a wrong command line.
"""

from __future__ import annotations

import os
import sys

import click

from minirun import __version__
from minirun.cli.main import load
from minirun.cli.printing import draw, say
from minirun.errors import MinirunError, ProgramError, ProgramNotFound
from minirun.paths import DEFAULT_REGISTRIES, DEFAULT_ROOT, DEFAULT_STATE, Paths
from minirun.printable import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from click.shell_completion import CompletionItem

    from minirun.engine.shim.spawn import Shim

_CONTAINER_COMMANDS = {"run", "create", "start", "exec"}  # whose exit code may be the program's own


class Session(Paths):
    """What every command gets: the two trees, and the shim that was forked ahead for `run`."""

    shim: Shim | None = None


class LazyGroup(click.Group):
    """A group that knows its commands' names and help lines, and imports the one that is called."""

    def __init__(self, name: str, help: str, places: dict[str, tuple[str, str]]) -> None:
        super().__init__(name, help=help)
        self.places = places

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.places)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.places:
            return None
        command = load(self.places[name][0])
        if ctx.resilient_parsing:  # the shell asks what can come next
            from minirun.cli import completion

            completion.attach(str(self.name), command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """The commands, without loading them, and our own options."""
        from click.shell_completion import CompletionItem

        names = [name for name in self.places if name.startswith(incomplete)]
        own = click.Command.shell_complete(self, ctx, incomplete)
        return [*(CompletionItem(name, help=self.places[name][1]) for name in names), *own]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.places.items()])


def call(places: dict[str, tuple[str, str]], shim: Shim | None) -> int:
    """Run the command line in sys.argv; returns the exit code."""
    group = LazyGroup("minirun", "Run containers, and see how they are made.", places)
    group.params = [
        click.Option(["--root"], default=DEFAULT_ROOT, help="Where images and containers are kept."),
        click.Option(["--state"], default=DEFAULT_STATE, help="Where running state is kept."),
        click.Option(["--config"], default=DEFAULT_REGISTRIES, help="Mirrors and insecure registries."),
        click.Option(["--debug"], is_flag=True, help="Show a traceback with an error."),
    ]
    click.version_option(__version__, message="minirun version %(version)s")(group)

    @click.pass_context
    def begin(ctx: click.Context, root: str, state: str, config: str, debug: bool) -> None:
        ctx.obj = Session(root, state, config)
        ctx.obj.shim = shim
        if os.geteuid() == 0:
            ctx.obj.secure()

    group.callback = begin
    try:
        result = group.main(prog_name="minirun", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.UsageError as error:
        error.show()
        return 125 if _command_name() in _CONTAINER_COMMANDS else 2
    except (click.Abort, KeyboardInterrupt):
        return 130
    except (MinirunError, OSError) as error:
        _show(error)
        return _exit_code(error)


def _command_name() -> str:
    """`run` of `minirun --root DIR run` and of `minirun container run`; "" for commands with usual exit codes."""
    words = iter(sys.argv[1:])
    for word in words:
        if word in ("--root", "--state", "--config"):
            next(words, "")
        elif not word.startswith("-") and word != "container":
            return word if word in _CONTAINER_COMMANDS else ""
    return ""


def _exit_code(error: Exception) -> int:
    if isinstance(error, ProgramNotFound):
        return 127
    if isinstance(error, ProgramError):
        return 126
    return 125 if _command_name() else 1


def _show(error: Exception) -> None:
    """`minirun: what`, `while: doing what`, `hint: what to try`; each line only where there is something to say."""
    if "--debug" in sys.argv:
        import traceback

        traceback.print_exception(error)
    step = error.step if isinstance(error, MinirunError) else ""
    hint = error.hint if isinstance(error, MinirunError) else ""
    lines = [f"minirun: {_words_of(error)}"]
    lines += [f"  while: {step}"] if step else []
    lines += [f"  hint:  {hint}"] if hint else []
    say(printable("\n".join(lines)), err=True)


def _words_of(error: Exception) -> str:
    """`PATH: Read-only file system`, where Python would say `[Errno 30] Read-only file system: 'PATH'`."""
    if isinstance(error, OSError) and type(error).__str__ is OSError.__str__ and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def write_lines(lines: Iterable[str], path: str) -> None:
    """The lines to a file, or with path "" in pieces to standard output: a tree has a hundred thousand of them.

    They may have colours; the words in them are printable.
    """
    if path:
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)
        except OSError as error:
            raise MinirunError(f"{path}: {error.strerror}") from error
        return
    for line in lines:
        draw(line)
