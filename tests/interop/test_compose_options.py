"""What Docker Compose takes on its command lines, minirun compose takes, too: each command, each option."""

import re

import click
import pytest

from minirun.cli import refused_options
from minirun.cli.compose.group import compose_group
from tests.compose_docker import JUDGE
from tests.support import run

COMMANDS = (
    *(
        "attach",
        "build",
        "commit",
        "config",
        "cp",
        "create",
        "down",
        "events",
        "exec",
        "export",
        "images",
        "kill",
    ),
    *(
        "logs",
        "ls",
        "pause",
        "port",
        "ps",
        "pull",
        "push",
        "restart",
        "rm",
        "run",
        "scale",
        "start",
        "stats",
        "stop",
    ),
    *("top", "unpause", "up", "version", "volumes", "wait", "watch"),
)
MISSING = {"bridge", "publish"}  # for another platform, and for OCI artifacts


def helped(*words: str) -> str:
    return run(JUDGE, *words, "--help", check=True).stdout


def of_judge(text: str) -> set[str]:
    """The options in a help text: `  -d, --detach          Detached mode`."""
    lines = (re.match(r" {2,6}(?:(-\w), )?(--[a-z-]+)(?: |$)", line) for line in text.splitlines())
    return {option for line in lines if line for option in line.groups() if option}


def of_ours(command: click.Command) -> set[str]:
    return {option for param in command.params if isinstance(param, click.Option) for option in param.opts}


def test_the_commands_are_those_of_docker_compose() -> None:
    listed = re.findall(r"^  ([a-z]+) {2,}", helped(), re.MULTILINE)
    assert set(listed) == {*COMMANDS, *MISSING}
    assert all(refused_options.command("compose", name) for name in MISSING)


def test_the_options_before_a_command() -> None:
    assert of_judge(helped()) <= of_ours(compose_group)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_options_of_a_command(name: str) -> None:
    command = compose_group.get_command(click.Context(compose_group), name)
    assert command
    assert of_judge(helped(name)) <= of_ours(command)
