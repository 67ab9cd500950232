"""The shape of container.json, for the type checker alone: nothing imports this at run time."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from minirun.network.ledger import Attachment
from minirun.network.ports import PortRequest
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
    driver: str  # json-file, local, none
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


class MountPoint(TypedDict):
    kind: str  # bind, volume, tmpfs, image
    name: str  # the volume's, or ""
    source: str  # the host's path; of a volume its data; the image as written
    subpath: str  # what of the volume or image; "": all of it
    layers: list[str]  # of the image, lowest first, when the container is there
    place: str  # where the source is to be found, where that is no directory of its own: see mount_sources.py
    destination: str
    options: list[str]  # words of mount(8)
    copy: bool  # an empty volume is filled from the image
    anonymous: bool  # the volume goes with the container, with --rm and `rm -v`
    labels: dict[str, str]  # for the volume, when it is made for this
    volume_options: dict[str, str]  # likewise: type, device, o
    origin: str  # what asked for it: -v, --mount, --tmpfs, --volumes-from, VOLUME
    mode: str  # -v's options as written


class DeviceMapping(TypedDict):
    source: str  # a node of the host, or a directory of such
    destination: str
    access: str  # some of r, w, m


class Volume(TypedDict):
    """volumes/NAME/volume.json"""

    name: str
    created: str
    labels: dict[str, str]
    options: NotRequired[dict[str, str]]  # what is mounted for it: type, device, o
    anonymous: bool


class LinkedTo(TypedDict):
    """One --link on the default bridge."""

    id: str
    name: str  # when the container was made
    alias: str


class Linked(TypedDict):
    """What came of them when the container started."""

    hosts: list[list[str]]  # [names with spaces between, address]
    env: list[str]


class RunOptions(TypedDict):
    """What was asked for, by a command line or whoever else makes containers: see options/run_options.py."""

    image: str  # as written
    args: list[str]
    name: str  # "": a random one
    entrypoint: list[str] | None  # None: the image's; [""]: none
    env: list[str]
    workdir: str
    user: str
    groups: list[str]  # --group-add
    hostname: str
    domainname: str
    annotations: dict[str, str]
    labels: dict[str, str]
    tty: bool
    interactive: bool
    attached: list[str]  # of stdin, stdout, stderr: those that whoever created it stays for
    auto_remove: bool  # --rm
    init: bool
    mounts: list[MountPoint]
    volumes_from: list[str]  # CONTAINER[:ro]
    image_volumes: bool  # whether the image's VOLUMEs are made
    readonly: bool
    namespaces: dict[str, str]  # pid, ipc, uts, cgroup -> host, container:X ...; not named: its own
    network: str  # none, host, container:X, or the name of the first network
    attachments: list[Attachment]
    ports: list[PortRequest]  # -p
    publish_all: bool  # -P
    exposed: list[str]  # "80/tcp"
    dns: list[str]
    dns_search: list[str]
    dns_options: list[str]
    extra_hosts: list[list[str]]  # [name, address or "host-gateway"]
    resources: dict[str, Any]  # as config.json's linux.resources
    cgroup_conf: dict[str, str]  # --cgroup-conf: {"memory.high": "64M"}
    cgroup_parent: str  # the group above the container's: "/team", or "team" for one below minirun's
    shm_size: int  # bytes of /dev/shm; 0: the default
    oom_score_adj: int  # -1000 to 1000
    rlimits: list[Rlimit]
    sysctls: dict[str, str]  # {"net.core.somaxconn": "1024"}
    devices: list[DeviceMapping]
    cdi_devices: list[str]  # "vendor.com/class=name"
    device_cgroup_rules: list[str]  # "c 42:* rwm"
    cap_add: list[str]
    cap_drop: list[str]
    privileged: bool
    no_new_privileges: bool
    seccomp: dict[str, Any] | None  # {}: the default profile; None: unconfined
    security_opt: list[str]  # as written
    runtime: str  # the path of another OCI runtime; "": ours
    stop_signal: str
    stop_timeout: int | None  # seconds; None: the default
    restart: RestartPolicy
    health: HealthSettings | None
    log: LogSettings
    pull: str  # missing, always, never
    platform: str


class Record(TypedDict):
    """container.json: the options as asked for (`update` changes some), and what image and host have added to them."""

    version: int  # of this format: records.VERSION
    options: RunOptions
    id: str
    name: str
    created: str
    image: str  # canonical reference
    image_id: str
    layers: list[str]  # lowest first
    entrypoint: list[str] | None  # with what follows the image's config over the options from here ...
    args: list[str]  # entrypoint and command
    env: list[str]
    cwd: str  # "": nobody said one
    user: str
    labels: dict[str, str]
    exposed: list[str]  # "80/tcp"
    stop_signal: str
    health: HealthSettings | None  # ... to here
    image_volumes: list[str]
    hostname: str
    mounts: list[MountPoint]  # of the options, of other containers, of the image
    namespaces: dict[str, str]  # as in the options, with container:ID
    network: str  # none, host, container:ID, or the name of the first network
    attachments: list[
        Attachment
    ]  # to the networks it wants to be on: `network connect` and `disconnect` change them
    capabilities: list[str]  # what is left of those that this host can give
    restart_count: int
    stopped_by_hand: bool
    links: NotRequired[list[LinkedTo]]  # of the default bridge
    linked: NotRequired[Linked]
    kept: NotRequired[bool]  # `restart` has ended it, and --rm is not to act
    state: RunState
