"""What the kernel has refused a build, in the sentence that is told: `PATH: No space left on device`.

By hand  mount -t tmpfs -o size=2m none /mnt; minirun --root /mnt/a --state /mnt/b build .
"""

from __future__ import annotations

import errno

from minirun.errors import MinirunError, sentence

_ROOM = "`minirun system df` shows what takes room; `minirun builder prune` gives some back"


def told(error: Exception) -> Exception:
    """An OSError as a MinirunError, without Python's `[Errno 28]`; any other error as it is.

    >>> str(told(OSError(28, "No space left on device", "/var/x")))
    '/var/x: No space left on device'
    """
    # the network makes a MinirunError of its own
    cause = error if isinstance(error, OSError) else error.__context__
    hint = _ROOM if is_full(cause) and not getattr(error, "hint", "") else ""
    return MinirunError(sentence(error), hint) if hint or isinstance(error, OSError) else error


def is_full(error: BaseException | None) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
