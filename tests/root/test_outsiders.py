"""Ordinary users of the host: what they get of minirun's two trees, which is nothing.

The trees are in a directory that everybody may enter, as /var/lib and /run are; pytest's own are not.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import bundles
from tests.support import Minirun, run

NOBODY = 65534
SECRET = "PASSWORD=swordfish"

# As NOBODY, of the paths on standard input, each ended by a NUL, those for which a condition holds.
LOOK = f"""
import os, sys
os.setgroups([]); os.setresgid({NOBODY}, {NOBODY}, {NOBODY}); os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
for path in filter(None, sys.stdin.buffer.read().split(bytes(1))):
    if {{}}:
        sys.stdout.buffer.write(path + bytes(1))
"""


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that everybody may enter."""
    directory = Path(tempfile.mkdtemp(prefix="minirun-outsiders-", dir="/var/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def open_minirun(public: Path, busybox_tar: Path) -> Iterator[Minirun]:
    """Trees where others could come, with one of everything that minirun keeps in there."""
    made = Minirun(root=public / "root", state=public / "state")
    made("load", "-i", busybox_tar, check=True)
    yield made
    made.remove_all()
    made("network", "prune", "-f", check=True)


@pytest.fixture
def used(open_minirun: Minirun) -> Minirun:
    open_minirun("network", "create", "net", check=True)
    options = ("-d", "-v", "data:/data", "-e", SECRET, "--name", "one")
    open_minirun("run", *options, "busybox", "sleep", "100", check=True)
    open_minirun("cp", "/usr/bin/id", "one:/suid", check=True)
    open_minirun("exec", "one", "chmod", "4755", "/suid", check=True)
    open_minirun("create", "--name", "two", "busybox", "true", check=True)
    return open_minirun


def paths_below(*tops: Path) -> list[bytes]:
    """Every path in the trees, and the trees."""
    found = list(map(os.fsencode, tops))
    for top in tops:
        for directory, names, files in os.walk(os.fsencode(top)):
            found += [os.path.join(directory, name) for name in (*names, *files)]
    return found


def asked_of(tops: tuple[Path, ...], condition: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOOK.format(condition)],
        input=b"\0".join(paths_below(*tops)),
        capture_output=True,
        check=True,
    )
    return sorted(os.fsdecode(path) for path in done.stdout.split(b"\0") if path)


def within_reach(*tops: Path) -> list[str]:
    """The paths that an ordinary user can as much as stat(2): who cannot do that can do nothing with them."""
    return asked_of(tops, "os.path.lexists(path)")


def entered_by_nobody(*tops: Path) -> list[str]:
    """The paths that an ordinary user can open, list, enter or run."""
    return asked_of(tops, "any(os.access(path, how) for how in (os.R_OK, os.W_OK, os.X_OK))")


def tops(minirun: Minirun) -> list[str]:
    return [str(minirun.root), str(minirun.state)]


def as_nobody(*words: str | Path) -> tuple[str, bool]:
    """What a program prints, and whether it could run and went well.  (setpriv(1) would search its path as root.)"""
    try:
        done = subprocess.run(
            words, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True
        )
    except PermissionError:
        return "", False
    return done.stdout, done.returncode == 0


def test_others_see_that_the_trees_are_there_and_nothing_below(used: Minirun) -> None:
    assert len(paths_below(used.root, used.state)) > 100
    assert within_reach(used.root, used.state) == tops(used)
    assert as_nobody("ls", used.root) == as_nobody("ls", used.state) == ("", False)


def test_nothing_is_open_while_it_is_made(open_minirun: Minirun, busybox_tar: Path) -> None:
    work = (
        "import subprocess, sys; [subprocess.run(words.split(chr(31)), check=True) for words in sys.argv[1:]]"
    )
    words = [("load", "-i", busybox_tar), ("run", "--rm", "-v", "data:/bin", "busybox", "true"), ("ps",)]
    lines = ["\x1f".join(open_minirun.command(*line)) for line in words * 2]
    worker = subprocess.Popen([sys.executable, "-c", work, *lines], stdout=subprocess.DEVNULL)
    looks = 0
    while worker.poll() is None:
        assert within_reach(open_minirun.root, open_minirun.state) in (
            tops(open_minirun),
            tops(open_minirun)[:1],
        )
        looks += 1
    assert worker.returncode == 0
    assert looks > 5


def test_without_the_modes_a_program_made_inside_makes_anybody_root(used: Minirun) -> None:
    """The attempt itself, and that the walk above finds what is open."""
    (program,) = used.root.glob("containers/*/upper/suid")
    assert as_nobody(program, "-u") == ("", False)
    for directory in (*list(program.parents)[1:3], used.root):
        directory.chmod(0o755)
    assert as_nobody(program, "-u") == ("0\n", True)
    assert str(program) in entered_by_nobody(used.root)
    assert as_nobody("cat", program.parents[1] / "container.json") == ("", False)


def test_what_an_older_minirun_left_open_is_closed_by_the_first_command(used: Minirun) -> None:
    for directory in map(Path, map(os.fsdecode, paths_below(used.root, used.state))):
        if directory.is_dir() and not directory.is_symlink():
            directory.chmod(0o755)
    assert len(within_reach(used.root, used.state)) > 100
    used("ps", check=True)
    assert within_reach(used.root, used.state) == tops(used)


def test_a_directory_of_others_stays_open_and_ours_in_it_are_closed(public: Path, busybox_tar: Path) -> None:
    (public / "somebodys").mkdir(mode=0o755)
    (public / "cache").mkdir(mode=0o755)  # a name of ours, and not ours
    minirun = Minirun(root=public, state=public)
    minirun("load", "-i", busybox_tar, check=True)
    minirun("run", "--rm", "--network", "none", "busybox", "true", check=True)
    assert public.stat().st_mode & 0o777 == 0o755
    reached = {Path(path).relative_to(public).parts[:1] for path in entered_by_nobody(public)}
    assert reached == {(), ("somebodys",), ("cache",)}


def test_old_directories_of_ours_in_one_of_others_are_closed(public: Path, busybox_tar: Path) -> None:
    (public / "somebodys").mkdir(mode=0o755)
    minirun = Minirun(root=public, state=public / "state")
    minirun("load", "-i", busybox_tar, check=True)
    for name in ("images", "layers"):
        (public / name).chmod(0o755)
    minirun("images", check=True)
    assert set(entered_by_nobody(public)) == {str(public), str(public / "somebodys")}


def test_the_runtime_alone_closes_its_state(public: Path, busybox_tar: Path) -> None:
    oci = bundles.Oci(public / "new" / "oci")
    bundle = bundles.make(
        oci,
        busybox_tar,
        public / "bundle",
        lambda config: config["process"].update(terminal=False, args=["sleep", "100"]),
    )
    oci.detached("run", "-d", "--bundle", bundle, "one")
    try:
        assert within_reach(oci.root) == []
    finally:
        oci.remove_all()


# ---- who is not root inside has all that is his


@pytest.mark.parametrize(
    ("script", "options"),
    [
        ("cat /etc/resolv.conf /etc/hosts /etc/hostname", ()),
        ("echo x > /data/new && cat /data/new", ("--tmpfs", "/data:mode=1777")),
        ("cat /seen/file", ("-v", "{public}/seen:/seen")),
        ("cd / && cd /work/there && pwd", ("-w", "/work/there")),
        ("cat /proc/self/status && ls /proc/self/fd && readlink /proc/self/exe && ls -l /proc/self/cwd", ()),
        ("tty && echo x > /dev/null", ("-t",)),
    ],
)
def test_another_user_than_root_can_work(
    used: Minirun, public: Path, script: str, options: tuple[str, ...]
) -> None:
    (public / "seen").mkdir(mode=0o755)
    (public / "seen" / "file").write_text("seen\n")
    filled = [option.format(public=public) for option in options]
    done = used("run", "--rm", "-u", "1000", *filled, "busybox", "sh", "-e", "-c", script)
    assert (done.code, done.stderr) == (0, "")


def test_another_user_than_root_is_entered_and_copied_to(used: Minirun, tmp_path: Path) -> None:
    used("run", "-d", "--name", "user", "-u", "1000", "-w", "/tmp", "busybox", "sleep", "100", check=True)
    assert used("exec", "user", "sh", "-c", "echo x > own; id -u").stdout == "1000\n"
    assert used("exec", "-t", "user", "tty").code == 0
    used("cp", "user:/tmp/own", tmp_path, check=True)
    used("cp", tmp_path / "own", "user:/tmp/back", check=True)
    assert used("exec", "user", "cat", "/tmp/back").stdout == "x\n"


def test_a_narrow_umask_of_ours_does_not_close_the_containers_etc(used: Minirun) -> None:
    words = shlex.join(used.command("run", "--rm", "-u", "1000", "busybox", "cat", "/etc/resolv.conf"))
    assert run("sh", "-c", f"umask 077; {words}").code == 0
