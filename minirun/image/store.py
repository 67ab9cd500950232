"""The image store: all that is known of images under one root, and who needs what of it.

    layout.py        blobs and the index, on disk
    image.py         what one entry of the index stands for
    names.py         from a name to an image; names given
    sweep.py         what nothing needs any more goes
    pull_policy.py   `--pull missing`: here, or from a registry

The store is small: it keeps the layout together with the claims on its layers, which come from above.

By hand  skopeo inspect oci:/var/lib/minirun/images:docker.io/library/alpine:latest
Next     layers.py
"""

from __future__ import annotations

from minirun.files import locked
from minirun.image import names
from minirun.image.layout import Layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from minirun.image.image import Image
    from minirun.image.settings import Settings
    from minirun.image.sweep import Claims
    from minirun.paths import Paths


class Store:
    """Making one touches nothing.

    `claims`, called under the sweep's lock, yields all that is claimed of the unpacked layers.  Without it the
    store is for looking and adding: what it does not know to be free, it never sweeps away.
    """

    def __init__(self, paths: Paths, claims: Claims | None = None) -> None:
        self.paths = paths
        self.layout = Layout(paths)
        self.claims = claims
        self._settings: Settings | None = None

    @property
    def settings(self) -> Settings:
        """What the file of `--config` says about registries and limits."""
        if self._settings is None:
            from minirun.image import settings  # TOML: for those who pull, push and unpack

            self._settings = settings.load(self.paths.registries)
        return self._settings

    def images(self) -> list[Image]:
        """Every name, in the order they came: names.images."""
        return names.images(self.layout)

    def find(self, text: str) -> Image | None:
        """The image that `text` names, or None: names.find."""
        return names.find(self.layout, text)

    def get(self, text: str) -> Image:
        """The image that `text` names.  Raises NotFoundError."""
        return names.get(self.layout, text)

    def lease(self) -> locked:
        """Held from before layers are chosen until a claim is on them: nobody sweeps meanwhile.

        Here and not in sweep.py, which a run has no use for.
        """
        return locked(self.layout.content_lock, shared=True)

    def adding(self) -> AbstractContextManager[None]:
        """Held while an image comes in; then what no name leads to is swept away: sweep.adding."""
        from minirun.image import sweep

        return sweep.adding(self.layout, self.claims)

    def sweep(self, *, partial: bool = False) -> None:
        """Remove what nothing needs any more: sweep.sweep."""
        from minirun.image import sweep

        sweep.sweep(self.layout, self.claims, partial=partial)
