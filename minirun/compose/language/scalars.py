"""What a plain word of YAML stands for: YAML 1.2's core schema, and octal with a leading zero.

    ports: [22:22]      text, no number to the base of sixty
    restart: no         text; so are yes, on, off
    mode: 0440          288, as chmod(1) has it; 0o440 is the same

The reader of Docker Compose (go-yaml) decides so, and YAML 1.1, PyYAML's own language, does not.

See  YAML 1.2.2 section 10.3.2; tests/unit/test_compose_scalars.py
"""

from __future__ import annotations

import re

Scalar = str | int | float | bool | None

_WORDS: dict[str, Scalar] = {"": None, "~": None}
_WORDS.update(dict.fromkeys(("null", "Null", "NULL")))
_WORDS.update(dict.fromkeys(("true", "True", "TRUE"), True))
_WORDS.update(dict.fromkeys(("false", "False", "FALSE"), False))
_WORDS.update(dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")))
_WORDS.update(dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")))
_WORDS.update(dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")))
_WORDS["-0"] = -0.0

_NUMBER_STARTS = frozenset("+-.0123456789")
_INT = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_LEADING_ZERO = re.compile(r"[-+]?0[0-7]+")
_MOST, _LEAST = 2**64 - 1, -(2**63)


def resolve(text: str) -> Scalar:
    """The value of a plain scalar.

    >>> [resolve(text) for text in ("22:22", "yes", "017", "0o17", "08", "1e3", "true", "~", "1_000")]
    ['22:22', 'yes', 15, 15, 8.0, 1000.0, True, None, 1000]
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS:
        return text
    number = text if text[0] == "." else text.replace("_", "")
    if _INT.fullmatch(number):
        value = int(number, 8 if _LEADING_ZERO.fullmatch(number) else 0) if len(number) < 70 else _MOST + 1
        if _LEAST <= value <= _MOST:
            return value
    if _FLOAT.fullmatch(number) and not _is_infinite(float(number)):
        return float(number)
    return text


def as_kind(text: str, kind: str) -> Scalar:
    """The value of a scalar with a tag: `!!int "12"`.  Raises ValueError where it is none of this kind."""
    value = resolve(text)
    if kind == "float" and type(value) is int:
        return float(value)
    if type(value) is not _KINDS[kind]:
        raise ValueError(f"{text} is no {kind}")
    return value


_KINDS = {"int": int, "float": float, "bool": bool, "null": type(None)}


def _is_infinite(value: float) -> bool:
    return value in (float("inf"), float("-inf"))


def as_text(value: Scalar) -> str:
    """A scalar where text is wanted, as Docker Compose has it: `environment: {DEBUG: true, RATE: 1.50}`.

    >>> [as_text(value) for value in (True, 8, 1000.0, 1.5, 1234567.5, 1e-7)]
    ['true', '8', '1000', '1.5', '1.2345675e+06', '1e-07']
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value)
    return str(value)


def _float_text(value: float) -> str:
    """As few digits as tell it apart, with an exponent below -4 and from 6 on: Go's %v."""
    if value != value or _is_infinite(value):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[str(value)]
    digits = repr(abs(value)).partition("e")[0].replace(".", "").strip("0")
    more = max(len(digits) - 1, 0)  # digits behind the first one
    shown = f"{value:.{more}e}"
    exponent = int(shown.partition("e")[2])
    return f"{value:.{max(more - exponent, 0)}f}" if -4 <= exponent < 6 else shown
