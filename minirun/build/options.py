"""What a build is asked to be: one shape from whoever asks, a command line or Compose, to the coordinator.

    words of `build`  ->  BuildOptions, plain values  ->  build.build(paths, options, progress)

`defaults` has them all; the functions below make values from single words, each raising UsageError that quotes the
bad one; `check` says whether it all goes together.  None of them asks the store or a registry.

See      docs.docker.com "docker buildx build"; buildx util/buildflags/ has the words' grammars
Next     build/output_words.py
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, TypedDict

from minirun.build import attributes, output_words
from minirun.build.attributes import invalid
from minirun.engine.options import attachments, limits
from minirun.errors import MinirunError, UnsupportedError, UsageError
from minirun.image import platforms, reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from minirun.build.output_words import Output
    from minirun.engine.options.limits import Resources
    from minirun.runtime.config import Rlimit

CALLS = ("build", "check", "outline", "targets")
PROGRESS = ("auto", "plain", "tty", "rawjson", "quiet", "none")
NETWORKS = ("default", "none", "host")
ENTITLEMENTS = ("network.host", "security.insecure")
SECRET_BYTES_MAX = 500 * 1024  # BuildKit's
_RESOURCES = ("memory", "memory-swap", "cpus", "cpu-shares", "cpu-period", "cpu-quota")
_CPU_SETS = ("cpuset-cpus", "cpuset-mems")
_CACHES = ("registry", "local", "inline")
_CACHE_KEYS = ("type", "ref", "src", "dest", "mode", "ignore-error")
_CACHE_PACKING = ("compression", "compression-level", "force-compression", "oci-mediatypes", "image-manifest")


class Secret(TypedDict, total=False):
    """One of them."""

    file: str  # absolute
    env: str  # the name of a variable of ours
    text: bytes  # what is in it


class Agent(TypedDict, total=False):
    """One of the two."""

    socket: str  # of an ssh-agent
    keys: list[str]  # files with private keys


class CacheEntry(TypedDict):
    """One --cache-from or --cache-to."""

    type: str  # registry, local, inline
    ref: str  # of a registry
    path: str  # of local: a directory
    mode: str  # min: the layers of the result; max: those of all stages
    ignore_error: bool


class BuildOptions(TypedDict):
    """All that `docker build` takes, as data."""

    context: str  # the word as given: a directory, a file, an URL, "-"
    dockerfile: str  # -f as given; "": Dockerfile in the context
    dockerfile_inline: str  # the text of one, in place of a file
    tags: list[str]  # as given
    target: str
    build_args: dict[str, str]
    build_contexts: dict[
        str, str
    ]  # name, without :latest -> a directory, an URL, docker-image://..., target:...
    no_cache: bool
    no_cache_filter: list[str]  # stages
    pull: bool
    labels: dict[str, str]
    annotations: list[tuple[str, str, str]]  # place, key, value; `check` puts them into the outputs
    platform: str  # "": this machine's
    network: str  # of NETWORKS
    extra_hosts: list[list[str]]  # [name, address or "host-gateway"]
    shm_size: int  # bytes; 0: the default
    rlimits: list[Rlimit]
    resources: Resources  # as config.json's linux.resources
    secrets: dict[str, Secret]
    ssh: dict[str, Agent]
    outputs: list[Output]  # empty when nothing is built: `call`
    cache_from: list[CacheEntry]
    cache_to: list[CacheEntry]
    allow: list[str]  # of ENTITLEMENTS
    on_error: str  # "", "shell"
    explain: bool
    explain_cache: bool
    call: str  # of CALLS
    call_format: str  # "", "json"
    squash: bool
    epoch: int | None  # SOURCE_DATE_EPOCH
    iidfile: str
    metadata_file: str
    quiet: bool
    progress: str  # of PROGRESS


def defaults(context: str) -> BuildOptions:
    """A build of which nothing more is asked; the defaults are Docker's."""
    return {
        "context": context,
        "dockerfile": "",
        "dockerfile_inline": "",
        "tags": [],
        "target": "",
        "build_args": {},
        "build_contexts": {},
        "no_cache": False,
        "no_cache_filter": [],
        "pull": False,
        "labels": {},
        "annotations": [],
        "platform": "",
        "network": "default",
        "extra_hosts": [],
        "shm_size": 0,
        "rlimits": [],
        "resources": {},
        "secrets": {},
        "ssh": {},
        "outputs": [output_words.Output("image")],
        "cache_from": [],
        "cache_to": [],
        "allow": [],
        "on_error": "",
        "explain": False,
        "explain_cache": False,
        "call": "build",
        "call_format": "",
        "squash": False,
        "epoch": None,
        "iidfile": "",
        "metadata_file": "",
        "quiet": False,
        "progress": "auto",
    }


# ---- names and values -------------------------------------------------------------------------------------


def values(
    entries: Iterable[str], option: str, environment: Mapping[str, str] | None = None
) -> dict[str, str]:
    """`KEY=VALUE`...; a KEY alone has the value of `environment`, or is left out; without one it is empty."""
    found: dict[str, str] = {}
    for entry in entries:
        key, equals, value = entry.partition("=")
        if not key:
            raise invalid(option, entry, "it has no name")
        if equals or environment is None:
            found[key] = value
        elif key in environment:
            found[key] = environment[key]
    return found


def build_args(entries: Iterable[str]) -> dict[str, str]:
    """`--build-arg NAME=VALUE`; without =VALUE it is our environment's, and without that it is not set."""
    return values(entries, "--build-arg", os.environ)


def epoch(arguments: Mapping[str, str]) -> int | None:
    """SOURCE_DATE_EPOCH, of the build arguments or else of our environment: seconds since 1970; None without one."""
    text = arguments.get("SOURCE_DATE_EPOCH", os.environ.get("SOURCE_DATE_EPOCH", ""))
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise UsageError(f'invalid SOURCE_DATE_EPOCH: "{text}" is not a number of seconds', "date +%s")
    return int(text)


def build_contexts(entries: Iterable[str]) -> dict[str, str]:
    """`--build-context NAME=VALUE`; NAME may be an image's, and is then known with and without :latest."""
    found = values(entries, "--build-context")
    for name, value in found.items():
        if not value:
            raise invalid("--build-context", name, "NAME=DIRECTORY, NAME=URL or NAME=docker-image://IMAGE")
    return {context_name(name): value for name, value in found.items()}


def context_name(text: str) -> str:
    """`docker.io/library/alpine:latest` -> `alpine`: what a named context is known by."""
    try:
        return reference.parse(text).familiar.removesuffix(f":{reference.DEFAULT_TAG}")
    except UsageError:
        return text  # the name of a stage may be what no image can be called


def words(entries: Iterable[str]) -> list[str]:
    """`--no-cache-filter a,b --no-cache-filter c` -> a, b, c"""
    return [word for entry in entries for word in entry.split(",") if word]


def allow(entries: Iterable[str]) -> list[str]:
    """`--allow network.host,security.insecure`"""
    found = words(entries)
    for word in found:
        if word not in ENTITLEMENTS:
            raise UsageError(f'invalid --allow "{word}"', f"there are {', '.join(ENTITLEMENTS)}")
    return found


def platform(entries: Iterable[str]) -> str:
    """`--platform linux/arm64`, or $DOCKER_DEFAULT_PLATFORM; one of them.  `local` is this machine's."""
    found = list(dict.fromkeys(words(entries) or words([os.environ.get("DOCKER_DEFAULT_PLATFORM", "")])))
    if len(found) > 1:
        raise UnsupportedError(
            f"--platform {','.join(found)}: an image is built for one platform at a time",
            "build once for each, with a tag of its own",
        )
    if not found or found[0] == "local":
        return ""
    return platforms.show(platforms.parse(found[0]))


def extra_hosts(entries: Iterable[str]) -> list[list[str]]:
    """`--add-host db:192.0.2.7,cache=192.0.2.8`"""
    return [attachments.extra_host(word) for word in words(entries)]


def network(text: str) -> str:
    """`--network default|none|host`; bridge is the default's own name."""
    text = "default" if text in ("", "bridge") else text
    if text not in NETWORKS:
        raise UnsupportedError(
            f"--network {text}: the steps of a build run in one of {', '.join(NETWORKS)}",
            "a service that a step needs is reached by an address: --add-host NAME:ADDRESS",
        )
    return text


def resources(entries: Iterable[str], classic: Mapping[str, str]) -> Resources:
    """`--resource memory=1g,cpu-quota=50000`, and the same under the `classic` options' names."""
    given = dict(classic)
    for entry in entries:
        pairs = attributes.pairs(entry, "--resource")
        attributes.know(pairs, (*_RESOURCES, *_CPU_SETS), "--resource", entry)
        given.update(pairs)
    numbers = {key: _number(key, given[key]) for key in _RESOURCES[3:] if given.get(key)}
    return limits.with_swap(
        limits.resources(
            memory=given.get("memory", ""),
            memory_swap=given.get("memory-swap", ""),
            cpus=given.get("cpus", ""),
            cpu_shares=numbers.get("cpu-shares", 0),
            cpu_period=numbers.get("cpu-period", 0),
            cpu_quota=numbers.get("cpu-quota", 0),
            cpuset_cpus=given.get("cpuset-cpus", ""),
            cpuset_mems=given.get("cpuset-mems", ""),
        )
    )


def _number(key: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageError(f'invalid {key}: "{text}" is not a whole number') from None


# ---- secrets and agents -----------------------------------------------------------------------------------


def secrets(entries: Iterable[str]) -> dict[str, Secret]:
    """`--secret id=ID[,src=FILE|env=NAME]`; with the id alone a variable of that name, else a file."""
    found: dict[str, Secret] = {}
    for entry in entries:
        pairs = attributes.pairs(entry, "--secret")
        attributes.know(pairs, ("id", "src", "source", "env", "type"), "--secret", entry)
        if not pairs.get("id"):
            raise invalid("--secret", entry, "it has no id=")
        found[pairs["id"]] = _secret(pairs, entry)
    return found


def _secret(pairs: dict[str, str], entry: str) -> Secret:
    kind, name = pairs.get("type", ""), pairs["id"]
    file, variable = pairs.get("src", pairs.get("source", "")), pairs.get("env", "")
    if kind not in ("", "file", "env"):
        raise invalid("--secret", entry, f"no type '{kind}'; there are file, env")
    if kind == "env" and not variable:
        file, variable = "", file or name
    if not file and not variable:
        file, variable = ("", name) if kind == "" and name in os.environ else (name, "")
    if variable and not file:
        if variable not in os.environ:
            raise invalid("--secret", entry, f"there is no variable {variable} in the environment")
        return {"env": variable}
    return {"file": _secret_file(file, entry)}


def _secret_file(path: str, entry: str) -> str:
    path = os.path.abspath(path)
    try:
        status = os.stat(path)
    except OSError as error:
        raise MinirunError(f"--secret {entry}: {path}: {error.strerror}") from None
    if stat.S_ISDIR(status.st_mode):
        raise invalid("--secret", entry, f"{path} is a directory")
    if status.st_size > SECRET_BYTES_MAX:
        raise invalid("--secret", entry, f"{path} is larger than {SECRET_BYTES_MAX // 1024} kB")
    return path


def ssh(entries: Iterable[str]) -> dict[str, Agent]:
    """`--ssh default`, `--ssh ID=SOCKET`, `--ssh ID=KEY[,KEY]`; without a path the agent that is running."""
    found: dict[str, Agent] = {}
    for entry in entries:
        name, _, rest = entry.partition("=")
        if not name:
            raise invalid("--ssh", entry, "it has no id, as in default or ID=SOCKET")
        found[name] = _agent([path for path in rest.split(",") if path], entry)
    return found


def _agent(paths: list[str], entry: str) -> Agent:
    if not paths:
        socket = os.environ.get("SSH_AUTH_SOCK", "")
        if not socket:
            raise MinirunError(f"--ssh {entry}: no agent is running: SSH_AUTH_SOCK is not set", "ssh-agent")
        paths = [socket]
    paths = [os.path.abspath(path) for path in paths]
    kinds = {_is_socket(path, entry) for path in paths}
    if kinds == {True} and len(paths) == 1:
        return {"socket": paths[0]}
    if kinds == {False}:
        return {"keys": paths}
    raise invalid("--ssh", entry, "one socket, or files with keys")


def _is_socket(path: str, entry: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError as error:
        raise MinirunError(f"--ssh {entry}: {path}: {error.strerror}") from None


# ---- caches from and for elsewhere ------------------------------------------------------------------------


def cache(entries: Iterable[str], option: str) -> list[CacheEntry]:
    """`--cache-from` or `--cache-to`: IMAGE, or type=registry|local|inline with ref=, src= or dest=, mode=."""
    return [_cache_entry(entry, option) for entry in entries if entry]


def _cache_entry(entry: str, option: str) -> CacheEntry:
    given = {"type": "registry", "ref": entry} if "=" not in entry else attributes.pairs(entry, option)
    kind, place = given.get("type", ""), "src" if option == "--cache-from" else "dest"
    if kind not in _CACHES:
        raise UnsupportedError(
            f"{option} {entry}: no cache of type '{kind}' here; there are {', '.join(_CACHES)}",
            "type=local,dest=DIR makes a directory, which anything can carry elsewhere",
        )
    attributes.know(given, (*_CACHE_KEYS, *_CACHE_PACKING), option, entry)
    if kind == "inline" and option == "--cache-from":
        raise invalid(option, entry, "an image with an inline cache is named as it is: --cache-from IMAGE")
    for wanted, key in (("registry", "ref"), ("local", place)):
        if kind == wanted and not given.get(key):
            raise invalid(option, entry, f"it wants {key}=")
    if kind == "registry":
        reference.parse(given["ref"])
    if given.get("mode", "min") not in ("min", "max"):
        raise invalid(option, entry, "mode is min or max")
    return {
        "type": kind,
        "ref": given.get("ref", ""),
        "path": os.path.abspath(given[place]) if kind == "local" else "",
        "mode": given.get("mode", "min"),
        "ignore_error": attributes.boolean(given.get("ignore-error", "false"), option, "ignore-error"),
    }


# ---- the whole --------------------------------------------------------------------------------------------


def outputs(entries: Iterable[str], *, push: bool = False, load: bool = False) -> list[Output]:
    """`--output`, several, with --push and --load; without any of them an image in the store."""
    found = [output_words.parse(entry) for entry in entries]
    images = [output for output in found if output.kind == "image"]
    if push and not images:
        images = [output_words.Output("image")]
        found += images
    for output in images:
        output.push = output.push or push
    if not found or (load and not any(output.is_image for output in found)):
        found.append(output_words.Output("image"))
    return found


def call(text: str) -> tuple[str, str]:
    """`--call check`, `--call outline,format=json`: what is asked for, and in which form."""
    name, *rest = attributes.fields(text, "--call")
    name = {"": "build", "lint": "check"}.get(name, name)
    pairs = attributes.pairs(",".join(rest), "--call") if rest else {}
    attributes.know(pairs, ("format",), "--call", text)
    if name not in CALLS:
        raise invalid("--call", text, f"there are {', '.join(CALLS)}")
    if pairs.get("format", "text") not in ("text", "json"):
        raise invalid("--call", text, "format is text or json")
    return name, pairs.get("format", "").removeprefix("text")


def check(options: BuildOptions) -> None:
    """Raises UsageError for what does not go together; puts annotations into the outputs that are images."""
    for tag in options["tags"]:
        if not tag:
            raise invalid("--tag", tag, "it is empty")
        reference.of_new_image(tag)
    if options["context"] == "-" and options["dockerfile"] == "-":
        raise UsageError(
            "standard input cannot be both the context and the Dockerfile", "-f FILE -, or -f - DIR"
        )
    if options["quiet"] and options["progress"] not in ("auto", "quiet"):
        raise UsageError(f"--progress {options['progress']} and --quiet cannot be used together")
    if options["on_error"] not in ("", "shell"):
        raise UsageError(f'invalid --on-error "{options["on_error"]}"', "there is shell")
    _check_outputs(options)
    _check_places(options)


def _check_places(options: BuildOptions) -> None:
    """Where files are to be written at the end there has to be a directory now: a build may take an hour."""
    files = [("--iidfile", options["iidfile"]), ("--metadata-file", options["metadata_file"])]
    for output in options["outputs"]:
        if output.kind in output_words.ARCHIVES and output.as_tar and output.dest != "-":
            files.append(("--output", output.dest))
    for option, path in files:
        directory = os.path.dirname(path) or "."
        if path and not os.path.isdir(directory):
            raise invalid(option, path, f"there is no directory {directory}")


def _check_outputs(options: BuildOptions) -> None:
    outputs = options["outputs"]
    if len([output for output in outputs if output.dest == "-"]) > 1:
        raise UsageError("--output: only one output can go to standard output")
    if options["iidfile"] and any(output.kind in ("local", "tar") for output in outputs):
        raise UsageError("--iidfile: a local or a tar output has no image, so there is no id")
    if any(output.push and not (output.names or options["tags"]) for output in outputs):
        raise UsageError("a tag is needed to push", "-t REGISTRY/NAME:TAG")
    if options["squash"] and options["cache_to"]:
        raise UsageError(
            "--squash and --cache-to cannot be used together: a squashed image has no steps' layers"
        )
    for output in outputs:
        for place, key, value in options["annotations"]:
            if output.kind in ("image", "oci", "docker"):
                output_words.annotate(output, place, key, value)
