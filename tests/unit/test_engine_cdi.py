"""CDI devices: files of vendors, and what they make of config.json."""

import json

import pytest

from minirun.engine import cdi
from minirun.errors import NotFoundError, UnsupportedError

RADIO = """
cdiVersion: 0.6.0
kind: acme.com/radio
containerEdits:
  env: [RADIO=on]
devices:
- name: "0"
  containerEdits:
    deviceNodes: [{path: /dev/radio0, hostPath: /dev/null, permissions: r}]
    additionalGids: [44]
- name: all
  containerEdits:
    env: [RADIO=all]
    deviceNodes: [{path: /dev/radio9, type: c, major: 42, minor: 9, fileMode: 432, uid: 7}]
    mounts: [{hostPath: /usr/lib, containerPath: /radio, options: [ro, nosuid]}]
"""


@pytest.fixture
def directories(tmp_path, monkeypatch):
    made = (tmp_path / "etc", tmp_path / "run")
    for directory in made:
        directory.mkdir()
    monkeypatch.setattr(cdi, "DIRECTORIES", tuple(map(str, made)))
    (made[0] / "radio.yaml").write_text(RADIO)
    return made


@pytest.fixture
def config():
    return {
        "process": {"env": ["PATH=/bin", "RADIO=off"], "user": {"uid": 0, "gid": 0}},
        "mounts": [{"destination": "/proc"}, {"destination": "/radio", "type": "tmpfs"}],
        "linux": {"devices": [], "resources": {"devices": [{"allow": False, "access": "rwm"}]}},
    }


def test_a_node_of_the_host_under_another_name_with_its_right(directories, config):
    cdi.inject(config, ["acme.com/radio=0"])
    (node,) = config["linux"]["devices"]
    assert (node["path"], node["type"], node["major"], node["minor"]) == ("/dev/radio0", "c", 1, 3)
    assert config["linux"]["resources"]["devices"][1:] == [
        {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "r"}
    ]
    assert config["process"]["user"]["additionalGids"] == [44]
    assert config["process"]["env"] == ["PATH=/bin", "RADIO=on"]


def test_what_is_for_one_device_goes_over_what_is_for_all(directories, config):
    cdi.inject(config, ["acme.com/radio=0", "acme.com/radio=all", "acme.com/radio=0"])
    assert config["process"]["env"] == ["PATH=/bin", "RADIO=all"]
    assert config["linux"]["devices"][1:] == [
        {"path": "/dev/radio9", "type": "c", "major": 42, "minor": 9, "fileMode": 0o660, "uid": 7}
    ]
    assert config["mounts"] == [
        {"destination": "/proc"},
        {"destination": "/radio", "type": "bind", "source": "/usr/lib", "options": ["rbind", "ro", "nosuid"]},
    ]


def test_the_directory_of_the_moment_goes_before_that_of_the_administrator(directories, config):
    edits = {"env": ["RADIO=new"]}
    devices = [{"name": "0", "containerEdits": edits}]
    text = json.dumps({"cdiVersion": "0.6.0", "kind": "acme.com/radio", "devices": devices})
    (directories[1] / "radio.json").write_text(text)
    cdi.inject(config, ["acme.com/radio=0"])
    assert (config["process"]["env"], config["linux"]["devices"]) == (["PATH=/bin", "RADIO=new"], [])


def test_a_device_that_nobody_describes(directories):
    with pytest.raises(NotFoundError, match=r"unresolvable CDI devices acme\.com/radio=7") as error:
        cdi.find(["acme.com/radio=7"])
    assert error.value.hint == "there are acme.com/radio=0, acme.com/radio=all"


def test_a_device_that_is_described_twice_in_one_directory_is_none(directories):
    (directories[0] / "again.yaml").write_text(RADIO)
    with pytest.raises(NotFoundError, match="unresolvable"):
        cdi.find(["acme.com/radio=0"])


@pytest.mark.parametrize(
    ("text", "hint"),
    [("{", "bad.yaml: it is no YAML"), ("[]", "bad.yaml: invalid value"),
     ("kind: x", "bad.yaml: the option cdiVersion is"),
     ("cdiVersion: 1\nkind: x\ndevices: []", "bad.yaml: invalid value for the option cdiVersion")],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_told_when_a_device_is_missed(directories, text, hint):
    (directories[0] / "bad.yaml").write_text(text)
    assert cdi.find(["acme.com/radio=0"])
    with pytest.raises(NotFoundError) as error:
        cdi.find(["acme.com/radio=7"])
    assert hint in error.value.hint


@pytest.mark.parametrize("key", ["hooks", "intelRdt", "netDevices"])
def test_what_the_runtime_cannot_do_is_refused(directories, key):
    device = {"name": "x", "containerEdits": {key: [{"hookName": "createContainer", "path": "/bin/true"}]}}
    text = json.dumps({"cdiVersion": "0.6.0", "kind": "acme.com/gpu", "devices": [device]})
    (directories[0] / "gpu.json").write_text(text)
    with pytest.raises(UnsupportedError, match=rf"acme\.com/gpu=x: {key} are not in minirun"):
        cdi.find(["acme.com/gpu=x"])
