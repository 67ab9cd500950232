"""`--pull`: whether an image comes from here or from a registry.

    missing   what is here will do; an image for another platform than the one asked for is not
    always    the registry is asked each time
    never     what is not here is an error

See      docs.docker.com "docker run", --pull
Next     pull.py
"""

from __future__ import annotations

from contextlib import contextmanager

from minirun.errors import MinirunError, NotFoundError
from minirun.image import names, platforms, reference
from minirun.image import progress as silent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from minirun.image.image import Image
    from minirun.image.platforms import Platform
    from minirun.image.progress import Progress
    from minirun.image.store import Store

_NAMED_MAX = 5


def ensure(
    store: Store,
    text: str,
    policy: str = "missing",
    progress: Progress | None = None,
    platform: str = "",
) -> Image:
    """The image that `text` names, pulled when `policy` says so; its `pulled` tells whether it was.

    Raises NotFoundError when it is not to be had, MinirunError when the registry or the archive is not sound.
    """
    wanted = platforms.parse(platform) if platform else None
    progress = progress or silent.Progress()
    image = None if policy == "always" else store.find(text)
    other: Image | None = None  # it is here, and made for another platform
    if image is not None and wanted and not platforms.fits(image.document, wanted):
        if policy == "never" or names.is_whole_id(text):
            image.require(platform, text)
        image, other = None, image
    if image is None:
        image = _pull(store, text, policy, progress, wanted, other)
    if warning := platforms.warning(image.document, wanted):
        progress.say(warning)
    return image


def _pull(
    store: Store,
    text: str,
    policy: str,
    progress: Progress,
    platform: Platform | None,
    other: Image | None = None,
) -> Image:
    if policy == "never":
        hint = "minirun images lists those that are here"
        raise NotFoundError(f"no image {text} here, and --pull never", hint)
    if names.is_whole_id(text):
        raise NotFoundError(f"no image {text} here, and a registry is asked for names only")
    from minirun.image import pull  # TLS and HTTP: 75 ms

    name = reference.parse(text)
    if policy == "missing":
        progress.say(f"Unable to find image '{name.familiar}' locally")
    try:
        with naming_what_is_here(store):
            image = pull.pull(name, store, progress, platform)
    except MinirunError as error:
        if policy == "always":
            raise
        here = _not_here(name.familiar, platform, other)
        raise type(error)(f"{here}, and {error.message}", error.hint) from error
    image.pulled = True
    return image


@contextmanager
def naming_what_is_here(store: Store) -> Iterator[None]:
    """A registry that cannot be reached within: the hint also has what can be run without it."""
    try:
        yield
    except MinirunError as error:
        from minirun.image.transport import Broken

        if isinstance(error, Broken):
            error.hint = f"{error.hint}{_without_a_registry(store, error.hint.endswith('?'))}"
        raise


def _without_a_registry(store: Store, is_sentence: bool) -> str:
    """The names here, a few of them, for whoever has no network: a sentence, or the rest of one."""
    found = {reference.parse(image.reference).familiar for image in store.images() if image.reference}
    here = sorted(name.removesuffix(":latest") for name in found)
    if not here:
        return f"{' Without' if is_sentence else '; without'} it, scripts/rootfs busybox makes an image"
    more = f" and {len(here) - _NAMED_MAX} more" if len(here) > _NAMED_MAX else ""
    start = " Here" if is_sentence else "; here"
    return f"{start} without it: {', '.join(here[:_NAMED_MAX])}{more}; scripts/rootfs makes others"


def _not_here(name: str, platform: Platform | None, other: Image | None) -> str:
    if other is None or platform is None:
        return f"no image {name} here"
    has, wanted = platforms.show(platforms.of(other.document)), platforms.show(platform)
    return f"the image {name} here is for {has}, {wanted} is wanted"
