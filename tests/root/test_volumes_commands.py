"""`volume`, `container prune`, `system prune` and `system df`, in Docker's words."""

import json
import time

import pytest

from tests.containers import eventually
from tests.support import Minirun

QUIET = ("--network", "none")


@pytest.fixture
def minirun(tmp_path, busybox_tar):
    """A data root of its own: what is pruned here is nobody else's."""
    own = Minirun(tmp_path / "root", tmp_path / "state")
    own("load", "-i", busybox_tar, check=True)
    yield own
    own.remove_all()


@pytest.fixture
def volumes(minirun):
    """Three volumes: one with a label, one that a container uses, and one without a name; its name."""
    minirun("volume", "create", "--label", "kind=test", "labelled", check=True)
    minirun("create", "--name", "user", *QUIET, "-v", "used:/x", "busybox", check=True)
    return minirun("volume", "create", check=True).stdout.strip()


def names(minirun, *words):
    return set(minirun("volume", "ls", "-q", *words, check=True).stdout.split())


# ---- volume


def test_create_prints_the_name_and_finds_what_is_there(minirun):
    assert minirun("volume", "create", "one").stdout == "one\n"
    assert minirun("volume", "create", "one").stdout == "one\n"
    nameless = minirun("volume", "create").stdout.strip()
    assert len(nameless) == 64
    assert names(minirun) == {"one", nameless}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a/b"], '"a/b" includes invalid characters for a local volume name'),
        (["x"], "volume name is too short"),
        (["-d", "nfs", "name"], 'create name: error looking up volume plugin nfs: plugin "nfs" not found'),
    ],
)
def test_what_cannot_be_created_is_told(minirun, words, message):
    result = minirun("volume", "create", *words)
    assert result.code == 1
    assert message in result.stderr
    assert names(minirun) == set()


def test_ls_has_dockers_columns(minirun):
    minirun("volume", "create", "one", check=True)
    assert minirun("volume", "ls").stdout == "DRIVER    VOLUME NAME\nlocal     one\n"


def test_ls_filters(minirun, volumes):
    everything = {"labelled", "used", volumes}
    assert names(minirun) == everything
    assert names(minirun, "-f", "dangling=true") == {"labelled", volumes}
    assert names(minirun, "-f", "dangling=false") == {"used"}
    assert names(minirun, "-f", "label=kind") == names(minirun, "-f", "label=kind=test") == {"labelled"}
    assert names(minirun, "-f", "name=abel", "-f", "name=use") == {"labelled", "used"}
    assert names(minirun, "-f", "driver=local") == everything
    assert names(minirun, "-f", "driver=nfs") == set()


def test_ls_has_templates(minirun, volumes):
    shown = minirun("volume", "ls", "--format", "{{.Name}}={{.Labels}}", check=True).stdout.split()
    assert {"labelled=kind=test", "used="} <= set(shown)
    as_json = minirun("volume", "ls", "--format", "json", check=True).stdout.splitlines()
    assert {json.loads(line)["Driver"] for line in as_json} == {"local"}


def test_inspect_has_dockers_keys(minirun, volumes):
    shown = json.loads(minirun("volume", "inspect", "labelled", check=True).stdout)[0]
    created = time.strptime(shown.pop("CreatedAt"), "%Y-%m-%dT%H:%M:%SZ")
    assert abs(time.mktime(created) - time.mktime(time.gmtime())) < 60
    assert shown == {
        "Driver": "local",
        "Labels": {"kind": "test"},
        "Mountpoint": f"{minirun.root}/volumes/labelled/_data",
        "Name": "labelled",
        "Options": None,
        "Scope": "local",
    }
    assert minirun("inspect", "-f", "{{.Name}}", "labelled").stdout == "labelled\n"


def test_what_is_not_there_is_told(minirun):
    for words in (("volume", "inspect", "nosuch"), ("volume", "rm", "nosuch")):
        result = minirun(*words)
        assert result.code == 1
        assert "No such volume: nosuch" in result.stderr
    assert minirun("volume", "rm", "-f", "nosuch").code == 0


@pytest.mark.parametrize("name", ["..", ".", "../containers", ".lock", "used/_data"])
def test_a_name_cannot_lead_out_of_the_volumes(minirun, volumes, name):
    assert minirun("volume", "rm", name).code == 1
    assert minirun("volume", "rm", "-f", name).code == 0
    assert names(minirun) == {"labelled", "used", volumes}
    assert (minirun.root / "containers").is_dir()


def test_rm_goes_on_after_one_that_is_in_use(minirun, volumes):
    result = minirun("volume", "rm", "used", "labelled")
    assert (result.code, result.stdout) == (1, "labelled\n")
    assert "remove used: volume is in use - [" in result.stderr


def test_prune_takes_anonymous_volumes_and_with_a_all(minirun, volumes):
    assert minirun("volume", "prune", "-f").stdout == (
        f"Deleted Volumes:\n{volumes}\n\nTotal reclaimed space: 0B\n"
    )
    assert names(minirun) == {"labelled", "used"}
    assert "labelled" in minirun("volume", "prune", "-a", "-f").stdout
    assert names(minirun) == {"used"}


def test_prune_filters_and_counts_bytes(minirun, volumes):
    (minirun.root / "volumes" / "labelled" / "_data" / "f").write_bytes(b"x" * 1500)
    assert "reclaimed space: 0B" in minirun("volume", "prune", "-af", "--filter", "label!=kind").stdout
    assert names(minirun) == {"labelled", "used"}
    assert "reclaimed space: 1.5kB" in minirun("volume", "prune", "-af", "--filter", "label=kind=test").stdout


@pytest.mark.parametrize("group", ["volume", "container", "system"])
def test_prune_asks_first(minirun, volumes, group):
    result = minirun(group, "prune", input="n\n")
    assert result.code == 1
    assert "WARNING! This will remove" in result.stdout
    assert "Are you sure you want to continue? [y/N]" in result.stdout
    assert names(minirun) == {"labelled", "used", volumes}
    assert minirun("ps", "-aq").stdout.count("\n") == 1


# ---- containers and all


@pytest.fixture
def containers(minirun):
    """One that runs, one that has ended and has written 2000 bytes, one that never ran; their ids."""
    running = minirun("run", "-d", *QUIET, "-v", "/a", "busybox", "sleep", "100", check=True).stdout.strip()
    script = "head -c 2000 /dev/zero > /f"
    ended = minirun("run", "-d", *QUIET, "-v", "/a", "-l", "old", "busybox", "sh", "-c", script, check=True)
    created = minirun("create", "busybox", check=True).stdout.strip()
    eventually(lambda: minirun("ps", "-q").stdout.count("\n") == 1)
    return running, ended.stdout.strip(), created


def test_container_prune_takes_what_does_not_run(minirun, containers):
    running, ended, created = containers
    told = minirun("container", "prune", "-f", check=True).stdout
    assert told.startswith("Deleted Containers:\n")
    assert {ended, created} == set(told.splitlines()[1:3])
    assert told.endswith("\n\nTotal reclaimed space: 2kB\n")
    assert minirun("ps", "-aq", "--no-trunc").stdout == f"{running}\n"
    assert len(names(minirun)) == 2


def test_container_prune_filters(minirun, containers):
    running, _, created = containers
    assert "old" not in minirun("container", "prune", "-f", "--filter", "until=1h", check=True).stdout
    minirun("container", "prune", "-f", "--filter", "label=old", check=True)
    assert set(minirun("ps", "-aq", "--no-trunc").stdout.split()) == {running, created}


def test_system_prune_takes_volumes_only_when_asked(minirun, containers):
    running, ended, _ = containers
    minirun("volume", "create", "named", check=True)
    told = minirun("system", "prune", "-f", check=True).stdout
    assert ended in told
    assert "Deleted Volumes" not in told
    assert len(names(minirun)) == 3
    assert "Deleted Volumes" in minirun("system", "prune", "-f", "--volumes", check=True).stdout
    assert len(names(minirun)) == 2
    assert minirun("ps", "-aq", "--no-trunc").stdout == f"{running}\n"


def test_system_prune_a_takes_images_no_container_uses(minirun):
    minirun("create", "--name", "user", "busybox", check=True)
    told = minirun("system", "prune", "-a", "-f", check=True).stdout
    assert "untagged: busybox:latest" in told
    assert "Total reclaimed space: 0B" not in told
    assert minirun("images", "-q").stdout == ""


def test_df_counts_containers_and_volumes(minirun, containers):
    (minirun.root / "volumes").joinpath(names(minirun).pop(), "_data", "f").write_bytes(b"x" * 3000)
    minirun("volume", "create", "unused", check=True)
    (minirun.root / "volumes" / "unused" / "_data" / "f").write_bytes(b"x" * 1000)
    rows = {line[:16].strip(): line[16:].split() for line in minirun("system", "df").stdout.splitlines()}
    assert rows["Containers"] == ["3", "1", "2kB", "2kB", "(100%)"]
    assert rows["Local Volumes"] == ["3", "2", "4kB", "1kB", "(25%)"]


def test_df_v_lists_volumes_with_their_users(minirun, volumes):
    (minirun.root / "volumes" / "used" / "_data" / "f").write_bytes(b"x" * 3000)
    shown = minirun("system", "df", "-v", check=True).stdout
    lines = [line.split() for line in shown.splitlines()]
    assert ["VOLUME", "NAME", "LINKS", "SIZE"] in lines
    assert ["used", "1", "3kB"] in lines
    assert ["labelled", "0", "0B"] in lines
