"""`compose run`: one more container of a service, for one command, beside those that `up` looks after.

    ready    networks, volumes, image, and what the service depends on, started and waited for
    make     the container: the service as the file has it, with what the command line changes of it

It has a name and labels of its own, publishes no ports unless it is told to, and nobody starts it again.

See  service_options.py
"""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from minirun.compose import labels, lifecycle, names, observed, secrets, service_options
from minirun.compose.choice import Choice
from minirun.compose.language import dotenv, hashing, mounts, ports
from minirun.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from minirun.compose.language.model import Mount, Port, Project, Service
    from minirun.compose.report import Report
    from minirun.engine.record_types import Record, RunOptions
    from minirun.engine.shim.spawn import Spawn
    from minirun.paths import Paths


class Once:
    """What is asked for beside the file."""

    def __init__(
        self,
        service: str,
        command: Sequence[str] = (),
        *,
        name: str = "",
        entrypoint: str | None = None,
        environment: Sequence[str] = (),
        env_files: Sequence[str] = (),
        labels: Sequence[str] = (),
        user: str = "",
        workdir: str = "",
        volumes: Sequence[str] = (),
        publish: Sequence[str] = (),
        service_ports: bool = False,
        use_aliases: bool = False,
        cap_add: Sequence[str] = (),
        cap_drop: Sequence[str] = (),
        interactive: bool = True,
        tty: bool = False,
        remove: bool = False,
        dependencies: bool = True,
    ) -> None:
        if publish and service_ports:
            raise UsageError("--service-ports and --publish are incompatible")
        if bad := [text for text in labels if "=" not in text]:
            raise UsageError(f'label must be set as KEY=VALUE: "{bad[0]}"')
        self.service = service
        self.command = list(command)
        self.name = name
        self.entrypoint = entrypoint
        self.environment = list(environment)
        self.env_files = list(env_files)
        self.labels = list(labels)
        self.user = user
        self.workdir = workdir
        self.volumes = list(volumes)
        self.publish = list(publish)
        self.service_ports = service_ports
        self.use_aliases = use_aliases
        self.cap_add = list(cap_add)
        self.cap_drop = list(cap_drop)
        self.interactive = interactive
        self.tty = tty
        self.remove = remove
        self.dependencies = dependencies


def ready(
    paths: Paths,
    project: Project,
    once: Once,
    choice: Choice,
    report: Report,
    spawn: Spawn | None,
) -> None:
    """Have all there that its container needs."""
    choice.services, choice.one_off = [once.service], once.service
    choice.dependencies = once.dependencies
    lifecycle.up(paths, project, choice, report, spawn)


def make(paths: Paths, project: Project, once: Once, report: Report) -> Record:
    """Its container, which `containers.start` runs."""
    service = changed(project, once)
    there = observed.look(paths, project.name)

    def record_of(name: str) -> str:
        return observed.require_made(name, [one.id for one in there.of(name)])

    slug = names.slug()
    name = once.name or names.one_off(project, service, slug)
    options = service_options.make(project, service, name=name, aliases=once.use_aliases, record_of=record_of)
    options["auto_remove"] = once.remove
    options["pull"] = "never"  # it is here
    options["attached"] = ["stdout", "stderr", *(["stdin"] if once.interactive else [])]
    resource = f"Container {name}"
    report.working(resource, "Creating")
    record = _create(paths, project, service, options, slug, report)
    report.done(resource, "Created")
    return record


def _create(
    paths: Paths, project: Project, service: Service, options: RunOptions, slug: str, report: Report
) -> Record:
    from minirun.engine import images

    options["labels"] |= labels.of_container(
        project,
        service,
        0,
        config_hash=hashing.config_hash(service),
        image_id=images.store(paths).get(names.image(project, service)).id,
        one_off=True,
        slug=slug,
    )
    return secrets.create_with(paths, options, project, service, report.pull(f"Container {options['name']}"))


# ---- the service, changed -----------------------------------------------------------------------------------


def changed(project: Project, once: Once) -> Service:
    """The service as the command line wants it this once."""
    made = service_options.for_one_off(project.services[once.service], ports=once.service_ports)
    made["tty"], made["stdin_open"] = once.tty, once.interactive
    if once.entrypoint is not None:
        made["entrypoint"], made["command"] = _words(once.entrypoint), []
    if once.command:
        made["command"] = once.command
    if once.user:
        made["user"] = once.user
    if once.workdir:
        made["working_dir"] = once.workdir
    made["environment"] = (made.get("environment") or {}) | variables(once, project.environment)
    made["labels"] = (made.get("labels") or {}) | dict(text.split("=", 1) for text in once.labels)
    made["volumes"] = [*(made.get("volumes") or []), *(_mount(text, project) for text in once.volumes)]
    if once.publish:
        made["ports"] = [port for text in once.publish for port in _ports(text)]
    _give_and_take(made, once)
    return made


def _give_and_take(made: Service, once: Once) -> None:
    """--cap-add and --cap-drop: each takes back what the file says of the same."""
    add, drop = made.get("cap_add") or [], made.get("cap_drop") or []
    made["cap_add"] = [name for name in [*add, *once.cap_add] if name not in once.cap_drop]
    made["cap_drop"] = [name for name in [*drop, *once.cap_drop] if name not in once.cap_add]


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"invalid --entrypoint: {text!r}: {str(error).lower()}") from None


def variables(once: Once, environment: Mapping[str, str]) -> dict[str, str | None]:
    """Of --env-from-file and -e; NAME alone has the value it has here, and is left out where it has none."""
    try:
        found: dict[str, str | None] = dict(dotenv.merged(once.env_files, environment, lambda _name: None))
    except OSError as error:
        raise UsageError(f"--env-from-file {error.filename}: {error.strerror}") from None
    for text in once.environment:
        name, equals, value = text.partition("=")
        if not name:
            raise UsageError(f'invalid environment variable: "{text}"', "as in NAME=value")
        if equals:
            found[name] = value
        elif name in environment:
            found[name] = environment[name]
    return found


def _mount(text: str, project: Project) -> Mount:
    """A path is relative to the project's directory; a volume that the file has not is called as it is written."""
    try:
        mount: Any = mounts.spelt(text)
    except ValueError as error:
        raise UsageError(str(error)) from None
    source = mount.get("source", "")
    if mount["type"] == "bind":
        mount["source"] = os.path.normpath(os.path.join(project.working_dir, os.path.expanduser(source)))
    elif source:
        project.volumes.setdefault(source, {"name": source})
    return mount  # type: ignore[no-any-return]


def _ports(text: str) -> list[Port]:
    try:
        found: Any = [{"protocol": "tcp", **port} for port in ports.spelt(text)]
    except ValueError as error:
        raise UsageError(str(error)) from None
    return found  # type: ignore[no-any-return]
