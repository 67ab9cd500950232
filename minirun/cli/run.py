"""Step 2 of 13: `minirun run`, from the words of the command line to the program's exit code.

The words become RunOptions, which is all that anything below cli/ hears of them.  Then the engine makes a record and
orders the shim to start it; unless detached, we stay in front of the container until it ends.

By hand  docker run has the same options
Next     engine/create.py
"""

from __future__ import annotations

import functools
import os
import sys

import click

from minirun.cli import attach, cidfile, container_options, limit_options, network_options, progress
from minirun.cli.commands import Session
from minirun.cli.printing import say
from minirun.engine import create
from minirun.engine.attached import ShimLost
from minirun.engine.shim.spawn import Shim, spawn
from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from minirun.engine.attached import Attached
    from minirun.engine.record_types import Record, RunOptions


@click.command(
    "run",
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
    short_help="Create and run a new container from an image",
)
@click.option("-d", "--detach", is_flag=True, help="Run in the background and print the container's ID.")
@click.option("--detach-keys", default="", help="Keys that leave it running: ctrl-p,ctrl-q.")
@click.option("--sig-proxy/--no-sig-proxy", default=True, help="Pass signals on to the program.")
@container_options.options
@click.option(
    "--explain",
    is_flag=False,
    flag_value="text",
    help="Tell each act that changes kernel state; =json, =sh for other forms.",
)
@click.option("--step", is_flag=True, help="Stop before each step: what to look at, then c or q.")
@click.option("--break", "breakpoints", multiple=True, help="before:STEP: stop before one step.")
@click.argument("image")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def run_command(session: Session, /, image: str, args: tuple[str, ...], **words: Any) -> int:
    """Create and run a new container from IMAGE; what comes after it is the command and its arguments."""
    explain, step, breakpoints = (words.pop(name) for name in ("explain", "step", "breakpoints"))
    options = container_options.parse(image, list(args), words)
    foreground = Foreground(options, words)
    if options["tty"] and options["interactive"] and not foreground.detach and not os.isatty(0):
        # a terminal inside would wait for keys that nobody can press
        raise UsageError(
            "the input device is not a TTY", "leave -t out when input comes from a pipe or a file"
        )
    start = functools.partial(run, session, options, foreground)
    if explain or step or breakpoints:
        from minirun.cli import explained
        from minirun.teach import stepping

        stops = stepping.breakpoints(step, breakpoints)
        return explained.run(session, options, start, explain, stops, detach=foreground.detach)
    # Forked in step 1, beside the import of click; where there was no process to be had, this is the second try.
    return start(session.shim or spawn())


class Foreground:
    """How we are in front of the container: not at all (`-d`), or with some of its streams.

    `keys` are the bytes that leave it running (ctrl-p ctrl-q), `signals` whether ours are passed on to the program.
    What we are attached to is written into the options: Docker's inspect shows it for the container's life.
    """

    def __init__(self, options: RunOptions, words: dict[str, Any]) -> None:
        self.detach: bool = words["detach"]
        self.cidfile: str = words["cidfile"]
        self.quiet: bool = words["quiet"]  # about the image
        self.signals: bool = words["sig_proxy"]
        self.keys = attach.detach_keys(words["detach_keys"])
        wanted = container_options.streams(words["attach"])
        if wanted and self.detach:
            raise UsageError("conflicting options: -a (attach) and -d (detach)")
        named = [] if self.detach else wanted or ["stdout", "stderr", "stdin"]
        self.streams = [name for name in named if name != "stdin"]
        # Without -i the program's input is empty from the start: it must not eat what the shell would read next.
        self.interactive = options["interactive"] and "stdin" in named
        options["attached"] = [*self.streams, *(["stdin"] if self.interactive else [])]


def run(
    session: Session,
    options: RunOptions,
    foreground: Foreground,
    shim: Shim,
    began: Callable[[], None] | None = None,
) -> int:
    """Prepare, start and, unless detached, stay until the end.  Returns the exit code.

    To the engine `session` is a Paths, which it inherits from.  `began`, if given, is called when the program has
    begun, before a word of it is passed on.
    """
    network_options.warn(options)
    limit_options.warn(options)
    # No bars for one who narrates: its lines would come between them.
    shown = progress.show(sys.stderr, foreground.quiet, bars=not began)
    with cidfile.reserved(foreground.cidfile) as file, shown as news:
        record, start = create.prepare(session, options, news, starts=True)
        if file:
            file.write(record["id"])
    size = attach.own_size() if options["tty"] else (0, 0)
    attached = create.order(
        session, record, shim, size, foreground.streams, once=not foreground.detach, start=start
    )
    try:
        return _stay(record, attached, foreground, began)
    except ShimLost as error:
        from minirun.engine import cleanup  # it knows more than a run needs

        shim.wait()  # where it is our child: then its lock is free
        cleanup.reconcile(session, record)
        error.hint = "what it had made is put away; `dmesg` shows a crash"
        raise


def _stay(
    record: Record,
    attached: Attached,
    foreground: Foreground,
    began: Callable[[], None] | None,
) -> int:
    """What run() does once the shim has its order.  Returns the exit code."""
    options = record["options"]
    # In front of it this is not waited for: what the program prints comes over the same socket, and so does a failure.
    if foreground.detach or began:
        attached.wait_until_running()
    if began:
        began()
    if foreground.detach:
        say(record["id"])
        return 0
    sys.stdout.flush()  # what follows is the program's, and written past Python's buffer
    end = attach.attach(
        attached,
        interactive=foreground.interactive,
        tty=options["tty"],
        keys=foreground.keys,
        signals=foreground.signals,
    )
    if end is None:  # detached by its keys: the container goes on
        return 0
    if end.last:  # when we return everything is put away: `run --rm` twice with one name works
        attached.wait_for_shim()
    if end.oom:
        say(f"minirun: the container was killed: it used all of its --memory {_limit_of(options)}", err=True)
    return end.code


def _limit_of(options: RunOptions) -> str:
    """The memory limit, for a message."""
    limit = options["resources"].get("memory", {}).get("limit", 0)
    return f"({limit // 1024**2} MiB)" if limit else ""
