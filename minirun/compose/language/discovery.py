"""Which files make the project, where it lives and what it is called: all that is known without reading YAML.

    -f FILE, COMPOSE_FILE                     or compose.yaml and its override, here or in a directory above
    --project-directory                       or the directory of the first file
    --env-file, COMPOSE_ENV_FILES             or .env of the project directory, and of where one is
    -p, COMPOSE_PROJECT_NAME, `name:`         or the project directory's base name
    --profile, COMPOSE_PROFILES

Every COMPOSE_... may be in the .env, too; what is in the environment wins.

See  docs.docker.com/compose/how-tos/environment-variables/envvars/; compose-go cli/options.go
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from minirun.errors import NotFoundError, UsageError

FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
STDIN = "-"

_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")


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
        self.found: Found | None = None


class Found:
    """What comes of it.  Paths are absolute."""

    def __init__(self) -> None:
        self.files: list[str] = []  # "-" is standard input; none: there is no compose file
        self.directory = ""
        self.env_files: list[str] = []
        self.environment: dict[str, str] = {}
        self.profiles: list[str] = []
        self.warnings: list[str] = []


def look(sources: Sources) -> Found:
    """Looks once.  Raises NotFoundError for a file that was named and is not there, ComposeError for a bad .env."""
    if sources.found is None:
        sources.found = _look(sources)
    return sources.found


def _look(sources: Sources) -> Found:
    found = Found()
    found.environment = dict(sources.environment)
    here = found.environment["PWD"] = _here(found.environment)
    named = [_absolute(name, here) for name in sources.files]
    _read_env_files(found, sources, here, _directory(sources, named, here))
    found.files = named or _files_of_environment(found.environment, here)
    if not found.files:
        _search(found, _directory(sources, [], here))
    found.directory = _directory(sources, found.files, here)
    _read_env_files(found, sources, here, found.directory)
    profiles = sources.profiles or found.environment.get("COMPOSE_PROFILES", "").split(",")
    found.profiles = [profile.strip() for profile in profiles if profile.strip()]
    return found


def _here(environment: Mapping[str, str]) -> str:
    """The current directory by the name that the shell has for it: there may be a symlink on the way."""
    named = environment.get("PWD", "")
    try:
        return named if named.startswith("/") and os.path.samefile(named, ".") else os.getcwd()
    except OSError:
        return os.getcwd()


def files(sources: Sources) -> list[str]:
    """The files in the order in which they are merged.  Raises NotFoundError where there is none."""
    found = look(sources).files
    if not found:
        hint = "write a compose.yaml, or name a file with -f"
        raise NotFoundError("no configuration file provided: not found", hint)
    return found


def environment(sources: Sources) -> Mapping[str, str]:
    """What variables are looked up in: the environment, then .env or what --env-file names."""
    return look(sources).environment


# --- files ---


def _absolute(name: str, here: str) -> str:
    return name if name == STDIN else os.path.normpath(os.path.join(here, name))


def _directory(sources: Sources, files: Sequence[str], here: str) -> str:
    if sources.project_directory:
        return _absolute(sources.project_directory, here)
    for path in files:
        if path != STDIN:
            return os.path.dirname(path)
    return here


def _files_of_environment(environment: Mapping[str, str], here: str) -> list[str]:
    separator = environment.get("COMPOSE_PATH_SEPARATOR") or ":"
    named = environment.get("COMPOSE_FILE", "")
    paths = [_absolute(name, here) for name in named.split(separator) if name]
    for path in paths:
        if path != STDIN and not os.path.exists(path):
            raise NotFoundError(f"{path}: no such file", "COMPOSE_FILE names it")
    return paths


def _search(found: Found, directory: str) -> None:
    """The compose file of `directory` or of the nearest one above, and what overrides it."""
    while True:
        found.files = _first(found, directory, FILES, "config")
        if found.files:
            found.files += _first(found, directory, OVERRIDES, "override")
        if found.files or directory == os.path.dirname(directory):
            return
        directory = os.path.dirname(directory)


def _first(found: Found, directory: str, names: Sequence[str], kind: str) -> list[str]:
    paths = [os.path.join(directory, name) for name in names]
    paths = [path for path in paths if os.path.exists(path)]
    if len(paths) > 1:
        found.warnings.append(f"Found multiple {kind} files with supported names: {', '.join(paths)}")
        found.warnings.append(f"Using {paths[0]}")
    return paths[:1]


# --- variables ---


def _read_env_files(found: Found, sources: Sources, here: str, directory: str) -> None:
    """Those of files are added to those of the environment."""
    paths = _env_files(sources, found.environment, here, directory)
    if not paths or paths == found.env_files:
        return
    from minirun.compose.language import dotenv

    for path in paths:
        if not os.path.exists(path):
            raise NotFoundError(f"couldn't find env file: {path}")
    found.env_files = paths
    values = dotenv.merged(paths, found.environment, lambda name: warn_unset(found.warnings, name))
    found.environment = {**values, **found.environment}


def _env_files(sources: Sources, environment: Mapping[str, str], here: str, directory: str) -> list[str]:
    named = sources.env_files or [
        name for name in environment.get("COMPOSE_ENV_FILES", "").split(",") if name
    ]
    if named:
        return [_absolute(os.path.expanduser(name), here) for name in named]
    if _is_true(environment.get("COMPOSE_DISABLE_ENV_FILE", "")):
        return []
    path = os.path.join(directory, ".env")
    return [path] if os.path.isfile(path) else []


def _is_true(word: str) -> bool:
    if word in ("", "0", "f", "F", "false", "False", "FALSE"):
        return False
    if word in ("1", "t", "T", "true", "True", "TRUE"):
        return True
    raise UsageError(f"COMPOSE_DISABLE_ENV_FILE must be true or false, not {word}")


def warn_unset(warnings: list[str], name: str) -> None:
    """Once for a variable."""
    warning = f'The "{name}" variable is not set. Defaulting to a blank string.'
    if warning not in warnings:
        warnings.append(warning)


# --- the name ---


def said_name(sources: Sources) -> str:
    """That of -p or COMPOSE_PROJECT_NAME, or "".  Raises UsageError for a bad one."""
    said = sources.name or look(sources).environment.get("COMPOSE_PROJECT_NAME", "")
    if said != normalized(said):
        raise UsageError(
            f"invalid project name {said}: must consist only of lowercase alphanumeric characters, hyphens, "
            "and underscores as well as start with a letter or number"
        )
    return said


def normalized(name: str) -> str:
    """
    >>> normalized("_My App.2")
    'myapp2'
    """
    return "".join(letter for letter in name.lower() if letter in _NAME).lstrip("_-")


def name(sources: Sources) -> str:
    """The project's name; a file is read as YAML only if its `name` cannot be made out by looking at its lines."""
    said = said_name(sources)
    if said:
        return said
    names = [name for path in files(sources) for name in _names_in(path, sources)]
    directory = look(sources).directory
    name = normalized(
        _filled_in(names[-1], sources) if names else _base_name(directory, look(sources).warnings)
    )
    if not name:
        raise UsageError("project name must not be empty", "give one with -p")
    return name


def _base_name(directory: str, warnings: list[str]) -> str:
    name = os.path.basename(directory)
    if os.path.basename(os.path.realpath(directory)) != name:
        told = f'project has been loaded without an explicit name from a symlink. Using name "{name}"'
        warnings += [told] if told not in warnings else []
    return name


def _names_in(path: str, sources: Sources) -> list[str]:
    """What the documents of a file say with `name`."""
    text = sources.stdin if path == STDIN else read(path)
    if "name" not in text:
        return []
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    lines = lines[lines[:1] == ["---"] :]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith(("---", "{", "? ", '"name', "'name")):
            return _names_in_yaml(text, path)
        if line.startswith("name"):
            word = line[4:].partition(" #")[0].strip()
            plain = (
                word.startswith(": ") and word[2:].lstrip()[0] not in "\"'|>&*!{[~%@`#" and word != ": null"
            )
            several = following.startswith((" ", "\t")) or any(line.startswith("---") for line in lines)
            return [word[2:].lstrip()] if plain and not several else _names_in_yaml(text, path)
    return []


def _names_in_yaml(text: str, path: str) -> list[str]:
    from minirun.compose.language import yaml_nodes

    trees = [tree.value for tree in yaml_nodes.read(text, shown(path)) if isinstance(tree.value, dict)]
    names = [tree["name"].value for tree in trees if "name" in tree]
    return [name for name in names if isinstance(name, str) and name]


def _filled_in(word: str, sources: Sources) -> str:
    if "$" not in word:
        return word
    from minirun.compose.language.interpolation import Unfit, substitute

    found = look(sources)
    try:
        return substitute(word, found.environment.get, lambda name: warn_unset(found.warnings, name))
    except Unfit as error:
        raise UsageError(f"name: {error}", error.hint) from None


def shown(path: str) -> str:
    """A path as a person would write it."""
    if path == STDIN:
        return "<stdin>"
    relative = os.path.relpath(path)
    return path if relative.startswith("../") else relative


def read(path: str) -> str:
    """A compose file's text.  Raises NotFoundError, UsageError."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except FileNotFoundError:
        raise NotFoundError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: this is no UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise UsageError(f"{path}: {(error.strerror or '').lower()}") from None
    except ValueError:  # a NUL in the path
        raise NotFoundError(f"{path}: no such file") from None
