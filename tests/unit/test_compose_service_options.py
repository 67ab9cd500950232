"""A service's keys as the engine's options."""

from pathlib import Path
from typing import Any

import pytest

from minirun.compose import service_options
from minirun.engine.options import run_options
from minirun.errors import UsageError
from tests.compose_projects import project, service

OTHERS: dict[str, dict[str, Any]] = {
    "networks": {
        "default": {},
        "back": {},
        "old": {"name": "bridge", "external": True},
        "up": {"name": "host"},
    },
    "volumes": {"data": {}, "theirs": {"name": "shared", "external": True}},
}


def options(**keys: Any) -> Any:
    """Of the first container of a service `web` with these keys."""
    made = project({"web": service(**keys)}, **OTHERS)
    return service_options.make(made, made.services["web"], number=1, record_of=lambda name: f"id-of-{name}")


def port(host_ports: list[int], inside: int, host_ip: str = "", protocol: str = "tcp") -> dict[str, Any]:
    return {"host_ip": host_ip, "host_ports": host_ports, "container_port": inside, "protocol": protocol}


PLAIN = options()
TABLE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"command": ["echo", "a b"]}, {"args": ["echo", "a b"]}),
    ({"command": None}, {}),
    ({"entrypoint": ["sh", "-c"], "command": ["true"]}, {"entrypoint": ["sh", "-c"], "args": ["true"]}),
    ({"container_name": "mine"}, {"name": "mine", "attachments": "mine"}),
    ({"environment": {"A": "1", "B": None, "C": ""}}, {"env": ["A=1", "C="]}),
    ({"working_dir": "/w"}, {"workdir": "/w"}),
    ({"user": "1:2"}, {"user": "1:2"}),
    ({"group_add": ["wheel", "5"]}, {"groups": ["wheel", "5"]}),
    ({"hostname": "h"}, {"hostname": "h"}),
    ({"domainname": "d"}, {"domainname": "d"}),
    ({"labels": {"a": "b"}}, {"labels": {"a": "b"}}),
    ({"annotations": {"a": "b"}}, {"annotations": {"a": "b"}}),
    ({"tty": True}, {"tty": True}),
    ({"stdin_open": True}, {"interactive": True}),
    ({"init": True}, {"init": True}),
    ({"read_only": True}, {"readonly": True}),
    ({"privileged": True}, {"privileged": True}),
    ({"cap_add": ["NET_ADMIN"], "cap_drop": ["ALL"]}, {"cap_add": ["NET_ADMIN"], "cap_drop": ["ALL"]}),
    ({"security_opt": ["seccomp:unconfined"]}, {"security_opt": ["seccomp:unconfined"], "seccomp": None}),
    ({"security_opt": ["label:type:mine", "label:disable"]}, {}),
    (
        {"security_opt": ["no-new-privileges:true"]},
        {"no_new_privileges": True, "security_opt": ["no-new-privileges:true"]},
    ),
    ({"sysctls": {"net.core.somaxconn": 1024}}, {"sysctls": {"net.core.somaxconn": "1024"}}),
    ({"platform": "linux/amd64"}, {"platform": "linux/amd64"}),
    ({"runtime": "/bin/sh"}, {"runtime": "/bin/sh"}),
    ({"runtime": "runc"}, {}),
    (
        {"devices": [{"source": "acme.com/radio=0", "target": "acme.com/radio=0"}]},
        {"cdi_devices": ["acme.com/radio=0"]},
    ),
    ({"stop_signal": "SIGUSR1"}, {"stop_signal": "SIGUSR1"}),
    ({"stop_grace_period": "1m30s"}, {"stop_timeout": 90}),
    ({"stop_grace_period": "0s"}, {"stop_timeout": 0}),
    # ---- restart
    ({"restart": "always"}, {"restart": {"name": "always", "maximum": 0}}),
    ({"restart": "on-failure:3"}, {"restart": {"name": "on-failure", "maximum": 3}}),
    ({"restart": "no", "deploy": {"restart_policy": {"condition": "any"}}}, {}),
    (
        {"deploy": {"restart_policy": {"condition": "any", "max_attempts": 2}}},
        {"restart": {"name": "always", "maximum": 0}},
    ),
    ({"deploy": {"restart_policy": {"condition": "none"}}}, {}),
    (
        {"deploy": {"restart_policy": {"condition": "on-failure", "max_attempts": 2}}},
        {"restart": {"name": "on-failure", "maximum": 2}},
    ),
    ({"deploy": {"restart_policy": {"max_attempts": 2}}}, {}),
    # ---- devices and namespaces
    (
        {"devices": [{"source": "/dev/fuse", "target": "/dev/f", "permissions": "r"}]},
        {"devices": [{"source": "/dev/fuse", "destination": "/dev/f", "access": "r"}]},
    ),
    ({"device_cgroup_rules": ["c 1:3 mr"]}, {"device_cgroup_rules": ["c 1:3 mr"]}),
    ({"pid": "host", "ipc": "shareable"}, {"namespaces": {"pid": "host", "ipc": "shareable"}}),
    (
        {"pid": "service:db", "ipc": "container:x"},
        {"namespaces": {"pid": "container:id-of-db", "ipc": "container:x"}},
    ),
    ({"uts": "host", "cgroup": "private"}, {"namespaces": {"uts": "host"}}),
    # ---- health and logs
    ({"healthcheck": {"disable": True}}, {"health": "NONE"}),
    ({"healthcheck": {"test": ["NONE"]}}, {"health": "NONE"}),
    (
        {"logging": {"driver": "json-file", "options": {"max-file": 3}}},
        {"log": {"driver": "json-file", "options": {"max-file": "3"}}},
    ),
    ({"logging": {"driver": "none"}}, {"log": {"driver": "none", "options": {}}}),
    ({"logging": {"driver": "gelf", "options": {"gelf-address": "udp://x:1"}}}, {}),
    # ---- networks
    ({"network_mode": "none", "networks": {}}, {"network": "none", "attachments": []}),
    ({"networks": {}}, {"network": "none", "attachments": []}),
    ({"networks": {"up": None}}, {"network": "host", "attachments": []}),
    ({"network_mode": "host", "networks": {}}, {"network": "host", "attachments": []}),
    ({"network_mode": "service:db", "networks": {}}, {"network": "container:id-of-db", "attachments": []}),
    ({"network_mode": "container:x", "networks": {}}, {"network": "container:x", "attachments": []}),
    ({"dns": ["8.8.8.8"]}, {"dns": ["8.8.8.8"]}),
    ({"dns_search": ["a.b"]}, {"dns_search": ["a.b"]}),
    ({"dns_opt": ["timeout:1"]}, {"dns_options": ["timeout:1"]}),
    (
        {"extra_hosts": ["a=1.2.3.4", "b=::1", "c=host-gateway"]},
        {"extra_hosts": [["a", "1.2.3.4"], ["b", "::1"], ["c", "host-gateway"]]},
    ),
    ({"expose": ["90-91", "53/udp"]}, {"exposed": ["90/tcp", "91/tcp", "53/udp"]}),
    # ---- ports
    ({"ports": [{"target": 80, "protocol": "tcp"}]}, {"ports": [port([0], 80)]}),
    (
        {"ports": [{"target": 80, "published": "8080", "protocol": "udp"}]},
        {"ports": [port([8080], 80, protocol="udp")]},
    ),
    ({"ports": [{"target": 80, "published": "8080-8082"}]}, {"ports": [port([8080, 8081, 8082], 80)]}),
    (
        {"ports": [{"target": 80, "published": "80", "host_ip": "127.0.0.1"}]},
        {"ports": [port([80], 80, "127.0.0.1")]},
    ),
    ({"ports": [{"target": 80, "host_ip": "::1"}]}, {"ports": [port([0], 80, "::1")]}),
    # ---- limits
    ({"mem_limit": "67108864"}, {"resources": {"memory": {"limit": 67108864, "swap": 134217728}}}),
    (
        {"mem_limit": "67108864", "memswap_limit": "-1", "mem_reservation": "33554432"},
        {"resources": {"memory": {"limit": 67108864, "swap": -1, "reservation": 33554432}}},
    ),
    ({"cpus": 0.5}, {"resources": {"cpu": {"quota": 50000, "period": 100000}}}),
    ({"cpu_quota": 5000, "cpu_period": 10000}, {"resources": {"cpu": {"quota": 5000, "period": 10000}}}),
    ({"cpu_shares": 5, "cpuset": "0"}, {"resources": {"cpu": {"shares": 5, "cpus": "0"}}}),
    ({"pids_limit": 10}, {"resources": {"pids": {"limit": 10}}}),
    (
        {"deploy": {"resources": {"limits": {"cpus": 0.5, "memory": "67108864", "pids": 10}}}},
        {
            "resources": {
                "memory": {"limit": 67108864, "swap": 134217728},
                "cpu": {"quota": 50000, "period": 100000},
                "pids": {"limit": 10},
            }
        },
    ),
    (
        {"deploy": {"resources": {"reservations": {"cpus": 0.5, "memory": "67108864"}}}},
        {"resources": {"memory": {"reservation": 67108864}}},
    ),
    ({"blkio_config": {"weight": 300}}, {"resources": {"blockIO": {"weight": 300}}}),
    ({"shm_size": "1048576"}, {"shm_size": 1048576}),
    ({"cgroup_parent": "/team"}, {"cgroup_parent": "/team"}),
    ({"oom_score_adj": 5}, {"oom_score_adj": 5}),
    (
        {"ulimits": {"nproc": 5, "nofile": {"soft": 10, "hard": 20}}},
        {
            "rlimits": [
                {"type": "RLIMIT_NPROC", "soft": 5, "hard": 5},
                {"type": "RLIMIT_NOFILE", "soft": 10, "hard": 20},
            ]
        },
    ),
    (
        {"volumes_from": ["db:ro", "db", "container:x:rw"]},
        {"volumes_from": ["id-of-db:ro", "id-of-db", "x:rw"]},
    ),
]


def changed(made: Any) -> dict[str, Any]:
    """The options that are other than those of a service of which nothing is said."""
    found = {key: value for key, value in made.items() if value != PLAIN[key]}
    if found.get("attachments"):
        found["attachments"] = found["attachments"][0]["aliases"][0]
    if found.get("health"):
        found["health"] = found["health"]["test"][0]
    return found


@pytest.mark.parametrize(("keys", "expected"), TABLE, ids=lambda value: str(value)[:60])
def test_keys_become_options(keys: dict[str, Any], expected: dict[str, Any]) -> None:
    made = options(**keys)
    assert changed(made) == expected
    run_options.check(made)


def test_a_health_check_with_all_its_times() -> None:
    check = {
        "test": ["CMD-SHELL", "a | b"],
        "interval": "1m30s",
        "timeout": "500ms",
        "retries": 2,
        "start_period": "5s",
    }
    assert options(healthcheck=check)["health"] == {
        "test": ["CMD-SHELL", "a | b"],
        "interval": 90.0,
        "timeout": 0.5,
        "start_period": 5.0,
        "start_interval": 0.0,
        "retries": 2,
    }


def test_a_health_check_without_a_test_keeps_the_images() -> None:
    assert options(healthcheck={"test": ["CMD-SHELL"], "retries": 2})["health"]["test"] == []
    assert options(healthcheck={"interval": "1s"})["health"]["test"] == []
    assert options()["health"] is None


def attachments(**keys: Any) -> list[dict[str, Any]]:
    return options(**keys)["attachments"]  # type: ignore[no-any-return]


def test_it_is_found_by_its_own_name_and_by_the_services() -> None:
    assert attachments() == [
        {"network": "demo_default", "aliases": ["demo-web-1", "web"], "ipv4": "", "ipv6": "", "mac": ""}
    ]
    assert options()["network"] == "demo_default"


def test_addresses_and_aliases_of_a_network() -> None:
    given = {
        "aliases": ["www"],
        "ipv4_address": "172.30.0.9",
        "ipv6_address": "fd00:0::9",
        "mac_address": "02-42-AC-11-00-09",
    }
    (made,) = attachments(networks={"back": given})
    assert made["aliases"] == ["demo-web-1", "web", "www"]
    assert (made["ipv4"], made["ipv6"], made["mac"]) == ("172.30.0.9", "fd00::9", "02:42:ac:11:00:09")


def test_a_word_of_its_own_for_another_service() -> None:
    (made,) = attachments(links=["db", "db:database"], external_links=["ext:e"])
    assert made["links"] == [["db", "database"], ["ext", "e"]]
    assert "links" not in attachments(links=["db"])[0]


def test_the_network_with_the_highest_priority_comes_first() -> None:
    networks = {"default": None, "back": {"priority": 1000}}
    assert [one["network"] for one in attachments(networks=networks)] == ["demo_back", "demo_default"]
    assert [one["network"] for one in attachments(networks={"default": {}, "back": None})] == [
        "demo_back",
        "demo_default",
    ]


def test_the_network_that_has_the_way_out() -> None:
    assert attachments(networks={"back": {"gw_priority": 3}})[0]["gw_priority"] == 3
    assert "gw_priority" not in attachments()[0]


def test_what_one_interface_is_called_and_has_besides() -> None:
    known = "com.docker.network.endpoint.ifname"
    (made,) = attachments(
        networks={
            "default": {"interface_name": "lan0", "driver_opts": {"x": 5}, "link_local_ips": ["169.254.7.7"]}
        }
    )
    assert (made["driver_opts"], made["link_local"]) == ({known: "lan0"}, ["169.254.7.7"])
    assert not {"driver_opts", "link_local"} & attachments()[0].keys()


def test_the_services_mac_address_is_for_its_first_network() -> None:
    made = attachments(networks={"default": None, "back": None}, mac_address="02:42:ac:11:00:03")
    assert [one["mac"] for one in made] == ["02:42:ac:11:00:03", ""]


def test_the_default_bridge_has_no_names() -> None:
    assert attachments(networks={"old": {"aliases": ["x"]}})[0]["aliases"] == []
    assert attachments(network_mode="bridge", networks={})[0]["aliases"] == []


def test_a_name_that_dns_cannot_say_is_no_alias() -> None:
    made = project({"web-": service()})
    (one,) = service_options.make(made, made.services["web-"], record_of=str)["attachments"]
    assert one["aliases"] == ["demo-web--1"]


def mount(**keys: Any) -> Any:
    """The one mount of a service with this entry in `volumes`."""
    return options(volumes=[{"target": "/t", **keys}])["mounts"][0]


def test_a_bind_makes_the_hosts_directory_unless_told_not_to() -> None:
    made = mount(type="bind", source="/host", bind={})
    assert (made["kind"], made["source"], made["destination"], made["origin"]) == (
        "bind",
        "/host",
        "/t",
        "-v",
    )
    assert mount(type="bind", source="/host", bind={"create_host_path": False})["origin"] == "--mount"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, ["rbind", "rprivate"]),
        ({"propagation": "rslave"}, ["rbind", "rslave"]),
        ({"propagation": "rshared"}, ["rbind", "rslave"]),
        ({"recursive": "disabled"}, ["bind", "rprivate"]),
        ({"recursive": "writable"}, ["rbind", "rw", "rprivate"]),
        ({"selinux": "z"}, ["rbind", "rprivate"]),
    ],
)
def test_the_options_of_a_bind(given: dict[str, Any], words: list[str]) -> None:
    assert mount(type="bind", source="/host", bind=given)["options"] == words
    assert mount(type="bind", source="/host", bind=given, read_only=True)["options"] == [*words, "ro"]


def test_a_volume_is_known_by_its_whole_name() -> None:
    made = mount(type="volume", source="data", volume={})
    assert (made["kind"], made["name"], made["copy"], made["anonymous"]) == (
        "volume",
        "demo_data",
        True,
        False,
    )
    assert (made["origin"], made["mode"]) == ("-v", "rw")
    assert mount(type="volume", source="data", read_only=True)["mode"] == "ro"
    assert mount(type="volume", source="theirs")["name"] == "shared"
    assert mount(type="volume", source="data", volume={"nocopy": True})["copy"] is False


def test_a_volume_without_a_source_goes_with_the_container() -> None:
    made = mount(type="volume", volume={"labels": {"a": "b"}})
    assert (made["name"], made["anonymous"], made["labels"]) == ("", True, {"a": "b"})


def test_a_part_of_a_volume_is_not_filled_from_the_image() -> None:
    made = mount(type="volume", source="data", volume={"subpath": "sub"})
    assert (made["subpath"], made["copy"]) == ("sub", False)


def test_an_image_is_mounted_read_only() -> None:
    made = mount(type="image", source="busybox", image={"subpath": "bin"})
    assert (made["kind"], made["source"], made["subpath"]) == ("image", "busybox", "bin")
    assert mount(type="image", source="busybox", read_only=True)["options"].count("ro") == 1


def test_a_seccomp_profile_is_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    made = project({"web": service(security_opt=["seccomp:profile.json"])})
    made.working_dir = str(tmp_path)
    found = service_options.make(made, made.services["web"], record_of=str)
    assert found["seccomp"] == {"defaultAction": "SCMP_ACT_ALLOW"}
    assert found["security_opt"] == [f"seccomp={tmp_path}/profile.json"]


def test_memory_as_a_file_system() -> None:
    made = mount(type="tmpfs", tmpfs={"size": "10485760", "mode": 0o700})
    assert made["kind"] == "tmpfs"
    assert made["options"][-2:] == ["size=10485760", "mode=700"]
    assert options(tmpfs=["/run:size=1m"])["mounts"][0]["options"][-1] == "size=1m"


def test_a_one_off_publishes_nothing_and_is_not_started_again() -> None:
    made = project({"web": service(ports=[{"target": 80}], restart="always", container_name="x")})
    once = service_options.for_one_off(made.services["web"])
    found = service_options.make(made, once, name="demo-web-run-1", aliases=False, record_of=str)
    assert found["ports"] == []
    assert found["restart"]["name"] == "no"
    assert found["attachments"][0]["aliases"] == ["demo-web-run-1"]


def test_a_one_off_can_have_the_services_ports() -> None:
    made = project({"web": service(ports=[{"target": 80}])})
    once = service_options.for_one_off(made.services["web"], ports=True)
    assert len(service_options.make(made, once, name="x1", record_of=str)["ports"]) == 1


def test_what_the_engine_cannot_read_is_quoted() -> None:
    with pytest.raises(UsageError, match="sctp"):
        options(ports=[{"target": 80, "protocol": "sctp"}])
