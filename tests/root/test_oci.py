"""minirun-oci, as engines call it: a bundle's life from create to delete."""

import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.containers import eventually, process_status

# ---- the life of a container


def test_a_container_is_created_started_killed_and_deleted(oci, bundle):
    oci.detached("create", "--bundle", bundle(), "x")
    assert oci.state("x")["status"] == "created"
    oci("start", "x", check=True)
    assert oci.state("x")["status"] == "running"
    oci("kill", "x", "KILL", check=True)
    eventually(lambda: oci.state("x")["status"] == "stopped")
    oci("delete", "x", check=True)
    assert oci("state", "x").code == 1


def test_state_has_what_the_specification_asks(oci, bundle):
    path = bundle(change=lambda config: config.update(annotations={"a": "b"}))
    oci.detached("create", "-b", path, "x")
    state = oci.state("x")
    assert {"ociVersion", "id", "status", "pid", "bundle", "annotations"} <= state.keys()
    assert (state["id"], state["bundle"], state["annotations"]) == ("x", str(path), {"a": "b"})
    assert process_status(state["pid"], "NSpid").split()[-1] == "1"


def test_created_is_everything_but_the_program(oci, bundle):
    """Namespaces, root and privileges are in place; the program has not begun."""
    oci.detached("create", "--bundle", bundle("touch", "/tmp/began"), "x")
    pid = oci.state("x")["pid"]
    assert os.readlink(f"/proc/{pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt")
    assert process_status(pid, "CapEff") == "00000000a80425fb"
    assert "python" in os.readlink(f"/proc/{pid}/exe")


def test_a_stopped_container_has_no_pid(oci, bundle):
    oci.detached("create", "--bundle", bundle("true"), "x")
    oci("start", "x", check=True)
    eventually(lambda: oci.state("x")["status"] == "stopped")
    assert oci.state("x").get("pid", 0) == 0


def test_run_prints_and_passes_the_exit_code_on(oci, bundle):
    result = oci("run", "--bundle", bundle("sh", "-c", "echo out; echo err >&2; exit 3"), "x")
    assert (result.stdout, result.stderr, result.code) == ("out\n", "err\n", 3)
    assert oci("state", "x").code == 1


def test_run_detached_comes_back_and_keeps_it(oci, bundle, tmp_path):
    oci.detached("run", "-d", "--pid-file", tmp_path / "pid", "--bundle", bundle(), "x")
    state = oci.state("x")
    assert (state["status"], (tmp_path / "pid").read_text()) == ("running", str(state["pid"]))


def test_the_bundle_is_the_current_directory_if_none_is_named(oci, bundle):
    path = bundle("echo", "here")
    done = subprocess.run(oci.command("run", "x"), cwd=path, capture_output=True, text=True, timeout=30)
    assert done.stdout == "here\n"


def test_the_pid_file_has_the_pid_of_the_first_process(oci, bundle, tmp_path):
    oci.detached("create", "--pid-file", tmp_path / "pid", "--bundle", bundle(), "x")
    assert int((tmp_path / "pid").read_text()) == oci.state("x")["pid"]


# ---- kill and delete


@pytest.mark.parametrize("word", ["15", "TERM", "SIGTERM", "term", ""])
def test_a_signal_has_many_names(oci, bundle, word, tmp_path):
    script = "trap 'echo caught >/tmp/caught; exit' TERM; echo >/tmp/ready; while :; do sleep 0.05; done"
    path = bundle("sh", "-c", script, change=lambda config: config["root"].update(readonly=False))
    oci.detached("run", "-d", "--bundle", path, "x")
    eventually((path / "rootfs/tmp/ready").exists)
    oci("kill", "x", *([word] if word else []), check=True)
    eventually(lambda: oci.state("x")["status"] == "stopped")
    assert (path / "rootfs/tmp/caught").exists()


def test_kill_all_reaches_everybody(oci, bundle):
    oci.detached("run", "-d", "--bundle", bundle("sh", "-c", "sleep 1000 & sleep 1000"), "x")
    group = (
        Path("/proc", str(oci.state("x")["pid"]), "cgroup").read_text().splitlines()[-1].partition("::")[2]
    )
    assert group == "/minirun/x"
    oci("kill", "--all", "x", "KILL", check=True)
    eventually(lambda: oci.state("x")["status"] == "stopped")


def test_kill_all_sends_any_signal_to_everybody(oci, bundle):
    listen = 'trap "echo >/tmp/heard-$0" USR1; echo >/tmp/ready-$0; while :; do sleep 0.05; done'
    path = bundle(
        "sh",
        "-c",
        f"sh -c '{listen}' child & exec sh -c '{listen}' first",
        change=lambda config: config["root"].update(readonly=False),
    )
    oci.detached("run", "-d", "--bundle", path, "x")
    eventually(lambda: len(list((path / "rootfs/tmp").glob("ready-*"))) == 2)
    oci("kill", "--all", "x", "USR1", check=True)
    eventually(
        lambda: (
            {file.name for file in (path / "rootfs/tmp").glob("heard-*")} == {"heard-first", "heard-child"}
        )
    )
    assert oci.state("x")["status"] == "running"


def test_delete_wants_it_stopped(oci, bundle):
    oci.detached("run", "-d", "--bundle", bundle(), "x")
    result = oci("delete", "x")
    assert result.code == 1
    assert 'cannot delete container "x" that is not stopped: it is running' in result.stderr
    assert oci.state("x")["status"] == "running"


def test_delete_force_kills(oci, bundle):
    oci.detached("run", "-d", "--bundle", bundle(), "x")
    pid = oci.state("x")["pid"]
    oci("delete", "--force", "x", check=True)
    assert not Path(f"/proc/{pid}/ns").exists() or process_status(pid, "State").startswith("Z")
    assert oci("list", "-q").stdout == ""


def test_delete_force_of_nothing_is_no_error(oci):
    assert oci("delete", "--force", "nosuch").code == 0


# ---- what engines look for in an error


@pytest.mark.parametrize("words", [["state"], ["start"], ["kill"], ["delete"], ["exec"]])
def test_what_does_not_exist_is_told_in_runcs_words(oci, words):
    result = oci(*words, "nosuch", *(["true"] if words == ["exec"] else []))
    assert (result.code, "does not exist" in result.stderr) == (255 if words == ["exec"] else 1, True)


def test_what_is_stopped_cannot_be_killed_or_entered(oci, bundle):
    oci.detached("run", "-d", "--bundle", bundle("true"), "x")
    eventually(lambda: oci.state("x")["status"] == "stopped")
    assert "container not running" in oci("kill", "x").stderr
    assert oci("exec", "x", "true").code == 255


def test_an_id_is_used_once(oci, bundle):
    path = bundle()
    oci.detached("create", "--bundle", path, "x")
    result = oci("create", "--bundle", path, "x")
    assert (result.code, 'container ID "x" is in use' in result.stderr) == (1, True)
    assert oci.state("x")["status"] == "created"


def test_it_is_started_once(oci, bundle):
    oci.detached("run", "-d", "--bundle", bundle(), "x")
    result = oci("start", "x")
    assert (result.code, "running" in result.stderr) == (1, True)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "..", "a b"])
def test_an_id_names_no_other_directory(oci, bundle, name):
    result = oci("create", "--bundle", bundle(), name)
    assert result.code == 1
    assert not oci.root.exists() or list(oci.root.iterdir()) == []


def test_errors_go_to_the_log_as_json(oci, bundle, tmp_path):
    log = tmp_path / "log"
    oci("--log", log, "--log-format", "json", "run", "--bundle", bundle("nosuch"), "x")
    line = json.loads(log.read_text().splitlines()[-1])
    assert (line["level"], 'exec: "nosuch": executable file not found in $PATH' in line["msg"]) == (
        "error",
        True,
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line["time"])


def test_errors_go_to_the_log_as_text(oci, tmp_path):
    oci("--log", tmp_path / "log", "state", "nosuch")
    assert re.match(r'time="[^"]+" level=error msg=".*does not exist', (tmp_path / "log").read_text())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config.pop("process"), "process is missing"),
        (lambda config: config["process"].update(args=[]), "process.args is empty"),
        (
            lambda config: config["process"].update(cwd="relative"),
            'process.cwd: "relative" has to be an absolute path',
        ),
        (lambda config: config["root"].update(path="nosuch"), "no such file or directory"),
        (lambda config: config["linux"]["namespaces"].append({"type": "time"}), '"time" is not supported'),
        (
            lambda config: config["linux"].update(namespaces=[{"type": "network", "path": "/nosuch"}]),
            "/nosuch",
        ),
        (lambda config: config["linux"].update(intelRdt={"x": 1}), "linux.intelRdt: not supported"),
        (lambda config: config.update(hooks={"prestart": [{"path": "/bin/true"}]}), "hooks"),
        (lambda config: config["mounts"].append({"type": "tmpfs"}), "].destination is missing"),
        (lambda config: config["process"].update(rlimits=[{"type": "X", "soft": 1, "hard": 1}]), '"X"'),
        (lambda config: config["mounts"].append({"destination": "/x", "type": "nosuchfs"}), "nosuchfs on /x"),
    ],
)
def test_a_bundle_that_cannot_be_run_is_told_and_leaves_nothing(oci, bundle, change, message):
    def both(config):
        change(config)

    result = oci("run", "--bundle", bundle(change=both), "x")
    assert result.code == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert oci("list", "-q").stdout == ""


def test_no_config_is_told(oci, tmp_path):
    result = oci("create", "--bundle", tmp_path, "x")
    assert (result.code, "config.json: No such file or directory" in result.stderr) == (1, True)


def test_a_config_that_is_no_json_is_told(oci, tmp_path):
    (tmp_path / "config.json").write_text("{")
    result = oci("create", "--bundle", tmp_path, "x")
    assert (result.code, "not valid JSON" in result.stderr) == (1, True)


@pytest.mark.parametrize(("program", "code"), [("nosuch", 127), ("/etc", 126)])
def test_a_program_that_cannot_be_run(oci, bundle, program, code):
    assert oci("run", "--bundle", bundle(program), "x").code == code
    assert oci("list", "-q").stdout == ""


# ---- exec


@pytest.fixture
def running(oci, bundle):
    oci.detached("run", "-d", "--bundle", bundle(), "x")
    return oci.state("x")["pid"]


def test_exec_runs_beside_it(oci, running):
    result = oci(
        "exec",
        "--cwd",
        "/tmp",
        "--user",
        "33:44",
        "--env",
        "A=b",
        "x",
        "sh",
        "-c",
        "echo $PWD $A; id -u; id -g",
    )
    assert (result.stdout, result.code) == ("/tmp b\n33\n44\n", 0)
    assert oci("exec", "x", "sh", "-c", "exit 6").code == 6


def test_exec_takes_a_process_from_a_file(oci, running, tmp_path):
    process = {
        "args": ["sh", "-c", "echo $A; pwd"],
        "cwd": "/etc",
        "user": {"uid": 0, "gid": 0},
        "env": ["A=b", "PATH=/bin"],
    }
    (tmp_path / "process.json").write_text(json.dumps(process))
    assert oci("exec", "--process", tmp_path / "process.json", "x").stdout == "b\n/etc\n"


def test_a_file_that_is_no_process_is_named(oci, running, tmp_path):
    path = tmp_path / "process.json"
    for text in ("[]", "7", "null", "{}"):
        path.write_text(text)
        done = oci("exec", "--process", path, "x")
        assert (done.code, f"--process {path}: " in done.stderr) == (255, True)


def test_exec_detached_writes_its_pid(oci, running, tmp_path):
    oci.detached("exec", "-d", "--pid-file", tmp_path / "pid", "x", "sleep", "1000")
    pid = (tmp_path / "pid").read_text()
    assert os.readlink(f"/proc/{pid}/ns/pid") == os.readlink(f"/proc/{running}/ns/pid")
    assert process_status(pid, "CapEff") == process_status(running, "CapEff")


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_descriptors_of_the_caller_stay_out(oci, bundle, running, verb):
    """Engines leave some open, a directory of the host for one (CVE-2024-21626)."""
    listing = ["sh", "-c", "for f in /proc/self/fd/*; do readlink $f; done"]
    other = bundle(*listing, name="other")
    command = oci.command("exec", "x", *listing) if verb == "exec" else oci.command("run", "-b", other, "y")
    host = os.open("/usr", os.O_RDONLY)
    done = subprocess.run(command, pass_fds=[host], capture_output=True, text=True, timeout=30)
    os.close(host)
    assert "/usr" not in done.stdout.split()
    assert done.stdout.count("\n") <= 4


# ---- terminals


@pytest.fixture
def console(tmp_path):
    """A socket where the master of a terminal arrives, and a function that receives it."""
    path = tmp_path / "console.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(10)
        masters = []

        def receive():
            connection, _ = listener.accept()
            with connection:
                masters.extend(socket.recv_fds(connection, 64, 1)[1])
            return masters[-1]

        yield path, receive
        for master in masters:
            os.close(master)


def read_until(master, text):
    seen = b""
    while text not in seen:
        seen += os.read(master, 4096)
    return seen


def test_create_hands_the_terminal_over(oci, bundle, console):
    path, receive = console

    def change(config):
        config["process"].update(terminal=True, consoleSize={"height": 21, "width": 63})

    oci.detached(
        "create",
        "--console-socket",
        path,
        "--bundle",
        bundle("sh", "-c", "stty size; tty", change=change),
        "x",
    )
    master = receive()
    oci("start", "x", check=True)
    assert read_until(master, b"pts/0\r\n").endswith(b"21 63\r\n/dev/pts/0\r\n")


def test_exec_hands_a_terminal_over_too(oci, running, console):
    path, receive = console
    oci.detached("exec", "-d", "-t", "--console-socket", path, "x", "sh", "-c", "tty; sleep 1000")
    assert b"/dev/pts/" in read_until(receive(), b"\r\n")


def test_a_terminal_without_a_socket_is_refused(oci, bundle):
    path = bundle(change=lambda config: config["process"].update(terminal=True))
    result = oci("create", "--bundle", path, "x")
    assert (result.code, "--console-socket is needed" in result.stderr) == (1, True)


# ---- list, spec and what a bundle may ask for


def test_list_shows_all(oci, bundle):
    oci.detached("create", "--bundle", bundle(name="one"), "a")
    oci.detached("run", "-d", "--bundle", bundle(name="two"), "b")
    assert oci("list", "-q").stdout == "a\nb\n"
    found = {one["id"]: one["status"] for one in json.loads(oci("list", "--format", "json").stdout)}
    assert found == {"a": "created", "b": "running"}
    assert [line.split()[0] for line in oci("list").stdout.splitlines()] == ["ID", "a", "b"]


def test_spec_does_not_overwrite(oci, tmp_path):
    oci("spec", "--bundle", tmp_path, check=True)
    assert oci("spec", "--bundle", tmp_path).code == 1


def test_namespaces_can_be_left_out_or_joined(oci, bundle):
    def change(config):
        kinds = {"pid": {}, "mount": {}, "network": {"path": "/proc/self/ns/net"}}
        config["linux"]["namespaces"] = [{"type": kind, **more} for kind, more in kinds.items()]
        config.pop("hostname")

    oci.detached("run", "-d", "--bundle", bundle(change=change), "x")
    pid = oci.state("x")["pid"]
    same = [
        kind
        for kind in ("net", "uts", "ipc", "pid", "mnt", "cgroup")
        if os.readlink(f"/proc/{pid}/ns/{kind}") == os.readlink(f"/proc/self/ns/{kind}")
    ]
    assert same == ["net", "uts", "ipc", "cgroup"]


def test_a_pid_namespace_can_be_joined(oci, bundle):
    oci.detached("run", "-d", "--bundle", bundle(name="one"), "a")
    first = oci.state("a")["pid"]

    def change(config):
        config["linux"]["namespaces"][0] = {"type": "pid", "path": f"/proc/{first}/ns/pid"}

    oci.detached("run", "-d", "--bundle", bundle(change=change, name="two"), "b")
    assert os.readlink(f"/proc/{oci.state('b')['pid']}/ns/pid") == os.readlink(f"/proc/{first}/ns/pid")


def test_ambient_and_inheritable_capabilities_are_as_asked(oci, bundle):
    def change(config):
        names = ["CAP_NET_BIND_SERVICE"]
        sets = dict.fromkeys(("bounding", "effective", "permitted", "inheritable", "ambient"), names)
        config["process"].update(capabilities=sets, user={"uid": 1000, "gid": 1000, "additionalGids": [5, 6]})

    oci.detached("run", "-d", "--bundle", bundle(change=change), "x")
    pid = oci.state("x")["pid"]
    assert {process_status(pid, f"Cap{name}") for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {
        f"{1 << 10:016x}"
    }
    assert process_status(pid, "Groups").split() == ["5", "6"]


def test_sysctl_oom_score_umask_and_domain_are_applied(oci, bundle):
    def change(config):
        config["linux"]["sysctl"] = {"net.ipv4.ip_default_ttl": "77", "kernel.shmmni": "99"}
        config["process"]["oomScoreAdj"] = 321
        config["process"]["user"]["umask"] = 0o27
        config["domainname"] = "realm"

    script = "cd /proc/sys; cat net/ipv4/ip_default_ttl kernel/shmmni /proc/self/oom_score_adj kernel/domainname; umask"
    result = oci("run", "--bundle", bundle("sh", "-c", script, change=change), "x")
    assert result.stdout.split() == ["77", "99", "321", "realm", "0027"]


def test_mount_options_are_applied(oci, bundle, tmp_path):
    def change(config):
        config["mounts"] += [
            {
                "destination": "/t",
                "type": "tmpfs",
                "source": "tmpfs",
                "options": ["nosuid", "noexec", "size=1m", "mode=700"],
            },
            {
                "destination": "/b",
                "type": "bind",
                "source": str(tmp_path),
                "options": ["bind", "ro", "nodev"],
            },
            {"destination": "/etc", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "ro"]},
        ]

    script = "grep -E ' /(t|b) ' /proc/self/mountinfo | cut -d' ' -f5,6; ls /etc/passwd"
    lines = oci("run", "--bundle", bundle("sh", "-c", script, change=change), "x").stdout.splitlines()
    assert lines[0].startswith("/t rw,nosuid,noexec")
    assert lines[1].startswith("/b ro,nodev")
    assert lines[2] == "/etc/passwd"


def test_devices_are_made_and_allowed(oci, bundle):
    def change(config):
        device = {
            "path": "/dev/deep/fuse",
            "type": "c",
            "major": 10,
            "minor": 229,
            "fileMode": 0o640,
            "uid": 7,
            "gid": 8,
        }
        config["linux"]["devices"] = [device]
        allow = {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"}
        config["linux"]["resources"]["devices"].append(allow)
        config["process"]["capabilities"]["effective"].append("CAP_SYSLOG")
        config["process"]["capabilities"]["permitted"].append("CAP_SYSLOG")
        config["process"]["capabilities"]["bounding"].append("CAP_SYSLOG")
        config["root"]["readonly"] = False

    script = """stat -c '%F %t:%T %a %u:%g' /dev/deep/fuse
        mknod /tmp/kmsg c 1 11
        dd if=/tmp/kmsg of=/dev/null bs=8192 count=1 2>/dev/null && echo may read
        echo >/tmp/kmsg || echo may not write"""
    result = oci("run", "--bundle", bundle("sh", "-c", script, change=change), "x")
    assert result.stdout == "character special file a:e5 640 7:8\nmay read\nmay not write\n"


def test_a_root_that_is_read_only_is(oci, bundle):
    result = oci("run", "--bundle", bundle("touch", "/x"), "x")
    assert "Read-only file system" in result.stderr


@pytest.mark.parametrize("asked", ["shared", "rslave", "rprivate"])
def test_any_propagation_of_the_root_leaves_the_host_alone(oci, bundle, asked):
    before = Path("/proc/self/mountinfo").read_text()
    path = bundle(change=lambda config: config["linux"].update(rootfsPropagation=asked))
    oci.detached("run", "-d", "--bundle", path, "x")
    assert Path("/proc/self/mountinfo").read_text() == before


def test_signals_are_passed_on_by_run(oci, bundle):
    script = "trap 'exit 4' TERM; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen(
        oci.command("run", "--bundle", bundle("sh", "-c", script), "x"), stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 4
