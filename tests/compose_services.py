"""Containers that pass for a project's, for tests of commands that look at what there is and read no file."""

from tests.containers import Container, start
from tests.support import Minirun

_PREFIX = "com.docker.compose."


def labels(project: str, service: str, number: int = 1, **more: str) -> list[str]:
    """The options of `run` that give a container Compose's labels."""
    found = {
        "project": project,
        "service": service,
        "container-number": str(number),
        "oneoff": "False",
        "config-hash": "0" * 64,
        "project.working_dir": f"/srv/{project}",
        "project.config_files": f"/srv/{project}/compose.yaml",
        **more,
    }
    return [word for key, value in found.items() for word in ("--label", f"{_PREFIX}{key}={value}")]


def serve(minirun: Minirun, project: str, service: str, *words: str, number: int = 1) -> Container:
    """`minirun run -d WORDS...` of a container that is `number` of a service."""
    name = f"{project}-{service}-{number}"
    return start(minirun, "--name", name, *labels(project, service, number), *words)
