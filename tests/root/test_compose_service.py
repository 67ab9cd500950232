"""A service's keys in a real container, looked at from outside and from inside."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from minirun.compose import hooks, network_options, secrets, service_options, volume_options
from minirun.engine import containers, networks, volumes
from minirun.engine.shim.spawn import Spawner
from minirun.errors import MinirunError
from minirun.image.progress import Progress
from minirun.paths import Paths
from tests.compose_projects import project
from tests.containers import eventually, mounts_of
from tests.support import Minirun

if TYPE_CHECKING:
    from minirun.compose.language.model import Project
    from minirun.engine.record_types import Record

    Up = Callable[..., list[Record]]
    Inside = Callable[..., str]


@pytest.fixture
def paths(minirun: Minirun) -> Paths:
    return Paths(str(minirun.root), str(minirun.state))


@pytest.fixture(scope="module")
def spawner() -> Iterator[Spawner]:
    with Spawner() as made:
        first = made.spawn()  # once it answers it is called what it is called, for the leak check
        first.close()
        eventually(lambda: not Path(f"/proc/{first.pid}").exists())
        yield made


@pytest.fixture
def up(paths: Paths, spawner: Spawner, minirun: Minirun) -> Iterator[Up]:
    """up(project) -> the records of its services' containers, in their order, running."""
    with contextlib.ExitStack() as undo:

        def made(wanted: Project) -> list[Record]:
            for key in wanted.networks:
                networks.create(paths, f"demo_{key}", **network_options.make(wanted, key, "h"))
                undo.callback(networks.remove, paths, f"demo_{key}")
            for key in wanted.volumes:
                volumes.create(paths, **volume_options.make(wanted, key, "h"))
                undo.callback(volumes.remove, paths, f"demo_{key}")
            undo.callback(minirun.remove_all)
            return list(_started(paths, wanted, spawner))

        yield made


def _started(paths: Paths, wanted: Project, spawner: Spawner) -> Iterator[Record]:
    ids: dict[str, str] = {}
    for name, service in wanted.services.items():
        options = service_options.make(wanted, service, record_of=ids.__getitem__)
        record = containers.create(paths, options, Progress())
        secrets.inject(paths, record, wanted, service)
        containers.start(paths, record, spawn=spawner.spawn).close()
        ids[name] = record["id"]
        yield containers.find(paths, record["id"])


@pytest.fixture
def inside(minirun: Minirun) -> Inside:
    """inside(record, "ls", "-l") -> what the program prints in the container."""
    return lambda record, *words: minirun("exec", record["id"], *words, check=True).stdout


def alone(**keys: Any) -> dict[str, Any]:
    """A service that sleeps, on no network."""
    return {"image": "busybox", "command": ["sleep", "1000"], "network_mode": "none", **keys}


def on_networks(**keys: Any) -> dict[str, Any]:
    return {"image": "busybox", "command": ["sleep", "1000"], "networks": {"default": None}, **keys}


# ---- names ------------------------------------------------------------------------------------------------------


def test_a_service_is_found_by_its_names(up: Up, inside: Inside) -> None:
    wanted = project(
        {"web": on_networks(), "db": on_networks(networks={"default": {"aliases": ["store"]}})},
        networks={"default": {}},
    )
    web, db = up(wanted)
    address = inside(db, "hostname", "-i").strip()
    for name in ("db", "demo-db-1", "store", db["id"][:12]):
        assert address in inside(web, "nslookup", name)


def test_a_link_is_a_word_of_its_own(up: Up, inside: Inside) -> None:
    wanted = project(
        {"db": on_networks(), "web": on_networks(links=["db:database"])}, networks={"default": {}}
    )
    db, web = up(wanted)
    assert inside(db, "hostname", "-i").strip() in inside(web, "nslookup", "database")


def test_an_address_of_its_own(up: Up, inside: Inside) -> None:
    endpoint = {"ipv4_address": "10.213.7.9", "mac_address": "02:42:ac:11:00:09"}
    (web,) = up(
        project(
            {"web": on_networks(networks={"back": endpoint})},
            networks={"back": {"ipam": {"config": [{"subnet": "10.213.7.0/24"}]}}},
        )
    )
    shown = inside(web, "ip", "address", "show", "eth0")
    assert "10.213.7.9/24" in shown
    assert "02:42:ac:11:00:09" in shown


def test_the_network_of_another_service(up: Up, inside: Inside) -> None:
    web, sidecar = up(project({"web": alone(), "sidecar": alone(network_mode="service:web")}, networks={}))
    assert _namespace(web, "net") == _namespace(sidecar, "net")


def test_namespaces_of_another_service(up: Up) -> None:
    web, sidecar = up(
        project(
            {"web": alone(ipc="shareable"), "sidecar": alone(pid="service:web", ipc="service:web")},
            networks={},
        )
    )
    for kind in ("pid", "ipc"):
        assert _namespace(web, kind) == _namespace(sidecar, kind)


def _namespace(record: Record, kind: str) -> str:
    return str(Path(f"/proc/{record['state']['pid']}/ns/{kind}").readlink())


# ---- files ------------------------------------------------------------------------------------------------------


def test_a_volume_is_shared_by_its_services(up: Up, inside: Inside) -> None:
    mount = {"type": "volume", "source": "data", "target": "/data"}
    one, two = up(
        project(
            {"one": alone(volumes=[mount]), "two": alone(volumes=[{**mount, "read_only": True}])},
            networks={},
            volumes={"data": {}},
        )
    )
    inside(one, "touch", "/data/here")
    assert inside(two, "ls", "/data") == "here\n"
    assert "ro" in mounts_of(two["state"]["pid"])["/data"][1]


def test_a_volume_that_is_elsewhere(up: Up, inside: Inside, tmp_path: Path) -> None:
    options = {"type": "none", "o": "bind", "device": str(tmp_path)}
    mount = {"type": "volume", "source": "data", "target": "/data"}
    service = alone(volumes=[mount])
    (web,) = up(project({"web": service}, networks={}, volumes={"data": {"driver_opts": options}}))
    inside(web, "touch", "/data/here")
    assert (tmp_path / "here").exists()


def test_memory_and_the_volumes_of_another(up: Up, inside: Inside) -> None:
    memory = {"type": "tmpfs", "target": "/mem", "tmpfs": {"size": "1048576", "mode": 0o700}}
    bind = {"type": "volume", "target": "/anon"}
    one, two = up(
        project(
            {"one": alone(volumes=[memory, bind]), "two": alone(volumes_from=["one:ro"])},
            networks={},
        )
    )
    assert inside(one, "stat", "-c", "%a", "/mem") == "700\n"
    assert mounts_of(one["state"]["pid"])["/mem"][0] == "tmpfs"
    assert "ro" in mounts_of(two["state"]["pid"])["/anon"][1]


def test_the_hosts_directory_is_made(up: Up, inside: Inside, tmp_path: Path) -> None:
    mount = {"type": "bind", "source": str(tmp_path / "new"), "target": "/new"}
    (one,) = up(project({"one": alone(volumes=[mount])}, networks={}))
    inside(one, "touch", "/new/file")
    assert (tmp_path / "new" / "file").exists()


def test_an_image_and_a_device(up: Up, inside: Inside) -> None:
    image = {"type": "image", "source": "busybox", "target": "/img", "image": {"subpath": "bin"}}
    device = {"source": "/dev/null", "target": "/dev/nothing", "permissions": "rw"}
    (web,) = up(project({"web": alone(volumes=[image], devices=[device])}, networks={}))
    assert "busybox" in inside(web, "ls", "/img")
    assert inside(web, "stat", "-c", "%t:%T", "/dev/nothing") == "1:3\n"


# ---- secrets and configs ----------------------------------------------------------------------------------------


def test_secrets_and_configs(up: Up, inside: Inside, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hidden")
    wanted = project(
        {
            "web": alone(
                secrets=[{"source": "pass"}, {"source": "token"}],
                configs=[
                    {"source": "conf", "target": "/etc/new/conf", "uid": "7", "gid": "8", "mode": "0440"}
                ],
            )
        },
        networks={},
        secrets={"pass": {"file": str(tmp_path / "password")}, "token": {"environment": "TOKEN"}},
        configs={"conf": {"content": "a = 1"}},
    )
    wanted.environment["TOKEN"] = "t0k3n"
    (web,) = up(wanted)
    assert (
        inside(web, "cat", "/run/secrets/pass", "/run/secrets/token", "/etc/new/conf") == "hiddent0k3na = 1"
    )
    assert (
        inside(web, "stat", "-c", "%a %u %g", "/run/secrets/token", "/etc/new/conf") == "444 0 0\n440 7 8\n"
    )
    assert "ro" in mounts_of(web["state"]["pid"])["/run/secrets/pass"][1]


def test_a_config_goes_where_a_link_of_the_image_leads(
    up: Up, inside: Inside, minirun: Minirun, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN mkdir /real && ln -s /real /link\n")
    minirun("build", "-q", "-t", "linked", tmp_path, check=True)
    service = alone(image="linked", configs=[{"source": "conf", "target": "/link/sub/conf"}])
    (web,) = up(project({"web": service}, networks={}, configs={"conf": {"content": "x"}}))
    assert inside(web, "cat", "/real/sub/conf") == "x"
    minirun("rm", "-f", web["id"], check=True)
    minirun("rmi", "linked", check=True)


def with_config(target: str, **keys: Any) -> Project:
    service = alone(configs=[{"source": "conf", "target": target}], **keys)
    return project({"web": service}, networks={}, configs={"conf": {"content": "x"}})


def test_missing_directories_of_a_config_are_made_for_everybody(up: Up, inside: Inside) -> None:
    previous = os.umask(0o077)
    try:
        (web,) = up(with_config("/new/dir/conf"))
    finally:
        os.umask(previous)
    assert inside(web, "stat", "-c", "%a %u %g", "/new", "/new/dir") == "755 0 0\n" * 2
    assert inside(web, "cat", "/new/dir/conf") == "x"


@pytest.mark.parametrize("target", ["/", "/etc", "/etc/passwd/conf"])
def test_a_config_that_cannot_be_written_is_named(up: Up, target: str) -> None:
    with pytest.raises(
        MinirunError, match=f"cannot write config conf to {target} in service web: "
    ) as caught:
        up(with_config(target))
    assert caught.value.hint == "the service's `configs` say with `target` where it goes"


def test_a_link_that_leads_out_is_not_followed(up: Up, minirun: Minirun, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "Dockerfile").write_text(f"FROM busybox\nRUN ln -s {tmp_path}/out /link\n")
    minirun("build", "-q", "-t", "linked", tmp_path, check=True)
    with pytest.raises(MinirunError, match="cannot write config conf to /link/conf in service web: "):
        up(with_config("/link/conf", image="linked"))
    assert not list((tmp_path / "out").iterdir())
    minirun.remove_all()
    minirun("rmi", "linked", check=True)


# ---- hooks ------------------------------------------------------------------------------------------------------


def run_hooks(paths: Paths, record: Record, *given: dict[str, Any]) -> bytes:
    printed: list[bytes] = []
    hooks.run(paths, record, given, lambda _, data: printed.append(data))
    return b"".join(printed)


def test_hooks_run_one_after_another_as_they_ask(up: Up, paths: Paths) -> None:
    (web,) = up(project({"web": alone()}, networks={}))
    first = {
        "command": ["sh", "-c", "echo $A $(pwd)"],
        "environment": {"A": "1", "B": None},
        "working_dir": "/tmp",
    }
    second = {"command": ["id", "-u"], "user": "5"}
    assert run_hooks(paths, web, first, second) == b"1 /tmp\n5\n"


def test_a_hook_that_fails_ends_them(up: Up, paths: Paths) -> None:
    (web,) = up(project({"web": alone(labels={"com.docker.compose.service": "web"})}, networks={}))
    with pytest.raises(MinirunError, match="web hook exited with status 3: why"):
        run_hooks(paths, web, {"command": ["sh", "-c", "echo why; exit 3"]}, {"command": ["touch", "/ran"]})
    with pytest.raises(MinirunError, match="status 1"):
        run_hooks(paths, web, {"command": ["test", "-e", "/ran"]})


def test_a_hook_that_is_not_there_is_named(up: Up, paths: Paths) -> None:
    (web,) = up(project({"web": alone()}, networks={}))
    with pytest.raises(MinirunError, match=f'{web["name"]} hook cannot be run: .*"nosuch"'):
        run_hooks(paths, web, {"command": ["nosuch"]})


# ---- what the program sees --------------------------------------------------------------------------------------


def test_the_programs_surroundings(up: Up, inside: Inside) -> None:
    (web,) = up(
        project(
            {
                "web": alone(
                    environment={"A": "1"},
                    working_dir="/tmp",
                    user="5:6",
                    group_add=["7"],
                    hostname="inside",
                    sysctls={"net.core.somaxconn": "99"},
                    ulimits={"nofile": {"soft": 20, "hard": 30}},
                    cap_drop=["ALL"],
                    read_only=True,
                )
            },
            networks={},
        )
    )
    words = (
        "echo $A $(pwd) $(id -G) $(hostname) $(cat /proc/sys/net/core/somaxconn) $(ulimit -n) $(ulimit -Hn)"
    )
    assert inside(web, "sh", "-c", words) == "1 /tmp 6 7 inside 99 20 30\n"
    assert "ro" in mounts_of(web["state"]["pid"])["/"][1]


def test_a_limit_of_memory(up: Up, minirun: Minirun) -> None:
    service = alone(deploy={"resources": {"limits": {"memory": "67108864", "pids": 20}}})
    (web,) = up(project({"web": service}, networks={}))
    shown = minirun(
        "inspect", "-f", "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}", web["id"], check=True
    ).stdout
    assert shown == "67108864 20\n"
