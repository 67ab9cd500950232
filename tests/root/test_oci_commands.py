"""minirun-oci's commands beside create, start, kill and delete: their words, their errors, what they do."""

import itertools
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from minirun.linux import cgroup_files
from tests import leaks
from tests.bundles import Oci
from tests.containers import eventually

Bundle = Callable[..., Path]


def group_file(name: str) -> Path:
    """A file of the container x's group, where its controller is."""
    return Path(cgroup_files.v1_directories("/minirun/x").get(name.split(".")[0], ""), name)


def running(oci: Oci, bundle: Bundle, *words: str) -> int:
    oci.detached("run", "-d", "--bundle", bundle(*words), "x")
    pid = oci.state("x")["pid"]
    assert isinstance(pid, int)
    return pid


# ---- the words


@pytest.mark.parametrize(
    "words", [["--root", "/tmp", "--version"], ["--debug", "-v"], ["-v", "nosuch"], ["version"]]
)
def test_the_version_is_told_whatever_else_is_said(oci: Oci, words: list[str]) -> None:
    first, second = oci(*words).stdout.splitlines()
    assert (first.startswith("minirun-oci version "), second) == (True, "spec: 1.2.0")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["nosuch"], 3, 'unknown command "nosuch"'),
        (["--nosuch", "list"], 1, "unknown option --nosuch"),
        (["create"], 1, "create needs ID"),
        (["create", "a", "b"], 1, 'create: unexpected argument "b"'),
        (["list", "--format", "x"], 1, '"x" is none of table, json'),
        (["exec", "nosuch", "true"], 255, "does not exist"),
        (["ps", "nosuch"], 1, "does not exist"),
        (["pause", "nosuch"], 1, "does not exist"),
        (["update", "nosuch"], 1, "does not exist"),
        (["events", "nosuch"], 1, "does not exist"),
        (["events", "--interval", "x", "nosuch"], 1, "invalid duration"),
        (["--log", "/nosuch/log", "list"], 1, "--log /nosuch/log: No such file or directory"),
        (["--cgroup-manager", "x", "list"], 1, '"x" is none of cgroupfs, systemd, disabled'),
        (["delete", "--regex", "("], 1, "is no regular expression"),
        (["delete", "--regex", "a{99999999999999999999}"], 1, "is no regular expression"),
        (["update", "--memory", "x", "nosuch"], 1, '--memory: "x" is not a whole number'),
        (["update", "--resources", "/nosuch", "nosuch"], 1, "--resources /nosuch: No such file"),
    ],
)
def test_a_mistake_is_told_and_has_runcs_exit_code(
    oci: Oci, words: list[str], code: int, message: str
) -> None:
    result = oci(*words)
    assert (result.code, message in result.stderr) == (code, True), result.stderr


def test_every_command_has_help(oci: Oci) -> None:
    names = [
        line.split()[0]
        for line in oci("--help").stdout.splitlines()
        if line.startswith("  ") and line[2] != "-"
    ]
    assert {"create", "start", "ps", "pause", "resume", "update", "events", "features", "spec"} <= set(names)
    assert oci("help").stdout == oci("--help").stdout == oci().stdout
    for name in names:
        assert oci("help", name).stdout.startswith(f"Usage: minirun-oci {name}")


def test_features_are_an_object_of_the_specification(oci: Oci) -> None:
    known = json.loads(oci("features").stdout)
    assert (known["ociVersionMin"], known["ociVersionMax"]) == ("1.0.0", "1.2.0")
    assert {"pid", "mount"} <= set(known["linux"]["namespaces"])
    assert "SCMP_ACT_ERRNO" in known["linux"]["seccomp"]["actions"]
    assert "rro" in known["mountOptions"]


def test_a_capability_that_is_not_known_is_a_warning(oci: Oci, bundle: Bundle, tmp_path: Path) -> None:
    """As the specification wants it: an engine may know newer ones."""

    def change(config: dict[str, dict[str, dict[str, list[str]]]]) -> None:
        config["process"]["capabilities"]["bounding"].append("CAP_NEWER")

    result = oci("--log", tmp_path / "log", "run", "--bundle", bundle("echo", "here", change=change), "x")
    assert (result.stdout, result.code) == ("here\n", 0)
    assert "]: CAP_NEWER is not known here, and is left out" in result.stderr
    assert "level=warning" in (tmp_path / "log").read_text()


def test_what_the_kernel_refuses_is_named_by_its_place(oci: Oci, bundle: Bundle) -> None:
    cpu = {"quota": 5, "period": 100000}
    made = bundle("true", change=lambda config: config["linux"]["resources"].update(cpu=cpu))
    result = oci("run", "--bundle", made, "x")
    assert (result.code, "config.json: linux.resources.cpu.quota: the kernel refuses" in result.stderr) == (
        1,
        True,
    )


def test_a_limit_that_is_too_low_for_the_first_process_is_told(oci: Oci, bundle: Bundle) -> None:
    memory = {"limit": 4096}
    made = bundle("true", change=lambda config: config["linux"]["resources"].update(memory=memory))
    result = oci("run", "--bundle", made, "x")
    assert (result.code, "was killed for lack of memory" in result.stderr) == (1, True), result.stderr


def test_more_bits_than_a_mode_has_are_left_out(oci: Oci, bundle: Bundle) -> None:
    """As umask(2) does it; in mknod(2) they would be another type of file."""

    def change(config: dict[str, dict[str, object]]) -> None:
        config["process"]["user"] = {"umask": 2**31 + 0o27}
        device = {"path": "/dev/x", "type": "c", "major": 1, "minor": 3, "fileMode": 0o100640}
        config["linux"]["devices"] = [device]

    result = oci("run", "--bundle", bundle("sh", "-c", "umask; stat -c '%F %a' /dev/x", change=change), "x")
    assert result.stdout == "0027\ncharacter special file 640\n"


# ---- what is left when something cannot be


def test_a_pid_file_that_cannot_be_written_leaves_no_container(oci: Oci, bundle: Bundle) -> None:
    for verb in ("create", "run"):
        result = oci(verb, "--pid-file", "/nosuch/pid", "--bundle", bundle(name=verb), "x")
        assert (result.code, "--pid-file /nosuch/pid: No such file" in result.stderr) == (1, True)
        assert oci("list", "-q").stdout == ""


def test_an_exec_whose_pid_file_cannot_be_written_does_not_stay(oci: Oci, bundle: Bundle) -> None:
    running(oci, bundle)
    result = oci("exec", "-d", "--pid-file", "/nosuch/pid", "x", "sleep", "1000")
    assert (result.code, "--pid-file" in result.stderr) == (255, True)
    assert len(json.loads(oci("ps", "--format", "json", "x").stdout)) == 1


@pytest.mark.parametrize("name", [".foo", "a.b+c_d-e", "-", "0"])
def test_what_is_an_id(oci: Oci, bundle: Bundle, name: str) -> None:
    assert oci("run", "--bundle", bundle("echo", "here"), "--", name).stdout == "here\n"


def test_a_config_elsewhere(oci: Oci, bundle: Bundle, tmp_path: Path) -> None:
    path = bundle("echo", "from the bundle")
    config = json.loads((path / "config.json").read_text())
    config["process"]["args"] = ["echo", "from elsewhere"]
    (tmp_path / "other.json").write_text(json.dumps(config))
    assert oci("run", "--config", tmp_path / "other.json", "--bundle", path, "x").stdout == "from elsewhere\n"


def test_null_in_a_config_is_as_if_it_were_not_there(oci: Oci, bundle: Bundle) -> None:
    def change(config: dict[str, dict[str, object]]) -> None:
        config["process"].update(user=None, rlimits=None)
        config["linux"].update(seccomp=None, cgroupsPath=None, sysctl=None)

    oci.detached("run", "-d", "--bundle", bundle(change=change), "x")
    assert oci("exec", "x", "id", "-u").stdout == "0\n"


# ---- pause, resume, ps


def test_a_paused_container(oci: Oci, bundle: Bundle) -> None:
    running(oci, bundle)
    oci("pause", "x", check=True)
    assert oci.state("x")["status"] == "paused"
    assert "is paused" in oci("pause", "x").stderr
    assert oci("exec", "x", "true").code == 255
    assert "that is not stopped: it is paused" in oci("delete", "x").stderr
    oci("resume", "x", check=True)
    assert oci.state("x")["status"] == "running"
    assert oci("resume", "x").code == 1
    oci("pause", "x", check=True)
    oci("delete", "--force", "x", check=True)
    assert oci("list", "-q").stdout == ""


def test_a_signal_to_a_paused_container(oci: Oci, bundle: Bundle) -> None:
    running(oci, bundle)
    oci("pause", "x", check=True)
    oci("kill", "x", "KILL", check=True)
    eventually(lambda: oci.state("x")["status"] == "stopped")
    oci("delete", "x", check=True)


def test_a_created_container_is_paused_resumed_and_deleted(oci: Oci, bundle: Bundle) -> None:
    oci.detached("create", "--bundle", bundle(), "x")
    oci("pause", "x", check=True)
    assert oci.state("x")["status"] == "paused"
    oci("resume", "x", check=True)
    assert oci.state("x")["status"] == "created"
    oci("delete", "x", check=True)
    assert oci("state", "x").code == 1


def test_its_processes(oci: Oci, bundle: Bundle) -> None:
    pid = running(oci, bundle, "sh", "-c", "sleep 1000 & sleep 1000")
    eventually(lambda: len(json.loads(oci("ps", "--format", "json", "x").stdout)) >= 2)
    assert pid in json.loads(oci("ps", "-f", "json", "x").stdout)
    heading, *lines = oci("ps", "x").stdout.splitlines()
    assert ("PID" in heading.split(), len(lines) >= 2) == (True, True)
    assert [line.split()[0] for line in oci("ps", "x", "-o", "pid,comm").stdout.splitlines()][:2] == [
        "PID",
        str(pid),
    ]
    assert "no column PID" in oci("ps", "x", "-o", "comm").stderr


# ---- update and events


def test_limits_are_changed_and_kept(oci: Oci, bundle: Bundle, tmp_path: Path) -> None:
    running(oci, bundle)
    (tmp_path / "part.json").write_text('{"memory": {"limit": 67108864}, "pids": {"limit": 50}}')
    oci("update", "--resources", tmp_path / "part.json", "x", check=True)
    assert cgroup_files.read("/minirun/x", "memory.max") == "67108864"
    oci("update", "--memory", "80M", "--cpu-quota", "20000", "x", check=True)
    oci("update", "--cpu-period", "50000", "x", check=True)
    held = [cgroup_files.read("/minirun/x", name) for name in ("memory.max", "pids.max", "cpu.max")]
    assert held == [str(80 << 20), "50", "20000 50000"]


def test_a_change_that_is_refused_changes_nothing(oci: Oci, bundle: Bundle, tmp_path: Path) -> None:
    running(oci, bundle)
    oci("update", "--pids-limit", "40", "x", check=True)
    result = oci("update", "--pids-limit", "30", "--cpuset-cpus", "4000", "x")
    assert (result.code, cgroup_files.read("/minirun/x", "pids.max")) == (1, "40")
    (tmp_path / "part.json").write_text('{"memory": {"limit": "x"}}')
    result = oci("update", "-r", tmp_path / "part.json", "x")
    assert 'part.json: memory.limit: expected a number, found "x"' in result.stderr
    result = oci("update", "-r", "/dev/null", "x")
    assert (result.code, "not valid JSON" in result.stderr) == (1, True)


def test_resources_come_from_standard_input(oci: Oci, bundle: Bundle) -> None:
    running(oci, bundle)
    command = oci.command("update", "--resources", "-", "x")
    subprocess.run(command, input=b'{"pids": {"limit": 33}}', check=True, timeout=30)
    assert cgroup_files.read("/minirun/x", "pids.max") == "33"


def test_what_it_uses(oci: Oci, bundle: Bundle) -> None:
    running(oci, bundle)
    event = json.loads(oci("events", "--stats", "x").stdout)
    assert (event["type"], event["id"]) == ("stats", "x")
    data = event["data"]
    assert data["cpu"]["usage"]["total"] > 0
    assert data["memory"]["usage"]["usage"] > 0
    assert data["pids"]["current"] == 1
    assert [one["Name"] for one in data["network_interfaces"]] == ["lo"]


def test_events_come_until_it_ends(oci: Oci, bundle: Bundle) -> None:
    running(oci, bundle)
    with subprocess.Popen(
        oci.command("events", "--interval", "50ms", "x"), stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        lines = [json.loads(process.stdout.readline()) for _ in range(2)]
        oci("kill", "x", "KILL", check=True)
        assert process.wait(10) == 0
    assert [line["type"] for line in lines] == ["stats", "stats"]


def test_that_the_kernel_killed_in_it_is_an_event(oci: Oci, bundle: Bundle) -> None:
    def change(config: dict[str, dict[str, dict[str, object]]]) -> None:
        config["linux"]["resources"]["memory"] = {"limit": 16 << 20}

    script = "trap 'tail -c 1000m /dev/zero' USR1; while :; do sleep 0.05; done"
    oci.detached("run", "-d", "--bundle", bundle("sh", "-c", script, change=change), "x")
    with subprocess.Popen(
        oci.command("events", "--interval", "50ms", "x"), stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert json.loads(process.stdout.readline())["type"] == "stats"  # it is watching by now
        oci("kill", "x", "USR1", check=True)
        lines = itertools.islice(process.stdout, 400)
        assert {"type": "oom", "id": "x"} in map(json.loads, lines)
        process.kill()


# ---- what a process gets from its caller, and from the kernel


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_descriptors_that_are_asked_for_go_in_and_no_others(oci: Oci, bundle: Bundle, verb: str) -> None:
    """Numbers 3 and 4 are handed over, 5 is not."""
    script = "cat <&3; cat <&4; cat <&5 || echo none"
    path = bundle("sh", "-c", script, name="other")
    words = ["run", "-b", str(path), "y"]
    if verb == "exec":
        running(oci, bundle)
        words = ["exec", "x", "sh", "-c", script]
    command = oci.command(verb, "--preserve-fds", "2", *words[1:])
    shell = 'exec 3<<<three 4<<<four 5<<<five; exec "$@"'
    done = subprocess.run(["bash", "-c", shell, "bash", *command], capture_output=True, text=True, timeout=30)
    assert done.stdout == "three\nfour\nnone\n"


@pytest.mark.parametrize(
    ("count", "words"), [("2", "descriptor 3 is not open"), ("x", '"x" is not a number')]
)
def test_descriptors_that_are_not_there_are_told(oci: Oci, bundle: Bundle, count: str, words: str) -> None:
    result = oci("run", "--preserve-fds", count, "--bundle", bundle("true"), "x")
    assert (result.code, words in result.stderr) == (1, True)


def test_memory_comes_from_the_nodes_that_are_named(oci: Oci, bundle: Bundle) -> None:
    policy = {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}
    oci.detached(
        "run", "-d", "--bundle", bundle(change=lambda c: c["linux"].update(memoryPolicy=policy)), "x"
    )
    maps = Path(f"/proc/{oci.state('x')['pid']}/numa_maps").read_text()
    assert "bind=static:0" in maps.splitlines()[0]
    assert "bind=static:0" in oci("exec", "x", "head", "-n1", "/proc/self/numa_maps").stdout


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"mode": "MPOL_X"}, 'linux.memoryPolicy.mode: "MPOL_X" is not known'),
        ({"mode": "MPOL_BIND", "flags": ["X"]}, 'linux.memoryPolicy.flags[0]: "X" is not known'),
        ({"mode": "MPOL_BIND", "nodes": "2-"}, "linux.memoryPolicy.nodes"),
        ({"mode": "MPOL_BIND", "nodes": "9999"}, "linux.memoryPolicy.nodes: there is no node 9999"),
        ({"mode": "MPOL_BIND", "nodes": "500"}, "set_mempolicy"),
        ({"mode": "MPOL_BIND"}, "set_mempolicy"),
    ],
)
def test_a_memory_policy_that_cannot_be_is_told(oci: Oci, bundle: Bundle, policy: object, words: str) -> None:
    result = oci(
        "run", "--bundle", bundle("true", change=lambda c: c["linux"].update(memoryPolicy=policy)), "x"
    )
    assert (result.code, words in result.stderr) == (1, True)
    assert oci("list", "-q").stdout == ""


def test_an_option_that_a_cgroup_mount_does_not_have_is_told(oci: Oci, bundle: Bundle) -> None:
    mount = {
        "destination": "/sys/fs/cgroup",
        "type": "cgroup",
        "source": "cgroup",
        "options": ["ro", "nonsense"],
    }
    result = oci("run", "--bundle", bundle("true", change=lambda c: c["mounts"].append(mount)), "x")
    assert (result.code, 'a cgroup mount has no option "nonsense"' in result.stderr) == (1, True)


# ---- groups


@pytest.fixture
def frozen() -> Iterator[str]:
    """A group that stands still, and what is in it."""
    top = leaks.cgroup2_mount()
    assert top
    made = top / f"minirun-test-{os.getpid()}"
    made.mkdir()
    (made / "cgroup.freeze").write_text("1")
    yield f"/{made.name}"
    (made / "cgroup.freeze").write_text("0")
    made.rmdir()


@pytest.mark.parametrize("below", ["", "/inner"])
def test_a_frozen_group_is_refused(oci: Oci, bundle: Bundle, frozen: str, below: str) -> None:
    path = bundle(change=lambda config: config["linux"].update(cgroupsPath=frozen + below))
    result = oci("create", "--bundle", path, "x", timeout=20)
    assert (result.code, f"cgroup {frozen} is frozen" in result.stderr) == (1, True)
    assert oci("list", "-q").stdout == ""


def test_without_a_manager_no_group_is_touched(oci: Oci, bundle: Bundle) -> None:
    path = bundle(change=lambda config: config["linux"]["resources"].update(pids={"limit": 20}))
    oci.detached("--cgroup-manager", "disabled", "run", "-d", "--bundle", path, "x")
    pid = oci.state("x")["pid"]
    assert Path(f"/proc/{pid}/cgroup").read_text() == Path("/proc/self/cgroup").read_text()
    assert oci("exec", "x", "echo", "here").stdout == "here\n"
    assert "has no control group" in oci("pause", "x").stderr
    assert "has no control group" in oci("update", "--pids-limit", "3", "x").stderr
    oci("kill", "--all", "x", "KILL", check=True)
    eventually(lambda: oci.state("x")["status"] == "stopped")
    oci("delete", "x", check=True)


@pytest.mark.parametrize(
    "words", [["--cgroup-manager", "systemd"], ["--systemd-cgroup"], ["--rootless", "true"]]
)
def test_other_managers_are_refused_by_name(oci: Oci, bundle: Bundle, words: list[str]) -> None:
    result = oci(*words, "create", "--bundle", bundle(), "x")
    assert (result.code, " ".join(words) in result.stderr) == (1, True)


def test_a_root_without_a_pivot_is_refused(oci: Oci, bundle: Bundle) -> None:
    result = oci("create", "--no-pivot", "--bundle", bundle(), "x")
    assert (result.code, "--no-pivot" in result.stderr) == (1, True)


# ---- list, delete


def test_a_list_is_compact_and_as_wide_as_what_is_in_it(oci: Oci, bundle: Bundle) -> None:
    name = "a-name-that-is-longer-than-twenty-characters"
    path = bundle()
    oci.detached("create", "--bundle", path, name)
    heading, line = oci("list").stdout.splitlines()
    assert heading.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert line.index("created") == heading.index("STATUS")
    assert oci("list", "--format", "json", "-q").stdout == f"{name}\n"
    text = oci("list", "--format", "json").stdout
    assert (text.count("\n"), json.loads(text)[0]["id"]) == (1, name)


def test_all_that_match_are_deleted(oci: Oci, bundle: Bundle) -> None:
    for name in ("web-1", "web-2", "db"):
        oci.detached("create", "--bundle", bundle(name=name), name)
    oci("delete", "--force", "--regex", "^web-", check=True)
    assert oci("list", "-q").stdout == "db\n"


def test_one_that_is_being_created_can_be_looked_at_and_deleted(oci: Oci, bundle: Bundle) -> None:
    """A create that was killed halfway has left what it had written first."""
    oci.detached("create", "--bundle", bundle(), "x")
    kept = json.loads((oci.root / "x/state.json").read_text())
    half = oci.root / "half"
    half.mkdir(mode=0o700)
    (half / "config.json").write_text((oci.root / "x/config.json").read_text())
    state = {**kept, "id": "half", "status": "creating", "pid": 0, "start_time": 0, "cgroup": "/minirun/half"}
    (half / "state.json").write_text(json.dumps(state))
    os.mkfifo(half / "exec.fifo")
    assert (oci.state("half")["status"], oci.state("half")["pid"]) == ("creating", 0)
    assert json.loads(oci("ps", "-f", "json", "half").stdout) == []
    assert oci("start", "half").code == 1
    oci("delete", "half", check=True)
    assert oci("list", "-q").stdout == "x\n"


def test_an_exec_that_races_with_the_end_says_so(oci: Oci, bundle: Bundle) -> None:
    """Whatever it has come to when the container ends, it is told in the words that engines look for."""
    oci.detached("run", "-d", "--bundle", bundle("sleep", "0.6"), "x")
    results = []
    while oci.state("x")["status"] == "running":
        results.append(oci("exec", "x", "true"))
    results.append(oci("exec", "x", "true"))
    wrong = [
        result
        for result in results
        if result.code not in (0, 137) and "container not running" not in result.stderr
    ]
    assert wrong == []


def test_more_for_an_exec(oci: Oci, bundle: Bundle) -> None:
    running(oci, bundle)
    script = "grep -E '^(CapEff|Groups|NoNewPrivs)' /proc/self/status"
    words = ("--cap", "CAP_SYS_TIME", "-g", "7", "-g", "8", "--no-new-privs", "x", "sh", "-c", script)
    found = {
        line.split(":")[0]: line.split(":")[1].split() for line in oci("exec", *words).stdout.splitlines()
    }
    assert (found["Groups"], found["NoNewPrivs"]) == (["7", "8"], ["1"])
    assert int(found["CapEff"][0], 16) >> 25 & 1
    unknown = oci("exec", "--cap", "CAP_NEWER", "x", "true")
    assert (unknown.code, "]: CAP_NEWER is not known here, and is left out" in unknown.stderr) == (0, True)
    assert '--user: "root" is not the number' in oci("exec", "--user", "root", "x", "true").stderr


def test_an_exec_by_another_user_keeps_the_groups(oci: Oci, bundle: Bundle) -> None:
    def change(config: dict[str, dict[str, object]]) -> None:
        config["process"]["user"] = {"uid": 1, "gid": 7, "additionalGids": [9]}

    oci.detached("run", "-d", "--bundle", bundle(change=change), "x")
    look = ("sh", "-c", "id -u; id -g; id -G")
    assert oci("exec", "--user", "5", "-g", "11", "x", *look).stdout == "5\n7\n7 9 11\n"
    assert oci("exec", "--user", "5:6", "x", *look).stdout == "5\n6\n6 9\n"
