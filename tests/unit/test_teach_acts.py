"""Acts as commands: every call has a man page and something to type, and flags are spelt out."""

import ast
import re
from pathlib import Path

import pytest

import minirun
from minirun.teach import acts, flags
from minirun.teach.events import Act

SOURCES = sorted(Path(minirun.__file__).parent.rglob("*.py"))


def act(call: str, *args: object, phase: str = "", role: str = "init", **more: int) -> Act:
    return Act(1, 0.0, 100, role, phase, call, list(args), more.get("result", 0), more.get("errno", 0), "")


def announced_calls() -> set[str]:
    """The first argument of every act(...), trace.announce(...) and trace.after(...) in the package."""
    found = set()
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            name = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
            if name in ("act", "announce", "after") and node.args and isinstance(node.args[0], ast.Constant):
                found.add(node.args[0].value)
    return found


def test_every_call_that_is_announced_is_in_the_table():
    assert len(announced_calls()) > 25
    assert announced_calls() - set(acts.CALLS) == set()


def test_every_call_has_a_page_of_the_manual():
    assert [
        call for call, (page, _, _) in acts.CALLS.items() if not re.fullmatch(r"[a-z_0-9]+\([1-8]\)", page)
    ] == []


MOUNTS = [
    (("proc", "/proc", "proc", 0xE, None), "mount -t proc -o nosuid,nodev,noexec proc $R/proc"),
    (("tmpfs", "/x", "tmpfs", 0, "size=1m"), "mount -t tmpfs -o size=1m tmpfs $R/x"),
    (("/host dir", "/a b", None, 0x1000, None), "mount --bind '/host dir' $R'/a b'"),
    (("/host", "/a", None, 0x5000, None), "mount --rbind /host $R/a"),
    ((None, "/a", None, 0x1021, None), "mount -o remount,bind,ro $R/a"),
    ((None, "/a", None, 0x84000, None), "mount --make-rslave $R/a"),
    ((None, "/", None, 0x1021, None), "mount -o remount,bind,ro $R"),
]


@pytest.mark.parametrize(("args", "command"), MOUNTS)
def test_a_mount_inside_the_root_filesystem(args, command):
    assert acts.command(act("mount", *args, phase="mount_filesystems")) == command


def test_a_mount_on_the_host_keeps_its_path():
    assert (
        acts.command(act("mount", None, "/", None, 0x84000, None, phase="own_mounts"))
        == "mount --make-rslave /"
    )


COMMANDS = [
    (act("unshare", 0x6C020000), "unshare --mount --uts --ipc --pid --net"),
    (act("setns", "/run/x/netns", 0x40000000), "nsenter --net=/run/x/netns"),
    (act("umount2", "/a b", 2), "umount -l '/a b'"),
    (act("prctl", 24, 12, 0), "capsh --drop=cap_net_admin"),
    (act("prctl", 47, 2, 13), "setpriv --ambient-caps=+net_raw"),
    (act("prctl", 1, 9, 0), "setpriv --pdeathsig KILL"),
    (act("capset", 1, 1, 0), "capsh --caps=cap_chown=ep"),
    (act("capset", 1, 1, 2), "capsh --caps='cap_chown=ep cap_dac_override+i'"),
    (act("capset", 0, 0, 0), "capsh --caps=="),
    (act("setgroups", []), "setpriv --clear-groups"),
    (act("setgroups", [1, 2]), "setpriv --groups 1,2"),
    (act("prlimit64", "RLIMIT_NOFILE", 10, -1), "prlimit --pid $$ --nofile=10:unlimited"),
    (act("mknod", "/dev/null", 0o20666, "1:3", phase="make_devices"), "mknod -m 666 $R/dev/null c 1 3"),
    (act("mknod", "/dev/sda", 0o60660, "8:0", phase="make_devices"), "mknod -m 660 $R/dev/sda b 8 0"),
    (act("write", "/sys/fs/cgroup/x/memory.max", "64"), "echo 64 > /sys/fs/cgroup/x/memory.max"),
    (act("creat", "/c/hostname", "it's\n"), """echo 'it'"'"'s' > /c/hostname"""),
    (act("creat", "/etc/hosts", "", phase="mount_filesystems"), "touch $R/etc/hosts"),
    (act("netlink", "ip link set lo up"), "ip link set lo up"),
    (act("execve", "/bin/sh", ["sh", "-c", "a b"], []), "exec /bin/sh -c 'a b'"),
    (act("frobnicate", 1, "x"), "# frobnicate 1 x"),
]


@pytest.mark.parametrize(("made", "command"), COMMANDS)
def test_what_a_person_would_type(made, command):
    assert acts.command(made) == command


def test_arguments_have_their_names_from_the_manual():
    named = acts.arguments(act("mount", "proc", "/proc", "proc", 0xE, None))
    assert named == {
        **{"source": "proc", "target": "/proc", "filesystemtype": "proc"},
        **{"mountflags": "MS_NOSUID|MS_NODEV|MS_NOEXEC", "data": None},
    }


def test_capabilities_are_named():
    assert acts.arguments(act("capset", 5, 1, 0)) == {
        **{"effective": ["CAP_CHOWN", "CAP_DAC_READ_SEARCH"], "permitted": ["CAP_CHOWN"], "inheritable": []},
    }


@pytest.mark.parametrize(
    ("bits", "text"), [(0, "0"), (0x20000, "CLONE_NEWNS"), (0x20001, "CLONE_NEWNS|0x1"), (1, "0x1")]
)
def test_flags_without_a_name_are_a_number(bits, text):
    assert flags.joined(bits, flags.CLONE) == text
