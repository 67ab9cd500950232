"""What people do to containers that exist: stop, remove, look at, enter.

See  signal(7); Docker's `stop`: TERM, ten seconds, KILL
"""

from __future__ import annotations

import contextlib
import select
import signal
import time

from minirun import files
from minirun.engine import bundle, channel, cleanup, records
from minirun.errors import ConflictError, MinirunError, NotFoundError
from minirun.linux import cgroups
from minirun.runtime import container, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

    from minirun.engine.record_types import Record
    from minirun.paths import Paths
    from minirun.runtime.config import Process

STOP_TIMEOUT = 10  # seconds
_DEATH_TIMEOUT = 10  # seconds that a shim may take to put things away after its container's end


def find(paths: Paths, text: str) -> Record:
    """The container `text` names, as it truly is.  Raises NotFoundError."""
    return cleanup.reconcile(paths, records.find(paths, text))


def all_containers(paths: Paths) -> list[Record]:
    """All records as they truly are, newest first."""
    return [cleanup.reconcile(paths, record) for record in reversed(records.everything(paths))]


def stop(paths: Paths, record: Record, timeout_seconds: int = STOP_TIMEOUT) -> str:
    """Ask the first process to end, and after the timeout make it.  Returns a remark for the person, or ""."""
    sock = _shim(paths, record)
    if sock is None:
        return ""
    number = signal_number(record["stop_signal"])
    ignored = _ignores(record["state"]["pid"], number)
    channel.send_json(sock, channel.SIGNAL, number)
    if _ended(sock, timeout_seconds):
        return ""
    kill(paths, record, sock)
    name = signal.Signals(number).name
    return f"{record['name']} has no handler for {name} as PID 1, so it had to be killed" if ignored else ""


def _ignores(pid: int, number: int) -> bool:
    """Whether PID 1 `pid` has no handler for the signal: the kernel then drops it (pid_namespaces(7))."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            caught = next(line for line in file if line.startswith("SigCgt"))
    except (OSError, StopIteration):
        return False
    return not int(caught.split()[1], 16) >> (number - 1) & 1


def kill(paths: Paths, record: Record, sock: socket.socket | None = None) -> None:
    """End a container at once, and wait until its shim has put everything away."""
    sock = sock or _shim(paths, record)
    with contextlib.suppress(NotFoundError):
        container.kill(paths.state, record["id"], signal.SIGKILL, everybody=True)
    if sock is not None and not _ended(sock, _DEATH_TIMEOUT):
        raise MinirunError(
            f"container {record['name']} does not end though it was killed", "a process hangs in the kernel"
        )


def _shim(paths: Paths, record: Record) -> socket.socket | None:
    if not records.has_shim(paths, record["id"]):
        return None
    return channel.connect(f"{paths.run(record['id'])}/shim.sock")


def _ended(sock: socket.socket, timeout_seconds: float) -> bool:
    """Read what the shim says until it says the container has ended, or is gone.  False when time runs out."""
    deadline = time.monotonic() + timeout_seconds
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        if poll.poll(left * 1000) and channel.receive(sock)[0] in (channel.EXITED, channel.FAILED, b""):
            return True
    return False


def remove(paths: Paths, record: Record, *, force: bool) -> None:
    """Take a container away with all it has.  Raises ConflictError when it runs and `force` is not given."""
    name = record["name"]
    if records.has_shim(paths, record["id"]):
        if not force:
            raise ConflictError(
                f'cannot remove container "/{name}": container is running: '
                "stop the container before removing or force remove"
            )
        kill(paths, record)
    with files.locked(f"{paths.containers}/.reconcile.lock"):
        with contextlib.suppress(NotFoundError):
            record = records.read(paths, record["id"])
            cleanup.release(paths, record)
        cleanup.remove_files(paths, record["id"])


def signal_number(name: str) -> int:
    """SIGTERM, TERM and 15 are the same.  Raises MinirunError for what is no signal."""
    if name.isdigit():
        return int(name)
    try:
        return int(signal.Signals[name if name.startswith("SIG") else f"SIG{name}"])
    except KeyError:
        raise MinirunError(f'unknown signal "{name}"') from None


def require_running(record: Record) -> None:
    if record["state"]["status"] != "running":
        raise ConflictError(
            f"container {record['name']} is not running", "`minirun ps -a` shows how it ended"
        )


def exec_process(record: Record, args: list[str], changes: dict[str, Any]) -> Process:
    """The process of an `exec`: as the container's own, but for what `changes` says.

    `changes` may have env (list), user, workdir, tty, privileged.
    """
    changed: Record = {**record, "args": args, "init": False, "tty": bool(changes.get("tty"))}
    changed["env"] = [*record["env"], *changes.get("env", [])]
    changed["user"] = changes.get("user") or record["user"]
    changed["cwd"] = changes.get("workdir") or record["cwd"]
    if changes.get("privileged"):
        changed["capabilities"] = bundle.all_capabilities()
    return bundle.process(changed, f"/proc/{record['state']['pid']}/root")


def execute(
    paths: Paths,
    record: Record,
    process: Process,
    stdio: tuple[int, int, int] | None,
    console: socket.socket | None,
) -> container.Created:
    """Start `process` in a running container, as a child of ours."""
    cache = f"{paths.cache}/seccomp"
    return container.execute(paths.state, record["id"], process, cache=cache, stdio=stdio, console=console)


def inspect(paths: Paths, record: Record) -> dict[str, Any]:
    """What `inspect` shows, under Docker's names; limits and capabilities as the kernel has them now."""
    current = record["state"]
    return {
        "Id": record["id"],
        "Created": record["created"],
        "Path": record["args"][0],
        "Args": record["args"][1:],
        "State": {
            "Status": current["status"],
            "Running": current["status"] == "running",
            "OOMKilled": current["oom_killed"],
            "Pid": current["pid"],
            "ExitCode": current["exit_code"],
            "Error": current["error"],
            "StartedAt": current["started"],
            "FinishedAt": current["finished"],
        },
        "Image": record["image_id"],
        "Name": f"/{record['name']}",
        "LogPath": f"{paths.container(record['id'])}/log.json",
        "HostConfig": {
            "AutoRemove": record["auto_remove"],
            "Privileged": record["privileged"],
            "ReadonlyRootfs": record["readonly"],
            "NetworkMode": record["network"],
            "Ulimits": record["rlimits"],
        },
        "GraphDriver": {"Name": "overlay", "Data": _overlay(paths, record)},
        "Mounts": [_mount(mount) for mount in record["mounts"]],
        "Config": {
            "Hostname": record["hostname"],
            "User": record["user"],
            "Tty": record["tty"],
            "OpenStdin": record["interactive"],
            "Env": record["env"],
            "Cmd": record["args"],
            "Image": record["image"],
            "WorkingDir": record["cwd"],
            "Labels": record["labels"],
            "StopSignal": record["stop_signal"],
        },
        "NetworkSettings": _network(record),
        "Kernel": _kernel(paths, record),
        "Spec": _spec(paths, record),
    }


def _overlay(paths: Paths, record: Record) -> dict[str, str]:
    directory = paths.container(record["id"])
    return {
        "LowerDir": ":".join(reversed(record["layers"])),
        "UpperDir": f"{directory}/upper",
        "WorkDir": f"{directory}/work",
        "MergedDir": f"{directory}/merged",
    }


def _mount(mount: Any) -> dict[str, Any]:
    writable = "ro" not in mount.get("options", [])
    return {
        "Type": mount["type"],
        "Source": mount["source"],
        "Destination": mount["destination"],
        "RW": writable,
    }


def _network(record: Record) -> dict[str, Any]:
    endpoint = record["endpoint"] or {}
    names = {
        "IPAddress": "ip_address",
        "IPPrefixLen": "prefix_length",
        "Gateway": "gateway",
        "MacAddress": "mac_address",
    }
    return {name: endpoint.get(key, "") for name, key in names.items()}


def _kernel(paths: Paths, record: Record) -> dict[str, Any]:
    """Read back from /proc and the cgroup: what holds, not what was asked."""
    if record["state"]["status"] != "running":
        return {}
    current = state.read(paths.state, record["id"])
    with contextlib.suppress(OSError, MinirunError):
        return {"Cgroup": cgroups.directory(current["cgroup"]), **bundle.kernel_view(current)}
    return {}


def _spec(paths: Paths, record: Record) -> object:
    try:
        return files.read_json(f"{paths.container(record['id'])}/config.json")
    except OSError:
        return None
