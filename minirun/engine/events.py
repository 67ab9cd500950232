"""What happened, one JSON object a line: {root}/events.jsonl, and events.jsonl.1 with what was before.

There is no daemon that could be asked, so whoever does something writes it down: commands and shims, many at once.
Each takes the lock of the file itself, so that a line is whole, times only grow, and nobody writes to a file that
has just been put aside.  News is worth less than what it tells of: where it cannot be written, it is not.

See  docs/logs-and-events.md; docs.docker.com "docker system events" for the words and keys; logs/tail.py for reading
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time

from minirun import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.engine.record_types import Record
    from minirun.network.ledger import Network
    from minirun.paths import Paths

LARGEST = 4 << 20  # bytes, some ten thousand events; then the file is put aside, and the one before goes


def path(paths: Paths) -> str:
    return f"{paths.root}/events.jsonl"


def emit(paths: Paths, kind: str, action: str, id: str, attributes: dict[str, str]) -> None:
    """Append one event.  `kind` is container, image, volume or network; `id` what it happened to."""
    with contextlib.suppress(OSError):
        fd = _locked(path(paths))
        try:
            _append(fd, jsontext.dumps(_event(kind, action, id, attributes)).encode() + b"\n")
        finally:
            os.close(fd)


def of_container(paths: Paths, record: Record, action: str, **attributes: str) -> None:
    """An event of a container: its labels, image and name are attributes of each, as Docker's."""
    image = record["options"]["image"]  # as it was written
    named = {**record["labels"], "image": image, "name": record["name"], **attributes}
    emit(paths, "container", action, record["id"], named)


def of_networks(paths: Paths, record: Record, action: str) -> None:
    """`connect` and `disconnect`: the networks a container runs with."""
    names = [attachment["network"] for attachment in record["attachments"]] or [record["network"]]
    for name in names if not record["network"].startswith("container:") else ():
        kind = {"none": "null", "host": "host"}.get(name, "bridge")
        emit(paths, "network", action, name, {"container": record["id"], "name": name, "type": kind})


def of_one_network(paths: Paths, network: Network, action: str, **attributes: str) -> None:
    """`create`, `destroy`, and `connect` and `disconnect` of a container that runs."""
    emit(
        paths,
        "network",
        action,
        network["id"],
        {**attributes, "name": network["name"], "type": network.get("driver", "bridge")},
    )


def _event(kind: str, action: str, id: str, attributes: dict[str, str]) -> dict[str, Any]:
    """Docker's keys: "status", "id" and "from" are those of its first version, which many still read."""
    first: dict[str, str] = {"status": action, "id": id} if kind in ("container", "image") else {}
    if kind == "container" and "image" in attributes:  # `prune` is of no container
        first["from"] = attributes["image"]
    nanoseconds = time.time_ns()
    return {
        **first,
        "Type": kind,
        "Action": action,
        "Actor": {"ID": id, "Attributes": attributes},
        "scope": "local",
        "time": nanoseconds // 10**9,
        "timeNano": nanoseconds,
    }


def _locked(name: str) -> int:
    """The file open and locked: the one that has the name, and room for one more event."""
    while True:
        fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            if _has_name(fd, name):
                if os.fstat(fd).st_size < LARGEST:
                    return fd
                os.rename(name, f"{name}.1")
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # somebody has put it aside while we waited, or we have now


def _has_name(fd: int, name: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(name))
    except FileNotFoundError:
        return False


def _append(fd: int, line: bytes) -> None:
    """All of it, or nothing where the disk is full."""
    size = os.fstat(fd).st_size
    if size and os.pread(fd, 1, size - 1) != b"\n":
        line = b"\n" + line  # the machine went down in the middle of the one before
    if os.write(fd, line) < len(line):
        os.ftruncate(fd, size)
