"""`minirun build`: a Dockerfile becomes an image.

    minirun build -t app .          also image build, builder build, buildx build, as with Docker

What happens is shown on standard error; on standard output comes only what was asked for: with -q the image's id, with
-o - a tar, with --check and --call what they find.  When a step fails, its last output, the lines of the Dockerfile
with the failing one marked, and one sentence; the exit code is then 1.

See      docs.docker.com "docker buildx build"; build/options.py
Next     cli/build_options.py
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from typing import TYPE_CHECKING

import click

from minirun.build import source, system_errors
from minirun.cli import build_options, build_progress
from minirun.cli.printing import say
from minirun.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from minirun.build.build import Outcome
    from minirun.build.options import BuildOptions
    from minirun.build.progress import Progress, Warning
    from minirun.build.source import BuildError, Source
    from minirun.cli.commands import Session
    from minirun.paths import Paths

    Build = Callable[[Paths, BuildOptions, Progress], Outcome]


@click.command(
    "build",
    short_help="Build an image from a Dockerfile",
    options_metavar="[OPTIONS]",
)
@build_options.add
@click.pass_obj
def build_command(session: Session, /, context: str, **words: Any) -> int:
    """Build an image from a Dockerfile and what is in PATH, at URL, or on standard input."""
    options = build_options.parse(context, words)
    from minirun.build import build

    terminal = tell = None
    if options["on_error"] == "shell":
        from minirun.cli import build_shell

        terminal = build_shell.Terminal()
    if options["explain"]:
        from minirun.cli import build_explained

        tell = build_explained.Teller(session, sys.stderr).tell
    return run(session, options, functools.partial(build.build, terminal=terminal, tell=tell))


def run(session: Session, options: BuildOptions, build: Build) -> int:
    """Build, and show what happens and what came of it.  Returns the exit code."""
    _refuse_terminal(options)
    if os.path.isfile(options["iidfile"]) and not os.path.islink(options["iidfile"]):
        os.unlink(options["iidfile"])  # an old id would pass for this build's
    mode = "quiet" if options["quiet"] else options["progress"]
    try:
        with _Ending() as ending, build_progress.show(mode, sys.stderr) as progress:
            outcome = build(session, options, progress)
    except source.BuildError as error:
        for line in [*failure(error), *error.explanation]:
            say(line, err=True)
        return 1
    except OSError as error:
        if system_errors.is_full(error):
            raise system_errors.told(error) from error
        raise
    except KeyboardInterrupt:
        return 128 + ending.number
    return _show(options, outcome, mode)


class _Ending:
    """What would end us ends the build in order, as Ctrl-C does: steps are stopped, and nothing half-made is left."""

    number = signal.SIGINT

    def __enter__(self) -> _Ending:
        self._before = {
            number: signal.signal(number, self._end) for number in (signal.SIGTERM, signal.SIGHUP)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _end(self, number: int, _frame: object) -> None:
        self.number = signal.Signals(number)
        raise KeyboardInterrupt


def _refuse_terminal(options: BuildOptions) -> None:
    if any(output.dest == "-" for output in options["outputs"]) and sys.stdout.isatty():
        raise UsageError("refusing to write an archive to a terminal", "-o - > FILE, or dest=FILE")


def failure(error: BuildError) -> list[str]:
    """The lines of the Dockerfile that did not work, and why."""
    shown = source.excerpt(error.source, *error.lines) if error.source else []
    hint = [f"  hint:  {error.hint}"] if error.hint else []
    return [*shown, f"ERROR: failed to solve: {error}", *hint]


def _show(options: BuildOptions, outcome: Outcome, mode: str) -> int:
    if options["call"] == "check":
        return _show_check(options, outcome)
    if options["call"] != "build":
        say(outcome.report)
        return 0
    if mode not in ("quiet", "none", "rawjson"):
        for line in warnings(
            outcome.warnings, outcome.source, expand=bool({"--debug", "-D"} & set(sys.argv))
        ):
            say(line, err=True)
    for line in outcome.explanation:
        say(line, err=True)
    if options["iidfile"]:
        _write(options["iidfile"], outcome.image_id)
    if options["metadata_file"]:
        import json

        _write(options["metadata_file"], json.dumps(outcome.metadata, indent=2))
    if mode == "quiet" and outcome.image_id:
        say(outcome.image_id)
    return 0


def _write(path: str, text: str) -> None:
    from minirun.image import save

    save.write_to(path, [text.encode()], 0o644)


# ---- what the checks found ----------------------------------------------------------------------------------


def warnings(found: list[Warning], file: Source | None, *, expand: bool) -> list[str]:
    """After a build: a line each, or with --debug all that is known of them."""
    if not found:
        return []
    count = f"{len(found)} warning{'s' if len(found) > 1 else ''} found"
    lines = ["", f" {count}{'' if expand else ' (use --debug to expand)'}:"]
    for warning in found:
        where = f" (line {warning.lines[0]})" if warning.lines[0] else ""
        lines.append(f" - {warning.rule}: {warning.message}{where}")
        if expand:
            lines += [f"More info: {warning.url}"] if warning.url else []
            lines += [*_excerpt(warning, file), ""]
    return lines


def _show_check(options: BuildOptions, outcome: Outcome) -> int:
    """`--check`: what was found, on standard output; the exit code says whether a rule was among it."""
    found = outcome.warnings
    if options["call_format"] == "json":
        say(as_json(found, outcome.source))
    else:
        for line in findings(found, outcome.source):
            say(line)
    return 0 if is_clean(found) else 1


def is_clean(found: list[Warning]) -> bool:
    """Whether no rule was broken: hints are no faults."""
    return all(map(_is_hint, found))


def findings(found: list[Warning], file: Source | None) -> list[str]:
    """The rules' first, as Docker prints them; then hints of our own."""
    warnings = [warning for warning in found if not _is_hint(warning)]
    count = "1 warning has" if len(warnings) == 1 else f"{len(warnings)} warnings have"
    lines = [f"Check complete, {count} been found!" if warnings else "Check complete, no warnings found."]
    for warning in sorted(found, key=_is_hint):
        word = "HINT" if _is_hint(warning) else "WARNING"
        title = " - ".join(filter(None, (warning.rule.removeprefix("hint:"), warning.url)))
        lines += ["", f"{word}: {title}", warning.message, *_excerpt(warning, file)]
    return lines


def _is_hint(warning: Warning) -> bool:
    """No rule of Docker's, and no fault."""
    return warning.rule.startswith("hint:")


def _excerpt(warning: Warning, file: Source | None) -> list[str]:
    return source.excerpt(file, *warning.lines) if file else []


def as_json(found: list[Warning], file: Source | None) -> str:
    """As BuildKit's subrequest frontend.lint answers."""
    import base64
    import json

    described = [
        {
            "ruleName": warning.rule,
            "url": warning.url,
            "detail": warning.message,
            "location": {
                "ranges": [{"start": {"line": warning.lines[0]}, "end": {"line": warning.lines[1]}}]
            },
        }
        for warning in found
    ]
    data = base64.b64encode(file.text.encode()).decode() if file else ""
    sources = [{"fileName": file.name, "language": "Dockerfile", "data": data}] if file else []
    return json.dumps({"warnings": described or None, "sources": sources or None}, indent=2)
