"""Containers as the engine remembers them: one container.json each, and who may change it.

A record has what the person asked for, fixed at creation, and `state`, which only the shim writes while it lives.
Whether it lives is not written down but asked: the shim holds a lock on a file as long as it runs, and the kernel
lets go of it when the shim dies, however it dies.

    created -> running -> exited            a record "running" without a shim: its shim was killed ("shim lost")
"""

from __future__ import annotations

import fcntl
import os
import time

from minirun import files
from minirun.errors import ConflictError, MinirunError, NotFoundError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.engine.record_types import Record, RunState
    from minirun.paths import Paths

VERSION = 9  # of container.json's format; older_records.py reads those before
_CGROUPS = "/minirun"  # cgroup_files.PARENT
_START = "start.lock"
_NEW, GONE = ".new-", ".gone-"  # before the name of a directory that is being made, or deleted

# for those who give no --name: words of a container's trade, two together are easy to say
_ADJECTIVES = "amber brave calm clever crisp eager fair gentle keen light lucky nimble quick quiet sunny"
_NOUNS = "anchor barge beacon buoy captain cargo crane dock ferry harbour keel lantern mast pilot sail tug"


def now() -> str:
    """This moment in RFC 3339 with nanoseconds, as Docker writes times."""
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds:09d}Z"


def new_state() -> RunState:
    """The state of a container that has never run."""
    return {
        "status": "created",
        "pid": 0,
        "exit_code": 0,
        "started": "",
        "finished": "",
        "oom_killed": False,
        "error": "",
        "health": None,
    }


def is_up(record: Record) -> bool:
    """Whether it has a process: it runs, or is paused."""
    return record["state"]["status"] in ("running", "paused")


def is_probed(record: Record) -> bool:
    """Whether it has a health check: its own or the image's, and not switched off."""
    settings = record["health"]
    return bool(settings and settings["test"] and settings["test"][0] != "NONE")


def cgroup(record: Record) -> str:
    """The container's control group, below the cgroup2 mount.

    >>> cgroup({"id": "4f5e", "options": {"cgroup_parent": "/machine.slice"}})
    '/machine.slice/4f5e'
    """
    parent = record["options"]["cgroup_parent"]
    above = parent if parent.startswith("/") else f"{_CGROUPS}/{parent}"
    return f"{above.rstrip('/')}/{record['id']}"


def path(paths: Paths, container_id: str) -> str:
    return f"{paths.container(container_id)}/container.json"


def new_id() -> str:
    """64 hexadecimal digits, as Docker's ids."""
    return os.urandom(32).hex()


def add(paths: Paths, record: Record, *, starts: bool = False) -> int:
    """Write a new record, with a name nobody has; its directory is there whole or not at all.

    `starts`: it is to be started by who calls, who then has to keep what is returned open: see order_start().
    Raises ConflictError when the name asked for is taken.
    """
    with changing(paths):
        clear_unfinished(paths)
        taken = require_free(paths, record["name"])
        record["name"] = record["name"] or _random_name(taken)
        new, start = f"{paths.containers}/{_NEW}{record['id']}", -1
        try:
            os.mkdir(new, 0o700)
            start = order_start(new) if starts else -1
            _write(new, record)
            os.rename(new, paths.container(record["id"]))
        except BaseException:
            if start >= 0:
                os.close(start)
            files.remove_tree(new)
            raise
    return start


def clear_unfinished(paths: Paths) -> None:
    """Remove what one who was killed in add() has left.  Call it with the lock of changing(), which they held."""
    for name in files.names_in(paths.containers):
        if name.startswith(_NEW):
            files.remove_tree(f"{paths.containers}/{name}")


def has_leftovers(paths: Paths) -> bool:
    """Whether there are directories of containers that are half made, or half removed."""
    return any(name.startswith((_NEW, GONE)) for name in files.names_in(paths.containers))


def require_free(paths: Paths, name: str) -> dict[str, str]:
    """Raises ConflictError when a container has the name.  Returns {name: id} of all there are."""
    taken = {other["name"]: other["id"] for other in list_all(paths)}
    if name in taken:
        raise ConflictError(
            f'Conflict. The container name "/{name}" is already in use by container "{taken[name]}"',
            "remove or rename that container, or choose another name",
        )
    return taken


def changing(paths: Paths) -> files.locked:
    """The lock under which containers come, go, change their name and get a shim: one for all, held briefly."""
    return files.locked(change_lock(paths))


def change_lock(paths: Paths) -> str:
    return f"{paths.containers}/.lock"


def _random_name(taken: dict[str, str]) -> str:
    while True:
        name = f"{_pick(_ADJECTIVES)}_{_pick(_NOUNS)}"
        if name not in taken:
            return name
        name += str(os.urandom(1)[0])
        if name not in taken:
            return name


def _pick(words: str) -> str:
    choices = words.split()
    return choices[os.urandom(1)[0] % len(choices)]


def write(paths: Paths, record: Record) -> None:
    """What is to come back after a power cut has to be on the disk before it."""
    _write(paths.container(record["id"]), record)


def _write(directory: str, record: Record) -> None:
    durable = record["options"]["restart"]["name"] != "no"
    files.write_json(f"{directory}/container.json", record, durable=durable)


def read(paths: Paths, container_id: str) -> Record:
    """Raises NotFoundError when the record went away in between, MinirunError when it is damaged."""
    record = _read(paths, container_id)
    if record is None:
        raise NotFoundError(f"No such container: {container_id}")
    if isinstance(record, ValueError):
        raise _damage(paths.container(container_id), record)
    found: Record = record
    return found


def list_all(paths: Paths) -> list[Record]:
    """All records, oldest first.

    A directory whose record is not written yet, or not any more, is passed over; so is what damaged() names.
    """
    read = (_read(paths, name) for name in _names(paths))
    found: list[Record] = [one for one in read if one and not isinstance(one, ValueError)]
    return sorted(found, key=lambda record: str(record["created"]))


def damaged(paths: Paths) -> list[str]:
    """The directories whose record cannot be understood: a power cut, a full disk, a hand."""
    return [paths.container(name) for name in _names(paths) if isinstance(_read(paths, name), ValueError)]


def require_sound(paths: Paths) -> None:
    """Raise MinirunError when a record is damaged: for those who are about to delete what no container uses."""
    for name in _names(paths):
        if isinstance(wrong := _read(paths, name), ValueError):
            raise _damage(paths.container(name), wrong)


class _Newer(ValueError):
    """A record that was written by a minirun of later days."""


def _damage(directory: str, wrong: ValueError) -> MinirunError:
    if isinstance(wrong, _Newer):
        return MinirunError(f"{directory}/container.json: {wrong}", "use that minirun for this container")
    hint = f"repair the file, or do without the container: rm -r {directory}"
    return MinirunError(f"the record of a container is damaged: {directory}/container.json", hint)


def _read(paths: Paths, name: str) -> Any:
    """The record, what is wrong with it (ValueError), or None when there is none."""
    try:
        found = files.read_json(path(paths, name))
        version = found.get("version") if isinstance(found, dict) else None
        if version == VERSION:
            return found
        if not isinstance(version, int):
            return ValueError("it is no record")
        if version > VERSION:
            return _Newer(f"a newer minirun wrote it, in format {version}; this one knows {VERSION}")
        from minirun.engine import older_records

        return {**older_records.upgraded(found), "version": VERSION}
    except ValueError as error:
        return error
    except (FileNotFoundError, NotADirectoryError):
        return None


def is_older(paths: Paths, container_id: str) -> bool:
    """Whether it is an earlier minirun that wrote the record last: the shim's, while there is one."""
    return bool(files.read_json(path(paths, container_id))["version"] < VERSION)


def _names(paths: Paths) -> list[str]:
    """All but the lock, and what is being deleted."""
    return files.visible_names(paths.containers)


def find(paths: Paths, text: str) -> Record:
    """The container that `text` names: a whole id, a name, or the beginning of one id.

    Raises NotFoundError, or UsageError when several ids begin like that.
    """
    if text and os.path.exists(path(paths, text)):
        return read(paths, text)
    records = list_all(paths)
    for record in records:
        if record["name"] == text.removeprefix("/"):
            return record
    matching = [record for record in records if text and record["id"].startswith(text)]
    if len(matching) > 1:
        raise UsageError(f'several container ids begin with "{text}"', "give more digits, or a name")
    if not matching:
        raise NotFoundError(f"No such container: {text}", "`minirun ps -a` lists them all")
    return matching[0]


# ---- the shim's lock ----------------------------------------------------------------------------------------


def shim_lock(paths: Paths, container_id: str) -> str:
    return f"{paths.run(container_id)}/shim.lock"


def has_shim(paths: Paths, container_id: str) -> bool:
    """Whether a living shim looks after the container."""
    return files.is_locked(shim_lock(paths, container_id))


# ---- a start that was ordered -------------------------------------------------------------------------------


def order_start(directory: str) -> int:
    """Note in a container's directory that its start is ordered, until it has begun.  Returns a locked descriptor.

    It goes with the order, by SCM_RIGHTS, so that one process or the other, or the socket between them, holds the lock
    until the program runs.  Who finds the file and no lock on it knows that all of them were killed.
    Raises FileNotFoundError when the directory has just gone.
    """
    fd = os.open(f"{directory}/{_START}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_SH)
    return fd


def is_start_ordered(paths: Paths, container_id: str) -> bool:
    """Whether somebody sees to a start just now: its program does not run yet, or has just begun."""
    return files.is_locked(f"{paths.container(container_id)}/{_START}", shared=True)


def lost_start(paths: Paths, container_id: str) -> bool:
    """Whether a start was ordered, and whoever was to see to it was killed."""
    lock = f"{paths.container(container_id)}/{_START}"
    return os.path.exists(lock) and not files.is_locked(lock, shared=True)


def forget_start(paths: Paths, container_id: str) -> None:
    """It has begun, or failed and everything is put away."""
    try:
        os.unlink(f"{paths.container(container_id)}/{_START}")
    except FileNotFoundError:
        pass
