"""`--cidfile`: a file with the container's id, for scripts; it is there only when the container is."""

from __future__ import annotations

import contextlib
import os

from minirun.errors import ConflictError, MinirunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO


@contextlib.contextmanager
def reserved(path: str) -> Iterator[IO[str] | None]:
    """The new file, to write the id to; None for "".  An error in the with block takes it away again.

    Raises ConflictError when there is such a file: it may be another container's.
    """
    if not path:
        yield None
        return
    try:
        file = open(path, "x", encoding="utf-8")
    except FileExistsError:
        raise ConflictError(
            f"container ID file found: {path}", "make sure that its container is not running, and delete it"
        ) from None
    except OSError as error:
        raise MinirunError(f"cannot make the container ID file {path}: {error.strerror}") from None
    try:
        with file:
            yield file
    except BaseException:
        os.unlink(path)
        raise
