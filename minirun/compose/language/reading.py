"""One file becomes trees: its text is read, its variables are filled in, its short forms are spelt out.

Next extends.py
"""

from __future__ import annotations

from collections.abc import Mapping

from minirun.compose.language import discovery, interpolation, keys, paths, yaml_nodes
from minirun.compose.language.problems import ComposeError, Problem
from minirun.compose.language.yaml_nodes import Node
from minirun.errors import MinirunError


class Reader:
    """Reads files with one environment, and gathers what is said and what is wrong.

    A file that includes another one reads it with a Reader of its own environment (`with_environment`).
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        interpolate: bool = True,
        resolve_paths: bool = True,
        stdin: str = "",
    ) -> None:
        self.environment = environment
        self.interpolate = interpolate
        self.resolve_paths = resolve_paths
        self.stdin = stdin
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self.values: dict[
            str, str
        ] = {}  # of variables of included projects that secrets and configs consist of
        self.extended: dict[str, dict[str, Node]] = {}  # services of files that are extended, by their paths

    def with_environment(self, environment: Mapping[str, str]) -> Reader:
        other = Reader(environment, self.interpolate)
        other.problems = self.problems
        other.warnings = self.warnings
        other.values = self.values
        return other

    def documents(self, path: str, directory: str) -> list[Node]:
        """The documents of a file; relative paths in them are those of `directory`.  What is wrong is a problem."""
        text = self.stdin if path == discovery.STDIN else discovery.read(path)
        try:
            documents = [
                tree for tree in yaml_nodes.read(text, discovery.shown(path)) if tree.value is not None
            ]
        except ComposeError as error:
            self.problems += error.problems
            return []
        for tree in documents:
            if not isinstance(tree.value, dict):
                self.problem(tree, "a compose file is a mapping: services, networks, volumes and so on")
            if self.interpolate:
                self.problems += interpolation.fill_in(tree, self.environment.get, self.warn_unset)
            keys.spell_out(tree)
            if directory:
                paths.make_absolute(tree, directory)
        return [tree for tree in documents if isinstance(tree.value, dict)]

    def problem(self, node: Node, message: str, path: str = "", hint: str = "") -> None:
        place = {"file": node.file, "line": node.line, "column": node.column}
        self.problems.append(Problem(message, path=path, hint=hint, **place))  # type: ignore[arg-type]

    def failed(self, node: Node, error: MinirunError, path: str) -> None:
        """Another file, that `node` names, could not be read."""
        if isinstance(error, ComposeError):
            self.problems += error.problems
        else:
            self.problem(node, error.message, path)

    def warn_unset(self, name: str) -> None:
        discovery.warn_unset(self.warnings, name)
