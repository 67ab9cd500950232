"""The shape of container.json, for the type checker alone: nothing imports this at run time."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from minirun.network.ledger import Plug
from minirun.network.ports import Wish
from minirun.runtime.config import Rlimit


class HealthSettings(TypedDict):
    """Times in seconds.  `test` is ["CMD", program, ...] or ["CMD-SHELL", text]."""

    test: list[str]
    interval: float
    timeout: float
    start_period: float
    start_interval: float
    retries: int


class ProbeResult(TypedDict):
    start: str
    end: str
    exit_code: int
    output: str


class HealthState(TypedDict):
    status: str  # starting, healthy, unhealthy
    failing_streak: int
    log: list[ProbeResult]  # the last five


class RestartPolicy(TypedDict):
    name: str  # no, on-failure, always, unless-stopped
    maximum: int  # restarts in a row with on-failure; 0: no limit


class LogSettings(TypedDict):
    driver: str  # json-file, none
    options: dict[str, str]  # as given: {"max-size": "10m", "max-file": "3"}


class RunState(TypedDict):
    status: str  # created, running, paused, restarting, exited
    pid: int
    exit_code: int
    started: str
    finished: str
    oom_killed: bool
    error: str
    health: HealthState | None


class Asked(TypedDict):
    """As the person and the image said it, for `inspect`; what became of it is in the record itself."""

    image: str
    entrypoint: list[str] | None
    cmd: list[str] | None
    cwd: str
    attached: list[str]  # of stdin, stdout, stderr: those the person who created it is attached to
    cap_add: list[str]
    cap_drop: list[str]
    security_opt: list[str]
    exposed: list[str]  # "80/tcp"
    volumes: list[str]  # of the image's VOLUME, and anonymous ones of -v
    volumes_from: list[str]  # CONTAINER[:ro]


class MountPoint(TypedDict):
    kind: str  # bind, volume, tmpfs
    name: str  # the volume's, or ""
    source: str  # the host's path; of a volume its data
    destination: str
    options: list[str]  # words of mount(8)
    copy: bool  # an empty volume is filled from the image
    anonymous: bool  # the volume goes with the container, with --rm and `rm -v`
    labels: dict[str, str]  # for the volume, when it is made for this
    origin: str  # what asked for it: -v, --mount, --tmpfs, --volumes-from, VOLUME
    mode: str  # -v's options as written


class Volume(TypedDict):
    """volumes/NAME/volume.json"""

    name: str
    created: str
    labels: dict[str, str]
    anonymous: bool


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
    groups: list[str]  # --group-add
    hostname: str
    domainname: str
    annotations: dict[str, str]
    labels: dict[str, str]
    tty: bool
    interactive: bool
    auto_remove: bool
    init: bool
    mounts: list[MountPoint]
    readonly: bool
    network: str  # none, host, container:ID, or the name of the first network
    plugs: list[Plug]  # the networks it wants to be on
    ports: list[Wish]  # -p
    publish_all: bool  # -P
    dns: list[str]
    dns_search: list[str]
    dns_options: list[str]
    extra_hosts: list[list[str]]  # [name, address or "host-gateway"]
    resources: dict[str, Any]  # as config.json's linux.resources
    cgroup_conf: dict[str, str]  # --cgroup-conf: {"memory.high": "64M"}
    shm_size: int  # bytes of /dev/shm; 0: the default
    oom_score_adj: int
    rlimits: list[Rlimit]
    capabilities: list[str]
    privileged: bool
    no_new_privileges: bool
    seccomp: dict[str, Any] | None
    stop_signal: str
    stop_timeout: int | None  # seconds; None: the default
    restart: RestartPolicy
    restart_count: int
    stopped_by_hand: bool
    kept: NotRequired[bool]  # `restart` has ended it, and --rm is not to act
    health: HealthSettings | None
    log: LogSettings
    asked: Asked
    state: RunState
