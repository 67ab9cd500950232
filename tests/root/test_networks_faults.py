"""What goes wrong when networks change leaves nothing: it is told, and the next look at containers or networks clears
it.

The ledger has an entry until all that it stands for is gone, and a container its run directory.
"""

import itertools
import json
import os
import re
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from minirun.network import ledger
from tests import containers
from tests.containers import Container, eventually
from tests.netlab import ask
from tests.support import Minirun, Result, run

LOOKS = [("ps", "-a"), ("network", "ls")]


@pytest.fixture(autouse=True)
def town(minirun: Minirun) -> Iterator[None]:
    for name in ("town", "back"):
        minirun("network", "create", name, check=True)
    yield
    minirun.remove_all()
    minirun("network", "rm", "-f", "town", "back", check=True)


def on(minirun: Minirun, name: str, *networks: str) -> Container:
    words = [word for network in networks for word in ("--network", network)]
    return containers.start(
        minirun, "--name", name, *words[2:], "busybox", "sleep", "1000", network=networks[0]
    )


def faulty(minirun: Minirun, fault: str, *words: str) -> Result:
    return run(*minirun.command(*words), env={"MINIRUN_FAULT": fault})


def links() -> set[str]:
    return {link["ifname"] for link in json.loads(run("ip", "-j", "link", check=True).stdout)}


def ours(minirun: Minirun) -> list[str]:
    """What there is of this tree's networks on the host, and of its containers' run directories."""
    names = [json.loads(page.read_text())["bridge"] for page in (minirun.root / "networks").glob("*.json")]
    tables = run("nft", "list", "tables", check=True).stdout.splitlines()
    table = ledger.names(str(minirun.root))[1]
    runs = [name for name in os.listdir(minirun.state) if not name.startswith(".")]
    return [*(links() & {*names, table}), *(line for line in tables if line.endswith(table)), *runs]


# ---- connect, disconnect, create, rm ------------------------------------------------------------------------------

CONNECT = ["creat:1", "creat:3", "nft:1", "netlink:1", "netlink:4", "netlink:8", "setns:1", "setns:2"]
DISCONNECT = ["nft:1", "netlink:1", "creat:1", "nft:2", "creat:2", "setns:1", "setns:2"]


@pytest.mark.parametrize(("act", "look"), [*zip(CONNECT, itertools.cycle(LOOKS))])
def test_a_connect_that_fails_leaves_no_bridge(minirun: Minirun, act: str, look: tuple[str, ...]) -> None:
    one = on(minirun, "one", "town")
    result = faulty(minirun, f"{act}:5", "network", "connect", "back", "one")
    assert (result.code, result.stderr.count("\n")) == (1, 1)
    minirun(*look, check=True)
    assert "not as it should be" not in minirun("network", "map", check=True).stdout
    assert ask(one, "one")
    assert "eth1" not in one.exec("ip", "addr").stdout


@pytest.mark.parametrize(("act", "look"), [*zip(DISCONNECT, itertools.cycle(LOOKS))])
@pytest.mark.parametrize("how", [5, "kill"])
def test_a_disconnect_that_fails_is_completed_by_the_next_command(
    minirun: Minirun, act: str, how: object, look: tuple[str, ...]
) -> None:
    """`back` is its way out afterwards: the second act of a kind is about that."""
    one = on(minirun, "one", "town", "back")
    assert faulty(minirun, f"{act}:{how}", "network", "disconnect", "town", "one").code != 0
    minirun(*look, check=True)
    assert "not as it should be" not in minirun("network", "map", check=True).stdout
    assert "eth0" not in one.exec("ip", "addr").stdout
    assert "dev eth1" in one.exec("ip", "route", "show", "default").stdout


@pytest.mark.parametrize("how", [5, "kill"])
def test_a_network_is_created_or_it_is_not(minirun: Minirun, how: object) -> None:
    assert faulty(minirun, f"creat:1:{how}", "network", "create", "new").code != 0
    assert minirun("network", "inspect", "new").code == 1
    assert not [name for name in os.listdir(minirun.root / "networks") if name.startswith((".", "new"))]


@pytest.mark.parametrize("act", ["unlink:1", "unlink:2"])
@pytest.mark.parametrize("how", [5, "kill"])
def test_a_network_that_is_not_removed_is_there_as_before(minirun: Minirun, act: str, how: object) -> None:
    assert faulty(minirun, f"{act}:{how}", "network", "rm", "back").code != 0
    one = on(minirun, "one", "back")
    assert ask(one, "one")
    minirun("rm", "-f", "one", check=True)
    minirun("network", "rm", "back", check=True)
    assert not list((minirun.root / "networks").glob("back*"))


# ---- a container that starts, and one that ends -------------------------------------------------------------------

START = ["unshare:1", "mkdir:2", "creat:2", "nft:1", "netlink:1", "netlink:5", "setns:4"]


@pytest.mark.parametrize(("act", "look"), [*zip(START, itertools.cycle(LOOKS))])
def test_of_a_start_that_was_killed_the_next_look_leaves_the_record(
    minirun: Minirun, act: str, look: tuple[str, ...]
) -> None:
    words = ("run", "-d", "--name", "one", "--network", "town", "busybox", "sleep", "1000")
    # the command itself looks first, and may come to the same act
    assert faulty(minirun, f"{act}:kill", *words).code in (125, -9)
    minirun(*look, check=True)
    assert ours(minirun) == []
    told = minirun(
        "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}", "one", check=True
    )
    assert told.stdout.startswith("created 128 ")
    assert "shim lost" in told.stdout or "died" in told.stdout


@pytest.fixture
def broken_nft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """broken_nft(True): nft fails from now on for those who are started with this test's PATH."""
    flag = tmp_path / "broken"
    script = tmp_path / "nft"
    script.write_text(f'#!/bin/sh\n[ -e {flag} ] && {{ echo "no" >&2; exit 1; }}\nexec /usr/sbin/nft "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return lambda wanted: flag.touch() if wanted else flag.unlink()


@pytest.mark.parametrize("words", [("stop", "-t", "0"), ("kill",), ("rm", "-f")], ids=" ".join)
def test_who_ends_a_container_hears_what_could_not_be_put_away(
    minirun: Minirun, broken_nft: Callable[[bool], None], words: tuple[str, ...]
) -> None:
    one = on(minirun, "one", "town")
    broken_nft(True)
    result = minirun(*words, "one")
    assert (result.code, result.stdout) == (1, "")
    assert re.fullmatch(r"minirun: .*nft: no\n( +hint: .*\n)?", result.stderr)
    assert one.inspect("{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}") == "exited 137 "
    assert json.loads((minirun.root / "networks" / "town.json").read_text())["bridge"] not in links()
    broken_nft(False)
    minirun("ps", check=True)
    assert ours(minirun) == []


def test_who_stays_in_front_hears_it_too_and_gets_the_programs_code(
    minirun: Minirun, broken_nft: Callable[[bool], None], tmp_path: Path
) -> None:
    words = ("run", "--rm", "--network", "town", "-v", f"{tmp_path}:/t", "busybox")
    result = minirun(*words, "sh", "-c", "touch /t/broken; exit 7")
    assert result.code == 7
    assert "something is left of it: nft: no" in result.stderr
    broken_nft(False)
    assert minirun("ps", "-a", "-q", check=True).stdout == ""
    assert ours(minirun) == []


def test_a_container_whose_end_was_not_put_away_starts_again(
    minirun: Minirun, broken_nft: Callable[[bool], None]
) -> None:
    on(minirun, "one", "town")
    broken_nft(True)
    assert minirun("stop", "-t", "0", "one").code == 1
    broken_nft(False)
    minirun("start", "one", check=True)
    assert minirun("exec", "one", "nslookup", "one").code == 0


def test_restart_goes_on_to_the_start(minirun: Minirun, broken_nft: Callable[[bool], None]) -> None:
    """For as long as nft is broken that is told of the start."""
    on(minirun, "one", "town")
    broken_nft(True)
    result = minirun("restart", "-t", "0", "one")
    assert result.code == 1
    assert "something is left" not in result.stderr
    broken_nft(False)
    minirun("restart", "-t", "0", "one", check=True)
    assert ours(minirun) != []


# ---- what nobody's name is on -------------------------------------------------------------------------------------


def port(bridge: str) -> str:
    return f"p-{bridge[-4:]}"


def stray(root: str, name: str) -> str:
    """A bridge as a --root would make it, which no ledger knows."""
    mark = str(ledger.link_group(root, name))
    run("ip", "link", "add", name, "group", mark, "type", "bridge", check=True)
    run("ip", "link", "add", port(name), "group", mark, "master", name, "type", "veth", check=True)
    return name


@pytest.mark.parametrize(
    "look", [("network", "ls"), ("network", "prune", "-f"), ("network", "rm", "back")], ids=" ".join
)
def test_a_bridge_of_ours_that_no_ledger_names_goes_and_one_of_another_root_stays(
    minirun: Minirun, look: tuple[str, ...]
) -> None:
    one = on(minirun, "one", "town")
    before = links()
    stray(str(minirun.root), "mr-0123")
    other = stray(f"{minirun.root}/other", "mr-4567")
    minirun(*look, check=True)
    left = links() - before
    run("ip", "link", "delete", other, check=True)
    run("ip", "link", "delete", port(other), check=True)
    assert {name for name in left if not name.startswith("veth")} == {other, port(other)}
    assert ask(one, "one")


def test_the_next_container_does_not_come_to_a_bridge_that_was_left(minirun: Minirun) -> None:
    bridge = json.loads((minirun.root / "networks" / "town.json").read_text())["bridge"]
    stray(str(minirun.root), bridge)
    one = on(minirun, "one", "town")
    assert port(bridge) not in links()
    assert ask(one, "one")


def test_tables_that_are_left_go_with_the_next_look(minirun: Minirun) -> None:
    table = ledger.names(str(minirun.root))[1]
    for family in ("inet", "bridge"):
        run("nft", "add", "table", family, table, check=True)
    minirun("network", "ls", check=True)
    assert ours(minirun) == []


def test_a_shim_that_was_killed_is_put_away_by_network_ls(minirun: Minirun) -> None:
    one = on(minirun, "one", "town")
    os.kill(int(containers.process_status(one.pid, "PPid")), signal.SIGKILL)
    eventually(lambda: not os.path.exists(f"/proc/{one.pid}/exe"))
    minirun("network", "ls", check=True)
    assert ours(minirun) == []
