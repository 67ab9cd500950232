"""A registry, over HTTPS.  The one module that loads an HTTP client and TLS.

    GET /v2/NAME/manifests/TAG     401, WWW-Authenticate: Bearer realm=..., service=..., scope=...
    GET REALM?service=&scope=      {"token": ...}, with basic credentials if ~/.docker/config.json has some
    GET /v2/NAME/manifests/TAG     an index; its entry for this machine is a manifest
    GET /v2/NAME/blobs/DIGEST      config and layers, several at once, each checked against digest and size

Plain http is spoken with loopback addresses only.  Credentials go to the host they belong to and no other: a
redirect to another host (registries send blobs from elsewhere) loses the Authorization header.

See      distribution-spec; distribution.github.io "Token Authentication Specification"; RFC 9110
By hand  skopeo copy docker://NAME oci:DIR
"""

from __future__ import annotations

import base64
import json
import os
import re
import time
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urljoin, urlsplit

import urllib3

from minirun.errors import MinirunError, NotFoundError
from minirun.image import manifests
from minirun.image.reference import DEFAULT_REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from minirun.image.store import Json

HTTPError = urllib3.exceptions.HTTPError

CONNECT_SECONDS = 15
READ_SECONDS = 60  # without a byte
TRIES = 4
BACK_OFF_SECONDS = 0.5  # doubled each time
RETRY_AFTER_SECONDS_MAX = 30
DOWNLOADS = 3  # layers at the same time, as Docker
_REDIRECTS_MAX = 5
_CHUNK_BYTES = 1 << 20
_TOKEN_BYTES_MAX = 1 << 20
_REDIRECTS = (301, 302, 303, 307, 308)
_WORTH_ANOTHER_TRY = (408, 429, 500, 502, 503, 504)
_HUB = "registry-1.docker.io"
_HUB_CREDENTIALS = "https://index.docker.io/v1/"  # the key docker login has always used for it
_LOOPBACK = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?")


class Registry:
    """One repository of one registry, and the right to read it."""

    def __init__(self, host: str, repository: str) -> None:
        self.host = host
        self.repository = repository
        self.cancelled = False
        self._authorization = ""
        self._http = urllib3.PoolManager(
            maxsize=DOWNLOADS + 1,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            retries=False,
        )
        self._base = self._find_base()

    def _find_base(self) -> str:
        """`https://HOST`; for a loopback registry that does not speak TLS, `http://HOST`."""
        host = _HUB if self.host == DEFAULT_REGISTRY else self.host
        if _LOOPBACK.fullmatch(host):
            try:
                self._http.request("GET", f"https://{host}/v2/", redirect=False)
            except urllib3.exceptions.SSLError as error:
                if "WRONG_VERSION_NUMBER" in str(error) or "record layer failure" in str(error):
                    return f"http://{host}"
            except urllib3.exceptions.HTTPError:
                pass  # the real request will say what is wrong
        return f"https://{host}"

    def manifest(self, version: str, descriptor: Json) -> bytes:
        """The manifest or index at `version`, a tag or a digest; checked against `descriptor`."""
        url = f"{self._base}/v2/{self.repository}/manifests/{version}"
        response = self._get(url, {"Accept": ", ".join(manifests.ACCEPTED)})
        try:
            content = bytes(response.read(manifests.BYTES_MAX + 1, decode_content=False))
        except urllib3.exceptions.HTTPError as error:
            raise self.failure(url, error) from error
        finally:
            response.release_conn()
        announced = descriptor.get("digest") or response.headers.get("Docker-Content-Digest", "")
        _check_manifest(content, announced, descriptor.get("size"), url)
        descriptor.setdefault("mediaType", response.headers.get("Content-Type", "").partition(";")[0])
        return content

    def blob(self, descriptor: Json) -> Iterator[bytes]:
        """The chunks of a blob as they come; the caller checks digest and size."""
        response = self._get(f"{self._base}/v2/{self.repository}/blobs/{descriptor['digest']}", {})
        try:
            for chunk in response.stream(_CHUNK_BYTES, decode_content=False):
                if self.cancelled:
                    raise MinirunError("the download was cancelled")
                yield chunk
        finally:
            response.close()

    def failure(self, url: str, error: Exception) -> MinirunError:
        """One sentence about a connection that failed, naming what was tried."""
        reason = getattr(error, "reason", None) or error
        text = (
            str(reason).rpartition(": ")[2]
            if isinstance(reason, urllib3.exceptions.NewConnectionError)
            else reason
        )
        return MinirunError(f"{url} cannot be reached: {text}", "is the network up, and the name right?")

    # ---- requests ----

    def _get(self, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        """GET with authentication, redirects and another try where that may help."""
        response = self._patiently(url, headers)
        if response.status == 401:
            challenge = response.headers.get("WWW-Authenticate", "")
            response.drain_conn()
            self._authorization = self._authorize(challenge, url)
            response = self._patiently(url, headers)
        if response.status != 200:
            raise _refused(url, response)
        return response

    def _patiently(self, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        for attempt in range(TRIES):
            last = attempt == TRIES - 1
            try:
                response = self._following(url, headers)
                if response.status not in _WORTH_ANOTHER_TRY or last:
                    return response
                response.drain_conn()
                time.sleep(_pause(response, attempt))
            except urllib3.exceptions.HTTPError as error:
                if last or not _passes(error):
                    raise self.failure(url, error) from error
                time.sleep(BACK_OFF_SECONDS * 2**attempt)
        raise AssertionError("not reached")

    def _following(self, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        """GET through redirects; Authorization goes to the registry itself only."""
        for _ in range(_REDIRECTS_MAX + 1):
            sent = dict(headers)
            if self._authorization and _origin(url) == _origin(self._base):
                sent["Authorization"] = self._authorization
            response = self._http.request("GET", url, headers=sent, redirect=False, preload_content=False)
            if response.status not in _REDIRECTS:
                return response
            response.drain_conn()
            url = _redirected(url, response.headers.get("Location", ""))
        raise MinirunError(f"{self._base}: more than {_REDIRECTS_MAX} redirects, the last to {url}")

    # ---- authentication ----

    def _authorize(self, challenge: str, url: str) -> str:
        """The Authorization header that answers a WWW-Authenticate one.  RFC 9110 section 11.6"""
        scheme, _, rest = challenge.partition(" ")
        basic = _basic_credentials(self.host)
        if scheme.lower() == "basic":
            if not basic:
                raise MinirunError(f"{url} wants a user and a password", f"minirun login {self.host}")
            return basic
        if scheme.lower() != "bearer":
            raise MinirunError(f"{url} wants an authentication unknown here: {challenge!r}")
        return f"Bearer {self._token(dict(_PARAMETER.findall(rest)), basic)}"

    def _token(self, parameters: dict[str, str], basic: str) -> str:
        realm = parameters.get("realm", "")
        self._check_realm(realm)
        scope = parameters.get("scope") or f"repository:{self.repository}:pull"
        query = urlencode({"service": parameters.get("service", ""), "scope": scope})
        url = f"{realm}{'&' if '?' in realm else '?'}{query}"
        try:
            response = self._http.request(
                "GET",
                url,
                headers={"Authorization": basic} if basic else {},
                redirect=False,
                preload_content=False,
            )
            if response.status != 200:
                raise _refused(realm, response)
            answer = json.loads(response.read(_TOKEN_BYTES_MAX))
            token = answer.get("token") or answer.get("access_token")
        except urllib3.exceptions.HTTPError as error:
            raise self.failure(realm, error) from error
        except (ValueError, AttributeError) as error:
            raise MinirunError(f"{realm} gave no token: {error}") from error
        if not isinstance(token, str):
            raise MinirunError(f"{realm} gave no token")
        return token

    def _check_realm(self, realm: str) -> None:
        """Credentials may be sent there: not in the clear, unless nothing leaves this machine."""
        parts = urlsplit(realm)
        loopback = _LOOPBACK.fullmatch(parts.netloc) and self._base.startswith("http:")
        if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
            raise MinirunError(f"{self._base} sends for a token to {realm!r}, which is not https")


_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


def _basic_credentials(host: str) -> str:
    """`Basic ...` from ~/.docker/config.json, or "" when it has nothing for `host`."""
    directory = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    try:
        with open(f"{directory}/config.json", "rb") as file:
            auths: Any = json.load(file).get("auths", {})
    except (OSError, ValueError, AttributeError):
        return ""
    keys = (
        [_HUB_CREDENTIALS] if host == DEFAULT_REGISTRY else [host, f"https://{host}", f"https://{host}/v2/"]
    )
    for key in keys:
        entry = auths.get(key) or {}
        if entry.get("auth"):
            return f"Basic {entry['auth']}"
        if entry.get("username"):
            pair = f"{entry['username']}:{entry.get('password', '')}"
            return f"Basic {base64.b64encode(pair.encode()).decode()}"
    return ""


# ---- answers ----------------------------------------------------------------------------------------------


def _check_manifest(content: bytes, digest: str, size: int | None, url: str) -> None:
    if len(content) > manifests.BYTES_MAX:
        raise MinirunError(f"{url} is larger than {manifests.BYTES_MAX} bytes")
    if size is not None and len(content) != size:
        raise MinirunError(f"{url} has the wrong size: {len(content)} bytes, not {size}")
    found = f"sha256:{sha256(content).hexdigest()}"
    if digest and found != digest:
        raise MinirunError(f"{url} has the wrong content: its digest is {found}, not {digest}")


def _refused(url: str, response: urllib3.BaseHTTPResponse) -> MinirunError:
    """The registry's own words, if it has some: {"errors": [{"code", "message"}]}."""
    try:
        body = json.loads(response.read(_TOKEN_BYTES_MAX))
        words = "; ".join(f"{error.get('code')}: {error.get('message')}" for error in body["errors"])
    except (ValueError, KeyError, TypeError, AttributeError, urllib3.exceptions.HTTPError):
        words = response.reason or ""
    message = f"{url} said: {response.status} {words}".rstrip()
    if response.status == 404:
        return NotFoundError(message, "is there such a repository, and such a tag in it?")
    if response.status in (401, 403):
        return MinirunError(message, "no such repository, or it may only be read after minirun login")
    return MinirunError(message)


def _pause(response: urllib3.BaseHTTPResponse, attempt: int) -> float:
    asked = response.headers.get("Retry-After", "")
    wanted = float(asked) if asked.isdigit() else BACK_OFF_SECONDS * 2**attempt
    return min(wanted, RETRY_AFTER_SECONDS_MAX)


def _passes(error: Exception) -> bool:
    """Whether another try may go better: not for an unknown name, a closed port or a bad certificate."""
    return not isinstance(error, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.SSLError))


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _redirected(url: str, location: str) -> str:
    target = urljoin(url, location)
    scheme = urlsplit(target).scheme
    if scheme != "https" and not (scheme == "http" and url.startswith("http:")):
        raise MinirunError(f"{url} redirects to {target!r}, which is not https")
    if scheme == "http" and not _LOOPBACK.fullmatch(urlsplit(target).netloc):
        raise MinirunError(f"{url} redirects to {target!r}, which is not https")
    return target
