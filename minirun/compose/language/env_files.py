"""A service's files of variables and of labels become its environment and labels.

    `run -e` > environment > env_file, the last one first > the image's

See  compose-spec 05-services.md "env_file", "label_file"
"""

from __future__ import annotations

import os
from typing import Any

from minirun.compose.language import consistency, discovery, dotenv, keys
from minirun.compose.language.model import Project
from minirun.compose.language.problems import ComposeError, Problem
from minirun.compose.language.yaml_nodes import Node


def resolve(project: Project, tree: Node) -> None:
    """In place; `tree`, the merged files, tells the lines.

    Raises ComposeError for files that are missing or cannot be read, all of them.
    """
    problems: list[Problem] = []
    for name, service in project.services.items():
        _Resolver(project, name, tree, problems).resolve(service)
    if problems:
        raise ComposeError(problems)


class _Resolver:
    """Of one service."""

    def __init__(self, project: Project, name: str, tree: Node, problems: list[Problem]) -> None:
        self.project = project
        self.name = name
        self.tree = tree
        self.problems = problems
        self.own = project.services[name].get("environment") or {}

    def resolve(self, service: Any) -> None:
        files = service.pop("env_file", [])
        environment: dict[str, str | None] = {}
        for file in files:
            raw = file.get("format") == "raw"
            environment.update(self._values(file["path"], file.get("required", True), "env_file", raw))
        environment.update(self.own)
        if environment:
            service["environment"] = dict(sorted(environment.items()))
            _put_in_order(service)
        labels: dict[str, str] = {}
        for path in service.get("label_file", []):
            labels.update(self._values(path, True, "label_file"))
        if labels:
            service["labels"] = dict(sorted({**labels, **service.get("labels", {})}.items()))
            _put_in_order(service)

    def _values(self, path: str, required: bool, key: str, raw: bool = False) -> dict[str, str]:
        if not os.path.exists(path) and not required:
            return {}
        try:
            return dotenv.read_file(path, self._look_up, self._warn, raw=raw)
        except ComposeError as error:
            self.problems += error.problems
        except OSError as error:
            message = f"{path}: {(error.strerror or '').lower()}"
            self.problems.append(consistency.placed(message, ["services", self.name, key], self.tree))
        return {}

    def _look_up(self, name: str) -> str | None:
        """The project's variables come first, then those of the service."""
        value = self.project.environment.get(name)
        return self.own.get(name) if value is None else value

    def _warn(self, name: str) -> None:
        discovery.warn_unset(self.project.warnings, name)


def _put_in_order(service: dict[str, Any]) -> None:
    """The language's, where a key has come to it."""
    ordered = {key: service[key] for key in keys.SERVICE.table if key in service}
    ordered.update(service)
    service.clear()
    service.update(ordered)
