"""What Debian's docker takes on its command lines, minirun takes too, or says why not: each command, each flag."""

from collections.abc import Callable

import pytest

from minirun.cli import refused_options
from tests import docker, docker_options

SHELLS = "completion"  # bash, zsh: a word after ours, commands of their own there


@pytest.fixture(scope="module")
def dockers(program: Callable[[str], str]) -> docker_options.Tree:
    return docker_options.of_client(docker.client(program), docker_options.ours())


def test_each_command_is_here_or_has_a_reason(dockers: docker_options.Tree) -> None:
    missing = dockers.keys() - docker_options.ours().keys()
    without = {
        path
        for path in missing
        if not refused_options.command(*path.rpartition(" ")[::2]) and SHELLS not in path
    }
    assert not without


def test_each_flag_is_here_or_has_a_reason(dockers: docker_options.Tree) -> None:
    ours = docker_options.ours()
    without = {
        (path, flag)
        for path in dockers.keys() & ours.keys()
        for flag in dockers[path] - ours[path]
        if not refused_options.flag(path, flag)
        and (refused_options.short(path), flag) not in docker_options.NOT_YET
    }
    assert not without
