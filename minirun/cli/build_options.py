"""The options of `build`, and how their words become BuildOptions.

All that `docker build` takes is taken, the classic builder's options too.  Some have nothing to do here and are
accepted because scripts have them (`--rm`, `--compress`); what cannot be done is refused in a sentence.

See      build/options.py, which reads the words; refused_options.py
Next     build/options.py
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from minirun import booleans
from minirun.build import options, output_words
from minirun.cli import refused_options
from minirun.engine.options import limits, run_options
from minirun.errors import UnsupportedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from minirun.build.options import BuildOptions

    Command = Callable[..., Any]

_PATH = click.Path()  # a shell completes it as one; it may be "-" or an address

_COMMON = (
    click.option("--add-host", multiple=True, metavar="HOST:IP", help="A line more in /etc/hosts of RUN."),
    click.option("--allow", multiple=True, help="What a step may do: network.host, security.insecure."),
    click.option("--annotation", multiple=True, metavar="KEY=VALUE", help="Add an annotation to the image."),
    click.option("--build-arg", multiple=True, metavar="NAME[=VALUE]", help="Set the value of an ARG."),
    click.option(
        "--build-context", multiple=True, metavar="NAME=VALUE", help="A context more, for FROM and --from."
    ),
    click.option("--cache-from", multiple=True, help="NAME, type=registry,ref=NAME or type=local,src=DIR."),
    click.option(
        "--cache-to", multiple=True, help="type=inline, type=registry,ref=NAME, type=local,dest=DIR."
    ),
    click.option("--call", default="", help="build, check, outline or targets."),
    click.option("--check", is_flag=True, help="Short for --call=check: find mistakes, build nothing."),
    click.option("--explain", is_flag=True, help="Tell each act of the RUN steps that changes kernel state."),
    click.option(
        "--explain-cache", is_flag=True, help="Say of each step why it was or was not in the cache."
    ),
    click.option(
        "-f",
        "--file",
        "dockerfile",
        default="",
        type=_PATH,
        help="The Dockerfile, if not PATH/Dockerfile; -: stdin.",
    ),
    click.option("--iidfile", default="", type=_PATH, metavar="FILE", help="Write the image's id to FILE."),
    click.option("--label", multiple=True, metavar="KEY=VALUE", help="Add a label to the image."),
    click.option("--load", is_flag=True, help="Short for --output=type=docker: into the store."),
    click.option(
        "--metadata-file",
        default="",
        type=_PATH,
        metavar="FILE",
        help="Write what was made to FILE, as JSON.",
    ),
    click.option("--network", default="default", help="Of the RUN steps: default, none or host."),
    click.option("--no-cache", is_flag=True, help="Do every step again."),
    click.option("--no-cache-filter", multiple=True, metavar="STAGE", help="Do the steps of a stage again."),
    click.option("--on-error", default="", help="shell: where a RUN fails, a shell in the state before it."),
    click.option(
        "-o", "--output", multiple=True, help="DIR, -, or type=local|tar|oci|docker|image|registry,..."
    ),
    click.option("--platform", multiple=True, help="OS/ARCHITECTURE[/VARIANT] of the result."),
    click.option("--progress", default="auto", help="auto, plain, tty, rawjson, quiet or none."),
    click.option("--pull", is_flag=True, help="Ask the registries for newer base images."),
    click.option("--push", is_flag=True, help="Short for --output=type=registry: send the result there."),
    click.option("-q", "--quiet", is_flag=True, help="Print the image's id only."),
    click.option("--resource", multiple=True, help="Of each RUN: memory=1g, cpu-quota=50000, cpuset-cpus=0."),
    click.option("--secret", multiple=True, help="id=ID[,src=FILE|env=NAME]: for RUN --mount=type=secret."),
    click.option("--shm-size", default="0", help="Size of /dev/shm of RUN: 64m."),
    click.option("--squash", is_flag=True, help="One layer on the base, not one for each step."),
    click.option("--ssh", multiple=True, help="default, or ID=SOCKET|KEY[,KEY]: for RUN --mount=type=ssh."),
    click.option("-t", "--tag", "tags", multiple=True, metavar="NAME[:TAG]", help="A name for the image."),
    click.option("--target", default="", metavar="STAGE", help="Build this stage, not the last one."),
    click.option("--ulimit", multiple=True, help="A limit of RUN's processes: nofile=1024:2048."),
    click.option("-m", "--memory", default="", help="Most memory of a RUN."),
    click.option("--memory-swap", default="", help="Most memory and swap together; -1: no limit on swap."),
    click.option("--cpus", default="", help="How many CPUs' time a RUN has: 0.5."),
    click.option("-c", "--cpu-shares", default="", help="Weight against others: 1024 is normal."),
    click.option("--cpu-period", default="", help="Microseconds of a period."),
    click.option("--cpu-quota", default="", help="Microseconds of CPU time in each period."),
    click.option("--cpuset-cpus", default="", help="CPUs to run on: 0-1,3."),
    click.option("--cpuset-mems", default="", help="Memory nodes to take memory from."),
)
_CLASSIC = (
    "memory",
    "memory_swap",
    "cpus",
    "cpu_shares",
    "cpu_period",
    "cpu_quota",
    "cpuset_cpus",
    "cpuset_mems",
)

_ATTESTATIONS = ("--provenance", "--sbom", "--attest")


def add(command: Command) -> Command:
    """The context and all options, to a command."""
    command = click.argument("context", metavar="PATH | URL | -", type=_PATH)(command)
    hidden: list[Callable[[Command], Command]] = [
        click.option(name, multiple=True, hidden=True) for name in _ATTESTATIONS
    ]
    hidden.append(refused_options.nothing_to_do("build"))
    hidden.append(refused_options.as_it_is("--builder", "--isolation", "--disable-content-trust"))
    for rare in reversed(hidden):
        command = rare(command)
    for option in reversed(_COMMON):
        command = option(command)
    return command


# ---- words become options ---------------------------------------------------------------------------------


def parse(context: str, words: Mapping[str, Any]) -> BuildOptions:
    """The words of the command line as options.  Raises UsageError quoting the bad one."""
    _refuse_attestations(words)
    made = options.defaults(context)
    for name in ("dockerfile", "target", "no_cache", "pull", "explain", "explain_cache", "squash", "quiet"):
        made[name] = words[name]
    for name in ("iidfile", "metadata_file", "on_error"):
        made[name] = words[name]  # type: ignore[literal-required]
    made["tags"] = list(words["tags"])
    made["labels"] = options.values(words["label"], "--label")
    made["annotations"] = output_words.annotation_words(words["annotation"])
    made["build_args"] = options.build_args(words["build_arg"])
    made["build_contexts"] = options.build_contexts(words["build_context"])
    made["epoch"] = options.epoch(made["build_args"])
    made["no_cache_filter"] = options.words(words["no_cache_filter"])
    made["allow"] = options.allow(words["allow"])
    made["platform"] = options.platform(words["platform"])
    made["secrets"] = options.secrets(words["secret"])
    made["ssh"] = options.ssh(words["ssh"])
    made["cache_from"] = options.cache(words["cache_from"], "--cache-from")
    made["cache_to"] = options.cache(words["cache_to"], "--cache-to")
    made["outputs"] = options.outputs(words["output"], push=words["push"], load=words["load"])
    made["call"], made["call_format"] = options.call(words["call"] or ("check" if words["check"] else ""))
    made["progress"] = _progress(words["progress"], words["quiet"])
    _limits(words, made)
    options.check(made)
    return made


def _limits(words: Mapping[str, Any], made: BuildOptions) -> None:
    """What the RUN steps get, and how much of it."""
    made["network"] = options.network(words["network"])
    made["extra_hosts"] = options.extra_hosts(words["add_host"])
    made["rlimits"] = [run_options.ulimit(text) for text in words["ulimit"]]
    made["shm_size"] = limits.size(words["shm_size"], "--shm-size")
    classic = {name.replace("_", "-"): words[name] for name in _CLASSIC if words[name]}
    made["resources"] = options.resources(words["resource"], classic)


def _progress(text: str, quiet: bool) -> str:
    """`--progress`, or $BUILDKIT_PROGRESS where that says nothing."""
    if text == "auto" and not quiet:
        text = os.environ.get("BUILDKIT_PROGRESS", "") or "auto"
    if text not in options.PROGRESS:
        raise UsageError(f'invalid --progress "{text}"', f"there are {', '.join(options.PROGRESS)}")
    return text


def _refuse_attestations(words: Mapping[str, Any]) -> None:
    for option in _ATTESTATIONS:
        for text in words[option.strip("-")]:
            if not _is_off(text):
                raise UnsupportedError(
                    f"{option} {text}: no attestations are made here", "leave it out, or say =false"
                )


def _is_off(text: str) -> bool:
    """`false`, or `type=sbom,disabled=true`."""
    return not booleans.SMALL.get(text.lower(), bool(text)) or "disabled=true" in _fields(text)


def _fields(text: str) -> Iterable[str]:
    return text.lower().split(",")
