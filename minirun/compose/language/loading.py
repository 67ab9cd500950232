"""From files to a Project: what is read, in which order, and what becomes of it.

     1  discovery.py      which files, which directory, which variables
     2  yaml_nodes.py     text becomes Nodes that know their lines
     3  interpolation.py  $X is filled in
     4  extends.py        services that extend others are merged onto them
     5  include.py        other projects are copied in
     6  merging.py        each file goes on the one before it
     7  checking.py       keys and types; from here on everything that is wrong is known
     8  canonical.py      one form for everything, defaults
     9  profiles.py       which services are on
    10  consistency.py    do they fit together
    11  env_files.py      files of variables are read

Next discovery.py
"""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from typing import Any

from minirun.compose.language import (
    canonical,
    checking,
    consistency,
    discovery,
    env_files,
    extends,
    include,
    merging,
    profiles,
)
from minirun.compose.language.discovery import Sources as Sources
from minirun.compose.language.model import Project
from minirun.compose.language.problems import ComposeError, Problem
from minirun.compose.language.reading import Reader
from minirun.compose.language.yaml_nodes import Node


class Flags:
    """What `compose config` may leave out, and what --all-resources leaves in."""

    def __init__(
        self,
        *,
        interpolate: bool = True,
        normalize: bool = True,
        resolve_paths: bool = True,
        check_consistency: bool = True,
        resolve_environment: bool = True,
        all_resources: bool = False,
    ) -> None:
        self.interpolate = interpolate
        self.normalize = normalize
        self.resolve_paths = resolve_paths
        self.check_consistency = check_consistency
        self.resolve_environment = resolve_environment
        self.all_resources = all_resources


def load(sources: Sources, services: Sequence[str] = (), **flags: bool) -> Project:
    """The project that `sources` describe; the profiles of `services` are on.  `flags` are those of Flags.

    Raises ComposeError that has all that is wrong, NotFoundError for files and services that are not there.
    """
    collecting = gc.isenabled()
    gc.disable()  # a large file is very many objects, none of them garbage: looking for some takes half of the time
    try:
        return _load(sources, services, Flags(**flags))
    finally:
        if collecting:
            gc.enable()


def _load(sources: Sources, services: Sequence[str], flags: Flags) -> Project:
    files = discovery.files(sources)
    found = discovery.look(sources)
    name = found.environment["COMPOSE_PROJECT_NAME"] = discovery.name(sources)
    reader = Reader(found.environment, flags.interpolate, flags.resolve_paths, sources.stdin)
    merged = tree(files, found.directory, reader)
    merging.settle(merged)
    if not merged.value and not reader.problems:
        raise ComposeError([Problem("empty compose file", file=discovery.shown(files[0]))])
    _raise(reader.problems + checking.check(merged, lenient=not flags.interpolate))
    where = canonical.Where(
        name,
        found.directory,
        found.environment,
        normalize=flags.normalize,
        resolve_paths=flags.resolve_paths,
        typed=flags.interpolate,
    )
    project = _project(canonical.make(merged, where), where)
    project.files = files
    project.env_files = [path for path in found.env_files if path != os.path.join(found.directory, ".env")]
    project.environment = {**found.environment, **reader.values}
    project.warnings = [*found.warnings, *reader.warnings]
    profiles.apply(project, found.profiles)
    profiles.enable(project, services)
    _finish(project, merged, flags)
    return project


def _finish(project: Project, merged: Node, flags: Flags) -> None:
    """What depends on which services are on."""
    if flags.check_consistency:
        _raise(consistency.check(project, merged))
    if flags.resolve_environment:
        env_files.resolve(project, merged)
    if not flags.all_resources:
        profiles.drop_unused(project)


def tree(files: Sequence[str], directory: str, reader: Reader, including: Sequence[str] = ()) -> Node:
    """The files, one merged onto the other.  `including`: those that are being read and include these."""
    merged = Node({}, file=files[0])
    for file in files:
        for document in reader.documents(file, directory if reader.resolve_paths else ""):
            extends.resolve(document, file, directory, reader)
            include.resolve(document, directory, reader, [*including, file], tree)
            _drop_version(document, file, reader)
            merged = merging.merge(merged, document, reader.problems)
            merging.drop_repeated(merged)
    return merged


def _drop_version(document: Node, file: str, reader: Reader) -> None:
    assert isinstance(document.value, dict)
    version = document.value.get("version")
    if version and isinstance(version.value, str):
        del document.value["version"]
        reader.warnings.append(
            f"{file}: the attribute `version` is obsolete, it will be ignored, "
            "please remove it to avoid potential confusion"
        )


def _raise(problems: list[Problem]) -> None:
    """The problems in the order of the files, one of several at the same place."""
    if problems:
        first: dict[Any, Problem] = {}
        for problem in problems:
            first.setdefault((problem.place, problem.path) if problem.line else problem, problem)
        raise ComposeError(
            sorted(first.values(), key=lambda problem: (problem.file, problem.line, problem.column))
        )


def _project(made: dict[str, Any], where: canonical.Where) -> Project:
    project = Project(where.name, where.directory)
    project.services = made.get("services") or {}
    for name, service in project.services.items():
        service["name"] = name
    project.networks = made.get("networks") or {}
    project.volumes = made.get("volumes") or {}
    project.secrets = made.get("secrets") or {}
    project.configs = made.get("configs") or {}
    project.extensions = {key: value for key, value in made.items() if key.startswith("x-")}
    return project
