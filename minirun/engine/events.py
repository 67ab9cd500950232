"""What happened, one JSON object a line: {root}/events.jsonl.

See  docs.docker.com "docker system events" for the words and keys
"""

from __future__ import annotations

import os
import time

from minirun import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.engine.record_types import Record
    from minirun.paths import Paths


def emit(paths: Paths, kind: str, action: str, id: str, attributes: dict[str, str]) -> None:
    """Append one event.  `kind` is container, image, volume or network; `id` what it happened to."""
    nanoseconds = time.time_ns()
    event = {
        "Type": kind,
        "Action": action,
        "Actor": {"ID": id, "Attributes": attributes},
        "scope": "local",
        "time": nanoseconds // 10**9,
        "timeNano": nanoseconds,
    }
    path = f"{paths.root}/events.jsonl"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    try:
        os.write(fd, jsontext.dumps(event).encode() + b"\n")  # O_APPEND: one write is one whole line
    finally:
        os.close(fd)


def of_container(paths: Paths, record: Record, action: str, **attributes: str) -> None:
    """An event of a container: its labels, image and name are attributes of each, as Docker's."""
    named = {**record["labels"], "image": record["image"], "name": record["name"], **attributes}
    emit(paths, "container", action, record["id"], named)
