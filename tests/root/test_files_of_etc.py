"""What programs expect in /etc, and who they find there that they are."""

import tarfile

import pytest

NONE = ("run", "--rm", "--network", "none")


@pytest.fixture
def passwd(tmp_path):
    file = tmp_path / "passwd"
    file.write_text("root:x:0:0::/mounted:/bin/sh\nme:x:77:78::/home/me:/bin/sh\n")
    return file


def test_mtab_shows_the_mounts_and_is_no_change(minirun):
    minirun("run", "--name", "box", "--network", "none", "busybox", "df", "/", check=True)
    assert minirun("diff", "box").stdout == ""
    minirun("start", "-a", "box", check=True)
    minirun("rm", "box", check=True)
    sealed = minirun(*NONE, "--read-only", "busybox", "readlink", "/etc/mtab")
    assert sealed.stdout == "/proc/mounts\n"


def test_an_mtab_of_ones_own_stays_and_is_a_change(minirun):
    script = "rm /etc/mtab && echo mine >/etc/mtab"
    minirun("run", "--name", "box", "--network", "none", "busybox", "sh", "-c", script, check=True)
    assert "A /etc/mtab\n" in minirun("diff", "box").stdout
    minirun("commit", "box", "own", check=True)
    assert minirun(*NONE, "own", "cat", "/etc/mtab").stdout == "mine\n"


def test_read_only_holds_for_the_files_of_etc(minirun, passwd):
    script = "for name in hosts hostname resolv.conf; do echo x >>/etc/$name; done; echo $?; echo y >>/etc/own; echo $?"
    words = ("--read-only", "-v", f"{passwd}:/etc/own", "busybox")
    result = minirun(*NONE, *words, "sh", "-c", script)
    assert (result.stdout, result.stderr.count("Read-only file system")) == ("1\n0\n", 3)
    minirun(*NONE, "busybox", "sh", "-c", "echo x >>/etc/hosts", check=True)


def test_home_is_by_the_passwd_that_is_mounted(minirun, passwd, start):
    def home(*words):
        return minirun(*NONE, *words, "busybox", "sh", "-c", "echo $(id -u) $(id -g) $HOME").stdout.strip()

    mounted = ("-v", f"{passwd}:/etc/passwd:ro")
    assert home(*mounted) == "0 0 /mounted"
    assert home("-u", "77", *mounted) == "77 0 /home/me"
    assert home("-u", "5", *mounted) == "5 0 /"
    assert home("-e", "HOME=/own", *mounted) == "0 0 /own"
    assert home("-u", ":50") == "0 50 /root"
    assert home("-u", "") == "0 0 /root"
    # who they are is by the image, as in Docker
    assert "unable to find user me" in minirun(*NONE, "-u", "me", *mounted, "busybox", "true").stderr


def test_an_exec_has_the_home_of_the_mounted_passwd_and_the_users_of_the_image(minirun, passwd, start):
    container = start("-v", f"{passwd}:/etc/passwd", "busybox", "sleep", "1000")
    look = ("sh", "-c", "echo $(id -u) $HOME")
    homes = {
        "": "0 /mounted",
        "root": "0 /mounted",
        "77": "77 /home/me",
        "www-data": "33 /",
        ":50": "0 /mounted",
    }
    for user, home in homes.items():
        assert minirun("exec", "-u", user, container.id, *look).stdout.strip() == home


def test_a_mount_on_what_it_does_not_fit_is_told_in_a_sentence(minirun, tmp_path):
    (tmp_path / "file").touch()
    for source, target, reason in (
        (tmp_path, "/etc/passwd", "a directory is needed"),
        (tmp_path / "file", "/etc", "is to be mounted is a file"),
        (tmp_path / "file", "/etc/passwd/x", "a directory is needed"),
        (tmp_path, "/" + "x" * 300, "File name too long"),
    ):
        result = minirun(*NONE, "-v", f"{source}:{target}", "busybox", "true")
        assert result.code == 125
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"minirun: {source} cannot be mounted on {target}: ")
        assert reason in line
    assert minirun("ps", "-aq").stdout == ""


def test_an_etc_that_is_a_file_is_told_in_a_sentence(minirun, tmp_path):
    with tarfile.open(tmp_path / "tree.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("etc"))
    minirun("import", tmp_path / "tree.tar", "flat", check=True)
    result = minirun(*NONE, "flat", "/bin/true")
    assert (result.code, result.stderr.count("\n")) == (125, 1)
    assert "the image's /etc can be no directory (Not a directory)" in result.stderr


def test_an_image_with_a_realtime_stop_signal_makes_containers(minirun, tmp_path):
    with tarfile.open(tmp_path / "tree.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("x"))
    minirun("import", "-c", "STOPSIGNAL SIGRTMIN+3", tmp_path / "tree.tar", "signals", check=True)
    assert minirun("create", "signals", "/bin/true").code == 0
    assert minirun("import", "-c", "STOPSIGNAL SIGFOO", tmp_path / "tree.tar", "signals").code == 1
