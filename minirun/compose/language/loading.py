"""From files to a Project: what is read, in which order, and what becomes of it.

Next yaml_nodes.py
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from minirun.compose.language import canonical, checking, consistency, discovery, keys, yaml_nodes
from minirun.compose.language.discovery import Sources as Sources
from minirun.compose.language.model import Project
from minirun.compose.language.problems import ComposeError


def load(sources: Sources, services: Sequence[str] = ()) -> Project:
    """The project that `sources` describe.  Raises ComposeError, NotFoundError."""
    files = discovery.files(sources)
    project = Project(discovery.name(sources), discovery.directory(sources))
    project.files = files
    for path in files:
        with open(path, encoding="utf-8") as file:
            for node in yaml_nodes.read(file.read(), os.path.relpath(path)):
                keys.spell_out(node)
                _raise(checking.check(node))
                where = canonical.Where(project.name, project.working_dir, os.environ)
                _take_over(project, canonical.make(node, where))
    _raise(consistency.check(project))
    return project


def _raise(problems: list[Any]) -> None:
    if problems:
        raise ComposeError(problems)


def _take_over(project: Project, plain: Mapping[str, Any]) -> None:
    for name, service in plain.get("services", {}).items():
        service["name"] = name
        project.services[name] = service
    for section in ("networks", "volumes", "secrets", "configs"):
        getattr(project, section).update(plain.get(section) or {})
    project.extensions.update((key, value) for key, value in plain.items() if key.startswith("x-"))
