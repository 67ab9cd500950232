"""config.json out of a record: what Docker's defaults and the options come to."""

import pytest

from minirun.engine import bundle, cdi, records
from minirun.engine.options import mounts, run_options
from minirun.linux import capabilities, devices
from minirun.runtime import spec


@pytest.fixture
def record():
    return {
        "options": run_options.defaults("busybox"),
        "id": "f" * 64, "name": "one", "created": "", "image": "docker.io/library/busybox:latest", "image_id": "",
        "layers": [], "args": ["sh"], "env": ["A=b"], "cwd": "", "user": "", "hostname": "host", "labels": {},
        "mounts": [], "network": "none", "capabilities": list(capabilities.DEFAULT), "stop_signal": "SIGTERM",
        "state": records.new_state(),
    }  # fmt: skip


@pytest.fixture
def configure(record, tmp_path):
    def configure(namespace="", **changes):
        asked = {key: changes.pop(key) for key in list(changes) if key not in record}
        changed = {**record, **changes, "options": {**record["options"], **asked}}
        return bundle.configure(changed, "/bundle", str(tmp_path), namespace)

    return configure


def destinations(config):
    return [mount["destination"] for mount in config["mounts"]]


def namespaces(config):
    return {namespace["type"]: namespace.get("path") for namespace in config["linux"]["namespaces"]}


def test_the_defaults_hide_and_seal_what_docker_does(configure):
    linux = configure()["linux"]
    assert linux["maskedPaths"] == spec.masked_paths()
    assert linux["readonlyPaths"] == list(spec.READONLY_PATHS)
    assert linux["resources"]["devices"][0] == {"allow": False, "access": "rwm"}
    assert linux["seccomp"]["defaultAction"] == "SCMP_ACT_ERRNO"


def test_privileged_hides_nothing(configure):
    config = configure(privileged=True, seccomp=None)
    linux = config["linux"]
    assert linux["maskedPaths"] == linux["readonlyPaths"] == []
    assert "seccomp" not in linux
    assert "ro" not in next(mount["options"] for mount in config["mounts"] if mount["destination"] == "/sys")


@pytest.mark.parametrize(
    ("network", "path", "expected"),
    [("none", "", None), ("bridge", "/run/x/netns", "/run/x/netns"), ("host", "host", "absent")],
)
def test_the_network_namespace(configure, network, path, expected):
    found = namespaces(configure(path, network=network))
    assert found.get("network", "absent") == expected
    assert set(found) >= {"pid", "ipc", "uts", "mount", "cgroup"}


def test_a_mount_of_the_users_replaces_ours(configure):
    config = configure(mounts=[mounts.tmpfs("/dev/shm:size=1m"), mounts.volume("/h:/etc/hosts")])
    assert destinations(config).count("/dev/shm") == destinations(config).count("/etc/hosts") == 1
    assert [mount["source"] for mount in config["mounts"][-2:]] == ["tmpfs", "/h"]


def test_a_filter_follows_the_capabilities(configure):
    def allowed(config):
        rules = config["linux"]["seccomp"]["syscalls"]
        return {name for rule in rules if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}

    assert "mount" not in allowed(configure())
    assert "mount" in allowed(configure(capabilities=[*capabilities.DEFAULT, "CAP_SYS_ADMIN"]))


def test_defaults_of_the_environment_give_way():
    made = bundle.environment(["PATH=/own", "HOME=/h"], "name", tty=True)
    assert made == ["PATH=/own", "HOSTNAME=name", "TERM=xterm", "HOME=/h"]
    assert bundle.environment([], "name", tty=False) == [f"PATH={spec.DEFAULT_PATH}", "HOSTNAME=name"]


@pytest.mark.parametrize("name", ["hosts", "hostname", "resolv.conf"])
def test_with_read_only_the_files_of_etc_are_as_well(configure, name):
    assert "ro" in mount_words(configure(readonly=True), f"/etc/{name}")
    assert "ro" not in mount_words(configure(), f"/etc/{name}")


def mount_words(config, destination):
    return next(mount["options"] for mount in config["mounts"] if mount["destination"] == destination)


def test_system_paths_that_are_open(configure):
    config = configure(security_opt=["systempaths=unconfined"])
    assert config["linux"]["maskedPaths"] == config["linux"]["readonlyPaths"] == []
    assert "ro" in mount_words(config, "/sys")
    assert "seccomp" in config["linux"]


@pytest.mark.parametrize(
    ("privileged", "entries", "writable"),
    [
        (False, ["writable-cgroups=true"], True),
        (True, ["writable-cgroups=false"], False),
        (False, ["writable-cgroups=false"], False),
        (True, [], True),
    ],
)
def test_cgroups_that_may_be_written(configure, privileged, entries, writable):
    config = configure(privileged=privileged, security_opt=entries)
    assert ("ro" not in mount_words(config, "/sys/fs/cgroup")) == writable
    assert ("ro" not in mount_words(config, "/sys")) == privileged


def test_a_variable_without_a_value_is_taken_away(configure):
    env = configure(env=["A=image", "PATH=/bin", "HOSTNAME", "A"])["process"]["env"]
    assert env == ["PATH=/bin"]


def test_the_privileged_may_use_all_devices_by_any_runtime(configure):
    own, other = (configure(privileged=True, runtime=path) for path in ("", "/usr/sbin/runc"))
    for config in (own, other):
        assert config["linux"]["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert other["ociVersion"] < own["ociVersion"]


def test_a_device_of_cdi_takes_no_other_from_the_privileged(configure, monkeypatch):
    node = {"path": "/dev/radio", "type": "c", "major": 42, "minor": 9}
    monkeypatch.setattr(cdi, "find", lambda _names: [{"deviceNodes": [node]}])
    config = configure(privileged=True, cdi_devices=["acme.com/radio=0"])
    assert config["linux"]["devices"][-1] == node
    assert devices.allows_all(config["linux"]["resources"]["devices"])


def test_an_apparmor_profile(configure):
    assert configure(security_opt=["apparmor=mine"])["process"]["apparmorProfile"] == "mine"
    assert "apparmorProfile" not in configure(security_opt=["apparmor=unconfined"])["process"]
