"""Which files a COPY, an ADD or a bind mount means, and where each of them goes.

    COPY a.txt /d/        a file: into the directory /d, under its own name
    COPY src /app         a directory: what is in it, into /app
    COPY *.py lib? /d/    wildcards within a name; each match as if it had been named; none is no error
    COPY link /d/         a link that is named is followed, one in a directory is copied
    COPY --parents a/./b/**/*.c /d/    what matches, with the directories from the pivot /./ on

Nothing is read here but directories, and of those only what is asked for and not left out.

See      tonistiigi/fsutil (copy, filter), which BuildKit copies with; docs.docker.com "COPY"
Next     digests.py
"""

from __future__ import annotations

import os
import stat

from minirun.build import digests, globs
from minirun.build.entries import Directory, Entry, Source, entry_of
from minirun.build.globs import Automaton
from minirun.build.ignore import Ignore, clean
from minirun.build.tree import DIRECTORY, Tree, open_beneath
from minirun.errors import MinirunError, NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from minirun.build.digests import Remembered, Row
    from minirun.build.ignore import Inside, Place
    from minirun.build.remote import Remote

    Filter = tuple[Ignore, bool]  # patterns, and whether what they match is the only that is wanted


class Order:
    """What one instruction asks for, after expansion.

    `files` are its heredocs; `remotes` what came for those sources that are addresses: see remote.py.
    """

    def __init__(
        self,
        sources: list[str],
        target: str,
        *,
        files: list[tuple[str, bytes]] | None = None,
        workdir: str = "/",
        exclude: list[str] | None = None,
        parents: bool = False,
        is_add: bool = False,
        unpack: bool | None = None,
        remotes: Mapping[str, Remote] | None = None,
    ) -> None:
        self.sources = sources
        self.files = files or []
        self.target = target
        self.workdir = workdir
        self.exclude = exclude or []
        self.parents = parents
        self.is_add = is_add
        self.unpack = unpack
        self.remotes = remotes or {}


class Selection:
    """All that an instruction reads.  `whole`: of a directory itself, too, what it is like."""

    def __init__(self, sources: list[Source], files: list[tuple[str, bytes]], *, whole: bool = False) -> None:
        self.sources = sources
        self.files = files
        self.whole = whole

    def entries(self, remembered: Remembered) -> list[Row]:
        """What of it decides about the layer, a row for each file: see digests.py."""
        return list(self._rows(remembered))

    def digest(self, remembered: Remembered) -> str:
        """`sha256:...` of those rows."""
        return digests.digest(self._rows(remembered))

    def _rows(self, remembered: Remembered) -> Iterator[Row]:
        return digests.rows(self.sources, self.files, remembered, whole=self.whole)


def select(tree: Tree, order: Order) -> Selection:
    """What `order` asks for, in its order.  Raises NotFoundError `"/x": not found`."""
    sources: list[Source] = []
    for pattern in order.sources:
        if remote := order.remotes.get(pattern):
            found = [_source(remote, remote.name, _excluding(order.exclude))]
        else:
            found = (_with_parents if order.parents else _named)(tree, pattern, order.exclude)
        for source in found:
            source.unpack = order.is_add and remote is None if order.unpack is None else order.unpack
        sources += found
    return Selection(sources, order.files)


def select_path(tree: Tree, path: str) -> Selection:
    """A bind mount's source: `path` and all that is in it."""
    return Selection([_source(tree, path, [])], [], whole=True)


# ---- sources ----------------------------------------------------------------------------------------------


def _named(tree: Tree, pattern: str, exclude: list[str]) -> list[Source]:
    """A source without --parents: a name, or all that a pattern matches."""
    pattern = clean(f"/{pattern}").strip("/")
    filters = _excluding(exclude)
    if not globs.has_wildcards(pattern):
        return [_source(tree, pattern, filters)]
    left_out = Ignore(exclude)
    paths = [path for path in _expanded(tree, pattern) if not left_out.excludes(os.path.basename(path))]
    return [source for path in paths if not _unseen(tree, source := _source(tree, path, filters, seen=True))]


def _with_parents(tree: Tree, pattern: str, exclude: list[str]) -> list[Source]:
    """A source with --parents: the directory before the pivot, and in it what the pattern after it matches."""
    base, pivot, wanted = pattern.partition("/./")
    base, wanted = (clean(f"/{path}").strip("/") for path in ((base, wanted) if pivot else ("", pattern)))
    filters = _excluding(exclude)
    if wanted:
        filters.append((Ignore([wanted]), True))
    bases = _expanded(tree, base) if globs.has_wildcards(base) else [base]
    sources = [_source(tree, path, filters) for path in bases]
    if not globs.has_wildcards(base + wanted) and not any(map(_has_content, sources)):
        raise _not_found(tree, f"{base}/{wanted}".strip("/"))
    return sources


def _excluding(exclude: list[str]) -> list[Filter]:
    return [(Ignore(exclude), False)] if exclude else []


def _source(tree: Tree, path: str, filters: list[Filter], *, seen: bool = False) -> Source:
    """The file or directory that `path` leads to.  `seen`: a name that a pattern found."""
    found, status = tree.find(path)
    path = path.strip("/")
    if status is None or (not stat.S_ISDIR(status.st_mode) and tree.hides(found)):
        raise _not_found(tree, path)
    if stat.S_ISSOCK(status.st_mode):
        raise MinirunError(f'"/{path}": a socket cannot be copied', "no layer can hold one")
    entry = entry_of(os.path.basename(found), status, tree.owner)
    directories = _walk(tree, found, entry, filters) if stat.S_ISDIR(status.st_mode) else None
    source = Source(tree, found, path, entry, directories)
    if not seen and _unseen(tree, source):
        raise _not_found(tree, path)
    return source


def _has_content(source: Source) -> bool:
    return source.directories is None or bool(source.directories[0].entries)


def _unseen(tree: Tree, source: Source) -> bool:
    """Whether it is a directory that is left out, and so is all that is in it."""
    return bool(source.path) and not _has_content(source) and tree.hides(source.path)


def _not_found(tree: Tree, path: str) -> NotFoundError:
    hint = f"it is looked for in {tree.shown}"
    if tree.hides(clean(f"/{path}")[1:]):
        hint = ".dockerignore leaves it out"
    return NotFoundError(f'"/{path}": not found', hint)


def _expanded(tree: Tree, pattern: str) -> list[str]:
    """All that a pattern of COPY matches, sorted.  Links are followed before the first wildcard, not after it."""
    names = pattern.split("/")
    first = next(index for index, name in enumerate(names) if globs.has_wildcards(name))
    base, status = tree.find("/".join(names[:first]))
    if status is None or not stat.S_ISDIR(status.st_mode):
        raise _not_found(tree, "/".join(names[:first]))
    found = [base]
    for index, name in enumerate(names[first:], first):
        automaton = Automaton([name], deep=False)
        last = index == len(names) - 1
        found = [path for above in found for path in _matching(tree, above, automaton, directories=not last)]
    return found


def _matching(tree: Tree, directory: str, automaton: Automaton, *, directories: bool) -> Iterator[str]:
    """What in one directory matches.  `directories`: those alone."""
    for name, mode, *_ in _read(tree, directory):
        path = f"{directory}/{name}" if directory else name
        if globs.matches(automaton, name) and (stat.S_ISDIR(mode) or not (directories or tree.hides(path))):
            yield path


# ---- directories ------------------------------------------------------------------------------------------


class _Held:
    """A directory that is not wanted by itself, but that something in it may want."""

    def __init__(self, parent: Directory, directory: Directory, above: _Held | None) -> None:
        self.parent = parent
        self.directory = directory
        self.above = above
        self.wanted = False

    def want(self, found: list[Directory]) -> None:
        if not self.wanted:
            self.wanted = True
            if self.above:
                self.above.want(found)
            self.parent.entries.append(self.directory.itself)
            found.append(self.directory)


def _walk(tree: Tree, path: str, entry: Entry, filters: list[Filter]) -> list[Directory]:
    """The directory `path` and those below it, each after the one that it is in, as far as they are wanted."""
    insides = [patterns.top for patterns, _ in filters]
    if tree.ignore:
        filters = [*filters, (tree.ignore, False)]
        insides.append(tree.ignore.enter(path))
    top = Directory(path, entry)
    found = [top]
    waiting: list[tuple[Directory, list[Inside], _Held | None]] = [(top, insides, None)]
    while waiting:
        directory, insides, held = waiting.pop()
        for entry in _read(tree, directory.path):
            wanted, opened, places = _filtered(filters, insides, entry[0])
            if wanted:
                if held:
                    held.want(found)
                directory.entries.append(entry)
            if opened and stat.S_ISDIR(entry[1]):
                path = f"{directory.path}/{entry[0]}" if directory.path else entry[0]
                child = Directory(path, entry)
                below = [patterns.inside(place) for (patterns, _), place in zip(filters, places, strict=True)]
                waiting.append((child, below, None if wanted else _Held(directory, child, held)))
                if wanted:
                    found.append(child)
    return found


def _filtered(filters: list[Filter], insides: list[Inside], name: str) -> tuple[bool, bool, list[Place]]:
    """Whether a name in a directory is wanted; whether something below it may be; and what each filter says of it."""
    places = [patterns.look(inside, name) for (patterns, _), inside in zip(filters, insides, strict=True)]
    wanted = opened = True
    for (patterns, only), place in zip(filters, places, strict=True):
        wanted = wanted and place[2] == only
        opened = opened and not (patterns.barren(place) if only else patterns.closed(place))
    return wanted, opened, places


def _read(tree: Tree, path: str) -> list[Entry]:
    """What is in a directory, sorted by name, without sockets."""
    try:
        fd = open_beneath(tree.fd, path, DIRECTORY)
        try:
            with os.scandir(fd) as listing:
                return list(_entries(sorted(listing, key=lambda item: item.name), tree.owner))
        finally:
            os.close(fd)
    except OSError as error:
        raise MinirunError(f"{tree.shown}: /{path}: {error.strerror}") from None


def _entries(listing: list[os.DirEntry[str]], owner: tuple[int, int] | None) -> Iterator[Entry]:
    for item in listing:
        try:
            status = item.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue  # gone in this moment
        if not stat.S_ISSOCK(status.st_mode):
            yield entry_of(item.name, status, owner)
