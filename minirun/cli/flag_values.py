"""Words as Go's flags have them, spelt out for click: `--rm=false`, `-it=false`, `-p=80:80`, and --explain alone.

click knows no value of a flag, takes the `=` after a letter for a part of the value, and would take the image for the
value of an --explain that stands alone.

See  github.com/spf13/pflag, "Command line flag syntax"; strconv.ParseBool
"""

from __future__ import annotations

import itertools

import click

from minirun import booleans

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Options = dict[str, click.Option]  # by each of their names


def spell_out(command: click.Command, args: Iterable[str]) -> Iterator[str]:
    """The words after a command's name; those that are a program's own, and those after `--`, stay as they are.

    Raises click.BadOptionUsage for a flag that is neither true nor false.
    """
    options = {
        name: param
        for param in command.params
        if isinstance(param, click.Option)
        for name in (*param.opts, *param.secondary_opts)
    }
    mixed = command.context_settings.get("allow_interspersed_args", command.allow_interspersed_args)
    words = iter(args)
    for word in words:
        if word == "--" or not (mixed or word.startswith("-")):
            yield word
            yield from words
        elif not word.startswith("-") or word == "-":
            yield word
        elif word == "-h" and word not in options:
            yield "--help"  # as Docker still takes it, where it is not the host's name
        else:
            spelt = list(_long(word, options) if word.startswith("--") else _short(word, options))
            yield from spelt
            if spelt == [word] and _takes_next(word, options):
                yield from itertools.islice(words, 1)


def _long(word: str, options: Options) -> Iterator[str]:
    name, equals, value = word.partition("=")
    option = options.get(name)
    if option and option.is_flag and equals:
        yield from _flag(option, name, value)
    elif option and not equals and isinstance(option.flag_value, str) and not option.is_flag:
        yield f"{name}={option.flag_value}"
    else:
        yield word


def _short(word: str, options: Options) -> Iterator[str]:
    """`-it=false`, `-e=A=b`: up to the first letter that has a value, or after which there is a `=`."""
    for at in range(1, len(word)):
        name, rest = f"-{word[at]}", word[at + 1 :]
        option = options.get(name)
        if option is None:
            break
        if rest.startswith("=") and option.is_flag:
            yield from ([word[:at]] if at > 1 else [])
            yield from _flag(option, name, rest[1:])
            return
        if not option.is_flag and not option.count:
            yield from ([word[: at + 1], rest[1:]] if rest.startswith("=") else [word])
            return
    yield word


def _flag(option: click.Option, name: str, value: str) -> list[str]:
    """The flag, or the one of the contrary, or none."""
    truth = booleans.SMALL.get(value.lower())
    if truth is None:
        ctx = click.get_current_context(silent=True)
        raise click.BadOptionUsage(name, f'invalid value "{value}" for {name}: true or false', ctx)
    return [name] if truth else option.secondary_opts[:1]


def _takes_next(word: str, options: Options) -> bool:
    """Whether an option's value is the next word: `--name x`, `-e x`, `-ite x`; not `--name=x`, `-ex`."""
    name = word if word.startswith("--") else f"-{word[-1]}"
    option = options.get(name)
    if option is None or option.is_flag or option.count:
        return False
    return word.startswith("--") or all(
        getattr(options.get(f"-{one}"), "is_flag", False) for one in word[1:-1]
    )
