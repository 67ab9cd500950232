"""`compose config`: the files as one, in canonical form, or a list of something that is in them.

See  compose/language/rendering.py
"""

from __future__ import annotations

import click

from minirun.cli.printing import say
from minirun.errors import MinirunError, NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from minirun.cli.compose.group import Compose
    from minirun.compose.language.model import Project
    from minirun.compose.language.variables import Use

    Command = Callable[..., Any]
    Option = Callable[[Command], Command]


def _flag(name: str, about: str) -> Option:
    return click.option(name, is_flag=True, help=about)


def _list(kind: str) -> Option:
    return click.option(f"--{kind}", "listed", flag_value=kind, help=f"Print the names of {kind}.")


@click.command("config", short_help="Show the files as one, in canonical form")
@click.option(
    "--format", "form", type=click.Choice(["yaml", "json"]), default="yaml", help="How it is printed."
)
@_list("services")
@_list("volumes")
@_list("networks")
@_list("models")
@_list("profiles")
@_list("images")
@click.option(
    "--hash", "hashes", default="", metavar="SERVICE", help="Print the hash of services; '*': of all."
)
@_flag("--variables", "Print the variables of the files, with their defaults.")
@_flag("--environment", "Print what variables are filled in with.")
@_flag("--no-interpolate", "Leave variables as they are.")
@_flag("--no-normalize", "Leave out what the files do not say.")
@_flag("--no-path-resolution", "Leave relative paths as they are.")
@_flag("--no-consistency", "Do not check that the parts fit together.")
@_flag("--no-env-resolution", "Do not read the services' files of variables.")
@_flag("--resolve-image-digests", "Pin images to the digests that their registries have now.")
@_flag("--lock-image-digests", "Print an override file with the images' digests.")
@click.option("-q", "--quiet", is_flag=True, help="Only check the files.")
@click.option("-o", "--output", default="", metavar="FILE", help="Write to a file.")
@click.argument("services", nargs=-1)
@click.pass_obj
def config_command(compose: Compose, /, services: tuple[str, ...], **given: Any) -> None:
    """Show the files as one, in canonical form; only SERVICES and what they need, if any are named."""
    if given["variables"]:
        _write(_variables(compose, given["form"]), given["output"])
        return
    if given["no_interpolate"] and services:
        compose.warn("all services are shown: with --no-interpolate none can be picked out")
        services = ()
    project = _load(compose, services, given)
    if not given["quiet"]:
        listed = _listed(project, given)
        _write(_rendered(compose, project, given) if listed is None else _lines(listed), given["output"])


def _load(compose: Compose, services: Sequence[str], given: dict[str, Any]) -> Project:
    from minirun.compose.language import loading, profiles

    project = loading.load(
        compose.sources,
        services,
        interpolate=not given["no_interpolate"],
        normalize=not given["no_normalize"],
        resolve_paths=not given["no_path_resolution"],
        check_consistency=not (given["no_consistency"] or given["no_interpolate"]),
        resolve_environment=not (given["no_env_resolution"] or given["no_interpolate"]),
        all_resources=compose.all_resources or given["no_interpolate"],
    )
    for text in project.warnings:
        compose.warn(text)
    if services:
        profiles.select(project, services)
        if not compose.all_resources:
            profiles.drop_unused(project)
    return project


def _listed(project: Project, given: dict[str, Any]) -> list[str] | None:
    """The lines of the list that is asked for; None: the project itself is."""
    if given["listed"]:
        return _names(project, given["listed"])
    if given["hashes"]:
        return _hashes(project, given["hashes"])
    if given["environment"]:
        return [f"{name}={value}" for name, value in sorted(project.environment.items())]
    return None


def _names(project: Project, kind: str) -> list[str]:
    if kind == "images":
        from minirun.compose import names

        return [names.image(project, service) for service in project.services.values()]
    if kind == "profiles":
        every = [*project.services.values(), *project.disabled.values()]
        return sorted({profile for service in every for profile in service.get("profiles", ())})
    return sorted(getattr(project, kind, ()))  # there are no models here


def _hashes(project: Project, wanted: str) -> list[str]:
    from minirun.compose.language import hashing

    chosen = sorted(project.services) if wanted == "*" else sorted(wanted.split(","))
    for name in chosen:
        if name not in project.services:
            raise NotFoundError(f"no such service: {name}")
    return [f"{name} {hashing.config_hash(project.services[name])}" for name in chosen]


def _variables(compose: Compose, form: str) -> str:
    from minirun.compose.language import json_text, variables

    uses = variables.of(compose.sources).values()
    if form == "json":
        return json_text.dumps({use.name: _as_json(use) for use in uses}, 4) + "\n"
    from minirun.cli.format import table

    rows = [[use.name, str(use.required).lower(), use.default, use.alternate] for use in uses]
    return _lines(table([["NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE"], *rows]))


def _as_json(use: Use) -> dict[str, Any]:
    return {
        "Name": use.name,
        "DefaultValue": use.default,
        "PresenceValue": use.alternate,
        "Required": use.required,
    }


def _rendered(compose: Compose, project: Project, given: dict[str, Any]) -> str:
    from minirun.compose.language import rendering

    if given["resolve_image_digests"] or given["lock_image_digests"]:
        _pin(compose, project)
    if given["lock_image_digests"]:
        return rendering.images_as_yaml(project)
    render = rendering.as_json if given["form"] == "json" else rendering.as_yaml
    return render(project, raw=given["no_interpolate"])


def _pin(compose: Compose, project: Project) -> None:
    """Each image gets the digest that its registry has for it now."""
    from minirun.engine import images

    for service in project.services.values():
        if service.get("image"):
            service["image"] = images.pinned(compose.session, service["image"])


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _write(text: str, path: str) -> None:
    if not path:
        say(text, end="")
        return
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise MinirunError(f"{path}: {error.strerror}") from None
