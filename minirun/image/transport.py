"""HTTP with whatever host, until it is answered, given up or cancelled.  The one module that loads a client and TLS.

    429, 503, a broken connection    another try: after half a second, a second, two; or when Retry-After says
    301, 302, 303, 307, 308          followed; Authorization stays with its host (registries send blobs from elsewhere)
    https                            the system's authorities, SSL_CERT_FILE, registries.toml's, Docker's certs.d
    HTTPS_PROXY, NO_PROXY            as for curl

Plain http is spoken with loopback addresses and hosts that registries.toml calls insecure.

See      RFC 9110, 10.2.3 (Retry-After), 15.4 (redirects); urllib3.readthedocs.io
By hand  curl -v --retry 4 --location ADDRESS
Next     pull.py
"""

from __future__ import annotations

import glob
import os
import re
import ssl
import threading
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import urllib3

from minirun.errors import MinirunError, in_words
from minirun.image.answers import Answer
from minirun.image.reference import DEFAULT_REGISTRY
from minirun.image.settings import Settings, is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Response = urllib3.BaseHTTPResponse

HTTPError = urllib3.exceptions.HTTPError

CONNECT_SECONDS = 15
READ_SECONDS = 60  # without a byte
COMMIT_SECONDS = 300  # a registry may read the whole blob again before it answers
TRIES = 4
BACK_OFF_SECONDS = 0.5  # doubled each time
RETRY_AFTER_SECONDS_MAX = 30
CHUNK_BYTES = 1 << 20
CERTIFICATES = "/etc/docker/certs.d"  # HOST/*.crt, as for docker, podman and skopeo
PASSING = (408, 429, 500, 502, 503, 504)  # another try may go better
_CONNECTIONS = 8  # kept open to one host
_REDIRECTS_MAX = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_ANSWER_BYTES_MAX = 1 << 20
_SEND_BLOCK_BYTES = 1 << 18
_NUMBER = re.compile(r"[0-9]{1,18}")
_CODES = re.compile(r"\[(Errno -?\d+|SSL[^]]*)\] ?| ?\(_ssl\.c:\d+\)")
_HUB = "registry-1.docker.io"


class Broken(MinirunError):
    """The connection failed, so nobody knows how far the request got."""


class Body:
    """What a request sends, in blocks; iterated from the start for each try."""

    def __len__(self) -> int:
        raise NotImplementedError

    def __iter__(self) -> Iterator[bytes]:
        raise NotImplementedError


class Transport:
    """HTTP requests, until they are answered, given up or cancelled."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._pools: dict[tuple[str, str], urllib3.PoolManager] = {}
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
            finish(self._request("GET", f"https://{host}/v2/", {}, b""))
        except urllib3.exceptions.SSLError as error:
            return "CERTIFICATE_VERIFY_FAILED" in str(error)
        except urllib3.exceptions.NewConnectionError:
            return ":" in host  # with a port, the real request will say what is wrong
        except urllib3.exceptions.ProtocolError:
            return False  # some servers of plain http hang up on what they do not understand
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
            finish(response)
            self.pause(attempt, response.headers)
        raise AssertionError("not reached")

    def _following(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Body, authorization: str
    ) -> tuple[Response, str]:
        """Through redirects; Authorization goes to the host it is meant for only."""
        home = origin(url)
        for _ in range(_REDIRECTS_MAX + 1):
            private = {"Authorization": authorization} if authorization and origin(url) == home else {}
            response = self._request(method, url, {**headers, **private}, body)
            if response.status not in _followed(method, body):
                return response, url
            finish(response)
            if not (location := response.headers.get("Location", "").strip()):
                raise MinirunError(f"{url} redirects, and does not say where to")
            url = self.redirected(url, location)
        raise MinirunError(f"more than {_REDIRECTS_MAX} redirects, the last to {url!r}")

    def redirected(self, url: str, location: str) -> str:
        """Where `location` leads from `url`: not from https to http, and not out into the open with http."""
        try:
            target = urldefrag(urljoin(url, location)).url
            parts = urlsplit(target)
        except ValueError as error:
            raise MinirunError(f"{url} leads to {location!r}: {error}") from None
        plain = url.startswith("http:") and self.settings.allows_plain(parts.netloc)
        if parts.scheme != "https" and not (parts.scheme == "http" and plain):
            hint = (
                "a proxy in front of it should tell it so: X-Forwarded-Proto"
                if _same_host(url, target)
                else ""
            )
            raise MinirunError(f"{url} leads to {target!r}, which is not https", hint)
        return target

    def _request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | Body) -> Response:
        self.check()
        if body:
            headers = {**headers, "Content-Length": str(len(body))}
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=COMMIT_SECONDS if body else READ_SECONDS)
        return self._pool(url).request(
            method, url, headers=headers, body=body, timeout=timeout, redirect=False, preload_content=False
        )

    def stream(self, response: Response) -> Iterator[bytes]:
        self._streaming.add(response)
        self.check()  # now cancel() either sees it, or was before
        # read1: what is there; a slow line has little
        while chunk := response.read1(CHUNK_BYTES, decode_content=False):
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

    # ---- TLS and proxies ----

    def _pool(self, url: str) -> urllib3.PoolManager:
        """The connections that `url` goes over: those with a trust or a proxy of their own apart from others."""
        host = urlsplit(url).netloc
        name = DEFAULT_REGISTRY if host == _HUB else host
        authorities = self._authorities(name)
        key = (name if authorities or self.settings.is_insecure(name) else "", _proxy(url))
        with self._lock:
            if key not in self._pools:
                self._pools[key] = _make_pool(self._trust(key[0], authorities), key[1])
            return self._pools[key]

    def _authorities(self, host: str) -> list[str]:
        """Files with further certificate authorities.  SSL_CERT_FILE replaces the usual ones: OpenSSL sees to it."""
        named = self.settings.ca(host)
        return [*([named] if named else []), *sorted(glob.glob(f"{CERTIFICATES}/{glob.escape(host)}/*.crt"))]

    def _trust(self, host: str, authorities: list[str]) -> ssl.SSLContext:
        context = ssl.create_default_context()
        for path in authorities:
            try:
                context.load_verify_locations(path)
            except OSError as error:  # ssl.SSLError is one
                raise MinirunError(f"{path}: not certificates to trust: {in_words(error)}") from error
        if self.settings.is_insecure(host):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # it was asked for
        return context


def _make_pool(trust: ssl.SSLContext, proxy: str) -> urllib3.PoolManager:
    if not proxy:
        return urllib3.PoolManager(
            maxsize=_CONNECTIONS, retries=False, ssl_context=trust, blocksize=_SEND_BLOCK_BYTES
        )
    address = proxy if "://" in proxy else f"http://{proxy}"
    user = unquote(urlsplit(address).netloc.rpartition("@")[0])
    return urllib3.ProxyManager(
        address,
        proxy_headers=urllib3.make_headers(proxy_basic_auth=user) if user else None,
        maxsize=_CONNECTIONS,
        retries=False,
        ssl_context=trust,
        blocksize=_SEND_BLOCK_BYTES,
    )


def _proxy(url: str) -> str:
    """What HTTPS_PROXY, HTTP_PROXY and NO_PROXY say for `url`; "" for none.  Loopback never leaves, as in Go."""
    parts = urlsplit(url)
    if is_loopback(parts.netloc) or not any(name.lower().endswith("_proxy") for name in os.environ):
        return ""
    from urllib.request import getproxies, proxy_bypass

    return "" if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme, "")


# ---- answers ----------------------------------------------------------------------------------------------


def read(response: Response, url: str, limit: int) -> bytes:
    """The body, at most `limit` bytes of it and one more."""
    try:
        return bytes(response.read(limit + 1, decode_content=False))
    except HTTPError as error:
        raise failure(url, error) from error
    finally:
        finish(response)


def whole(response: Response, url: str, final: str = "") -> Answer:
    """All of it; `final` is where it came from, when redirects led away from `url`."""
    body = read(response, url, _ANSWER_BYTES_MAX)
    return Answer(url, response.status, response.reason or "", response.headers, body, final)


def finish(response: Response) -> None:
    """Give the connection back if there is nothing left to read from it; else close it."""
    if response.length_remaining == 0:
        response.drain_conn()  # nothing comes, but http.client wants to be asked before the next request
        response.release_conn()
    else:
        response.close()


def failure(url: str, error: Exception) -> Broken:
    """One sentence about a connection that failed, naming what was tried."""
    reason = getattr(error, "reason", None) or error
    return Broken(f"{url} cannot be reached: {_told(reason)}", _hint(str(reason)))


def _told(error: object) -> str:
    """The reason, in the kernel's words or OpenSSL's: urllib3's have the names of classes in them."""
    if isinstance(error, urllib3.exceptions.NewConnectionError):  # one of those below, too
        return _CODES.sub("", str(error).rpartition(": ")[2])
    if isinstance(error, urllib3.exceptions.ConnectTimeoutError):
        return f"connecting timed out after {CONNECT_SECONDS} seconds"
    if isinstance(error, urllib3.exceptions.ReadTimeoutError):
        return f"it timed out: nothing has come for {READ_SECONDS} seconds or more"
    if isinstance(error, urllib3.exceptions.ProxyError):
        return f"its proxy fails: {_told(error.original_error)}"
    if isinstance(error, urllib3.exceptions.ProtocolError):
        inner = error.args[-1]
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        closed = isinstance(inner, OSError | urllib3.exceptions.IncompleteRead)
        return "it closed the connection before its answer was whole" if closed else "its answer is not HTTP"
    return _CODES.sub("", str(error))


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
    if (seconds := number(text)) is not None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def number(text: str) -> int | None:
    """The value of a header that should be a number of bytes or seconds."""
    return int(text) if _NUMBER.fullmatch(text) else None


def _followed(method: str, body: bytes | Body) -> tuple[int, ...]:
    """Which redirects are: a POST's body goes nowhere else, for it holds an identity token (access.py)."""
    if method in ("GET", "HEAD"):
        return _REDIRECTS
    return () if method == "POST" and body else (307, 308)


def _same_host(one: str, other: str) -> bool:
    return urlsplit(one).hostname == urlsplit(other).hostname


def origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
