"""`info` and `version`: what there is here, and what it stands on."""

from __future__ import annotations

import click

from minirun.cli.commands import Session
from minirun.cli.printing import say
from minirun.engine.view import info

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_FORMAT_HELP = "json, or a template: '{{.ServerVersion}}'."


@click.command("info")
@click.option("-f", "--format", "form", default="", help=_FORMAT_HELP)
@click.pass_obj
def info_command(session: Session, form: str) -> None:
    """Display system-wide information."""
    facts = info.facts(session)
    if form:
        _filled_in(facts, form, "Info")
        return
    say("\n".join(_info_lines(facts)))
    for warning in facts["Warnings"]:
        say(warning, err=True)


@click.command("version")
@click.option("-f", "--format", "form", default="", help="json, or a template: '{{.Client.Version}}'.")
def version_command(form: str) -> None:
    """Show the version, and those of what it stands on."""
    facts = info.version()
    if form:
        _filled_in(facts, form, "Version")
        return
    say("\n".join(_version_lines(facts)))


def _filled_in(facts: dict[str, Any], form: str, name: str) -> None:
    from minirun.cli import template

    say(template.as_json(facts) if form == "json" else template.of_type(form, name)(facts))


def _info_lines(facts: dict[str, Any]) -> Iterator[str]:
    yield from ("Client:", f" Version:    {facts['ServerVersion']}", "", "Server:")
    yield f" Containers: {facts['Containers']}"
    for state in ("Running", "Paused", "Stopped"):
        yield f"  {state}: {facts[f'Containers{state}']}"
    named = {
        "Images": facts["Images"],
        "Server Version": facts["ServerVersion"],
        "Storage Driver": facts["Driver"],
        **{f" {name}": value for name, value in facts["DriverStatus"]},
        "Logging Driver": facts["LoggingDriver"],
        "Cgroup Driver": facts["CgroupDriver"],
        "Cgroup Version": facts["CgroupVersion"],
        "Plugins": "",
        **{f" {kind}": " ".join(names) for kind, names in facts["Plugins"].items()},
        "Runtimes": " ".join(facts["Runtimes"]),
        "Default Runtime": facts["DefaultRuntime"],
    }
    yield from (f" {name}: {value}".rstrip() for name, value in named.items())
    yield from _security_lines(facts["SecurityOptions"])
    yield from _machine_lines(facts)


def _security_lines(options: list[str]) -> Iterator[str]:
    """`name=seccomp,profile=default` over two lines, as Docker does."""
    yield " Security Options:"
    for option in options:
        name, *details = (word.partition("=")[2] for word in option.split(","))
        yield f"  {name}"
        yield from (f"   Profile: {detail}" for detail in details)


def _machine_lines(facts: dict[str, Any]) -> Iterator[str]:
    registries = facts["RegistryConfig"]
    named = {
        "Kernel Version": facts["KernelVersion"],
        "Operating System": facts["OperatingSystem"],
        "OSType": facts["OSType"],
        "Architecture": facts["Architecture"],
        "CPUs": facts["NCPU"],
        "Total Memory": f"{facts['MemTotal'] / 1024**3:.4g}GiB",
        "Name": facts["Name"],
        "Root Dir": facts["DockerRootDir"],
        "Registry": facts["IndexServerAddress"],
    }
    yield from (f" {name}: {value}" for name, value in named.items())
    insecure = [*registries["InsecureRegistries"], *registries["InsecureRegistryCIDRs"]]
    for heading, hosts in (("Insecure Registries", insecure), ("Registry Mirrors", registries["Mirrors"])):
        if hosts:
            yield f" {heading}:"
            yield from (f"  {host}" for host in hosts)


def _version_lines(facts: dict[str, Any]) -> Iterator[str]:
    client = facts["Client"]
    yield "Client:"
    yield f" Version:           {client['Version']}"
    yield f" Python version:    {client['PythonVersion']}"
    yield f" OS/Arch:           {client['Os']}/{client['Arch']}"
    yield "\nServer: (the same program: there is no daemon)"
    for component in facts["Server"]["Components"]:
        yield f" {component['Name']}:"
        yield f"  Version:          {component['Version']}"
        details = {"KernelVersion": "Kernel version", "Spec": "Runtime spec"}
        for key, words in details.items():
            if key in component["Details"]:
                yield f"  {words + ':':<17} {component['Details'][key]}"
