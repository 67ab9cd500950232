"""The table of config.json: what each property may hold, asked by changing one value of a whole config at a time.

Nothing is created here: what passes the table is judged by the kernel, root/test_oci.py and interop.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minirun.errors import MinirunError, UsageError
from minirun.linux import seccomp
from minirun.runtime import container, schema, spec
from minirun.runtime.plan import Plan

Config = dict[str, Any]
Way = tuple[str | int, ...]


def whole_config() -> Config:
    """Every property of the table, with a good value."""
    config: Config = json.loads(json.dumps(spec.default_config()))
    config["annotations"] = {"a": "b"}
    config["domainname"] = "realm"
    config["process"].update(
        consoleSize={"height": 24, "width": 80},
        user={"uid": 1, "gid": 2, "umask": 18, "additionalGids": [3, 4], "username": "x"},
        rlimits=[{"type": "RLIMIT_NOFILE", "soft": 5, "hard": 2**64 - 1}],
        oomScoreAdj=-10,
        apparmorProfile="",
        selinuxLabel="",
        scheduler={"policy": "SCHED_BATCH", "nice": 3, "flags": ["SCHED_FLAG_RESET_ON_FORK"], "priority": 0},
        ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 4},
        execCPUAffinity={"initial": "0", "final": "0-1"},
    )
    config["process"]["capabilities"] = {key: ["CAP_KILL"] for key in config["process"]["capabilities"]}
    config["mounts"] = [{**config["mounts"][0], "uidMappings": [_ids()], "gidMappings": [_ids()]}]
    hook = {"path": "/bin/true", "args": ["true"], "env": ["A=b"], "timeout": 2}
    config["hooks"] = {kind: [hook] for kind in schema.CONFIG["hooks"]}  # type: ignore[attr-defined]
    device = {"path": "/dev/x", "type": "c", "major": 1, "minor": 2, "fileMode": 438, "uid": 0, "gid": 0}
    throttle = {"major": 8, "minor": 0, "rate": 1}
    config["linux"] = {
        "namespaces": [{"type": "mount"}, {"type": "network", "path": "/proc/1/ns/net"}],
        "uidMappings": [_ids()],
        "gidMappings": [_ids()],
        "timeOffsets": {"boottime": {"secs": -1, "nanosecs": 5}, "monotonic": {"secs": 1, "nanosecs": 0}},
        "devices": [device],
        "cgroupsPath": "/a/b",
        "rootfsPropagation": "rslave",
        "maskedPaths": ["/proc/keys"],
        "readonlyPaths": ["/proc/sys"],
        "mountLabel": "",
        "personality": {"domain": "LINUX32", "flags": []},
        "intelRdt": {"closID": "x", "enableCMT": True},
        "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]},
        "netDevices": {"eth0": {"name": "lan"}},
        "sysctl": {"kernel.shmmni": "99"},
        "seccomp": {
            **seccomp.docker_profile_to_oci({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1}, []),
            "architectures": ["SCMP_ARCH_X86_64"],
            "flags": ["SECCOMP_FILTER_FLAG_LOG"],
            "listenerPath": "/run/x",
            "listenerMetadata": "y",
            "syscalls": [
                {
                    "names": ["read"],
                    "action": "SCMP_ACT_ALLOW",
                    "errnoRet": 1,
                    "args": [{"index": 0, "value": 1, "valueTwo": 2, "op": "SCMP_CMP_EQ"}],
                }
            ],
        },
        "resources": {
            "devices": [{"allow": False, "type": "c", "major": 1, "minor": -1, "access": "rwm"}],
            "memory": {"limit": 1, "reservation": 2, "swap": -1, "swappiness": 60, "disableOOMKiller": False},
            "cpu": {"shares": 2, "quota": -1, "burst": 0, "period": 5, "idle": 0, "cpus": "0-1", "mems": "0"},
            "pids": {"limit": -1},
            "blockIO": {
                "weight": 10,
                "weightDevice": [{"major": 8, "minor": 0, "weight": 500}],
                "throttleReadBpsDevice": [throttle],
            },
            "hugepageLimits": [{"pageSize": "2MB", "limit": 0}],
            "network": {"classID": 1, "priorities": [{"name": "eth0", "priority": 1}]},
            "rdma": {"mlx5": {"hcaHandles": 1, "hcaObjects": 2}},
            "unified": {"memory.high": "max"},
        },
    }
    return config


def _ids() -> dict[str, int]:
    return {"containerID": 0, "hostID": 1000, "size": 10}


def ways(value: object, above: Way = ()) -> Iterator[Way]:
    """The way to every value inside of one: ("process", "args", 0)."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*above, key)
        yield from ways(item, (*above, key))


def place(config: Config, way: Way) -> tuple[Any, str | int]:
    for key in way[:-1]:
        config = config[key]  # type: ignore[index]
    return config, way[-1]


def dotted(way: Way) -> str:
    """("process", "args", 0) as process.args[0]."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in way).lstrip(".")


def changed(way: Way, value: object) -> Config:
    config: Config = json.loads(TEXT)
    where, key = place(config, way)
    where[key] = value
    return config


TEXT = json.dumps(whole_config())
WHOLE: Config = json.loads(TEXT)  # in which nothing is the same object twice
WAYS = list(ways(WHOLE))
# one of each type of JSON, and numbers and texts that nothing takes
NUMBERS = [2**64, -(2**63) - 1, 1.5]
STRANGE = [*NUMBERS, True, "x\0y", "\ud800", {"strange": {}}, [["strange"]]]


def test_a_whole_config_is_right() -> None:
    schema.check(json.loads(TEXT))


def test_the_default_filter_and_config_are_right() -> None:
    config: Config = json.loads(json.dumps(spec.default_config()))
    config["linux"]["seccomp"] = seccomp.docker_profile_to_oci(seccomp.default_profile(), [])
    schema.check(config)


@pytest.mark.parametrize("value", STRANGE, ids=repr)
def test_any_value_that_is_replaced_by_a_strange_one_is_named(value: object) -> None:
    """The fuzz test: each of the values in turn, in a whole config.  An object without what it needs names that."""
    for way in WAYS:
        if isinstance(place(WHOLE, way)[0][way[-1]], type(value)) and not isinstance(
            value, (str, float, int)
        ):
            continue  # of the type that it is to have
        if type(value) is type(place(WHOLE, way)[0][way[-1]]) is bool:
            continue
        with pytest.raises(UsageError) as found:
            schema.check(changed(way, value))
        assert f"config.json: {dotted(way)}" in str(found.value), way


@pytest.mark.parametrize("value", ["", "strange", 0, -1, 2**32 - 1, 10**30, [], {}, None, False], ids=repr)
def test_no_value_is_a_mistake_of_ours(value: object) -> None:
    """Right or wrong, what comes of it is a config or an error for a person, and so in what works out what to do."""
    for way in WAYS:
        judge(changed(way, value))


def test_nothing_that_is_missing_is_a_mistake_of_ours() -> None:
    for way in WAYS:
        config = json.loads(TEXT)
        where, key = place(config, way)
        del where[key]
        judge(config)


def judge(config: Config) -> None:
    """Works out what to do, without what is refused as a whole: an error may only be one for a person."""
    try:
        schema.check(config)
        for key in (
            "intelRdt",
            "netDevices",
            "personality",
            "timeOffsets",
            "uidMappings",
            "gidMappings",
            "seccomp",
        ):
            config.get("linux", {}).pop(key, None)
        for key in ("scheduler", "ioPriority", "execCPUAffinity"):
            config["process"].pop(key, None)
        config.update(
            hooks={},
            mounts=[{**one, "uidMappings": [], "gidMappings": []} for one in config.get("mounts", [])],
        )
        Plan(config, "/", "x", "/proc/self/root")  # type: ignore[arg-type]
        Plan({**config, "root": {"path": "/"}}, "/", "x")  # type: ignore[typeddict-item]
        container.limits(config.get("linux", {}))
    except MinirunError:
        pass


@pytest.mark.parametrize(
    ("way", "value", "words"),
    [
        (("linux", "resources", "memory", "limit"), "x", 'expected a number, found "x"'),
        (("linux", "resources", "memory", "limit"), 1.5, "expected a whole number, found 1.5"),
        (("linux", "resources", "memory", "swappiness"), 101, "expected a number from 0 to 100, found 101"),
        (("linux", "resources", "pids", "limit"), True, "expected a number, found true"),
        (("process", "oomScoreAdj"), 1001, "expected a number from -1000 to 1000, found 1001"),
        (("process", "terminal"), 1, "expected true or false, found 1"),
        (("process", "cwd"), "tmp", '"tmp" has to be an absolute path'),
        (("process", "args"), "sh", 'expected an array, found "sh"'),
        (("process", "user"), [], "expected an object, found an array"),
        (("process", "user", "uid"), 2**32 - 1, "expected a number from 0 to 4294967294, found 4294967295"),
        (("process", "rlimits", 0, "type"), "RLIMIT_X", '"RLIMIT_X" is not known'),
        (("process", "ioPriority", "priority"), 8, "expected a number from 0 to 7, found 8"),
        (("process", "scheduler", "policy"), "SCHED_X", '"SCHED_X" is not known'),
        (("hooks", "prestart", 0, "path"), "true", '"true" has to be an absolute path'),
        (("hooks", "prestart", 0, "timeout"), 0, "expected a number from 1 to 2147483647, found 0"),
        (("linux", "namespaces", 0, "type"), "Mount", '"Mount" is not known'),
        (("linux", "rootfsPropagation"), "nonsense", '"nonsense" is not known'),
        (("linux", "devices", 0, "type"), "x", '"x" is not known'),
        (("linux", "devices", 0, "major"), 4096, "expected a number from 0 to 4095, found 4096"),
        (("linux", "resources", "devices", 0, "minor"), -2, "expected a number from -1 to 1048575, found -2"),
        (("linux", "maskedPaths", 0), "proc/keys", '"proc/keys" has to be an absolute path'),
        (("linux", "resources", "devices", 0, "access"), "rx", 'expected letters of "rwm", found "rx"'),
        (("linux", "resources", "hugepageLimits", 0, "pageSize"), "2", 'expected a size as 2MB, found "2"'),
        (("linux", "seccomp", "syscalls", 0, "action"), "ALLOW", '"ALLOW" is not known'),
        (
            ("linux", "seccomp", "syscalls", 0, "args", 0, "index"),
            6,
            "expected a number from 0 to 5, found 6",
        ),
        (("linux", "sysctl", "kernel.shmmni"), 99, "expected text, found 99"),
        (("annotations", "a"), 1, "expected text, found 1"),
        (("ociVersion",), "2.0.0", '"2.0.0" is of a specification that is not known here: 1.x is'),
        (("ociVersion",), "1", 'expected a version as 1.2.0, found "1"'),
    ],
)
def test_a_wrong_value_is_told_in_one_sentence(way: Way, value: object, words: str) -> None:
    with pytest.raises(UsageError) as found:
        schema.check(changed(way, value))
    assert str(found.value) == f"config.json: {dotted(way)}: {words}"


@pytest.mark.parametrize(
    "way",
    [
        ("root",),
        ("root", "path"),
        ("process",),
        ("process", "cwd"),
        ("process", "rlimits", 0, "hard"),
        ("process", "consoleSize", "width"),
        ("mounts", 0, "destination"),
        ("hooks", "poststop", 0, "path"),
        ("linux", "namespaces", 0, "type"),
        ("linux", "uidMappings", 0, "size"),
        ("linux", "devices", 0, "major"),
        ("linux", "resources", "hugepageLimits", 0, "pageSize"),
        ("linux", "resources", "devices", 0, "allow"),
        ("linux", "seccomp", "defaultAction"),
    ],
)
@pytest.mark.parametrize("null", [True, False])
def test_what_has_to_be_there_is_named(way: Way, null: bool) -> None:
    config = json.loads(TEXT)
    where, key = place(config, way)
    if null:
        where[key] = None
    else:
        del where[key]
    with pytest.raises(UsageError) as found:
        schema.check(config)
    assert str(found.value) == f"config.json: {dotted(way)} is missing"


@pytest.mark.parametrize("args", [[], None])
def test_a_process_has_words(args: object) -> None:
    with pytest.raises(UsageError, match=r"process.args is empty"):
        schema.check(changed(("process", "args"), args))


@pytest.mark.parametrize("word", ["\udcff\udcfe", "a\udc80b", "\U0001f600", "\ufffd"])
def test_a_word_may_have_bytes_that_are_no_text(word: str) -> None:
    config = whole_config()
    config["process"]["args"] = [word]
    config["process"]["env"] = [f"A={word}"]
    schema.check(config)


def test_what_is_there_twice_is_named() -> None:
    rlimit = WHOLE["process"]["rlimits"][0]
    with pytest.raises(UsageError, match=r'process.rlimits\[1\].type: "RLIMIT_NOFILE" is there twice'):
        schema.check(changed(("process", "rlimits"), [rlimit, rlimit]))
    with pytest.raises(UsageError, match=r'linux.namespaces\[2\].type: "pid" is there twice'):
        schema.check(
            changed(("linux", "namespaces"), [{"type": kind, "path": "/x"} for kind in ("pid", "ipc", "pid")])
        )


def test_a_soft_limit_is_not_above_the_hard_one() -> None:
    wrong = {"type": "RLIMIT_CORE", "soft": 2, "hard": 1}
    with pytest.raises(UsageError, match=r"process.rlimits\[0\].soft: 2 is above hard, 1"):
        schema.check(changed(("process", "rlimits"), [wrong]))


def test_null_is_as_if_it_were_not_there() -> None:
    config = changed(("linux", "resources", "memory"), None)
    schema.check(config)
    assert "memory" not in config["linux"]["resources"]


def test_unknown_properties_are_ignored() -> None:
    config = changed(("strange",), {"x": 1})
    config["process"]["user"]["strange"] = [None]
    schema.check(config)


@pytest.mark.parametrize("text", ["[]", "3", "null", '"x"'])
def test_what_is_no_object_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(MinirunError, match=r"config.json: the whole: expected an object, found"):
        container.load_config(str(tmp_path))


def test_what_is_too_deep_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[" * 100_000)
    with pytest.raises(MinirunError, match=r"config.json: not valid JSON"):
        container.load_config(str(tmp_path))


def test_a_process_alone_and_resources_alone_are_told_with_their_file() -> None:
    with pytest.raises(UsageError, match=r"^p.json: cwd is missing"):
        schema.check_process({"args": ["sh"]}, "p.json")
    with pytest.raises(UsageError, match=r"^r.json: pids.limit: expected a number"):
        schema.check_resources({"pids": {"limit": []}}, "r.json")
