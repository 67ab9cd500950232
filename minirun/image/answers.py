"""What a registry answers, small enough to be held, and the words in it that are for people.

    {"errors": [{"code", "message"}]}     distribution-spec
    {"error", "error_description"}        a token server, RFC 6749 5.2
    {"message"}, {"details"}, ...         whoever else
    <Error><Code>, <Message>              the storage that a blob's address leads to
    an HTML page                          somebody who is no registry: it is named, and not poured out

See      distribution-spec "Error Codes"
Next     access.py
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from minirun.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_WORDS_MAX = 500
_TITLE_MAX = 80
_TITLE = re.compile(rb"<title[^<>]*>([^<]*)", re.IGNORECASE)
_XML_ERROR = re.compile(rb"<(?:Code|Message)>([^<]*)")
_HTML = re.compile(rb"\s*<(?:!doctype html|html|head|body|title|h1|center)\b", re.IGNORECASE)
_PLAIN_KEYS = (("error", "error_description"), ("code", "message"), ("details",), ("detail",))


class Answer:
    """An HTTP answer.  `url` was asked; `final` is the address it came from, which redirects may have led to."""

    def __init__(
        self, url: str, status: int, reason: str, headers: Mapping[str, str], body: bytes, final: str = ""
    ) -> None:
        self.url = url
        self.final = final or url
        self.status = status
        self.reason = reason
        self.headers = headers  # names in any case
        self.body = body

    @property
    def words(self) -> str:
        """The status and the registry's own words, if it has some; else HTTP's."""
        page = f" ({self.page})" if self.page else ""
        return f"{self.status} {_harmless(_words(self.body) or self.reason + page)}".rstrip()

    @property
    def page(self) -> str:
        """`an HTML page, "Sign in"` when that is what came; else ""."""
        return page(self.body)


def page(body: bytes) -> str:
    """`an HTML page, "Sign in"` when `body` is one; else ""."""
    if not _HTML.match(body):
        return ""
    title = _TITLE.search(body)
    words = " ".join(title[1].decode("utf-8", "replace").split()) if title else ""
    return f'an HTML page, "{printable(words[:_TITLE_MAX])}"' if words else "an HTML page"


def _words(body: bytes) -> str:
    if body.lstrip().startswith(b"<?xml"):
        return ": ".join(word.decode("utf-8", "replace") for word in _XML_ERROR.findall(body))
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(document, dict):
        return ""
    errors = document.get("errors")
    told = [_joined(error, ("code", "message")) for error in errors] if isinstance(errors, list) else []
    return "; ".join(filter(None, told)) or next(
        filter(None, (_joined(document, keys) for keys in _PLAIN_KEYS)), ""
    )


def _joined(error: Any, keys: tuple[str, ...]) -> str:
    if not isinstance(error, dict):
        return error if isinstance(error, str) else ""
    return ": ".join(str(error[key]) for key in keys if isinstance(error.get(key), (str, int)) and error[key])


def _harmless(text: str) -> str:
    """What others say, without what would move the cursor of the terminal it ends up on."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in text[:_WORDS_MAX])
    return shown if len(text) <= _WORDS_MAX else f"{shown}..."
