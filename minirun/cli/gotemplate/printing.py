r"""How Go prints a value: `true`, `[a b]`, `map[key:value]`, `{running 4711}`, and the verbs of printf.

    %v %+v %#v %T %%   %t   %d %b %o %O %x %X %c %q %U   %e %E %f %F %g %G   %s %q %x %X
    %5d %-5d %05d %+d %.3f %*d %[2]s

A verb that does not fit says so in the output, as in Go: `%!d(string=x)`.

See  the package fmt
"""

from __future__ import annotations

import re

from minirun.cli.gotemplate import quoting, values
from minirun.cli.gotemplate.values import Nil, Pointer, Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WIDEST = 1_000_000  # of a width or a precision, as in Go
LONGEST = 4 * 2**20  # letters of one text
_INT_VERBS = {"d": "d", "b": "b", "o": "o", "x": "x", "X": "X"}
_PREFIXES = {"b": "0b", "o": "0", "x": "0x", "X": "0X"}
_DIRECTIVE = re.compile(
    r"%(?P<flags>[-+ #0]*)(?:\[(?P<width_at>\d+)\](?=\*))?(?P<width>\*|\d*)"
    r"(?:\.(?:\[(?P<precision_at>\d+)\](?=\*))?(?P<precision>\*|\d*))?(?:\[(?P<at>\d+)\])?(?P<verb>.?)",
    re.DOTALL,
)


# ---- without a verb ---------------------------------------------------------------------------------------


def show(value: Any, *, inside: bool = False) -> str:
    """As %v, and as {{.X}}; `inside` of a list or a struct, where nothing is <nil>."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>" if inside else "<no value>"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return general(value)
    if isinstance(value, Nil):
        return {"slice": "[]", "map": "map[]"}.get(value.kind, "<nil>")
    if isinstance(value, Pointer):
        return ("&" if inside and isinstance(value.target, Struct) else "") + show(value.target, inside=True)
    if isinstance(value, Struct):
        return f"{{{' '.join(show(field, inside=True) for field in value.values())}}}"
    if isinstance(value, dict):
        pairs = (f"{key}:{show(item, inside=True)}" for key, item in sorted(value.items()))
        return f"map[{' '.join(pairs)}]"
    if isinstance(value, list):
        return f"[{' '.join(show(item, inside=True) for item in value)}]"
    return str(value)


def general(value: float, precision: int | None = None, verb: str = "g", *, keeps: bool = False) -> str:
    """%g: with no precision as few digits as tell the number, and an exponent from a million on.

    >>> general(123456.0), general(1e6), general(0.0001), general(0.00001), general(2.5)
    ('123456', '1e+06', '0.0001', '1e-05', '2.5')
    """
    if value != value or value in (float("inf"), float("-inf")):
        return {"inf": "+Inf", "-inf": "-Inf"}.get(str(value), "NaN")
    if precision is not None:
        return f"{value:{'#' if keeps else ''}.{precision or 1}{verb}}"
    # 17 digits tell every number
    count = next(count for count in range(1, 18) if float(f"{value:.{count}g}") == value)
    mantissa, _, exponent = f"{value:.{count - 1}e}".partition("e")
    power = int(exponent)
    if -4 <= power < 6:
        return f"{value:.{max(count - 1 - power, 0)}f}"
    return f"{mantissa}{verb.replace('g', 'e').replace('G', 'E')}{power:+03d}"


def as_json(value: Any) -> str:
    """One line, without white space, letters as they are."""
    import json  # 7 ms, and most who print need none

    text = json.dumps(values.plain(value), separators=(",", ":"), ensure_ascii=False)
    return re.sub("[\u2028\u2029\ud800-\udfff]", _json_escape, text)


def _json_escape(match: re.Match[str]) -> str:
    return "\\ufffd" if match[0] >= "\ud800" else f"\\u{ord(match[0]):04x}"


def sprint(arguments: list[Any]) -> str:
    """`print`: a space between two that are both no text."""
    parts: list[str] = []
    for at, one in enumerate(arguments):
        if at and not isinstance(one, str) and not isinstance(arguments[at - 1], str):
            parts.append(" ")
        parts.append(show(one, inside=True))
    return "".join(parts)


def sprintln(arguments: list[Any]) -> str:
    return " ".join(show(one, inside=True) for one in arguments) + "\n"


# ---- with verbs -------------------------------------------------------------------------------------------


def sprintf(form: str, arguments: list[Any]) -> str:
    return _Formatter(form, arguments).text()


class _Formatter:
    """One call of printf: which argument is the next, and whether the order was changed by %[2]d."""

    def __init__(self, form: str, arguments: list[Any]) -> None:
        self.form = form
        self.arguments = arguments
        self.next = 0
        self.is_reordered = False
        self.room = LONGEST

    def text(self) -> str:
        text = _DIRECTIVE.sub(self.directive, self.form)
        left = self.arguments[self.next :]
        if left and not self.is_reordered:
            text += f"%!(EXTRA {', '.join(map(_extra, left))})"
        return text

    def directive(self, match: re.Match[str]) -> str:
        flags, verb = match["flags"], match["verb"]
        width, bad_width = self.measure(match["width"], match["width_at"])
        precision, bad_precision = self.measure(match["precision"], match["precision_at"])
        if precision is None and match["precision"] == "":
            precision = 0
        if width is not None and width < 0:
            flags, width = flags + "-", -width
        if match["at"]:
            self.go_to(match["at"])
        bad = bad_width + bad_precision
        if not verb or bad == "%!(NOVERB)":
            return "%!(NOVERB)"
        if verb == "%":
            return bad + "%"
        if not 0 <= self.next < len(self.arguments):
            return f"{bad}%!{verb}({'BADINDEX' if self.is_reordered else 'MISSING'})"
        self.next += 1
        directive = _Directive(flags, width, precision, verb, self.room)
        shown = bad + directive.show(self.arguments[self.next - 1])
        self.room = directive.room
        return shown

    def go_to(self, number: str) -> None:
        self.next, self.is_reordered = int(number) - 1 if len(number) < 7 else -1, True

    def measure(self, text: str | None, at: str | None) -> tuple[int | None, str]:
        """A width or a precision, with what has to be said if it is none."""
        if not text:
            return None, ""
        if text != "*":
            number = int(text) if len(text) <= 7 else WIDEST + 1
            return (number, "") if number <= WIDEST else (None, "%!(NOVERB)")
        if at:
            self.go_to(at)
        given = self.arguments[self.next] if 0 <= self.next < len(self.arguments) else None
        self.next += 1
        if isinstance(given, bool) or not isinstance(given, int) or abs(given) > WIDEST:
            return None, "%!(BADWIDTH)"
        return given, ""


def _extra(value: Any) -> str:
    return "<nil>" if value is None else f"{_type(value)}={show(value, inside=True)}"


class _Directive:
    """One verb with its flags, and what it makes of a value."""

    def __init__(self, flags: str, width: int | None, precision: int | None, verb: str, room: int) -> None:
        # of %+v the plus is for the names of fields, of %#v the # for Go's own way to write values
        self.names, self.is_go = verb == "v" and "+" in flags, verb == "v" and "#" in flags
        self.flags = flags.replace("+", "").replace("#", "") if verb == "v" else flags
        self.room = room  # letters that may still be made: each of a long list may be padded to a million
        self.width = width or 0
        self.precision = precision
        self.verb = verb

    def show(self, value: Any) -> str:
        if self.verb == "T":
            return self.pad(_type(value))
        value = values.indirect(value)
        if value is values.NIL_POINTER and self.verb in "bodxX":
            value = 0  # the address
        if value is None or (isinstance(value, Nil) and value.kind == "pointer"):
            return self.pad("<nil>") if self.verb == "v" else f"%!{self.verb}(<nil>)"
        if isinstance(value, Nil):
            value = [] if value.kind == "slice" else values.Map({})
        if isinstance(value, list):
            return self.list(value)
        if isinstance(value, dict):
            return self.map(value)
        text = self.scalar(value)
        return self.bad(value) if text is None else text

    def bad(self, value: Any) -> str:
        """As %v, with the flags that were given."""
        verb, self.verb = self.verb, "v"
        shown = self.show(value)
        self.verb = verb
        return f"%!{verb}({_type(value)}={shown})"

    def list(self, value: list[Any]) -> str:
        if self.is_go:
            return f"{_type(value)}{{{', '.join(map(self.show, value))}}}"
        return f"[{' '.join(map(self.show, value))}]"

    def map(self, value: dict[str, Any]) -> str:
        names = value.items() if isinstance(value, Struct) else sorted(value.items())
        if isinstance(value, Struct):
            shown = ((f"{name}:" if self.names else "") + self.show(item) for name, item in names)
            return f"{{{' '.join(shown)}}}"
        if self.is_go:
            return f"{_type(value)}{{{', '.join(f'{quoting.quote(name)}:{self.show(item)}' for name, item in names)}}}"
        return f"map[{' '.join(f'{self.show(name)}:{self.show(item)}' for name, item in names)}]"

    def scalar(self, value: Any) -> str | None:
        """None, where the verb does not fit."""
        if isinstance(value, bool):
            return self.pad(str(value).lower()) if self.verb in "tv" else None
        if isinstance(value, int):
            return self.integer(value)
        return self.float(value) if isinstance(value, float) else self.string(str(value))

    def string(self, text: str) -> str | None:
        if self.verb in "xX":
            data = text.encode("utf-8", "surrogateescape")
            data = data if self.precision is None else data[: self.precision]
            gap = " " if " " in self.flags else ""
            prefix = f"0{self.verb}" if "#" in self.flags and data else ""
            shown = (gap + prefix * bool(gap)).join(f"{byte:02x}" for byte in data)
            return self.pad(prefix + (shown.upper() if self.verb == "X" else shown))
        text = text if self.precision is None else text[: self.precision]
        if self.verb == "q" or self.is_go:
            raw = "#" in self.flags and self.verb == "q" and "`" not in text and _fits_in_backquotes(text)
            return self.pad(f"`{text}`" if raw else quoting.quote(text))
        return self.pad(text) if self.verb in "sv" else None

    def integer(self, value: int) -> str | None:
        verb = "d" if self.verb == "v" else self.verb
        if verb in "cqU":
            return self.letter(value)
        if verb in "eEfFgG":
            return None
        if verb == "O":
            return self.number(f"{abs(value):o}", value < 0, "0o")
        if verb not in _INT_VERBS:
            return None
        prefix = _PREFIXES.get(verb, "") if "#" in self.flags and self.verb != "v" else ""
        digits = f"{abs(value):{_INT_VERBS[verb]}}"
        return self.number("" if self.precision == 0 and not value else digits, value < 0, prefix)

    def letter(self, value: int) -> str:
        is_one = 0 <= value < 0x110000 and not 0xD800 <= value < 0xE000
        letter = chr(value) if is_one else "\ufffd"
        if self.verb == "c":
            return self.pad(letter)
        if self.verb == "U":
            return self.pad(f"U+{value:04X}" + (f" '{letter}'" if "#" in self.flags and is_one else ""))
        shown = {"'": "\\'", '"': '"'}.get(letter) or quoting.escaped(letter)
        return self.pad(f"'{shown}'")

    def float(self, value: float) -> str | None:
        verb, precision = self.verb, self.precision
        if verb in "eEfF":
            shown = f"{abs(value):.{6 if precision is None else precision}{verb}}"
        elif verb in "gGv":
            shown = general(abs(value), precision, "g" if verb == "v" else verb, keeps="#" in self.flags)
        elif verb in "xX" and precision is None:
            shown = _hexadecimal(abs(value), verb)
        else:
            return None
        return self.number(shown, str(value).startswith("-"), "", whole=False)

    def number(self, digits: str, is_negative: bool, prefix: str, *, whole: bool = True) -> str:
        """With its sign, and with zeros before it up to the precision or the width."""
        sign = "-" if is_negative else "+" if "+" in self.flags else " " if " " in self.flags else ""
        if whole and self.precision is not None:
            digits = digits.rjust(self.precision, "0")
        elif "0" in self.flags and "-" not in self.flags:
            digits = digits.rjust(self.width - len(sign), "0")
        return self.pad(sign + prefix + digits, zeros=False)

    def pad(self, text: str, *, zeros: bool = True) -> str:
        self.room -= max(len(text), self.width)
        if self.room < 0:
            raise ValueError(f"its text is longer than {LONGEST} letters")
        if "-" in self.flags:
            return text.ljust(self.width)
        return text.rjust(self.width, "0" if zeros and "0" in self.flags else " ")


def _hexadecimal(value: float, verb: str) -> str:
    """Go's %x: `0x1.4p+01` is 2.5."""
    mantissa, _, exponent = value.hex().partition("p")
    if not exponent:
        return general(value)  # infinite, or no number
    digits = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    shown = f"{digits}p{int(exponent):+03d}"
    return shown.upper() if verb == "X" else shown


def _fits_in_backquotes(text: str) -> bool:
    return all(letter == "\t" or letter.isprintable() for letter in text)


def _type(value: Any) -> str:
    """As %T; a list or map of JSON has any type in it."""
    kind = values.kind(value)
    if isinstance(value, values.Number):
        return "json.Number"
    if kind == "slice":
        only_text = value and not isinstance(value, Nil) and all(isinstance(one, str) for one in value)
        return "[]string" if only_text else "[]interface {}"
    if kind == "map":
        only_text = (
            value and not isinstance(value, Nil) and all(isinstance(one, str) for one in value.values())
        )
        return "map[string]string" if only_text else "map[string]interface {}"
    if kind == "pointer":
        return f"*{_type(value.target)}" if isinstance(value, Pointer) else "<nil>"
    return kind or "<nil>"
