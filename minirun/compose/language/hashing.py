"""The hash of a service's configuration: a container whose label says another one is made anew.

It is the very value that Docker Compose 5 has, so a project that it started can be taken over, and the other way round.

See  compose pkg/compose/hash.go
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from minirun.compose.language import json_text, keys
from minirun.compose.language.rendering import go_value

if TYPE_CHECKING:
    from minirun.compose.language.model import Service

# What may change without another container being needed for it.
_LEFT_OUT = ("name", "build", "pull_policy", "scale", "depends_on", "profiles")

# The order of the keys is that of Docker Compose 2, so that its containers were not all made anew by version 5.
_ORDER = """
annotations attach develop blkio_config cap_add cap_drop cgroup_parent cgroup cpu_count cpu_percent cpu_period
cpu_quota cpu_rt_period cpu_rt_runtime cpus cpuset cpu_shares command configs container_name credential_spec deploy
device_cgroup_rules devices dns dns_opt dns_search domainname entrypoint provider environment env_file expose extends
external_links extra_hosts group_add gpus hostname healthcheck image init ipc isolation labels label_file links logging
mem_limit mem_reservation memswap_limit mem_swappiness mac_address models network_mode networks oom_kill_disable
oom_score_adj pid pids_limit platform ports privileged read_only restart runtime secrets security_opt shm_size
stdin_open stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user userns_mode uts
volumes volumes_from working_dir pre_start post_start pre_stop pull_refresh_after
"""


def configuration(service: Service) -> str:
    """The JSON text that the hash is over."""
    kept: dict[str, Any] = {key: value for key, value in service.items() if key not in _LEFT_OUT}
    if kept.get("deploy"):
        kept["deploy"] = {key: value for key, value in kept["deploy"].items() if key != "replicas"}
    value = go_value(kept, keys.SERVICE)
    return json_text.dumps({key: value[key] for key in _ORDER.split() if key in value})


def config_hash(service: Service) -> str:
    return digest(configuration(service))


def network_hash(network: Mapping[str, Any]) -> str:
    """Its label com.docker.compose.config-hash."""
    return digest(json_text.dumps(go_value(dict(network), keys.NETWORK)))


def volume_hash(volume: Mapping[str, Any]) -> str:
    """Its label com.docker.compose.config-hash."""
    return digest(json_text.dumps(go_value(dict(volume), keys.VOLUME)))


def digest(text: str) -> str:
    """SHA-256, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()
