"""A project as `compose config` prints it: YAML in the language's order, or JSON as Go's types of it come out.

    Project -> plain values -> yaml_text.py, json_text.py -> every $ is $$ again, so that it can be read once more

Next hashing.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minirun.compose.language import json_text, yaml_text
from minirun.compose.language.keys import FILE
from minirun.compose.language.kinds import ABSENT, Keys, Kind, List, Long, Map

if TYPE_CHECKING:
    from minirun.compose.language.model import Project

_STEP = 2


def as_yaml(project: Project, *, raw: bool = False) -> str:
    """`raw`: its variables are in it still; then all services are shown as the files have them, keys sorted."""
    if raw:
        return yaml_text.dump(_sorted(plain(project, everything=True)))
    return yaml_text.dump(plain(project)).replace("$", "$$")


def as_json(project: Project, *, raw: bool = False) -> str:
    if raw:
        return json_text.dumps(_sorted(plain(project, everything=True)), _STEP)
    value = go_value(plain(project), FILE)
    return json_text.dumps({key: value[key] for key in sorted(value)}, _STEP).replace("$", "$$")


def images_as_yaml(project: Project) -> str:
    """A file that says which images the services have, and nothing else."""
    images = {
        name: {"image": service["image"]} for name, service in project.services.items() if "image" in service
    }
    return yaml_text.dump({"services": images})


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def plain(project: Project, *, everything: bool = False) -> dict[str, Any]:
    """What is printed of a project: its parts that there are.  `everything`: services that are off, too."""
    shown = {**project.services, **(project.disabled if everything else {})}
    services = {
        name: {key: value for key, value in service.items() if key != "name"}
        for name, service in sorted(shown.items())
    }
    parts: dict[str, dict[str, Any]] = {
        "networks": project.networks,
        "volumes": project.volumes,
        "secrets": {**project.secrets},
        "configs": {**project.configs},
    }
    given = {key: dict(sorted(part.items())) for key, part in parts.items() if part}
    return {"name": project.name, "services": services, **given, **dict(sorted(project.extensions.items()))}


def go_value(value: Any, kind: Kind) -> Any:
    """As Go's encoding/json has a value of its type: what is never left out is there, extensions are not."""
    if isinstance(kind, Long):
        kind = kind.long
    if isinstance(kind, Keys) and isinstance(value, dict):
        return _go_struct(value, kind)
    if isinstance(kind, List):
        return [go_value(item, kind.of) for item in value]
    if isinstance(kind, Map) and isinstance(value, dict):
        return {key: go_value(item, kind.of) for key, item in value.items()}
    return value


def _go_struct(value: dict[str, Any], kind: Keys) -> dict[str, Any]:
    made = {}
    for key, inner in kind.table.items():
        name = key.capitalize() if kind.untagged else key
        if key in value:
            made[name] = go_value(value[key], inner)
        elif inner.absent is not ABSENT:
            made[name] = go_value(inner.absent, inner)
    if kind is FILE:
        made.update((key, item) for key, item in value.items() if key.startswith("x-"))
    return made
