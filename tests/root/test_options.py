"""What the options of `run` do, one by one."""

import json
import os
import socket
from pathlib import Path

import pytest

from tests.containers import eventually, http_get, mounts_of, process_status
from tests.terminals import Terminal


@pytest.fixture
def sh(minirun):
    """sh("id -u", "-u", "7") -> Result of that script in busybox with those options."""

    def sh(script, *options):
        return minirun("run", "--rm", "--network", "none", *options, "busybox", "sh", "-c", script)

    return sh


# ---- environment


def test_variables_are_given_and_taken_over(sh, monkeypatch):
    monkeypatch.setenv("FROM_HERE", "a b")
    monkeypatch.delenv("NOT_HERE", raising=False)
    result = sh("env", "-e", "GIVEN=x=y", "-e", "FROM_HERE", "-e", "NOT_HERE", "-e", "EMPTY=")
    lines = set(result.stdout.splitlines())
    assert lines >= {"GIVEN=x=y", "FROM_HERE=a b", "EMPTY="}
    assert not [line for line in lines if line.startswith("NOT_HERE")]


def test_a_file_of_variables_is_raw_and_the_option_wins(sh, tmp_path, monkeypatch):
    monkeypatch.setenv("FROM_HERE", "host")
    file = tmp_path / "env"
    file.write_text('# a comment\nQUOTED="a $b"\n\nFROM_HERE\nBOTH=file\n')
    lines = sh("env", "--env-file", file, "-e", "BOTH=option").stdout.splitlines()
    assert {'QUOTED="a $b"', "FROM_HERE=host", "BOTH=option"} <= set(lines)
    assert sum(line.startswith("BOTH=") for line in lines) == 1


def test_a_missing_file_of_variables_is_told(sh, tmp_path):
    result = sh("env", "--env-file", tmp_path / "nosuch")
    assert result.code == 125
    assert "nosuch: No such file or directory" in result.stderr


def test_defaults_of_the_environment_can_be_replaced(sh):
    result = sh("echo $PATH $HOME", "-e", "PATH=/bin:/x", "-e", "HOME=/h")
    assert result.stdout == "/bin:/x /h\n"
    assert sh("echo $PATH").stdout == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"


# ---- who and where


def test_the_working_directory_is_made_when_missing(sh):
    assert sh("pwd; stat -c %u:%a .", "-w", "/new/deep").stdout == "/new/deep\n0:755\n"
    assert sh("pwd").stdout == "/\n"


def test_a_working_directory_that_is_a_file_is_told(sh):
    result = sh("pwd", "-w", "/etc/passwd")
    assert result.code == 125
    assert "/etc/passwd" in result.stderr


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("root", "0 0 /root"),
        ("www-data", "33 33 /var/www"),
        ("33", "33 33 /var/www"),
        ("4711", "4711 0 /"),
        ("4711:42", "4711 42 /"),
        ("nobody:www-data", "65534 33 /nonexistent"),
    ],
)
def test_users_are_looked_up_in_the_image(sh, user, expected):
    assert sh("echo $(id -u) $(id -g) $HOME", "-u", user).stdout == f"{expected}\n"


def test_all_four_ids_and_the_groups_are_the_users(start):
    container = start("-u", "1234:55", "busybox", "sleep", "1000")
    assert container.status("Uid").split() == ["1234"] * 4
    assert container.status("Gid").split() == ["55"] * 4
    assert container.status("Groups") == "55"  # its own: CVE-2022-36109


@pytest.mark.parametrize(("user", "kind"), [("nosuch", "user"), ("root:nosuch", "group")])
def test_an_unknown_user_is_told(sh, user, kind):
    result = sh("true", "-u", user)
    assert result.code == 125
    assert f"unable to find {kind} nosuch: no matching entries in" in result.stderr


def test_the_entry_point_is_replaced(minirun):
    run = ("run", "--rm", "--network", "none")
    assert minirun(*run, "--entrypoint", "/bin/echo", "busybox", "a", "b").stdout == "a b\n"
    assert minirun(*run, "--entrypoint", "hostname", "-h", "named", "busybox").stdout == "named\n"


def test_the_hostname_is_set_everywhere(sh):
    result = sh("hostname; cat /etc/hostname; echo $HOSTNAME", "--hostname", "rumpel")
    assert result.stdout == "rumpel\nrumpel\nrumpel\n"


def test_labels_are_kept(start, minirun):
    container = start("--label", "a=b", "-l", "empty", "busybox", "sleep", "1000")
    assert json.loads(container.inspect("{{json .Config.Labels}}")) == {"a": "b", "empty": ""}


# ---- files


def test_a_host_directory_is_shared_both_ways(sh, tmp_path):
    (tmp_path / "from-host").write_text("hello")
    result = sh("cat /data/from-host; echo back > /data/from-inside", "-v", f"{tmp_path}:/data")
    assert result.stdout == "hello"
    assert (tmp_path / "from-inside").read_text() == "back\n"


def test_a_read_only_share_cannot_be_written(sh, tmp_path):
    result = sh("touch /data/x", "-v", f"{tmp_path}:/data:ro")
    assert "Read-only file system" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_missing_host_directory_is_made(sh, tmp_path):
    assert sh("ls -d /data", "-v", f"{tmp_path}/new/dir:/data").stdout == "/data\n"
    assert (tmp_path / "new" / "dir").is_dir()


def test_a_single_file_can_be_shared(sh, tmp_path):
    (tmp_path / "file").write_text("just this")
    assert sh("cat /etc/deep/file", "-v", f"{tmp_path}/file:/etc/deep/file").stdout == "just this"


def test_a_share_over_resolv_conf_replaces_ours(sh, tmp_path):
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.1\n")
    result = sh("cat /etc/resolv.conf", "-v", f"{tmp_path}/resolv.conf:/etc/resolv.conf")
    assert result.stdout == "nameserver 192.0.2.1\n"


def test_what_is_written_stays_in_the_containers_own_layer(start, minirun):
    container = start("busybox", "sh", "-c", "echo mine > /file; rm /etc/group; sleep 1000")
    container.exec("true")
    upper = Path(container.inspect("{{.GraphDriver.Data.UpperDir}}"))
    eventually((upper / "etc" / "group").exists)
    assert (upper / "file").read_text() == "mine\n"
    assert os.stat(upper / "etc" / "group").st_rdev == 0  # a whiteout
    assert minirun("run", "--rm", "--network", "none", "busybox", "ls", "/file").code == 1


def test_a_tmpfs_has_its_options_and_hides_what_was_there(start):
    container = start("--tmpfs", "/etc/scratch:size=1m,mode=700", "busybox", "sleep", "1000")
    kind, options = mounts_of(container.pid)["/etc/scratch"]
    assert (kind, {"nosuid", "nodev", "noexec", "rw"} <= options) == ("tmpfs", True)
    result = container.exec("sh", "-c", "stat -c %a /etc/scratch; dd if=/dev/zero of=/etc/scratch/x bs=2M")
    assert result.stdout == "700\n"
    assert "No space left on device" in result.stderr


def test_a_tmpfs_has_the_mode_of_the_directory_it_covers(sh):
    result = sh(
        "stat -c %a /root /new /tmp", "--tmpfs", "/root", "--tmpfs", "/new", "--tmpfs", "/tmp:mode=711"
    )
    assert result.stdout.split() == ["700", "1777", "711"]


def test_a_read_only_root_leaves_the_tmpfs_writable(sh):
    result = sh(
        "touch /x; touch /etc/x; touch /data/x && touch /dev/shm/x && echo fine",
        "--read-only",
        "--tmpfs",
        "/data",
    )
    assert result.stderr.count("Read-only file system") == 2
    assert result.stdout == "fine\n"


# ---- networks


def test_no_network_is_a_loopback_that_is_up(sh):
    result = sh(
        "ls /sys/class/net; cat /sys/class/net/lo/flags; ping -c 1 -W 1 127.0.0.1 >/dev/null && echo alive",
        "--network",
        "none",
    )
    assert result.stdout == "lo\n0x9\nalive\n"


def test_the_hosts_network_is_the_hosts(minirun):
    result = minirun(
        "run", "--rm", "--network", "host", "busybox", "sh", "-c", "readlink /proc/self/ns/net; hostname"
    )
    assert result.stdout == f"{os.readlink('/proc/self/ns/net')}\n{socket.gethostname()}\n"


def test_the_bridge_is_the_default(minirun):
    result = minirun("run", "--rm", "busybox", "sh", "-c", "ls /sys/class/net; ip route | grep -c ^default")
    assert result.stdout == "eth0\nlo\n1\n"


def test_a_container_answers_at_the_address_inspect_tells(start):
    container = start("busybox", "sh", "-c", "echo hello > /index.html; httpd -f -h /", network="bridge")
    address = container.inspect("{{.NetworkSettings.IPAddress}}")
    assert eventually(lambda: http_get(address, "/index.html")).endswith("hello\n")


# ---- limits that need no controller


def test_resource_limits_are_set(start):
    container = start("--ulimit", "nofile=100:200", "--ulimit", "core=0", "busybox", "sleep", "1000")
    lines = container.proc("limits").read_text().splitlines()
    limits = {line[:26].strip(): line[26:].split()[:2] for line in lines}
    assert limits["Max open files"] == ["100", "200"]
    assert limits["Max core file size"] == ["0", "0"]


def test_a_hard_limit_that_cannot_be_raised_is_told(sh):
    if int(process_status("self", "CapEff"), 16) >> 24 & 1:
        pytest.skip("this process has CAP_SYS_RESOURCE, so any limit can be raised")
    result = sh("true", "--ulimit", "nofile=2000000000")
    assert result.code == 125
    first, hint = result.stderr.splitlines()
    limit = "2000000000:2000000000"
    assert first == f"minirun: the limit RLIMIT_NOFILE cannot be {limit}: Operation not permitted"
    assert "CAP_SYS_RESOURCE" in hint


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--sysctl", "net.ipv4.ip_forward=x"),
            'the sysctl "net.ipv4.ip_forward" cannot be set to "x": Invalid',
        ),
        (("--sysctl", "net.ipv4.nosuch=1"), '"net.ipv4.nosuch" cannot be set to "1": this kernel has none'),
        (("--sysctl", "kernel.msgmax=9" + "9" * 20), 'the sysctl "kernel.msgmax" cannot be set to'),
        (("--tmpfs", "/x:mpol=nonsense"), "this kernel takes no tmpfs on /x with the options"),
    ],
)
def test_a_wish_that_the_kernel_refuses_is_told_as_a_wish(sh, words, said):
    result = sh("true", *words)
    assert (result.code, said in result.stderr, len(result.stderr.splitlines())) == (125, True, 1)


# ---- init


def test_a_sysctl_is_set_inside_and_not_for_the_host(start, minirun):
    before = Path("/proc/sys/net/ipv4/ip_default_ttl").read_text()
    container = start(
        "--sysctl", "net.ipv4.ip_default_ttl=77", "--sysctl", "kernel.shmmni=99", "busybox", "sleep", "100"
    )
    assert (
        container.exec("cat", "/proc/sys/net/ipv4/ip_default_ttl", "/proc/sys/kernel/shmmni").stdout
        == "77\n99\n"
    )
    assert Path("/proc/sys/net/ipv4/ip_default_ttl").read_text() == before
    sysctls = json.loads(container.inspect("{{json .HostConfig.Sysctls}}"))
    assert sysctls == {"net.ipv4.ip_default_ttl": "77", "kernel.shmmni": "99"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["vm.swappiness=1"],
            "minirun: sysctl 'vm.swappiness' is not allowed\n  hint:  all containers share it",
        ),
        (["net.core.somaxconn"], 'minirun: invalid --sysctl: "net.core.somaxconn"\n  hint:  as in'),
        (["net..x=1"], '"net..x" is no name of a sysctl'),
        (["net.core.somaxconn=1", "--network", "host"], "is not allowed with --network host"),
    ],
)
def test_a_sysctl_of_the_host_is_refused(minirun, words, message):
    result = minirun("run", "--rm", "--sysctl", *words, "busybox", "true")
    assert result.code == 125
    assert message in result.stderr


def test_a_small_init_reaps_orphans_and_passes_signals_on(start, minirun):
    script = "(sh -c 'sleep 0.1 & exec true' &); trap 'exit 5' TERM; while :; do sleep 0.1; done"
    container = start("--init", "busybox", "sh", "-c", script)
    assert "init" in container.proc("cmdline").read_bytes().split(b"\0")[0].decode()
    assert minirun("stop", "-t", "5", container.id).code == 0
    assert container.inspect("{{.State.ExitCode}}") == "5"


def test_without_it_the_program_is_pid_1(start):
    assert start("busybox", "sleep", "1000").proc("cmdline").read_bytes() == b"sleep\x001000\x00"


def test_an_images_own_words_cannot_command_the_terminal(minirun, start):
    container = start("--label", "evil=\x9b2Jgone\u202e", "busybox", "sleep", "100")
    words = ("inspect", "-f", '{{index .Config.Labels "evil"}}', container.id)
    assert minirun(*words).stdout == "\x9b2Jgone\u202e\n"
    with Terminal(minirun.command(*words)) as terminal:
        _, seen = terminal.wait()
    assert seen.strip() == r"\x9b2Jgone\u202e"
