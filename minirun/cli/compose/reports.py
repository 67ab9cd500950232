"""Which report is shown: lines, JSON, a picture or nothing, by --progress, --ansi and what standard error is.

See  report_lines.py, report_terminal.py
"""

from __future__ import annotations

import contextlib
import sys

from minirun.cli import picture
from minirun.cli.compose import report_lines
from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_MODES = ("", "auto", "tty", "plain", "json", "quiet", "none")


@contextlib.contextmanager
def show(
    operation: str,
    mode: str = "auto",
    *,
    ansi: str = "auto",
    dry_run: bool = False,
    quiet_build: bool = False,
    quiet_pull: bool = False,
) -> Iterator[report_lines.Shown]:
    """A report on standard error; whatever happens, the terminal is left in order.

    `operation` is the command's name, as it is shown on a terminal; `mode` is --progress, `ansi` is --ansi.
    """
    shown = _of_mode(operation, mode, ansi, dry_run)
    shown.quiet_build, shown.quiet_pull, shown.dry_run = quiet_build, quiet_pull, dry_run
    try:
        yield shown
    finally:
        shown.close()


def _of_mode(operation: str, mode: str, ansi: str, dry_run: bool) -> report_lines.Shown:
    check(mode, ansi)
    stream = sys.stderr
    if mode == "json":
        return report_lines.Json(stream, dry_run=dry_run)
    if mode in ("quiet", "none"):
        return report_lines.Shown(stream)
    if mode == "tty" or (mode in ("", "auto") and ansi != "never" and picture.can_draw(stream)):
        from minirun.cli.compose.report_terminal import Terminal  # nobody else draws

        return Terminal(stream, operation, dry_run=dry_run)
    return report_lines.Lines(stream, dry_run=dry_run)


def check(mode: str, ansi: str) -> None:
    """Raises UsageError for what --progress or --ansi cannot be."""
    if ansi not in ("never", "always", "auto"):
        raise UsageError(f'invalid value for --ansi: "{ansi}"', "never, always or auto")
    if mode not in _MODES:
        raise UsageError(f'unsupported --progress value "{mode}"', "auto, tty, plain, json or quiet")
    if mode == "tty" and ansi == "never":
        raise UsageError("can't use --progress tty while ANSI support is disabled")
    if mode == "plain" and ansi == "always":
        raise UsageError("can't use --progress plain while ANSI support is forced")
