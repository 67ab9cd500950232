"""What /proc, seen from the host, says about a container's process: namespaces, privileges, mounts, devices."""

import os
import stat
from pathlib import Path

import pytest

from minirun.runtime import spec
from tests.containers import mounts_of, process_status
from tests.leaks import cgroup2_mount
from tests.support import run

# Docker's default set; the numbers are those of capabilities(7): chown, dac_override, fsetid, fowner, mknod,
# net_raw, setgid, setuid, setfcap, setpcap, net_bind_service, sys_chroot, kill, audit_write.
DOCKER_DEFAULT = sum(1 << number for number in (0, 1, 4, 3, 27, 13, 6, 7, 31, 8, 10, 18, 5, 29))
KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "uts")


def namespaces(pid):
    return {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in KINDS}


@pytest.fixture
def sleeper(start):
    return start("busybox", "sleep", "1000")


def test_every_namespace_is_the_containers_own(sleeper):
    host, inside = namespaces("self"), namespaces(sleeper.pid)
    assert [kind for kind in KINDS if host[kind] == inside[kind]] == []


def test_two_containers_share_no_namespace(sleeper, start):
    other = start("busybox", "sleep", "1000")
    assert not set(namespaces(sleeper.pid).values()) & set(namespaces(other.pid).values())


def test_the_program_is_pid_1_and_alone(sleeper):
    assert sleeper.status("NSpid").split()[-1] == "1"
    assert sleeper.exec("sh", "-c", "ls -d /proc/[0-9]*").stdout.split()[0] == "/proc/1"
    assert len(sleeper.exec("sh", "-c", "echo /proc/[0-9]*").stdout.split()) == 2  # it, and this shell


def test_capabilities_are_exactly_dockers(sleeper):
    sets = {name: int(sleeper.status(f"Cap{name}"), 16) for name in ("Eff", "Prm", "Bnd", "Inh", "Amb")}
    assert DOCKER_DEFAULT == 0x00000000A80425FB
    assert sets == {"Eff": DOCKER_DEFAULT, "Prm": DOCKER_DEFAULT, "Bnd": DOCKER_DEFAULT, "Inh": 0, "Amb": 0}


def test_a_user_has_no_effective_capability(start):
    user = start("-u", "1000", "busybox", "sleep", "1000")
    assert user.status("CapEff") == user.status("CapPrm") == user.status("CapAmb") == "0" * 16
    assert int(user.status("CapBnd"), 16) == DOCKER_DEFAULT


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--cap-drop", "ALL"], 0),
        (["--cap-drop", "ALL", "--cap-add", "CHOWN"], 1),
        (["--cap-drop", "chown"], DOCKER_DEFAULT & ~1),
        (["--cap-add", "SYS_ADMIN"], DOCKER_DEFAULT | 1 << 21),
        (["--cap-add", "CAP_NET_ADMIN", "--cap-drop", "MKNOD"], DOCKER_DEFAULT & ~(1 << 27) | 1 << 12),
    ],
)
def test_capabilities_are_added_and_dropped(start, options, expected):
    container = start(*options, "busybox", "sleep", "1000")
    assert int(container.status("CapEff"), 16) == int(container.status("CapBnd"), 16) == expected


@pytest.mark.parametrize("options", [["--privileged"], ["--cap-add", "ALL"]])
def test_all_capabilities_are_those_of_the_host(start, options):
    container = start(*options, "busybox", "sleep", "1000")
    assert container.status("CapEff") == process_status("self", "CapBnd")


def test_no_new_privileges_is_as_asked(start):
    assert start("busybox", "sleep", "1000").status("NoNewPrivs") == "0"
    asked = start("--security-opt", "no-new-privileges", "busybox", "sleep", "1000")
    assert asked.status("NoNewPrivs") == "1"
    assert int(asked.status("CapEff"), 16) == DOCKER_DEFAULT


def test_a_filter_is_loaded_unless_unconfined(start):
    assert start("busybox", "sleep", "1000").status("Seccomp") == "2"
    assert start("--security-opt", "seccomp=unconfined", "busybox", "sleep", "1000").status("Seccomp") == "0"
    assert start("--privileged", "busybox", "sleep", "1000").status("Seccomp") == "0"


def test_the_filter_refuses_what_capabilities_would_allow(minirun):
    # unshare -U needs no capability; Docker's profile wants CAP_SYS_ADMIN for it
    run = ("run", "--rm", "--network", "none")
    command = ("busybox", "unshare", "-r", "true")
    assert "Operation not permitted" in minirun(*run, *command).stderr
    assert minirun(*run, "--security-opt", "seccomp=unconfined", *command).code == 0


def test_a_profile_from_a_file_is_applied(minirun, tmp_path):
    profile = tmp_path / "profile.json"
    profile.write_text(
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}'
    )
    option = f"seccomp={profile}"
    result = minirun("run", "--rm", "--network", "none", "--security-opt", option, "busybox", "mkdir", "/x")
    assert result.code == 1
    assert "Operation not permitted" in result.stderr


def test_only_the_three_streams_are_open(sleeper, minirun):
    assert sorted(os.listdir(sleeper.proc("fd"))) == ["0", "1", "2"]
    command = ("busybox", "sh", "-c", "ls -l /proc/self/fd")
    listing = minirun("run", "--rm", "--network", "none", *command).stdout.splitlines()[1:]
    names = [line.split()[8] for line in listing]
    assert names == ["0", "1", "2", "3"]  # 3 is the directory that ls reads


def test_a_descriptor_of_the_caller_does_not_reach_the_container(minirun, tmp_path):
    secret = os.open("/", os.O_RDONLY)
    os.set_inheritable(secret, True)
    script = "for f in /proc/self/fd/*; do readlink $f; done"
    command = minirun.command("run", "--rm", "--network", "none", "busybox", "sh", "-c", script)
    process = minirun.spawn(*command[5:], pass_fds=(secret,), stdout=-1)
    lines = process.communicate(timeout=30)[0].decode().splitlines()
    os.close(secret)
    assert "/" not in lines
    assert len(lines) <= 4


def test_the_hosts_mount_table_is_untouched(start):
    before = Path("/proc/self/mountinfo").read_text()
    start("--tmpfs", "/scratch", "-v", "/usr:/host", "busybox", "sleep", "1000")
    assert Path("/proc/self/mountinfo").read_text() == before


def test_nothing_of_the_hosts_mount_table_is_inside(sleeper):
    points = set(mounts_of(sleeper.pid))
    allowed = ("/proc", "/dev", "/sys", "/etc/resolv.conf", "/etc/hostname", "/etc/hosts")
    assert [point for point in points if point != "/" and not point.startswith(allowed)] == []


def test_mounts_are_private_to_the_container(sleeper):
    lines = sleeper.proc("mountinfo").read_text().splitlines()
    assert [line for line in lines if "shared:" in line] == []


def test_the_root_is_the_overlay_and_not_a_chroot(sleeper):
    assert mounts_of(sleeper.pid)["/"][0] == "overlay"
    assert "host-was-here" not in os.listdir(sleeper.proc("root"))
    assert os.stat(sleeper.proc("root")).st_ino != os.stat("/").st_ino


def test_secret_files_read_empty(sleeper):
    secrets = [path for path in spec.masked_paths() if os.path.isfile(path)]
    assert "/proc/keys" in secrets
    for path in secrets:
        found = os.stat(f"/proc/{sleeper.pid}/root{path}")
        assert (os.major(found.st_rdev), os.minor(found.st_rdev)) == (1, 3)  # /dev/null
    assert sleeper.exec("cat", *secrets).stdout == ""


def test_secret_directories_are_empty(sleeper):
    secrets = [path for path in spec.masked_paths() if os.path.isdir(path)]
    assert "/sys/firmware" in secrets
    assert [os.listdir(f"/proc/{sleeper.pid}/root{path}") for path in secrets] == [[] for _ in secrets]


@pytest.mark.parametrize(
    "path", ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/sys", "/sys/fs/cgroup"]
)
def test_the_hosts_knobs_are_read_only(sleeper, path):
    assert "ro" in mounts_of(sleeper.pid)[path][1]


def test_a_sysctl_cannot_be_written(sleeper):
    result = sleeper.exec("sh", "-c", "echo 1 > /proc/sys/kernel/panic")
    assert "Read-only file system" in result.stderr


def test_privileged_opens_what_is_closed_otherwise(start):
    mounts = mounts_of(start("--privileged", "busybox", "sleep", "1000").pid)
    assert "/proc/sys" not in mounts
    assert "/proc/kcore" not in mounts
    assert "rw" in mounts["/sys"][1]


DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}


def test_dev_has_the_usual_nodes_and_no_more(sleeper):
    dev = sleeper.proc("root/dev")
    nodes = {
        entry.name: (os.major(entry.stat().st_rdev), os.minor(entry.stat().st_rdev))
        for entry in os.scandir(dev)
        if stat.S_ISCHR(entry.stat(follow_symlinks=False).st_mode)
        or stat.S_ISBLK(entry.stat(follow_symlinks=False).st_mode)
    }
    assert nodes == DEVICES
    others = {"core", "fd", "mqueue", "ptmx", "pts", "shm", "stderr", "stdin", "stdout"}
    assert set(os.listdir(dev)) - set(nodes) <= others


def test_dev_null_can_be_used_by_a_user(minirun):
    script = "echo x >/dev/null && head -c 1 /dev/zero | wc -c && head -c 1 /dev/urandom | wc -c"
    assert (
        minirun("run", "--rm", "--network", "none", "-u", "1", "busybox", "sh", "-c", script).stdout
        == "1\n1\n"
    )


def test_a_device_of_the_host_can_be_made_but_not_opened(minirun):
    # CAP_MKNOD is Docker's default; what protects the host's memory and disks is the cgroup's device program
    script = (
        "mknod /tmp/mem c 1 1; mknod /tmp/kmsg c 1 11 && ls /tmp && head -c 1 /tmp/kmsg; head -c 1 /tmp/mem"
    )
    result = minirun("run", "--rm", "--network", "none", "busybox", "sh", "-c", script)
    assert "kmsg" in result.stdout
    assert result.stderr.count("Operation not permitted") == 2


def test_privileged_may_open_a_device(minirun):
    script = "mknod /tmp/kmsg c 1 11 && dd if=/tmp/kmsg bs=8192 count=1 of=/dev/null"
    command = ("--privileged", "busybox", "sh", "-c", script)
    assert minirun("run", "--rm", "--network", "none", *command).code == 0


def test_the_container_is_in_its_own_cgroup(sleeper):
    group = f"/minirun/{sleeper.id}"
    assert f"0::{group}" in sleeper.proc("cgroup").read_text().splitlines()
    assert str(sleeper.pid) in Path(f"{cgroup2_mount()}{group}/cgroup.procs").read_text().split()


def test_its_own_cgroup_is_all_it_sees(sleeper):
    assert "0::/\n" in sleeper.exec("cat", "/proc/self/cgroup").stdout
    assert sleeper.exec("cat", "/sys/fs/cgroup/cgroup.procs").stdout.split()[0] == "1"
    assert sleeper.exec("rmdir", "/sys/fs/cgroup/x").code != 0
    assert sleeper.exec("mkdir", "/sys/fs/cgroup/x").code == 1


def test_the_environment_is_the_images_and_nothing_of_ours(minirun, start):
    os.environ["MINIRUN_TEST_SECRET"] = "of the host"
    container = start("busybox", "sleep", "1000")
    names = {
        entry.partition(b"=")[0].decode() for entry in container.proc("environ").read_bytes().split(b"\0")
    }
    del os.environ["MINIRUN_TEST_SECRET"]
    assert names == {"PATH", "HOSTNAME", "HOME", ""}


def test_the_oom_score_is_the_callers(sleeper):
    assert sleeper.proc("oom_score_adj").read_text() == Path("/proc/self/oom_score_adj").read_text()


def test_signals_are_neither_ignored_nor_blocked(sleeper):
    assert {sleeper.status(name) for name in ("SigIgn", "SigBlk")} == {"0" * 16}


def test_what_the_caller_ignores_the_program_does_not(minirun):
    """As under nohup(1), or begun by a shell with &: ignoring a signal survives execve(2)."""
    command = minirun.command(
        "run", "--rm", "--network", "none", "busybox", "grep", "SigIgn", "/proc/self/status"
    )
    result = run("sh", "-c", "trap '' HUP INT USR1 USR2 TSTP; exec \"$@\"", "sh", *command)
    assert result.stdout == f"SigIgn:\t{0:016x}\n"


def test_it_has_a_session_keyring_of_its_own(sleeper):
    assert sleeper.id in Path("/proc/keys").read_text()  # keyrings(7): it is named after the container


def test_the_hostname_is_the_id(sleeper):
    assert sleeper.exec("hostname").stdout == f"{sleeper.id[:12]}\n"
    assert os.uname().nodename != sleeper.id[:12]


def test_the_process_is_a_leader_without_the_callers_terminal(sleeper):
    fields = sleeper.proc("stat").read_text().rpartition(")")[2].split()
    session, terminal = fields[3], fields[4]
    assert (session, terminal) == (str(sleeper.pid), "0")


def test_it_dies_with_its_shim_and_not_with_the_command(sleeper):
    parent = int(sleeper.status("PPid"))
    assert Path(f"/proc/{parent}/comm").read_text() == "minirun:shim\n"
