"""Templates for Debian's docker client and for minirun, over the same facts: the same text, or both refuse."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from minirun.cli import format, imageinspect, images, networks, ps, system, template, volumes
from minirun.errors import UsageError
from tests import docker_client
from tests.docker_client import SEPARATOR, Client
from tests.support import CHECKOUT
from tests.unit.test_cli_ps import COMMANDS

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


def test_what_go_refuses_is_refused_and_json_answers_where_types_do_not(client: Client) -> None:
    with ThreadPoolExecutor(4) as pool:
        theirs = list(pool.map(lambda text: dockers(client, text), ALONE))
    assert len(ALONE) > 90
    different = [
        (text, one, ours(text)) for text, one in zip(ALONE, theirs, strict=True) if one != ours(text)
    ]
    assert different == []


# ---- what lists things --------------------------------------------------------------------------------------

LABELS = {"a.b-c_d": "x", "tier": "web"}
LISTED = {
    "/containers/json": [
        {
            "Id": "4f" * 32,
            "Names": ["/one"],
            "Image": "busybox",
            "ImageID": "sha256:ab",
            "Command": words,
            "Created": 1700000000,
            "Labels": LABELS,
            "State": "running",
            "Status": "Up 3 seconds",
        }
        for words in [" ".join(row[0]) for row in COMMANDS]
    ],
    "/volumes": {"Volumes": [{"Name": "v", "Driver": "local", "Labels": LABELS, "Scope": "local"}]},
    "/networks": [{"Name": "n", "Id": "ab" * 32, "Created": "2026-01-02T03:04:05.678Z", "Labels": LABELS}],
    "/images/json": [{"Id": "sha256:" + "cd" * 32, "RepoTags": ["busybox:latest"], "Created": 1700000000}],
    "/images/one/history": [{"Id": "sha256:" + "cd" * 32, "Created": 1700000000, "CreatedBy": "x"}],
    "/system/df": {"LayersSize": 0, "Images": [], "Containers": [], "Volumes": [], "BuildCache": []},
}
# command -> headings of ours by field, and what Docker 28 has besides 20.10's
LISTS: dict[str, tuple[list[str], dict[str, str], set[str]]] = {
    "ps": (["ps", "-a"], ps._HEADINGS, set()),
    "volume ls": (["volume", "ls"], volumes.HEADINGS, {"Availability", "Group", "Status"}),
    "network ls": (["network", "ls"], networks._HEADINGS, {"IPv4"}),
    "images": (["images"], images._HEADINGS, set()),
    "history": (["history", "one"], imageinspect._HEADINGS, set()),
    "system df": (["system", "df"], system._HEADINGS, set()),
}


@pytest.fixture(scope="module")
def lister(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with docker_client.client("/usr/bin/docker", tmp_path_factory.mktemp("lister"), LISTED) as made:
        yield made


@pytest.mark.parametrize("name", LISTS)
def test_a_row_has_dockers_fields_under_dockers_headings(lister: Client, name: str) -> None:
    command, headings, newer = LISTS[name]
    code, shown = lister(*command, "--format", "{{json .}}")
    assert code == 0, lister.said
    fields = list(json.loads(shown.splitlines()[0]))
    assert newer | set(fields) <= set(headings)
    form = "table " + r"\t".join(f"{{{{.{field}}}}}" for field in fields)
    _, table = lister(*command, "--format", form)
    (ours,) = format.lines([], form, headings, [])
    assert re.split(" {3,}", ours) == re.split(" {3,}", table.splitlines()[0].rstrip())


def test_labels_and_their_headings_are_dockers(lister: Client) -> None:
    for name in ("volume ls", "network ls"):
        command, headings, _ = LISTS[name]
        for form in (r'table {{.Name}}\t{{.Label "a.b-c_d"}}', '{{.Label "tier"}}|{{.Label "nosuch"}}|'):
            _, shown = lister(*command, "--format", form)
            row = {"Name": name[0], "Labels": format.Labels(LABELS)}
            ours = format.lines([row], form, headings, [])
            assert list(ours) == [line.rstrip() for line in shown.splitlines()]


def test_a_command_is_shown_as_docker_shows_it(lister: Client) -> None:
    """What dockerd makes of the arguments, tests/interop/test_docker_semantics.py asks."""
    for words in ([], ["--no-trunc"]):
        _, shown = lister("ps", "-a", "--format", "{{.Command}}", *words)
        ours = [ps.shown_command(" ".join(row[0]), whole=bool(words)) for row in COMMANDS]
        assert shown.splitlines() == ours
