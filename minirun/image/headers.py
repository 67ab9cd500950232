"""Headers that hold a list: what a registry offers to be asked with, and where its pages go on.

    WWW-Authenticate: Negotiate, Bearer realm="https://auth/t", scope="repository:a:pull,push", Basic realm="x"
                      three challenges; the comma in the quotes parts nothing, and so does the one between parameters
    Link: </first>; rel="first", </v2/a/tags/list?last=t>; rel="next"
                      two links

A header that comes several times is the same list, continued.

See      RFC 9110, 5.6 (lists, quoted strings), 11.6.1 (challenges); RFC 8288, 3 (links)
Next     access.py
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Challenge = tuple[str, dict[str, str]]  # the scheme and the parameters' names in small letters

_QUOTED = r'"(?:[^"\\]|\\.)*"?'  # one that does not end goes to the end of the line
_ITEM = re.compile(rf'(?:<[^>]*>?|{_QUOTED}|[^,"])+')
_PART = re.compile(rf'(?:<[^>]*>?|{_QUOTED}|[^;"])+')
_LETTER = r"[\w!#$%&'*+.^`|~-]"
# a name is looked for where it begins, else a long word that is none would be tried from each of its letters
_PARAMETER = re.compile(rf"(?<!{_LETTER})({_LETTER}+)\s*=\s*({_QUOTED}|\S*)")
_ESCAPED = re.compile(r"\\(.)")


def challenges(lines: list[str]) -> list[Challenge]:
    """What the WWW-Authenticate headers `lines` offer, in their order.

    >>> challenges(['Negotiate, bearer Realm="a,b" , service=x', "Basic"])
    [('negotiate', {}), ('bearer', {'realm': 'a,b', 'service': 'x'}), ('basic', {})]
    """
    found: list[Challenge] = []
    for item in _items(lines):
        scheme, *rest = item.split(None, 1)
        is_parameter = "=" in scheme or "".join(rest).startswith("=")  # a further one of the last scheme
        if not is_parameter:
            found.append((scheme.lower(), {}))
            item = "".join(rest)
        for name, value in _PARAMETER.findall(item) if found else ():
            found[-1][1].setdefault(name.lower(), _value(value))
    return found


def next_page(lines: list[str]) -> str | None:
    """The address in the Link headers `lines` that is said to be the next, as it is written there.

    >>> next_page(['</a>; rel=prev, </b?n=1,2>; title="x, y; z"; REL="last next"'])
    '/b?n=1,2'
    """
    for item in _items(lines):
        parts = [part.strip() for part in _PART.findall(item)]
        for part in parts[1:]:
            match = _PARAMETER.match(part)
            if match and match[1].lower() == "rel" and "next" in _value(match[2]).lower().split():
                return parts[0][1:-1].strip() if parts[0][:1] + parts[0][-1:] == "<>" else None
    return None


def _items(lines: list[str]) -> Iterator[str]:
    """The elements of a list, without the empty ones that RFC 9110 5.6.1.2 wants to be overlooked."""
    return (item for line in lines for part in _ITEM.findall(line) if (item := part.strip()))


def _value(text: str) -> str:
    return _ESCAPED.sub(r"\1", text[1:].removesuffix('"')) if text.startswith('"') else text
