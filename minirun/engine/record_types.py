"""The shape of container.json, for the type checker alone: nothing imports this at run time."""

from __future__ import annotations

from typing import Any, TypedDict

from minirun.runtime.config import MountEntry, Rlimit


class RunState(TypedDict):
    status: str  # created, running, exited
    pid: int
    exit_code: int
    started: str
    finished: str
    oom_killed: bool
    error: str


class Record(TypedDict):
    id: str
    name: str
    created: str
    image: str  # canonical reference
    image_id: str
    layers: list[str]  # lowest first
    args: list[str]
    env: list[str]
    cwd: str
    user: str
    hostname: str
    labels: dict[str, str]
    tty: bool
    interactive: bool
    auto_remove: bool
    init: bool
    mounts: list[MountEntry]
    readonly: bool
    network: str  # none, host, bridge
    resources: dict[str, Any]  # as config.json's linux.resources
    rlimits: list[Rlimit]
    capabilities: list[str]
    privileged: bool
    no_new_privileges: bool
    seccomp: dict[str, Any] | None
    stop_signal: str
    endpoint: dict[str, Any] | None
    state: RunState
