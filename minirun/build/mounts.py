"""The words of RUN --mount: `type=cache,target=/root/.cache,sharing=locked` becomes a Mount.

    bind    files of the context, of a stage or an image (from=); what is written into it (rw) is thrown away
    cache   a directory that outlives the build: id, sharing=shared|private|locked, from= and source= to begin with
    tmpfs   memory: size
    secret  id, as a file (target, mode, uid, gid) or a variable (env); required
    ssh     an agent's socket: id, target, mode, uid, gid; required

See      docs.docker.com "Dockerfile reference", RUN --mount; RFC 4180 for the commas
"""

from __future__ import annotations

import re

from minirun.errors import UsageError
from minirun.image.flags import truth
from minirun.image.suggestions import did_you_mean
from minirun.image.words import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = ("bind", "cache", "secret", "ssh", "tmpfs")
SHARINGS = ("locked", "private", "shared")
_SAME = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly", "rw": "readwrite"}
_KEYS = (
    *(
        "type",
        "from",
        "source",
        "target",
        "readonly",
        "id",
        "sharing",
        "required",
        "size",
        "mode",
        "uid",
        "gid",
    ),
    *("src", "dst", "destination", "ro", "rw", "readwrite", "env"),
)
_TEXTS = {"from": "source_stage", "source": "source", "target": "target", "id": "id", "env": "env"}
_NUMBERS = {"mode": 8, "uid": 10, "gid": 10}  # and their bases
_ONLY = {"required": ("secret", "ssh"), "size": ("tmpfs",), "env": ("secret",)}
_FIELD = re.compile(r'"((?:[^"]|"")*+)"(?=,|\Z)|([^,"]*)(?=,|\Z)')
_VARIABLE = re.compile(r"\$.")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgtp])?i?b?", re.ASCII | re.IGNORECASE)


class Mount:
    """One mount of one RUN; what was not said is "", 0, False or None."""

    def __init__(self, kind: str = "bind") -> None:
        self.kind = kind
        self.target = ""
        self.source = ""
        self.source_stage = ""
        self.readonly = kind not in ("cache", "tmpfs")
        self.id = ""
        self.sharing = ""
        self.mode: int | None = None
        self.uid: int | None = None
        self.gid: int | None = None
        self.size = 0
        self.required = False
        self.env = ""


def parse(value: str, expand: Callable[[str], str] = str) -> Mount:
    """One --mount.  `expand` puts variables into the value of each key but `from`.  Raises UsageError."""
    pairs = [_pair(field) for field in fields(value)]
    pairs = [(key, text if key == "from" else expand(text), field) for key, text, field in pairs]
    mount = Mount(next((_kind(text) for key, text, _ in reversed(pairs) if key == "type"), "bind"))
    for key, text, field in pairs:
        _put(mount, key, text, field)
    _check(mount)
    return mount


def check_early(value: str) -> None:
    """What can be said before variables have values.  Raises UsageError."""
    for field in fields(value):
        key, _, text = field.partition("=")
        if key.lower() == "from" and _VARIABLE.search(text):
            raise UsageError(
                "'from' doesn't support variable expansion, define alias stage instead",
                f"FROM {text} AS name, and from=name",
            )
    if not _VARIABLE.search(value):
        parse(value)


def fields(value: str) -> list[str]:
    """Split at commas; a field in double quotes may hold some."""
    found, at = [], 0
    while True:
        match = _FIELD.match(value, at)
        if match is None:
            raise UsageError(f"failed to parse csv mounts: {quoted(value)} has a quote out of place")
        found.append(match[2] if match[1] is None else match[1].replace('""', '"'))
        at = match.end() + 1
        if at > len(value):
            return found


def _pair(field: str) -> tuple[str, str, str]:
    """Key, value and the field as it is written."""
    key, equals, text = field.partition("=")
    key = key.lower()
    alone = _SAME.get(key, key) in ("readonly", "readwrite", "required")
    if not equals and not alone:
        raise UsageError(f"invalid field '{field}' must be a key=value pair")
    return key, text, field


def _kind(text: str) -> str:
    kind = text.lower()
    if kind not in KINDS:
        raise UsageError(f"unsupported mount type {quoted(text)}{did_you_mean(kind, KINDS)}")
    return kind


def _check(mount: Mount) -> None:
    if mount.kind in ("bind", "tmpfs"):
        for key, given in (("mode", mount.mode), ("uid", mount.uid), ("gid", mount.gid)):
            if given is not None:
                raise UsageError(f"{key} not allowed for {quoted(mount.kind)} type mounts")
    if mount.kind == "secret":
        if mount.source_stage:
            raise UsageError("secret mount should not have a from")
        if mount.sharing:
            raise UsageError("secret mount should not define sharing")
        if not (mount.source or mount.target or mount.id):
            raise UsageError("invalid secret mount. one of source, target required")
        if mount.source and mount.id:
            raise UsageError("both source and id can't be set")
    if mount.sharing and mount.kind != "cache":
        raise UsageError(f"invalid cache sharing set for {mount.kind} mount")


# ---- the keys ---------------------------------------------------------------------------------------------


def _put(mount: Mount, key: str, text: str, field: str) -> None:
    """The value of one key; "" stands for a key alone where that may be."""
    name = _SAME.get(key, key)
    if name in _ONLY and mount.kind not in _ONLY[name]:
        raise UsageError(f"unexpected key '{key}' for mount type '{mount.kind}'")
    if name in _TEXTS:
        setattr(mount, _TEXTS[name], text)
    elif name in _NUMBERS:
        setattr(mount, name, _number(key, text, _NUMBERS[name]))
    elif name in ("readonly", "required"):
        setattr(mount, name, _truth(key, text, field))
    elif name == "readwrite":
        mount.readonly = not _truth(key, text, field)
    elif name == "sharing":
        mount.sharing = _sharing(text)
    elif name == "size":
        mount.size = _size(key, text)
    elif name != "type":
        raise UsageError(f"unexpected key '{key}' in '{field}'{did_you_mean(key, _KEYS)}")


def _truth(key: str, text: str, field: str) -> bool:
    value = truth(text) if "=" in field else True
    if value is None:
        raise UsageError(f"invalid value for {key}: {text}")
    return value


def _number(key: str, digits: str, base: int) -> int:
    try:
        value = int(digits, base) if digits.isascii() and digits.isalnum() else -1
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 32:
        raise UsageError(f"invalid value {digits} for {key}")
    return value


def _size(key: str, text: str) -> int:
    match = _SIZE.fullmatch(text)
    size = float(match[1]) * 1024 ** " kmgtp".index((match[2] or " ").lower()) if match else -1
    if not 0 <= size < 2**63:
        raise UsageError(f"invalid value for {key}: {text}")
    return int(size)


def _sharing(text: str) -> str:
    sharing = text.lower()
    if sharing not in SHARINGS:
        raise UsageError(f"unsupported sharing value {quoted(text)}{did_you_mean(sharing, SHARINGS)}")
    return sharing
