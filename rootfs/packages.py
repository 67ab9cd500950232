"""Trees made of Debian's packages: a base that the recipes share, and what is installed on top of it.

Packages come from where this machine's own apt takes them, with the same keys. The certificates that its
administrator added (/usr/local/share/ca-certificates) are trusted in the image, too: a network that looks into TLS
has one, and nothing could be installed from within a container without it.

See      mmdebstrap(1), apt-get(8), chroot(8), update-ca-certificates(8)
By hand  mmdebstrap --variant=minbase bookworm base; cp -a base python; chroot python apt-get install python3
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trees

APT = Path("/etc/apt")
CERTIFICATES = Path("/usr/local/share/ca-certificates")
SUITE = "bookworm"
# usr-is-merged takes the place of usrmerge, which would bring all of Perl.
BASE = ["ca-certificates", "netbase", "tzdata", "usr-is-merged"]
UNWANTED = (
    r'printf "Package: usrmerge\nPin: release *\nPin-Priority: -1\n" >"$1/etc/apt/preferences.d/unwanted"'
)
MERGED = "/usr/share/mmdebstrap/hooks/merged-usr"
# What Debian's own slim images leave out, and why they are slim.
LEFT_OUT = [f"path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "info", "locale", "lintian")]
KEPT = ["path-include=/usr/share/doc/*/copyright", "path-include=/usr/share/locale/locale.alias"]
# Made by this machine or by this hour; none of it belongs to a package.
LEFTOVERS = [
    *("etc/hostname", "etc/resolv.conf", "var/cache/ldconfig/aux-cache", "var/cache/debconf/*-old"),
    *(
        "var/lib/apt/lists/*",
        "var/cache/apt/*.bin",
        "var/lib/dpkg/*-old",
        "var/log/**/*",
        "run/mount",
        "tmp/*",
    ),
]
ISOLATED = """set -e
mount -t proc proc proc
mount --rbind /dev dev
exec chroot . sh -e -c "$1"
"""
INSTALL = """
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q install -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io {packages}
apt-get clean
"""


# ---- where packages come from -----------------------------------------------------------------------------


def sources() -> list[str]:
    """The machine's apt sources, in files as mmdebstrap(1) takes them (it tells the two formats by the name)."""
    files = [APT / "sources.list", *sorted((APT / "sources.list.d").glob("*.list"))]
    files += sorted((APT / "sources.list.d").glob("*.sources"))
    return [str(file) for file in files if file.exists() and file.stat().st_size]


def apt_options() -> list[str]:
    """What this machine's apt needs to reach them, a proxy for one; apt in the image will need it, too."""
    dump = subprocess.run(
        ["apt-config", "dump", "Acquire"], check=True, capture_output=True, text=True
    ).stdout
    kept = re.compile(r"Acquire::(https?::Proxy|Check-Valid-Until|Check-Date) ")
    return [f"--aptopt={line}" for line in dump.splitlines() if kept.match(line)]


def certificates() -> list[str]:
    """Options for mmdebstrap(1) that carry this machine's own certificates in."""
    if not any(CERTIFICATES.glob("*.crt")):
        return []
    return [
        f"--customize-hook=sync-in {CERTIFICATES} {CERTIFICATES}",
        '--customize-hook=chroot "$1" update-ca-certificates',
    ]


# ---- the base ---------------------------------------------------------------------------------------------


def kept() -> Path:
    """The directory where what took long to make is kept, $MINIRUN_ROOTFS or below /var/cache."""
    directory = Path(os.environ.get("MINIRUN_ROOTFS", "/var/cache/minirun-rootfs"))
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def base(suite: str = SUITE) -> bytes:
    """The layer that all of them stand on, as a tar; made once and kept until this file changes."""
    need("mmdebstrap", "unshare")
    digest = hashlib.sha256(Path(__file__).read_bytes() + Path(trees.__file__).read_bytes()).hexdigest()
    file = kept() / f"base-{suite}-{digest[:12]}.tar"
    with open(kept() / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two recipes at once: the second waits and then finds it made
        if not file.exists():
            for old in kept().glob(f"base-{suite}-*.tar"):
                old.unlink()
            unfinished = file.with_suffix(".new")
            unfinished.write_bytes(bootstrap(suite))
            unfinished.rename(file)
    return file.read_bytes()


def bootstrap(suite: str) -> bytes:
    """Debian's essential packages, apt and BASE as a tar; takes a quarter of a minute."""
    since = time.time()
    command = ["mmdebstrap", "--variant=minbase", "--format=directory", f"--include={','.join(BASE)}"]
    command += [f"--hook-dir={MERGED}", f"--setup-hook={UNWANTED}", *certificates()]
    command += [f"--dpkgopt={option}" for option in (*LEFT_OUT, *KEPT)] + apt_options()
    with scratch() as tree:
        run([*command, suite, str(tree), *sources()])
        (tree / "etc/apt/preferences.d/unwanted").unlink()
        clean(tree)
        return trees.layer(tree, trees.names(tree), since)


# ---- what comes on top ------------------------------------------------------------------------------------


@contextmanager
def installed(
    *packages: str, first: str = "", last: str = "", suite: str = SUITE
) -> Iterator[tuple[Path, Path, float]]:
    """(the base's tree, one with `packages` added, when that began) for the length of a with block.

    `first` and `last` are lines of shell that run in the tree before and after the installation.
    """
    since = time.time()
    with scratch() as before, scratch() as after:
        for tree in (before, after):
            run(["tar", "-C", str(tree), "-xpf", "-"], base(suite))
        if packages:
            shutil.copy("/etc/resolv.conf", after / "etc/resolv.conf")
            inside(after, first + INSTALL.format(packages=" ".join(packages)) + last)
            clean(after)
        yield before, after, since


def inside(tree: Path, script: str) -> None:
    """Runs lines of shell in `tree`. A mount table and a process table of its own: what they start ends with them."""
    isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ISOLATED, "sh"]
    run([*isolated, script], directory=tree)


def added(before: Path, after: Path, since: float) -> bytes:
    """The layer that makes `after` out of `before`."""
    return trees.layer(after, trees.changes(before, after), since, trees.gone(before, after))


def version(tree: Path, package: str) -> str:
    """Of an installed package, as Debian counts: 3.11.2-1+b1."""
    command = ["dpkg-query", f"--admindir={tree}/var/lib/dpkg", "-W", "-f", "${Version}", package]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def clean(tree: Path) -> None:
    """Leaves out LEFTOVERS. Of the logs only the content goes: some programs do not make theirs."""
    for file in (found for pattern in LEFTOVERS for found in list(tree.glob(pattern))):
        if tree / "var/log" in file.parents:
            if file.is_file():
                file.write_bytes(b"")
        elif file.is_dir():
            shutil.rmtree(file)
        else:
            file.unlink()


# ---- running programs -------------------------------------------------------------------------------------


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory for a tree, gone afterwards; every user may enter it, as / of an image needs."""
    with tempfile.TemporaryDirectory(prefix="minirun-rootfs-") as outer:
        tree = Path(outer) / "tree"
        tree.mkdir(0o755)
        yield tree


def run(command: list[str], content: bytes | None = None, directory: Path | None = None) -> None:
    """Runs a program, quietly while it works; its output is shown when it fails."""
    done = subprocess.run(
        command, input=content, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=directory
    )
    if done.returncode:
        sys.stderr.buffer.write(done.stdout)
        sys.exit(f"{command[0]}: exit {done.returncode}")


def need(*programs: str) -> None:
    """Ends with what to install when a program is missing."""
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)}; scripts/setup --tests installs what the recipes use")
    if os.geteuid() != 0:
        sys.exit("needs root: a tree of Debian's packages has owners and is installed by chroot(2)")
