"""`commit` and `export`: what is in a container becomes an image or a tar, and nothing of minirun's own does."""

import io
import json
import os
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from minirun.image.image import Image
from minirun.image.names import get as find
from minirun.image.store import Store
from minirun.paths import Paths
from tests import trees
from tests.image_tars import add_image, directory, entry, rich_layers, tar
from tests.support import Minirun

RUN = ("run", "--network", "none")


@pytest.fixture
def store(minirun: Minirun) -> Store:
    return Store(Paths(str(minirun.root), str(minirun.state)))


@pytest.fixture
def commit(minirun: Minirun, store: Store) -> Iterator[Callable[..., Image]]:
    """commit("-m", "hello", "name") is the image of that container; it goes with the test."""
    made: list[str] = []

    def make(*words: str) -> Image:
        made.append(minirun("commit", *words, check=True).stdout.strip())
        return store.get(made[-1])

    yield make
    minirun.remove_all()
    for image_id in set(made):
        minirun("rmi", "-f", image_id)


@pytest.fixture
def rich(minirun: Minirun, store: Store) -> Iterator[Image]:
    """An image with a bit of everything, and a shell."""
    busybox = tar(directory("sh"), entry("sh/busybox", Path("/bin/busybox").read_bytes(), mode=0o755))
    yield add_image(store, busybox, *rich_layers(), name="rich")
    minirun.remove_all()
    minirun("rmi", "rich")


def changed(minirun: Minirun, script: str, *options: str, name: str = "changed") -> str:
    """A container in which `script` has run to its end."""
    minirun(*RUN, *options, "--name", name, "busybox", "sh", "-c", script, check=True)
    return name


def top_layer(image: Image) -> dict[str, tarfile.TarInfo]:
    path = image.layout.blob_path(image.manifest["layers"][-1]["digest"])
    with tarfile.open(path, "r:gz", errors="surrogateescape") as opened:
        return {info.name: info for info in opened}


# ---- commit: the layer ------------------------------------------------------------------------------------


def test_what_was_made_and_removed_is_in_the_layer(minirun: Minirun, commit: Callable[..., Image]) -> None:
    script = "echo 1 >/new; ln /new /home/same; rm /bin/ls; rm -r /var; mkdir /var; touch /var/fresh; mkfifo /home/f"
    found = top_layer(commit(changed(minirun, script)))
    assert set(found) == {
        "new",
        "home",
        "home/same",
        "home/f",
        "bin",
        "bin/.wh.ls",
        "var",
        "var/.wh..wh..opq",
        "var/fresh",
    }
    assert (found["home/same"].type, found["home/same"].linkname) == (tarfile.LNKTYPE, "new")
    assert found["home/f"].isfifo()


def test_the_new_image_shows_what_the_container_showed(
    minirun: Minirun, commit: Callable[..., Image]
) -> None:
    changed(
        minirun, "echo 1 >/new; rm /bin/ls; rm -r /var; mkdir -m 700 /var; chown 3:4 /home; chmod 1777 /root"
    )
    commit("changed", "me/changed:1")
    script = "cat /new; ls -d /var/*; stat -c '%a %u:%g' /var /home /root"
    result = minirun(*RUN, "--rm", "me/changed:1", "sh", "-c", script.replace("ls -d", "busybox ls -d"))
    assert result.stdout.splitlines() == ["1", "700 0:0", "755 3:4", "1777 0:0"]


def test_a_container_without_changes_adds_history_and_no_layer(
    minirun: Minirun, commit: Callable[..., Image]
) -> None:
    image = commit(changed(minirun, "true"))
    assert image.diff_ids == find(image.layout, "busybox").diff_ids
    assert image.document["history"][-1]["empty_layer"] is True


def test_places_to_mount_on_are_no_changes(
    minirun: Minirun, store: Store, commit: Callable[..., Image]
) -> None:
    """An image without /proc, /etc and so on gets them when it runs; the image that is made of it does not."""
    busybox = entry("bin/busybox", Path("/bin/busybox").read_bytes(), mode=0o755)
    add_image(store, tar(directory("bin"), busybox), name="bare")
    minirun(*RUN, "--name", "bare", "--init", "bare", "/bin/busybox", "touch", "/made", check=True)
    image = commit("bare")
    assert set(top_layer(image)) == {"made"}
    minirun("rm", "bare", check=True)
    minirun("rmi", "bare", check=True)


def test_a_root_that_was_closed_is_open_again(
    minirun: Minirun, store: Store, commit: Callable[..., Image]
) -> None:
    """/ is root's and 0755 in every new container, as in Docker: an image does not say what it is like."""
    image = commit(changed(minirun, "chmod 700 /; chown 5:6 /; touch /new"), "me/root")
    assert set(top_layer(image)) == {"new"}
    words = ("stat", "-c", "%a %u:%g", "/")
    assert minirun(*RUN, "--rm", "-u", "33", "me/root", *words).stdout == "755 0:0\n"


def test_the_same_changes_are_the_same_layer(minirun: Minirun, commit: Callable[..., Image]) -> None:
    script = (
        "echo 1 >/new; touch -d '2020-01-02 03:04:05' /new; rm /bin/ls; touch -d '2020-01-02 03:04:05' /bin"
    )
    one, two = (commit(changed(minirun, script, name=name)) for name in ("one", "two"))
    assert one.manifest["layers"] == two.manifest["layers"]
    assert one.id != two.id  # they were made at different times


def test_what_only_the_overlay_understands_is_refused(minirun: Minirun, store: Store) -> None:
    """redirect_dir is off here; where somebody has it on, a renamed directory is not in the upper one."""
    changed(minirun, "mkdir /moved")
    [upper] = (minirun.root / "containers").glob("*/upper/moved")
    os.setxattr(upper, "trusted.overlay.redirect", b"/home")
    result = minirun("commit", "changed", "me/odd")
    assert result.code == 1
    assert "'moved': trusted.overlay.redirect: the overlay was made with features" in result.stderr
    assert store.find("me/odd") is None


def test_a_volume_is_not_in_the_image(minirun: Minirun, commit: Callable[..., Image], tmp_path: Path) -> None:
    (tmp_path / "secret").touch()
    found = top_layer(commit(changed(minirun, "touch /new", "-v", f"{tmp_path}:/data")))
    assert set(found) == {"data", "new"}  # the mount point is there in Docker, too


# ---- commit: the config -----------------------------------------------------------------------------------


def test_the_config_is_how_the_container_was_run(minirun: Minirun, commit: Callable[..., Image]) -> None:
    changed(minirun, "touch /x", "-e", "A=1", "-w", "/home", "-u", "0:7", "--label", "l=m")
    image = commit("-a", "Ada", "-m", "note", "-c", "ENV B=$A", "-c", "EXPOSE 80", "changed")
    assert image.config["Cmd"] == ["sh", "-c", "touch /x"]
    assert image.config["Env"][-2:] == ["A=1", "B=1"]
    assert (image.config["WorkingDir"], image.config["User"]) == ("/home", "0:7")
    assert (image.config["Labels"], image.config["ExposedPorts"]) == ({"l": "m"}, {"80/tcp": {}})
    last = image.document["history"][-1]
    assert (last["author"], last["comment"], last["created_by"]) == ("Ada", "note", "sh -c touch /x")
    assert image.document["author"] == "Ada"


def test_an_entry_point_that_was_given_is_the_new_images(
    minirun: Minirun, commit: Callable[..., Image]
) -> None:
    minirun("create", "--name", "changed", "--entrypoint", "echo", "busybox", "a", "b", check=True)
    image = commit("changed")
    assert (image.config["Entrypoint"], image.config["Cmd"]) == (["echo"], ["a", "b"])


def test_a_name_moves_to_the_new_image_and_the_id_is_printed(minirun: Minirun, store: Store) -> None:
    changed(minirun, "touch /x")
    first = minirun("commit", "changed", "me/named:1", check=True).stdout.strip()
    second = minirun("commit", "changed", "me/named:1", check=True).stdout.strip()
    assert (store.get("me/named:1").id, store.get(first).reference) == (second, "")
    minirun("rm", "changed", check=True)
    minirun("rmi", first, second, check=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing"], "No such container: nothing"),
        (["-c", "RUN x", "changed"], "RUN is not a valid change command"),
        (["changed", "Not/A Name"], "invalid reference format"),
    ],
)
def test_what_cannot_be_committed(minirun: Minirun, store: Store, words: list[str], message: str) -> None:
    changed(minirun, "touch /x")
    before = [image.digest for image in store.images()]
    result = minirun("commit", *words)
    assert (result.code, message in result.stderr) == (1, True)
    assert [image.digest for image in store.images()] == before


# ---- commit: while it runs --------------------------------------------------------------------------------


def frozen(minirun: Minirun, container_id: str) -> bool:
    group = next(Path("/sys/fs/cgroup").glob(f"**/minirun/{container_id}/cgroup.events"))
    return "frozen 1" in group.read_text()


@pytest.fixture
def writer(minirun: Minirun, start: Callable[..., Any]) -> Any:
    """It writes a file that takes a while to pack."""
    made = start(
        "--name", "writer", "busybox", "sh", "-c", "dd if=/dev/urandom of=/big bs=1M count=100; sleep 1000"
    )
    until = time.monotonic() + 30
    while os.path.getsize(minirun.root / "containers" / made.id / "upper/big") < 100 << 20:
        assert time.monotonic() < until
        time.sleep(0.05)
    return made


@pytest.mark.parametrize("option", ["--pause", "--pause=false", "-p", "--no-pause"])
def test_it_stands_still_meanwhile_unless_asked_not_to(minirun: Minirun, writer: Any, option: str) -> None:
    with minirun.spawn("commit", option, "writer", "me/paused", stdout=subprocess.PIPE) as process:
        seen = False
        while process.poll() is None:
            seen = seen or frozen(minirun, writer.id)
            time.sleep(0.001)
    assert seen == (option in ("--pause", "-p"))
    assert process.returncode == 0
    assert not frozen(minirun, writer.id)
    assert writer.exec("echo", "alive").stdout == "alive\n"
    minirun.remove_all()
    minirun("rmi", "me/paused", check=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_commit_that_is_ended_lets_it_run_on(
    minirun: Minirun, store: Store, writer: Any, number: int
) -> None:
    with minirun.spawn("commit", "writer", "me/cut", stderr=subprocess.DEVNULL) as process:
        while not frozen(minirun, writer.id):
            assert process.poll() is None
        process.send_signal(number)
    assert not frozen(minirun, writer.id)
    assert store.find("me/cut") is None
    blobs = sum(1 for _ in Path(store.paths.images).glob("incoming/*"))
    assert (process.returncode, blobs) == (130, 0)


# ---- export -----------------------------------------------------------------------------------------------


def exported(minirun: Minirun, name: str) -> bytes:
    return subprocess.run(minirun.command("export", name), capture_output=True, check=True).stdout


def names(content: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(content), errors="surrogateescape") as opened:
        return {info.name: info for info in opened}


def test_a_container_is_exported_alike_while_it_runs_and_after(
    minirun: Minirun, start: Callable[..., Any]
) -> None:
    sleeper = start("-v", "/proc:/data", "busybox", "sh", "-c", "echo 1 >/new; rm /bin/ls; exec sleep 1000")
    sleeper.exec("true")
    running = exported(minirun, sleeper.id)
    minirun("stop", sleeper.id, check=True)
    assert exported(minirun, sleeper.id) == running
    found = names(running)
    assert {"new", "bin/busybox", "proc", "dev", "data"} < found.keys()
    assert "bin/ls" not in found
    assert not [name for name in found if name.startswith(("/", "..", "proc/", "dev/", "data/", ".wh"))]


def test_a_rich_tree_is_exported_and_imported_as_it_is(minirun: Minirun, rich: Image, store: Store) -> None:
    minirun(*RUN, "--name", "rich", "rich", "/sh/busybox", "true", check=True)
    content = exported(minirun, "rich")
    process = subprocess.run(
        minirun.command("import", "-", "me/copy"), input=content, capture_output=True, check=True
    )
    image = store.get(process.stdout.decode().strip())
    original, copy = trees.of_layers(rich.layer_paths()), trees.of_layers(image.layer_paths())
    for name in (
        "",
        "etc",
        "etc/hosts",
        "etc/hostname",
        "etc/resolv.conf",
        "etc/mtab",
        "proc",
        "sys",
    ):  # places to mount on
        original.pop(name, None), copy.pop(name, None)
    assert trees.differences(original, copy) == []
    minirun("rmi", "me/copy", check=True)


def test_the_mount_of_an_export_is_nobody_elses_and_goes_with_it(minirun: Minirun) -> None:
    changed(minirun, "dd if=/dev/zero of=/big bs=1M count=50")
    before = Path("/proc/self/mounts").read_text()
    with minirun.spawn("export", "changed", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(1000)
        assert Path("/proc/self/mounts").read_text() == before
        # a descriptor alone leads to it
        assert "overlay" not in Path(f"/proc/{process.pid}/mounts").read_text()
        process.kill()
        process.stdout.close()
    assert Path("/proc/self/mounts").read_text() == before


def test_an_export_to_a_file(minirun: Minirun, tmp_path: Path) -> None:
    changed(minirun, "true")
    minirun("export", "-o", tmp_path / "out.tar", "changed", check=True)
    assert (tmp_path / "out.tar").read_bytes() == exported(minirun, "changed")
    assert os.listdir(tmp_path) == ["out.tar"]


def test_a_relative_file_is_where_the_person_is(minirun: Minirun, tmp_path: Path) -> None:
    changed(minirun, "true")
    subprocess.run(minirun.command("export", "-o", "out.tar", "changed"), cwd=tmp_path, check=True)
    assert os.listdir(tmp_path) == ["out.tar"]


# ---- and back ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("root", [".", "./", "/", ""])
def test_an_imported_tree_is_open_to_all(minirun: Minirun, root: str) -> None:
    """`tar -C DIR -c .` has an entry for DIR, which mktemp(1) made 0700."""
    busybox = entry("bin/busybox", Path("/bin/busybox").read_bytes(), mode=0o755)
    content = tar(directory(root, 0o700, uid=5, gid=6), directory("bin"), busybox)
    subprocess.run(minirun.command("import", "-", "closed"), input=content, check=True)
    words = ("/bin/busybox", "stat", "-c", "%a %u:%g", "/")
    assert minirun(*RUN, "--rm", "-u", "33", "closed", *words).stdout == "755 0:0\n"
    minirun("rmi", "closed", check=True)


def test_an_imported_tree_runs(minirun: Minirun) -> None:
    changed(minirun, "echo hello >/greeting")
    change = 'CMD ["cat", "/greeting"]'
    content = exported(minirun, "changed")
    words = minirun.command("import", "--change", change, "-", "me/imported")
    subprocess.run(words, input=content, capture_output=True, check=True)
    assert minirun(*RUN, "--rm", "me/imported").stdout == "hello\n"
    minirun("rmi", "me/imported", check=True)


def test_a_committed_image_is_saved_and_read_by_skopeo(
    minirun: Minirun, commit: Callable[..., Image], tmp_path: Path
) -> None:
    from tests.support import run

    image = commit(changed(minirun, "touch /new"), "me/saved:1")
    minirun("save", "-o", tmp_path / "saved.tar", "me/saved:1", check=True)
    shown = run("skopeo", "inspect", "--config", f"docker-archive:{tmp_path}/saved.tar", check=True).stdout
    assert json.loads(shown)["rootfs"]["diff_ids"] == image.diff_ids
