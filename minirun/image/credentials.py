"""Who we are at which registry: ~/.docker/config.json, which docker, podman and skopeo read as well.

    {"auths": {"HOST": {"auth": base64("USER:PASSWORD")}},            in the clear, but for the file's mode
     "credHelpers": {"HOST": "NAME"}, "credsStore": "NAME"}           kept by the program docker-credential-NAME

A helper is asked by its standard input: `get` and `erase` take the host, `store` takes
{"ServerURL", "Username", "Secret"}, which is also what `get` answers.  The user `<token>` means that the secret
is no password but an identity token, good for fetching access tokens until it is revoked.

See      docs.docker.com "docker login", "Credential stores"; github.com/docker/docker-credential-helpers
By hand  echo HOST | docker-credential-NAME get
Next     access.py
"""

from __future__ import annotations

import base64
import json
import os
import re
from typing import TYPE_CHECKING

from minirun.errors import MinirunError, in_words
from minirun.files import read_json, write_whole
from minirun.image.reference import DEFAULT_REGISTRY

if TYPE_CHECKING:
    from typing import Any

HELPER_SECONDS = 120  # it may ask its user for permission
TOKEN_USER = "<token>"
_HUB = "https://index.docker.io/v1/"  # the key docker login has always used for Docker Hub
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NOT_FOUND = "credentials not found"  # what helpers say, and exit 1


class Credentials:
    """A user and a password, or TOKEN_USER and an identity token."""

    def __init__(self, user: str, secret: str) -> None:
        self.user = user
        self.secret = secret

    @property
    def is_token(self) -> bool:
        return self.user == TOKEN_USER

    @property
    def basic(self) -> str:
        """The Authorization header.  RFC 7617"""
        return f"Basic {_base64(f'{self.user}:{self.secret}')}"


def path() -> str:
    """The file; DOCKER_CONFIG names another directory than ~/.docker."""
    directory = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    return f"{directory}/config.json"


def find(host: str) -> Credentials | None:
    """What is kept for `host`, or None.  Raises MinirunError when the file or a helper is damaged."""
    document = _read()
    if helper := _helper_for(document, host):
        return _ask_helper(helper, host)
    for key, entry in _table(document, "auths").items():
        if host_of(key) == host and isinstance(entry, dict) and (found := _from_entry(key, entry)):
            return found
    return None


def save(host: str, credentials: Credentials) -> str:
    """Keep them for `host`; returns the file's path when they now lie in it unencrypted, else ""."""
    document = _read()
    helper = _helper_for(document, host)
    if helper:
        given = {"ServerURL": _key(host), "Username": credentials.user, "Secret": credentials.secret}
        _run_helper(helper, "store", json.dumps(given))
    auths = {key: entry for key, entry in _table(document, "auths").items() if host_of(key) != host}
    auths[_key(host)] = {} if helper else _to_entry(credentials)  # an empty entry: a helper has it
    _write({**document, "auths": auths})
    return "" if helper else path()


def erase(host: str) -> bool:
    """Forget what is kept for `host`; whether there was something."""
    document = _read()
    auths = _table(document, "auths")
    left = {key: entry for key, entry in auths.items() if host_of(key) != host}
    helper = _helper_for(document, host)
    known = len(left) < len(auths) or bool(helper and _ask_helper(helper, host))
    if helper and known:
        _run_helper(helper, "erase", _key(host))
    if len(left) < len(auths):
        _write({**document, "auths": left})
    return known


def host_of(key: str) -> str:
    """The host in a key of the file, or in what people type: `https://HOST/v2/` is both."""
    host = key.partition("://")[2] or key
    host = host.partition("/")[0]
    return DEFAULT_REGISTRY if host == "index.docker.io" else host


# ---- the file ---------------------------------------------------------------------------------------------


def _read() -> dict[str, Any]:
    try:
        document = read_json(path())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise MinirunError(f"{path()}: {error.strerror}") from error
    except ValueError as error:
        raise MinirunError(str(error)) from error
    if not isinstance(document, dict):
        raise MinirunError(f"{path()}: not a JSON object")
    return document


def _table(document: dict[str, Any], name: str) -> dict[str, Any]:
    table = document.get(name) or {}
    if not isinstance(table, dict):
        raise MinirunError(f"{path()}: {name!r} is not an object")
    return table


def _write(document: dict[str, Any]) -> None:
    """In one rename, readable by its owner alone; where the file is a link, the file it leads to."""
    target = os.path.realpath(path())
    try:
        os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
        write_whole(target, json.dumps(document, indent="\t").encode(), 0o600)
        owner = os.stat(os.path.dirname(target))  # under sudo, a home may be somebody else's
        os.chown(target, owner.st_uid, owner.st_gid)
    except OSError as error:
        raise MinirunError(f"{target}: {error.strerror}") from error


def _key(host: str) -> str:
    return _HUB if host == DEFAULT_REGISTRY else host


def _from_entry(key: str, entry: dict[str, Any]) -> Credentials | None:
    if entry.get("identitytoken"):
        return Credentials(TOKEN_USER, str(entry["identitytoken"]))
    if entry.get("auth"):
        try:
            pair = base64.b64decode(entry["auth"], validate=True)
            user, colon, password = pair.decode("utf-8", "surrogateescape").partition(":")
        except (ValueError, TypeError):
            colon = ""
        if not colon:
            raise MinirunError(f"{path()}: the 'auth' of {key} is not base64 of USER:PASSWORD")
        return Credentials(user, password.rstrip("\0"))
    if entry.get("username"):
        return Credentials(str(entry["username"]), str(entry.get("password", "")))
    return None


def _to_entry(credentials: Credentials) -> dict[str, str]:
    user, secret = credentials.user, credentials.secret
    if credentials.is_token:
        return {"auth": _base64(f"{user}:"), "identitytoken": secret}
    return {"auth": _base64(f"{user}:{secret}")}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()


# ---- helpers ----------------------------------------------------------------------------------------------


def _helper_for(document: dict[str, Any], host: str) -> str:
    """The NAME of docker-credential-NAME, or "" when the file itself keeps what there is."""
    helpers = _table(document, "credHelpers")
    name = next((helpers[key] for key in helpers if host_of(key) == host), document.get("credsStore") or "")
    if name and (not isinstance(name, str) or not _HELPER_NAME.fullmatch(name)):
        raise MinirunError(f"{path()}: {name!r} is not the name of a credential helper")
    return str(name)


def _ask_helper(helper: str, host: str) -> Credentials | None:
    text = _run_helper(helper, "get", _key(host))
    if text is None:
        return None
    try:
        answer = json.loads(text)
        return Credentials(str(answer["Username"]), str(answer["Secret"]))
    except (ValueError, KeyError, TypeError):
        raise MinirunError(f"docker-credential-{helper} get: not the answer of a credential helper") from None


def _run_helper(helper: str, action: str, text: str) -> str | None:
    """What it printed; None when it has nothing for that host."""
    import subprocess

    program = f"docker-credential-{helper}"
    try:
        done = subprocess.run(
            [program, action], input=text, capture_output=True, text=True, timeout=HELPER_SECONDS
        )
    except FileNotFoundError:
        raise MinirunError(
            f"{program}: not found in $PATH, and {path()} says that it keeps the credentials",
            "install it, or take it out of that file",
        ) from None
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise MinirunError(f"{program} {action}: {in_words(error)}") from error
    if done.returncode == 0:
        return done.stdout
    if _NOT_FOUND in done.stdout:
        return None
    raise MinirunError(f"{program} {action}: {done.stdout.strip() or done.stderr.strip() or 'it failed'}")
