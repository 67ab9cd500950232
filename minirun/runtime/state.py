"""state.json: what the runtime remembers of a container, and how its status is found out.

The file holds facts that do not change (pid, bundle, cgroup); the status is looked up each time, since a
process can end without telling anybody: a dead pid is `stopped`, a frozen cgroup `paused`, a fifo nobody has
written to is `created`.

See  runtime-spec runtime.md "State"
"""

from __future__ import annotations

import os
import time

from minirun import files
from minirun.errors import ConflictError, MinirunError, NotFoundError
from minirun.linux import cgroup_processes, processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.runtime.config import Config, State

OCI_VERSION = "1.2.0"
_LEGAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.")


def directory(state_root: str, container_id: str) -> str:
    """Where a container's state is.  Raises MinirunError for an id that could name another directory."""
    if not container_id or container_id in (".", "..") or not _LEGAL.issuperset(container_id):
        raise MinirunError(
            f'invalid container ID "{container_id}"', "letters, digits and _ + - . are allowed"
        )
    return f"{state_root}/{container_id}"


def fifo_path(state_root: str, container_id: str) -> str:
    return f"{state_root}/{container_id}/exec.fifo"


def reserve(state_root: str, container_id: str) -> int:
    """Make the container's directory and exec.fifo: whoever makes the fifo has the id.  Returns it, open.

    It is open for reading and writing, so that init's read waits for a writer and no open ever does.
    Raises ConflictError when the id is in use.
    """
    files.make_private(directory(state_root, container_id))
    path = fifo_path(state_root, container_id)
    try:
        os.mkfifo(path, 0o600)
    except FileExistsError:
        raise ConflictError(f'container ID "{container_id}" is in use already') from None
    if os.path.exists(f"{state_root}/{container_id}/state.json"):  # a running container has no fifo any more
        os.unlink(path)
        raise ConflictError(f'container ID "{container_id}" is in use already')
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)


def discard(state_root: str, container_id: str) -> None:
    """Forget the container.  The directory goes too, unless an engine keeps things of its own in it."""
    path = f"{state_root}/{container_id}"
    for name in ("state.json", "config.json", "seccomp.bpf", "exec.fifo"):
        try:
            os.unlink(f"{path}/{name}")
        except FileNotFoundError:
            pass
    try:
        os.rmdir(path)
    except OSError:
        pass


def new(container_id: str, config: Config, bundle: str, rootfs: str, cgroup: str) -> State:
    """The state of a container that is being created: no process yet."""
    return {
        "ociVersion": OCI_VERSION,
        "id": container_id,
        "status": "creating",
        "pid": 0,
        "start_time": 0,
        "bundle": bundle,
        "rootfs": rootfs,
        "created": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() % 10**9:09d}Z",
        "annotations": config.get("annotations", {}),
        "owner": "root",
        "cgroup": cgroup,
    }


def write(state_root: str, state: State) -> None:
    files.write_json(f"{state_root}/{state['id']}/state.json", state)


def keep(state_root: str, container_id: str, config: bytes, seccomp: bytes | None) -> None:
    """What the container is created with: the text of config.json, which may be changed afterwards, and its filter."""
    for name, content in (("config.json", config), ("seccomp.bpf", seccomp)):
        if content is not None:
            flags = (
                os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            )  # nobody reads it before there is a state
            fd = os.open(f"{state_root}/{container_id}/{name}", flags, 0o600)
            try:
                while content:
                    content = content[os.write(fd, content) :]
            finally:
                os.close(fd)


def read_config(state_root: str, container_id: str) -> Config:
    """What the container was created with.  Raises NotFoundError when there is no such container."""
    try:
        config: Config = files.read_json(f"{directory(state_root, container_id)}/config.json")
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(f'container "{container_id}" does not exist') from None
    return config


def read_filter(state_root: str, container_id: str) -> bytes | None:
    """The compiled seccomp filter that it was created with; None for none."""
    try:
        return files.read_bytes(f"{directory(state_root, container_id)}/seccomp.bpf")
    except FileNotFoundError:
        return None


def read(state_root: str, container_id: str) -> State:
    """The state with its true status.  Raises NotFoundError when there is no such container."""
    path = f"{directory(state_root, container_id)}/state.json"
    try:
        state: State = files.read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(f'container "{container_id}" does not exist') from None
    state["status"] = _status(state_root, state)
    if state["status"] == "stopped":
        state["pid"] = 0
    return state


def _status(state_root: str, state: State) -> str:
    if not state["pid"]:
        return state["status"]
    if not processes.is_alive(state["pid"], state["start_time"]):
        return "stopped"
    try:
        if state["cgroup"] and cgroup_processes.is_frozen(state["cgroup"]):
            return "paused"
    except OSError:  # ENOENT or ENODEV: it has ended since we looked, or somebody has taken its group away
        pass
    return "created" if os.path.exists(fifo_path(state_root, state["id"])) else "running"


def all_ids(state_root: str) -> list[str]:
    """The ids of all containers under `state_root`."""
    return [
        name
        for name in sorted(files.names_in(state_root))
        if os.path.exists(f"{state_root}/{name}/state.json")
    ]


def require(state: State, *allowed: str) -> None:
    """Raises ConflictError unless the status is one of `allowed`."""
    if state["status"] not in allowed:
        what = f"container not {'running' if 'running' in allowed else allowed[0]}"
        raise ConflictError(f'{what}: "{state["id"]}" is {state["status"]}')
