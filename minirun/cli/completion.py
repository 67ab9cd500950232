"""Completion in bash, zsh and fish: of commands and options by click, of containers, images and volumes by us.

    eval "$(minirun completion bash)"                                   in ~/.bashrc, or the same with zsh
    minirun completion fish > ~/.config/fish/completions/minirun.fish

At each TAB the shell runs minirun with the words so far in COMP_WORDS and _MINIRUN_COMPLETE set.  Nothing is made
then, no shim and no lock, and who may not read the data root gets commands and options, but no names and no error.

What an argument can be is told by its name, so a command that calls its own `containers` needs nothing more.

See  click's documentation on shell completion
"""

from __future__ import annotations

import os

import click
from click.shell_completion import CompletionItem, FishComplete, add_completion_class, get_completion_class

from minirun.cli.printing import say
from minirun.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from minirun.engine.record_types import Record

    Look = Callable[[Paths], Iterable[CompletionItem[str]]]

VARIABLE = "_MINIRUN_COMPLETE"
_UP, _DOWN = ("running", "paused", "restarting"), ("created", "exited")

# containers that make sense for a command; for the others, all of them
_STATES = {
    **dict.fromkeys(("attach", "exec", "kill", "pause", "stop", "top", "update"), _UP),
    **dict.fromkeys(("start",), _DOWN),
    "unpause": ("paused",),
    "rm": (*_DOWN, *_UP),  # those that can be removed as they are come first
}
_LARGEST_HELP = 40  # letters


_BASH = """\
%(complete_func)s() {
    local line=${COMP_LINE:0:COMP_POINT} kind value
    local word=${line##* }
    # bash ends words at : and =, minirun does not: what stands before is typed already and not to be repeated
    local before=${word%%"$2"}
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            plain) COMPREPLY+=("${value#"$before"}") ;;
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
        esac
    done < <(COMP_WORDS=$line COMP_CWORD=$word %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


@add_completion_class
class Bash(FishComplete):
    """Bash as it has to be for `image:tag`; fish says as well which word is being written, not its number."""

    name = "bash"
    source_template = _BASH

    def format_completion(self, item: CompletionItem[str]) -> str:
        return f"{item.type},{item.value}"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL; `eval` it, or put it where the shell looks."""
    kind = get_completion_class(shell) or Bash
    made = kind(ctx.find_root().command, {}, "minirun", VARIABLE)
    say(made.source_template % made.source_vars(), end="")


def attach(group: str, command: click.Command) -> click.Command:
    """Tell the arguments and options of `command`, which is in `group`, what they can be."""
    for parameter in command.params:
        look = _looker(group, str(command.name), str(parameter.name))
        if look:
            parameter.type = Names(look)
    return command


class Names(click.ParamType[str]):
    """The type of an argument while it is being completed: `look` finds all it can be."""

    name = "name"

    def __init__(self, look: Look) -> None:
        self.look = look

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        given = ctx.find_root().params
        try:
            found = list(self.look(Paths(given["root"], given["state"])))
        except Exception:  # not root, or a store that is damaged: no place to complain
            return []
        typed = ctx.params.get(str(param.name)) if param.nargs == -1 else ()
        return [
            item for item in found if item.value.startswith(incomplete) and item.value not in (typed or ())
        ]


def _looker(group: str, command: str, parameter: str) -> Look | None:
    """How to find what a parameter can be; None for those that can be anything."""
    if (command, parameter) in _ANYTHING:
        return None
    if (group, command) == ("minirun", "inspect"):
        return _objects
    if parameter in ("container", "containers", "volumes_from"):
        return lambda paths: _containers(paths, _STATES.get(command, ()))
    if parameter in ("network", "networks") or (group == "network" and parameter == "names"):
        return _networks
    if parameter in _SHARED and command in ("run", "create"):
        return lambda paths: _shared(paths, _SHARED[parameter])
    if parameter in ("volume", "volumes", "name", "names") and group == "volume":
        return _volumes
    if parameter in ("image", "images") or (
        parameter in ("name", "names", "source") and (group == "image" or command in _OF_IMAGES)
    ):
        return _images
    return None


_ANYTHING = {
    ("create", "name"),
    ("create", "network"),
    ("commit", "name"),
    ("import", "name"),
    ("import", "source"),
    ("pull", "name"),
}
_SHARED = {  # container: stands for each of those that run
    "pid": ("host", "container:"),
    "ipc": ("none", "private", "shareable", "host", "container:"),
    "uts": ("host",),
    "cgroupns": ("host", "private"),
}
_OF_IMAGES = ("push", "rmi", "tag", "history")


def _objects(paths: Paths) -> Iterable[CompletionItem[str]]:
    yield from _containers(paths, ())
    yield from _images(paths)
    yield from _volumes(paths)


def _containers(paths: Paths, states: tuple[str, ...]) -> Iterable[CompletionItem[str]]:
    from minirun.engine import records

    found = records.list_all(paths)
    if states:
        found = [record for record in found if record["state"]["status"] in states]
        found.sort(key=lambda record: states.index(record["state"]["status"]))
    return [CompletionItem(record["name"], help=_about(record)) for record in found]


def _shared(paths: Paths, words: tuple[str, ...]) -> Iterable[CompletionItem[str]]:
    for word in words:
        if word == "container:":
            for item in _containers(paths, _UP):
                yield CompletionItem(f"{word}{item.value}", help=item.help)
        else:
            yield CompletionItem(word)


def _about(record: Record) -> str:
    words = f"{record['state']['status']}, {' '.join(record['args'])}"
    return words if len(words) <= _LARGEST_HELP else f"{words[: _LARGEST_HELP - 1]}…"


def _images(paths: Paths) -> Iterable[CompletionItem[str]]:
    from minirun.image import reference
    from minirun.image.store import Store

    for image in Store(paths).images():
        if image.reference:
            name = reference.parse(image.reference).familiar
            for word in dict.fromkeys((name.removesuffix(":latest"), name)):
                yield CompletionItem(word, help=image.id[7:19])


def _volumes(paths: Paths) -> Iterable[CompletionItem[str]]:
    directory = f"{paths.root}/volumes"
    names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    return [CompletionItem(name) for name in names if os.path.isdir(f"{directory}/{name}")]


def _networks(paths: Paths) -> Iterable[CompletionItem[str]]:
    directory = f"{paths.root}/networks"
    names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    made = (name.removesuffix(".json") for name in names if name.endswith(".json") and name[0] != ".")
    return [CompletionItem(name) for name in dict.fromkeys(("bridge", "host", "none", *made))]
