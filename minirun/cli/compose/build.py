"""`compose build`: the images of services that have a `build`.

See  compose/images.py, compose/build_options.py; cli/build.py, which shows what went wrong in the same way
"""

from __future__ import annotations

import click

from minirun.cli import build as words_of_builds
from minirun.cli.compose import options
from minirun.cli.printing import say
from minirun.compose import image_transfers, images, names, order
from minirun.errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from minirun.build.build import Outcome
    from minirun.build.options import BuildOptions
    from minirun.cli.compose.group import Compose
    from minirun.compose.language.model import Project

    Change = Callable[[BuildOptions], None]

_REFUSED = {
    "builder": ("--builder", "there is one builder"),
    "bake": ("--print", "there is no bake: `minirun compose config` shows what is built"),
    "provenance": ("--provenance", "there are no attestations"),
    "sbom": ("--sbom", "there are no attestations"),
}


@click.command("build", short_help="Build or rebuild services")
@click.option("--build-arg", multiple=True, metavar="NAME[=VALUE]", help="Set the value of an ARG.")
@click.option("--builder", default="", hidden=True)
@click.option("--check", is_flag=True, help="Find mistakes in the Dockerfiles, build nothing.")
@click.option("-m", "--memory", default="", help="Most memory of a RUN.")
@click.option("--no-cache", is_flag=True, help="Do every step again.")
@click.option("--print", "bake", is_flag=True, hidden=True)
@click.option("--provenance", default="", hidden=True)
@click.option("--pull", is_flag=True, help="Ask the registries for newer base images.")
@click.option("--push", is_flag=True, help="Push the images afterwards.")
@click.option("-q", "--quiet", is_flag=True, help="Do not show how it goes.")
@click.option("--sbom", default="", hidden=True)
@click.option("--ssh", multiple=True, help="default, or ID=SOCKET|KEY[,KEY]: for RUN --mount=type=ssh.")
@click.option("--with-dependencies", is_flag=True, help="Of what they depend on, too.")
@options.services
@click.pass_obj
def build_command(compose: Compose, /, services: tuple[str, ...], **words: Any) -> int:
    """Build the images of services that have a `build`."""
    for name, (option, hint) in _REFUSED.items():
        if words[name] not in ("", False, "false"):
            raise UnsupportedError(f"{option} is not supported", hint)
    project = compose.load(services)
    chosen = order.selected(project, services, dependencies=words["with_dependencies"])
    wanted = images.build_order(project, with_parents(project, chosen))
    if not wanted:
        compose.warn("No services to build")
        return 0
    with options.report(compose, "build", mode="quiet" if words["quiet"] or words["check"] else "") as report:
        found = [
            images.build(compose.session, project, project.services[name], report, _change(words))
            for name in wanted
        ]
        if words["push"]:
            image_transfers.push(compose.session, project, wanted, image_transfers.Transfer(), report)
    return _show_checks(list(filter(None, found))) if words["check"] else 0


def _show_checks(found: list[Outcome]) -> int:
    """`--check`: what was found in each Dockerfile.  Returns the exit code."""
    for one in found:
        say("\n".join(words_of_builds.findings(one.warnings, one.source)))
    return 0 if all(words_of_builds.is_clean(one.warnings) for one in found) else 1


def with_parents(project: Project, chosen: list[str]) -> list[str]:
    """Those that have a `build`, and those whose images they are built from."""
    todo, found = [name for name in chosen if project.services[name].get("build")], []
    while todo:
        name = todo.pop()
        if name not in found:
            found.append(name)
            todo += names.build_parents(project.services[name])
    return found


def _change(words: dict[str, Any]) -> Change:
    """What the command line changes of each build.  Raises UsageError."""
    from minirun.build import options as builds

    arguments, agents = builds.build_args(words["build_arg"]), builds.ssh(words["ssh"])
    resources = builds.resources([], {"memory": words["memory"]})

    def change(made: BuildOptions) -> None:
        made["build_args"] |= arguments
        made["ssh"] |= agents
        made["no_cache"] |= words["no_cache"]
        made["pull"] |= words["pull"]
        if words["memory"]:
            made["resources"] = resources
        if words["check"]:
            made["call"], made["outputs"] = "check", []

    return change
