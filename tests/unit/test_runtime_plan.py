"""config.json as a plan: what is worked out, and what is refused, before anything exists."""

import os

import pytest

from minirun.errors import MinirunError, UnsupportedError
from minirun.linux import apparmor
from minirun.linux.constants import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    MS_BIND,
    MS_NOSUID,
    MS_RDONLY,
    MS_REC,
)
from minirun.runtime import init, mounts, spec
from minirun.runtime.plan import Plan, home_directory

MAPPING = {"containerID": 0, "hostID": 1, "size": 1}
NO_LIMIT = {"type": "RLIMIT_X", "soft": 1, "hard": 1}


@pytest.fixture
def plan(tmp_path):
    def plan(change=lambda config: None):
        config = spec.default_config()
        (tmp_path / "rootfs").mkdir(exist_ok=True)
        change(config)
        return Plan(config, str(tmp_path), "id")

    return plan


def test_capabilities_are_cut_to_what_the_host_can_give(plan):
    def change(config):
        config["process"]["capabilities"] = {
            "bounding": ["CAP_CHOWN", "CAP_SYS_ADMIN"],
            "effective": ["CAP_CHOWN"],
        }

    made = plan(change)
    bounding, effective, permitted, *_ = made.capabilities
    assert bounding & ~made.host_bounding == 0
    assert effective in (0, 1)
    assert permitted == 0  # not named is not given


def test_new_namespaces_are_unshared_and_others_joined(plan):
    def change(config):
        del config["hostname"]  # that needs a uts namespace
        config["linux"]["namespaces"] = [
            {"type": "mount"},
            {"type": "ipc"},
            {"type": "network", "path": "/proc/self/ns/net"},
            {"type": "pid"},
        ]

    made = plan(change)
    assert made.unshare_flags == CLONE_NEWNS | CLONE_NEWIPC
    assert made.joins == [(CLONE_NEWNET, "/proc/self/ns/net")]
    assert made.pid_namespace == ""


def test_without_a_pid_namespace_it_is_the_callers(plan):
    def change(config):
        del config["hostname"]
        config["linux"]["namespaces"] = [{"type": "mount"}]

    assert plan(change).pid_namespace is None


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda config: config["linux"].update(namespaces=[]), UnsupportedError, "mount namespace"),
        (
            lambda config: config["linux"].update(personality={"domain": "LINUX32"}),
            UnsupportedError,
            "personality",
        ),
        (lambda config: config["process"].update(apparmorProfile="x"), UnsupportedError, "apparmorProfile"),
        (
            lambda config: config["linux"].update(netDevices={"eth0": {}}),
            UnsupportedError,
            r"linux\.netDevices",
        ),
        (lambda config: config["linux"].update(uidMappings=[{"hostID": 1}]), UnsupportedError, "uidMappings"),
        (
            lambda config: config["linux"].update(gidMappings=[MAPPING]),
            UnsupportedError,
            r"linux\.gidMappings",
        ),
        (
            lambda config: config["mounts"][1].update(uidMappings=[MAPPING], gidMappings=[MAPPING]),
            UnsupportedError,
            r"mounts\[1\]\.uidMappings, mounts\[1\]\.gidMappings",
        ),
        (
            lambda config: config["linux"].update(seccomp={"listenerPath": "/run/asked.sock"}),
            UnsupportedError,
            r"linux\.seccomp\.listenerPath",
        ),
        (lambda config: config["root"].update(path="nosuch"), MinirunError, "nosuch: no such file"),
        (lambda config: config["process"].update(rlimits=[NO_LIMIT]), MinirunError, "RLIMIT_X"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(plan, change, error, message):
    with pytest.raises(error, match=message):
        plan(change)


def test_home_comes_from_the_root_when_all_is_mounted_there(plan, tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("x:x:0:0::/where:/bin/sh\ny:x:1:0:::\n")
    made, given = plan(), plan(lambda config: config["process"]["env"].append("HOME=/own"))
    for one in (made, given):
        one.root_fd = os.open(tmp_path, os.O_PATH)
        init.find_home(one)
        os.close(one.root_fd)
    assert (made.environment["HOME"], given.environment["HOME"]) == ("/where", "/own")


@pytest.mark.parametrize(
    "line", ["", "x:x:1:0::/where:/bin/sh", "x:x:0:0:::", "x:x:0:0:/short", "x:x:00:0::/where:/bin/sh"]
)
def test_home_is_the_root_where_the_file_names_none(line):
    assert home_directory(line, 0) == "/"


# ---- mounts


def one(**entry):
    return mounts.plan([{"destination": "/x", **entry}], "/bundle")[0]


def test_options_become_flags_and_the_rest_is_data():
    made = one(type="tmpfs", source="tmpfs", options=["nosuid", "ro", "size=1m", "mode=700"])
    assert (made.flags, made.data) == (MS_NOSUID | MS_RDONLY, "size=1m,mode=700")
    assert not made.is_bind


@pytest.mark.parametrize("options", [["bind"], ["rbind"], []])
def test_a_bind_is_a_bind_however_it_is_asked_for(options):
    made = one(type="bind", source="/host", options=options)
    assert made.is_bind
    assert bool(made.flags & MS_REC) == (options != ["bind"])
    assert made.flags & MS_BIND


def test_a_relative_source_of_a_bind_lies_in_the_bundle():
    assert one(type="bind", source="data", options=["bind"]).source == "/bundle/data"


def test_a_later_option_takes_an_earlier_one_back():
    assert one(type="tmpfs", options=["ro", "rw"]).flags & MS_RDONLY == 0
    assert one(type="bind", source="/a", options=["rw"]).cleared & MS_RDONLY


@pytest.mark.parametrize("destination", ["x", "/x", "/x/", "//x"])
def test_a_destination_is_always_below_the_root(destination):
    assert mounts.plan([{"destination": destination, "type": "tmpfs"}], "/b")[0].target == "/x"


def test_a_mount_without_a_destination_is_refused():
    with pytest.raises(MinirunError, match="no destination"):
        mounts.plan([{"type": "tmpfs"}], "/b")


def test_an_apparmor_profile_needs_a_host_that_has_it(plan, monkeypatch):
    def change(config):
        config["process"]["apparmorProfile"] = "mine"

    monkeypatch.setattr(apparmor, "is_enabled", lambda: False)
    with pytest.raises(UnsupportedError, match="this host has no AppArmor"):
        plan(change)
    monkeypatch.setattr(apparmor, "is_enabled", lambda: True)
    assert plan(change).apparmor_profile == "mine"


def test_the_profile_is_written_where_the_kernel_reads_it(tmp_path, monkeypatch):
    (tmp_path / "exec").touch()
    monkeypatch.setattr(apparmor, "_FILES", ("/nosuch", str(tmp_path / "exec")))
    apparmor.use_at_execve("mine")
    assert (tmp_path / "exec").read_text() == "exec mine"
