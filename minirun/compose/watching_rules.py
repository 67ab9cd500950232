"""What a changed file means: the rules of `develop.watch`, and what they ask for.

Pure, but for the text of .dockerignore and the look for what `initial_sync` copies.

    develop:
      watch:
        - {path: ./src, action: sync, target: /app/src, ignore: [node_modules/]}
        - {path: ./package.json, action: rebuild}

What is left out: what the build leaves out, editors' own files, .git, and the rule's `ignore`; of what is left the
rule's `include`, where it has one.

See  compose-spec develop.md; build/ignore.py for the patterns
Next watching_files.py
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from minirun.build import ignore
from minirun.compose import build_options, order
from minirun.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from minirun.compose.language.model import Project, Service

SYNC = ("sync", "sync+restart", "sync+exec")
_IGNORE_FILES = (".containerignore", ".dockerignore")  # as build/context.py has them
_EDITORS = (
    "**/*___jb_old___",
    "**/*___jb_tmp___",
    "**/.idea",
    "**/.#*",
    "**/4913",
    "**/*~",
    "**/.*.swp",
    "**/.*.swx",
    "**/.*.swo",
    "**/.*.swn",
    "**/.git",
)
_NOT_AT_FIRST = (
    "**/Dockerfile",
    "**/compose.y*ml",
    "**/compose.override.y*ml",
    "**/docker-compose.y*ml",
    "**/docker-compose.override.y*ml",
)


class Patterns:
    """Some patterns, and the directory that they begin at."""

    def __init__(self, directory: str, patterns: Sequence[str]) -> None:
        self.directory = directory.rstrip("/")
        self._ignore = ignore.Ignore([_relative(directory, pattern) for pattern in patterns])

    def matches(self, path: str, *, closed: bool = False) -> bool:
        """Whether they match the path, or a directory above it.  `closed`: and everything that is below it, too."""
        if not is_below(path, self.directory) or path == self.directory:
            return False
        inside, out = self._ignore.top, False
        for name in path[len(self.directory) + 1 :].split("/"):
            place = self._ignore.look(inside, name)
            out = self._ignore.closed(place) if closed else place[2]
            if closed and out:
                return True
            inside = self._ignore.inside(place)
        return out


def _relative(directory: str, pattern: str) -> str:
    """A pattern may be written as a whole path."""
    return os.path.relpath(pattern, directory) if pattern.startswith(f"{directory}/") else pattern


def is_below(path: str, directory: str) -> bool:
    """
    >>> is_below("/a/b", "/a"), is_below("/a", "/a"), is_below("/ab", "/a")
    (True, True, False)
    """
    return path == directory or path.startswith(f"{directory.rstrip('/')}/")


class Rule:
    """One entry of a service's `develop.watch`."""

    def __init__(self, service: Service, given: dict[str, Any], build_ignore: Patterns | None) -> None:
        self.service = service["name"]
        self.path = given["path"].rstrip("/") or "/"
        self.action: str = given["action"]
        self.target: str = given.get("target") or ""
        self.hook: dict[str, Any] = given.get("exec") or {}
        self.is_initial = bool(given.get("initial_sync")) and self.action in SYNC
        self._include = Patterns(self.path, given["include"]) if given.get("include") else None
        own = Patterns(self.path, given.get("ignore") or [])
        self._ignored = [one for one in (build_ignore, Patterns("/", _EDITORS), own) if one]
        self._not_at_first = Patterns("/", _NOT_AT_FIRST)

    def is_about(self, path: str) -> bool:
        """Whether a change of `path` is its business."""
        if not is_below(path, self.path) or any(one.matches(path) for one in self._ignored):
            return False
        return self._include is None or self._include.matches(path)

    def is_blind_to(self, directory: str) -> bool:
        """Whether nothing in a directory can ever be its business."""
        if not is_below(directory, self.path):
            return not is_below(self.path, directory)
        return any(one.matches(directory, closed=True) for one in self._ignored)

    def target_of(self, path: str) -> str:
        """Where a file belongs in a container.

        `target` is the place of `path`: of a directory that of its content, of a file that of itself.
        """
        return os.path.normpath(os.path.join(self.target, os.path.relpath(path, self.path)))

    def is_copied_at_first(self, path: str) -> bool:
        """What makes the image is not what is in it."""
        return self.is_about(path) and not self._not_at_first.matches(path)


class Batch:
    """What some changes ask for, by service."""

    def __init__(self) -> None:
        self.rebuild: list[str] = []
        self.sync: dict[str, list[tuple[str, str]]] = {}  # (path here, path in a container)
        self.restart: list[str] = []
        self.execute: list[Rule] = []


def rules_of(project: Project, services: Sequence[str] = ()) -> tuple[list[Rule], list[str]]:
    """The rules of the services, none: all, and warnings.

    Raises UsageError for one that cannot be, and where there is none.
    """
    rules: list[Rule] = []
    warnings: list[str] = []
    for name in order.selected(project, services, dependencies=False):
        service = project.services[name]
        for given in (service.get("develop") or {}).get("watch") or []:
            _check(service, given)
            if given["action"] in SYNC and _is_bind_mounted(service, given["path"]):
                warnings.append(
                    f"path '{given['path']}' also declared by a bind mount volume, this path won't be monitored!"
                )
                continue
            rules.append(Rule(service, given, _build_ignore(service)))
    if not rules and not warnings:
        raise UsageError(
            "none of the selected services is configured for watch, consider setting a 'develop' section",
            "develop: {watch: [{path: ./src, action: sync, target: /app/src}]}",
        )
    return rules, warnings


def _check(service: Service, given: dict[str, Any]) -> None:
    name, action = service["name"], given["action"]
    if action == "rebuild" and not service.get("build"):
        raise UsageError(f'can\'t watch service "{name}" with action rebuild without a build context')
    if action == "sync+exec" and not (given.get("exec") or {}).get("command"):
        raise UsageError(f'can\'t watch with action "sync+exec" on service {name} without a command')
    if action in SYNC and not given.get("target"):
        raise UsageError(f"services.{name}.develop.watch: action {action} of {given['path']} has no target")


def _is_bind_mounted(service: Service, path: str) -> bool:
    mounts = service.get("volumes") or []
    return any(mount["type"] == "bind" and is_below(path, mount.get("source", "")) for mount in mounts)


def _build_ignore(service: Service) -> Patterns | None:
    """What the service's build does not see."""
    build = service.get("build") or {}
    context = build.get("context") or ""
    if not os.path.isdir(context):
        return None
    dockerfile = build_options.dockerfile(build) or f"{context}/Dockerfile"
    for path in (f"{dockerfile}.dockerignore", *(f"{context}/{name}" for name in _IGNORE_FILES)):
        try:
            with open(path, "rb") as file:
                return Patterns(context, ignore.read(file.read()))
        except OSError:
            continue
    return None


def batch(rules: Sequence[Rule], changed: Iterable[str]) -> Batch:
    """What the changes of files ask for."""
    found = Batch()
    for path in changed:
        for rule in rules:
            if rule.is_about(path):
                _add(found, rule, path)
    return found


def _add(found: Batch, rule: Rule, path: str) -> None:
    if rule.action == "rebuild" and rule.service not in found.rebuild:
        found.rebuild.append(rule.service)
    if rule.action in SYNC:
        found.sync.setdefault(rule.service, []).append((path, rule.target_of(path)))
    if rule.action in ("restart", "sync+restart") and rule.service not in found.restart:
        found.restart.append(rule.service)
    if rule.action == "sync+exec" and rule not in found.execute:
        found.execute.append(rule)


def at_first(rules: Iterable[Rule]) -> dict[str, list[tuple[str, str]]]:
    """`initial_sync`: what is copied before anything has changed."""
    found: dict[str, list[tuple[str, str]]] = {}
    for rule in rules:
        if rule.is_initial:
            pairs = [(path, rule.target_of(path)) for path in _files(rule) if rule.is_copied_at_first(path)]
            found.setdefault(rule.service, []).extend(pairs)
    return found


def _files(rule: Rule) -> Iterator[str]:
    """All files that are there for a rule, without what is in directories that it is blind to."""
    if not os.path.isdir(rule.path):
        yield from [rule.path] if os.path.lexists(rule.path) else []
        return
    for directory, below, files in os.walk(rule.path):
        below[:] = sorted(name for name in below if not rule.is_blind_to(f"{directory}/{name}"))
        links = [name for name in below if os.path.islink(f"{directory}/{name}")]
        yield from (f"{directory}/{name}" for name in sorted([*files, *links]))
