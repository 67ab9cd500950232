"""Everything goes: containers, images, volumes and networks of one pair of directories.

Only what minirun has made there is taken away.  Who says `--root /srv` and has other things in /srv keeps them.
"""

from __future__ import annotations

import os

from minirun.engine import containers
from minirun.files import names_in, remove_tree
from minirun.paths import is_ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from minirun.paths import Paths


def reset(paths: Paths) -> list[str]:
    """Remove all of it, the running containers first.  Returns the directories that are kept, for others use them."""
    for record in containers.all_containers(paths):
        containers.remove(paths, record, force=True)
    for path in _ours(paths):
        remove_tree(path)
    return [path for path in (paths.root, paths.state) if not _remove_empty(path)]


def _ours(paths: Paths) -> Iterator[str]:
    """What is minirun's in the two trees."""
    for name in names_in(paths.root):
        if is_ours(name):
            yield f"{paths.root}/{name}"
    for name in names_in(paths.state):
        if _is_id(name) or name.startswith("."):
            yield f"{paths.state}/{name}"


def _is_id(name: str) -> bool:
    return len(name) == 64 and set(name) <= set("0123456789abcdef")


def _remove_empty(path: str) -> bool:
    try:
        os.rmdir(path)
    except FileNotFoundError:
        pass
    except OSError:  # ENOTEMPTY, or EBUSY: a file system of its own
        return False
    return True
