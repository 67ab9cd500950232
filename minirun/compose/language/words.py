"""What single words of a compose file stand for: sizes, durations, true and false, a command in one text.

Each takes the value as the file has it and gives the one that the model has.  Raises ValueError, whose text is for
people.

See  time.ParseDuration and Duration.String of Go; docker/go-units; mattn/go-shellwords
"""

from __future__ import annotations

_TRUE = frozenset(["true", "y", "yes", "on"])
_FALSE = frozenset(["false", "n", "no", "off"])

_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,  # the Greek letter looks the same
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_WHITE = " \t\r\n"
_ENDS = ";&|<>"  # where a shell's command would end


def flag(value: bool | str) -> bool:
    """
    >>> flag("yes"), flag("OFF"), flag(True)
    (True, False, True)
    """
    if isinstance(value, bool):
        return value
    if value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise ValueError(f'expected true or false, not "{value}"')


def integer(value: float | str) -> int:
    if isinstance(value, str):
        digits = value.removeprefix(value[:1]) if value[:1] in ("-", "+") else value
        if not (digits.isascii() and digits.isdecimal()):
            raise ValueError(f'expected a whole number, not "{value}"')
    return int(value)


def number(value: float | str) -> float:
    """With the precision of 32 bits, for which Docker Compose's variables have room.

    >>> number("0.5"), number(1 / 3)
    (0.5, 0.33333334)
    """
    from struct import pack, unpack

    try:
        packed = pack("f", float(value))
    except (ValueError, OverflowError):
        raise ValueError(f'expected a number, not "{value}"') from None
    [single] = unpack("f", packed)
    shorter = (float(f"{single:.{count}e}") for count in range(8))
    return next((short for short in shorter if pack("f", short) == packed), single)


def size(value: float | str) -> str:
    """Bytes, as digits.

    >>> size("1.5g"), size("64 KiB"), size(-1)
    ('1610612736', '65536', '-1')
    """
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str) and value == "-1":
        return value
    refusal = ValueError(f'expected a size such as 64m or 1.5g, not "{value}"')
    word = str(value).lower()
    digits = word.rstrip("bikmgtp ")
    suffix = word[len(digits) :].lstrip(" ")
    unit = suffix.removesuffix("b").removesuffix("i")
    if unit not in _POWERS or not digits.replace(".", "", 1).isdecimal():
        raise refusal
    return str(int(float(digits) * 1024 ** _POWERS[unit]))


def duration(value: str) -> str:
    """Go's one form of a duration.

    >>> duration("90s"), duration("1d"), duration("0.5s"), duration("0s")
    ('1m30s', '24h0m0s', '500ms', '0s')
    """
    nanoseconds = _nanoseconds(value)
    sign = "-" if nanoseconds < 0 else ""
    return sign + _spelt(abs(nanoseconds))


def seconds(value: str) -> float:
    """Of a duration."""
    return _nanoseconds(value) / 1e9


def _nanoseconds(value: str) -> int:
    refusal = ValueError(f'expected a duration such as 90s or 1m30s, not "{value}"')
    sign = -1 if value.startswith("-") else 1
    rest = value.removeprefix("-") if sign < 0 else value.removeprefix("+")
    if rest == "0":
        return 0
    total, whole = 0, rest
    while rest:
        behind = rest.lstrip("0123456789.")
        digits, rest = rest[: len(rest) - len(behind)], behind
        unit = rest[: len(rest) - len(rest.lstrip("nuµμmshdw"))]
        if unit not in _NANOSECONDS or not digits.replace(".", "", 1).isdecimal():
            raise refusal
        before, _, after = digits.partition(".")
        total += int(before or 0) * _NANOSECONDS[unit]
        total += int(after or 0) * _NANOSECONDS[unit] // 10 ** len(after)
        rest = rest[len(unit) :]
    if not whole:
        raise refusal
    return sign * total


def _spelt(nanoseconds: int) -> str:
    if nanoseconds == 0:
        return "0s"
    for unit in ("ns", "µs", "ms"):
        if nanoseconds < 1000 * _NANOSECONDS[unit]:
            return f"{_decimal(nanoseconds, _NANOSECONDS[unit])}{unit}"
    minutes, rest = divmod(nanoseconds, _NANOSECONDS["m"])
    spelt = f"{_decimal(rest, _NANOSECONDS['s'])}s"
    hours, minutes = divmod(minutes, 60)
    if hours or minutes:
        spelt = f"{minutes}m{spelt}"
    return f"{hours}h{spelt}" if hours else spelt


def _decimal(value: int, unit: int) -> str:
    """`value` in units, without zeros at the end."""
    whole, rest = divmod(value, unit)
    return f"{whole}.{rest:0{len(str(unit)) - 1}d}".rstrip("0") if rest else str(whole)


def mode(value: int | str) -> str:
    """Permission bits, octal.  YAML's 0440 is a number that is octal already.

    >>> mode(0o440), mode("0440")
    ('0440', '0440')
    """
    if isinstance(value, str):
        value = int(value, 8) if value and not value.strip("01234567") else -1
    return f"0{bits(value):o}"


def bits(value: int) -> int:
    if not 0 <= value <= 0o7777:
        raise ValueError("")
    return value


def owner(value: str) -> str:
    """A user or a group by its number; "" is nobody in particular."""
    is_number = len(value) <= 10 and value.isascii() and value.isdecimal()
    if value and not (is_number and int(value) < 0xFFFF_FFFF):  # which chown(2) has for "as it is"
        raise ValueError("")
    return value


def command(value: str | list[str]) -> list[str]:
    r"""The words of a command.  One text is split as a shell would, without its operators: the first one ends it.

    >>> command('sh -c "a && b" \\"c')
    ['sh', '-c', 'a && b', '"c']
    >>> command("a; b")
    ['a']
    """
    return value if isinstance(value, list) else _Splitter(value).words()


class _Splitter:
    def __init__(self, line: str) -> None:
        self.line = line
        self.word = ""
        self.started = False  # a word, be it empty
        self.quote = ""  # ' " ` or ) for $( )
        self.refusal = ValueError(f'expected a command, and its quotes do not match: "{line}"')

    def words(self) -> list[str]:
        found: list[str] = []
        escaped = False
        for letter in self.line:
            if escaped:
                self.add({"n": "\n", "t": "\t"}.get(letter, letter) if letter != "\n" else "")
                escaped = False
            elif letter == "\\" and self.quote != "'":
                escaped = True
            elif self.quote:
                self.inside(letter)
            elif letter in _WHITE or letter in _ENDS:
                if self.started:
                    found.append(self.word)
                self.word, self.started = "", False
                if letter in _ENDS:
                    break
            else:
                self.outside(letter)
        if escaped or self.quote:
            raise self.refusal
        return [*found, self.word] if self.started else found

    def add(self, letters: str) -> None:
        self.word += letters
        self.started = True

    def inside(self, letter: str) -> None:
        """Of quotes.  Those of a shell's substitution stay."""
        if letter == self.quote:
            self.quote = ""
        if self.quote or letter in "`)":
            self.add(letter)

    def outside(self, letter: str) -> None:
        if letter in "\"'":
            self.quote = letter
            self.started = True
        elif letter == "`" or (letter == "(" and self.word.endswith("$")):
            self.quote = ")" if letter == "(" else letter
            self.add(letter)
        elif letter in "()":
            raise self.refusal
        else:
            self.add(letter)
