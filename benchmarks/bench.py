"""What scripts/bench runs: minirun and its peers, measured beside each other in one run.

Machines are shared and noisy, so what counts is the ratio of two medians of one run.  hyperfine runs the commands;
docker and podman are private ones, with directories of their own, and dockerd lives in a network namespace of its own,
so that its rules and bridge never reach this host.  All of it is stopped and removed at the end.

See  hyperfine(1); benchmarks/README.md for figures and what they mean
"""

import contextlib
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import build
import compose
import images
import lifecycle
import logs
import network
from measuring import CHECKOUT, MINIRUN, Row, call, hyperfine, table

MINIRUN_OCI = str(CHECKOUT / "scripts" / "minirun-oci")
PS_CONTAINERS = 200

# ---- what is measured with --------------------------------------------------------------------------------


class Bench:
    """A temporary directory with minirun's own data, a bundle, and the peers that are installed."""

    def __init__(self, directory: Path, stack: contextlib.ExitStack) -> None:
        self.directory = directory
        self.stack = stack
        self.minirun = [MINIRUN, "--root", str(directory / "root"), "--state", str(directory / "state")]
        self.image = CHECKOUT / ".venv" / "busybox.tar"
        call(*self.minirun, "load", "-q", "-i", self.image)
        self._peers: dict[str, list[str]] | None = None

    def bundle(self) -> Path:
        """A bundle with the default namespaces, no network, whose program is `true`."""
        bundle = self.directory / "bundle"
        bundle.mkdir()
        container = call(*self.minirun, "run", "-d", "--network", "none", "busybox", "sleep", "60").strip()
        lower = call(*self.minirun, "inspect", "-f", "{{.GraphDriver.Data.LowerDir}}", container).strip()
        call("cp", "-a", lower, bundle / "rootfs")
        call(*self.minirun, "rm", "-f", container)
        call(MINIRUN_OCI, "spec", "--bundle", bundle)
        config = json.loads((bundle / "config.json").read_text())
        config["process"].update(args=["true"], terminal=False)
        (bundle / "config.json").write_text(json.dumps(config))
        return bundle

    def peers(self) -> dict[str, list[str]]:
        """Who -> the beginning of its command line, for docker and podman where they are installed."""
        if self._peers is None:
            archive = self.directory / "busybox-docker.tar"
            call(
                "skopeo",
                "copy",
                "-q",
                f"oci-archive:{self.image}",
                f"docker-archive:{archive}:busybox:latest",
            )
            self._peers = {}
            if shutil.which("dockerd"):
                self._peers["docker"] = self._docker(archive)
            if shutil.which("podman"):
                self._peers["podman"] = self._podman(archive)
        return self._peers

    def _docker(self, archive: Path) -> list[str]:
        place = self.directory / "docker"
        place.mkdir()
        words = ["--data-root", place / "data", "--exec-root", place / "exec", "--pidfile", place / "pid"]
        words += ["-H", f"unix://{place}/sock", "--storage-driver", "overlay2"]
        script = 'ip link set lo up; exec dockerd "$@"'
        log = self.stack.enter_context((place / "log").open("wb"))
        command = ["unshare", "--net", "sh", "-c", script, "dockerd", *map(str, words)]
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
        self.docker_pid = daemon.pid
        self.stack.callback(daemon.wait)
        self.stack.callback(daemon.terminate)
        client = ["/usr/bin/docker", "-H", f"unix://{place}/sock"]
        for _ in range(300):
            if subprocess.run([*client, "version"], check=False, capture_output=True).returncode == 0:
                break
            time.sleep(0.1)
        call(*client, "load", "-q", "-i", archive)
        return client

    def _podman(self, archive: Path) -> list[str]:
        place = self.directory / "podman"
        client = ["podman", "--root", place / "root", "--runroot", place / "run", "--tmpdir", place / "tmp"]
        words = [str(word) for word in client]
        words += [
            "--runtime=runc",
            "--cgroup-manager=cgroupfs",
            "--events-backend=file",
            "--storage-driver=overlay",
        ]
        call(*words, "load", "-q", "-i", archive)
        self.stack.callback(subprocess.run, ["umount", "-l", place / "root" / "overlay"], capture_output=True)
        return words


def peers_groups() -> set[str]:
    """The groups that docker and podman make at the top of each cgroup hierarchy, and leave."""
    names = ("docker", "libpod_parent")
    return {place for name in names for place in glob.glob(f"/sys/fs/cgroup/**/{name}", recursive=True)}


def remove_groups(before: set[str]) -> None:
    for group in peers_groups() - before:
        for directory, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):  # somebody else's is in use
                os.rmdir(directory)


# podman would raise limits that this process may not raise
PODMAN_PLAIN = ["--pids-limit=0", "--ulimit=nofile=1000:1000", "--ulimit=nproc=1000:1000"]


def run_words(who: str, network: str) -> list[str]:
    plain = PODMAN_PLAIN if who == "podman" else []
    return ["run", "--rm", f"--network={network}", *plain, "busybox", "true"]


# ---- the benchmarks ---------------------------------------------------------------------------------------


def oci(bench: Bench) -> Iterator[Row]:
    bundle = bench.bundle()
    commands = {}
    for who in ("runc", "crun"):
        if shutil.which(who):
            commands[who] = [
                who,
                "--root",
                str(bench.directory / who),
                "run",
                "-b",
                str(bundle),
                f"bench-{who}",
            ]
    state = str(bench.directory / "oci")
    commands["minirun-oci"] = [MINIRUN_OCI, "--root", state, "run", "-b", str(bundle), "bench-minirun"]
    yield from hyperfine("oci", commands)


def run(bench: Bench) -> Iterator[Row]:
    peers = {**bench.peers(), "minirun": bench.minirun}
    yield from hyperfine("run", {who: [*words, *run_words(who, "none")] for who, words in peers.items()})


def bridge(bench: Bench) -> Iterator[Row]:
    peers = {who: words for who, words in bench.peers().items() if who == "docker"}  # podman has no CNI here
    peers["minirun"] = bench.minirun
    yield from hyperfine("bridge", {who: [*words, *run_words(who, "bridge")] for who, words in peers.items()})


def memory(bench: Bench) -> Iterator[Row]:
    """Private memory of the shims of three detached containers, in MB: what one more container costs."""
    sizes = []
    for _ in range(3):
        call(*bench.minirun, "run", "-d", "--network", "none", "busybox", "sleep", "600")
    for container in call(*bench.minirun, "ps", "-q").split():
        init = call(*bench.minirun, "inspect", "-f", "{{.State.Pid}}", container).strip()
        shim = Path(f"/proc/{init}/stat").read_text().rpartition(")")[2].split()[1]
        lines = Path(f"/proc/{shim}/smaps_rollup").read_text().splitlines()[1:]
        kilobytes = (int(line.split()[1]) for line in lines if line.startswith("Private_"))
        sizes.append(sum(kilobytes) / 1000)
    remove_all(bench)
    yield "memory (MB)", "shim", min(sizes), statistics.median(sizes), max(sizes)


def ps(bench: Bench) -> Iterator[Row]:
    for _ in range(PS_CONTAINERS):
        call(*bench.minirun, "run", "-d", "--network", "none", "busybox", "sleep", "600")
    yield from hyperfine("ps", {f"minirun, {PS_CONTAINERS} containers": [*bench.minirun, "ps"]})
    remove_all(bench)


def remove_all(bench: Bench) -> None:
    call(*bench.minirun, "rm", "-f", *call(*bench.minirun, "ps", "-aq").split())


def unpack(bench: Bench) -> Iterator[Row]:
    """A Debian image's layer: `tar -xzf`, and minirun's own way of making a layer's directory."""
    layout = bench.directory / "debian"
    call(CHECKOUT / "scripts" / "rootfs", "debian", "--output", f"{layout}.tar")
    layout.mkdir()
    call("tar", "-xf", f"{layout}.tar", "-C", layout)
    blob, diff_id = layer_of(layout)
    program = "import sys; sys.path[:0] = sys.argv[1:3]; from minirun.image import layers; "
    program += "layers.unpack_all(sys.argv[3], [layers.Packed(sys.argv[4], sys.argv[5])])"
    site = CHECKOUT / ".venv" / "site-packages"
    into = bench.directory / "unpacked"
    ours = [sys.executable, "-I", "-S", "-c", program, CHECKOUT, site, into, blob, diff_id]
    theirs = ["tar", "-xzf", blob, "-C", into]
    for who, command in (("tar -xzf", theirs), ("minirun", ours)):
        times = [timed(command, into) for _ in range(7)]
        yield "unpack", who, min(times), statistics.median(times), max(times)


def timed(command: list[str | Path], into: Path) -> float:
    """Milliseconds that `command` takes to fill the empty directory `into`."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir()
    os.sync()
    begin = time.perf_counter()
    call(*command)
    return (time.perf_counter() - begin) * 1000


def layer_of(layout: Path) -> tuple[Path, str]:
    """(path of the packed layer, diff_id) of an image with one layer."""
    blobs = layout / "blobs" / "sha256"

    def read(digest: str) -> dict[str, object]:
        content: dict[str, object] = json.loads((blobs / digest.removeprefix("sha256:")).read_text())
        return content

    index = json.loads((layout / "index.json").read_text())
    manifest = read(index["manifests"][0]["digest"])
    config = read(manifest["config"]["digest"])  # type: ignore[index]
    packed = manifest["layers"][0]["digest"]  # type: ignore[index]
    return blobs / packed.removeprefix("sha256:"), config["rootfs"]["diff_ids"][0]  # type: ignore[index]


BENCHMARKS = {
    "oci": oci,
    "run": run,
    "bridge": bridge,
    "memory": memory,
    "ps": ps,
    "unpack": unpack,
    **lifecycle.BENCHMARKS,
    **logs.BENCHMARKS,
    **images.BENCHMARKS,
    **build.BENCHMARKS,
    **compose.BENCHMARKS,
    **network.BENCHMARKS,
}


def main() -> None:
    names = sys.argv[1:] or list(BENCHMARKS)
    if unknown := [name for name in names if name not in BENCHMARKS]:
        sys.exit(f"bench: there is no {unknown[0]}; there are {', '.join(BENCHMARKS)}")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    directory = Path(tempfile.mkdtemp(prefix="bench."))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        stack.callback(remove_groups, peers_groups())
        bench = Bench(directory, stack)
        rows = []
        for name in names:
            print(f"bench: {name}", file=sys.stderr)
            rows += BENCHMARKS[name](bench)
    print(table(rows))


if __name__ == "__main__":
    main()
