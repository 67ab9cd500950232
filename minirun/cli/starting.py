"""`create`, `start`, `attach`: the way to a running container, in steps.

See  run.py, which does all of them in one
"""

from __future__ import annotations

import os
import sys

import click

from minirun.cli import attach as front
from minirun.cli import cidfile, container_options, limit_options, network_options, progress, stopping
from minirun.cli.commands import Session
from minirun.cli.printing import say
from minirun.engine import containers as engine
from minirun.errors import ConflictError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.engine.record_types import Record

_STREAMS = ("stdout", "stderr")


@click.command(
    "create",
    context_settings={"allow_interspersed_args": False},
    short_help="Create a new container from an image",
)
@container_options.options
@click.argument("image")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def create_command(session: Session, /, image: str, args: tuple[str, ...], **words: Any) -> None:
    """Make a container from IMAGE and print its ID; `start` runs it."""
    options = container_options.parse(image, list(args), words)
    named = container_options.streams(words["attach"]) or ["stdout", "stderr", "stdin"]
    options["attached"] = [name for name in named if name != "stdin" or options["interactive"]]
    network_options.warn(options)
    limit_options.warn(options)
    with cidfile.reserved(words["cidfile"]) as file, progress.show(sys.stderr, words["quiet"]) as news:
        record = engine.create(session, options, news)
        if file:
            file.write(record["id"])
    say(record["id"])


@click.command("start")
@click.option("-a", "--attach", is_flag=True, help="Stay in front of it, with its output and exit code.")
@click.option("-i", "--interactive", is_flag=True, help="Our STDIN is its own.")
@click.option("--detach-keys", default="", help="Keys that leave it running: ctrl-p,ctrl-q.")
@click.argument("containers", nargs=-1, required=True)
@click.pass_obj
def start_command(
    session: Session, attach: bool, interactive: bool, detach_keys: str, containers: tuple[str, ...]
) -> int:
    """Start one or more stopped containers."""
    if not attach and not interactive:
        return stopping.for_each(containers, lambda name: _start(session, name))
    if len(containers) > 1:
        raise UsageError("you cannot start and attach multiple containers at once")
    record = engine.find(session, containers[0])
    return _start_in_front(session, record, interactive, front.detach_keys(detach_keys))


def _start(session: Session, name: str) -> None:
    engine.start(session, engine.find(session, name), spawn=session.spawn).close()


def _start_in_front(session: Session, record: Record, interactive: bool, keys: bytes) -> int:
    """Start it and stay until the end.  Returns the program's exit code."""
    if engine.is_under_way(record):
        return _attach(session, record, interactive, keys, signals=True)
    interactive = interactive and record["options"]["interactive"]
    require_terminal(record, interactive)
    tty = record["options"]["tty"]
    size = front.own_size() if tty else (0, 0)
    attached = engine.start(
        session, record, streams=_STREAMS, size=size, once=True, spawn=session.spawn, wait=False
    )
    end = front.attach(attached, interactive=interactive, tty=tty, keys=keys)
    if end and end.last:
        attached.wait_for_shim()
    return end.code if end else 0


@click.command("attach")
@click.option("--no-stdin", is_flag=True, help="Only look on.")
@click.option("--sig-proxy/--no-sig-proxy", default=True, help="Pass signals on to the program.")
@click.option("--detach-keys", default="", help="Keys that leave it running: ctrl-p,ctrl-q.")
@click.argument("container")
@click.pass_obj
def attach_command(
    session: Session, no_stdin: bool, sig_proxy: bool, detach_keys: str, container: str
) -> int:
    """See the output of a running container, and type into it."""
    record = engine.find(session, container)
    keys = front.detach_keys(detach_keys)
    return attach_to(session, record, keys=keys, no_stdin=no_stdin, signals=sig_proxy)


def attach_to(session: Session, record: Record, *, keys: bytes, no_stdin: bool, signals: bool) -> int:
    """Be in front of a container that runs.  Returns its exit code.  Raises ConflictError when it does not run."""
    wanted = {
        "paused": "You cannot attach to a paused container, unpause it first",
        "restarting": "You cannot attach to a restarting container, wait until it is running",
        "running": "",
    }
    refusal = wanted.get(
        record["state"]["status"], "You cannot attach to a stopped container, start it first"
    )
    if refusal:
        raise ConflictError(refusal)
    interactive = record["options"]["interactive"] and not no_stdin
    return _attach(session, record, interactive, keys, signals=signals)


def _attach(session: Session, record: Record, interactive: bool, keys: bytes, *, signals: bool) -> int:
    require_terminal(record, interactive)
    tty = record["options"]["tty"]
    with engine.attach(session, record, streams=_STREAMS) as attached:
        if tty and any(size := front.own_size()):
            # another size first, and a full-screen program draws itself anew
            attached.resize(size[0] + 1, size[1])
            attached.resize(*size)
        end = front.attach(attached, interactive=interactive, tty=tty, keys=keys, signals=signals)
    if end is None:
        say("read escape sequence", err=True)
    return end.code if end else 0


def require_terminal(record: Record, interactive: bool) -> None:
    """Raises UsageError when a program with a terminal is to be typed into without one."""
    if record["options"]["tty"] and interactive and not os.isatty(0):
        raise UsageError(
            "the input device is not a TTY", "leave -t out when input comes from a pipe or a file"
        )
