"""Commands and flags of Docker's that minirun has not, each with the reason; and flags that say what is so anyway.

Neither is in --help.  Whoever types one hears why it is not there, not that it might have been another word.

See  docs/differences.md, which has the same tables; tests/docker_28_options.txt, all that Docker has
"""

from __future__ import annotations

import click

from minirun.cli.command_table import COMMANDS
from minirun.errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Rows = tuple[tuple[str, str, str], ...]

_NO_DAEMON = "there is no daemon; whoever runs minirun is on the machine and is root"
_ONE_MACHINE = "a swarm is several machines; `minirun compose` runs several containers on this one"
_ONE_BUILDER = "minirun builds by itself, so there are no builders to make and to choose from"
_WINDOWS = "it is for containers of Windows"

MISSING_COMMANDS: Rows = (  # group, its commands, the reason
    ("", "swarm node service stack config secret", _ONE_MACHINE),
    ("", "context", _NO_DAEMON),
    (
        "",
        "plugin",
        "nothing is added to minirun from outside: volumes are local, networks are bridges and macvlans",
    ),
    ("", "trust", "signatures of images are neither made nor looked for; NAME@sha256:... pins one"),
    ("", "checkpoint", "processes are not written to disk and brought back, which takes CRIU"),
    (
        "",
        "scout sbom scan init debug desktop extension model mcp offload sandbox",
        "it is a program of Docker Desktop's",
    ),
    ("manifest", "annotate create push rm", "lists of platforms are pulled, and not put together by hand"),
    ("compose", "bridge", "it writes files for Kubernetes, of which nothing is here"),
    ("compose", "publish", "registries are given images; a project is its files"),
    ("volume", "update", "it is for volumes of a swarm"),
    ("system", "dial-stdio", _NO_DAEMON),
    ("buildx", "create rm stop use dial-stdio install uninstall", _ONE_BUILDER),
    ("buildx", "bake", "`minirun compose build` builds several images from one file"),
    ("buildx", "imagetools", "lists of platforms are pulled, and not put together by hand"),
    ("buildx", "history", "a build leaves no record; `build --metadata-file` writes one"),
    ("buildx", "debug dap", "`build --on-error=shell` opens a shell where a step fails"),
)
MISSING_FLAGS: Rows = (  # commands, their flags, the reason
    ("minirun", "-H --host -c --context --tls --tlscacert --tlscert --tlskey --tlsverify", _NO_DAEMON),
    ("minirun", "-l --log-level", "there is no daemon that writes a log; --debug tells more of an error"),
    (
        "run, create",
        "--gpus",
        "no device driver is known here; --device gives a node of /dev, or what a CDI file describes",
    ),
    ("run, create", "--cpu-count --cpu-percent --io-maxbandwidth --io-maxiops", _WINDOWS),
    (
        "run, create",
        "--storage-opt",
        "an overlay has no size of its own; put --root on a file system with quotas",
    ),
    ("run, create", "--use-api-socket", "there is no daemon, so there is no socket that could be given"),
    (
        "run, create, update",
        "--kernel-memory",
        "kernels since 5.16 have no limit for their memory alone; --memory counts it as well",
    ),
    ("network create", "--config-from --config-only --ingress", "it is for networks of a swarm"),
    ("network create", "--ipam-opt", "addresses are given by minirun itself, which has no options"),
    ("build", "--cgroup-parent", "the control groups of a build are minirun's own"),
    (
        "build",
        "--security-opt",
        "a step is let more by name: RUN --security=insecure, with --allow security.insecure",
    ),
    ("build", "--policy", "there are no source policies; FROM image@sha256:... pins what is built on"),
    ("buildx", "-D --debug", "`minirun --debug` shows more of an error"),
    ("start", "--checkpoint --checkpoint-dir", "processes are not brought back from disk, which takes CRIU"),
    (
        "volume create",
        "--availability --group --limit-bytes --required-bytes --scope --secret --sharing --topology-preferred "
        "--topology-required --type",
        "it is for volumes of a swarm",
    ),
    ("volume ls", "--cluster", "it is for volumes of a swarm"),
    ("version", "--kubeconfig", "nothing of Kubernetes is here"),
)
AS_IT_IS = {  # what may be said, for it is so; and the reason why nothing else may
    "--builder": (("", "default"), _ONE_BUILDER),
    "--disable-content-trust": (("true",), "signatures of images are neither made nor looked for"),
    "--ipam-driver": (("default",), "addresses are given by minirun itself"),
    "--ipv4": (("true",), "a container has an address of IPv4, from which its interface has its name"),
    "--isolation": (("", "default"), _WINDOWS),
    "--no-trunc": (("true",), "what is shown is whole"),
    "--scope": (("local",), "there is one machine, and no swarm"),
    "--userns": (("", "host"), "users are the host's; there is no other user namespace yet"),
    "--volume-driver": (("", "local"), "local is the one that there is"),
}
NOTHING_TO_DO: Rows = (  # commands, flags that are taken and change nothing, the reason
    ("build", "--rm --force-rm", "a step leaves no container behind, whether it works or fails"),
    ("build", "--compress", "the context is read where it is, and sent nowhere"),
    ("build", "-D --debug", "there is no daemon that writes a log; `minirun --debug` tells more of an error"),
    ("buildx inspect", "--bootstrap", "nothing has to be started before a build"),
    ("load", "-q --quiet", "no progress is shown in any case"),
    ("network disconnect", "-f --force", "what a container that was killed left on a network goes by itself"),
    ("network inspect", "-v --verbose", "what more there could be is of the services of a swarm"),
    ("rmi", "--no-prune", "an image has no parents without a name"),
)
_SWITCHES = ("--disable-content-trust", "--ipv4", "--no-trunc")  # of these, true is what is so


def as_it_is(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the command knows these of AS_IT_IS, hidden, and gets none of them."""

    def known(command: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            switch = f"{name}/--not{name[1:]}" if name in _SWITCHES else name
            command = click.option(switch, default=None, hidden=True, expose_value=False, callback=_look)(
                command
            )
        return command

    return known


def nothing_to_do(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the command of this name knows what NOTHING_TO_DO has of it, hidden, and gets none of it."""

    def known(command: Callable[..., Any]) -> Callable[..., Any]:
        for commands, flags, _ in NOTHING_TO_DO:
            if name != commands:
                continue
            letters = [one for one in flags.split() if not one.startswith("--")]
            for word in (one for one in flags.split() if one.startswith("--")):
                command = click.option(*letters, word, is_flag=True, hidden=True, expose_value=False)(command)
        return command

    return known


def _look(_ctx: click.Context, option: click.Parameter, value: str | bool | None) -> None:
    """Raises UnsupportedError when the option says anything but what is so."""
    name = option.opts[0]
    accepted, reason = AS_IT_IS[name]
    text = str(value).lower() if isinstance(value, bool) else value
    if text is not None and text not in accepted:
        raise UnsupportedError(f"{name}={text} is not in minirun: {reason}")


def flag(path: str, name: str) -> str:
    """Why the command at `path`, as "network create", has not the flag `name` of Docker's; "" where that has none.

    >>> flag("container create", "--cpu-count")
    'it is for containers of Windows'
    """
    path = short(path)
    rows = (row for row in MISSING_FLAGS if path in row[0].split(", ") and name in row[1].split())
    return next((reason for _, _, reason in rows), "")


def command(group: str, name: str) -> str:
    """Why the group, "" for minirun itself, has not the command `name` of Docker's; "" where that has none."""
    rows = (row for row in MISSING_COMMANDS if row[0] == group and name in row[1].split())
    return next((reason for _, _, reason in rows), "")


def short(path: str) -> str:
    """The first of a command's names, where it has one inside of a group as well: `container run` is `run`."""
    group, _, name = path.partition(" ")
    twice = {"container ls": "ps", "image ls": "images", "image rm": "rmi", "buildx build": "build"}
    if group == "builder":
        path = f"buildx {name}".strip()
    if (
        path not in twice
        and group in ("container", "image", "system")
        and name in COMMANDS
        and name != "inspect"
    ):
        return name
    return twice.get(path, path) or "minirun"
