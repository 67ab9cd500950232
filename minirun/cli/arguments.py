"""A command line by table: global options, a command, its options and its arguments.

argparse does more than this and costs 8 ms to import, which is a third of a whole `runc run`.  What is left here is
what engines use: `--name VALUE`, `--name=VALUE`, `-n VALUE`, in any order with the arguments, until a `--`.
"""

from __future__ import annotations

from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


class Option:
    """`spelling` is all its names, "--bundle -b"; `value` what its value is called in help, "" for a switch.

    A default that is a list makes it one that may be repeated; `choices` are the values allowed.
    """

    def __init__(
        self,
        spelling: str,
        value: str = "",
        text: str = "",
        default: object = None,
        choices: Iterable[str] = (),
    ) -> None:
        self.names = spelling.split()
        self.key = self.names[0].lstrip("-").replace("-", "_")
        self.value = value
        self.text = text
        self.default = default if value else False
        self.choices = tuple(choices)


class Command:
    """`arguments` are the names of what has to follow, "id"; "signal=TERM" may be left out, "args..." takes the rest
    of the line as it is, also what looks like an option."""

    def __init__(
        self, function: Callable[[Any], int | None], arguments: str, text: str, *options: Option
    ) -> None:
        self.function = function
        self.arguments = arguments.split()
        self.text = text
        self.options = options


class Given:
    """What a command line says: an attribute for each option and argument, and the `command`."""

    def __init__(self, command: Command, values: dict[str, Any]) -> None:
        self.command = command
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:  # for the type checker; all there is stands in __dict__
        raise AttributeError(name)


class UnknownCommand(UsageError):
    """The first word is none of the table's."""


class HelpWanted(Exception):
    """Not an error: the text to print, and done."""


def parse(program: str, words: list[str], options: Iterable[Option], commands: dict[str, Command]) -> Given:
    """Raises UsageError quoting the bad word, or HelpWanted."""
    values: dict[str, Any] = {}
    rest = _parse_options(words, options, values, stop_after=0)
    if values.pop("version", False):
        return Given(commands["version"], values)
    if rest[:1] == ["help"]:
        rest = [*rest[1:2], "--help"]
    if values.pop("help", False) or rest[:1] in ([], ["--help"]):
        raise HelpWanted(_help(program, options, commands))
    name, *rest = rest
    if name not in commands:
        raise UnknownCommand(f'unknown command "{name}"', f"{program} --help lists them")
    command = commands[name]
    whole_line = bool(command.arguments) and command.arguments[-1].endswith("...")
    stop_after = len(command.arguments) - 2 if whole_line else len(words)
    rest = _parse_options(rest, command.options, values, stop_after)
    if values.pop("help", False):
        raise HelpWanted(_command_help(program, name, command))
    _parse_arguments(name, command, rest, values)
    return Given(command, values)


_HELP = Option("--help -h", text="this text")


def _parse_options(
    words: list[str], options: Iterable[Option], values: dict[str, Any], stop_after: int
) -> list[str]:
    """Put the options' values into `values`; returns the other words.

    After `stop_after` of those, and after `--`, all that follows is taken as it is.
    """
    known = {name: option for option in (*options, _HELP) for name in option.names}
    values.update({option.key: option.default for option in options})
    others: list[str] = []
    left = iter(words)
    for word in left:
        if word == "--" or not word.startswith("-") or word == "-":
            others += [] if word == "--" else [word]
            if word == "--" or len(others) > stop_after:
                return [*others, *left]
            continue
        name, equals, value = word.partition("=")
        if name not in known:
            raise UsageError(f"unknown option {name}")
        option = known[name]
        if option.value and not equals:
            found = next(left, None)
            if found is None:
                raise UsageError(f"option {name} needs a value: {option.value}")
            value = found
        _set(option, name, value, equals, values)
    return others


def _set(option: Option, name: str, value: str, equals: str, values: dict[str, Any]) -> None:
    if option.choices and value not in option.choices:
        raise UsageError(f'option {name}: "{value}" is none of {", ".join(option.choices)}')
    if not option.value:
        if equals and value not in ("true", "false"):
            raise UsageError(f"option {name} takes no value")
        values[option.key] = value != "false"
    elif isinstance(option.default, list):
        values[option.key] = [*values[option.key], value]
    else:
        values[option.key] = value


def _parse_arguments(name: str, command: Command, words: list[str], values: dict[str, Any]) -> None:
    for argument in command.arguments:
        key, optional, default = argument.partition("=")
        if key.endswith("..."):
            values[key.rstrip(".")] = words[1:] if words[:1] == ["--"] else words
            return
        if not words and not optional:
            raise UsageError(f"{name} needs {key.upper()}")
        values[key] = words.pop(0) if words else default
    if words:
        raise UsageError(f'{name}: unexpected argument "{words[0]}"')


# ---- help ---------------------------------------------------------------------------------------------------


def _help(program: str, options: Iterable[Option], commands: dict[str, Command]) -> str:
    lines = [f"Usage: {program} [OPTIONS] COMMAND ...", "", "Commands:"]
    lines += [f"  {name:<10} {command.text}" for name, command in commands.items()]
    return "\n".join([*lines, *_option_lines(options), "", f"{program} COMMAND --help tells more."])


def _command_help(program: str, name: str, command: Command) -> str:
    words = []
    for argument in command.arguments:
        key, optional, _ = argument.partition("=")
        words.append(f"[{key.upper()}]" if optional else key.upper())
    usage = f"Usage: {program} {name} [OPTIONS] {' '.join(words)}".rstrip()
    return "\n".join([usage, "", command.text, *_option_lines(command.options)])


def _option_lines(options: Iterable[Option]) -> list[str]:
    rows = [(", ".join(option.names) + f" {option.value}", option.text) for option in (*options, _HELP)]
    return ["", "Options:", *(f"  {names:<28} {text}".rstrip() for names, text in rows)]
