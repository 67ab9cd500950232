"""Docker's commands and their flags, from the client's help and from the list of Docker 28's; and ours, from click."""

import re
import subprocess
from collections.abc import Iterator

import click

from minirun.cli import commands
from tests.support import CHECKOUT

LIST = CHECKOUT / "tests" / "docker_28_options.txt"
_FLAGS = re.compile(r" {2,6}(?:(-\w), )?(--[a-z0-9-]+)(?: |$)")
_COMMAND = re.compile(r"  ([a-z-]+)\*? {2,}\S")

NOT_YET: set[tuple[str, str]] = set()  # (command, flag): somebody is at work on it

Tree = dict[str, set[str]]
"""The flags of each command; minirun's and docker's own are those of ""."""


def of_list() -> Tree:
    """Docker 28's."""
    text = re.sub(r"\n +", " ", LIST.read_text())
    rows = [line.partition(":")[::2] for line in text.splitlines() if not line.startswith("#")]
    return {name.removeprefix("docker"): set(flags.split()) for name, flags in rows}


def of_client(client: str, known: Tree) -> Tree:
    """Those of a client of Docker's, as its help has them; it is not asked for more of groups that are not `known`."""
    return dict(_walk(client, [], known))


def _walk(client: str, path: list[str], known: Tree) -> Iterator[tuple[str, set[str]]]:
    text = subprocess.run([client, *path, "--help"], capture_output=True, text=True, check=True).stdout
    found = [match for line in text.splitlines() if (match := _FLAGS.match(line))]
    name = " ".join(path)
    yield name, {flag for match in found for flag in match.groups() if flag} - {"--help"}
    in_commands = False
    for line in text.splitlines() if name in known else ():
        in_commands = line.endswith("Commands:") or (in_commands and line.startswith(" "))
        if in_commands and (match := _COMMAND.match(line)):
            yield from _walk(client, [*path, match[1]], known)


def ours() -> Tree:
    """minirun's, hidden ones too."""
    return dict(_own(commands._minirun(None, None), []))


def _own(command: click.Command, path: list[str]) -> Iterator[tuple[str, set[str]]]:
    options = [param for param in command.params if isinstance(param, click.Option)]
    yield " ".join(path), {flag for one in options for flag in (*one.opts, *one.secondary_opts)}
    if isinstance(command, click.Group):
        ctx = click.Context(command)
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            assert below
            yield from _own(below, [*path, name])
