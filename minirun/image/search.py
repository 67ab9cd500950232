"""`search`: the names that a registry has.

    GET /v1/search?q=TERM&n=25    of Docker Hub, and whoever else kept it: with stars and a description
    GET /v2/_catalog              of other registries, if they let one see it: all names, to be looked through here

See      docs.docker.com "docker search"; distribution "Listing Repositories", which the distribution-spec has not
By hand  curl 'https://index.docker.io/v1/search?q=TERM'
Next     registry.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

from minirun.errors import UsageError
from minirun.image import manifests, reference
from minirun.image.registry import Place, refused
from minirun.image.transport import Transport

if TYPE_CHECKING:
    from typing import Any

    from minirun.image.settings import Settings

_HUB = "index.docker.io"  # what searches Docker Hub; its registry is elsewhere
_NAME_LENGTH_MAX = 255
LIMITS = (1, 100)


class Found(NamedTuple):
    """A repository: its name as `pull` takes it, and what the registry says of it."""

    name: str
    description: str = ""
    stars: int = 0
    official: bool = False


def search(term: str, settings: Settings, limit: int = 25) -> list[Found]:
    """What is called like `[HOST/]TERM`, those with most stars first, at most `limit`.

    Raises UsageError when `limit` is not in LIMITS or the host no registry, MinirunError when it cannot be asked.
    """
    least, most = LIMITS
    if not least <= limit <= most:
        raise UsageError(f"limit {limit} is outside the range of [{least}, {most}]")
    host, word = split(term)
    place = Place(host or _HUB, "", "", Transport(settings))
    answer = place.ask("GET", f"/v1/search?{urlencode({'q': word, 'n': limit})}")
    if answer.status == 200 and not answer.page:
        document = manifests.parse(answer.body, f"what {answer.url} has found")
        results = document.get("results") if isinstance(document, dict) else None
        found = [_found(one, host) for one in manifests.checked_list(results or [], "what was found")]
        return sorted(filter(None, found), key=lambda one: -one.stars)[:limit]
    if not host:
        raise refused(answer)
    names = place.listed("/v2/_catalog", "repositories", "repositories", _NAME_LENGTH_MAX)
    return [Found(f"{host}/{name}") for name in sorted(names) if word.lower() in name.lower()][:limit]


def split(term: str) -> tuple[str, str]:
    """`quay.io/nginx` -> ("quay.io", "nginx"); the host "" is Docker Hub, and the word "" finds all of another's.

    >>> split("localhost:5000/"), split("library/nginx"), split("docker.io/nginx")
    (('localhost:5000', ''), ('', 'library/nginx'), ('', 'nginx'))
    """
    if "://" in term:
        raise UsageError(f"invalid repository name ({term}): a name has no ://", "minirun search HOST/WORD")
    first, slash, rest = term.partition("/")
    host = reference.parse(f"{first}/name").registry if slash else reference.DEFAULT_REGISTRY
    if host != reference.DEFAULT_REGISTRY:
        return host, rest
    return "", rest if slash and first in (reference.DEFAULT_REGISTRY, _HUB) else term


def _found(result: dict[str, Any], host: str) -> Found | None:
    name, stars = result.get("name"), result.get("star_count")
    if not isinstance(name, str) or not 0 < len(name) <= _NAME_LENGTH_MAX:
        return None
    return Found(
        f"{host}/{name}" if host else name,
        str(result.get("description") or ""),
        stars if isinstance(stars, int) else 0,
        result.get("is_official") is True,
    )
