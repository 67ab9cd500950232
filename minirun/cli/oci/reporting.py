"""Errors and warnings: for people on standard error, for the engine in the file that --log names.

See  runc(8) "--log"; a line of JSON as logrus writes it: level, msg, time
"""

from __future__ import annotations

import os

from minirun import jsontext
from minirun.cli import failures
from minirun.cli.printing import say
from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.cli.arguments import Given


def open_log(options: Given) -> None:
    """What goes wrong later has to be told there, so it is made sure of before anything is done.  Raises UsageError."""
    if options.log:
        try:
            os.close(os.open(options.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644))
        except OSError as error:
            raise UsageError(f"--log {options.log}: {error.strerror}") from None


def report(options: Given | None, error: Exception) -> None:
    """To the log that the engine named, and to stderr for people."""
    failures.show("minirun-oci", error, debug=bool(options and options.debug))
    if options and options.log:
        _log(options, "error", failures.one_line(error))


def warn(options: Given, text: str) -> None:
    """What is no reason to stop."""
    say(f"minirun-oci: warning: {text}", err=True)
    if options.log:
        _log(options, "warning", text)


def _log(options: Given, level: str, text: str) -> None:
    import time

    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = {"level": level, "msg": text, "time": now}
    with open(options.log, "a") as log:
        if options.log_format == "json":
            log.write(jsontext.dumps(line) + "\n")
        else:
            log.write(f'time="{now}" level={level} msg={jsontext.dumps(text)}\n')
