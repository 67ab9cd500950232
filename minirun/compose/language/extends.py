"""A service that extends another one, of its own file or of another file: it is merged onto that.

Another file's relative paths are those of its directory.  Networks and volumes that the other service mentions do
not come along: they are to be defined in this project.

See  compose-spec 05-services.md "extends"; compose-go loader/extends.go
Next merging.py
"""

from __future__ import annotations

import os

from minirun.compose.language import merging
from minirun.compose.language.reading import Reader
from minirun.compose.language.yaml_nodes import Node
from minirun.errors import MinirunError

Services = dict[str, Node]


def resolve(tree: Node, file: str, directory: str, reader: Reader) -> None:
    """All services of a document, in place.  `file` of `extends` is relative to `directory`."""
    services = _services(tree)
    for name in services:
        _Chain(reader).resolve(name, services, file, directory)


def _services(tree: Node) -> Services:
    section = tree.value.get("services") if isinstance(tree.value, dict) else None
    return section.value if section and isinstance(section.value, dict) else {}


class _Chain:
    """From a service to the one that extends nothing."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.links: list[tuple[str, str]] = []  # file and service

    def resolve(self, name: str, services: Services, file: str, directory: str) -> None:
        """Puts the service in `services`, with all that it extends."""
        service = services[name]
        extends = service.value.get("extends") if isinstance(service.value, dict) else None
        if extends is None:
            return
        path = f"services.{name}.extends"
        if not isinstance(extends.value, dict) or "service" not in extends.value:
            return self.reader.problem(
                extends, "expected the name of a service, or a mapping with service", path
            )
        if (file, name) in self.links:
            circle = " -> ".join(link[1] for link in [*self.links, (file, name)])
            return self.reader.problem(extends, f"extends goes in a circle: {circle}", path)
        self.links.append((file, name))
        base = self._base(extends, services, file, directory, path)
        if base is not None and isinstance(base.value, dict) and isinstance(service.value, dict):
            del service.value["extends"]
            base.value.pop("extends", None)
            services[name] = merging.merge_service(base, service, self.reader.problems)

    def _base(self, extends: Node, services: Services, file: str, directory: str, path: str) -> Node | None:
        """A copy of the service that is extended."""
        assert isinstance(extends.value, dict)
        name = str(extends.value["service"].value)
        other = extends.value.get("file")
        if other is not None and other.value:
            file = os.path.abspath(os.path.join(directory, str(other.value)))
            directory = os.path.dirname(file)
            try:
                services = self._services_of(file, directory)
            except MinirunError as error:
                self.reader.failed(other, error, f"{path}.file")
                return None
        if name not in services:
            where = f" in {file}" if other is not None else ""
            self.reader.problem(extends, f'there is no service "{name}"{where} to extend', path)
            return None
        self.resolve(name, services, file, directory)
        return services[name].copy()

    def _services_of(self, file: str, directory: str) -> Services:
        """Of another file, once: those that have been resolved are so when they are extended again."""
        if file not in self.reader.extended:
            services: Services = {}
            for tree in self.reader.documents(file, directory):
                services.update(_services(tree))
            self.reader.extended[file] = services
        return self.reader.extended[file]
