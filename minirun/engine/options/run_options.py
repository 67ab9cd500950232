"""What a container is asked to be: one shape from whoever asks to the record, plain values that JSON keeps.

    words of a command line, a compose file ...  ->  RunOptions  ->  record["options"], whole, and from there to its use

The parsers of single words are here and beside here, without click, so that Compose and tests can use the same ones.
Each raises UsageError quoting the bad part.  Whether it all goes together is for `check`, which changes nothing; what
only the machine can say (is there such a network?) is seen when the container is made.

An option is in three places: declared in cli/, here (its default, its rules), and where it acts.  Its type is in
record_types.py, and what its default does not say of that also in shape.py.
"""

from __future__ import annotations

import resource

from minirun.engine.options import attachments, key_values, limits, logging
from minirun.errors import UsageError
from minirun.linux import capabilities, signals
from minirun.network import ledger
from minirun.runtime import validate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from minirun.engine.record_types import RunOptions
    from minirun.runtime.config import Rlimit

_NAME_START = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_NAME_REST = _NAME_START | frozenset("_.-")


def defaults(image: str, args: Iterable[str] = ()) -> RunOptions:
    """A container of which nothing more is asked; the defaults are Docker's.  Raises UsageError for args in one str."""
    if isinstance(args, str):
        from minirun.engine.options import shape

        shape.refuse_text(args=args)
    return {
        "image": image,
        "args": list(args),
        "name": "",
        "entrypoint": None,
        "env": [],
        "workdir": "",
        "user": "",
        "groups": [],
        "hostname": "",
        "domainname": "",
        "annotations": {},
        "labels": {},
        "tty": False,
        "interactive": False,
        "attached": [],
        "auto_remove": False,
        "init": False,
        "mounts": [],
        "volumes_from": [],
        "image_volumes": True,
        "readonly": False,
        "namespaces": {},
        "network": "bridge",
        "attachments": [ledger.attachment("bridge")],
        "ports": [],
        "publish_all": False,
        "exposed": [],
        "dns": [],
        "dns_search": [],
        "dns_options": [],
        "extra_hosts": [],
        "resources": {},
        "cgroup_conf": {},
        "cgroup_parent": "",
        "shm_size": 0,
        "oom_score_adj": 0,
        "rlimits": [],
        "sysctls": {},
        "devices": [],
        "cdi_devices": [],
        "device_cgroup_rules": [],
        "cap_add": [],
        "cap_drop": [],
        "privileged": False,
        "no_new_privileges": False,
        "seccomp": {},
        "security_opt": [],
        "runtime": "",
        "stop_signal": "",
        "stop_timeout": None,
        "restart": {"name": "no", "maximum": 0},
        "health": None,
        "log": {"driver": "json-file", "options": {}},
        "pull": "missing",
        "platform": "",
    }


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


def sysctls(entries: Iterable[str]) -> dict[str, str]:
    """`--sysctl net.core.somaxconn=1024`: {name: value}."""
    for entry in entries:
        if not all(entry.partition("=")):
            raise UsageError(f'invalid --sysctl: "{entry}"', "as in net.core.somaxconn=1024")
    return key_values.pairs(entries)


def check(options: RunOptions) -> None:
    """All that can be wrong without looking at what there is on this machine.  Raises UsageError; changes nothing."""
    from minirun.engine.options import mounts, policies, shape  # who only reads records has none to check

    shape.check(options, shape.of_options(defaults("")), "")
    if options["name"]:
        check_name(options["name"])
    if options["stop_signal"] and not signals.named(options["stop_signal"]):
        raise UsageError(f"Invalid signal: {options['stop_signal']}", "as in TERM, SIGRTMIN+3 or 9")
    check_workdir(options["workdir"])
    for name in [*options["cap_add"], *options["cap_drop"]]:
        capabilities.normalise(name)
    for key in ("hostname", "domainname"):
        if len(options[key]) > 64:  # __NEW_UTS_LEN
            raise UsageError(f'invalid {key} "{options[key]}": more than 64 characters')
        attachments.check_line(options[key], key)
    for entry in options["env"]:
        key_values.check_variable(entry)
    if not -1000 <= options["oom_score_adj"] <= 1000:
        raise UsageError(
            f"Invalid value {options['oom_score_adj']}, range for oom score adj is [-1000, 1000]"
        )
    if options["auto_remove"] and options["restart"]["name"] != "no":
        raise UsageError("conflicting options: cannot specify both --restart and --rm")
    for name in options["sysctls"]:
        _check_sysctl(name, {"network": options["network"], **options["namespaces"]})
    for limit in options["rlimits"]:
        _check_rlimit(limit)
    if options["shm_size"] < 0:
        raise UsageError(f"invalid size {options['shm_size']} for /dev/shm", "bytes; 0 is the default")
    if options["seccomp"] and "defaultAction" not in options["seccomp"]:
        raise UsageError("the seccomp profile has no defaultAction")
    if options["security_opt"]:
        from minirun.engine.options import security

        security.check(options["security_opt"])
    if options["runtime"] and not options["runtime"].startswith("/"):
        raise UsageError(f'invalid runtime: "{options["runtime"]}"', "its path, as in /usr/sbin/runc")
    if options["cgroup_parent"]:
        _check_cgroup_parent(options["cgroup_parent"])
    if options["namespaces"]:
        from minirun.engine.options import namespaces

        namespaces.check(options)
    if options["devices"] or options["cdi_devices"] or options["device_cgroup_rules"]:
        from minirun.engine.options import devices

        devices.check(options)
    mounts.check(options["mounts"])
    attachments.check(options)
    limits.check(options["resources"])
    limits.raw(f"{file}={value}" for file, value in options["cgroup_conf"].items())
    logging.check(options["log"])
    policies.check_restart(options["restart"])
    if options["health"]:
        policies.check_health(options["health"])


def check_workdir(path: str) -> None:
    """`-w`; "" is the image's, or the container's.  Raises UsageError."""
    if path and not path.startswith("/"):
        raise UsageError(f"the working directory '{path}' is invalid, it needs to be an absolute path")


def check_program(args: Sequence[str], env: Sequence[str]) -> None:
    """What is to run in a container that is there, with the variables it gets.  Raises UsageError."""
    from minirun.engine.options import shape

    for words, name in ((args, "args"), (env, "env")):
        shape.check(list(words) if isinstance(words, tuple) else words, [str], name)
    if not args:
        raise UsageError("no command specified", "a program and its arguments")
    for entry in env:
        key_values.check_variable(entry)


def _check_rlimit(limit: Rlimit) -> None:
    """The same rules as for the words of --ulimit."""
    if not limit["type"].startswith("RLIMIT_"):
        raise UsageError(f'invalid ulimit: "{limit["type"]}"', "as in RLIMIT_NOFILE")
    ulimit(f"{limit['type'].removeprefix('RLIMIT_')}={limit['soft']}:{limit['hard']}")


def check_name(name: str) -> None:
    """Raises UsageError for a name Docker would refuse."""
    if len(name) < 2 or name[0] not in _NAME_START or not _NAME_REST.issuperset(name):
        raise UsageError(
            f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
            "two letters or more, and a sign is not the first",
        )


def _check_cgroup_parent(path: str) -> None:
    if ":" in path or {"..", "."} & set(path.split("/")) or not path.isprintable():
        raise UsageError(
            f'invalid --cgroup-parent: "{path}"', "a path below the cgroup mount: /team, or team"
        )
    if path.endswith(".slice") and not path.startswith("/"):
        raise UsageError(f'invalid --cgroup-parent: "{path}"', f"give its path, as in /{path}")


def _check_sysctl(name: str, shared: Mapping[str, str]) -> None:
    """Only what belongs to a namespace of the container's own: the others would be set for the whole host."""
    kind = validate.sysctl_namespace(name)
    if not kind:
        raise UsageError(
            f"sysctl '{name}' is not allowed", "all containers share it: set it on the host with sysctl(8)"
        )
    if shared.get(kind) == "host":
        raise UsageError(f"sysctl '{name}' is not allowed with --{kind} host: it would be the host's")
