"""Images: pull and push through a real registry on loopback, and `images` with a full store.

The image is like one that people use: a Debian tree, this machine's /usr/share, a Python tree, about 1.4 GB,
gzip level 6 as docker makes it.  Every pull is cold: stores of its own, removed before the next one.

    podman          downloads, unpacks one layer on top of the other, with fresh --root and --runroot
    skopeo + tar    skopeo copy docker://... dir:..., then tar -xzf of the layers, two at a time
    minirun         pull

BENCH_INPUTS=DIR keeps the image there from one run to the next: it takes a minute to make.
"""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING

from measuring import CHECKOUT, MINIRUN, Cost, Row, call, hyperfine, in_turns, row

if TYPE_CHECKING:
    from bench import Bench

    from tests.registries import Server

RUNS = 3
SHARE_BYTES = 700_000_000
PYTHON_BYTES = 550_000_000
IMAGES = 500
PYTHON_TREES = (
    "/usr/lib/python3",
    "/usr/lib/python3.*",
    "/usr/local/lib/python3*",
    "/root/.pyenv/versions/3*",
)
OCI = "application/vnd.oci.image"
Json = dict[str, object]


# ---- the image --------------------------------------------------------------------------------------------


class LayerWriter:
    """A layer blob being written: what goes in is hashed, then packed by gzip(1)."""

    def __init__(self, blobs: Path, name: str) -> None:
        self.blobs, self.path = blobs, blobs / f"{name}.tar.gz"
        self.diff = hashlib.sha256()
        with self.path.open("wb") as output:
            self.gzip = subprocess.Popen(["gzip", "-n", "-6"], stdin=subprocess.PIPE, stdout=output)
        assert self.gzip.stdin is not None
        self.pipe: IO[bytes] = self.gzip.stdin

    def write(self, chunk: bytes) -> int:
        self.diff.update(chunk)
        return self.pipe.write(chunk)

    def finish(self) -> tuple[Json, str]:
        """(descriptor, diff_id)"""
        self.pipe.close()
        assert self.gzip.wait() == 0
        digest = hashlib.file_digest(self.path.open("rb"), "sha256").hexdigest()
        self.path = self.path.rename(self.blobs / digest)
        descriptor = {"mediaType": f"{OCI}.layer.v1.tar+gzip", "digest": f"sha256:{digest}"}
        return {**descriptor, "size": self.path.stat().st_size}, f"sha256:{self.diff.hexdigest()}"


def tree_layer(blobs: Path, name: str, trees: list[Path], bytes_max: int) -> tuple[Json, str]:
    """A layer of the files below `trees`, in order, until `bytes_max` bytes are in."""
    writer, total = LayerWriter(blobs, name), 0
    with tarfile.open(fileobj=writer, mode="w|", format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
        for path in (path for tree in trees for path in [tree, *sorted(tree.rglob("*"))]):
            if "__pycache__" in path.parts:
                continue
            total += path.lstat().st_size if not path.is_dir() else 0
            if total > bytes_max:
                break
            archive.add(path, recursive=False, filter=whole_seconds)
    return writer.finish()


def whole_seconds(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Docker cuts times too; a fraction would cost every entry a PAX header of its own."""
    info.mtime = int(info.mtime)
    return info


def debian_layer(blobs: Path) -> tuple[Json, str]:
    """The layer of rootfs/debian, packed as the others are."""
    layout = blobs / "debian.tar"
    call(CHECKOUT / "scripts" / "rootfs", "debian", "--output", layout)
    writer = LayerWriter(blobs, "debian")
    with tarfile.open(layout) as archive:
        largest = max(archive, key=lambda member: member.size)
        file = archive.extractfile(largest)
        assert file is not None
        shutil.copyfileobj(gzip.open(file), writer, 1 << 20)
    layout.unlink()
    return writer.finish()


def make_image(layout: Path) -> None:
    """An OCI image layout with the three layers, under the name `bench`."""
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    pythons = [path for pattern in PYTHON_TREES for path in sorted(Path("/").glob(pattern[1:]))]
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(debian_layer, blobs),
            pool.submit(tree_layer, blobs, "share", [Path("/usr/share")], SHARE_BYTES),
            pool.submit(tree_layer, blobs, "python", pythons, PYTHON_BYTES),
        ]
        layers = [job.result() for job in jobs]
    write_image(layout, [descriptor for descriptor, _ in layers], [diff_id for _, diff_id in layers])


def write_image(layout: Path, layers: list[Json], diff_ids: list[str]) -> None:
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"]}, "rootfs": rootfs}
    manifest = {"schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json", "layers": layers}
    manifest["config"] = {"mediaType": f"{OCI}.config.v1+json", **add_json(layout, config)}
    entry = {"mediaType": f"{OCI}.manifest.v1+json", **add_json(layout, manifest)}
    entry["annotations"] = {"org.opencontainers.image.ref.name": "bench"}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def add_json(layout: Path, value: object) -> Json:
    content = json.dumps(value).encode()
    digest = hashlib.sha256(content).hexdigest()
    (layout / "blobs" / "sha256" / digest).write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


# ---- registry and stores ----------------------------------------------------------------------------------


class Place:
    """The image, a registry that has it, and a directory for the stores of whoever pulls."""

    def __init__(self, bench: "Bench") -> None:
        self.bench = bench
        self.layout = Path(os.environ.get("BENCH_INPUTS", bench.directory)) / "image"
        if not (self.layout / "oci-layout").exists():
            make_image(self.layout)
        self.cold = bench.directory / "cold"
        self.cold.mkdir(exist_ok=True)
        self.server = self.registry()
        self.name = f"{self.server.host}/bench:latest"
        self.server.push(f"oci:{self.layout}:bench", "bench:latest", "-q")

    def registry(self) -> "Server":
        """An empty one."""
        sys.path.append(str(CHECKOUT))
        from tests.registries import Server

        server = Server(Path(tempfile.mkdtemp(dir=self.bench.directory)))
        self.bench.stack.callback(server.stop)
        return server

    def digests(self) -> list[str]:
        """Of the layers, 64 digits each, lowest first."""
        blobs = self.layout / "blobs" / "sha256"
        index = json.loads((self.layout / "index.json").read_text())
        manifest = json.loads((blobs / index["manifests"][0]["digest"][7:]).read_text())
        return [layer["digest"][7:] for layer in manifest["layers"]]

    def pulled_by_podman(self, cold: Path) -> list[str]:
        words = ["podman", "--root", f"{cold}/root", "--runroot", f"{cold}/run", "--tmpdir", f"{cold}/tmp"]
        words += ["--storage-driver=overlay", "--events-backend=file", "--cgroup-manager=cgroupfs"]
        return [*words, "pull", "-q", "--tls-verify=false", self.name]

    def pulled_by_tools(self, cold: Path) -> list[str]:
        return ["sh", "-euc", SKOPEO_AND_TAR, "sh", self.name, str(cold), *self.digests()]

    def pulled(self, cold: Path) -> list[str]:
        return [*minirun(cold), "pull", "-q", self.name]


def minirun(place: Path) -> list[str]:
    return [MINIRUN, "--root", f"{place}/root", "--state", f"{place}/state"]


SKOPEO_AND_TAR = """
name=$1 dir=$2
shift 2
skopeo --insecure-policy copy -q --src-tls-verify=false "docker://$name" "dir:$dir"
cd "$dir"
printf '%s\\n' "$@" | xargs -P2 -I{} sh -euc 'mkdir {}.d && tar -xzf {} -C {}.d'
"""


# ---- the benchmarks ---------------------------------------------------------------------------------------


def pull(bench: "Bench") -> Iterator[Row]:
    place = Place(bench)
    commands = {
        "podman": place.pulled_by_podman,
        "skopeo + tar": place.pulled_by_tools,
        "minirun": place.pulled,
    }
    costs = in_turns(commands, place.cold, RUNS)
    for mount in place.cold.glob("*/root/overlay"):  # podman's, which it leaves
        subprocess.run(["umount", "-l", str(mount)], check=False, capture_output=True)
    yield from compared("pull", costs, ["podman", "minirun"])
    yield from compared("pull, beside tar", costs, ["skopeo + tar", "minirun"])
    for who, runs in costs.items():
        yield row("pull, processor time", who, [one.cpu_milliseconds for one in runs])
    yield row("pull, peak memory (MB)", "podman", [one.peak_megabytes for one in costs["podman"]])
    yield row("pull, peak memory (MB)", "minirun", [one.peak_megabytes for one in costs["minirun"]])


def compared(benchmark: str, costs: dict[str, list[Cost]], names: list[str]) -> Iterator[Row]:
    for name in names:
        yield row(benchmark, name, [one.milliseconds for one in costs[name]])


def push(bench: "Bench") -> Iterator[Row]:
    """Both read minirun's store, and each time the registry is a new one."""
    place = Place(bench)
    ours = minirun(bench.directory / "pushing")
    call(*ours, "pull", "-q", place.name)

    def pushed(_: Path) -> list[str]:
        name = f"{place.registry().host}/bench:latest"
        call(*ours, "tag", place.name, name)
        return [*ours, "push", "-q", name]

    def copied(_: Path) -> list[str]:
        source = f"oci:{bench.directory}/pushing/root/images:{place.name}"
        target = f"docker://{place.registry().host}/bench:latest"
        return ["skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false", source, target]

    costs = in_turns({"skopeo copy": copied, "minirun": pushed}, place.cold, RUNS)
    yield from compared("push", costs, list(costs))


def listing(bench: "Bench") -> Iterator[Row]:
    """`images` with IMAGES images of one small layer each."""
    fill = [sys.executable, "-c", FILL, str(CHECKOUT), f"{bench.directory}/full", str(IMAGES)]
    call(*fill)
    command = [MINIRUN, "--root", f"{bench.directory}/full/root", "--state", f"{bench.directory}/full/state"]
    yield from hyperfine("images", {f"minirun, {IMAGES} images": [*command, "images"]})


FILL = """
import sys
from pathlib import Path
sys.path.append(sys.argv[1])
from tests.image_tars import add_image, entry, store_in, tar
store = store_in(Path(sys.argv[2]))
for number in range(int(sys.argv[3])):
    add_image(store, tar(entry("number", str(number).encode())), name=f"image{number}").layer_paths()
"""

BENCHMARKS = {"pull": pull, "push": push, "images": listing}
