"""The context of a build: the tree that COPY reads from, and the Dockerfile.

    DIRECTORY                 read where it is, never copied
    FILE.tar, -               an archive, packed or not, by its content; unpacked for the time of the build
    http://HOST/x, https:     the same from there; what is no archive is a Dockerfile with nothing around it
    git@HOST:x, ....git#ref:directory    checked out: remote.py

`-f` names the Dockerfile: a file of this machine for a directory, else one in the tree; `-` is standard input.
.dockerignore may leave it out, and it is still read.  NAME.dockerignore beside it is taken instead of .dockerignore.

See      docs.docker.com "Build context"; moby/buildkit frontend/dockerui
Next     ignore.py
"""

from __future__ import annotations

import io
import os
import stat

from minirun.build import ignore, scratch
from minirun.build.scratch import Scratch
from minirun.build.tree import Context, Tree, open_beneath, resolve
from minirun.errors import MinirunError, NotFoundError, UsageError, in_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from minirun.paths import Paths

NAMES = ("Dockerfile", "dockerfile", "Containerfile")  # where -f does not say
_IGNORE_FILES = (".containerignore", ".dockerignore")
_TEXT_BYTES_MAX = 64 << 20
_BLOCK = 512  # of a tar: enough to know one by


def load(
    paths: Paths, where: str, stdin: BinaryIO, *, dockerfile: str = "", keep_git_dir: bool = False
) -> tuple[Context, bytes, str]:
    """The context `where`, its Dockerfile, and what that is called.  Raises MinirunError.

    `keep_git_dir` is BUILDKIT_CONTEXT_KEEP_GIT_DIR.
    """
    scratch.clear(paths)
    if where == dockerfile == "-":
        raise UsageError("the context and the Dockerfile cannot both be standard input")
    context, alone = _opened(paths, where, stdin, keep_git_dir=keep_git_dir)
    try:
        if alone is not None:
            if dockerfile:
                raise UsageError(f"{context.shown} is a Dockerfile itself, so -f cannot name another")
            return context, alone, NAMES[0]
        text, name, patterns = _dockerfile(paths, context, dockerfile, stdin)
        context.ignore = _ignoring(patterns or _ignore_file(context))
        return context, text, name
    except BaseException:
        context.close()
        raise


def named(paths: Paths, value: str) -> Context:
    """The context that --build-context NAME=VALUE gives a name: a directory, an archive, an address."""
    context, alone = _opened(paths, value, io.BytesIO())
    try:
        if alone is not None:
            raise MinirunError(f"{context.shown}: neither a directory nor an archive")
        context.ignore = _ignoring(_ignore_file(context))
        return context
    except BaseException:
        context.close()
        raise


# ---- the tree ---------------------------------------------------------------------------------------------


def _opened(
    paths: Paths, where: str, stdin: BinaryIO, *, keep_git_dir: bool = False
) -> tuple[Context, bytes | None]:
    """The tree; or an empty one and the Dockerfile that `where` turned out to be."""
    if where == "-":
        return _from_stream(paths, stdin, "standard input")
    try:
        fd = os.open(where, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return _from_elsewhere(paths, where, keep_git_dir=keep_git_dir)
    except OSError as error:
        raise MinirunError(f"{where}: {error.strerror}") from None
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        return Context(fd, where, path=where), None
    with open(fd, "rb") as file:
        context, alone = _from_stream(paths, file, where)
    if alone is not None:
        context.close()
        raise UsageError(f"{where}: neither a directory nor an archive", "a Dockerfile is named with -f")
    return context, None


def _from_elsewhere(paths: Paths, where: str, *, keep_git_dir: bool) -> tuple[Context, bytes | None]:
    from minirun.build import remote

    if source := remote.git_source(where, or_path=True):
        return remote.checkout(paths, source, keep_git_dir=keep_git_dir), None
    if not remote.is_url(where):
        raise NotFoundError(f'path "{where}" not found')
    file = remote.download(paths, where)
    try:
        with open(open_beneath(file.fd, file.name, os.O_RDONLY), "rb") as stream:
            return _from_stream(paths, stream, where)
    finally:
        file.close()


def _from_stream(paths: Paths, stream: BinaryIO, shown: str) -> tuple[Context, bytes | None]:
    """A tar, unpacked; or an empty tree, and the Dockerfile that it is."""
    from minirun.build import archives

    head = _read_up_to(stream, _BLOCK)
    if not head:
        raise MinirunError(f"{shown} is empty, where a Dockerfile or a tar was expected")
    held = Scratch(paths)
    try:
        context = Context(os.dup(held.fd), shown, held=held)
        if not archives.looks_like_one(head):
            return context, _limited(head + stream.read(_TEXT_BYTES_MAX), shown)
        archives.unpack_stream(io.BufferedReader(_Rejoined(head, stream)), held.fd)
        context.owner = None  # an archive says whose its files are
        return context, None
    except BaseException as error:
        held.close()
        if isinstance(error, MinirunError):
            raise MinirunError(f"{shown}: {in_words(error)}", error.hint) from None
        raise


class _Rejoined(io.RawIOBase):
    """A stream, and what was read of it already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._head[: len(buffer)] or self._rest.read(len(buffer))
        self._head = self._head[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


def _read_up_to(stream: BinaryIO, size: int) -> bytes:
    """`size` bytes; fewer only at the end."""
    data = b""
    while len(data) < size and (part := stream.read(size - len(data))):
        data += part
    return data


def _limited(text: bytes, shown: str) -> bytes:
    if len(text) > _TEXT_BYTES_MAX:
        raise MinirunError(f"{shown} is larger than {_TEXT_BYTES_MAX >> 20} MiB, which no Dockerfile is")
    return text


# ---- Dockerfile and .dockerignore -------------------------------------------------------------------------


def _dockerfile(
    paths: Paths, context: Context, asked: str, stdin: BinaryIO
) -> tuple[bytes, str, tuple[str, bytes] | None]:
    """The Dockerfile, what it is called, and the file of patterns beside it."""
    if asked == "-":
        return _limited(stdin.read(_TEXT_BYTES_MAX + 1), "standard input"), NAMES[0], None
    if asked.startswith(("http://", "https://")):
        return _fetched(paths, asked), asked, None
    if asked and context.path:
        return _on_this_machine(context, asked)
    for name in [asked] if asked else NAMES:
        if (text := _in_tree(context, name)) is not None:
            patterns = _in_tree(context, f"{name}.dockerignore")
            return text, name, None if patterns is None else (f"{name}.dockerignore", patterns)
    name = asked or NAMES[0]
    raise NotFoundError(f"{context.shown}: {name}: No such file or directory", "-f names another Dockerfile")


def _on_this_machine(context: Context, name: str) -> tuple[bytes, str, tuple[str, bytes] | None]:
    """What -f names, seen from the directory that the command was given in."""
    try:
        with open(name, "rb") as file:
            text = _limited(file.read(_TEXT_BYTES_MAX + 1), name)
    except OSError as error:
        hint = "-f is looked for in the present directory, not in the context"
        inside = not os.path.isabs(name) and resolve(context.fd, name)[1] is not None
        raise NotFoundError(f"{name}: {error.strerror}", hint if inside else "") from None
    try:
        with open(f"{name}.dockerignore", "rb") as file:
            return text, name, (f"{name}.dockerignore", file.read(_TEXT_BYTES_MAX))
    except OSError:
        return text, name, None


def _fetched(paths: Paths, address: str) -> bytes:
    from minirun.build import remote

    file = remote.download(paths, address)
    try:
        return _limited(_in_tree(file, file.name) or b"", address)
    finally:
        file.close()


def _ignore_file(context: Context) -> tuple[str, bytes] | None:
    """The patterns at the top of the tree."""
    for name in _IGNORE_FILES:
        if (text := _in_tree(context, name)) is not None:
            return name, text
    return None


def _ignoring(patterns: tuple[str, bytes] | None) -> ignore.Ignore | None:
    if patterns is None:
        return None
    name, text = patterns
    try:
        lines = ignore.read(text)
        return ignore.Ignore(lines) if lines else None
    except MinirunError as error:
        raise MinirunError(f"{name}: {error}", error.hint) from None


def _in_tree(tree: Tree, name: str) -> bytes | None:
    """A file in the tree, links in it followed inside it; None when there is none.  No fifo is waited for."""
    path, status = resolve(tree.fd, name)
    if status is None:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise MinirunError(f"{tree.shown}: {name}: not a file")
    try:
        with open(open_beneath(tree.fd, path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            text = file.read(_TEXT_BYTES_MAX + 1)
    except OSError as error:
        raise MinirunError(f"{tree.shown}: {name}: {error.strerror}") from None
    return _limited(text, name)
