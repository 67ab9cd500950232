"""What a network's name server takes: queries for names of its own, over UDP on the loopback.

    paced      2,000 queries a second, sent when they are due, whatever is still unanswered; the times to the replies
    at once    32 queries always under way: the most it answers, with us on another processor
    memory     what the process has to itself, from /proc/PID/smaps_rollup

The network has 100 containers; every second query is for AAAA, all speak EDNS.  A few seconds, and nothing is left.

By hand  .venv/bin/python benchmarks/names.py
"""

import json
import select
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
HERE = "127.0.0.1"
CONTAINERS = 100
RATE, SECONDS = 2000, 3
UNDER_WAY, BURST_SECONDS = 32, 1.5

SERVER = """
import socket, sys
sys.path.insert(0, sys.argv[1])
from minirun.network import nameserver_loop
nameserver_loop.serve(sys.argv[2], "bench", *([socket.socket(fileno=int(fd))] for fd in sys.argv[3:]))
"""


def write_network(directory: str) -> None:
    endpoints = {
        f"{number:012x}" + "0" * 52: {
            "name": f"web{number}",
            "aliases": [f"www{number}"],
            "addresses": [f"127.0.0.{number}", f"fd12:3456::{number:x}"],
        }
        for number in range(1, CONTAINERS + 1)
    }
    pools = [{"subnet": "127.0.0.0/24"}, {"subnet": "fd12:3456::/64"}]
    Path(directory, "bench.json").write_text(json.dumps({"pools": pools, "endpoints": endpoints}))


def query(number: int) -> bytes:
    """Query number N, which is its id, too: web7, type A or AAAA, and a record for EDNS."""
    name = f"web{number % CONTAINERS + 1}".encode()
    kind = b"\0\x1c" if number % 2 else b"\0\1"
    head = (number % 65536).to_bytes(2, "big") + b"\1\0\0\1\0\0\0\0\0\1"
    return head + bytes([len(name)]) + name + b"\0" + kind + b"\0\1" + b"\0\0\x29\4\xd0" + b"\0" * 6


def paced(sock: socket.socket) -> list[float]:
    """The milliseconds to each reply, counted from when its query was due."""
    begin = time.perf_counter()
    due = [begin + number / RATE for number in range(RATE * SECONDS)]
    times: list[float] = []
    sent = 0
    while len(times) < len(due) and time.perf_counter() < due[-1] + 1:
        if sent < len(due) and time.perf_counter() >= due[sent]:
            sock.send(query(sent))
            sent += 1
        wait = due[sent] - time.perf_counter() if sent < len(due) else 0.1
        if select.select([sock], [], [], max(wait, 0))[0]:
            number = int.from_bytes(sock.recv(2048)[:2], "big")
            times.append(1000 * (time.perf_counter() - due[number]))
    return sorted(times)


def at_once(sock: socket.socket) -> float:
    """Replies a second."""
    for number in range(UNDER_WAY):
        sock.send(query(number))
    begin, replies = time.perf_counter(), 0
    while time.perf_counter() < begin + BURST_SECONDS:
        sock.recv(2048)
        replies += 1
        sock.send(query(replies))
    return replies / BURST_SECONDS


def private_megabytes(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def main() -> None:
    udp, tcp = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
    udp.bind((HERE, 0))
    tcp.bind((HERE, 0))
    tcp.listen()
    client = socket.socket(type=socket.SOCK_DGRAM)
    client.bind((HERE, 0))
    client.connect(udp.getsockname())
    client.settimeout(5)
    with tempfile.TemporaryDirectory() as directory:
        write_network(directory)
        fds = [udp.fileno(), tcp.fileno()]
        words = [sys.executable, "-c", SERVER, str(CHECKOUT), directory, *map(str, fds)]
        server = subprocess.Popen(words, pass_fds=fds)
        try:
            client.send(query(0))
            client.recv(2048)  # it is there
            before = processor_seconds(server.pid)
            times = paced(client)
            busy = (processor_seconds(server.pid) - before) / SECONDS
            most = at_once(client)
            memory = private_megabytes(server.pid)
        finally:
            server.terminate()
            server.wait()
    middle, late = times[len(times) // 2], times[len(times) * 99 // 100]
    print(
        f"names: {RATE}/s: p50 {middle:.2f} ms, p99 {late:.2f} ms, {RATE * SECONDS - len(times)} lost, "
        f"{busy:.0%} of a processor; at most {most:.0f}/s; {memory:.1f} MB private"
    )


if __name__ == "__main__":
    main()
