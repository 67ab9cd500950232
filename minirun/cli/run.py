"""`minirun run`: from the words of the command line to RunOptions, and in front of the container until it ends.

By hand  docker run has the same options
Next     engine/create.py
"""

from __future__ import annotations

import itertools
import os
import sys

import click

from minirun.cli import attach, cidfile, limits, netoptions, policies, progress
from minirun.cli.commands import Session
from minirun.cli.printing import say
from minirun.engine import create as engine
from minirun.engine.logs import writer
from minirun.engine.options import mounts
from minirun.engine.options import run_options as parse
from minirun.engine.shim.spawn import Spare, spawn
from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from minirun.engine.record_types import RunOptions

_BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


class _RunCommand(click.Command):
    """`--explain` alone means `--explain=text`; click by itself would take the image for its value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        valued = {
            name
            for option in self.params
            if isinstance(option, click.Option) and not option.is_flag and option.name != "explain"
            for name in option.opts
        }
        flags = {name for option in self.params if getattr(option, "is_flag", False) for name in option.opts}
        return super().parse_args(ctx, list(spell_out(args, valued, flags)))


def spell_out(args: list[str], valued: set[str], flags: set[str]) -> Iterator[str]:
    """`args` with a bare --explain spelt out, and --flag=true or =false as click wants it: --flag, or nothing.

    `valued` are the options that take the next word as their value.
    """
    words = iter(args)
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name in flags and value.lower() in _BOOLEANS:
            if _BOOLEANS[value.lower()]:
                yield name
            continue
        yield "--explain=text" if word == "--explain" else word
        if not word.startswith("-") or word == "--":
            yield from words  # the image, and what is its own
        elif takes_next(word, valued):
            yield from itertools.islice(words, 1)


def takes_next(word: str, valued: set[str]) -> bool:
    """Whether an option's value is the next word: `--name x`, `-e x`, `-ite x`; not `--name=x`, `-ex`."""
    if word.startswith("--"):
        return word in valued
    first = next((letter for letter in word[1:] if f"-{letter}" in valued), None)
    return first is not None and word.endswith(first) and word.index(first) == len(word) - 1


@click.command(
    "run",
    cls=_RunCommand,
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
    short_help="Create and run a new container from an image",
)
@click.option("-i", "--interactive", is_flag=True, help="Keep STDIN open.")
@click.option("-t", "--tty", is_flag=True, help="Give the container a terminal.")
@click.option("-d", "--detach", is_flag=True, help="Run in the background and print the container's ID.")
@click.option("--rm", is_flag=True, help="Remove the container when it exits.")
@click.option("--name", default="", help="Name of the container.")
@click.option("-a", "--attach", multiple=True, help="Only these: STDIN, STDOUT, STDERR.")
@click.option("--detach-keys", default="", help="Keys that leave it running: ctrl-p,ctrl-q.")
@click.option("--sig-proxy/--no-sig-proxy", default=True, help="Pass signals on to the program.")
@click.option("--cidfile", default="", help="Write the container's ID to this new file.")
@click.option("--stop-signal", default="", help="Signal that asks it to end; TERM, or the image's.")
@click.option("--stop-timeout", type=int, help="Seconds that `stop` waits before it kills.")
@click.option("-e", "--env", multiple=True, help="NAME=VALUE, or NAME for the value it has here.")
@click.option("--env-file", multiple=True, help="File with one NAME=VALUE a line.")
@click.option("-w", "--workdir", default="", help="Working directory; made if missing.")
@click.option("-u", "--user", default="", help="NAME or UID, and :GROUP or :GID.")
@click.option("--group-add", multiple=True, help="One more group, by name or GID.")
@click.option("--entrypoint", help="Program to run instead of the image's.")
@click.option("-h", "--hostname", default="", help="Name of the host inside.")
@click.option("--domainname", default="", help="NIS domain name inside.")
@click.option("-l", "--label", multiple=True, help="KEY=VALUE to remember.")
@click.option("--label-file", multiple=True, help="File with one KEY=VALUE a line.")
@click.option("--annotation", multiple=True, help="KEY=VALUE for the runtime, into config.json.")
@click.option(
    "-v", "--volume", multiple=True, help="NAME:/P or /HOST:/P[:ro]: share a volume, or the host's."
)
@click.option("--mount", multiple=True, help="type=bind|volume|tmpfs,src=...,dst=...[,readonly].")
@click.option("--volumes-from", multiple=True, help="CONTAINER[:ro]: the same volumes as that one has.")
@click.option("--tmpfs", multiple=True, help="/PATH[:size=64m,...]: a file system in memory.")
@click.option("--read-only", is_flag=True, help="The container cannot change its root filesystem.")
@netoptions.options
@limits.options
@click.option("--cap-add", multiple=True, help="Give a capability, or ALL.")
@click.option("--cap-drop", multiple=True, help="Take a capability, or ALL.")
@click.option("--security-opt", multiple=True, help="no-new-privileges, seccomp=FILE, seccomp=unconfined.")
@click.option("--privileged", is_flag=True, help="All capabilities, all devices, no filter.")
@click.option("--ulimit", multiple=True, help="NAME=SOFT[:HARD], as nofile=1024.")
@click.option("--init", is_flag=True, help="A small init that reaps zombies runs as PID 1.")
@policies.options
@click.option("--log-driver", default="", help="json-file, or none: what is printed is not kept.")
@click.option("--log-opt", multiple=True, help="KEY=VALUE: max-size=10m, max-file=3, labels, env, tag.")
@click.option(
    "--pull", type=click.Choice(["missing", "always", "never"]), default="missing", help="When to pull."
)
@click.option("--platform", default="", help="For which machine the image is made: linux/arm64/v8.")
@click.option(
    "--explain",
    is_flag=False,
    flag_value="text",
    help="Narrate every kernel act; =json, =sh for other forms.",
)
@click.option("--step", is_flag=True, help="Stop before each step: what to look at, then c or q.")
@click.option("--break", "breakpoints", multiple=True, help="before:STEP: stop before one step.")
@click.argument("image")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def run_command(session: Session, /, image: str, args: tuple[str, ...], **words: Any) -> int:
    """Create and run a new container from IMAGE; what comes after it is the command and its arguments."""
    explain, step, breakpoints = (words.pop(name) for name in ("explain", "step", "breakpoints"))
    options = parse_options(image, list(args), words)
    front = Front(options, words)
    if options["tty"] and options["interactive"] and not front.detach and not os.isatty(0):
        raise UsageError(
            "the input device is not a TTY", "leave -t out when input comes from a pipe or a file"
        )
    if explain or step or breakpoints:
        from minirun.cli import explained

        return explained.run(session, options, explain, step, breakpoints, front)
    return run(session, options, session.spare or spawn(), front)


class Front:
    """How we are in front of the container: not at all (`-d`), or with some of its streams."""

    def __init__(self, options: RunOptions, words: dict[str, Any]) -> None:
        self.detach: bool = words["detach"]
        self.cidfile: str = words["cidfile"]
        self.signals: bool = words["sig_proxy"]
        self.keys = attach.detach_keys(words["detach_keys"])
        wanted = [word.lower() for word in words["attach"]]
        if bad := [word for word in wanted if word not in ("stdin", "stdout", "stderr")]:
            raise UsageError(f'invalid --attach: "{bad[0]}"', "valid streams are STDIN, STDOUT and STDERR")
        if wanted and self.detach:
            raise UsageError("conflicting options: -a (attach) and -d (detach)")
        named = [] if self.detach else wanted or ["stdout", "stderr", "stdin"]
        self.streams = [name for name in named if name != "stdin"]
        self.interactive = options["interactive"] and "stdin" in named
        options["attached"] = [*self.streams, *(["stdin"] if self.interactive else [])]


def run(
    session: Session,
    options: RunOptions,
    spare: Spare,
    front: Front,
    began: Callable[[], None] | None = None,
) -> int:
    """Prepare, start and, unless detached, stay until the end.  Returns the exit code.

    `began`, if given, is called when the program has begun, before a word of it is passed on.
    """
    netoptions.warn(options)
    with cidfile.reserved(front.cidfile) as file, progress.show(sys.stderr, bars=not began) as news:
        record, start = engine.prepare(session, options, news, starts=True)  # a narrator writes between bars
        if file:
            file.write(record["id"])
    size = attach.own_size() if options["tty"] else (0, 0)
    engine.order(session, record, spare, size, front.streams, once=not front.detach, start=start)
    if front.detach or began:
        engine.wait_until_running(spare)
    if began:
        began()
    if front.detach:
        say(record["id"])
        return 0
    sys.stdout.flush()
    end = attach.attach(
        spare.sock,
        interactive=front.interactive,
        tty=options["tty"],
        keys=front.keys,
        signals=front.signals,
    )
    if end is None:  # detached
        return 0
    if end.last:
        spare.wait()
    if end.oom:
        say(f"minirun: the container was killed: it used all of its --memory {words_of(options)}", err=True)
    return end.code


def words_of(options: RunOptions) -> str:
    """The memory limit, for a message."""
    limit = options["resources"].get("memory", {}).get("limit", 0)
    return f"({limit // 1024**2} MiB)" if limit else ""


def parse_options(image: str, args: list[str], words: dict[str, Any]) -> RunOptions:
    """The words of the command line as options.  Raises UsageError quoting the bad one."""
    no_new_privileges, seccomp = parse.security(words["security_opt"])
    options = parse.defaults(image, args)
    options.update(
        {
            "name": words["name"],
            "entrypoint": words["entrypoint"],
            "env": parse.environment(words["env"], words["env_file"]),
            "workdir": words["workdir"],
            "user": words["user"],
            "groups": list(words["group_add"]),
            "hostname": words["hostname"],
            "domainname": words["domainname"],
            "annotations": parse.labels(words["annotation"]),
            "labels": parse.labels([*parse.lines_of(words["label_file"], "--label-file"), *words["label"]]),
            "tty": words["tty"],
            "interactive": words["interactive"],
            "auto_remove": words["rm"],
            "init": words["init"],
            "mounts": [
                *map(mounts.volume, words["volume"]),
                *map(mounts.mount, words["mount"]),
                *map(mounts.tmpfs, words["tmpfs"]),
            ],
            "volumes_from": list(words["volumes_from"]),
            "readonly": words["read_only"],
            "rlimits": [parse.ulimit(text) for text in words["ulimit"]],
            "cap_add": list(words["cap_add"]),
            "cap_drop": list(words["cap_drop"]),
            "privileged": words["privileged"],
            "no_new_privileges": no_new_privileges,
            "seccomp": seccomp,
            "security_opt": list(words["security_opt"]),
            "stop_signal": words["stop_signal"],
            "stop_timeout": words["stop_timeout"],
            "log": writer.settings(words["log_driver"], words["log_opt"]),
            "pull": words["pull"],
            "platform": words["platform"],
        }
    )
    for group in (netoptions, limits, policies):
        group.apply(words, options)
    parse.check(options)  # before a --cidfile or a narrator is there; prepare() does it for everybody
    return options
