"""A project as everything below knows it: what the files say, in one form, with every default that they leave out.

The form is the one in which `compose config --format json` prints it: short forms are spelt out, paths are absolute,
names of networks and volumes are whole.  Durations are text as in "1m30s", sizes and ports that are published are
digits in a str, `$$` is a plain `$`.

See  compose-spec 05-services.md and what follows it
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NotRequired, TypedDict

    class Dependency(TypedDict):
        condition: str  # service_started, service_healthy, service_completed_successfully
        required: bool
        restart: NotRequired[bool]

    class Port(TypedDict):
        target: int
        protocol: str
        mode: NotRequired[str]
        host_ip: NotRequired[str]
        published: NotRequired[str]  # "8000", "8000-8010"; without it the kernel chooses
        name: NotRequired[str]
        app_protocol: NotRequired[str]

    class Mount(TypedDict):
        type: str  # bind, volume, tmpfs, image
        target: str
        source: NotRequired[str]  # a path, or the key in the project's volumes; none: an anonymous volume
        read_only: NotRequired[bool]
        consistency: NotRequired[str]
        bind: NotRequired[dict[str, Any]]
        volume: NotRequired[dict[str, Any]]
        tmpfs: NotRequired[dict[str, Any]]
        image: NotRequired[dict[str, Any]]

    class Reference(TypedDict):
        """Of a secret or a config by a service."""

        source: str
        target: NotRequired[str]
        uid: NotRequired[str]
        gid: NotRequired[str]
        mode: NotRequired[str]  # octal: "0440"

    class Content(TypedDict, total=False):
        """A secret or a config of the project."""

        name: str
        file: str
        environment: str
        content: str
        external: bool

    class Healthcheck(TypedDict, total=False):
        test: list[str]
        interval: str
        timeout: str
        retries: int
        start_period: str
        start_interval: str
        disable: bool

    class Service(TypedDict, total=False):
        """One service.  A key that the file does not have is not there, but for those that get a default."""

        name: str  # the key in `services`
        image: str
        build: dict[str, Any]
        command: list[str] | None
        entrypoint: list[str] | None
        container_name: str
        environment: dict[str, str | None]  # with those of env_file; None: it was nowhere set
        ports: list[Port]
        expose: list[str]
        volumes: list[Mount]
        volumes_from: list[str]
        networks: dict[str, dict[str, Any] | None]
        network_mode: str
        depends_on: dict[str, Dependency]
        links: list[str]
        healthcheck: Healthcheck
        labels: dict[str, str]
        profiles: list[str]
        deploy: dict[str, Any]
        develop: dict[str, Any]
        scale: int
        restart: str
        secrets: list[Reference]
        configs: list[Reference]
        pull_policy: str
        stop_grace_period: str
        stop_signal: str
        pid: str
        ipc: str
        post_start: list[dict[str, Any]]
        pre_stop: list[dict[str, Any]]
        annotations: dict[str, str]
        blkio_config: dict[str, Any]
        cap_add: list[str]
        cgroup_parent: str
        cap_drop: list[str]
        cgroup: str
        cpu_period: int
        cpu_quota: int
        cpu_rt_period: int
        cpu_rt_runtime: int
        cpu_shares: int
        cpus: float
        cpuset: str
        device_cgroup_rules: list[str]
        devices: list[dict[str, str]]
        dns: list[str]
        dns_opt: list[str]
        dns_search: list[str]
        domainname: str
        external_links: list[str]
        extra_hosts: list[str]
        group_add: list[str]
        hostname: str
        init: bool
        logging: dict[str, Any]
        mac_address: str
        mem_limit: str
        mem_reservation: str
        mem_swappiness: str
        memswap_limit: str
        oom_kill_disable: bool
        oom_score_adj: int
        pids_limit: int
        platform: str
        privileged: bool
        read_only: bool
        runtime: str
        security_opt: list[str]
        shm_size: str
        stdin_open: bool
        sysctls: dict[str, str]
        tmpfs: list[str]
        tty: bool
        ulimits: dict[str, Any]
        user: str
        uts: str
        working_dir: str
        # and the rest of the specification's keys, as keys.py has them


class Project:
    """What the files ask for."""

    def __init__(self, name: str, working_dir: str) -> None:
        self.name = name
        self.working_dir = working_dir
        self.separator = (
            "-"  # between the parts of a container's or an image's name; `_` with --compatibility
        )
        self.files: list[str] = []  # absolute, in their order; "-" is standard input
        self.env_files: list[str] = []  # that were named: not the project's .env
        self.environment: dict[str, str] = {}  # what the files were interpolated with
        self.profiles: list[str] = []  # that are on
        self.services: dict[str, Service] = {}  # that are on
        self.disabled: dict[str, Service] = {}  # by their profiles
        self.networks: dict[str, dict[str, Any]] = {}
        self.volumes: dict[str, dict[str, Any]] = {}
        self.secrets: dict[str, Content] = {}
        self.configs: dict[str, Content] = {}
        self.extensions: dict[str, Any] = {}  # x-...
        self.warnings: list[str] = []
