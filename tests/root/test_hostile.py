"""Images and containers that mean harm: none runs code on the host, writes a file there, or sees a directory."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.containers import eventually
from tests.support import CHECKOUT

COPIES = Path("/run/minirun-pythons")
NONE = ("run", "--rm", "--network", "none")


@pytest.fixture
def make_image(minirun, busybox_tar, tmp_path):
    """make_image(entry, ...) loads `hostile`: busybox with one more layer of these tar entries."""

    def make_image(*entries):
        with tarfile.open(busybox_tar) as archive:
            blobs = {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}
        blob = lambda descriptor: blobs[f"blobs/sha256/{descriptor['digest'][7:]}"]  # noqa: E731
        manifest = json.loads(blob(json.loads(blobs["index.json"])["manifests"][0]))
        config, base = json.loads(blob(manifest["config"])), gzip.decompress(blob(manifest["layers"][0]))
        layer = tar(*entries)
        digests = ["sha256:" + hashlib.sha256(content).hexdigest() for content in (base, layer)]
        config["rootfs"]["diff_ids"] = digests
        docker = [{"Config": "c.json", "RepoTags": ["hostile:latest"], "Layers": ["base.tar", "evil.tar"]}]
        contents = {"manifest.json": docker, "c.json": config}
        files = [file(name, json.dumps(value).encode()) for name, value in contents.items()]
        (tmp_path / "hostile.tar").write_bytes(tar(*files, file("base.tar", base), file("evil.tar", layer)))
        minirun("load", "-i", tmp_path / "hostile.tar", check=True)
        return "hostile"

    yield make_image
    minirun.remove_all()
    minirun("rmi", "hostile")


def tar(*entries):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def file(name, content=b"", mode=0o755):
    info = tarfile.TarInfo(name.lstrip("/"))
    info.size, info.mode = len(content), mode
    return info, content


def link(name, target):
    info = tarfile.TarInfo(name.lstrip("/"))
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info, b""


# ---- code in the image that Python or the loader could be made to run

MODULES = [
    "warnings", "encodings/__init__", "encodings/utf_8", "encodings/idna", "json/__init__", "json/decoder",
    "ctypes/__init__", "ctypes/util", "os", "stat", "posixpath", "contextlib", "errno", "signal", "socket", "selectors",
    "termios", "fcntl", "struct", "prctl", "pwd", "grp", "traceback", "linecache", "codecs", "re", "enum", "types",
    "sitecustomize", "usercustomize", "site", "minirun/__init__", "minirun/errors", "minirun/linux/__init__",
    "minirun/linux/syscalls", "minirun/runtime/__init__", "minirun/runtime/init", "minirun/runtime/terminal",
]  # fmt: skip
LIBRARIES = [
    "libseccomp.so.2",
    "libc.so.6",
    "libffi.so.8",
    "libcap.so.2",
    "_ctypes.cpython-311-x86_64-linux-gnu.so",
]
EVIL = b"""
import os
for name in ("/HOSTILE", "/tmp/HOSTILE", "/dev/shm/HOSTILE"):
    try: os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o666))
    except OSError: pass
os._exit(66)
"""


def python_directories():
    """Wherever this machine's Python, and the checkout's, could look for a module."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = {"/", "/tmp", "/root", str(CHECKOUT), f"{CHECKOUT}/.venv/site-packages", f"/usr/lib/{version}"}
    found |= {
        f"/usr/lib/{version}/lib-dynload",
        "/usr/lib/python3/dist-packages",
        "/usr/local/lib/python3/dist-packages",
    }
    found |= {f"/usr/local/lib/{version}/dist-packages", f"{CHECKOUT}/.venv/lib/{version}/site-packages"}
    return found | {f"{place}/lib/{version}" for place in ("/run", COPIES, *COPIES.glob("python*"))}


@pytest.fixture
def trap_image(make_image):
    """Every directory that Python could search has hostile modules; every library directory hostile libraries."""
    modules = [file(f"{top}/{name}.py", EVIL) for top in python_directories() for name in MODULES]
    tops = ("/lib", "/usr/lib", "/lib64", "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/")
    libraries = [file(f"{top}/{name}", b"\x7fELF hostile") for top in tops for name in LIBRARIES]
    preload = [
        file("/etc/ld.so.preload", b"/usr/lib/libseccomp.so.2\n"),
        file("/usr/bin/python3", b"#!/bin/false\n"),
    ]
    return make_image(*modules, *libraries, *preload)


@pytest.mark.parametrize(
    ("options", "command", "code"),
    [
        ([], ["true"], 0),
        (["-w", f"/usr/lib/python{sys.version_info.major}.{sys.version_info.minor}"], ["true"], 0),
        (["-w", str(CHECKOUT)], ["true"], 0),
        (["-e", "PYTHONPATH=/tmp", "-e", "LD_LIBRARY_PATH=/tmp", "-e", "PYTHONHOME=/"], ["true"], 0),
        (["-u", "33", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"], ["true"], 0),
        (["-t"], ["true"], 0),
        ([], ["nosuch"], 127),
        ([], ["/etc"], 126),
        (["-w", "/etc/passwd"], ["true"], 125),
        (["--ulimit", "nofile=20"], ["nosuch"], 127),
        (["--entrypoint", "\udcff\udcfe"], ["x"], 127),
    ],
)
def test_python_code_of_the_image_never_runs(minirun, trap_image, options, command, code):
    minirun("run", "--name", "trap", "--network", "none", *options, trap_image, *command)
    upper = Path(minirun("inspect", "-f", "{{.GraphDriver.Data.UpperDir}}", "trap").stdout.strip())
    assert minirun("inspect", "-f", "{{.State.ExitCode}}", "trap").stdout.strip() == str(
        code if code != 125 else 128
    )
    assert list(upper.rglob("HOSTILE")) == []
    assert not Path("/tmp/HOSTILE").exists()
    assert not Path("/HOSTILE").exists()


@pytest.mark.parametrize(
    ("words", "command", "code"),
    [
        ([], ["true"], 0),
        (["-u", "www-data", "-w", "/usr/lib"], ["true"], 0),
        ([], ["nosuch"], 127),
        (["-w", "/etc/passwd"], ["true"], 126),
        (["-u", "nosuch"], ["true"], 125),
    ],
)
def test_nor_when_an_exec_joins(start, minirun, trap_image, words, command, code):
    container = start(trap_image, "sleep", "1000")
    assert minirun("exec", *words, container.id, *command).code == code
    assert list(Path(container.inspect("{{.GraphDriver.Data.UpperDir}}")).rglob("HOSTILE")) == []


def test_the_trap_would_snap(minirun, trap_image, start):
    """The files are where Python looks: the host's interpreter, chrooted there without minirun's care, runs them."""
    container = start(trap_image, "sleep", "1000")
    code = "import os, sys; os.chroot(sys.argv[1]); os.chdir('/'); import wave; os._exit(1)"
    ended = subprocess.run(
        [sys.executable, "-c", code.replace("wave", "prctl"), container.proc("root")], timeout=30
    )
    assert ended.returncode == 66


# ---- CVE-2019-5736: the interpreter on the host


def safe_copy():
    """The copy that this checkout's launcher starts; other checkouts on the machine have theirs."""
    modules = Path(sys.executable).parent.parent / "lib"
    return next(
        module.parent.parent / "python3"
        for module in COPIES.glob("*/of/_prctl.*")
        if modules in module.resolve().parents
    )


@pytest.fixture
def interpreters():
    """The interpreter's files are the same afterwards."""
    files = [safe_copy(), Path(sys.executable).resolve()]
    before = [hashlib.sha256(file.read_bytes()).digest() for file in files]
    yield files
    assert [hashlib.sha256(file.read_bytes()).digest() for file in files] == before


def test_minirun_runs_from_read_only_files(start):
    container = start("busybox", "sleep", "1000")
    shim = Path(f"/proc/{container.status('PPid')}")
    mapped = {shim.joinpath("exe").resolve(), *(link.resolve() for link in shim.glob("map_files/*"))}
    files = [path for path in mapped if path.is_file()]
    assert safe_copy() in files
    for path in files:
        assert os.statvfs(path).f_flag & os.ST_RDONLY, path
        with pytest.raises(OSError, match="Read-only file system"):
            open(path, "r+b")


@pytest.mark.parametrize("words", [["/proc/self/exe"], ["/proc/1/exe"], ["/proc/thread-self/exe", "-c", "0"]])
def test_proc_self_exe_cannot_be_the_program(minirun, interpreters, words):
    result = minirun(*NONE, "busybox", *words)
    assert result.code == 126
    assert "too many levels of symbolic links" in result.stderr


def test_a_script_cannot_make_it_its_interpreter(minirun, make_image, interpreters):
    """The kernel follows #! itself, so the host's Python may start; but it finds nothing to write to."""
    overwrite = b"import os\nopen('/proc/self/exe', 'r+b').write(b'#!evil')\n"
    image = make_image(
        file("/script", b"#!/proc/self/exe\n" + overwrite), link("/bin/loop", "/proc/self/exe")
    )
    assert minirun(*NONE, image, "/script").code != 0
    assert minirun(*NONE, image, "/bin/loop").code == 126


@pytest.mark.parametrize("options", [[], ["--cap-add", "SYS_PTRACE"]])
def test_an_exec_that_joins_gives_nothing_to_write_to(minirun, start, interpreters, options):
    """A container that waits for `exec`, and looks at and opens what it can of every process that appears."""
    script = """
    >/seen; >/opened
    while :; do
        for pid in /proc/[0-9]*; do
            { true >>$pid/exe; } 2>/dev/null && readlink $pid/exe >>/opened
            readlink $pid/exe >>/seen
        done
    done"""
    container = start(*options, "busybox", "sh", "-c", script)
    for _ in range(40):
        minirun("exec", container.id, "true", check=True)
    seen, opened = (container.proc(f"root/{name}").read_text() for name in ("seen", "opened"))
    assert "/bin/busybox" in seen
    # with CAP_SYS_PTRACE it may look at a process that is not dumpable; the file system is read-only all the same
    assert options or "python" not in seen
    assert "python" not in opened


# ---- CVE-2024-21626: a directory of the host through a descriptor


def test_no_descriptor_leads_a_working_directory_to_the_host(minirun):
    for number in range(3, 21):
        result = minirun(*NONE, "-w", f"/proc/self/fd/{number}", "busybox", "ls", "../../../etc/shadow")
        assert result.code in (125, 126), number
        assert "cannot use" in result.stderr


def test_nor_that_of_an_exec(start, minirun):
    container = start("busybox", "sleep", "1000")
    for number in range(3, 21):
        result = minirun("exec", "-w", f"/proc/self/fd/{number}", container.id, "ls")
        assert result.code == 126, number


def test_nor_through_a_link_in_the_image(minirun, make_image):
    links = [link(f"/w{number}", f"/proc/self/fd/{number}") for number in range(3, 21)]
    image = make_image(*links, link("/cwd", "/proc/self/cwd"), link("/root1", "/proc/1/root"))
    for name in [f"w{number}" for number in range(3, 21)] + ["cwd", "root1"]:
        assert minirun(*NONE, "-w", f"/{name}", image, "true").code in (125, 126), name


# ---- links that lead mounts and files out of the root


HOSTS_FILES = ("/etc/resolv.conf", "/etc/hostname", "/etc/hosts", "/etc/passwd")


@pytest.mark.parametrize(
    "target",
    ["/../../../../../../etc", "../../../../../../../etc", "/proc/1/root/etc", "/proc/self/cwd", "/nowhere"],
)
def test_etc_that_is_a_link_out_changes_nothing_of_the_host(minirun, make_image, target):
    before = [
        (Path(name).read_bytes(), os.stat(name).st_mtime_ns, os.stat(name).st_ino) for name in HOSTS_FILES
    ]
    mounts = Path("/proc/self/mountinfo").read_text()
    image = make_image(link("/etc", target))
    minirun(*NONE, image, "sh", "-c", "echo evil >/etc/hosts; echo evil >/etc/passwd")
    assert [
        (Path(name).read_bytes(), os.stat(name).st_mtime_ns, os.stat(name).st_ino) for name in HOSTS_FILES
    ] == before
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert not Path("/nowhere").exists()


@pytest.mark.parametrize(
    "name", ["dev", "proc", "sys", "dev/shm", "etc/resolv.conf", "etc", "data", "data/deep", "work"]
)
def test_a_mount_point_that_is_a_link_out_makes_nothing_there(minirun, make_image, tmp_path, name):
    (tmp_path / "outside").mkdir()
    image = make_image(link(f"/{name}", "../" * 12 + str(tmp_path / "outside/made")[1:]))
    minirun(
        *NONE,
        "-v",
        f"{tmp_path}:/data",
        "-v",
        "/usr:/data/deep/usr",
        "-w",
        "/work/x",
        image,
        "touch",
        f"/{name}/x",
    )
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("target", ["../" * 12 + "home", "/home", "/../../home"])
def test_a_link_leads_where_it_does_for_the_container(minirun, make_image, tmp_path, target):
    (tmp_path / "file").write_text("shared")
    image = make_image(link("/data", target))
    assert minirun(*NONE, "-v", f"{tmp_path}:/data", image, "cat", "/home/file").stdout == "shared"


def test_a_mount_point_that_links_to_nothing_is_made_where_it_leads(minirun, make_image, tmp_path):
    (tmp_path / "file").write_text("shared")
    image = make_image(
        link("/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf"),
        link("/etc/hosts", "/nowhere/hosts"),
        link("/etc/hostname", "../../../../gone"),
        link("/data", "chain"),
        link("/chain", "/var/lib/far/away"),
        link("/memory", "tmp/a/b"),
    )
    words = (
        "--hostname",
        "web",
        "-v",
        f"{tmp_path}:/data",
        "-v",
        f"{tmp_path}/file:/data2/x",
        "--tmpfs",
        "/memory",
    )
    look = "cat /gone /nowhere/hosts /var/lib/far/away/file /data2/x; grep -c tmp/a/b /proc/mounts"
    look += "; wc -c </etc/resolv.conf"
    lines = minirun(*NONE, *words, image, "sh", "-c", look, check=True).stdout.splitlines()
    assert lines[0] == "web"
    assert any("localhost" in line for line in lines)
    assert lines[-2:-1] == ["sharedshared1"]
    assert int(lines[-1]) > 0


@pytest.mark.parametrize(("name", "kind"), [("proc", "proc"), ("sys", "sysfs")])
@pytest.mark.parametrize("target", ["tmp", "/tmp", "nowhere"])
def test_proc_and_sys_are_mounted_on_directories_alone(minirun, make_image, name, kind, target):
    result = minirun(*NONE, make_image(link(f"/{name}", target)), "true")
    assert result.code == 125
    assert (
        f'filesystem "{kind}" must be mounted on an ordinary directory, and /{name} is none' in result.stderr
    )


def test_nor_is_the_proc_of_a_pid_namespace_that_is_joined(minirun, make_image, start):
    image = make_image(link("/proc", "tmp"))
    result = minirun(*NONE, "--pid", f"container:{start('busybox', 'sleep', '1000').id}", image, "true")
    assert result.code == 125
    assert 'filesystem "proc" must be mounted on an ordinary directory' in result.stderr


def test_passwd_that_is_a_link_out_is_not_read(minirun, make_image, tmp_path):
    (tmp_path / "passwd").write_text("hostuser:x:12345:12345::/:/bin/sh\n")
    image = make_image(link("/etc/passwd", "../" * 12 + str(tmp_path / "passwd")[1:]))
    result = minirun(*NONE, "-u", "hostuser", image, "id")
    assert result.code == 125
    assert "unable to find user hostuser" in result.stderr


def test_passwd_that_is_a_fifo_or_a_device_does_not_hang(minirun, make_image):
    fifo, device = tarfile.TarInfo("etc/passwd"), tarfile.TarInfo("etc/group")
    fifo.type, device.type, device.devmajor, device.devminor = tarfile.FIFOTYPE, tarfile.CHRTYPE, 5, 0
    image = make_image((fifo, b""), (device, b""))
    status = minirun(*NONE, "-u", "7", image, "grep", "Uid", "/proc/self/status", timeout=20).stdout
    assert status.split() == ["Uid:", *["7"] * 4]


def test_a_working_directory_that_is_a_link_out_is_made_inside(minirun, make_image, tmp_path):
    image = make_image(link("/work", "../" * 12 + str(tmp_path)[1:]))
    minirun(*NONE, "-w", "/work/new", image, "touch", "made")
    assert not (tmp_path / "new").exists()


# ---- what a container's root tries


def test_it_cannot_mount_or_leave_its_root(minirun):
    script = "mount -t tmpfs x /tmp; umount /proc/sys; mount -o remount,rw /sys; unshare -m true"
    result = minirun(*NONE, "busybox", "sh", "-c", script)
    assert result.stderr.lower().count("not permitted") + result.stderr.lower().count("denied") >= 4


def test_the_old_root_is_not_above_the_new_one(minirun):
    # chroot(2) is allowed by default; the old trick with it climbs out of a chroot, and out of no pivot_root
    script = f"mkdir /a && chroot /a /nosuch 2>/dev/null; cd /../../../..; ls; test -e {CHECKOUT}"
    result = minirun(*NONE, "busybox", "sh", "-c", script)
    assert result.code == 1
    assert "linuxrc" in result.stdout  # the image's own


def test_stdio_of_the_host_is_not_given_away(minirun):
    before = os.stat("/dev/null")
    minirun(*NONE, "-u", "1000", "busybox", "true", check=True)
    with open("/dev/null", "r+b") as null:
        subprocess.run(
            minirun.command(*NONE, "-i", "-u", "1000", "busybox", "true"), stdin=null, stdout=null, timeout=30
        )
    after = os.stat("/dev/null")
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)


def test_a_fork_in_the_background_does_not_outlive_pid_1(start, minirun):
    container = start("busybox", "sh", "-c", "setsid sleep 1000 & setsid sleep 1001 & sleep 1")
    group = Path(container.inspect("{{.Kernel.Cgroup}}"))
    eventually(lambda: not group.exists())
    eventually(lambda: minirun("ps", "-q").stdout == "")
