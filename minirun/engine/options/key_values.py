"""NAME=VALUE on the command line and in files: variables, labels, and other options that are pairs.

A file holds one entry a line: values are raw, without quotes or expansion.  As Docker reads it: a byte order mark
at its beginning, spaces before a name, the carriage return of a line of Windows, and lines that are empty or begin
with # do not count; spaces in a name are an error, for `export A=1` or `A = 1` means something to other readers.

See  docs.docker.com "docker container run", --env-file; github.com/docker/cli pkg/kvfile
"""

from __future__ import annotations

import os

from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BLANKS = " \t"  # that no name may have
_BYTES_MAX = 16 << 20  # of a file; execve(2) takes less


def environment(entries: Iterable[str], files: Iterable[str]) -> list[str]:
    """`-e K=V` as it is, `-e K` with our own value; files first, so that -e wins.

    Where we have none `-e K` stays `K`: the container is not to have it, whatever the image says.  Raises UsageError.
    """
    of_files = [entry for entry in map(_own, _entries(files, "--env-file")) if "=" in entry]
    given = list(entries)
    for entry in given:
        check_variable(entry)
    return [*of_files, *map(_own, given)]


def _own(entry: str) -> str:
    known = "=" not in entry and entry in os.environ
    return f"{entry}={os.environ[entry]}" if known else entry


def check_variable(entry: str) -> None:
    """NAME=value, or NAME for one that the image's is to go for.  Raises UsageError."""
    if not entry.partition("=")[0]:
        raise UsageError(f'invalid environment variable: "{entry}"', "as in NAME=value")


def labels(entries: Iterable[str], files: Iterable[str] = ()) -> dict[str, str]:
    """What files and `-l` say, the last word counts; a line of a file without a value is none.  Raises UsageError."""
    of_files = [entry for entry in _entries(files, "--label-file") if "=" in entry]
    given = list(entries)
    for entry in given:
        name = entry.partition("=")[0].lstrip(_BLANKS)
        if not name:
            raise UsageError(f'invalid label "{entry}": empty name', "as in KEY=value")
        if any(blank in name for blank in _BLANKS):
            raise UsageError(
                f'invalid label "{entry}": the name "{name}" has whitespace in it', "as in KEY=value"
            )
    return pairs([*of_files, *given])


def pairs(entries: Iterable[str]) -> dict[str, str]:
    """{name: value}; "" for one without a value."""
    return dict(entry.partition("=")[::2] for entry in entries)


# ---- files ------------------------------------------------------------------------------------------------


def _entries(paths: Iterable[str], option: str) -> Iterator[str]:
    """The entries of files, in their order, each with a name.  Raises UsageError that tells file and line."""
    for path in paths:
        for number, line in enumerate(_lines(path, option), 1):
            entry = _text(line, number, f"{option} {path}").lstrip()
            name = entry.partition("=")[0]
            if not entry or entry.startswith("#"):
                continue
            if not name:
                raise _wrong(f"{option} {path}", number, f'no name before the = of "{entry}"')
            if any(blank in name for blank in _BLANKS):
                raise _wrong(f"{option} {path}", number, f'the name "{name}" has whitespace in it')
            yield entry


def _lines(path: str, option: str) -> list[bytes]:
    try:
        with open(path, "rb") as file:
            content = file.read(_BYTES_MAX + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in its name
        raise UsageError(f"{option} {path}: {getattr(error, 'strerror', error)}") from None
    if len(content) > _BYTES_MAX:  # it may be one without an end, as /dev/zero
        raise UsageError(f"{option} {path}: larger than {_BYTES_MAX} bytes")
    return [line.removesuffix(b"\r") for line in content.removeprefix(b"\xef\xbb\xbf").split(b"\n")]


def _text(line: bytes, number: int, where: str) -> str:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise _wrong(where, number, f"the byte at column {error.start + 1} is not UTF-8") from None
    if "\0" in text:
        raise _wrong(where, number, "there is a NUL in it")
    return text


def _wrong(where: str, number: int, what: str) -> UsageError:
    return UsageError(f"{where}, line {number}: {what}", "one NAME=value a line, without spaces in the name")
