"""Devices of the host: `--device`, `--device-cgroup-rule`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import containers
from tests.support import Minirun, Result

Sh = Callable[..., Result]
KMSG = (1, 11)  # no container may use it by default, and who reads it needs a capability, too: syslog(2)
SYSLOG = ("--cap-add", "SYSLOG")


@pytest.fixture
def sh(minirun: Minirun) -> Iterator[Sh]:
    """sh("cat /dev/x", "--device", ...) runs a script in a new container."""
    yield lambda script, *words: minirun(
        "run", "--rm", "--network", "none", *SYSLOG, *words, "busybox", "sh", "-c", script
    )
    minirun.remove_all()


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A node of the host, mode 0640, of group 7."""
    os.mknod(tmp_path / "node", 0o020640, os.makedev(*KMSG))
    os.chmod(tmp_path / "node", 0o640)
    os.chown(tmp_path / "node", 0, 7)
    return tmp_path / "node"


def test_the_node_is_there_as_on_the_host(sh: Sh, node: Path) -> None:
    done = sh("stat -c '%t:%T %a %u:%g' /dev/inside", "--device", f"{node}:/dev/inside")
    assert done.stdout == "1:b 640 0:7\n"


def test_it_can_be_used_as_far_as_was_said(sh: Sh, node: Path) -> None:
    use = "(exec 3</dev/inside) && echo read; (exec 4>/dev/inside) && echo written"
    assert sh(use, "--device", f"{node}:/dev/inside").stdout == "read\nwritten\n"
    assert sh(use, "--device", f"{node}:/dev/inside:r").stdout == "read\n"
    assert sh(use, "--device", f"{node}:/dev/inside:w").stdout == "written\n"


def test_others_are_not_to_be_used_all_the_same(sh: Sh, node: Path) -> None:
    done = sh("mknod /x c 1 1 && head -c 1 /x", "--device", f"{node}:/dev/inside")
    assert (done.code, "Operation not permitted" in done.stderr) == (1, True)


def test_a_link_is_followed_and_a_directory_walked(sh: Sh, node: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(node)
    (tmp_path / "set" / "deep").mkdir(parents=True)
    os.mknod(tmp_path / "set" / "deep" / "one", 0o020600, os.makedev(*KMSG))
    (tmp_path / "set" / "note").write_text("no device")
    words = ("--device", f"{tmp_path}/link:/dev/l", "--device", f"{tmp_path}/set:/dev/set:r")
    assert sh("stat -c %t /dev/l; find /dev/set -type c; find /dev/set -type f", *words).stdout == (
        "1\n/dev/set/deep/one\n"
    )


def test_a_rule_lets_nodes_be_used_that_the_container_makes(sh: Sh) -> None:
    script = "mknod /x c 1 11 && exec 3</x && echo read"
    assert sh(script).code != 0
    assert sh(script, "--device-cgroup-rule", "c 1:* r").stdout == "read\n"


def test_exec_is_held_to_the_same_rules(minirun: Minirun, sh: Sh, node: Path) -> None:
    one = containers.start(minirun, *SYSLOG, "--device", f"{node}:/dev/inside:r", "busybox", "sleep", "1000")
    assert one.exec("sh", "-c", "exec 3</dev/inside && echo read").stdout == "read\n"
    assert one.exec("sh", "-c", "exec 3>/dev/inside").code != 0


def test_with_all_devices_another_name_is_one_more(sh: Sh, node: Path) -> None:
    assert sh("ls /dev/inside /dev/null", "--privileged", "--device", f"{node}:/dev/inside").code == 0


def test_what_is_no_device_is_named(sh: Sh, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    wrong = "error gathering device information while adding custom device"
    for name, why in (("nosuch", "no such file or directory"), ("file", "not a device node")):
        done = sh("true", "--device", f"{tmp_path}/{name}")
        assert done.code == 125
        assert f'{wrong} "{tmp_path}/{name}": {why}' in done.stderr


def test_inspect_shows_what_was_asked_for(minirun: Minirun, sh: Sh, node: Path) -> None:
    minirun(
        *("create", "--name", "one", "--device", f"{node}:/dev/x:r", "--device-cgroup-rule", "c 1:* r"),
        "busybox",
        check=True,
    )
    host = json.loads(minirun("inspect", "-f", "{{json .HostConfig}}", "one", check=True).stdout)
    assert host["Devices"] == [
        {"PathOnHost": str(node), "PathInContainer": "/dev/x", "CgroupPermissions": "r"}
    ]
    assert host["DeviceCgroupRules"] == ["c 1:* r"]


def test_a_device_that_a_file_of_its_vendor_describes(sh: Sh, node: Path, minirun: Minirun) -> None:
    edits = {
        "env": ["RADIO=on"],
        "deviceNodes": [{"path": "/dev/radio", "hostPath": str(node), "permissions": "r"}],
    }
    devices = [{"name": "0", "containerEdits": edits}]
    kind = f"minirun-test.n{os.getpid()}/radio"
    file = Path("/var/run/cdi") / f"minirun-test-{os.getpid()}.json"
    there = file.parent.exists()
    file.parent.mkdir(exist_ok=True)
    try:
        file.write_text(json.dumps({"cdiVersion": "0.6.0", "kind": kind, "devices": devices}))
        use = "echo $RADIO; (exec 3</dev/radio) && echo read; (exec 4>/dev/radio) && echo written"
        assert sh(use, "--device", f"{kind}=0").stdout == "on\nread\n"
        refused = minirun("create", "--device", f"{kind}=1", "busybox")
        assert (refused.code, f"unresolvable CDI devices {kind}=1" in refused.stderr) == (125, True)
    finally:
        file.unlink(missing_ok=True)
        if not there:
            file.parent.rmdir()
