"""Arbitrary words for each option of a command, as hypothesis draws them; the options are click's own declarations."""

import re

import click
from hypothesis import strategies as st

from minirun.cli import command_table

LONGEST = 200_000  # characters of one word
# What the words of some option are made of, so that a drawn one comes past the first rule now and then.
PIECES = [
    *(
        "",
        "a",
        "A",
        "x",
        "box",
        "busybox",
        "1",
        "0",
        "-1",
        "64m",
        "1.5",
        "99999999999999999999",
        "10%",
        "0-3",
        "tcp",
    ),
    *(
        "/",
        "/x",
        "./x",
        "..",
        "/proc",
        "/dev/null",
        "host",
        "none",
        "bridge",
        "container:x",
        "always",
        "type=bind",
    ),
    *(
        "src",
        "dst=/x",
        "size",
        "mode",
        "ro",
        "nofile",
        "net.ipv4.ip_forward",
        "no-new-privileges",
        "seccomp",
        "max-size",
    ),
    *(
        "192.0.2.1",
        "::1",
        "\u0664",
        "\u00e9\u20ac",
        "\udcff",
        " ",
        "\n",
        "\t",
        "\x1b[2J",
        "'",
        '"',
        "$A",
        "{{",
        "%s",
        "~",
    ),
]
SEPARATORS = ["", ":", "=", ",", "/", "-", "+", ".", ";", "@"]
# Told in Python's way, or not told at all.
WRONG = re.compile(
    r"Traceback|\[Errno|\b[A-Z][a-z]\w*(Error|Exception)\b|\b(NoneType|KeyboardInterrupt)\b|minirun has made a mistake"
)


def words() -> st.SearchStrategy[str]:
    """A word of 0 to LONGEST characters: pieces with separators between them, one of them perhaps very long."""
    pieces = st.sampled_from(PIECES)
    repeated = st.builds(
        lambda piece, size: (piece * size)[:LONGEST],
        st.sampled_from(["x", "9", "/", "ab:", "=", ",", "\u00e9", "0.", "x/"]),
        st.sampled_from([64, 255, 256, 4095, 4096, 8192, 65_536, 131_072, LONGEST]),
    )
    one = st.one_of(pieces, pieces, pieces, repeated)
    joined = st.builds(str.join, st.sampled_from(SEPARATORS), st.lists(one, max_size=4))
    return st.one_of(one, joined).map(lambda word: word[:LONGEST])


def options(command: str) -> list[click.Option]:
    """Those that a command declares, hidden ones too; not those that print and leave."""
    declared = command_table.load(command_table.COMMANDS[command][0]).params
    return [one for one in declared if isinstance(one, click.Option) and not one.is_eager]


def lines(
    command: str, longest: int = LONGEST, without: tuple[str, ...] = ()
) -> st.SearchStrategy[list[str]]:
    """Options and their words for `command`, three at most."""
    known = [one for one in options(command) if not set(one.opts) & set(without)]
    one = st.sampled_from(known).flatmap(lambda option: _given(option, longest))
    return st.lists(one, min_size=1, max_size=3).map(lambda parts: [word for part in parts for word in part])


def _given(option: click.Option, longest: int) -> st.SearchStrategy[list[str]]:
    names = st.sampled_from([*option.opts, *option.secondary_opts])
    if option.is_flag:
        return names.map(lambda name: [name])
    drawn = words().map(lambda word: cut(word, longest))
    return st.builds(
        lambda name, word: (
            [f"{name}={word}"]
            if name.startswith("--")
            else [f"{name}{word}" if word else name, *[""] * (not word)]
        ),
        names,
        drawn,
    )


def cut(word: str, longest: int) -> str:
    """So that it has `longest` bytes at most."""
    return word.encode("utf-8", "surrogateescape")[:longest].decode("utf-8", "surrogateescape")


def complaint(code: int, told: str, codes: tuple[int, ...]) -> str:
    """What is wrong with how a command ended, or "".  `told` is its standard error."""
    if code not in codes:
        return f"exit code {code}"
    if found := WRONG.search(told):
        return f"told in Python's words: {found[0]}"
    if code and not told.strip():
        return "nothing was said"
    return "" if len(told) < 6000 else f"{len(told)} characters were said"
