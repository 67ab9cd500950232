"""Options that are several words in one: `type=local,dest=out`, `id=token,src=token.txt`.

A line of CSV, each field KEY=VALUE; a value with a comma in it is put into double quotes together with its key:
`type=image,"name=a,b"`.

See  github.com/tonistiigi/go-csvvalue, which buildx reads them with
"""

from __future__ import annotations

from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_TRUE, _FALSE = ("1", "t", "true"), ("0", "f", "false")


def fields(text: str, option: str) -> list[str]:
    """What stands between the commas.  Raises UsageError for quotes that make no sense."""
    if '"' not in text:
        return text.split(",")
    import csv

    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as error:
        raise invalid(option, text, str(error)) from None
    return rows[0] if rows else []


def pairs(text: str, option: str) -> dict[str, str]:
    """`type=local,dest=out` -> {"type": "local", "dest": "out"}; a key's case does not matter.

    Raises UsageError for a field without a =.
    """
    found: dict[str, str] = {}
    for field in fields(text, option):
        key, equals, value = field.partition("=")
        if not equals:
            raise invalid(option, text, f"'{field}' is not KEY=VALUE")
        found[key.strip().lower()] = value
    return found


def boolean(text: str, option: str, key: str) -> bool:
    """`true`, `1`, `false` and so on, as Go reads them."""
    if text.lower() not in _TRUE + _FALSE:
        raise UsageError(f'invalid {option}: {key} is true or false, not "{text}"')
    return text.lower() in _TRUE


def know(found: Iterable[str], known: Iterable[str], option: str, text: str) -> None:
    """Raises UsageError for a key that is not among the known, with the one that was meant."""
    for key in found:
        if key not in known:
            raise invalid(option, text, f"there is no key '{key}'{meant(key, known)}")


def meant(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'dest'?`, or nothing where no known word is near."""
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), 1)
    return f"; did you mean '{near[0]}'?" if near else ""


def invalid(option: str, text: str, why: str) -> UsageError:
    return UsageError(f'invalid {option} "{text}": {why}')
