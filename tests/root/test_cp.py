"""`cp` and `diff`: files into a container and out of it, and nothing else."""

import io
import itertools
import os
import stat
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import pytest

from tests.image_tars import directory, entry, hard_link, symlink, tar
from tests.support import run

MISSING = "Could not find the file"


@pytest.fixture(params=["running", "created"])
def box(request, minirun, start):
    """A container's name; it runs, or never did."""
    if request.param == "running":
        start("--name", "box", "busybox", "sleep", "1000")
    else:
        minirun("create", "--name", "box", "--network", "none", "busybox", "sleep", "1000", check=True)
    return "box"


@pytest.fixture
def tree(tmp_path):
    """A directory with a file of somebody's, a link, and a set-user-ID program."""
    top = tmp_path / "tree"
    (top / "below").mkdir(parents=True)
    (top / "file").write_text("hello\n")
    os.chown(top / "file", 1234, 1235)
    (top / "below" / "link").symlink_to("../file")
    (top / "below" / "suid").write_text("x")
    (top / "below" / "suid").chmod(0o4755)
    return top


def listed(minirun, name, path):
    """{entry: tarinfo} of what `cp NAME:PATH -` gives."""
    done = subprocess.run(minirun.command("cp", f"{name}:{path}", "-"), capture_output=True)
    assert done.returncode == 0, done.stderr
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        return {info.name.removeprefix("./"): info for info in archive}


# ---- in and out


def test_a_tree_goes_in_with_its_owners_and_comes_out_again(minirun, box, tree, tmp_path):
    minirun("cp", tree, f"{box}:/copy", check=True)
    inside = listed(minirun, box, "/copy")
    assert (inside["copy/file"].uid, inside["copy/file"].gid) == (1234, 1235)
    minirun("cp", "-a", f"{box}:/copy", tmp_path / "back", check=True)
    assert (tmp_path / "back" / "file").read_text() == "hello\n"
    assert (tmp_path / "back" / "below" / "link").readlink() == Path("../file")


@pytest.mark.parametrize(
    ("source", "destination", "made"),
    [
        ("tree/file", "/new", "/new"),
        ("tree/file", "/tmp", "/tmp/file"),
        ("tree/file", "/tmp/", "/tmp/file"),
        ("tree", "/new", "/new/file"),
        ("tree", "/tmp", "/tmp/tree/file"),
        ("tree/", "/tmp", "/tmp/tree/file"),
        ("tree/.", "/tmp", "/tmp/file"),
        ("tree/.", "/new", "/new/file"),
        ("tree/file", "", "/file"),
    ],
)
def test_what_goes_where_is_as_docker_has_it(minirun, box, tree, source, destination, made):
    minirun("cp", f"{tree.parent}/{source}", f"{box}:{destination}", check=True)
    assert len(listed(minirun, box, made)) == 1


@pytest.mark.parametrize(
    ("source", "destination", "message"),
    [
        ("tree/file", "box:/no/", "no such directory"),
        ("tree/file", "box:/no/file", f"{MISSING} /no in container box"),
        ("tree", "box:/etc/passwd", "cannot copy directory"),
        ("nosuch", "box:/", "no such file or directory"),
        ("tree/file/", "box:/", "not a directory"),
        ("box:/nosuch", "x", f"{MISSING} /nosuch in container box"),
        ("box:/etc/passwd", "no/file", "does not exist"),
        ("box:/etc", "tree/file", "cannot copy directory"),
        ("box:/etc", "box:/tmp", "copying between containers is not supported"),
        ("tree", "x", "must specify at least one container source"),
        ("nobox:/etc", "x", "No such container: nobox"),
        ("box:", "x", "path cannot be empty"),
        ("tree/file", "box:/etc/passwd/x", "extraction point is not a directory"),
    ],
)
def test_what_cannot_be_copied_is_told(minirun, box, tree, monkeypatch, source, destination, message):
    monkeypatch.chdir(tree.parent)
    result = minirun("cp", source, destination)
    assert (result.code, result.stdout) == (1, "")
    assert message in result.stderr


def test_a_directory_and_a_file_do_not_replace_each_other(minirun, box, tree):
    minirun("cp", tree, f"{box}:/copy", check=True)
    (tree / "file").unlink()
    (tree / "file").mkdir()
    result = minirun("cp", f"{tree}/.", f"{box}:/copy")
    assert (result.code, 'cannot overwrite non-directory "file"' in result.stderr) == (1, True)
    back = minirun("cp", f"{box}:/copy/file", tree)
    assert (back.code, 'cannot overwrite directory "file"' in back.stderr) == (1, True)


def test_a_file_that_is_mounted_stays_mounted(minirun, start, tree):
    start("--name", "box", "busybox", "sleep", "1000")
    before = minirun("exec", "box", "cat", "/etc/hosts").stdout
    result = minirun("cp", tree / "file", "box:/etc/hosts")
    assert (result.code, "a mount of its own" in result.stderr) == (1, True)
    assert minirun("exec", "box", "cat", "/etc/hosts").stdout == before


def test_a_file_is_replaced_and_what_it_was_linked_to_is_not(minirun, start, tree, tmp_path):
    start("--name", "box", "busybox", "sleep", "1000")
    minirun("exec", "box", "sh", "-c", "echo old >/one; ln /one /two", check=True)
    minirun("cp", tree / "file", "box:/one", check=True)
    assert minirun("exec", "box", "cat", "/one", "/two").stdout == "hello\nold\n"


def test_a_link_is_copied_as_a_link_or_followed(minirun, box, tree, tmp_path):
    minirun("cp", tree, f"{box}:/copy", check=True)
    minirun("cp", f"{box}:/copy/below/link", tmp_path / "link", check=True)
    minirun("cp", "-L", f"{box}:/copy/below/link", tmp_path / "content", check=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "content").read_text() == "hello\n"


def test_a_tar_goes_through_pipes(minirun, box, tree):
    packed = subprocess.run(["tar", "-C", tree, "-c", "file"], check=True, capture_output=True).stdout
    subprocess.run(minirun.command("cp", "-", f"{box}:/tmp"), input=packed, check=True)
    assert listed(minirun, box, "/tmp/file")["file"].size == 6


def test_what_is_no_tar_is_told(minirun, box):
    result = minirun("cp", "-", f"{box}:/tmp", input="this is no tar\n" * 100)
    assert result.code == 1
    assert "tar archive" in result.stderr


def test_a_name_with_a_colon_is_the_hosts_when_it_begins_with_a_dot(minirun, box, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a:b").write_text("x")
    minirun("cp", "./a:b", f"{box}:/tmp", check=True)
    assert "a:b" in listed(minirun, box, "/tmp/a:b")


def test_a_large_file_costs_no_memory(minirun, box, tmp_path):
    with open(tmp_path / "large", "wb") as file:
        file.truncate(300 << 20)
    command = minirun.command("cp", tmp_path / "large", f"{box}:/large")
    done = subprocess.run(["/usr/bin/env", "bash", "-c", 'ulimit -v 400000; exec "$@"', "-", *command])
    assert done.returncode == 0
    assert minirun("diff", box).stdout == "A /large\n"


def test_volumes_are_seen_in_a_container_that_does_not_run(minirun, tmp_path):
    minirun("create", "--name", "box", "-v", f"{tmp_path}:/data", "busybox", "true", check=True)
    (tmp_path / "there").write_text("x")
    assert "data/there" in listed(minirun, "box", "/data")
    minirun("cp", tmp_path / "there", "box:/data/second", check=True)
    assert (tmp_path / "second").read_text() == "x"


@pytest.mark.parametrize("verb", ["create", "run -d"])
def test_what_is_read_only_stays_as_it_is(minirun, tmp_path, tree, verb):
    words = ("--name", "box", "--network", "none", "--read-only", "-v", f"{tmp_path}:/data:ro")
    minirun(*verb.split(), *words, "busybox", "sleep", "1000", check=True)
    for place, what in (("/", "container rootfs"), ("/data/", "mounted volume")):
        result = minirun("cp", tree / "file", f"box:{place}")
        assert (result.code, f"{what} is marked read-only" in result.stderr) == (1, True)
    assert not (tmp_path / "file").exists()


def test_a_container_that_is_copied_from_can_be_started_afterwards(minirun, box, tree):
    minirun("cp", tree, f"{box}:/copy", check=True)
    minirun("start", box, check=True)
    assert minirun("exec", box, "cat", "/copy/file").stdout == "hello\n"


def test_a_packed_tar_is_unpacked(minirun, box, tree):
    packed = subprocess.run(["tar", "-C", tree, "-cz", "file"], check=True, capture_output=True).stdout
    subprocess.run(minirun.command("cp", "-", f"{box}:/tmp"), input=packed, check=True)
    assert listed(minirun, box, "/tmp/file")["file"].size == 6


def test_a_hole_stays_a_hole(minirun, box, tmp_path):
    with open(tmp_path / "sparse", "wb") as file:
        file.seek(200 << 20)
        file.write(b"end")
    minirun("cp", tmp_path / "sparse", f"{box}:/sparse", check=True)
    minirun("cp", f"{box}:/sparse", tmp_path / "back", check=True)
    assert (tmp_path / "back").stat().st_size == (200 << 20) + 3
    assert (tmp_path / "back").stat().st_blocks * 512 < 10 << 20


def test_the_kernels_own_file_systems_are_not_part_of_the_tree(minirun, start, tmp_path):
    start("--name", "box", "busybox", "sleep", "1000")
    inside = listed(minirun, "box", "/")
    assert {"bin/ls", "proc", "sys", "dev"} <= set(inside)
    assert not [name for name in inside if name.startswith(("proc/", "sys/", "dev/"))]
    minirun("cp", "box:/proc/version", tmp_path / "version", check=True)  # but one can be asked for
    assert (tmp_path / "version").read_text() == Path("/proc/version").read_text()


@pytest.mark.parametrize("place", ["proc", "proc/sys/kernel", "sys/devices", "dev"])
def test_a_directory_of_the_kernels_is_copied_empty(minirun, start, tmp_path, place):
    start("--name", "box", "busybox", "sleep", "1000")
    minirun("cp", f"box:/{place}", tmp_path / "out", check=True)
    assert os.listdir(tmp_path / "out") == []


def test_a_file_of_the_kernels_without_an_end_is_not_held_in_memory(minirun, start, tmp_path):
    start("--name", "box", "busybox", "sleep", "1000")
    little = ("prlimit", f"--as={512 << 20}")
    result = run(*little, *minirun.command("cp", "box:/proc/1/pagemap", tmp_path / "pagemap"))
    assert (result.code, result.stderr.count("\n")) == (1, 1)
    assert "pagemap': a file of the kernel's of more than 67108864 bytes" in result.stderr
    assert not (tmp_path / "pagemap").exists()


def test_a_device_is_no_place_to_copy_to(minirun, start, tree):
    start("--name", "box", "busybox", "sleep", "1000")
    result = minirun("cp", tree / "file", "box:/dev/null")
    message = 'destination "box:/dev/null" must be a directory or a regular file: got a device'
    assert (result.code, message in result.stderr) == (1, True)
    assert "crw" in minirun("exec", "box", "ls", "-l", "/dev/null").stdout


def test_how_much_was_copied_is_told_to_those_who_ask(minirun, box, tree, tmp_path):
    told = minirun("cp", "--quiet=false", tree / "file", f"{box}:/tmp/x")
    assert (told.stdout, told.stderr) == ("", f"Successfully copied 2.05kB to {box}:/tmp/x\n")
    back = minirun("cp", "--quiet=false", f"{box}:/tmp/x", tmp_path / "x")
    assert back.stderr == f"Successfully copied 2.05kB to {tmp_path}/x\n"
    assert minirun("cp", f"{box}:/tmp/x", tmp_path / "x").stderr == ""  # no terminal, nobody watching


def test_a_container_waits_with_starting_until_it_is_copied(minirun, tree):
    """A pipe that nobody reads keeps cp busy; the overlay is not mounted a second time meanwhile."""
    minirun("create", "--name", "box", "--network", "none", "busybox", "sleep", "1000", check=True)
    with open("/dev/urandom", "rb") as source, open(tree / "large", "wb") as file:
        file.write(source.read(4 << 20))
    minirun("cp", tree / "large", "box:/large", check=True)
    copying = minirun.spawn("cp", "box:/large", "-", stdout=subprocess.PIPE)
    copying.stdout.read(1000)
    starting = minirun.spawn("start", "box", stdout=subprocess.DEVNULL)
    time.sleep(0.5)
    assert starting.poll() is None
    assert len(copying.communicate(timeout=20)[0]) > 3 << 20
    assert (copying.returncode, starting.wait(20)) == (0, 0)
    assert minirun("exec", "box", "ls", "/large").code == 0


def test_many_copy_into_one_container_that_does_not_run(minirun, tree):
    minirun("create", "--name", "box", "--network", "none", "busybox", "true", check=True)
    copies = [minirun.spawn("cp", tree, f"box:/copy{number}") for number in range(10)]
    assert {copy.wait(60) for copy in copies} == {0}
    assert {f"A /copy{number}" for number in range(10)} <= set(minirun("diff", "box").stdout.splitlines())


def test_a_new_volume_is_filled_before_it_is_copied_to(minirun, tree):
    minirun("create", "--name", "box", "-v", "kept:/etc", "--network", "none", "busybox", "true", check=True)
    minirun("cp", tree / "file", "box:/etc", check=True)
    assert {"etc/file", "etc/passwd"} <= set(listed(minirun, "box", "/etc"))
    minirun("rm", "box", check=True)
    minirun("volume", "rm", "kept", check=True)


# ---- nobody gains anything


def test_on_the_host_a_file_is_nobodys_program(minirun, box, tree, tmp_path):
    minirun("cp", tree, f"{box}:/copy", check=True)
    minirun("cp", f"{box}:/copy/below/suid", tmp_path / "harmless", check=True)
    minirun("cp", "-a", f"{box}:/copy/below/suid", tmp_path / "wanted", check=True)
    assert stat.S_IMODE((tmp_path / "harmless").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "wanted").stat().st_mode) == 0o4755


def test_a_device_is_not_made_on_the_host_unasked(minirun, start, tmp_path):
    start("--name", "box", "busybox", "sleep", "1000")
    minirun("exec", "box", "mknod", "/tmp/disk", "b", "8", "0", check=True)
    result = minirun("cp", "box:/tmp", tmp_path / "out")
    assert result.code == 1
    assert "'out/disk': a device" in result.stderr


def test_a_fifo_does_not_make_anybody_wait(minirun, start, tmp_path):
    start("--name", "box", "busybox", "sleep", "1000")
    minirun("exec", "box", "mkfifo", "/tmp/fifo", check=True)
    minirun("cp", "box:/tmp/fifo", tmp_path / "fifo", check=True, timeout=10)
    assert (tmp_path / "fifo").is_fifo()


@pytest.mark.parametrize("name", ["../escaped", "/escaped", "a/../../escaped"])
def test_a_tar_cannot_name_what_is_outside(minirun, box, tmp_path, name):
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    with open(tmp_path / "evil.tar", "rb") as file:
        done = subprocess.run(minirun.command("cp", "-", f"{box}:/tmp"), stdin=file, capture_output=True)
    assert done.returncode == 1 or "escaped" in listed(minirun, box, "/tmp/escaped")
    assert MISSING in minirun("cp", f"{box}:/escaped", "-").stderr


def copied_in(minirun, box, target, *members):
    """What `cp - BOX:TARGET` says to a tar of these: its exit code and its words."""
    done = subprocess.run(
        minirun.command("cp", "-", f"{box}:{target}"), input=tar(*members), capture_output=True
    )
    return done.returncode, done.stderr.decode()


def test_a_tar_may_call_directories_as_they_are_called_in_the_container(minirun, start):
    """/lib is a link to usr/lib in most images, and tar(1) and Docker follow what is there."""
    start("--name", "box", "busybox", "sleep", "1000")
    made = "mkdir -p /usr/lib /w; ln -s usr/lib /lib; ln -s /usr/lib /abs; ln -s ../usr/lib /w/up; touch /usr/lib/old"
    minirun("exec", "box", "sh", "-c", made, check=True)
    for target, member in (
        ("/", "lib/a"),
        ("/", "/abs/b"),
        ("/", "lib/new/c"),
        ("/w", "up/d"),
        ("/w/up", "e"),
    ):
        assert copied_in(minirun, "box", target, entry(member)) == (0, "")
    links = [hard_link("f", "/usr/lib/old"), hard_link("g", "lib/old"), symlink("own", "w"), entry("own/h")]
    assert copied_in(minirun, "box", "/", *links) == (0, "")
    found = minirun(
        "exec", "box", "sh", "-c", "cd /usr/lib; ls; ls /w; stat -c %h old; readlink /lib", check=True
    )
    assert found.stdout.split() == ["a", "b", "d", "e", "new", "old", "h", "up", "3", "usr/lib"]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([entry("../x")], "'../x' leads out of the directory"),
        ([entry("a/../../x")], "leads out of the directory"),
        ([hard_link("x", "../etc/passwd")], "'../etc/passwd' leads out of the directory"),
        ([symlink("out", "/etc"), entry("out/x")], "'out' is a link that leads out of the archive"),
        ([symlink("out", "../.."), entry("out/x")], "'out' is a link that leads out of the archive"),
        ([hard_link("x", "nowhere")], "a hard link to 'nowhere': No such file or directory"),
        ([entry(".")], "cannot overwrite the directory itself"),
    ],
)
def test_what_a_tar_may_not_name_is_told(minirun, members, words):
    minirun("create", "--name", "box", "--network", "none", "busybox", check=True)
    code, said = copied_in(minirun, "box", "/tmp", *members)
    assert (code, words in said) == (1, True), said


def test_a_directory_that_is_there_keeps_its_owner_and_mode(minirun, box, tmp_path):
    """What is copied is its contents. One that is named in them is another thing."""
    before = tmp_path / "before"
    before.mkdir()
    before.chmod(0o751)
    os.chown(before, 7, 8)
    minirun("cp", "-a", before, f"{box}:/there", check=True)
    source = tmp_path / "source"
    (source / "named").mkdir(parents=True)
    source.chmod(0o700)
    os.chown(source, 21, 22)
    (source / "named").chmod(0o711)
    minirun("cp", f"{source}/.", f"{box}:/there", check=True)
    minirun("cp", f"{source}/.", f"{box}:/", check=True)
    for root in (".", "/", ""):
        assert copied_in(minirun, box, "/there", directory(root, 0o700, uid=9)) == (0, "")
    assert copied_in(minirun, box, "/there", directory("named", 0o700, uid=9)) == (0, "")
    inside = {name: (info.mode, info.uid) for name, info in listed(minirun, box, "/there").items()}
    assert inside == {"there": (0o751, 7), "there/named": (0o700, 9)}
    assert listed(minirun, box, "/named")["named"].mode == 0o711
    minirun("cp", f"{box}:/there/.", source, check=True)
    minirun("cp", "-a", f"{box}:/there/.", source, check=True)
    assert (stat.S_IMODE(source.stat().st_mode), source.stat().st_uid) == (0o700, 21)


def test_a_link_in_a_tar_is_not_followed(minirun, box, tmp_path):
    """The archive makes tmp/out a link to /etc, then writes through it."""
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        link = tarfile.TarInfo("out")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(link)
        archive.addfile(tarfile.TarInfo("out/planted"))
    with open(tmp_path / "evil.tar", "rb") as file:
        subprocess.run(minirun.command("cp", "-", f"{box}:/tmp"), stdin=file, capture_output=True)
    assert MISSING in minirun("cp", f"{box}:/etc/planted", "-").stderr
    assert not Path("/etc/planted").exists()


def test_links_of_the_container_lead_nowhere_on_the_host(minirun, start, tree, tmp_path):
    canary = tmp_path / "canary"
    canary.mkdir()
    start("--name", "box", "busybox", "sleep", "1000")
    minirun("exec", "box", "ln", "-s", f"../../../../../..{canary}", "/out", check=True)
    result = minirun("cp", tree / "file", "box:/out")
    assert result.code == 1  # inside, that path is not there
    assert list(canary.iterdir()) == []


# As a program in the container would: a directory and a file change places with links, thousands of times a second.
SWAP = """
import ctypes, os, sys, time
os.chdir(sys.argv[1])
renameat2 = ctypes.CDLL(None).renameat2
while True:
    for name in (b"dir", b"file"):
        renameat2(-100, name, -100, name + b".link", 2)  # AT_FDCWD, RENAME_EXCHANGE
        time.sleep(0.0002)
"""


@pytest.fixture
def swapping(start, tmp_path):
    """The host's canary, for which a container swaps /a/dir and /a/file all the time."""
    canary = tmp_path / "canary"
    canary.mkdir()
    (canary / "secret").write_text("outside\n")
    inside = start("--name", "box", "busybox", "sleep", "1000").proc("root/a")
    (inside / "dir").mkdir(parents=True)
    (inside / "dir" / "secret").write_text("inside\n")
    (inside / "file").write_text("inside\n")
    (inside / "dir.link").symlink_to(canary)
    (inside / "file.link").symlink_to(canary / "secret")
    with subprocess.Popen([sys.executable, "-c", SWAP, inside]) as swapper:
        yield canary
        swapper.kill()


def repeated(minirun, seconds, commands):
    """Runs each of the commands again and again in a thread of its own; {n} in them is a number that grows."""
    until = time.monotonic() + seconds

    def run(words):
        for number in itertools.count():
            if time.monotonic() > until:
                return
            command = minirun.command(*(str(word).replace("{n}", str(number)) for word in words))
            subprocess.run(command, capture_output=True, timeout=60)

    threads = [threading.Thread(target=run, args=(words,)) for words in commands]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_what_is_swapped_for_a_link_while_it_is_read(minirun, swapping, tmp_path):
    """Whatever moment cp meets, the host's file is not read."""
    commands = [
        ("cp", "-L", "box:/a/dir/.", tmp_path / "out-directory{n}"),
        ("cp", "-L", "box:/a/file", tmp_path / "out-file{n}"),
        ("cp", "box:/a", tmp_path / "out-both{n}"),
    ]
    repeated(minirun, 6, commands)
    found = [*tmp_path.glob("out-file*"), *tmp_path.glob("out*/**/*")]
    copied = [path.read_text() for path in found if path.is_file() and not path.is_symlink()]
    assert set(copied) == {"inside\n"}


def test_what_is_swapped_for_a_link_while_it_is_written(minirun, swapping, tree):
    """Nor is anything of the host's written, removed, or given to somebody."""
    before = (swapping / "secret").stat()
    commands = [
        ("cp", f"{tree}/.", "box:/a/dir"),
        ("cp", tree, "box:/a/dir/."),
        ("cp", tree / "file", "box:/a/file"),
    ]
    repeated(minirun, 6, commands)
    assert [path.name for path in swapping.iterdir()] == ["secret"]
    assert (swapping / "secret").read_text() == "outside\n"
    assert (swapping / "secret").stat().st_ctime_ns == before.st_ctime_ns
    assert "below" in minirun("exec", "box", "ls", "-R", "/a").stdout  # some of it came in


# ---- diff


def test_diff_says_what_was_added_changed_and_deleted(minirun):
    script = "echo x >>/etc/passwd; rm /etc/group; mkdir -p /new/dir; touch /new/dir/file"
    minirun("run", "--name", "box", "--network", "none", "busybox", "sh", "-c", script, check=True)
    expected = ["C /etc", "D /etc/group", "C /etc/passwd", "A /new", "A /new/dir", "A /new/dir/file"]
    assert minirun("diff", "box", check=True).stdout.splitlines() == expected


def test_diff_of_a_container_that_changed_nothing_is_empty(minirun, box):
    assert minirun("diff", box, check=True).stdout == ""


def test_diff_of_a_directory_that_was_replaced(minirun):
    words = ("--network", "none")
    minirun("run", *words, "--name", "box", "busybox", "sh", "-c", "mkdir /d; touch /d/a /d/b", check=True)
    minirun("commit", "box", "with-d", check=True)
    script = "rm -r /d; mkdir /d; touch /d/a /d/own"
    minirun("run", *words, "--name", "other", "with-d", "sh", "-c", script, check=True)
    expected = ["C /d", "A /d/a", "D /d/b", "A /d/own"]
    assert minirun("diff", "other", check=True).stdout.splitlines() == expected
    minirun("rm", "other", check=True)
    minirun("rmi", "with-d", check=True)
