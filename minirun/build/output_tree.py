"""The files of a result, taken out of it: `type=local` into a directory, `type=tar` as one archive.

    layers ──overlay, read-only, only a descriptor leads to it──> tree ──┬──> tar
                                                                         └──> directory

In a directory every file appears by one rename, so none is ever half there; a directory that was not there before
appears whole.  Files belong to who runs this, as with Docker; modes and times stay (tree_copy.py).

See      buildkit exporter/local, session/filesync: mode=copy, mode=delete; engine/files/detached.py
By hand  mount -t overlay overlay -o ro,lowerdir=L3:L2:L1 tree; cp -a tree/. DIR
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from minirun.build.progress import Part
from minirun.build.tree_copy import TreeCopy
from minirun.engine.files import detached
from minirun.errors import MinirunError
from minirun.files import remove_tree
from minirun.image import chain, save, tarwriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from minirun.build.output_words import Output
    from minirun.build.progress import Progress, Vertex

    Told = Callable[[int], None]  # of bytes that went by


def write(layers: list[str], output: Output, progress: Progress, vertex: Vertex) -> None:
    """The tree of the directories `layers`, lowest first, to where `output` says.  For use within `Store.adding()`."""
    root = detached.overlay(chain.each_once(layers)[::-1])
    try:
        if output.kind == "tar":
            part = Part(progress, vertex, "sending tarball")
            send(output.dest, part.passing(tarwriter.of_tree(root, with_root=False)))
        else:
            part = Part(progress, vertex, "copying files")
            as_directory(root, output.dest, part.add, delete=output.mode == "delete")
            part.complete()
    finally:
        os.close(root)


def send(dest: str, chunks: Iterator[bytes]) -> None:
    """To a file, which then has all of them or is as it was before; or with "-" to standard output."""
    if dest == "-":
        save.write_all(1, chunks)
    else:
        save.write_to(dest, chunks, 0o644)


def as_directory(root: int, dest: str, told: Told, *, delete: bool) -> None:
    """The tree as the directory `dest`: what is there already stays, unless `delete`."""
    dest = os.path.abspath(dest)
    try:
        if os.path.isdir(dest):
            _copy(root, dest, told, delete)
        else:
            _make_whole(root, dest, told)
    except OSError as error:
        raise MinirunError(f"--output {dest}: {error.strerror}") from error


def _make_whole(root: int, dest: str, told: Told) -> None:
    above, name = os.path.split(dest)
    os.makedirs(above, exist_ok=True)
    temporary = f"{above}/.{name[:200]}.{os.urandom(4).hex()}"
    os.mkdir(temporary, 0o755)
    try:
        _copy(root, temporary, told, delete=False)
        os.rename(temporary, dest)
    except BaseException:
        remove_tree(temporary)
        raise


def _copy(root: int, dest: str, told: Told, delete: bool) -> None:
    target = os.open(dest, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        TreeCopy(root, target, (os.getuid(), os.getgid()), told).run(delete=delete)
    finally:
        os.close(target)
