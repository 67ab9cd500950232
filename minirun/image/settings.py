"""registries.toml: mirrors, registries without proper TLS, how large a layer may become, and the cache of builds.

    [registry."docker.io"]
    mirrors = ["127.0.0.1:5000", "mirror.example/hub"]    # asked in this order, then docker.io itself

    [registry."127.0.0.1:5000"]
    insecure = true                   # plain http, or TLS with any certificate: for a network you trust
    ca = "/etc/ssl/our-ca.pem"        # believed besides the system's, for this host

    [limits]                          # of one layer, when it is unpacked
    unpacked_bytes = 68_719_476_736
    ratio = 200
    entries = 2_000_000

    [build]
    cache = "20GB"                    # or "15%" of the disk; the least recently used goes first

A key that is not known is an error: a misspelt `insecure` would otherwise go unnoticed.

See      toml.io; docs/registries.md
Next     registry.py
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from minirun.errors import MinirunError
from minirun.image.tarstream import LIMITS, Limits
from minirun.paths import DEFAULT_REGISTRIES

if TYPE_CHECKING:
    from typing import Any

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_LOOPBACK = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?")
_ONLY_HOST = re.compile(_HOST)
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?) ?(%|[kKmMgGtT]?[iI]?[bB]?)")
_CACHE = "10%"  # of the disk
_MIRROR = re.compile(rf"{_HOST}(?:/[a-z0-9][a-z0-9._-]*)*")


class Registry:
    """What the file says about one host."""

    def __init__(self, mirrors: tuple[str, ...] = (), insecure: bool = False, ca: str = "") -> None:
        self.mirrors = mirrors
        self.insecure = insecure
        self.ca = ca


_NOTHING = Registry()


class Settings:
    """The whole file; without arguments, what holds where there is none."""

    def __init__(
        self, registries: dict[str, Registry] | None = None, limits: Limits = LIMITS, cache: str = _CACHE
    ) -> None:
        self._registries = registries or {}
        self.limits = limits
        self._cache = cache

    def cache_bytes(self, disk: int) -> int:
        """How much of a disk of so many bytes the cache of builds may take."""
        return _amount(self._cache, disk)

    def hosts(self) -> list[str]:
        """Those that the file says something about."""
        return sorted(self._registries)

    def mirrors(self, registry: str) -> list[str]:
        """`HOST` or `HOST/PREFIX`, in the order they are to be asked."""
        return list(self._of(registry).mirrors)

    def is_insecure(self, host: str) -> bool:
        """Whether plain http and any certificate will do."""
        return self._of(host).insecure

    def allows_plain(self, host: str) -> bool:
        """Whether plain http may be spoken with it: what does not leave this machine, and what is insecure."""
        return is_loopback(host) or self.is_insecure(host)

    def ca(self, host: str) -> str:
        """The file with the certificate authority of `host`, or ""."""
        return self._of(host).ca

    def trusting(self, host: str) -> Settings:
        """The same, but that plain http and any certificate of `host` will do."""
        known = self._of(host)
        registries = {**self._registries, host: Registry(known.mirrors, True, known.ca)}
        return Settings(registries, self.limits, self._cache)

    def _of(self, host: str) -> Registry:
        return self._registries.get(host, _NOTHING)


def is_loopback(host: str) -> bool:
    return bool(_LOOPBACK.fullmatch(host))


def load(path: str) -> Settings:
    """The settings in `path`; the defaults if it is the usual file and not there.

    Raises MinirunError naming the file and the key that is wrong.
    """
    import tomllib  # 10 ms

    try:
        with open(path, "rb") as file:
            document = tomllib.load(file)
    except FileNotFoundError:
        if path == DEFAULT_REGISTRIES:
            return Settings()
        raise MinirunError(f"{path}: No such file or directory", "it was named by --config") from None
    except OSError as error:
        raise MinirunError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise MinirunError(f"{path}: not valid TOML: {error}") from None
    try:
        return _settings(document)
    except _Wrong as error:
        raise MinirunError(f"{path}: {error}", "docs/registries.md shows what it may hold") from None


class _Wrong(ValueError):
    """`key: what it should be`, on its way to the name of the file."""


def _settings(document: dict[str, Any]) -> Settings:
    _know(document, "", ("registry", "limits", "build"))
    tables = _table(document, "registry", "registry")
    registries = {host: _registry(tables, host) for host in tables}
    limits = _limits(_table(document, "limits", "limits"))
    return Settings(registries, limits, _cache(_table(document, "build", "build")))


def _registry(tables: dict[str, Any], host: str) -> Registry:
    key = f'registry."{host}"'
    if not _ONLY_HOST.fullmatch(host):
        raise _Wrong(f"{key}: not a host: write it as in an image's name, HOST or HOST:PORT")
    table = _table(tables, host, key)
    _know(table, f"{key}.", ("mirrors", "insecure", "ca"))
    mirrors, insecure, ca = table.get("mirrors", []), table.get("insecure", False), table.get("ca", "")
    if not isinstance(mirrors, list):
        raise _Wrong(f"{key}.mirrors: not a list of hosts")
    for mirror in mirrors:
        if not isinstance(mirror, str) or not _MIRROR.fullmatch(mirror):
            raise _Wrong(
                f"{key}.mirrors: {mirror!r} is not HOST[:PORT][/PREFIX], without http:// or https://"
            )
    if not isinstance(insecure, bool):
        raise _Wrong(f"{key}.insecure: not true or false")
    if not isinstance(ca, str):
        raise _Wrong(f"{key}.ca: not the path of a file")
    return Registry(tuple(mirrors), insecure, ca)


def _limits(table: dict[str, Any]) -> Limits:
    names = ("unpacked_bytes", "ratio", "entries")
    _know(table, "limits.", names)
    values = {name: table.get(name, getattr(LIMITS, name)) for name in names}
    for name, value in values.items():
        if type(value) is not int or value < 1:
            raise _Wrong(f"limits.{name}: {value!r} is not a whole number above zero")
    return Limits(**values)


def _cache(table: dict[str, Any]) -> str:
    _know(table, "build.", ("cache",))
    text = str(table.get("cache", _CACHE))
    if not _AMOUNT.fullmatch(text):
        raise _Wrong(f"build.cache: {text!r} is not an amount, as in 20GB or 15%")
    return text


def _amount(text: str, whole: int) -> int:
    """`20GB`, in powers of 1024 as Docker counts memory, or `15%` of the whole."""
    matched = _AMOUNT.fullmatch(text)
    assert matched
    number, unit = float(matched[1]), matched[2].lower()
    if unit == "%":
        return int(whole * number / 100)
    return int(number * 1024 ** " kmgt".index(unit[:1].strip("b") or " "))


def _table(parent: dict[str, Any], name: str, key: str) -> dict[str, Any]:
    table = parent.get(name, {})
    if not isinstance(table, dict):
        raise _Wrong(f"{key}: not a table")
    return table


def _know(table: dict[str, Any], prefix: str, names: tuple[str, ...]) -> None:
    for key in table:
        if key not in names:
            raise _Wrong(f"{prefix}{key}: no such key; there are {', '.join(names)}")
