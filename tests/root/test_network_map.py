"""`minirun network map` beside what ip and nft say of the same containers."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from minirun.network import ledger
from tests.containers import Container
from tests.support import Minirun, run

pytestmark = pytest.mark.root

Start = Callable[..., Container]
SLEEP = ("busybox", "sleep", "1000")


def ip(*words: str) -> list[dict]:
    return json.loads(run("ip", "-j", *words, check=True).stdout or "[]")


@pytest.fixture
def pair(minirun: Minirun, start: Start):
    """web on shop, publishing a port that the kernel chooses, and on vault; db on vault, which is internal."""
    minirun("network", "create", "shop", check=True)
    minirun("network", "create", "--internal", "vault", check=True)
    web = start("--name", "web", "-p", "127.0.0.1::80", *SLEEP, network="shop")
    minirun("network", "connect", "vault", "web", check=True)
    yield web, start("--name", "db", *SLEEP, network="vault")
    minirun.remove_all()
    minirun("network", "prune", "-f", check=True)


def network(minirun: Minirun, name: str) -> dict:
    return json.loads((minirun.root / "networks" / f"{name}.json").read_text())


def told(minirun: Minirun, *words: str) -> str:
    return minirun("network", "map", *words, check=True).stdout


def remarks(text: str) -> str:
    return text.partition("not as it should be")[2]


def test_the_map_has_what_ip_and_nft_have(minirun: Minirun, pair) -> None:
    web, db = pair
    text = told(minirun)
    for container, name in ((web, "shop"), (web, "vault"), (db, "vault")):
        bridge, place = network(minirun, name)["bridge"], network(minirun, name)["endpoints"][container.id]
        veths = {link["ifname"] for link in ip("link", "show", "master", bridge)}
        assert place["interface"] in veths
        assert re.search(rf"{place['interface']} .*{place['inside']} .*{place['addresses'][0]} ", text)
        assert f"pid {container.pid} in {os.readlink(container.proc('ns/net'))}" in " ".join(text.split())
    listed = run(
        "nft", "list", "map", "inet", ledger.names(str(minirun.root))[1], "published_at4", check=True
    )
    port = re.search(r"127.0.0.1 \. tcp \. (\d+)", listed.stdout)[1]
    assert re.search(rf"127.0.0.1:{port}/tcp +──► web +172[\d.]+:80 +no packet yet", text)
    assert not remarks(text)


def test_the_map_of_one_network_and_the_page(minirun: Minirun, pair, tmp_path: Path) -> None:
    assert "shop ──" not in told(minirun, "vault")
    assert "shop ──" in told(minirun, network(minirun, "shop")["id"][:12])
    told(minirun, "--html", "-o", str(tmp_path / "map.html"))
    assert network(minirun, "vault")["bridge"] in (tmp_path / "map.html").read_text()
    assert "network nope not found" in minirun("network", "map", "nope").stderr


def test_a_veth_and_a_name_server_that_are_gone_are_marked(minirun: Minirun, pair) -> None:
    _, db = pair
    veth = network(minirun, "vault")["endpoints"][db.id]["interface"]
    run("ip", "link", "delete", veth, check=True)
    os.kill(int((minirun.root / "networks" / "vault.lock").read_text()), 9)
    text = told(minirun)
    assert f"{veth} ═╳══ eth0" in text
    assert f"! vault, db: its veth {veth} is missing\n      try: minirun restart db" in text
    assert "! vault: its name server is dead: names are not found\n      try: minirun network ls" in text


def follow(minirun: Minirun, text: str) -> None:
    """What is advised under a map, typed as it stands; a restart does not wait."""
    for advice in dict.fromkeys(re.findall(r"try: (.+)", remarks(text))):
        for words in map(shlex.split, advice.split("; ")):
            if words[0] == "minirun":
                minirun(*words[1:], *(["-t", "0"] if words[1] == "restart" else []), check=True)
            else:
                run(*words, check=True)


@pytest.mark.parametrize(
    "verb",
    [
        "delete table inet TABLE",
        "delete table bridge TABLE",
        "flush table inet TABLE",
        "flush table bridge TABLE",
        "flush chain inet TABLE forward",
        "flush chain inet TABLE postrouting",
        "add rule inet TABLE forward accept",
        "add rule bridge TABLE prerouting accept",
        "flush map inet TABLE published_at4",
        "flush set inet TABLE bridges",
        "flush set bridge TABLE veths",
    ],
)
def test_what_is_advised_for_the_tables_helps(minirun: Minirun, pair, verb: str) -> None:
    run("nft", *verb.replace("TABLE", ledger.names(str(minirun.root))[1]).split(), check=True)
    text = told(minirun)
    assert remarks(text)
    follow(minirun, text)
    assert not remarks(told(minirun))


def test_what_is_advised_for_a_veth_helps(minirun: Minirun, pair) -> None:
    _, db = pair
    run("ip", "link", "delete", network(minirun, "vault")["endpoints"][db.id]["interface"], check=True)
    follow(minirun, told(minirun))
    assert not remarks(told(minirun))


@pytest.mark.parametrize(
    "verb",
    [
        "ip link set VETH nomaster",
        "ip link set VETH type bridge_slave learning on",
        "ip link set VETH type bridge_slave flood on",
        "bridge fdb delete MAC dev VETH master",
    ],
)
def test_what_is_advised_for_a_port_helps(minirun: Minirun, pair, verb: str) -> None:
    web, _ = pair
    place = network(minirun, "shop")["endpoints"][web.id]
    run(*verb.replace("VETH", place["interface"]).replace("MAC", place["mac"]).split(), check=True)
    text = told(minirun)
    assert remarks(text)
    follow(minirun, text)
    assert not remarks(told(minirun))


def test_a_table_that_was_flushed_is_marked(minirun: Minirun, pair) -> None:
    table = ledger.names(str(minirun.root))[1]
    run("nft", "flush", "table", "inet", table, check=True)
    run("nft", "flush", "map", "inet", table, "published_at4", check=True)
    text = told(minirun)
    assert f"! the rules of table inet {table} are not minirun's: chain guard has 0 and not 1" in text
    assert re.search(r"127.0.0.1:\d+/tcp ──► web +172[\d.]+:80 +! not in the table", text)
