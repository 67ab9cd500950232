"""The shape of config.json, for the type checker alone: nothing imports this at run time.

Keys are spelt as the specification spells them; only those minirun reads are named.
See https://github.com/opencontainers/runtime-spec/blob/main/config.md
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class User(TypedDict, total=False):
    uid: int
    gid: int
    umask: int
    additionalGids: list[int]


class ConsoleSize(TypedDict):
    height: int
    width: int


class Capabilities(TypedDict, total=False):
    bounding: list[str]
    effective: list[str]
    inheritable: list[str]
    permitted: list[str]
    ambient: list[str]


class Rlimit(TypedDict):
    type: str
    soft: int
    hard: int


class Process(TypedDict):
    args: list[str]
    cwd: str
    user: NotRequired[User]
    terminal: NotRequired[bool]
    consoleSize: NotRequired[ConsoleSize]
    env: NotRequired[list[str]]
    capabilities: NotRequired[Capabilities]
    rlimits: NotRequired[list[Rlimit]]
    noNewPrivileges: NotRequired[bool]
    oomScoreAdj: NotRequired[int]
    apparmorProfile: NotRequired[str]


class Root(TypedDict):
    path: str
    readonly: NotRequired[bool]


class MountEntry(TypedDict):
    destination: str
    source: NotRequired[str]
    type: NotRequired[str]
    options: NotRequired[list[str]]


class Namespace(TypedDict):
    type: str
    path: NotRequired[str]


class Device(TypedDict):
    path: str
    type: str
    major: NotRequired[int]
    minor: NotRequired[int]
    fileMode: NotRequired[int]
    uid: NotRequired[int]
    gid: NotRequired[int]


class Linux(TypedDict, total=False):
    namespaces: list[Namespace]
    devices: list[Device]
    cgroupsPath: str
    resources: dict[str, Any]
    seccomp: dict[str, Any]
    rootfsPropagation: str
    memoryPolicy: dict[str, Any]
    maskedPaths: list[str]
    readonlyPaths: list[str]
    sysctl: dict[str, str]
    uidMappings: list[dict[str, int]]
    gidMappings: list[dict[str, int]]


class Config(TypedDict):
    ociVersion: str
    process: Process
    root: Root
    hostname: NotRequired[str]
    domainname: NotRequired[str]
    mounts: NotRequired[list[MountEntry]]
    annotations: NotRequired[dict[str, str]]
    hooks: NotRequired[dict[str, list[dict[str, object]]]]
    linux: NotRequired[Linux]


class State(TypedDict):
    """state.json: the specification's state, and what minirun needs to find the process again."""

    ociVersion: str
    id: str
    status: str
    pid: int
    start_time: int
    bundle: str
    rootfs: str
    created: str
    annotations: dict[str, str]
    owner: str
    cgroup: str
