"""What one machine cannot do is said by name, once; what a service would not be the same without is refused."""

from typing import Any

import pytest

from minirun.compose import unsupported
from minirun.errors import UnsupportedError
from minirun.linux import apparmor
from tests.compose_projects import project, service
from tests.support import CHECKOUT

LEFT_OUT = [
    ({"deploy": {"placement": {"constraints": ["node.role==manager"]}}}, "deploy.placement"),
    ({"deploy": {"endpoint_mode": "vip"}}, "deploy.endpoint_mode"),
    ({"deploy": {"mode": "global"}}, "deploy.mode global"),
    ({"deploy": {"update_config": {"parallelism": 2}}}, "deploy.update_config"),
    ({"deploy": {"resources": {"reservations": {"cpus": 0.5}}}}, "deploy.resources.reservations.cpus"),
    ({"mem_swappiness": "10"}, "mem_swappiness"),
    ({"oom_kill_disable": True}, "oom_kill_disable"),
    ({"storage_opt": {"size": "1G"}}, "storage_opt"),
    ({"logging": {"driver": "fluentd"}}, "logging.driver fluentd"),
    ({"security_opt": ["apparmor:mine"]}, "security_opt apparmor:mine"),
    (
        {"volumes": [{"type": "bind", "source": "/x", "target": "/x", "bind": {"propagation": "rshared"}}]},
        "propagation",
    ),
    (
        {"networks": {"default": {"driver_opts": {"com.example.x": "y"}}}},
        "networks.driver_opts com.example.x",
    ),
    ({"secrets": [{"source": "key", "mode": "0400"}]}, "secrets.mode"),
]
REFUSED = [
    ({"gpus": [{"count": -1}]}, "gpus"),
    ({"provider": {"type": "x"}}, "provider"),
    ({"models": {"m": None}}, "models"),
    ({"pre_start": [{"command": ["true"]}]}, "pre_start"),
    ({"credential_spec": {"file": "x"}}, "credential_spec"),
    ({"isolation": "hyperv"}, "isolation hyperv"),
    ({"runtime": "runsc"}, "runtime runsc"),
    ({"userns_mode": "keep-id"}, "userns_mode keep-id"),
    ({"volumes": [{"type": "npipe", "source": "x", "target": "y"}]}, "npipe"),
]
PLAIN: list[dict[str, Any]] = [
    {},
    {"deploy": {"mode": "replicated", "replicas": 2, "restart_policy": {"condition": "any"}}},
    {"security_opt": ["no-new-privileges:true", "label:disable", "seccomp=unconfined"]},
    {"userns_mode": "host", "runtime": "runc", "isolation": "default"},
    {"logging": {"driver": "json-file"}},
    {"secrets": [{"source": "text", "mode": "0400"}]},
]
SECRETS = {"secrets": {"key": {"file": "/key"}, "text": {"environment": "TEXT"}}}


@pytest.fixture(autouse=True)
def _without_apparmor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apparmor, "is_enabled", lambda: False)


@pytest.mark.parametrize(("keys", "named"), LEFT_OUT, ids=lambda value: str(value)[:50])
def test_it_is_left_out_and_named(keys: dict[str, Any], named: str) -> None:
    made = project({"web": service(**keys)}, **SECRETS)
    (text,) = unsupported.left_out(made, made.services)
    assert text.startswith('service "web": ')
    assert named in text
    unsupported.refuse(made, made.services)


@pytest.mark.parametrize(("keys", "named"), REFUSED, ids=lambda value: str(value)[:50])
def test_it_is_refused(keys: dict[str, Any], named: str) -> None:
    with pytest.raises(UnsupportedError, match=f'service "web": .*{named}'):
        unsupported.refuse(project({"web": service(**keys)}), ["web"])


@pytest.mark.parametrize("keys", PLAIN, ids=str)
def test_what_can_be_done_is_not_mentioned(keys: dict[str, Any]) -> None:
    made = project({"web": service(**keys)}, **SECRETS)
    assert unsupported.left_out(made, made.services) == []
    unsupported.refuse(made, made.services)


def test_what_several_services_ask_for_is_said_once() -> None:
    asking = service(deploy={"placement": {"constraints": ["x"]}})
    (text,) = unsupported.left_out(project({"web": asking, "db": asking}), ["web", "db"])
    assert text.startswith('services "web", "db": deploy.placement')


def test_all_that_is_refused_is_told_at_once() -> None:
    made = project({"web": service(gpus=[{}]), "db": service(provider={"type": "x"})})
    with pytest.raises(UnsupportedError) as error:
        unsupported.refuse(made, ["web", "db"])
    assert len(str(error.value).splitlines()) == 2


def test_the_page_names_them_all() -> None:
    page = (CHECKOUT / "docs" / "compose.md").read_text()
    for key in (*unsupported.LEFT_OUT, *unsupported.REFUSED):
        assert f"`{key}`" in page


@pytest.mark.parametrize(
    ("network", "named"),
    [
        ({"driver": "overlay"}, "driver overlay"),
        ({"enable_ipv4": False}, "enable_ipv4"),
        ({"ipam": {"driver": "mine"}}, "ipam.driver"),
        ({"driver_opts": {"com.example.colour": "red"}}, "driver_opts com.example.colour"),
    ],
)
def test_networks(network: dict[str, Any], named: str) -> None:
    (text,) = unsupported.left_out(project({}, networks={"back": network}), [])
    assert text.startswith('network "back": ')
    assert named in text
