"""Images that scripts/rootfs makes of Debian's packages; kept from one test run to the next."""

import os
from pathlib import Path

from tests.support import CHECKOUT, Minirun, run

SCRIPT = CHECKOUT / "scripts" / "rootfs"
KEPT = Path(os.environ.get("MINIRUN_ROOTFS", "/var/cache/minirun-rootfs"))
PATIENCE = 900  # seconds: packages come from wherever this machine's apt takes them


def kept(recipe: str) -> Path:
    """The OCI layout tar of a recipe, made unless it is there; a changed recipe is made again."""
    made = run(SCRIPT, "kept", recipe, timeout=PATIENCE, check=True)
    return Path(made.stdout.rstrip("\n"))


class StandIns:
    """stand_ins("python") -> `python:3.11-slim`, made and loaded on first use."""

    def __init__(self, minirun: Minirun) -> None:
        self._minirun = minirun
        self._loaded: dict[str, str] = {}

    def __call__(self, recipe: str) -> str:
        if recipe not in self._loaded:
            loaded = self._minirun("load", "-i", kept(recipe), check=True).stdout
            self._loaded[recipe] = loaded.splitlines()[0].removeprefix("Loaded image: ")
        return self._loaded[recipe]
