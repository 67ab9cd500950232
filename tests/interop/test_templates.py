"""Templates for Debian's docker client and for minirun, over the same facts: the same text, or both refuse."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from minirun.cli import template
from minirun.errors import UsageError
from tests import docker_client
from tests.docker_client import SEPARATOR, Client
from tests.support import CHECKOUT

FACTS: dict[str, Any] = {
    "Id": "4f" * 32,
    "Created": "2026-11-30T01:02:03.123456789Z",
    "Path": "sh",
    "Args": ["-c", "echo 'a b' \"c\""],
    "State": {
        "Status": "running",
        "Running": True,
        "Paused": False,
        "Restarting": False,
        "OOMKilled": False,
        "Dead": False,
        "Pid": 4711,
        "ExitCode": 0,
        "Error": "",
        "StartedAt": "2026-11-30T01:02:03.5Z",
        "FinishedAt": "0001-01-01T00:00:00Z",
    },
    "Image": "sha256:" + "ab" * 32,
    "ResolvConfPath": "/r",
    "HostnamePath": "/n",
    "HostsPath": "/h",
    "LogPath": "/l",
    "Name": "/one",
    "RestartCount": 3,
    "Driver": "overlay2",
    "Platform": "linux",
    "MountLabel": "",
    "ProcessLabel": "",
    "AppArmorProfile": "",
    "ExecIDs": None,
    "HostConfig": {
        "Binds": ["/tmp:/x:ro", "v:/y"],
        "ContainerIDFile": "",
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "tag": "x"}},
        "NetworkMode": "default",
        "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}], "53/udp": []},
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2},
        "AutoRemove": False,
        "VolumesFrom": None,
        "CapAdd": None,
        "CapDrop": ["ALL"],
        "Dns": [],
        "Memory": 67108864,
        "NanoCpus": 1500000000,
        "PidsLimit": 64,
        "OomKillDisable": False,
        "MemorySwappiness": None,
        "ShmSize": 67108864,
        "Ulimits": [{"Name": "nofile", "Hard": 200, "Soft": 100}],
        "Devices": [],
        "MaskedPaths": ["/proc/acpi", "/proc/kcore"],
    },
    "GraphDriver": {"Name": "overlay2", "Data": {"LowerDir": "/a:/b", "UpperDir": "/c"}},
    "Mounts": [
        {
            "Type": "bind",
            "Source": "/tmp",
            "Destination": "/x",
            "Mode": "ro",
            "RW": False,
            "Propagation": "rprivate",
        },
        {
            "Type": "volume",
            "Name": "v",
            "Source": "/s",
            "Destination": "/y",
            "Driver": "local",
            "Mode": "z",
            "RW": True,
            "Propagation": "",
        },
    ],
    "Config": {
        "Hostname": "box",
        "User": "",
        "ExposedPorts": {"80/tcp": {}, "443/tcp": {}},
        "Env": ["PATH=/bin", "A=ä€😀", "EMPTY="],
        "Cmd": ["sh", "-c", "exit <1> & 'x' \"y\""],
        "Image": "busybox",
        "Volumes": None,
        "WorkingDir": "/tmp",
        "Entrypoint": None,
        "OnBuild": None,
        "Labels": {
            "tier": "web",
            "com.example.some-name": "dotted",
            "empty": "",
            "html": "<b>&'\"=\n\t\x07</b>",
        },
        "StopTimeout": 0,
    },
    "NetworkSettings": {
        "Ports": {
            "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}],
            "443/tcp": None,
        },
        "IPAddress": "172.17.0.2",
        "IPPrefixLen": 16,
        "Networks": {
            "bridge": {
                "IPAMConfig": None,
                "Aliases": None,
                "IPAddress": "172.17.0.2",
                "GlobalIPv6PrefixLen": 0,
            }
        },
    },
}


def cases(name: str) -> list[str]:
    lines = (CHECKOUT / "tests" / "template_cases" / name).read_text().splitlines()
    return [line.replace("⏎", "\n") for line in lines if not line.startswith("#")]


TOGETHER, ALONE = cases("together.txt"), cases("alone.txt")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    directory = tmp_path_factory.mktemp("client")
    with docker_client.client("/usr/bin/docker", directory, {"/containers/one/json": FACTS}) as made:
        yield made


def dockers(client: Client, text: str) -> str | None:
    """None, where it refuses."""
    code, shown = client("inspect", "--type", "container", "-f", text, "one")
    return None if code else shown.removesuffix("\n")


def ours(text: str) -> str | None:
    try:
        return template.inspection(text)(json.loads(json.dumps(FACTS)))
    except UsageError:
        return None


def test_templates_make_the_text_that_go_makes(client: Client) -> None:
    shown = dockers(client, SEPARATOR.join(TOGETHER))
    assert shown is not None, client.said
    assert len(TOGETHER) > 70
    for text, expected in zip(TOGETHER, shown.split(SEPARATOR), strict=True):
        assert (text, ours(text)) == (text, expected)


@pytest.mark.parametrize("text", ALONE)
def test_what_go_refuses_is_refused_and_json_answers_where_types_do_not(client: Client, text: str) -> None:
    assert ours(text) == dockers(client, text)
