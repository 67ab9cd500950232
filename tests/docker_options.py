"""Docker's commands and their flags, from the client's help and from the list of Docker 28's; and ours, from click."""

import ast
import functools
import inspect
import re
import subprocess
import textwrap
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
    return {
        path: {
            flag
            for one in command.params
            if isinstance(one, click.Option)
            for flag in (*one.opts, *one.secondary_opts)
        }
        for path, command in commands_of()
    }


def commands_of() -> Iterator[tuple[str, click.Command]]:
    """All of minirun's commands by their paths."""
    yield from _commands(commands._minirun(None, None), [])


def _commands(command: click.Command, path: list[str]) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(path), command
    if isinstance(command, click.Group):
        ctx = click.Context(command)
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            assert below
            yield from _commands(below, [*path, name])


def is_used(command: click.Command, option: click.Option) -> bool:
    """Whether the command's function reads the option's value, as an argument or as one of its words."""
    if not option.expose_value:
        return False
    function = inspect.unwrap(command.callback) if command.callback else None
    if function is None or option.name not in inspect.signature(function).parameters:
        return option.name in _words()
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(tree, ast.FunctionDef)
    return any(
        isinstance(node, ast.Name) and node.id == option.name for part in tree.body for node in ast.walk(part)
    )


@functools.cache
def _words() -> set[object]:
    """What our functions ask of the words of a command line, or take as keywords."""
    found: set[object] = set()
    package = CHECKOUT / "minirun"
    for path in (*(package / "cli").rglob("*.py"), package / "engine" / "networks.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
                found.add(node.slice.value)
            elif isinstance(node, ast.FunctionDef):
                found |= {argument.arg for argument in node.args.kwonlyargs}
            elif isinstance(node, ast.Dict):
                found |= {key.value for key in node.keys if isinstance(key, ast.Constant)}
            elif isinstance(node, ast.Tuple | ast.Call):
                items = node.elts if isinstance(node, ast.Tuple) else node.args
                values = (item.value for item in items if isinstance(item, ast.Constant))
                found |= {str(value).removeprefix("--").replace("-", "_") for value in values}
    return found
