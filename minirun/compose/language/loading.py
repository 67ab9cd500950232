"""From files to a Project: what is read, in which order, and what becomes of it.

Next yaml_nodes.py
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from minirun.compose.language import discovery, yaml_nodes
from minirun.compose.language.discovery import Sources as Sources
from minirun.compose.language.model import Project


def load(sources: Sources, services: Sequence[str] = ()) -> Project:
    """The project that `sources` describe.  Raises ComposeError, NotFoundError."""
    files = discovery.files(sources)
    project = Project(discovery.name(sources), discovery.directory(sources))
    project.files = files
    for path in files:
        with open(path, encoding="utf-8") as file:
            for node in yaml_nodes.read(file.read(), os.path.relpath(path)):
                _take_over(project, yaml_nodes.plain(node))
    return project


def _take_over(project: Project, tree: Mapping[str, dict[str, dict[str, object]]]) -> None:
    for name, service in tree.get("services", {}).items():
        project.services[name] = {**service, "name": name}  # type: ignore[typeddict-item]
