"""The oracle for what `create` makes of its options: the same words to Docker and to minirun, `inspect` beside it.

Several options at a time, so that few containers are made.  What differs on purpose is in DIFFERENT, with its reason.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docker import Docker
from tests.support import Minirun

WITHOUT_DAEMON = "a key of the daemon's, or of Windows: docs/differences.md"
DIFFERENT = {
    **dict.fromkeys(
        ("ContainerIDFile", "VolumeDriver", "Cgroup", "ConsoleSize", "Isolation"), WITHOUT_DAEMON
    ),
    **dict.fromkeys(("KernelMemory", "KernelMemoryTCP", "CpuCount", "CpuPercent"), WITHOUT_DAEMON),
    **dict.fromkeys(("IOMaximumIOps", "IOMaximumBandwidth"), WITHOUT_DAEMON),
    "Runtime": "minirun's own",
    "MaskedPaths": "later ones mask more",
    "CgroupnsMode": "a hybrid host is v1 to Docker, whose containers are in the host's there",
    "Hostname": "of the id",
    "Image": "by its id, or by its name",
    "StopSignal": "always there",
    "UsernsMode": "there is one, which is not kept",
}
ENVIRONMENT = "Env"  # in another order

TOGETHER = [
    "",
    "--add-host a:1.2.3.4 -a stdout -a stderr --cap-add net_admin --cap-drop CHOWN --domainname dd -h hh -w /x",
    "--cpu-period 50000 --cpu-quota 20000 --cpu-shares 5 --cpuset-cpus 0 --cpuset-mems 0 --pids-limit 7 -m 32m",
    "--cpus 1.5 --memory 64m --memory-swap 96m --memory-reservation 16m --oom-score-adj 5 --shm-size 5m",
    "--memory-swappiness 20 --oom-kill-disable -m 32m --cpu-rt-period 1000000 --cpu-rt-runtime 1000",
    "--device /dev/fuse:/dev/x:r --dns 1.1.1.1 --dns-search x.y --dns-option ndots:3 --group-add 5 --group-add tty",
    "--entrypoint /bin/sh -e A=b -e B --expose 80 --expose 90-92/udp -i -l a=b -l c --init -u 33:44",
    "--health-cmd true --health-interval 3s --health-retries 2 --health-timeout 1m --health-start-period 5s",
    "--no-healthcheck --ipc shareable --uts host --security-opt no-new-privileges --read-only --rm",
    "--log-driver json-file --log-opt max-size=5m --log-opt max-file=2 --restart on-failure:3 --stop-timeout 5",
    "--log-driver none --stop-signal USR1 --sysctl net.core.somaxconn=5 --ulimit nofile=5:6 --ulimit core=-1 -t",
    "--mount type=tmpfs,dst=/x,tmpfs-size=5m,tmpfs-mode=700 --tmpfs /y:size=5m,mode=700 -v /tmp:/z:ro,rslave",
    "--security-opt seccomp=unconfined --security-opt apparmor=unconfined --userns host --network host -P",
]
REFUSED = [  # by the daemon, some with another than the client in mind; what is ours to say is in the unit tier
    *("--cpus 100", "--cpuset-cpus 9", "--isolation hyperv", "-m 32m --memory-swap 16m", "--memory-swap 8m"),
    *("--restart always:3", "--security-opt foo=bar", "-v /tmp:/x:foo", "--storage-opt size=5G", "-w x"),
    *("--cpu-rt-period 1000 --cpu-rt-runtime 2000", "--memory-swappiness 101"),
]


@pytest.fixture(scope="module")
def loaded(docker: Docker, busybox_for_docker: Path) -> Docker:
    docker("load", "-i", busybox_for_docker)
    return docker


@pytest.fixture
def clean(minirun: Minirun, loaded: Docker) -> Iterator[None]:
    yield
    minirun.remove_all()
    loaded.remove_all()


def words_of(line: str) -> list[str]:
    network = [] if "--network" in line else ["--network", "none"]
    return ["create", *network, *line.split(), "busybox", "true"]


def facts(inspected: str) -> dict[str, Any]:
    (found,) = json.loads(inspected)
    both = {**found["Config"], **found["HostConfig"]}
    both[ENVIRONMENT] = sorted(both[ENVIRONMENT])
    return {key: value or None for key, value in both.items()}  # null, [], "", 0 and false are all nothing


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("line", TOGETHER, ids=lambda line: line or "none")
def test_inspect_shows_the_same(minirun: Minirun, loaded: Docker, line: str) -> None:
    theirs = loaded(*words_of(line)).strip().splitlines()[-1]
    ours = minirun(*words_of(line), check=True).stdout.strip()
    of_docker, of_minirun = (
        facts(loaded("inspect", theirs)),
        facts(minirun("inspect", ours, check=True).stdout),
    )
    different = {key for key in of_docker if of_docker[key] != of_minirun.get(key)} - DIFFERENT.keys()
    assert not different, {key: (of_docker[key], of_minirun.get(key)) for key in different}


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("line", REFUSED)
def test_what_docker_refuses_is_refused(minirun: Minirun, loaded: Docker, line: str) -> None:
    assert loaded.attempt(*words_of(line)).code != 0
    assert minirun(*words_of(line)).code == 125
    assert minirun("ps", "-aq").stdout == ""
