"""What a plain word of YAML stands for: YAML 1.2's core schema, and octal with a leading zero.

    ports: [22:22]      text, no number to the base of sixty
    restart: no         text; so are yes, on, off
    mode: 0440          288, as chmod(1) has it; 0o440 is the same

The reader of Docker Compose (go-yaml) decides so, and YAML 1.1, PyYAML's own language, does not.

See  YAML 1.2.2 section 10.3.2; tests/unit/test_compose_scalars.py
"""

from __future__ import annotations

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
_FLOAT = frozenset("+-.eE0123456789")
_BASES = {"0x": 16, "0o": 8, "0b": 2}
_LEAST, _MOST = -(2**63), 2**64 - 1


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
    for value in (_integer(number), _float(number)):
        if value is not None:
            return value
    return text


def _integer(text: str) -> int | None:
    """One that fits into 64 bits; others are floats, or text where they have letters."""
    digits = text[1:] if text[0] in "+-" else text
    base = _BASES.get(digits[:2].lower(), 8 if digits[:1] == "0" and len(digits) > 1 else 10)
    digits = digits[2:] if base in (2, 16) or digits[:2] in ("0o", "0O") else digits
    if not (digits.isascii() and digits.isalnum()) or len(digits) > 70:
        return None
    try:
        value = -int(digits, base) if text[0] == "-" else int(digits, base)
    except ValueError:
        return None
    return value if _LEAST <= value <= _MOST else None


def _float(text: str) -> float | None:
    if not _FLOAT.issuperset(text):
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return None if _is_infinite(value) else value


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
