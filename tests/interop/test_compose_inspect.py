"""What Docker Compose tells a dockerd to make and what minirun makes of the same services: `inspect` shows the same."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import compose_docker
from tests.compose_docker import Side
from tests.support import Minirun

FILE = """
services:
  a:
    image: busybox
    command: ["sleep", "$$x"]
    entrypoint: env A=1
    environment: {A: 1, C: ""}
    ports: ["8000-8001:80-81", "127.0.0.1:8080:80/udp", "82"]
    expose: ["90-92", "53/udp"]
    volumes: ["vol:/v:ro", "vol:/w", "./x:/x", {type: tmpfs, target: /t, tmpfs: {size: 10m, mode: 0700}}, /anon]
    tmpfs: ["/run:size=1m"]
    healthcheck: {test: "echo hi", interval: 1m30s, timeout: 500ms, retries: 3, start_period: 5s}
    logging: {driver: json-file, options: {max-size: 10m, max-file: 3}}
    deploy:
      resources: {limits: {cpus: "0.5", memory: 100M, pids: 10}, reservations: {memory: 20M}}
      restart_policy: {condition: on-failure, max_attempts: 3}
    stop_grace_period: 1m
    stop_signal: SIGUSR1
    ulimits: {nproc: 65535, nofile: {soft: 20000, hard: 40000}}
    sysctls: [net.core.somaxconn=1024]
    cap_add: [CAP_NET_ADMIN]
    cap_drop: [CAP_MKNOD]
    devices: ["/dev/null:/dev/n:r"]
    device_cgroup_rules: ["c 1:3 mr"]
    pid: host
    ipc: shareable
    tty: true
    stdin_open: true
    init: true
    shm_size: 32m
    extra_hosts: ["h:1.2.3.4"]
    dns: 8.8.8.8
    dns_search: [a.b]
    dns_opt: ["timeout:1"]
    memswap_limit: 300m
    cpu_shares: 5
    cpuset: "0"
    oom_score_adj: 5
    group_add: ["5"]
    user: "1:2"
    working_dir: /w
    hostname: hh
    domainname: dd
    read_only: true
    labels: [x=y]
  b:
    image: busybox
    privileged: true
    restart: unless-stopped
    healthcheck: {disable: true}
    network_mode: host
  c:
    image: busybox
    command: sleep 1
    uts: host
    network_mode: none
    cpu_quota: 20000
    cpu_period: 50000
    deploy: {restart_policy: {max_attempts: 3}}
volumes: {vol: {}}
"""
CONFIG = """Cmd Domainname Entrypoint Env ExposedPorts Healthcheck Image Labels OpenStdin StopTimeout Tty User
WorkingDir"""
HOST_CONFIG = """AutoRemove Binds BlkioWeight CapAdd CapDrop CpuPeriod CpuQuota CpuShares CpusetCpus DeviceCgroupRules
Devices Dns DnsOptions DnsSearch ExtraHosts GroupAdd Init IpcMode LogConfig Memory MemoryReservation MemorySwap
NanoCpus NetworkMode OomScoreAdj PidMode PidsLimit PortBindings Privileged ReadonlyRootfs ShmSize Sysctls Tmpfs UTSMode
Ulimits"""


@pytest.fixture(scope="module")
def seen(
    program: Callable[[str], str],
    busybox_for_docker: Path,
    minirun_session: Minirun,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, list[dict[str, Any]]]]:
    """{"docker": what its inspect says of each service, "minirun": ...}, by the service's name."""
    base = tmp_path_factory.mktemp("compose")
    with (
        compose_docker.docker(program, busybox_for_docker) as docker,
        compose_docker.ours(minirun_session, base) as ours,
    ):
        yield {"docker": _inspected(docker, base), "minirun": _inspected(ours, base)}


def _inspected(side: Side, base: Path) -> list[dict[str, Any]]:
    directory = base / "p"
    directory.mkdir(exist_ok=True)
    (directory / "compose.yaml").write_text(FILE)
    assert side.do("create", directory).code == 0
    found = sorted(side.inspect(), key=lambda one: str(one["Name"]))
    side.clear()
    return found


def _plain(fact: Any) -> Any:
    """What means the same looks the same: nothing in any spelling is None, the order of a list is of no matter."""
    if isinstance(fact, list):
        return sorted(map(str, fact)) or None
    return fact or None


@pytest.mark.parametrize("number", range(3), ids="abc")
@pytest.mark.parametrize(
    ("section", "keys"), [("Config", CONFIG), ("HostConfig", HOST_CONFIG)], ids=["Config", "HostConfig"]
)
def test_inspect_shows_the_same(
    seen: dict[str, list[dict[str, Any]]], number: int, section: str, keys: str
) -> None:
    docker, ours = seen["docker"][number][section], seen["minirun"][number][section]
    ours.get("Labels", docker.get("Labels", {})).update(
        {key: value for key, value in docker.get("Labels", {}).items() if key.endswith(".version")}
    )
    assert {key: _plain(ours.get(key)) for key in keys.split()} == {
        key: _plain(docker.get(key)) for key in keys.split()
    }
