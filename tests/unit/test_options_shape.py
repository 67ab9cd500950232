"""Options of those who are no command line: what has not the type or the words it is to have is refused, by name."""

import ast
import json
import time
from typing import Any

import pytest

from minirun.engine import containers, networks
from minirun.engine.options import attachments, devices, limits, mounts, policies, run_options, shape
from minirun.errors import UsageError
from minirun.network import ports
from minirun.paths import Paths
from tests.support import CHECKOUT

SOURCES = ("engine/record_types.py", "network/ledger.py", "network/ports.py", "runtime/config.py")


def annotations() -> dict[str, dict[str, str]]:
    """{class: {field: annotation}} of the TypedDicts; nothing can import them at run time."""
    trees = [ast.parse((CHECKOUT / "minirun" / name).read_text()) for name in SOURCES]
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return {
        one.name: {
            line.target.id: ast.unparse(line.annotation)
            for line in one.body
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
        }
        for one in classes
    }


CLASSES = annotations()


def annotated(text: str) -> Any:
    """The shape that an annotation says."""
    if text in CLASSES:
        return {
            f"{field}?" if "NotRequired" in one else field: annotated(one)
            for field, one in CLASSES[text].items()
        }
    if text.startswith("NotRequired["):
        return annotated(text[len("NotRequired[") : -1])
    if text.endswith(" | None"):
        return (annotated(text.removesuffix(" | None")), None)
    if text.startswith("list["):
        return [annotated(text[5:-1])]
    if text.startswith("dict[str, "):
        return {str: annotated(text[10:-1])}
    return {"str": str, "int": int, "float": float, "bool": bool, "Any": object}[text]


def plain(one: Any) -> Any:
    """A shape without what a type cannot say: which words there are, what is in linux.resources."""
    if one is shape.RESOURCES:
        return {str: object}
    if isinstance(one, tuple):
        return str if all(isinstance(word, str) for word in one) else tuple(map(plain, one))
    if isinstance(one, list):
        return [plain(one[0])]
    return {key: plain(value) for key, value in one.items()} if isinstance(one, dict) else one


OPTIONS = shape.of_options(run_options.defaults(""))
FULL = {
    **run_options.defaults("busybox", ["true"]),
    "entrypoint": ["sh", "-c"],
    "env": ["A=1"],
    "attached": ["stdin"],
    "mounts": [
        mounts.volume("data:/data"),
        mounts.tmpfs("/t:size=1m"),
        mounts.mount("src=/,dst=/b,type=bind"),
    ],
    "namespaces": {"pid": "container:db", "uts": "host"},
    "network": "lab",
    "attachments": [attachments.attachment("lab", aliases=["db"], ipv4="10.0.0.9", mac="02:42:ac:11:00:02")],
    "ports": [*ports.parse("8000-8001:80"), *ports.parse("[::1]::53/udp")],
    "exposed": ["80/tcp"],
    "dns": ["10.0.0.1"],
    "extra_hosts": [["db", "::1"], ["host", "host-gateway"]],
    "resources": limits.with_swap(limits.resources(memory="64m", cpus="0.5", cpuset_cpus="0", pids_limit=5)),
    "cgroup_conf": {"memory.high": "64M"},
    "devices": [devices.mapping("/dev/sda:/dev/disk:r")],
    "device_cgroup_rules": ["c 42:* rwm"],
    "rlimits": [run_options.ulimit("nofile=5")],
    "stop_timeout": 3,
    "restart": policies.restart("on-failure:3"),
    "health": policies.health(command=["true"], interval="1s"),
    "log": {"driver": "json-file", "options": {"max-size": "10m"}},
}


def test_the_shapes_say_what_the_types_say() -> None:
    assert plain(OPTIONS) == annotated("RunOptions")


def test_options_that_say_something_of_everything_are_right_and_stay_as_they_are() -> None:
    before = json.dumps(FULL)
    run_options.check(FULL)  # type: ignore[arg-type]
    assert json.dumps(FULL) == before


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize(
    "value", [7.5, b"x", object(), {1: 2}, [1], ("a",), "\0", "\ud800", {"a": "\0"}, ["\0"]]
)
def test_no_option_takes_what_is_of_no_type_of_its_own(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=rf"\b{name}\b"):
        run_options.check({**FULL, name: value})  # type: ignore[typeddict-item]


@pytest.mark.parametrize("name", OPTIONS)
def test_no_option_can_be_missing(name: str) -> None:
    with pytest.raises(UsageError, match=f"the option {name} is missing"):
        run_options.check({key: value for key, value in FULL.items() if key != name})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("plugs", [], "there is no option plugs"),
        ("args", "sh", "invalid value for the option args: 'sh'"),
        ("privileged", "no", "invalid value for the option privileged: 'no'"),
        ("shm_size", True, "invalid value for the option shm_size: True"),
        ("attached", None, "invalid value for the option attached: None"),
        ("attached", ["stdlog"], r"option attached\[0\]: 'stdlog'"),
        ("pull", "sometimes", "option pull: 'sometimes'"),
        ("restart", {"name": "x", "maximum": 0}, "option restart.name: 'x'"),
        ("restart", {"name": "always"}, "the option restart.maximum is missing"),
        ("restart", {"name": "on-failure", "maximum": "3"}, "option restart.maximum: '3'"),
        ("restart", {"name": "on-failure", "maximum": -1}, "cannot be negative"),
        ("restart", {"name": "no", "maximum": 0, "more": 1}, "there is no option restart.more"),
        ("exposed", ["x/y"], "invalid proto: y"),
        ("exposed", ["80"], 'invalid exposed port: "80"'),
        ("exposed", ["80-81/tcp"], 'invalid exposed port: "80-81/tcp"'),
        ("ports", [{**ports.parse("80")[0], "protocol": "sctp"}], r"option ports\[0\].protocol: 'sctp'"),
        ("ports", [{**ports.parse("80")[0], "host_ports": []}], "invalid ports: none to 80"),
        ("ports", [{**ports.parse("80")[0], "container_port": 0}], "invalid ports"),
        ("ports", [{**ports.parse("80")[0], "host_ip": "here"}], 'invalid IP address "here"'),
        ("hostname", "\n1.2.3.4 evil", "invalid hostname"),
        ("domainname", "a\nb", "invalid domainname"),
        ("dns", ["1.1.1.1\nnameserver 2.2.2.2"], "is no IP address"),
        ("dns_search", ["a\nb"], "invalid word for resolv.conf"),
        ("dns_options", ["a\nb"], "invalid word for resolv.conf"),
        ("extra_hosts", [["db"]], "invalid entry of extra_hosts"),
        ("extra_hosts", [["db\n1.2.3.4 evil", "::1"]], "invalid --add-host"),
        ("env", ["=x"], 'invalid environment variable: "=x"'),
        ("env", ["A=\0"], r"option env\[0\] has a NUL in it"),
        ("rlimits", [{"type": "RLIMIT_NOSUCH", "soft": 1, "hard": 1}], "invalid ulimit"),
        ("rlimits", [{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}], "soft limit is above"),
        ("cgroup_conf", {"../x.y": "1"}, "invalid --cgroup-conf"),
        ("cgroup_conf", {"cgroup.kill": "1"}, "is not a setting"),
        ("resources", {"memory": {"limit": "64m"}}, "option resources.memory.limit: '64m'"),
        ("resources", {"memroy": {}}, "there is no option resources.memroy"),
        ("mounts", [{**mounts.volume("/x"), "destination": "x"}], "mount path must be absolute"),
        ("mounts", [{**mounts.volume("/x"), "name": "../x"}], "invalid characters for a local volume name"),
        ("attachments", [attachments.attachment("lab") | {"ipv4": "x"}], "is no IPv4 address"),
        ("attachments", [attachments.attachment("lab") | {"aliases": ["-"]}], "cannot be asked for by name"),
        ("seccomp", {"syscalls": []}, "no defaultAction"),
        ("health", {"test": ["true"]}, "the option health.interval is missing"),
        ("health", policies.health(command="x") | {"test": ["true"]}, r"invalid health check: \['true'\]"),
        ("health", policies.health(command="x") | {"test": ["CMD-SHELL"]}, "invalid health check"),
        ("health", policies.health(command="x") | {"timeout": float("nan")}, "--health-timeout"),
        ("health", policies.health(command="x") | {"interval": 1e-9}, "cannot be less than 1ms"),
        ("network", "none", 'network is "none", and attachments begin with "lab"'),
        ("network", "nosuch", 'network is "nosuch", and attachments begin with "lab"'),
        ("attachments", [], 'network is "lab", and attachments are empty'),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(name: str, value: object, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        run_options.check({**FULL, name: value})  # type: ignore[typeddict-item]


def test_a_program_can_be_the_health_check_without_a_shell() -> None:
    made = policies.health(command=["wget", "-q", "localhost"])
    assert made
    assert made["test"] == ["CMD", "wget", "-q", "localhost"]


@pytest.mark.parametrize(
    "config", [{"Retries": "x"}, {"Interval": "30s", "Test": ["CMD", "x"]}, ["CMD"], {"Test": 5}]
)
def test_an_images_health_check_that_is_none_is_told(config: Any) -> None:
    with pytest.raises(UsageError, match="the image's health check makes no sense"):
        policies.of_image(config)


@pytest.mark.parametrize(
    ("args", "env", "sentence"),
    [
        ([], [], "no command specified"),
        ("ls", [], "invalid value for the option args: 'ls'"),
        (["ls", 5], [], r"option args\[1\]: 5"),
        (["ls", "\0"], [], r"option args\[1\] has a NUL"),
        (["ls"], "A=1", "invalid value for the option env: 'A=1'"),
        (("ls",), ("=x",), "invalid environment variable"),
        (None, [], "invalid value for the option args: None"),
    ],
)
def test_a_program_for_exec_that_is_none_is_refused(args: Any, env: Any, sentence: str) -> None:
    run_options.check_program(("ls",), ["A=1"])
    nobody: Any = None  # it is refused before any container is asked
    with pytest.raises(UsageError, match=sentence):
        containers.execute(nobody, nobody, args, env=env)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("args", lambda text: run_options.defaults("busybox", text)),
        ("aliases", lambda text: attachments.attachment("lab", aliases=text)),
        ("networks", lambda text: attachments.all_of(text)),
        ("subnets", lambda text: networks.create(Paths("/nowhere"), "lab", subnets=text)),
    ],
)
def test_one_text_is_not_taken_for_its_letters(name: str, make: Any) -> None:
    with pytest.raises(UsageError, match=f"invalid value for the option {name}: 'lab'"):
        make("lab")


def test_the_check_costs_less_than_a_millisecond() -> None:
    """The best of some, for the machine may be busy."""
    spent = []
    for _ in range(20):
        before = time.thread_time()
        run_options.check(FULL)  # type: ignore[arg-type]
        spent.append(time.thread_time() - before)
    assert min(spent) < 0.001
