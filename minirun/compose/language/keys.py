"""The language of compose files, as a table: every key, and the kind of value that it has.

Read it from the bottom: a FILE has services, networks, volumes, secrets and configs; what a SERVICE has is in
CONTAINER, WORKLOAD and the keys of its own.  The order of keys is the one in which `compose config` prints them.

A name ending in KEPT says that an empty value (false, 0) is another thing than none.

See  compose-spec schema/compose-spec.json and its 05-services.md ... 09-secrets.md
Next checking.py
"""

from __future__ import annotations

import re

from minirun.compose.language import mounts, ports, scalars, words
from minirun.compose.language.kinds import Anything, Keys, Kind, List, Long, Map, Pairs, Scalar
from minirun.compose.language.lists import CONTEXTS, HOSTS, SSH, Words
from minirun.compose.language.yaml_nodes import Node

# --- single values ---

TEXT = Scalar("text", [str])
FLAG = Scalar("true or false", [bool, str], words.flag)
FLAG_KEPT = Scalar("true or false", [bool, str], words.flag, kept=True)
FLAG_TRUE = Scalar("true or false", [bool, str], words.flag, kept=True, default=True)
FLAG_OR_TEXT = Scalar("text, true or false", [bool, str], scalars.as_text)
INTEGER = Scalar("a whole number", [int, str], words.integer)
INTEGER_KEPT = Scalar("a whole number", [int, str], words.integer, kept=True)
WHOLE = Scalar("a whole number", [int, float, str], words.integer)
NUMBER = Scalar("a number", [int, float, str], words.number)
SIZE = Scalar("a size such as 64m or 1.5g", [int, str], words.size)
TEXT_SIZE = Scalar("a size such as 64m or 1.5g", [str], words.size)
DURATION = Scalar("a duration such as 90s or 1m30s", [str], words.duration)
PAUSE = Scalar("a duration such as 90s or 1m30s", [str], words.duration, default="0s")
MODE = Scalar("permission bits such as 0440", [int, str], words.mode)
BITS = Scalar("permission bits such as 0700", [int], words.bits)
OWNER = Scalar('a number in quotes such as "1000"', [str], words.owner)
TEXT_OR_NUMBER = Scalar("text or a number", [str, int, float], scalars.as_text)
COMMAND = Words(words.command, kept=True)
TEXTS = List(TEXT)
TEXT_OR_TEXTS = List(TEXT, single=True)

NAME = r"[a-zA-Z0-9._-]+"


def one_of(*choices: str) -> Scalar:
    def choice(value: str) -> str:
        if value not in choices:
            raise ValueError(f'expected {", ".join(choices[:-1])} or {choices[-1]}, not "{value}"')
        return value

    return Scalar(" or ".join(choices), [str], choice)


def like(pattern: str, expected: str) -> Scalar:
    def fitting(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f'expected {expected}, not "{value}"')
        return value

    return Scalar(expected, [str], fitting)


def number_in(lowest: int, highest: int) -> Scalar:
    def bounded(value: int | str) -> int:
        if not lowest <= words.integer(value) <= highest:
            raise ValueError(f"expected a number from {lowest} to {highest}, not {value}")
        return words.integer(value)

    return Scalar(f"a number from {lowest} to {highest}", [int, str], bounded)


def device_count(value: int | str) -> int:
    """Of GPUs; all is -1."""
    return -1 if value == "all" else words.integer(value)


def all_gpus(word: str) -> dict[str, str]:
    if word != "all":
        raise ValueError(f'expected all or a list, not "{word}"')
    return {"count": word}


PULL_POLICY = like(
    "always|never|build|if_not_present|missing|refresh|daily|weekly|every_([0-9]+[wdhms])+",
    "always, missing, never, build, daily, weekly or every_12h",
)

# --- what several places have ---

REFERENCE = Long(
    Keys({"source": TEXT, "target": TEXT, "uid": OWNER, "gid": OWNER, "mode": MODE}, required=["source"]),
    lambda word: {"source": word},
)
REFERENCES = List(REFERENCE)  # of secrets or configs

LIMIT = Long(
    Keys({"soft": INTEGER_KEPT, "hard": INTEGER_KEPT}, required=["soft", "hard"]),
    words.integer,
    "a number",
    [int, str],
)
LIMITS = Map(LIMIT)

HOOK = Keys(
    {"command": COMMAND, "user": TEXT, "privileged": FLAG, "working_dir": TEXT, "environment": Pairs()},
    required=["command"],
)

GPU_COUNT = Scalar("a number or all", [int, str], device_count)
DEVICE_REQUEST = {
    "capabilities": TEXTS,
    "driver": TEXT,
    "count": GPU_COUNT,
    "device_ids": TEXTS,
    "options": Pairs(),
}

# --- a service: what its containers are ---

RATES = List(
    Keys({"path": TEXT, "rate": SIZE}, extensible=False, untagged=True, always={"path": "", "rate": "0"})
)
WEIGHT = Keys(
    {"path": TEXT, "weight": INTEGER}, extensible=False, untagged=True, always={"path": "", "weight": 0}
)
BLOCK_IO = Keys(
    {
        "weight": INTEGER,
        "weight_device": List(WEIGHT),
        "device_read_bps": RATES,
        "device_read_iops": RATES,
        "device_write_bps": RATES,
        "device_write_iops": RATES,
    },
    extensible=False,
)


def device(word: str) -> dict[str, str]:
    """`/dev/a:/dev/b:rwm`."""
    parts = word.split(":")
    if len(parts) > 3:
        raise ValueError(f'invalid device "{word}": expected SOURCE[:TARGET[:PERMISSIONS]]')
    source, target, permissions = [*parts, *[parts[0], "rwm"][len(parts) - 1 :]]
    return {"source": source, "target": target, "permissions": permissions}


DEVICE = Long(Keys({"source": TEXT, "target": TEXT, "permissions": TEXT}, required=["source"]), device)
ENV_FILE = Long(
    Keys({"path": TEXT, "required": FLAG_TRUE, "format": TEXT}, required=["path"], extensible=False),
    lambda word: {"path": word, "required": True},
)
GPU = Long(Keys(DEVICE_REQUEST), all_gpus, "all")
ENDPOINT = Keys(
    {
        "aliases": TEXTS,
        "driver_opts": Map(TEXT_OR_NUMBER),
        "gw_priority": WHOLE,
        "interface_name": TEXT,
        "ipv4_address": TEXT,
        "ipv6_address": TEXT,
        "link_local_ips": TEXTS,
        "mac_address": TEXT,
        "priority": WHOLE,
    },
    nothing=True,
)
MOUNT = Long(
    Keys(
        {
            "type": one_of("bind", "volume", "tmpfs", "cluster", "npipe", "image"),
            "source": TEXT,
            "target": TEXT,
            "read_only": FLAG,
            "consistency": TEXT,
            "bind": Keys(
                {
                    "selinux": one_of("z", "Z"),
                    "propagation": TEXT,
                    "create_host_path": FLAG_TRUE,
                    "recursive": one_of("enabled", "disabled", "writable", "readonly"),
                }
            ),
            "volume": Keys({"labels": Pairs(""), "nocopy": FLAG, "subpath": TEXT}),
            "tmpfs": Keys({"size": SIZE, "mode": BITS}),
            "image": Keys({"subpath": TEXT}),
        },
        required=["type"],
    ),
    mounts.spelt,
)
MODEL_ENDPOINT = Keys({"endpoint_var": TEXT, "model_var": TEXT}, nothing=True)

CONTAINER: dict[str, Kind] = {
    "annotations": Pairs(""),
    "blkio_config": BLOCK_IO,
    "cap_add": TEXTS,
    "cap_drop": TEXTS,
    "cgroup_parent": TEXT,
    "cgroup": one_of("host", "private"),
    "cpu_count": INTEGER,
    "cpu_percent": NUMBER,
    "cpu_period": WHOLE,
    "cpu_quota": WHOLE,
    "cpu_rt_period": WHOLE,
    "cpu_rt_runtime": WHOLE,
    "cpus": NUMBER,
    "cpuset": TEXT,
    "cpu_shares": WHOLE,
    "command": COMMAND,
    "configs": REFERENCES,
    "credential_spec": Keys({"config": TEXT, "file": TEXT, "registry": TEXT}),
    "device_cgroup_rules": TEXTS,
    "devices": List(DEVICE),
    "dns": TEXT_OR_TEXTS,
    "dns_opt": TEXTS,
    "dns_search": TEXT_OR_TEXTS,
    "domainname": TEXT,
    "entrypoint": COMMAND,
    "environment": Pairs(),
    "env_file": List(ENV_FILE, single=True),
    "extra_hosts": HOSTS,
    "group_add": List(Scalar("text or a number", [str, int], scalars.as_text)),
    "gpus": List(GPU, single=True),
    "hostname": TEXT,
    "image": TEXT,
    "init": FLAG_KEPT,
    "ipc": TEXT,
    "isolation": TEXT,
    "labels": Pairs(""),
    "label_file": TEXT_OR_TEXTS,
    "logging": Keys({"driver": TEXT, "options": Map(TEXT_OR_NUMBER, nothing="")}),
    "mem_limit": SIZE,
    "mem_reservation": SIZE,
    "memswap_limit": SIZE,
    "mem_swappiness": SIZE,
    "mac_address": TEXT,
    "models": Map(MODEL_ENDPOINT, nothing=None, listed=None, names=NAME),
    "network_mode": TEXT,
    "networks": Map(ENDPOINT, nothing=None, listed=None, names=NAME),
    "oom_kill_disable": FLAG,
    "oom_score_adj": number_in(-1000, 1000),
    "pid": TEXT,
    "pids_limit": WHOLE,
    "platform": TEXT,
    "privileged": FLAG,
    "pull_policy": PULL_POLICY,
    "pull_refresh_after": TEXT,
    "read_only": FLAG,
    "runtime": TEXT,
    "secrets": REFERENCES,
    "security_opt": TEXTS,
    "shm_size": SIZE,
    "stop_grace_period": DURATION,
    "stop_signal": TEXT,
    "storage_opt": Map(TEXT_OR_NUMBER),
    "sysctls": Pairs(""),
    "tmpfs": TEXT_OR_TEXTS,
    "ulimits": LIMITS,
    "use_api_socket": FLAG,
    "user": TEXT,
    "userns_mode": TEXT,
    "uts": TEXT,
    "volumes": List(MOUNT),
    "volumes_from": TEXTS,
    "working_dir": TEXT,
}

# --- a service: how it is built, reached and waited for ---

BUILD = Long(
    Keys(
        {
            "context": TEXT,
            "dockerfile": TEXT,
            "dockerfile_inline": TEXT,
            "entitlements": TEXTS,
            "args": Pairs(),
            "provenance": FLAG_OR_TEXT,
            "sbom": FLAG_OR_TEXT,
            "ssh": SSH,
            "labels": Pairs(""),
            "cache_from": TEXTS,
            "cache_to": TEXTS,
            "no_cache": FLAG,
            "no_cache_filter": TEXT_OR_TEXTS,
            "additional_contexts": CONTEXTS,
            "pull": FLAG,
            "extra_hosts": HOSTS,
            "isolation": TEXT,
            "network": TEXT,
            "target": TEXT,
            "secrets": REFERENCES,
            "shm_size": SIZE,
            "tags": TEXTS,
            "ulimits": LIMITS,
            "platforms": TEXTS,
            "privileged": FLAG,
        }
    ),
    lambda word: {"context": word},
)
DEPENDENCY = Keys(
    {
        "condition": one_of("service_started", "service_healthy", "service_completed_successfully"),
        "restart": FLAG,
        "required": FLAG_KEPT,
    },
    required=["condition"],
)
STARTED = {"condition": "service_started", "required": True}
HEALTHCHECK = Keys(
    {
        "test": Words(lambda value: ["CMD-SHELL", value] if isinstance(value, str) else value),
        "timeout": DURATION,
        "interval": DURATION,
        "retries": INTEGER_KEPT,
        "start_period": DURATION,
        "start_interval": DURATION,
        "disable": FLAG,
    }
)
PORT = Long(
    Keys(
        {
            "name": TEXT,
            "mode": TEXT,
            "host_ip": Scalar("an address", [str], ports.address),
            "target": number_in(0, 65535),
            "published": Scalar("a port or a range of ports", [str, int], scalars.as_text),
            "protocol": TEXT,
            "app_protocol": TEXT,
        }
    ),
    ports.spelt,
    "a number, text",
    [int, str],
)

WORKLOAD: dict[str, Kind] = {
    "build": BUILD,
    "depends_on": Map(DEPENDENCY, listed=STARTED, names=NAME),
    "expose": List(TEXT_OR_NUMBER),
    "healthcheck": HEALTHCHECK,
    "ports": List(PORT),
    "stdin_open": FLAG,
    "tty": FLAG,
}

# --- a service: its replicas, its development, its life ---

UPDATE = Keys(
    {
        "parallelism": INTEGER_KEPT,
        "delay": PAUSE,
        "failure_action": TEXT,
        "monitor": PAUSE,
        "max_failure_ratio": NUMBER,
        "order": one_of("start-first", "stop-first"),
    }
)
RESERVED_RESOURCE = Keys(
    {"discrete_resource_spec": Keys({"kind": TEXT, "value": WHOLE}, always={"kind": "", "value": 0})}
)
DEPLOY = Keys(
    {
        "mode": TEXT,
        "replicas": INTEGER_KEPT,
        "labels": Pairs(""),
        "update_config": UPDATE,
        "rollback_config": UPDATE,
        "resources": Keys(
            {
                "limits": Keys({"cpus": NUMBER, "memory": TEXT_SIZE, "pids": INTEGER}),
                "reservations": Keys(
                    {
                        "cpus": NUMBER,
                        "memory": TEXT_SIZE,
                        "devices": List(Keys(DEVICE_REQUEST, required=["capabilities"])),
                        "generic_resources": List(RESERVED_RESOURCE),
                    }
                ),
            },
            kept=False,
        ),
        "restart_policy": Keys(
            {"condition": TEXT, "delay": DURATION, "max_attempts": INTEGER_KEPT, "window": DURATION}
        ),
        "placement": Keys(
            {
                "constraints": TEXTS,
                "preferences": List(Keys({"spread": TEXT})),
                "max_replicas_per_node": INTEGER,
            },
            kept=False,
        ),
        "endpoint_mode": TEXT,
    },
    nothing=True,
)
WATCH = Keys(
    {
        "path": TEXT,
        "action": one_of("rebuild", "sync", "restart", "sync+restart", "sync+exec"),
        "target": TEXT,
        "exec": Keys(HOOK.table, required=["command"], kept=False),
        "include": TEXT_OR_TEXTS,
        "ignore": TEXT_OR_TEXTS,
        "initial_sync": FLAG,
    },
    required=["path", "action"],
)

SERVICE = Keys(
    {
        "profiles": TEXTS,
        "deploy": DEPLOY,
        "develop": Keys({"watch": List(WATCH)}, nothing=True),
        "restart": TEXT,
        "scale": INTEGER_KEPT,
        "attach": FLAG_KEPT,
        "container_name": like("[a-zA-Z0-9][a-zA-Z0-9_.-]+", "letters, digits and _ . -, two at least"),
        "external_links": TEXTS,
        "links": TEXTS,
        "provider": Keys({"type": TEXT, "options": Anything()}, required=["type"]),
        "extends": Long(
            Keys({"file": TEXT, "service": TEXT}, required=["service"], extensible=False),
            lambda word: {"service": word},
        ),
        "pre_start": List(Keys({**CONTAINER, "per_replica": FLAG})),
        "post_start": List(HOOK),
        "pre_stop": List(HOOK),
        **CONTAINER,
        **WORKLOAD,
    }
)

# --- the other things of a project ---

EXTERNAL = Long(Keys({"name": TEXT}), words.flag, "true, false", [bool, str])

NETWORK = Keys(
    {
        "name": TEXT,
        "driver": TEXT,
        "driver_opts": Map(TEXT_OR_NUMBER),
        "ipam": Keys(
            {
                "driver": TEXT,
                "config": List(
                    Keys({"subnet": TEXT, "gateway": TEXT, "ip_range": TEXT, "aux_addresses": Map(TEXT)})
                ),
                "options": Map(TEXT),
            },
            kept=False,
        ),
        "external": EXTERNAL,
        "internal": FLAG,
        "attachable": FLAG,
        "labels": Pairs(""),
        "enable_ipv4": FLAG_KEPT,
        "enable_ipv6": FLAG_KEPT,
    },
    nothing=True,
)
VOLUME = Keys(
    {
        "name": TEXT,
        "driver": TEXT,
        "driver_opts": Map(TEXT_OR_NUMBER),
        "external": EXTERNAL,
        "labels": Pairs(""),
    },
    nothing=True,
)
CONTENT: dict[str, Kind] = {
    "name": TEXT,
    "file": TEXT,
    "environment": TEXT,
    "content": TEXT,
    "external": EXTERNAL,
    "labels": Pairs(""),
    "driver": TEXT,
    "driver_opts": Map(TEXT_OR_NUMBER),
    "template_driver": TEXT,
}
SECRET = Keys({key: kind for key, kind in CONTENT.items() if key != "content"})
CONFIG = Keys({key: kind for key, kind in CONTENT.items() if not key.startswith("driver")})
MODEL = Keys(
    {"name": TEXT, "model": TEXT, "context_size": INTEGER, "runtime_flags": TEXTS}, required=["model"]
)
INCLUDE = Long(
    Keys({"path": TEXT_OR_TEXTS, "env_file": TEXT_OR_TEXTS, "project_directory": TEXT}, extensible=False),
    lambda word: {"path": [word]},
)

# --- a file ---

ELSEWHERE = {
    key: f"{key} belongs to a service: indent it below services and the service's name"
    for key in ("image", "build", "ports", "command", "environment", "depends_on", "container_name")
}
FILE = Keys(
    {
        "name": TEXT,
        "version": TEXT,
        "include": List(INCLUDE),
        "services": Map(SERVICE, names=NAME),
        "networks": Map(NETWORK, nothing={}, names=NAME),
        "volumes": Map(VOLUME, nothing={}, names=NAME),
        "secrets": Map(SECRET, names=NAME),
        "configs": Map(CONFIG, names=NAME),
        "models": Map(MODEL, names=NAME),
    },
    also=ELSEWHERE,
)


def spell_out(tree: Node) -> None:
    """The short forms of a file become long ones, in place.  What cannot be is for checking.py."""
    FILE.spell_out(tree)
