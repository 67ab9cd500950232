"""Which files make the project, where it lives and what it is called: all that is known without reading YAML.

-f FILE, COMPOSE_FILE                     or compose.yaml and its override, here or in a directory above
--project-directory                       or the directory of the first file
-p, COMPOSE_PROJECT_NAME, `name:`         or the project directory's base name
--env-file, COMPOSE_ENV_FILES             or .env of the project directory; it may say all of COMPOSE_...
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from minirun.errors import NotFoundError

FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)


class Sources:
    """What the command line and the environment say; what is empty was not said."""

    def __init__(
        self,
        *,
        files: Sequence[str] = (),
        project_directory: str = "",
        name: str = "",
        profiles: Sequence[str] = (),
        env_files: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        stdin: str = "",
    ) -> None:
        self.files = list(files)
        self.project_directory = project_directory
        self.name = name
        self.profiles = list(profiles)
        self.env_files = list(env_files)
        self.environment = dict(os.environ if environment is None else environment)
        self.stdin = stdin  # the text that `-f -` stands for


def files(sources: Sources) -> list[str]:
    """The absolute paths of the files, in the order in which they are merged."""
    named = sources.files or [name for name in sources.environment.get("COMPOSE_FILE", "").split(":") if name]
    if named:
        return [os.path.abspath(name) if name != "-" else name for name in named]
    directory = os.path.abspath(sources.project_directory)
    while not _first(directory, FILES):
        if directory == "/":
            hint = "write a compose.yaml, or name one with -f"
            raise NotFoundError("no configuration file provided: not found", hint)
        directory = os.path.dirname(directory)
    return _first(directory, FILES) + _first(directory, OVERRIDES)


def _first(directory: str, names: Sequence[str]) -> list[str]:
    """The first of these files that is in the directory."""
    paths = (os.path.join(directory, name) for name in names)
    return [path for path in paths if os.path.isfile(path)][:1]


def directory(sources: Sources) -> str:
    """The project directory, absolute."""
    if sources.project_directory:
        return os.path.abspath(sources.project_directory)
    return os.path.dirname(files(sources)[0])


def name(sources: Sources) -> str:
    said = sources.name or sources.environment.get("COMPOSE_PROJECT_NAME")
    return said or os.path.basename(directory(sources)).lower()
