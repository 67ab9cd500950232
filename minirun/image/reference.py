"""Names of images: the short form people type becomes the one canonical form that everything else uses.

    alpine                    docker.io/library/alpine:latest
    me/tool:1.2               docker.io/me/tool:1.2
    localhost:5000/tool       localhost:5000/tool:latest
    alpine@sha256:31e3...     docker.io/library/alpine@sha256:31e3...

The first part is a host when it has a `.` or a `:`, is `localhost`, or has capitals (a repository cannot).

See      github.com/distribution/reference, the grammar Docker, containerd and Podman share
Next     layout.py
"""

from __future__ import annotations

import re

from minirun.errors import UsageError

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"

_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_REGISTRY = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"  # compiled where they are needed
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_TAG_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_LONGEST_TAG = 128
_HEX_DIGITS = frozenset("0123456789abcdef")
_LONGEST_NAME = 255


class Reference:
    """A registry, a repository in it, and a tag or a digest (or both; then the digest decides)."""

    def __init__(self, registry: str, repository: str, tag: str = "", digest: str = "") -> None:
        self.registry = registry
        self.repository = repository
        self.tag = tag
        self.digest = digest

    @property
    def name(self) -> str:
        """Without tag and digest: `docker.io/library/alpine`."""
        return f"{self.registry}/{self.repository}"

    @property
    def familiar_name(self) -> str:
        """The name as people write it: `alpine`, `me/tool`, `localhost:5000/tool`; whole if that were another's."""
        short = self.repository.removeprefix("library/")
        return short if _split_registry(short) == (self.registry, self.repository) else self.name

    @property
    def familiar(self) -> str:
        """As people write it, tag included: `alpine:latest`."""
        return self.familiar_name + self._version()

    def _version(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def __str__(self) -> str:
        return self.name + self._version()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


def parse(text: str) -> Reference:
    """The reference that `text` is short for.  Raises UsageError quoting the part that is wrong."""
    rest, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise _invalid(text, f"'{digest}' is not a digest: sha256: and 64 lower-case hex digits")
    name, tag = _split_tag(rest)
    if tag is not None and not _is_tag(tag):
        raise _invalid(text, f"'{tag}' is not a tag: up to 128 letters, digits, '_', '.', '-'")
    registry, repository = _split_registry(name)
    _check_name(text, registry, repository)
    return Reference(registry, repository, tag or ("" if digest else DEFAULT_TAG), digest)


def of_new_image(text: str) -> Reference | None:
    """The name a new image is to get; None for "".  Raises UsageError for what cannot be given."""
    name = parse(text) if text else None
    if name is not None and name.digest:
        raise UsageError(f"{text!r}: a new image gets a name and a tag; its digest is what it will be")
    return name


def _is_tag(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_TAG and text[0] not in ".-" and _TAG_LETTERS.issuperset(text)


def is_digest(text: str) -> bool:
    """Whether it is `sha256:` and 64 hexadecimal digits, the only kind of digest here."""
    return len(text) == 71 and text.startswith("sha256:") and is_hex(text[7:])


def is_hex(text: str) -> bool:
    """Whether it has lower-case hexadecimal digits only.  To compile a pattern takes each start 0.1 ms."""
    return _HEX_DIGITS.issuperset(text)


def _split_tag(text: str) -> tuple[str, str | None]:
    """`host:5000/a:tag` -> (`host:5000/a`, `tag`).  A colon before the last slash belongs to a port."""
    slash = text.rfind("/")
    colon = text.find(":", slash + 1)
    return (text, None) if colon < 0 else (text[:colon], text[colon + 1 :])


def _split_registry(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    looks_like_host = "." in first or ":" in first or first == "localhost" or first != first.lower()
    if not slash or not looks_like_host:
        first, rest = DEFAULT_REGISTRY, name
    if first == "index.docker.io":  # what Docker Hub was called once
        first = DEFAULT_REGISTRY
    if first == DEFAULT_REGISTRY and "/" not in rest:
        rest = f"library/{rest}"
    return first, rest


def _check_name(text: str, registry: str, repository: str) -> None:
    shown = repository.removeprefix("library/")
    if not shown:
        raise _invalid(text, "it has no repository name")
    if registry != DEFAULT_REGISTRY and not re.fullmatch(_REGISTRY, registry):
        raise _invalid(text, f"'{registry}' is not a host name")
    if len(repository) > _LONGEST_NAME:
        raise _invalid(text, f"the repository name is longer than {_LONGEST_NAME} characters")
    if len(shown) == 64 and is_hex(shown):
        raise _invalid(text, "64 hex digits are an image id, not a name; put sha256: before it")
    for part in repository.split("/"):
        if part != part.lower():
            raise _invalid(text, f"'{part}': a repository name must be lower case")
        if not (part.isascii() and part.isalnum()) and not re.fullmatch(_PART, part):
            raise _invalid(text, f"'{part}' is not a repository name: letters and digits joined by . _ __ -")


def _invalid(text: str, why: str) -> UsageError:
    where = "" if why.startswith(f"'{text}'") else f"'{text}': "  # nothing is quoted twice
    return UsageError(f"invalid reference format: {where}{why}")
