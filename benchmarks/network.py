"""Traffic beside docker's: between containers, in by a published port, and the requests of a web server.

Each engine has a host of its own, a network namespace, joined by a veth pair to one that is the client's machine.
The same image runs in both: Debian with iperf3 and nginx, installed once.  In turns, as everywhere here.

    neighbours    iperf3 from one container to another, by address, on a network that was created
    published     iperf3 from the client's machine to a published port
    from host     iperf3 from the host to its own address and a published port
    requests      wrk from the client's machine to nginx behind a published port
    ready         `run -d` on the bridge beside --network none: what the network costs

By hand  iperf3 -s; iperf3 -c ADDRESS; wrk -t1 -c16 -d3 http://ADDRESS:8080/
"""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from measuring import CHECKOUT, Row, call, hyperfine, row

if TYPE_CHECKING:
    from bench import Bench

IMAGE = "traffic"
ROUNDS, SECONDS = 5, "3"
INSTALL = """apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
iperf3 nginx-light && echo 'a page' >/var/www/html/index.html"""
SERVICES = "iperf3 -s -D -p 5201; exec nginx -g 'daemon off;'"


class Host:
    """An engine in its network namespace, and the client's machine."""

    def __init__(self, bench: "Bench", who: str, words: list[str], where: str, number: int) -> None:
        self.where = where
        self.words = words
        self.client = str(bench.directory / f"client-{who}")
        self.address, self.there = f"198.51.{120 + number}.1", f"198.51.{120 + number}.2"
        Path(self.client).touch()
        call("unshare", f"--net={self.client}", "true")
        bench.stack.callback(subprocess.run, ["umount", self.client], capture_output=True)
        link = f"bench{number}"
        call(
            "nsenter",
            f"--net={where}",
            "ip",
            "link",
            "add",
            link,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            self.client,
        )
        for enter, name, address in ((where, link, self.address), (self.client, "eth0", self.there)):
            call("nsenter", f"--net={enter}", "ip", "address", "add", f"{address}/24", "dev", name)
            call("nsenter", f"--net={enter}", "ip", "link", "set", name, "up")

    def start(self) -> None:
        """Two containers on a network of their own; the first publishes its services."""
        self("network", "create", "bench")
        for name, ports in (("server", ["-p", "5201:5201", "-p", "8080:80"]), ("neighbour", [])):
            self("run", "-d", "--name", name, "--network", "bench", *ports, IMAGE, "sh", "-c", SERVICES)
        template = "{{.NetworkSettings.Networks.bench.IPAddress}}"
        self.server = self("inspect", "-f", template, "server").strip()
        time.sleep(1)

    def stop(self) -> None:
        self("rm", "-f", "server", "neighbour")
        self("network", "rm", "bench")

    def __call__(self, *words: str) -> str:
        return call(*self.words, *words)

    def neighbours(self) -> float:
        return _gigabits(self("exec", "neighbour", *_iperf(self.server)))

    def published(self) -> float:
        return _gigabits(call("nsenter", f"--net={self.client}", *_iperf(self.address)))

    def from_host(self) -> float:
        return _gigabits(call("nsenter", f"--net={self.where}", *_iperf(self.address)))

    def requests(self) -> float:
        words = ("wrk", "-t1", "-c16", f"-d{SECONDS}", f"http://{self.address}:8080/")
        said = call("nsenter", f"--net={self.client}", *words)
        return float(re.findall(r"Requests/sec: +([\d.]+)", said)[0])


def _iperf(address: str) -> tuple[str, ...]:
    return "iperf3", "-J", "-t", SECONDS, "-c", address


def _gigabits(text: str) -> float:
    return float(json.loads(text)["end"]["sum_received"]["bits_per_second"]) / 1e9


def bench_network(bench: "Bench") -> Iterator[Row]:
    hosts = _hosts(bench)
    for host in hosts.values():
        host.start()
    kinds = {
        "neighbours, Gbit/s": Host.neighbours,
        "published port, Gbit/s": Host.published,
        "published port from the host, Gbit/s": Host.from_host,
        "nginx by a published port, requests/s": Host.requests,
    }
    for kind, measure in kinds.items():
        found: dict[str, list[float]] = {who: [] for who in hosts}
        for _ in range(ROUNDS):
            for who, host in hosts.items():
                found[who].append(measure(host))
        yield from (row(kind, who, numbers) for who, numbers in found.items())
    for host in hosts.values():
        host.stop()
    yield from _ready(bench)


def _hosts(bench: "Bench") -> dict[str, Host]:
    own = str(bench.directory / "host")
    Path(own).touch()
    call("unshare", f"--net={own}", "ip", "link", "set", "lo", "up")
    bench.stack.callback(subprocess.run, ["umount", own], capture_output=True)
    archive = _image(bench)
    made = {}
    if docker := bench.peers().get("docker"):
        call(*docker, "load", "-q", "-i", archive)
        made["docker"] = Host(bench, "docker", docker, f"/proc/{bench.docker_pid}/ns/net", 1)
    made["minirun"] = Host(bench, "minirun", ["nsenter", f"--net={own}", *bench.minirun], own, 2)
    return made


def _image(bench: "Bench") -> Path:
    """Debian with what is measured with, in minirun's store and as an archive."""
    debian = bench.directory / "debian.tar"
    call(CHECKOUT / "scripts" / "rootfs", "debian", "--output", debian)
    call(*bench.minirun, "load", "-q", "-i", debian)
    call(*bench.minirun, "run", "--name", "made", "debian", "sh", "-c", INSTALL)
    call(*bench.minirun, "commit", "made", IMAGE)
    call(*bench.minirun, "rm", "made")
    archive = bench.directory / "traffic.tar"
    call(*bench.minirun, "save", "-o", archive, IMAGE)
    return archive


def _ready(bench: "Bench") -> Iterator[Row]:
    commands = {
        f"minirun, {network}": [
            *bench.minirun,
            "run",
            "-d",
            f"--network={network}",
            "busybox",
            "sleep",
            "600",
        ]
        for network in ("none", "bridge")
    }
    yield from hyperfine("run -d, the network's part", commands)
    if ids := call(*bench.minirun, "ps", "-aq").split():
        call(*bench.minirun, "rm", "-f", *ids)


BENCHMARKS = {"network": bench_network}
