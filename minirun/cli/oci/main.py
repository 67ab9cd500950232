"""minirun-oci: the command line that engines expect of an OCI runtime.

The runtime spec defines no command line; this one is runc's, as containerd's shim and conmon use it.  It needs neither
click nor the engine: what it costs over a bare Python is a few milliseconds.

    main.py      from the words to the exit code: errors and the log
    commands.py  the table of all commands and options
    life.py      create, start, run, exec, kill, delete
    looking.py   state, list, ps, events, features, spec
    limits.py    pause, resume, update

See  runc(8); runtime-spec runtime.md "Operations"
"""

from __future__ import annotations

import os
import sys

from minirun import jsontext
from minirun.cli import failures, stdio
from minirun.cli.arguments import Given, HelpWanted, UnknownCommand, parse
from minirun.cli.leaving import leave
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
        _open_log(options)
    except HelpWanted as text:
        say(str(text))
        return 0
    except UsageError as error:
        _report(None, error)
        return _NO_SUCH_COMMAND if isinstance(error, UnknownCommand) else 1
    try:
        interpreter.secure()
        return options.command.function(options) or 0
    except (MinirunError, OSError) as error:
        _report(options, error)
        # of exec, 1 could be its program's: runc says 255 for an error of its own
        return failures.exit_code(error, otherwise=255 if options.command is COMMANDS["exec"] else 1)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        _report(options, unforeseen(error))
        return 1


def _report(options: Given | None, error: Exception) -> None:
    """To the log that the engine named, and to stderr for people."""
    failures.show("minirun-oci", error, debug=bool(options and options.debug))
    if options and options.log:
        _log(options, failures.one_line(error))


def _open_log(options: Given) -> None:
    """What goes wrong later has to be told there, so it is made sure of before anything is done.  Raises UsageError."""
    if options.log:
        try:
            os.close(os.open(options.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644))
        except OSError as error:
            raise UsageError(f"--log {options.log}: {error.strerror}") from None


def _log(options: Given, text: str) -> None:
    import time

    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = {"level": "error", "msg": text, "time": now}
    with open(options.log, "a") as log:
        if options.log_format == "json":
            log.write(jsontext.dumps(line) + "\n")
        else:
            log.write(f'time="{now}" level=error msg={jsontext.dumps(text)}\n')
