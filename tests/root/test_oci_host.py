"""A config.json that would change the host: refused by minirun-oci, with the key and what it lacks.

Each runs in uts, ipc and network namespaces of its own, which are "the host" then: it must not hurt if it works.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.bundles import Oci
from tests.support import Result, run

Config = dict[str, Any]
Bundle = Callable[..., Path]
SWAPPINESS = Path("/proc/sys/vm/swappiness")


def on_a_host(oci: Oci, *arguments: str | Path) -> Result:
    """minirun-oci, and what the host is called afterwards."""
    script = '"$@"; echo "exit $?"; hostname; cat /proc/sys/kernel/domainname /proc/sys/kernel/shmmni'
    words = ("unshare", "--uts", "--ipc", "--net", "sh", "-c", f"hostname host; {script}", "sh")
    return run(*words, *oci.command(*arguments))


def without(kind: str, config: Config, **more: object) -> None:
    linux = config["linux"]
    linux["namespaces"] = [one for one in linux["namespaces"] if one["type"] != kind]
    if kind == "uts":
        del config["hostname"]
    config.update(more)


def joining_the_hosts(kind: str, file: str, config: Config, **more: object) -> None:
    without(kind, config, **more)
    config["linux"]["namespaces"].append({"type": kind, "path": f"/proc/self/ns/{file}"})


def with_sysctl(key: str, lacking: str, config: Config) -> None:
    if lacking:
        without(lacking, config)
    config["linux"]["sysctl"] = {key: SWAPPINESS.read_text().strip() if "swappiness" in key else "77"}


@pytest.mark.parametrize("key", ["hostname", "domainname"])
@pytest.mark.parametrize("change", [without, partial(joining_the_hosts, file="uts")], ids=["none", "host"])
def test_the_host_keeps_its_names(oci: Oci, bundle: Bundle, key: str, change: Callable[..., None]) -> None:
    made = bundle("true", change=lambda config: change(kind="uts", config=config, **{key: "stolen"}))
    result = on_a_host(oci, "run", "--bundle", made, "x")
    assert f"config.json: {key}: the container has no uts namespace of its own" in result.stderr
    assert result.stdout.split()[:3] == ["exit", "1", "host"]
    assert "stolen" not in result.stdout


@pytest.mark.parametrize(
    ("key", "lacking", "words"),
    [
        ("kernel.shmmni", "ipc", "has no ipc namespace of its own"),
        ("kernel/shmmni", "ipc", "has no ipc namespace of its own"),
        ("fs.mqueue.msg_max", "ipc", "has no ipc namespace of its own"),
        ("net.ipv4.ip_forward", "network", "has no network namespace of its own"),
        ("net/ipv4/conf/lo/forwarding", "network", "has no network namespace of its own"),
        ("kernel.domainname", "uts", "has no uts namespace of its own"),
        ("kernel.hostname", "", "use hostname"),
        ("vm.swappiness", "", "is the host's"),
        ("net.ipv4/../../vm/swappiness", "", "is no name of a sysctl"),
        ("net/ipv4/../../vm/swappiness", "", "is no name of a sysctl"),
    ],
)
def test_a_sysctl_that_is_not_the_containers_own(
    oci: Oci, bundle: Bundle, key: str, lacking: str, words: str
) -> None:
    result = on_a_host(oci, "run", "--bundle", bundle("true", change=partial(with_sysctl, key, lacking)), "x")
    assert key in result.stderr
    assert words in result.stderr
    assert result.stdout.startswith("exit 1\n")
    assert "77" not in result.stdout
    assert oci("state", "x").code == 1


def test_nor_one_of_a_joined_network_that_is_the_hosts(oci: Oci, bundle: Bundle) -> None:
    def change(config: Config) -> None:
        joining_the_hosts("network", "net", config)
        config["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1"}

    result = on_a_host(oci, "run", "--bundle", bundle("true", change=change), "x")
    assert "net.ipv4.ip_forward would be the host's" in result.stderr


@pytest.mark.parametrize(
    "key", ["net.ipv4.conf.lo.forwarding", "net/ipv4/conf/lo/forwarding", "kernel.shmmni"]
)
def test_one_of_its_own_is_set(oci: Oci, bundle: Bundle, key: str) -> None:
    file = "/proc/sys/" + key.replace(".", "/")
    before = Path(file).read_text()
    made = bundle("cat", file, change=lambda config: config["linux"].update(sysctl={key: "1"}))
    assert oci("run", "--bundle", made, "x", check=True).stdout == "1\n"
    assert Path(file).read_text() == before


@pytest.mark.parametrize("key", ["uid", "gid"])
def test_what_is_no_id_is_an_error_and_not_root(oci: Oci, bundle: Bundle, key: str) -> None:
    made = bundle("id", change=lambda config: config["process"]["user"].update({key: 4294967295}))
    result = oci("run", "--bundle", made, "x")
    assert result.code == 1
    assert f"process.user.{key}: expected a number from 0 to 4294967294, found 4294967295" in result.stderr


def test_nor_for_an_exec(oci: Oci, bundle: Bundle) -> None:
    oci.detached("run", "-d", "--bundle", bundle(), "x")
    for user in ("4294967295", "-1", "0:4294967295", "0:-1"):
        result = oci("exec", "--user", user, "x", "id")
        assert result.code != 0
        assert "uid=" not in result.stdout


# ---- config.json after the start


def test_an_exec_is_as_the_container_was_created(oci: Oci, bundle: Bundle) -> None:
    """Whatever has become of the bundle's config.json since."""

    def change(config: Config) -> None:
        allow_all = {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["swapon"], "action": "SCMP_ACT_ERRNO"}],
        }
        config["linux"]["seccomp"] = allow_all

    made = bundle(change=change)
    oci.detached("run", "-d", "--bundle", made, "x")
    (made / "config.json").write_text('{"process": {"args": ["x"], "cwd": "/"}, "root": {"path": "rootfs"}}')
    result = oci(
        "exec", "x", "sh", "-c", "grep Seccomp: /proc/self/status; readlink /proc/self/ns/pid", check=True
    )
    inside = Path(f"/proc/{oci.state('x')['pid']}/ns/pid").readlink()
    assert result.stdout == f"Seccomp:\t2\n{inside}\n"
    (made / "config.json").unlink()
    assert oci("exec", "x", "true").code == 0


# ---- seccomp: what comes after the filter

# what runc 1.1 itself calls after it has loaded the filter, and busybox's `true`: found by leaving out one by one
LEAST = """arch_prctl capget capset chdir close execve exit_group faccessat2 fstat fstatfs getcwd getdents64 getpgid
    getppid lstat mmap mprotect newfstatat openat prctl pselect6 read rseq rt_sigprocmask rt_sigreturn setgid setgroups
    setuid statx unlink write"""


@pytest.mark.parametrize("no_new_privileges", [True, False])
@pytest.mark.parametrize("user", [0, 1000])
def test_a_filter_that_is_enough_for_runc_is_enough(
    oci: Oci, bundle: Bundle, no_new_privileges: bool, user: int
) -> None:
    def change(config: Config) -> None:
        config["process"].update(noNewPrivileges=no_new_privileges, user={"uid": user, "gid": user})
        allowed = {"names": LEAST.split(), "action": "SCMP_ACT_ALLOW"}
        config["linux"]["seccomp"] = {
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": 38,
            "syscalls": [allowed],
        }

    assert oci("run", "--bundle", bundle("true", change=change), "x").code == 0


def test_an_exec_that_may_not_clone_says_so(oci: Oci, bundle: Bundle) -> None:
    def change(config: Config) -> None:
        config["process"]["noNewPrivileges"] = False
        no_clone = {"names": ["clone", "clone3"], "action": "SCMP_ACT_ERRNO"}
        config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [no_clone]}

    oci.detached("run", "-d", "--bundle", bundle(change=change), "x")
    result = oci("exec", "x", "true")
    assert result.code == 255
    assert "seccomp filter forbids clone(2)" in result.stderr


# ---- what makes no sense


@pytest.mark.parametrize(
    "change",
    [
        {"process": []}, {"process": {"user": "root"}}, {"process": {"env": [None]}}, {"process": {"args": [1]}},
        {"root": "x"}, {"root": {}}, {"mounts": [{"destination": 5}]}, {"linux": []}, {"linux": {"namespaces": [{}]}},
        {"linux": {"resources": {"memory": 5}}}, {"linux": {"cgroupsPath": 5}}, {"linux": {"cgroupsPath": "/a\0b"}},
    ],
    ids=str,
)  # fmt: skip
def test_what_has_the_wrong_type_is_one_sentence(oci: Oci, bundle: Bundle, change: Config) -> None:
    def apply(config: Config) -> None:
        for key, value in change.items():
            config[key] = {**config[key], **value} if isinstance(value, dict) and value else value

    result = oci("run", "--bundle", bundle("true", change=apply), "x")
    assert result.code == 1
    assert result.stderr.startswith("minirun-oci: ")
    assert "Traceback" not in result.stderr
    assert oci("state", "x").code == 1
