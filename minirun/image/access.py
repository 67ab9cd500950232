"""The right to do something with a repository: the answer to a registry's 401.

    401  WWW-Authenticate: Negotiate, Basic realm="..."
         -> Authorization: Basic base64(USER:PASSWORD)
    401  WWW-Authenticate: Bearer realm="https://auth...", service="...", scope="repository:NAME:pull"
         GET  REALM?service=...&scope=...             with Basic, or without for what is public
         POST REALM  grant_type=refresh_token&...     where credentials are an identity token
         -> {"token" or "access_token": ...} -> Authorization: Bearer TOKEN

Of several challenges the first Bearer that gives a token is answered, else Basic; what is unknown here is passed
over.  A token is for some scopes and some minutes.  It is kept, and shared by all threads, until a 401 says that it
has run out; the thread that notices first fetches the next one.

See      distribution.github.io "Token Authentication Specification", "OAuth2 Token Authentication"; RFC 9110 11
By hand  curl 'https://auth.docker.io/token?service=registry.docker.io&scope=repository:library/alpine:pull'
Next     registry.py
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from minirun.errors import MinirunError
from minirun.image import credentials as kept
from minirun.image import headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from minirun.image.answers import Answer
    from minirun.image.credentials import Credentials
    from minirun.image.headers import Challenge
    from minirun.image.settings import Settings

    Ask = Callable[[str, str, dict[str, str], bytes], Answer]

_CLIENT = "minirun"
_CHALLENGE_MAX = 200  # letters of it that are told


class Access:
    """The Authorization header for one repository of one host, and the next when that is refused.

    `base` is the registry's address; `ask` makes an HTTP request; `scope` is what is asked for always.
    """

    def __init__(self, host: str, base: str, scope: str, settings: Settings, ask: Ask) -> None:
        self.host = host
        self.identity = ""  # an identity token, when `offline` asked for one and it was given
        self.offline = False
        self._base = base
        self._scope = scope
        self._settings = settings
        self._ask = ask
        self._lock = threading.Lock()
        self._headers: dict[str, str] = {}  # further scope -> header
        self._credentials: Credentials | None = None
        self._looked_up = False
        self.trouble = ""  # why it is not known what is kept for the host

    def use(self, credentials: Credentials) -> None:
        """Take these, not those that are kept."""
        self._credentials, self._looked_up = credentials, True

    def header(self, further: str = "") -> str:
        """The header as far as it is known; "" before the first 401."""
        return self._headers.get(further, "")

    def renew(self, challenges: list[str], refused: str, further: str = "") -> str:
        """The header after a 401 with these WWW-Authenticate headers; `refused` is the header that was sent.

        `further` is a scope needed for this request only, besides the usual one.
        """
        with self._lock:
            current = self.header(further)
            if current == refused:  # else another thread was faster
                current = self._headers[further] = self._answer(challenges, further)
            return current

    def _answer(self, lines: list[str], further: str) -> str:
        """Bearer before Basic, as docker does: a token says less than a password, and may need none."""
        self._look_up()
        offered = headers.challenges(lines)
        refusals = []
        for scheme, answer in (("bearer", self._bearer), ("basic", self._basic)):
            for challenge in offered:
                if challenge[0] == scheme:
                    try:
                        return answer(challenge, further)
                    except MinirunError as error:
                        refusals.append(error)
        if refusals:
            refusals[0].hint = self.trouble or refusals[0].hint
            raise refusals[0]
        if not lines:
            raise MinirunError(f"{self._base} wants to know who asks, and does not say how to prove it")
        unknown = ", ".join(repr(line) for line in lines)[:_CHALLENGE_MAX]
        raise MinirunError(f"{self._base} wants an authentication unknown here: {unknown}")

    def _look_up(self) -> None:
        """A file or a helper that is damaged keeps nobody from pulling what is for everybody, as with docker."""
        if self._looked_up:
            return
        self._looked_up = True
        try:
            self._credentials = kept.find(self.host)
        except MinirunError as error:
            if "push" in self._scope.rpartition(":")[2]:
                raise
            self.trouble = error.message

    def _basic(self, _challenge: Challenge, _further: str) -> str:
        if not self._credentials or self._credentials.is_token:
            raise MinirunError(f"{self._base} wants a user and a password", f"minirun login {self.host}")
        return self._credentials.basic

    def _bearer(self, challenge: Challenge, further: str) -> str:
        parameters = challenge[1]
        scopes = _merged([self._scope, further, *parameters.get("scope", "").split()])
        return f"Bearer {self._token(parameters.get('realm', ''), parameters.get('service', ''), scopes)}"

    def _token(self, realm: str, service: str, scopes: list[str]) -> str:
        self._check_realm(realm)
        if self._credentials and self._credentials.is_token:
            answer = self._refresh(realm, service, scopes, self._credentials.secret)
        else:
            answer = self._fetch(realm, service, scopes)
        if answer.status != 200:
            raise MinirunError(f"{realm} said: {answer.words}", f"minirun login {self.host}")
        try:
            document = json.loads(answer.body)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise MinirunError(f"{realm} gave no token: it sent {answer.page or 'no JSON object'}")
        token = document.get("token") or document.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise MinirunError(f"{realm} gave no token")
        self.identity = str(document.get("refresh_token") or "")
        return token

    def _fetch(self, realm: str, service: str, scopes: list[str]) -> Answer:
        query = [("service", service)] if service else []
        query += [("scope", scope) for scope in scopes]
        if self.offline:
            query += [("offline_token", "true"), ("client_id", _CLIENT)]
        url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}" if query else realm
        sent = {"Authorization": self._credentials.basic} if self._credentials else {}
        return self._ask("GET", url, sent, b"")

    def _refresh(self, realm: str, service: str, scopes: list[str], token: str) -> Answer:
        """RFC 6749 section 6.  The token goes in the body, which no log of addresses shows."""
        form = {"grant_type": "refresh_token", "service": service, "client_id": _CLIENT}
        body = urlencode({**form, "scope": " ".join(scopes), "refresh_token": token}).encode()
        return self._ask("POST", realm, {"Content-Type": "application/x-www-form-urlencoded"}, body)

    def _check_realm(self, realm: str) -> None:
        """Credentials may be sent there: in the clear only where the registry itself is spoken to so."""
        if not realm:
            raise MinirunError(
                f"{self._base} wants a token and does not say from where: its challenge has no realm"
            )
        try:
            parts = urlsplit(realm)
        except ValueError as error:
            raise MinirunError(f"{self._base} sends for a token to {realm!r}: {error}") from None
        plain = self._base.startswith("http:") and self._settings.allows_plain(parts.netloc)
        if parts.scheme != "https" and not (parts.scheme == "http" and plain):
            raise MinirunError(f"{self._base} sends for a token to {realm!r}, which is not https")


def _merged(scopes: list[str]) -> list[str]:
    """One scope for each repository, with all that is wanted of it: `repository:NAME:pull,push`."""
    wanted: dict[str, dict[str, None]] = {}
    for scope in filter(None, scopes):
        resource, _, actions = scope.rpartition(":")
        wanted.setdefault(resource, {}).update(dict.fromkeys(actions.split(",")))
    return [f"{resource}:{','.join(actions)}" for resource, actions in wanted.items()]
