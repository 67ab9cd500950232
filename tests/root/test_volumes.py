"""Volumes and mounts as people use them, looked at from the host and from inside."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.containers import eventually, mounts_of
from tests.support import run

QUIET = ("--network", "none")


@pytest.fixture(autouse=True)
def no_volumes(minirun):
    """None before and after."""
    yield
    minirun.remove_all()
    minirun("volume", "prune", "-a", "-f", check=True)
    assert minirun("volume", "ls", "-q").stdout == ""


@pytest.fixture
def sh(minirun):
    """sh("ls /x", "-v", "data:/x") -> Result of that script in busybox with those options."""

    def sh(script, *options, image="busybox"):
        return minirun("run", "--rm", *QUIET, *options, image, "sh", "-c", script)

    return sh


@pytest.fixture
def image(minirun):
    """image("mkdir /x", "VOLUME /x") -> the name of busybox with what the script has made, and these instructions."""

    def image(script, *changes):
        minirun("run", *QUIET, "--name", "maker", "busybox", "sh", "-c", script, check=True)
        words = [word for change in changes for word in ("-c", change)]
        minirun("commit", *words, "-c", 'CMD ["sh"]', "maker", "made", check=True)
        minirun("rm", "maker", check=True)
        return "made"

    yield image
    minirun.remove_all()
    minirun("rmi", "-f", "made")


@pytest.fixture
def data(minirun):
    """data("name") is the volume's directory on the host."""
    return lambda name: minirun.root / "volumes" / name / "_data"


def names(minirun):
    return minirun("volume", "ls", "-q", check=True).stdout.split()


# ---- what stays and what goes


def test_data_outlives_its_container(sh, data):
    sh("echo kept > /x/file", "-v", "data:/x")
    assert sh("cat /y/file", "-v", "data:/y").stdout == "kept\n"
    assert (data("data") / "file").read_text() == "kept\n"


def test_an_anonymous_volume_goes_with_rm_and_a_named_one_stays(sh, minirun):
    sh("touch /a/x /n/x", "-v", "/a", "-v", "data:/n")
    assert names(minirun) == ["data"]


def test_rm_leaves_anonymous_volumes_and_rm_v_takes_them(start, minirun):
    start("--name", "one", "-v", "/a", "busybox", "sleep", "100")
    start("--name", "two", "-v", "/a", "-v", "data:/n", "busybox", "sleep", "100")
    minirun("rm", "-f", "one", check=True)
    assert len(names(minirun)) == 3
    minirun("rm", "-f", "-v", "two", check=True)
    left = names(minirun)
    assert len(left) == 2
    assert "data" in left


def test_an_anonymous_volume_another_container_has_stays(start, minirun):
    start("--name", "one", "-v", "/a", "busybox", "sleep", "100")
    start("--name", "two", "--volumes-from", "one", "busybox", "sleep", "100")
    minirun("rm", "-f", "-v", "one", check=True)
    assert len(names(minirun)) == 1
    minirun("rm", "-f", "-v", "two", check=True)
    assert names(minirun) == []


def test_a_run_that_fails_leaves_no_anonymous_volume(sh, minirun):
    assert sh("true", "-v", "/a", "-w", "/etc/passwd").code == 125
    assert minirun("run", "--rm", *QUIET, "-v", "/a", "busybox", "nosuch").code == 127
    assert names(minirun) == []


def test_a_container_that_never_came_to_be_makes_no_volume(minirun, start):
    start("--name", "one", "busybox", "sleep", "100")
    assert minirun("run", "--name", "one", "-v", "/a", "-v", "data:/b", "busybox").code == 125
    assert names(minirun) == []


# ---- filling


def test_a_new_volume_has_what_the_image_has_with_owner_mode_and_times(sh, image, data):
    made = image("mkdir -m 1770 /x; echo hi > /x/f; chown 7:8 /x /x/f; chmod 4751 /x/f; touch -d @12345 /x/f")
    result = sh("cat /x/f; stat -c %u:%g:%a:%Y /x/f; stat -c %u:%g:%a /x", "-v", "data:/x", image=made)
    assert result.stdout == "hi\n7:8:4751:12345\n7:8:1770\n"
    status = data("data").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (7, 8, 0o1770)


def test_links_pipes_devices_and_holes_come_as_they_are(sh, image, data):
    made = image(
        "mkdir -p /x/d/e; cd /x; echo one > a; ln a d/e/b; ln -s /etc/passwd l; mkfifo p; mknod n c 1 3;"
        "truncate -s 4M hole; echo end >> hole"
    )
    sh("true", "-v", "data:/x", image=made)
    found = data("data")
    assert (found / "a").stat().st_ino == (found / "d/e/b").stat().st_ino
    assert os.readlink(found / "l") == "/etc/passwd"
    assert (found / "p").is_fifo()
    assert (found / "n").stat().st_rdev == os.makedev(1, 3)
    assert (found / "hole").stat().st_size == 2**22 + 4
    assert (found / "hole").stat().st_blocks < 1000


def test_extended_attributes_come_along(minirun, image, data, start):
    image("mkdir /x; touch /x/f")
    container = start("--name", "maker", "made", "sleep", "100")
    os.setxattr(f"/proc/{container.pid}/root/x/f", "user.kind", b"rare")
    minirun("commit", "maker", "made", check=True)
    minirun("run", "--rm", *QUIET, "-v", "data:/x", "made", "true", check=True)
    assert os.getxattr(data("data") / "f", "user.kind") == b"rare"


def test_an_empty_directory_gives_its_owner_and_mode(sh, image):
    made = image("mkdir -m 700 /x; chown 33:33 /x")
    assert sh("stat -c %u:%g:%a /x", "-v", "/x", image=made).stdout == "33:33:700\n"


def test_nocopy_leaves_a_volume_empty(sh, image):
    made = image("mkdir /x; touch /x/f")
    assert sh("ls /x", "-v", "data:/x:nocopy", image=made).stdout == ""
    assert sh("ls /x", "--mount", "src=other,dst=/x,volume-nocopy", image=made).stdout == ""


def test_a_volume_with_something_in_it_is_not_filled(sh, image):
    made = image("mkdir /x; touch /x/f")
    sh("touch /y/mine", "-v", "data:/y")
    assert sh("ls /x", "-v", "data:/x", image=made).stdout == "mine\n"


def test_what_a_container_removed_does_not_come_back_when_it_starts_again(minirun, image):
    made = image("mkdir /x; touch /x/f")
    words = ("run", "--name", "one", *QUIET, "-v", "data:/x", made, "sh", "-c", "ls /x; rm -f /x/f")
    assert minirun(*words).stdout == "f\n"
    assert minirun("start", "-a", "one").stdout == ""


def test_a_place_the_image_does_not_have_is_made(sh):
    assert sh("stat -c %u:%a /new/deep", "-v", "data:/new/deep").stdout == "0:755\n"


def test_the_images_own_volumes_are_anonymous_and_filled(sh, image, minirun):
    made = image("mkdir /x; echo here > /x/f", "VOLUME /x /y")
    assert sh("cat /x/f; mount | grep -c -e ' /x ' -e ' /y '", image=made).stdout == "here\n2\n"
    assert sh("ls /x", "-v", "data:/x:nocopy", "--tmpfs", "/y", image=made).stdout == ""
    assert names(minirun) == ["data"]


def test_ten_at_once_find_one_full_volume(minirun, image):
    made = image("mkdir /x; cd /x; seq 500 | xargs touch")
    words = ("run", "--rm", *QUIET, "-v", "same:/x", made, "sh", "-c", "ls /x | wc -l")
    running = [minirun.spawn(*words, stdout=subprocess.PIPE) for _ in range(10)]
    assert [process.communicate()[0] for process in running] == [b"500\n"] * 10
    assert names(minirun) == ["same"]


# ---- images that mean harm


@pytest.mark.parametrize("target", ["/etc", "../../../../../../etc", "/bin/../../../../etc"])
def test_a_link_in_the_image_leads_nowhere_on_the_host(sh, image, data, target):
    made = image(f"ln -s {target} /x; echo inside > /etc/mark")
    before = sorted(os.listdir("/etc"))
    result = sh("cat /x/mark; touch /x/written", "-v", "data:/x", image=made)
    assert result.stdout == "inside\n"
    assert (data("data") / "written").exists()
    assert sorted(os.listdir("/etc")) == before
    assert (
        not (data("data") / "machine-id").exists()
        or Path("/etc/machine-id").read_text() not in (data("data") / "machine-id").read_text()
    )


def test_links_within_are_copied_and_not_followed(sh, image, data, tmp_path):
    (tmp_path / "secret").write_text("of the host")
    made = image(f"mkdir /x; ln -s {tmp_path} /x/d; ln -s {tmp_path}/secret /x/f; ln -s / /x/root")
    sh("true", "-v", "data:/x", image=made)
    assert {path.name: os.readlink(path) for path in data("data").iterdir()} == {
        "d": str(tmp_path),
        "f": f"{tmp_path}/secret",
        "root": "/",
    }
    assert sorted(os.listdir(tmp_path)) == ["secret"]


def test_a_volume_over_a_file_is_told(sh, minirun):
    result = sh("true", "-v", "data:/etc/passwd")
    assert result.code == 125
    assert "cannot fill the volume data with the image's /etc/passwd: Not a directory" in result.stderr


# ---- interrupted


def test_a_fill_that_was_killed_begins_anew(minirun, image, data):
    made = image("mkdir /x; cd /x; seq 5000 | xargs touch")
    minirun("create", "--name", "one", *QUIET, "-v", "data:/x", made, "sh", "-c", "ls /x | wc -l", check=True)
    process = minirun.spawn("start", "-a", "one", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually((data("data").parent / "filling" / "1").exists, 20)
    shim = next(minirun.state.glob("*/shim.lock")).read_text()
    os.kill(int(shim), 9)
    process.wait()
    assert os.listdir(data("data")) == []
    assert minirun("start", "-a", "one").stdout == "5000\n"
    assert sorted(os.listdir(data("data").parent)) == [".lock", "_data", "volume.json"]


def test_a_fill_that_was_killed_at_its_end_is_ended_by_whoever_comes(sh, minirun, data):
    minirun("volume", "create", "data", check=True)
    (data("data") / "moved").write_text("mine")
    (data("data").parent / "filled").mkdir(mode=0o750)
    (data("data").parent / "filled" / "late").touch()
    (data("data").parent / "filled" / "moved").touch()
    assert sh("ls /x; cat /x/moved; stat -c %a /x", "-v", "data:/x:nocopy").stdout == "late\nmoved\nmine750\n"
    assert not (data("data").parent / "filled").exists()


def test_a_full_disk_is_told_and_leaves_nothing_of_the_fill(sh, image, minirun, data):
    made = image("mkdir /x; dd if=/dev/urandom of=/x/big bs=1M count=4; touch /x/a")
    minirun("volume", "create", "data", check=True)
    run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", data("data").parent, check=True)
    try:
        data("data").mkdir()
        result = sh("true", "-v", "data:/x", image=made)
        assert result.code == 125
        assert "cannot fill the volume data with the image's /x: No space left on device" in result.stderr
        assert sorted(os.listdir(data("data").parent)) == [".lock", "_data", "volume.json"]
        assert os.listdir(data("data")) == []
    finally:
        run("umount", data("data").parent, check=True)


def test_a_volume_that_cannot_be_made_leaves_neither_container_nor_volumes(minirun):
    directory = minirun.root / "volumes"
    directory.mkdir(exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", "nr_inodes=6", "tmpfs", directory, check=True)
    try:
        result = minirun("run", "-v", "/a", "-v", "data:/x", "busybox", "true")
        assert result.code == 125
        assert "No space left on device" in result.stderr
        assert minirun("ps", "-aq").stdout == ""
        assert os.listdir(directory) == [".lock"]
    finally:
        run("umount", directory, check=True)


def test_a_volume_that_an_older_minirun_has_half_made_is_cleared_and_data_put_there_by_hand_is_not(
    minirun, data
):
    for name in ("bare", "empty/_data", "mine/_data/x"):
        (minirun.root / "volumes" / name).mkdir(parents=True)
    assert names(minirun) == []
    assert sorted(os.listdir(minirun.root / "volumes")) == [".lock", "mine"]
    minirun("volume", "create", "mine", check=True)
    assert os.listdir(data("mine")) == ["x"]


# ---- in use


def test_a_volume_in_use_is_not_removed(minirun, start):
    container = start("-v", "data:/x", "busybox", "sleep", "100")
    said = f"remove data: volume is in use - [{container.id}]"
    for words in ([], ["-f"]):
        result = minirun("volume", "rm", *words, "data")
        assert (result.code, result.stdout) == (1, "")
        assert said in result.stderr
    minirun("kill", container.id, check=True)
    assert said in minirun("volume", "rm", "data").stderr  # a stopped one, too
    assert minirun("volume", "prune", "-a", "-f").stdout == "Total reclaimed space: 0B\n"
    minirun("rm", container.id, check=True)
    assert minirun("volume", "rm", "data").stdout == "data\n"
    assert names(minirun) == []


def test_removing_and_using_at_once_loses_nothing_that_is_used(minirun, data):
    words = (
        "run",
        "--rm",
        *QUIET,
        "-v",
        "race:/x",
        "busybox",
        "sh",
        "-c",
        "echo a > /x/$HOSTNAME; sleep 0.1; cat /x/$HOSTNAME",
    )
    for _ in range(5):
        users = [minirun.spawn(*words, stdout=subprocess.PIPE) for _ in range(3)]
        removers = [minirun.spawn("volume", "rm", "-f", "race", stderr=subprocess.DEVNULL) for _ in range(3)]
        assert [user.communicate()[0] for user in users] == [b"a\n"] * 3
        for remover in removers:
            remover.wait()
    assert [name for name in os.listdir(minirun.root / "volumes") if name.startswith(".gone")] == []


# ---- mounts of each kind


def test_read_only_volumes_and_binds_cannot_be_written(sh, tmp_path):
    words = ("-v", "data:/v:ro", "-v", f"{tmp_path}:/b:ro", "--mount", "type=tmpfs,dst=/t,readonly")
    result = sh("touch /v/x /b/x /t/x", *words)
    assert result.stderr.count("Read-only file system") == 3


def test_read_only_goes_down_to_the_mounts_below(sh, tmp_path):
    (tmp_path / "below").mkdir()
    run("mount", "-t", "tmpfs", "tmpfs", tmp_path / "below", check=True)
    try:
        told = sh("touch /b/below/x", "-v", f"{tmp_path}:/b:ro")
        assert "Read-only file system" in told.stderr
        bind = f"type=bind,src={tmp_path},dst=/b,ro"
        assert sh("touch /b/below/x", "--mount", f"{bind},bind-recursive=writable").code == 0
        assert sh("ls /b/below", "--mount", f"{bind},bind-nonrecursive").stdout == ""
    finally:
        run("umount", tmp_path / "below", check=True)


def test_a_mount_below_another_is_seen_in_whatever_order(sh, tmp_path):
    (tmp_path / "f").touch()
    words = ("-v", f"{tmp_path}:/a/b", "-v", "data:/a", "--tmpfs", "/a/b/c")
    assert sh("ls /a /a/b", *words).stdout == "/a:\nb\n\n/a/b:\nc\nf\n"


def test_tmpfs_has_the_size_and_mode_asked_for(start):
    container = start("--mount", "type=tmpfs,dst=/t,tmpfs-size=2m,tmpfs-mode=1750", "busybox", "sleep", "100")
    kind, options = mounts_of(container.pid)["/t"]
    assert kind == "tmpfs"
    assert {"nosuid", "nodev", "noexec"} <= options
    assert container.exec("stat", "-c", "%a", "/t").stdout == "1750\n"
    assert container.exec("sh", "-c", "df -k /t | awk 'NR==2 {print $2}'").stdout == "2048\n"


def test_a_source_of_mount_has_to_be_there(minirun, tmp_path):
    result = minirun("run", *QUIET, "--mount", f"type=bind,src={tmp_path}/no,dst=/b", "busybox", "true")
    assert result.code == 125
    said = f'invalid mount config for type "bind": bind source path does not exist: {tmp_path}/no'
    assert said in result.stderr
    assert minirun("ps", "-aq").stdout == ""


def test_a_directory_of_v_is_made_at_each_start(minirun, tmp_path):
    words = ("--name", "one", *QUIET, "-v", f"{tmp_path}/new:/b", "busybox", "touch", "/b/x")
    minirun("create", *words, check=True)
    assert not (tmp_path / "new").exists()
    minirun("start", "-a", "one", check=True)
    assert (tmp_path / "new" / "x").exists()


def test_two_mounts_on_one_place_are_told(minirun):
    result = minirun("run", "-v", "a1:/x", "-v", "b1:/x/", "busybox")
    assert result.code == 125
    assert "Duplicate mount point: /x" in result.stderr


def test_mounts_of_the_host_reach_a_slave_and_not_a_private_bind(start, tmp_path):
    for name in ("private", "slave"):
        (tmp_path / name).mkdir()
    run("mount", "--bind", tmp_path, tmp_path, check=True)
    run("mount", "--make-shared", tmp_path, check=True)
    try:
        container = start("-v", f"{tmp_path}:/p", "-v", f"{tmp_path}:/s:rslave", "busybox", "sleep", "100")
        run("mount", "-t", "tmpfs", "tmpfs", tmp_path / "slave", check=True)
        seen = mounts_of(container.pid)
        assert "/s/slave" in seen
        assert "/p/slave" not in seen
        run("umount", tmp_path / "slave", check=True)
        container.minirun("rm", "-f", container.id, check=True)
    finally:
        run("umount", "-l", tmp_path, check=True)


# ---- --volumes-from


def test_volumes_from_brings_volumes_and_binds(start, sh, tmp_path):
    start(
        "--name", "one", "-v", "data:/v", "-v", f"{tmp_path}:/b", "--tmpfs", "/t", "busybox", "sleep", "100"
    )
    assert sh("echo x > /v/f; echo y > /b/f; ls -d /t", "--volumes-from", "one").code == 1
    assert (tmp_path / "f").read_text() == "y\n"
    assert "Read-only" in sh("touch /v/f", "--volumes-from", "one:ro").stderr


def test_volumes_from_nobody_is_told(minirun):
    result = minirun("run", "--volumes-from", "nosuch", "busybox")
    assert result.code == 125
    assert "No such container: nosuch" in result.stderr


# ---- told


def test_inspect_shows_each_mount_under_dockers_names(minirun, start, data, tmp_path):
    words = (
        "-v",
        "data:/v:ro",
        "-v",
        f"{tmp_path}:/b",
        "--mount",
        "type=tmpfs,dst=/t",
        "--tmpfs",
        "/u:size=1m",
    )
    container = start(*words, "busybox", "sleep", "100")
    shown = {mount["Destination"]: mount for mount in json.loads(container.inspect("{{json .Mounts}}"))}
    assert shown["/v"] == {
        "Type": "volume", "Name": "data", "Source": str(data("data")), "Destination": "/v", "Driver": "local",
        "Mode": "ro", "RW": False, "Propagation": "",
    }  # fmt: skip
    assert shown["/b"] == {
        "Type": "bind", "Name": "", "Source": str(tmp_path), "Destination": "/b", "Driver": "", "Mode": "",
        "RW": True, "Propagation": "rprivate",
    }  # fmt: skip
    assert set(shown) == {"/v", "/b", "/t"}
    assert json.loads(container.inspect("{{json .HostConfig.Binds}}")) == ["data:/v:ro", f"{tmp_path}:/b"]
    assert json.loads(container.inspect("{{json .HostConfig.Tmpfs}}")) == {"/u": "size=1m"}


def test_events_tell_a_volumes_life(sh, minirun):
    sh("true", "-v", "events:/x")
    minirun("volume", "rm", "events", check=True)
    form = "{{.Action}} {{.Actor.ID}}"
    words = ("events", "--since", "1m", "--until", "0s", "--filter", "volume=events", "--format", form)
    told = minirun(*words, check=True).stdout.splitlines()
    assert told[-4:] == [f"{action} events" for action in ("create", "mount", "unmount", "destroy")]


def test_a_volume_of_a_killed_shim_is_kept(minirun, start, data):
    container = start("-v", "data:/x", "busybox", "sh", "-c", "echo kept > /x/f; sleep 100")
    eventually((data("data") / "f").exists)
    shim = (minirun.state / container.id / "shim.lock").read_text()
    os.kill(int(shim), 9)
    eventually(lambda: minirun("ps", "-q").stdout == "")
    minirun("rm", "-v", container.id, check=True)
    assert (data("data") / "f").read_text() == "kept\n"


def test_ps_names_what_is_mounted_but_memory(minirun, start, tmp_path):
    start("-v", "data:/v", "-v", f"{tmp_path}:/b", "--tmpfs", "/t", "busybox", "sleep", "100")
    shown = minirun("ps", "--format", "{{.Mounts}} {{.LocalVolumes}}", check=True).stdout
    assert shown == f"data,{str(tmp_path)[:14]}… 1\n"
    assert minirun("ps", "-q", "--filter", "volume=data").stdout
    assert not minirun("ps", "-q", "--filter", "volume=other").stdout


def test_cp_into_a_container_that_never_ran_finds_its_volume_full(minirun, image, tmp_path):
    made = image("mkdir /x; echo of the image > /x/f")
    (tmp_path / "g").write_text("mine\n")
    minirun("create", "--name", "one", *QUIET, "-v", "data:/x", made, "sh", "-c", "cat /x/f /x/g", check=True)
    minirun("cp", tmp_path / "g", "one:/x/g", check=True)
    assert minirun("start", "-a", "one").stdout == "of the image\nmine\n"


def test_a_removal_that_was_killed_is_ended_by_whoever_looks(minirun):
    minirun("create", "--name", "one", "-v", "/a", "-v", "data:/b", "busybox", check=True)
    id = minirun("inspect", "-f", "{{.Id}}", "one", check=True).stdout.strip()
    containers = minirun.root / "containers"
    (containers / id).rename(containers / f".gone-with-volumes-{id}")  # the first act of rm -v
    assert minirun("ps", "-aq").stdout == ""
    assert names(minirun) == ["data"]
    assert [path.name for path in containers.iterdir()] == [".lock"]


# ---- /proc


@pytest.mark.parametrize("place", ["/", "/proc", "/proc/sys"])
def test_a_volume_of_the_image_on_the_root_or_in_proc_is_refused_with_nothing_made(minirun, image, place):
    made = image("true", f"VOLUME {place}")
    result = minirun("run", *QUIET, made, "true")
    assert (result.code, result.stderr.count("\n")) == (125, 1 if place == "/" else 2)
    assert result.stderr.startswith(f"minirun: the image's VOLUME {place}: ")
    assert minirun("ps", "-aq").stdout == ""
    assert names(minirun) == []


@pytest.mark.parametrize(
    ("target", "said"),
    [("/proc", "is not of type proc"), ("/proc/sys", "is inside /proc"), ("/", "is the container's root")],
)
def test_a_link_of_the_image_leads_no_mount_over_proc(sh, image, target, said):
    made = image(f"mkdir /x; ln -s ../..{target} /x/link")
    result = sh("true", "-v", "data:/x/link", image=made)
    assert result.code == 125
    assert said in result.stderr
    assert f"/x/link, which leads to {target}," in result.stderr


def test_the_hosts_proc_and_single_files_of_it_can_be_mounted(sh, tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 1 kB\n")
    assert sh("cat /proc/meminfo", "-v", f"{tmp_path}/meminfo:/proc/meminfo").stdout == "MemTotal: 1 kB\n"
    assert sh("test -d /proc/1", "-v", "/proc:/proc").code == 0
    assert "not of type proc" in sh("true", "-v", f"{tmp_path}:/proc").stderr
