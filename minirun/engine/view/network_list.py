"""The networks there are, for those who only look: what makes and changes them takes longer to load."""

from __future__ import annotations

from minirun.network import ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.network.ledger import Network
    from minirun.paths import Paths


def list_all(paths: Paths) -> list[Network]:
    """All networks, the default one too."""
    return ledger.list_all(paths)
