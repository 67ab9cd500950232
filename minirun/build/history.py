"""The lines of an image's history that a build writes: what `minirun history` shows, in BuildKit's words.

    ENV A=x y B=z                           values as they are in effect, without quotes
    CMD ["/bin/sh" "-c" "echo hi"]          lists as Go's %q prints them
    RUN |2 A=1 B= /bin/sh -c make # buildkit    the ARGs in force, then the command; ` # buildkit` where files change

See      image-spec config.md "history"; moby/buildkit frontend/dockerfile/dockerfile2llb, commitToHistory
By hand  minirun history --no-trunc IMAGE
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    Json = dict[str, Any]

COMMENT = "buildkit.dockerfile.v0"
_FILES = " # buildkit"
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r"}
_ESCAPES |= {"\t": "\\t", "\v": "\\v"}
_UNITS = ((3600 * 10**9, "h"), (60 * 10**9, "m"))
_SMALL_UNITS = ((10**9, "s"), (10**6, "ms"), (10**3, "µs"), (1, "ns"))


def line(created_by: str, *, changes_files: bool = False) -> Json:
    """One entry, without its time: that is known when the layers are."""
    if changes_files:
        return {"created_by": created_by, "comment": COMMENT}
    return {"created_by": created_by, "comment": COMMENT, "empty_layer": True}


def pairs(word: str, found: Iterable[tuple[str, str | None]]) -> str:
    """`ENV A=1 B=2`; `ARG A` where there is no value."""
    return " ".join([word, *(name if value is None else f"{name}={value}" for name, value in found)])


def run(args: Iterable[str], build_args: Mapping[str, str]) -> str:
    """`args` is the whole command; `build_args` are those that the stage has declared."""
    shown = [f"{name}={value}" for name, value in build_args.items()]
    return " ".join(["RUN", *([f"|{len(shown)}", *shown] if shown else []), *args]) + _FILES


def copy(word: str, sources: Iterable[str], target: str) -> str:
    return " ".join([word, *sources, target]) + _FILES


def metadata(word: str, effect: Json, text: str) -> str:
    """An instruction that changes the config alone; `effect` is the config of an image that has nothing but it."""
    if word in ("CMD", "ENTRYPOINT"):
        return f"{word} {quoted_list(effect.get(word.capitalize()) or [])}"
    if word == "EXPOSE":
        return f"EXPOSE map[{' '.join(f'{port}:{{}}' for port in sorted(effect['ExposedPorts']))}]"
    if word == "VOLUME":
        return f"VOLUME [{' '.join(effect['Volumes'])}]"
    if word == "SHELL":
        return f"SHELL [{' '.join(effect['Shell'])}]"
    if word == "HEALTHCHECK":
        return f"HEALTHCHECK {_health(effect['Healthcheck'])}"
    return f"{word} {text}"


def _health(check: Json) -> str:
    """Go's %q of a pointer to the struct; the start interval is in it where it was given: older builders had none."""
    names = ["Interval", "Timeout", "StartPeriod", *(["StartInterval"] if check.get("StartInterval") else [])]
    times = " ".join(quoted(duration(int(check.get(name) or 0))) for name in names)
    return f"&{{{quoted_list(check['Test'])} {times} {_rune(int(check.get('Retries') or 0))}}}"


def _rune(number: int) -> str:
    """A number as %q takes it: for the letter it stands for."""
    letter = chr(number) if number <= 0x10FFFF else "\ufffd"
    escaped = "\\'" if letter == "'" else _ESCAPES.get(letter, letter) if letter != '"' else letter
    return f"'{escaped if letter.isprintable() or letter in _ESCAPES else _numeric(letter)}'"


def duration(nanoseconds: int) -> str:
    """As Go writes it.

    >>> duration(90 * 10**9), duration(1500 * 10**6), duration(0)
    ('1m30s', '1.5s', '0s')
    """
    if nanoseconds and nanoseconds < 10**9:
        size, unit = next(pair for pair in _SMALL_UNITS if nanoseconds >= pair[0])
        return f"{_decimal(nanoseconds, size)}{unit}"
    made, rest = "", nanoseconds
    for size, unit in _UNITS:
        if made or rest >= size:
            made += f"{rest // size}{unit}"
            rest %= size
    return f"{made}{_decimal(rest, 10**9)}s"


def _decimal(number: int, size: int) -> str:
    whole, rest = divmod(number, size)
    digits = len(str(size)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0").rstrip(".") if rest else str(whole)


def quoted_list(words: Iterable[str]) -> str:
    """`["a" "b c"]`"""
    return f"[{' '.join(map(quoted, words))}]"


def quoted(text: str) -> str:
    """Go's %q.

    >>> print(quoted('say "hi"\\t\\x01'))
    "say \\"hi\\"\\t\\x01"
    """
    letters = (
        _ESCAPES[letter] if letter in _ESCAPES else letter if letter.isprintable() else _numeric(letter)
        for letter in text
    )
    return f'"{"".join(letters)}"'


def _numeric(letter: str) -> str:
    number = ord(letter)
    if number < 0x80:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
