"""`./src:/app:ro` spelt out: what is mounted where, and how.

See  compose-spec 05-services.md "volumes"
"""

from __future__ import annotations

from typing import Any

_PROPAGATION = ("rprivate", "private", "rshared", "shared", "rslave", "slave")


def spelt(word: str) -> dict[str, Any]:
    """A mount's mapping.  Raises ValueError.

    >>> spelt("data:/var/lib")
    {'type': 'volume', 'source': 'data', 'target': '/var/lib', 'volume': {}}
    >>> spelt("./src:/app:ro")
    {'type': 'bind', 'source': './src', 'target': '/app', 'read_only': True, 'bind': {'create_host_path': True}}
    """
    parts = _parts(word)
    if not all(parts) or len(parts) > 3:
        raise ValueError(f'invalid mount "{word}": expected TARGET, SOURCE:TARGET or SOURCE:TARGET:OPTIONS')
    if len(parts) == 1:
        return {"type": "volume", "target": tidy(word), "volume": {}}
    source, target = parts[0], tidy(parts[1])
    options = parts[2].split(",") if len(parts) == 3 else []
    kind = "bind" if is_path(source) else "volume"
    mount: dict[str, Any] = {"type": kind, "source": source, "target": target}
    if "ro" in options:
        mount["read_only"] = True
    mount[kind] = _new(kind)
    for option in options:
        _add(mount, option)
    return mount


def _parts(word: str) -> list[str]:
    """What is between colons, those apart that are in a `${...}` that is not filled in."""
    parts: list[str] = []
    for piece in word.split(":"):
        if parts and parts[-1].count("${") > parts[-1].count("}"):
            parts[-1] += f":{piece}"
        else:
            parts.append(piece)
    return parts


def is_path(source: str) -> bool:
    """Or is it a volume's name?"""
    return source.startswith((".", "/", "~"))


def tidy(path: str) -> str:
    """Without `..`, doubled slashes and one at the end."""
    import posixpath

    return posixpath.normpath(path)


def _new(kind: str) -> dict[str, Any]:
    return {"create_host_path": True} if kind == "bind" else {}


def _add(mount: dict[str, Any], option: str) -> None:
    """One word behind the second colon.  Unknown ones mean nothing, as to Docker Compose."""
    if option in ("z", "Z"):
        mount.setdefault("bind", _new("bind"))["selinux"] = option
    elif option in _PROPAGATION:
        mount.setdefault("bind", _new("bind"))["propagation"] = option
    elif option == "nocopy":
        mount.setdefault("volume", {})["nocopy"] = True
