"""The context of a build: the directory that COPY reads from, and the Dockerfile.

See  docs.docker.com "Build context"
"""

from __future__ import annotations

import hashlib
import os

from minirun.build import ignore
from minirun.build.tree import Tree
from minirun.errors import NotFoundError
from minirun.files import read_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from minirun.paths import Paths


class Context(Tree):
    """A tree all of whose files are root's; `key` is the same for the same directory."""

    key = ""


def load(paths: Paths, where: str, stdin: BinaryIO, *, dockerfile: str = "") -> tuple[Context, bytes, str]:
    """The context `where`, its Dockerfile, and how that is called.  Raises NotFoundError."""
    name = dockerfile or "Dockerfile"
    path = dockerfile or os.path.join(where, name)
    try:
        fd = os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        text = read_bytes(path)
    except OSError as error:
        raise NotFoundError(f"{error.filename}: {error.strerror}") from None
    hidden = ignore.Ignore(_patterns(where))
    made = Context(fd, where, hidden, (0, 0))
    made.key = hashlib.sha256(os.path.realpath(where).encode(errors="surrogateescape")).hexdigest()[:32]
    return made, text, name


def named(paths: Paths, where: str) -> Context:
    """The directory of a --build-context, whatever its .dockerignore says.  Raises NotFoundError."""
    try:
        fd = os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise NotFoundError(f"{where}: {error.strerror}") from None
    made = Context(fd, where, None, (0, 0))
    made.key = hashlib.sha256(os.path.realpath(where).encode(errors="surrogateescape")).hexdigest()[:32]
    return made


def _patterns(where: str) -> list[str]:
    try:
        return ignore.read(read_bytes(os.path.join(where, ".dockerignore")))
    except FileNotFoundError:
        return []
