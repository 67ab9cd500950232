"""A registry, over HTTPS.  The one module that loads an HTTP client and TLS.

    GET /v2/NAME/manifests/TAG     401: access.py fetches the right to ask again
    GET /v2/NAME/manifests/TAG     an index; its entry for this machine is a manifest
    GET /v2/NAME/blobs/DIGEST      config and layers, several at once; Range: bytes=N- after a break

    Registry     one repository: its mirrors in order, then the registry itself
     Place       one host that may have it, and the right to ask there
      Transport  HTTP with any host: TLS, redirects, another try where that may help

What fails at a mirror is tried at the next place, and the mirror not asked again.  Plain http is spoken with
loopback addresses and hosts that registries.toml calls insecure.  Credentials go to the host they belong to and
no other: a redirect to another host (registries send blobs from elsewhere) loses the Authorization header.

See      distribution-spec; RFC 9110 (HTTP), 14 (Range), 10.2.3 (Retry-After)
By hand  skopeo copy docker://NAME oci:DIR
Next     access.py; upload.py for the other direction
"""

from __future__ import annotations

import glob
import re
import ssl
import threading
import time
from email.utils import parsedate_to_datetime
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import urllib3

from minirun.errors import MinirunError, NotFoundError
from minirun.image import manifests
from minirun.image.access import Access, Answer
from minirun.image.credentials import TOKEN_USER, Credentials
from minirun.image.reference import DEFAULT_REGISTRY
from minirun.image.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from minirun.image.store import Json

    Response = urllib3.BaseHTTPResponse

HTTPError = urllib3.exceptions.HTTPError

CONNECT_SECONDS = 15
READ_SECONDS = 60  # without a byte
COMMIT_SECONDS = 300  # a registry may read the whole blob again before it answers
TRIES = 4
BACK_OFF_SECONDS = 0.5  # doubled each time
RETRY_AFTER_SECONDS_MAX = 30
DOWNLOADS = 3  # layers at the same time, as Docker
CHUNK_BYTES = 1 << 20
CERTIFICATES = "/etc/docker/certs.d"  # HOST/*.crt, as for docker, podman and skopeo
PASSING = (408, 429, 500, 502, 503, 504)  # another try may go better
_CONNECTIONS = 8  # kept open to one host
_REDIRECTS_MAX = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_ANSWER_BYTES_MAX = 1 << 20
_SEND_BLOCK_BYTES = 1 << 18
_HUB = "registry-1.docker.io"
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_NEXT_PAGE = re.compile(r"\s*<([^>]*)>\s*;.*rel=\"?next")


class Broken(MinirunError):
    """The connection failed, so nobody knows how far the request got."""


class Body:
    """What a request sends, in blocks; iterated from the start for each try."""

    def __len__(self) -> int:
        raise NotImplementedError

    def __iter__(self) -> Iterator[bytes]:
        raise NotImplementedError


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
        """The address in the Location header of `answer`; its own when it has none."""
        return self._transport.redirected(answer.url, answer.headers.get("Location", ""))

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
        content = _read(response, url, manifests.BYTES_MAX)
        announced = descriptor.get("digest") or response.headers.get("Docker-Content-Digest", "")
        _check_manifest(content, announced, descriptor.get("size"), url)
        descriptor.setdefault("mediaType", response.headers.get("Content-Type", "").partition(";")[0])
        return content

    def tags(self) -> list[str]:
        """distribution-spec, "Listing Tags": a page at a time, the address of the next in the Link header."""
        url, found = f"{self.base}/v2/{self.repository}/tags/list", dict[str, None]()
        while True:
            answer = self.ask("GET", url)
            if answer.status != 200:
                raise refused(answer)
            document = manifests.parse(answer.body, f"the tag list {url}")
            page = document.get("tags") if isinstance(document, dict) else None
            new = [tag for tag in page or [] if isinstance(tag, str) and tag not in found]
            found.update(dict.fromkeys(new))
            link = _NEXT_PAGE.match(answer.headers.get("Link", ""))
            if not link or not new:  # a page without news is the end, or a registry that goes in a circle
                return list(found)
            url = urljoin(url, link[1])
            if _origin(url) != _origin(self.base):
                raise MinirunError(f"{self.base} says that its tag list goes on at {url}, which is elsewhere")

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
                raise urllib3.exceptions.ProtocolError(f"it ended {size - offset} bytes too early")
        finally:
            self._transport.close(response)

    def _get(self, url: str, headers: dict[str, str]) -> Response:
        response = self.open("GET", url, headers)
        if response.status != 200 and not (response.status == 206 and "Range" in headers):
            raise refused(_answer(response, url))
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
        return _answer(self.open(method, url, headers or {}, body, further=further, tries=tries), url)

    def open(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Body = b"",
        *,
        further: str = "",
        tries: int = TRIES,
    ) -> Response:
        """Send a request, and once more with another Authorization when the first is refused."""
        home = _origin(self.base)
        used = self.access.header(further) if _origin(url) == home else ""
        response, final = self._transport.send(method, url, headers, body, used, tries)
        if response.status == 401 and _origin(final) == home:
            _finish(response)
            used = self.access.renew(response.headers.get("WWW-Authenticate", ""), used, further)
            response, _ = self._transport.send(method, url, headers, body, used, tries)
        return response

    def _ask_plainly(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """A request of a token server, whose answer to redirects would be somebody else's."""
        authorization = headers.get("Authorization", "")
        rest = {name: value for name, value in headers.items() if name != "Authorization"}
        return _answer(self._transport.send(method, url, rest, body, authorization, TRIES)[0], url)


# ---- any host ---------------------------------------------------------------------------------------------


class Transport:
    """HTTP requests, until they are answered, given up or cancelled."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._lock = threading.Lock()
        self._cancelled = threading.Event()
        self._streaming: set[Response] = set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Also wakes those that wait for bytes."""
        self._cancelled.set()
        for response in list(self._streaming):
            try:
                response.shutdown()
            except (OSError, ValueError, RuntimeError):
                pass  # it is just ending by itself

    def check(self) -> None:
        if self.cancelled:
            raise MinirunError("the transfer was cancelled")

    def address(self, host: str) -> str:
        """`https://HOST`; `http://HOST` where that is allowed and nobody there speaks TLS."""
        asked = _HUB if host == DEFAULT_REGISTRY else host
        plain = self.settings.allows_plain(host) and not self._speaks_tls(asked)
        return f"{'http' if plain else 'https'}://{asked}"

    def _speaks_tls(self, host: str) -> bool:
        try:
            _finish(self._request("GET", f"https://{host}/v2/", {}, b""))
        except urllib3.exceptions.SSLError as error:
            return "CERTIFICATE_VERIFY_FAILED" in str(error)
        except urllib3.exceptions.NewConnectionError:
            return ":" in host  # with a port, the real request will say what is wrong
        except HTTPError:
            pass
        return True

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Body,
        authorization: str,
        tries: int,
    ) -> tuple[Response, str]:
        """The answer, whatever its status, its body yet to be read; and the address it came from."""
        for attempt in range(tries):
            last = attempt == tries - 1
            try:
                response, final = self._following(method, url, headers, body, authorization)
            except HTTPError as error:
                if last or not _passes(error):
                    raise failure(url, error) from error
                self.pause(attempt)
                continue
            if last or response.status not in PASSING:
                return response, final
            _finish(response)
            self.pause(attempt, response.headers)
        raise AssertionError("not reached")

    def _following(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Body, authorization: str
    ) -> tuple[Response, str]:
        """Through redirects; Authorization goes to the host it is meant for only."""
        home = _origin(url)
        for _ in range(_REDIRECTS_MAX + 1):
            private = {"Authorization": authorization} if authorization and _origin(url) == home else {}
            response = self._request(method, url, {**headers, **private}, body)
            if response.status not in _followed(method, body):
                return response, url
            _finish(response)
            url = self.redirected(url, response.headers.get("Location", ""))
        raise MinirunError(f"more than {_REDIRECTS_MAX} redirects, the last to {url}")

    def redirected(self, url: str, location: str) -> str:
        """Where `location` leads from `url`: not from https to http, and not out into the open with http."""
        target = urljoin(url, location)
        parts = urlsplit(target)
        plain = url.startswith("http:") and self.settings.allows_plain(parts.netloc)
        if parts.scheme != "https" and not (parts.scheme == "http" and plain):
            raise MinirunError(f"{url} redirects to {target!r}, which is not https")
        return target

    def _request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | Body) -> Response:
        self.check()
        if body:
            headers = {**headers, "Content-Length": str(len(body))}
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=COMMIT_SECONDS if body else READ_SECONDS)
        return self._pool(urlsplit(url).netloc).request(
            method, url, headers=headers, body=body, timeout=timeout, redirect=False, preload_content=False
        )

    def stream(self, response: Response) -> Iterator[bytes]:
        self._streaming.add(response)
        while chunk := response.read1(
            CHUNK_BYTES, decode_content=False
        ):  # what is there; a slow line has little
            self.check()
            yield chunk
        self.check()

    def close(self, response: Response) -> None:
        self._streaming.discard(response)
        response.close()

    def pause(self, attempt: int, headers: Mapping[str, str] | None = None) -> None:
        """Wait before another try, unless cancelled meanwhile."""
        asked = _retry_after((headers or {}).get("Retry-After", ""))
        wanted = BACK_OFF_SECONDS * 2**attempt if asked is None else asked
        self._cancelled.wait(min(wanted, RETRY_AFTER_SECONDS_MAX))
        self.check()

    # ---- TLS ----

    def _pool(self, host: str) -> urllib3.PoolManager:
        """The connections to `host`: those with a trust of their own apart from all others."""
        name = DEFAULT_REGISTRY if host == _HUB else host
        authorities = self._authorities(name)
        key = name if authorities or self.settings.is_insecure(name) else ""
        with self._lock:
            if key not in self._pools:
                self._pools[key] = self._make_pool(key, authorities)
            return self._pools[key]

    def _authorities(self, host: str) -> list[str]:
        """Files with further certificate authorities.  SSL_CERT_FILE replaces the usual ones: OpenSSL sees to it."""
        named = self.settings.ca(host)
        return [*([named] if named else []), *sorted(glob.glob(f"{CERTIFICATES}/{glob.escape(host)}/*.crt"))]

    def _make_pool(self, host: str, authorities: list[str]) -> urllib3.PoolManager:
        context = ssl.create_default_context()
        for path in authorities:
            try:
                context.load_verify_locations(path)
            except OSError as error:  # ssl.SSLError is one
                raise MinirunError(f"{path}: not certificates to trust: {error}") from error
        if self.settings.is_insecure(host):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # it was asked for
        return urllib3.PoolManager(
            maxsize=_CONNECTIONS, retries=False, ssl_context=context, blocksize=_SEND_BLOCK_BYTES
        )


# ---- answers ----------------------------------------------------------------------------------------------


def _read(response: Response, url: str, limit: int) -> bytes:
    """The body, at most `limit` bytes of it and one more."""
    try:
        return bytes(response.read(limit + 1, decode_content=False))
    except HTTPError as error:
        raise failure(url, error) from error
    finally:
        _finish(response)


def _answer(response: Response, url: str) -> Answer:
    body = _read(response, url, _ANSWER_BYTES_MAX)
    return Answer(url, response.status, response.reason or "", response.headers, body)


def _finish(response: Response) -> None:
    """Give the connection back if there is nothing left to read from it; else close it."""
    response.release_conn() if response.length_remaining == 0 else response.close()


def _check_manifest(content: bytes, digest: str, size: int | None, url: str) -> None:
    if len(content) > manifests.BYTES_MAX:
        raise MinirunError(f"{url} is larger than {manifests.BYTES_MAX} bytes")
    if size is not None and len(content) != size:
        raise MinirunError(f"{url} has the wrong size: {len(content)} bytes, not {size}")
    found = f"sha256:{sha256(content).hexdigest()}"
    if digest and found != digest:
        raise MinirunError(f"{url} has the wrong content: its digest is {found}, not {digest}")


def _check_length(response: Response, offset: int, size: int, url: str) -> None:
    """What the headers tell of a blob must be true before a byte of it is taken."""
    total = response.headers.get("Content-Length", "")
    if response.status == 206:
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not match or int(match[1]) != offset:
            raise MinirunError(f"{url} was asked from byte {offset} on and gave another part")
        total = match[2]
    if total.isdigit() and int(total) != size:
        raise MinirunError(f"{url} has the wrong size: {total} bytes, not {size}")


def refused(answer: Answer) -> MinirunError:
    """One sentence about an answer that is not what was hoped for."""
    message = f"{answer.url} said: {answer.words}"
    if answer.status == 404:
        return NotFoundError(message, "is there such a repository, and such a tag in it?")
    if answer.status in (401, 403):
        return MinirunError(message, "no such repository, or it may only be read after minirun login")
    return MinirunError(message)


def failure(url: str, error: Exception) -> Broken:
    """One sentence about a connection that failed, naming what was tried."""
    reason = getattr(error, "reason", None) or error
    text = str(reason)
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        text = text.rpartition(": ")[2]
    return Broken(f"{url} cannot be reached: {text}", _hint(text))


def _hint(text: str) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "an authority of your own is named with ca = in /etc/minirun/registries.toml"
    if "WRONG_VERSION_NUMBER" in text:
        return (
            "it speaks plain http: insecure = true in /etc/minirun/registries.toml, if you trust the network"
        )
    return "is the network up, and the name right?"


def _passes(error: Exception) -> bool:
    """Whether another try may go better: not for an unknown name, a closed port or a bad certificate."""
    lasting = (
        urllib3.exceptions.NewConnectionError,
        urllib3.exceptions.ConnectTimeoutError,
        urllib3.exceptions.SSLError,
        urllib3.exceptions.LocationValueError,
    )
    return not isinstance(error, lasting)


def _retry_after(text: str) -> float | None:
    """Seconds, from a number of them or from a date; None when it is neither."""
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _followed(method: str, body: bytes | Body) -> tuple[int, ...]:
    """Which redirects are: a POST's body goes nowhere else, for it holds an identity token (access.py)."""
    if method in ("GET", "HEAD"):
        return _REDIRECTS
    return () if method == "POST" and body else (307, 308)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
