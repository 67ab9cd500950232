"""minirun-oci: the command line that engines expect of an OCI runtime.

The runtime spec defines no command line; this one is runc's, as containerd's shim and conmon use it.  It needs neither
click nor the engine, but for a word of `events`: what it costs over a bare Python is a few milliseconds.

    main.py      from the words to the exit code
    reporting.py errors and warnings, and the log
    commands.py  the table of all commands and options
    life.py      create, start, run, exec, kill, delete
    looking.py   state, list, ps, events, features, spec
    limits.py    pause, resume, update

See  runc(8); runtime-spec runtime.md "Operations"
"""

from __future__ import annotations

import sys

from minirun.cli import failures, stdio
from minirun.cli.arguments import HelpWanted, UnknownCommand, parse
from minirun.cli.leaving import leave
from minirun.cli.oci import reporting
from minirun.cli.oci.commands import COMMANDS, OPTIONS
from minirun.cli.printing import say
from minirun.errors import MinirunError, UsageError, unforeseen
from minirun.linux import interpreter

_NO_SUCH_COMMAND = 3  # as runc's


def main() -> None:
    stdio.fill()
    leave(_run(sys.argv[1:]))


def _run(argv: list[str]) -> int:
    try:
        options = parse("minirun-oci", argv, OPTIONS, COMMANDS)
        reporting.open_log(options)
    except HelpWanted as text:
        say(str(text))
        return 0
    except UsageError as error:
        reporting.report(None, error)
        return _NO_SUCH_COMMAND if isinstance(error, UnknownCommand) else 1
    try:
        interpreter.secure()
        return options.command.function(options) or 0
    except (MinirunError, OSError) as error:
        reporting.report(options, error)
        # of exec, 1 could be its program's: runc says 255 for an error of its own
        return failures.exit_code(error, otherwise=255 if options.command is COMMANDS["exec"] else 1)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        reporting.report(options, unforeseen(error))
        return 1
