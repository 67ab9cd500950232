"""The options that `run` and `create` share, and what they ask for: the words of the command line become RunOptions.

Those about networks, namespaces, limits and health are beside here: network_options.py, namespace_options.py,
limit_options.py and policy_options.py.

By hand  docker run has the same options
Next     engine/options/run_options.py
"""

from __future__ import annotations

import click

from minirun.cli import limit_options, namespace_options, network_options, policy_options, refused_options
from minirun.engine.options import key_values, logging, mounts, run_options, security, shape
from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from minirun.engine.record_types import RunOptions

_OPTIONS = (
    click.option("-i", "--interactive", is_flag=True, help="Keep STDIN open."),
    click.option("-t", "--tty", is_flag=True, help="Give the container a terminal."),
    click.option("--rm", is_flag=True, help="Remove the container when it exits."),
    click.option("--name", default="", help="Name of the container."),
    click.option("-a", "--attach", multiple=True, help="Only these: STDIN, STDOUT, STDERR."),
    click.option("--cidfile", default="", help="Write the container's ID to this new file."),
    click.option("--stop-signal", default="", help="Signal that asks it to end; TERM, or the image's."),
    click.option("--stop-timeout", type=int, help="Seconds that `stop` waits before it kills."),
    click.option("-e", "--env", multiple=True, help="NAME=VALUE, or NAME for the value it has here."),
    click.option("--env-file", multiple=True, help="File with one NAME=VALUE a line."),
    click.option("-w", "--workdir", default="", help="Working directory; made if missing."),
    click.option("-u", "--user", default="", help="NAME or UID, and :GROUP or :GID."),
    click.option("--group-add", multiple=True, help="One more group, by name or GID."),
    click.option("--entrypoint", help="Program to run instead of the image's."),
    click.option("-h", "--hostname", default="", help="Name of the host inside."),
    click.option("--domainname", default="", help="NIS domain name inside."),
    click.option("-l", "--label", multiple=True, help="KEY=VALUE to remember."),
    click.option("--label-file", multiple=True, help="File with one KEY=VALUE a line."),
    click.option("--annotation", multiple=True, help="KEY=VALUE for the runtime, into config.json."),
    click.option(
        "-v", "--volume", multiple=True, help="NAME:/P or /HOST:/P[:ro]: share a volume, or the host's."
    ),
    click.option("--mount", multiple=True, help="type=bind|volume|tmpfs,src=...,dst=...[,readonly]."),
    click.option("--volumes-from", multiple=True, help="CONTAINER[:ro]: the same volumes as that one has."),
    click.option("--tmpfs", multiple=True, help="/PATH[:size=64m,...]: a file system in memory."),
    click.option("--read-only", is_flag=True, help="The container cannot change its root filesystem."),
    network_options.options,
    namespace_options.options,
    limit_options.options,
    click.option("--cap-add", multiple=True, help="Give a capability, or ALL."),
    click.option("--cap-drop", multiple=True, help="Take a capability, or ALL."),
    click.option(
        "--security-opt", multiple=True, help="no-new-privileges, seccomp=FILE, systempaths=unconfined, ..."
    ),
    click.option("--privileged", is_flag=True, help="All capabilities, all devices, no filter."),
    click.option("--device", multiple=True, help="HOST[:CONTAINER][:rwm], or VENDOR/CLASS=NAME (CDI)."),
    click.option(
        "--device-cgroup-rule", multiple=True, help="What may be done with devices: 'c MAJOR:MINOR rwm'."
    ),
    click.option("--cgroup-parent", default="", help="Group above its own: /PATH that is there, or NAME."),
    click.option("--ulimit", multiple=True, help="NAME=SOFT[:HARD], as nofile=1024."),
    click.option(
        "--sysctl",
        multiple=True,
        help="NAME=VALUE of the kernel's, in its namespaces: net.core.somaxconn=1024.",
    ),
    click.option("--init", is_flag=True, help="A small init that reaps zombies runs as PID 1."),
    policy_options.options,
    click.option(
        "--log-driver",
        default="",
        help="json-file, local, none, syslog, journald: where what is printed goes.",
    ),
    click.option("--log-opt", multiple=True, help="KEY=VALUE: max-size=10m, max-file=3, labels, env, tag."),
    click.option("-q", "--quiet", is_flag=True, help="Do not tell how the image is pulled."),
    click.option("--runtime", default="", help="Another OCI runtime, by name or path: runc, crun."),
    click.option("--pull", type=click.Choice(shape.PULL), default="missing", help="When to pull."),
    refused_options.as_it_is("--disable-content-trust", "--isolation", "--userns", "--volume-driver"),
    click.option("--platform", default="", help="For which machine the image is made: linux/arm64/v8."),
)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the command takes them all, under the names that `parse` knows."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def parse(image: str, args: list[str], words: dict[str, Any]) -> RunOptions:
    """The words of the command line as options.  Raises UsageError quoting the bad one."""
    no_new_privileges, seccomp = security.parse(words["security_opt"])
    options = run_options.defaults(image, args)
    options.update(
        {
            "name": words["name"],
            "entrypoint": None if words["entrypoint"] is None else [words["entrypoint"]],
            "env": key_values.environment(words["env"], words["env_file"]),
            "workdir": words["workdir"],
            "user": words["user"],
            "groups": list(words["group_add"]),
            "hostname": words["hostname"],
            "domainname": words["domainname"],
            "annotations": key_values.pairs(words["annotation"]),
            "labels": key_values.labels(words["label"], words["label_file"]),
            "tty": words["tty"],
            "interactive": words["interactive"],
            "auto_remove": words["rm"],
            "init": words["init"],
            "mounts": [
                *map(mounts.volume, words["volume"]),
                *map(mounts.mount, words["mount"]),
                *map(mounts.tmpfs, words["tmpfs"]),
            ],
            "volumes_from": list(words["volumes_from"]),
            "readonly": words["read_only"],
            "rlimits": [run_options.ulimit(text) for text in words["ulimit"]],
            "sysctls": run_options.sysctls(words["sysctl"]),
            "device_cgroup_rules": list(words["device_cgroup_rule"]),
            "cgroup_parent": words["cgroup_parent"],
            "cap_add": list(words["cap_add"]),
            "cap_drop": list(words["cap_drop"]),
            "privileged": words["privileged"],
            "no_new_privileges": no_new_privileges,
            "seccomp": seccomp,
            "security_opt": list(words["security_opt"]),
            "stop_signal": words["stop_signal"],
            "stop_timeout": words["stop_timeout"],
            "log": logging.settings(driver=words["log_driver"], options=key_values.pairs(words["log_opt"])),
            "pull": words["pull"],
            "platform": words["platform"],
            "runtime": _runtime(words["runtime"]),
        }
    )
    _set_devices(words["device"], options)
    for group in (network_options, namespace_options, limit_options, policy_options):
        group.apply(words, options)
    run_options.check(options)  # before a --cidfile or a narrator is there; prepare() does it for everybody
    return options


def _runtime(name: str) -> str:
    """The path of another OCI runtime, "" for our own."""
    if name.rpartition("/")[2] in ("", "minirun-oci"):
        return ""
    from minirun.engine.options import runtimes

    return runtimes.find(name)


def _set_devices(texts: tuple[str, ...], options: RunOptions) -> None:
    if not texts:
        return
    from minirun.engine.options import devices  # few want any

    options["cdi_devices"] = [text for text in texts if devices.is_cdi(text)]
    options["devices"] = [devices.mapping(text) for text in texts if not devices.is_cdi(text)]


def streams(words: tuple[str, ...]) -> list[str]:
    """`--attach STDOUT`: the streams it names, in lower case.  Raises UsageError quoting the bad one."""
    wanted = [word.lower() for word in words]
    if bad := [word for word in wanted if word not in shape.STREAMS]:
        raise UsageError(f'invalid --attach: "{bad[0]}"', "valid streams are STDIN, STDOUT and STDERR")
    return wanted
