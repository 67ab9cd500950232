"""Making SVG and HTML as a tree of elements, so that whatever a name has in it is text.

See  developer.mozilla.org/docs/Web/SVG/Reference/Element; Content Security Policy Level 3
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from minirun.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    Element = ElementTree.Element


def element(tag: str, attributes: Mapping[str, object], *content: Element | str) -> Element:
    """An element; strings in it are text, whatever they look like."""
    made = ElementTree.Element(tag, {name: str(value) for name, value in attributes.items()})
    last: Element | None = None
    for part in content:
        if not isinstance(part, str):
            made.append(part)
            last = part
        elif last is None:
            made.text = (made.text or "") + printable(part)
        else:
            last.tail = (last.tail or "") + printable(part)
    return made


def text(x: float, y: float, kind: str, words: str, *, anchor: str = "") -> Element:
    """`anchor`: start, middle, end."""
    placed: dict[str, object] = {"text-anchor": anchor} if anchor else {}
    return element("text", {"x": number(x), "y": number(y), "class": kind, **placed}, words)


def rect(x: float, y: float, width: float, height: float, kind: str, radius: float = 8) -> Element:
    size = {"width": number(width), "height": number(height), "rx": number(radius)}
    return element("rect", {"x": number(x), "y": number(y), **size, "class": kind})


def path(kind: str, way: str) -> Element:
    return element("path", {"d": way, "class": kind})


def group(kind: str, tooltip: str, *content: Element) -> Element:
    """Parts that belong together, and what is shown when the pointer rests there."""
    return element("g", {"class": kind}, *([element("title", {}, tooltip)] if tooltip else []), *content)


def number(value: float) -> str:
    """
    >>> number(12.0), number(1.25)
    ('12', '1.2')
    """
    return f"{value:.1f}".removesuffix(".0")


def serialized(made: Element) -> str:
    """SVG has `<g/>`; HTML has no such thing for elements of its own."""
    return ElementTree.tostring(made, encoding="unicode", short_empty_elements=made.tag == "svg")


def policy(style: str) -> str:
    """A Content-Security-Policy: nothing from anywhere, but this style, named by its hash."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'"
