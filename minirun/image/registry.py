"""A registry: one repository of it, and what is asked of it.

    GET /v2/NAME/manifests/TAG     401: access.py fetches the right to ask again
    GET /v2/NAME/manifests/TAG     an index; its entry for this machine is a manifest
    GET /v2/NAME/blobs/DIGEST      config and layers, several at once; Range: bytes=N- after a break

    Registry     one repository: its mirrors in order, then the registry itself
     Place       one host that may have it, and the right to ask there
      Transport  HTTP with any host (transport.py)

What fails at a mirror is tried at the next place, and the mirror not asked again.

See      distribution-spec; RFC 9110 14 (Range); upload.py for the other direction
By hand  skopeo copy docker://NAME oci:DIR
Next     transport.py
"""

from __future__ import annotations

import hashlib
import re
import threading
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from minirun.errors import MinirunError, NotFoundError
from minirun.image import headers as lists
from minirun.image import manifests
from minirun.image.access import Access
from minirun.image.answers import Answer, page
from minirun.image.credentials import TOKEN_USER, Credentials
from minirun.image.settings import Settings
from minirun.image.transport import (
    CHUNK_BYTES,
    TRIES,
    Body,
    HTTPError,
    Transport,
    failure,
    finish,
    number,
    origin,
    read,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from minirun.image.mediatypes import Json
    from minirun.image.transport import Response

PAGES_MAX, LISTED_MAX = 1000, 100_000  # a hundred on a page is usual
_TAG_LENGTH_MAX = 128  # distribution-spec, "Pulling manifests"
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_NO_REGISTRY = "is that the address of a registry?"
_UNSPECIFIC = ("application/json", "text/json", "text/plain", "application/octet-stream")
_DIGESTS = ("sha256", "sha384", "sha512")  # image-spec descriptor.md, "Registered algorithms"


class Registry:
    """One repository of one registry, and the right to do `actions` with it: `pull` or `pull,push`.

    May be used by several threads.  Raises MinirunError (NotFoundError for 404) naming the address.
    """

    def __init__(
        self, host: str, repository: str, settings: Settings | None = None, *, actions: str = "pull"
    ) -> None:
        settings = settings or Settings()
        self._transport = Transport(settings)
        mirrors = settings.mirrors(host) if actions == "pull" else []
        asked = [_in_mirror(mirror, repository) for mirror in mirrors] + [(host, repository)]
        self._places = [Place(*place, actions, self._transport) for place in asked]
        self._failed: list[str] = []  # what the mirrors said
        self._lock = threading.Lock()

    @property
    def cancelled(self) -> bool:
        return self._transport.cancelled

    @cancelled.setter
    def cancelled(self, _: bool) -> None:
        """Every transfer ends with a MinirunError as soon as it notices; there is no way back."""
        self._transport.cancel()

    def manifest(self, version: str, descriptor: Json) -> bytes:
        """The manifest or index at `version`, a tag or a digest; checked against `descriptor`."""
        while True:
            place = self._places[0]
            try:
                return place.manifest(version, descriptor)
            except MinirunError as error:
                self._move_on(place, error)

    def tags(self) -> list[str]:
        """All tags of the repository."""
        while True:
            place = self._places[0]
            try:
                return place.tags()
            except MinirunError as error:
                self._move_on(place, error)

    def blob(self, descriptor: Json, offset: int = 0) -> Iterator[bytes]:
        """The chunks of a blob from `offset` to its end, as they come; the caller checks the digest."""
        while True:
            place = self._places[0]
            try:
                for chunk in place.blob(descriptor, offset):
                    offset += len(chunk)
                    yield chunk
                return
            except MinirunError as error:
                self._move_on(place, error)

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | Body = b"",
        *,
        further: str = "",
        tries: int = TRIES,
    ) -> Answer:
        """A request of the registry itself, whatever it answers; `path` may be a whole address."""
        return self._places[-1].ask(method, path, headers, body, further=further, tries=tries)

    def location(self, answer: Answer) -> str:
        """The address in the Location header of `answer`, seen from where that came from; its own if it has none."""
        return self._transport.redirected(answer.final, answer.headers.get("Location", "").strip())

    def pause(self, attempt: int, answer: Answer | None = None) -> None:
        """Wait before another try: longer each time, or as long as the answer asks for."""
        self._transport.pause(attempt, answer.headers if answer else {})

    def _move_on(self, place: Place, error: MinirunError) -> None:
        """On to the next place; raises `error`, and what the mirrors said, when there is none."""
        with self._lock:
            if self.cancelled:
                raise error
            if place is self._places[-1]:
                raise type(error)("; ".join([error.message, *self._failed]), error.hint) from error
            if place is self._places[0]:
                self._places = self._places[1:]
                self._failed.append(f"before that, its mirror: {error.message}")


def log_in(host: str, credentials: Credentials, settings: Settings) -> Credentials:
    """Check `credentials` with the registry; returns what to keep, which is an identity token if it gives one."""
    place = Place(host, "", "", Transport(settings))
    place.access.use(credentials)
    place.access.offline = True
    answer = place.ask("GET", "/v2/")
    if answer.status != 200:
        raise MinirunError(f"login attempt to {place.base}/v2/ failed with status: {answer.words}")
    _check_is_no_page(answer.body, answer.url)
    identity = place.access.identity
    return Credentials(TOKEN_USER, identity) if identity else credentials


def _in_mirror(mirror: str, repository: str) -> tuple[str, str]:
    """`HOST/PREFIX` has what is `NAME` elsewhere as `PREFIX/NAME`."""
    host, _, prefix = mirror.partition("/")
    return host, f"{prefix}/{repository}" if prefix else repository


# ---- one place --------------------------------------------------------------------------------------------


class Place:
    """A repository of one host, and the right to ask for it."""

    def __init__(self, host: str, repository: str, actions: str, transport: Transport) -> None:
        self.host = host
        self.repository = repository
        self._scope = f"repository:{repository}:{actions}" if repository else ""
        self._transport = transport

    @cached_property
    def base(self) -> str:
        """`https://HOST`.  Found when it is first needed: a mirror may never be."""
        return self._transport.address(self.host)

    @cached_property
    def access(self) -> Access:
        return Access(self.host, self.base, self._scope, self._transport.settings, self._ask_plainly)

    def manifest(self, version: str, descriptor: Json) -> bytes:
        url = f"{self.base}/v2/{self.repository}/manifests/{version}"
        response = self._get(url, {"Accept": ", ".join(manifests.ACCEPTED)})
        content = read(response, url, manifests.BYTES_MAX)
        _check_is_no_page(content, url)
        announced = descriptor.get("digest") or response.headers.get("Docker-Content-Digest", "").strip()
        _check_manifest(content, announced, descriptor.get("size"), url)
        descriptor.setdefault("mediaType", _media_type(response.headers.get("Content-Type", "")))
        return content

    def tags(self) -> list[str]:
        """distribution-spec, "Listing Tags"."""
        what = f"tags of {self.repository}"
        return self.listed(f"/v2/{self.repository}/tags/list", "tags", what, _TAG_LENGTH_MAX)

    def listed(self, path: str, key: str, what: str, longest: int) -> list[str]:
        """All names in the list `key`: a page at a time, the address of the next in the Link header."""
        url, found = urljoin(self.base, path), dict[str, None]()
        for _ in range(PAGES_MAX):
            answer = self.ask("GET", url)
            if answer.status != 200:
                raise refused(answer)
            _check_is_no_page(answer.body, url)
            document = manifests.parse(answer.body, f"the list of {what} {url}")
            listed = document.get(key) if isinstance(document, dict) else None
            new = [name for name in listed or [] if isinstance(name, str) and name not in found]
            if (length := max(map(len, new), default=0)) > longest:
                raise MinirunError(f"{url} lists a name of {length} characters")
            found.update(dict.fromkeys(new))
            link = lists.next_page([answer.headers.get("Link", "")])
            if link is None or not new:  # a page without news is the end, or a registry that goes in a circle
                return list(found)
            url = self._transport.redirected(answer.final, link)
            if origin(url) not in (origin(self.base), origin(answer.final)):
                raise MinirunError(
                    f"{self.base} says that its list of {what} goes on at {url}, which is elsewhere"
                )
            if len(found) > LISTED_MAX:
                break
        told = f"{self.base} has listed {len(found)} {what} and goes on"
        raise MinirunError(told, "what is wanted can be pulled by its name")

    def blob(self, descriptor: Json, offset: int) -> Iterator[bytes]:
        """The rest of a blob, taken up again where the connection broke."""
        url = f"{self.base}/v2/{self.repository}/blobs/{descriptor['digest']}"
        size, failures = descriptor["size"], 0
        while offset < size:
            start = offset
            try:
                for chunk in self._rest(url, size, offset):
                    offset += len(chunk)
                    yield chunk
            except HTTPError as error:
                failures = 1 if offset - start >= CHUNK_BYTES else failures + 1
                if failures == TRIES:
                    raise failure(url, error) from error
                self._transport.pause(failures - 1)

    def _rest(self, url: str, size: int, offset: int) -> Iterator[bytes]:
        """One answer's part of the blob.  Raises HTTPError when it ends too early."""
        response = self._get(url, {"Range": f"bytes={offset}-"} if offset else {})
        try:
            skipped = offset if response.status == 200 else 0  # a server may ignore Range
            _check_length(response, offset, size, url)
            for chunk in self._transport.stream(response):
                kept = chunk[skipped:] if skipped else chunk
                skipped -= len(chunk) - len(kept)
                offset += len(kept)
                yield kept
            if offset < size:
                raise HTTPError(f"it ended {size - offset} bytes too early")
        finally:
            self._transport.close(response)

    def _get(self, url: str, headers: dict[str, str]) -> Response:
        response, final = self.open("GET", url, headers)
        if response.status != 200 and not (response.status == 206 and "Range" in headers):
            error = refused(whole(response, url, final))
            error.hint = self.access.trouble or error.hint
            raise error
        return response

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | Body = b"",
        *,
        further: str = "",
        tries: int = TRIES,
    ) -> Answer:
        """The whole answer, whatever its status."""
        url = urljoin(self.base, path)
        response, final = self.open(method, url, headers or {}, body, further=further, tries=tries)
        return whole(response, url, final)

    def open(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Body = b"",
        *,
        further: str = "",
        tries: int = TRIES,
    ) -> tuple[Response, str]:
        """Send a request, and once more with another Authorization when the first is refused.

        Returns the answer and the address it came from.
        """
        home = origin(self.base)
        used = self.access.header(further) if origin(url) == home else ""
        response, final = self._transport.send(method, url, headers, body, used, tries)
        if response.status == 401 and origin(url) == origin(final) == home:
            finish(response)
            used = self.access.renew(response.headers.getlist("WWW-Authenticate"), used, further)
            return self._transport.send(method, url, headers, body, used, tries)
        return response, final

    def _ask_plainly(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """A request of a token server, whose answer to redirects would be somebody else's."""
        authorization = headers.get("Authorization", "")
        rest = {name: value for name, value in headers.items() if name != "Authorization"}
        return whole(self._transport.send(method, url, rest, body, authorization, TRIES)[0], url)


# ---- answers ----------------------------------------------------------------------------------------------


def _media_type(header: str) -> str:
    """Without parameters; "" for a type that says no more than that it is JSON, or bytes, so the document tells."""
    media_type = header.partition(";")[0].strip().lower()
    return "" if media_type in _UNSPECIFIC else media_type


def _check_is_no_page(body: bytes, url: str) -> None:
    if found := page(body):
        raise MinirunError(f"{url} answered with {found}", _NO_REGISTRY)


def _check_manifest(content: bytes, digest: str, size: int | None, url: str) -> None:
    if len(content) > manifests.BYTES_MAX:
        raise MinirunError(f"{url} is larger than {manifests.BYTES_MAX} bytes")
    if size is not None and len(content) != size:
        raise MinirunError(f"{url} has the wrong size: {len(content)} bytes, not {size}")
    algorithm = digest.partition(":")[0]
    found = f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}" if algorithm in _DIGESTS else ""
    if digest and found != digest:
        raise MinirunError(
            f"{url} has the wrong content: its digest is {found or 'of another kind'}, not {digest!r}"
        )


def _check_length(response: Response, offset: int, size: int, url: str) -> None:
    """What the headers tell of a blob must be true before a byte of it is taken."""
    total = response.headers.get("Content-Length", "")
    if response.status == 206:
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not match or number(match[1]) != offset:
            raise MinirunError(f"{url} was asked from byte {offset} on and gave another part")
        total = match[2]
    if number(total) not in (None, size):
        if response.headers.get("Content-Type", "").lower().startswith("text/html"):
            raise MinirunError(f"{url} answered with an HTML page", _NO_REGISTRY)
        raise MinirunError(f"{url} has the wrong size: {total} bytes, not {size}")


def refused(answer: Answer) -> MinirunError:
    """One sentence about an answer that is not what was hoped for, and what may be done."""
    elsewhere = urlsplit(answer.final).netloc if origin(answer.final) != origin(answer.url) else ""
    message = f"{answer.url} {f'leads to {elsewhere}, and that ' if elsewhere else ''}said: {answer.words}"
    if answer.page:
        return (NotFoundError if answer.status == 404 else MinirunError)(message, hint_for(answer))
    if answer.status == 404:
        return NotFoundError(message, "is there such a repository, and such a tag in it?")
    if answer.status in (401, 403):
        return MinirunError(message, "no such repository, or it may only be read after minirun login")
    return MinirunError(message, hint_for(answer))


def hint_for(answer: Answer) -> str:
    """What may be done about an answer, whatever was asked for; "" when nothing is known."""
    return _HINTS.get(answer.status, _NO_REGISTRY if answer.page else "")


_HINTS = {
    413: "a proxy in front of the registry takes no body of that size: its limit has to be raised",
    429: "it wants fewer requests: wait, or log in with minirun login, which often allows more",
}
