"""Images that scripts/rootfs makes of Debian's packages; kept from one test run to the next."""

from pathlib import Path

from tests.support import CHECKOUT, Minirun, run

SCRIPT = CHECKOUT / "scripts" / "rootfs"
PATIENCE = 900  # seconds: packages come from wherever this machine's apt takes them


def kept(recipe: str) -> Path:
    """The OCI layout tar of a recipe, made unless it is there; a changed recipe is made again."""
    made = run(SCRIPT, "kept", recipe, timeout=PATIENCE, check=True)
    return Path(made.stdout.rstrip("\n"))


def load(minirun: Minirun, *recipes: str) -> None:
    """Makes the images of the recipes known to minirun, under the names that the guide has for them."""
    for recipe in recipes:
        minirun("load", "-i", kept(recipe), check=True)
