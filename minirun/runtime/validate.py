"""What a config.json may not ask for, because it would change the host and not the container.

A host name, a sysctl: each belongs to a namespace.  Where the container has none of its own of that kind, the write
would reach the host, or whoever shares the host's.  An error names the key and the namespace that it needs.

See  runc libcontainer/configs/validate for the same rules; sysctl(8), namespaces(7)
"""

from __future__ import annotations

import os

from minirun.errors import MinirunError, UsageError
from minirun.linux import capabilities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.runtime.config import Config, Namespace, Process

_FILES = {"network": "net", "mount": "mnt"}  # in /proc/PID/ns, where the kind is called something else
# ipc_namespaces(7): what is to be found below kernel/ for each ipc namespace
_IPC = frozenset(["msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced"])


def own_namespaces(namespaces: list[Namespace]) -> set[str]:
    """The kinds that the container does not share with the host: new ones, and joined ones of somebody else."""
    return {one["type"] for one in namespaces if not is_of_host(one["type"], one.get("path", ""))}


def is_of_host(kind: str, path: str) -> bool:
    """Whether the namespace file `path` is the namespace that this process, or the host's first one, is in."""
    if not path:
        return False
    name, found = _FILES.get(kind, kind), os.stat(path)
    return any(_is_in(who, name, found) for who in ("self", "1"))


def _is_in(who: str, name: str, namespace: os.stat_result) -> bool:
    try:
        return os.path.samestat(namespace, os.stat(f"/proc/{who}/ns/{name}"))
    except PermissionError:  # of PID 1, whom not every root may look at
        return False


def check_names(config: Config, own: set[str]) -> None:
    """Raises MinirunError for a host name or domain name that would be the host's."""
    for key in ("hostname", "domainname"):
        if config.get(key) and "uts" not in own:
            raise MinirunError(
                f"config.json: {key}: the container has no uts namespace of its own, so the host would be renamed",
                'add {"type": "uts"} to linux.namespaces, or leave the name out',
            )


def sysctl_files(sysctls: dict[str, str], own: set[str]) -> dict[str, str]:
    """{file below /proc/sys: value} for `linux.sysctl`.  Raises MinirunError for what is not the container's own.

    >>> sysctl_files({"net.ipv4.conf.eth0/7.mtu": "1"}, {"network"})
    {'net/ipv4/conf/eth0.7/mtu': '1'}
    """
    files = {}
    for key, value in sysctls.items():
        what = f"config.json: linux.sysctl {key}"
        try:
            parts = _parts(key)
        except UsageError as error:
            raise UsageError(f"config.json: linux.sysctl: {error}") from None
        if parts == ["kernel", "hostname"]:
            raise MinirunError(f"{what}: use hostname instead")
        needed = _namespace_of(parts)
        if not needed:
            raise MinirunError(
                f"{what} is the host's: all containers share it", "set it on the host with sysctl(8)"
            )
        if needed not in own:
            raise MinirunError(
                f"{what} would be the host's: the container has no {needed} namespace of its own",
                f'add {{"type": "{needed}"}} to linux.namespaces, or set it on the host with sysctl(8)',
            )
        files["/".join(parts)] = value
    return files


def sysctl_namespace(key: str) -> str:
    """The kind of namespace that has the sysctl for itself; "" when it is the host's alone.

    >>> sysctl_namespace("net.core.somaxconn"), sysctl_namespace("vm.swappiness")
    ('network', '')
    """
    return _namespace_of(_parts(key))


def _parts(key: str) -> list[str]:
    """a.b.c and a/b/c are the same.  The sign that comes first separates; the other one stands for it in a name."""
    dot, slash = key.find("."), key.find("/")
    dots_first = dot >= 0 and (slash < 0 or dot < slash)
    parts = (key.translate(str.maketrans("./", "/.")) if dots_first else key).split("/")
    if {"", ".", ".."} & set(parts) or "\0" in key:
        raise UsageError(f'"{key}" is no name of a sysctl')
    return parts


def _namespace_of(parts: list[str]) -> str:
    if parts[0] == "net":
        return "network"
    if parts[:2] == ["fs", "mqueue"] or (len(parts) == 2 and parts[0] == "kernel" and parts[1] in _IPC):
        return "ipc"
    return "uts" if parts == ["kernel", "domainname"] else ""


def unknown_capabilities(process: Process) -> list[str]:
    """Those that are asked for and left out, as "process.capabilities.bounding[3]: CAP_NEWER"."""
    sets: dict[str, list[str]] = {**process.get("capabilities", {})}  # type: ignore[dict-item]
    return [
        f"process.capabilities.{kind}[{number}]: {name}"
        for kind, names in sets.items()
        for number, name in enumerate(names)
        if not capabilities.is_known(name)
    ]
