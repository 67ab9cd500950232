"""What `minirun run` was asked for, parsed: plain values that the engine understands.

The words of the command line are turned into these here, without click, so that Compose and tests can use the
same parsers.  Each raises UsageError quoting the bad part.
"""

from __future__ import annotations

import os
import resource

from minirun.engine import records
from minirun.errors import UsageError
from minirun.linux import capabilities, seccomp, signals
from minirun.network import ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from minirun.engine.record_types import HealthSettings, LogSettings, MountPoint, RestartPolicy
    from minirun.network.ledger import Plug
    from minirun.network.ports import Wish
    from minirun.runtime.config import Rlimit


class RunOptions:
    """Defaults are Docker's; cli/run.py fills in the rest."""

    def __init__(self, image: str, args: list[str]) -> None:
        self.image, self.args = image, args
        self.name = self.hostname = self.workdir = self.user = ""
        self.entrypoint: str | None = None
        self.env: list[str] = []
        self.labels: dict[str, str] = {}
        self.tty = self.interactive = self.rm = self.init = self.readonly = self.privileged = False
        self.mounts: list[MountPoint] = []
        self.volumes_from: list[str] = []  # CONTAINER[:ro]
        self.network = "bridge"  # none, host, container:ID, or the first network's name
        self.plugs: list[Plug] = [ledger.plug("bridge")]
        self.ports: list[Wish] = []
        self.publish_all = False
        self.exposed: list[str] = []  # "80/tcp"
        self.dns: list[str] = []
        self.dns_search: list[str] = []
        self.dns_options: list[str] = []
        self.extra_hosts: list[list[str]] = []  # [name, address or "host-gateway"]
        self.resources: dict[str, Any] = {}
        self.rlimits: list[Rlimit] = []
        self.cap_add: list[str] = []
        self.cap_drop: list[str] = []
        self.no_new_privileges = False
        self.seccomp: dict[str, Any] | None = {}  # {} is the default profile, None unconfined
        self.domainname = self.stop_signal = ""
        self.stop_timeout: int | None = None
        self.groups: list[str] = []
        self.annotations: dict[str, str] = {}
        self.cgroup_conf: dict[str, str] = {}
        self.shm_size = self.oom_score_adj = 0  # bytes, 0: the default; -1000 to 1000
        self.restart: RestartPolicy = {"name": "no", "maximum": 0}
        self.health: HealthSettings | None = None
        self.log: LogSettings = {"driver": "json-file", "options": {}}
        self.attached: list[str] = []  # those of stdin, stdout and stderr that we stay for
        self.security_opt: list[str] = []  # as written
        self.pull = "missing"
        self.platform = ""


def environment(entries: Iterable[str], env_files: Iterable[str]) -> list[str]:
    """`-e K=V` as it is, `-e K` with our own value if we have one; files first, so that -e wins."""
    lines = lines_of(env_files, "--env-file")
    made = []
    for entry in [*lines, *entries]:
        name, equals, _ = entry.partition("=")
        if not name:
            raise UsageError(f'invalid environment variable: "{entry}"', "as in NAME=value")
        if equals:
            made.append(entry)
        elif name in os.environ:
            made.append(f"{name}={os.environ[name]}")
    return made


def lines_of(paths: Iterable[str], option: str) -> list[str]:
    """The lines of files with one entry each: values are raw, without quotes or expansion; # begins a comment line."""
    lines: list[str] = []
    for path in paths:
        try:
            with open(path, encoding="utf-8") as file:
                lines += [line.rstrip("\n").lstrip() for line in file]
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"{option} {path}: {getattr(error, 'strerror', '') or 'it is not text'}"
            ) from None
    return [line for line in lines if line and not line.startswith("#")]


def labels(entries: Iterable[str]) -> dict[str, str]:
    return dict(entry.partition("=")[::2] for entry in entries)


def ulimit(text: str) -> Rlimit:
    """`--ulimit nofile=1024[:2048]`; -1 is unlimited."""
    name, equals, values = text.partition("=")
    kind = f"RLIMIT_{name.upper()}"
    if not equals or not hasattr(resource, kind):
        raise UsageError(f'invalid ulimit: "{text}"', "as in nofile=1024:2048")
    soft, _, hard = values.partition(":")
    try:
        low, high = int(soft), int(hard or soft)
    except ValueError:
        raise UsageError(f'invalid ulimit: "{text}"', "as in nofile=1024:2048") from None
    if high != -1 and (low > high or low == -1):
        raise UsageError(f'invalid ulimit: "{text}": the soft limit is above the hard one')
    return {"type": kind, "soft": low, "hard": high}


def security(options: RunOptions, entries: Iterable[str]) -> None:
    """`--security-opt no-new-privileges[=true]`, `seccomp=unconfined|FILE`."""
    options.security_opt = list(entries)
    for entry in options.security_opt:
        key, _, value = entry.replace(":", "=", 1).partition("=")
        if key == "no-new-privileges" and value in ("", "true", "false"):
            options.no_new_privileges = value != "false"
        elif key == "seccomp" and value:
            options.seccomp = None if value == "unconfined" else seccomp.load_profile(value)
        elif entry in ("apparmor=unconfined", "label=disable"):
            continue  # there is none to take away
        else:
            raise UsageError(
                f'invalid --security-opt: "{entry}"', "no-new-privileges, seccomp=unconfined, seccomp=FILE"
            )


def check(options: RunOptions) -> None:
    """What can be wrong without looking at the machine.  Raises UsageError."""
    if options.name:
        records.check_name(options.name)
    if options.stop_signal and signals.named(options.stop_signal) is None:
        raise UsageError(f"Invalid signal: {options.stop_signal}", "as in TERM, SIGINT or 9")
    if options.workdir and not options.workdir.startswith("/"):
        raise UsageError(
            f"the working directory '{options.workdir}' is invalid, it needs to be an absolute path"
        )
    for name in [*options.cap_add, *options.cap_drop]:
        capabilities.normalise(name)
    if len(options.hostname) > 64:
        raise UsageError(f'invalid hostname "{options.hostname}": more than 64 characters')
