"""From a container's record to its OCI bundle: config.json, and the three files of /etc that are its own.

Made in the shim each time the container starts, since the image's passwd (for `-u`) can only be read once the
overlay is mounted.  Docker's defaults meet the options here; below here nobody knows either.

See      runtime/spec.py for the defaults; runtime-spec config.md
Next     runtime/container.py
"""

from __future__ import annotations

import contextlib
import os
import stat

from minirun import files
from minirun.engine import networks, users, volumes
from minirun.engine.options import mounts
from minirun.errors import UnsupportedError
from minirun.linux import capabilities, cgroups, inroot, seccomp, trace
from minirun.network import ledger, resolve
from minirun.runtime import spec
from minirun.runtime.state import OCI_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from minirun.engine.record_types import Record
    from minirun.network.ledger import Endpoint, Network
    from minirun.paths import Paths
    from minirun.runtime.config import Config, Device, MountEntry, Process, State

INIT_IN_CONTAINER = "/sbin/docker-init"
_WHY = {
    "hostname": "to be /etc/hostname",
    "hosts": "to be /etc/hosts: names that need no server",
    "resolv.conf": "to be /etc/resolv.conf: the servers to ask for names",
}
_INIT_PROGRAMS = (
    "/usr/bin/tini-static",
    "/usr/bin/catatonit",
    "/usr/bin/docker-init",
    "/usr/libexec/podman/catatonit",
)


def write(paths: Paths, record: Record, rootfs: str) -> None:
    """Write config.json and the /etc files into the container's directory, which is its bundle.

    `rootfs` is the mounted overlay.  A container in another's network has that one's names: its files of /etc.
    """
    directory = paths.container(record["id"])
    if networks.is_shared(record):
        host = networks.host_of(paths, record)
        record["hostname"] = host["hostname"]
        etc = paths.container(host["id"])
    else:
        etc = directory
        for name, text in etc_files(record, networks.places(paths, record["id"])).items():
            files.write_whole(f"{directory}/{name}", text.encode())
            trace.announce("creat", [f"{directory}/{name}", text], _WHY[name])
    network = networks.namespace(paths, record)
    files.write_json(f"{directory}/config.json", configure(record, etc, rootfs, network))


def configure(record: Record, etc: str, rootfs: str, network: str) -> Config:
    """config.json for the record.

    `etc` is the directory with its files of /etc; `network` is the path of a namespace to join, "" or "host".
    """
    privileged = record["options"]["privileged"]
    config: Config = {
        "ociVersion": OCI_VERSION,
        "process": process(record, rootfs),
        "root": {"path": rootfs, "readonly": record["options"]["readonly"]},
        "hostname": record["hostname"],
        "mounts": list(_mounts(record, etc)),
        "annotations": {
            "io.minirun.name": record["name"],
            "io.minirun.image": record["image"],
            **record["options"]["annotations"],
        },
        "linux": {
            "namespaces": spec.default_namespaces(network),
            "cgroupsPath": f"/minirun/{record['id']}",
            "resources": {
                **record["options"]["resources"],
                "unified": record["options"]["cgroup_conf"],
                "devices": [] if privileged else [{"allow": False, "access": "rwm"}],
            },
            "devices": list(_host_devices()) if privileged else [],
            "maskedPaths": [] if privileged else spec.masked_paths(),
            "readonlyPaths": [] if privileged else list(spec.READONLY_PATHS),
        },
    }
    if record["options"]["domainname"]:
        config["domainname"] = record["options"]["domainname"]
    profile = record["options"]["seccomp"]
    if profile == {} and not privileged:  # whoever is privileged has a filter only by asking for one
        profile = seccomp.default_profile()
    if profile:
        arch = seccomp.native_arch()
        config["linux"]["seccomp"] = seccomp.docker_profile_to_oci(profile, record["capabilities"], arch)
    return config


def process(record: Record, rootfs: str) -> Process:
    """The main program: who, where, with what."""
    made = spec.default_process(record["args"], record["capabilities"])
    user, home = users.resolve(
        record["user"],
        inroot.read_in_root(rootfs, "/etc/passwd"),
        inroot.read_in_root(rootfs, "/etc/group"),
        record["options"]["groups"],
    )
    made["user"] = user
    made["cwd"] = record["cwd"] or "/"
    made["env"] = environment(record["env"], home, record["hostname"], record["options"]["tty"])
    made["terminal"] = record["options"]["tty"]
    made["noNewPrivileges"] = record["options"]["no_new_privileges"]
    made["rlimits"] = record["options"]["rlimits"]
    if record["options"]["oom_score_adj"]:
        made["oomScoreAdj"] = record["options"]["oom_score_adj"]
    if record["options"]["init"]:
        made["args"] = [INIT_IN_CONTAINER, "--", *record["args"]]
    return made


def environment(entries: list[str], home: str, hostname: str, tty: bool) -> list[str]:
    """PATH, HOSTNAME, TERM and HOME as Docker sets them, unless `entries` does; in Docker's order, too."""
    defaults = {"PATH": spec.DEFAULT_PATH, "HOSTNAME": hostname, **({"TERM": "xterm"} if tty else {})}
    merged = {**defaults, **dict(entry.split("=", 1) for entry in entries)}
    merged.setdefault("HOME", home)
    return [f"{name}={value}" for name, value in merged.items()]


def _mounts(record: Record, directory: str) -> Iterator[MountEntry]:
    """The default file systems, our /etc files, and what `-v` and `--tmpfs` add; a user's mount replaces ours."""
    own = volumes.mount_entries(record)
    wanted = {mount["destination"] for mount in own}
    for mount in spec.default_mounts():
        if mount["destination"] in wanted or ("/dev" in wanted and mount["destination"].startswith("/dev/")):
            continue
        if mount["destination"] == "/dev/shm" and record["options"]["shm_size"]:
            mount["options"] = [
                *mount.get("options", []),
                f"size={record['options']['shm_size']}",
            ]  # the last one counts
        if record["options"]["privileged"]:
            mount["options"] = [option for option in mount.get("options", []) if option != "ro"]
        yield mount
    names = ("resolv.conf", "hostname", "hosts")
    etc = [_bind(f"{directory}/{name}", f"/etc/{name}", "rprivate") for name in names]
    ours = [*etc, *([_bind(_init_program(), INIT_IN_CONTAINER, "ro")] if record["options"]["init"] else [])]
    # what is mounted on /a hides what was mounted on /a/b before
    yield from sorted(
        [*(mount for mount in ours if mount["destination"] not in wanted), *own],
        key=lambda mount: mounts.depth(mount["destination"]),
    )


def _bind(source: str, destination: str, *options: str) -> MountEntry:
    return {"destination": destination, "type": "bind", "source": source, "options": ["rbind", *options]}


def _init_program() -> str:
    """A static init of the host that reaps zombies and passes signals on."""
    for path in _INIT_PROGRAMS:
        if os.path.exists(path):
            return path
    raise UnsupportedError("--init needs tini or catatonit on this machine", "apt-get install tini")


def _host_devices() -> Iterator[Device]:
    """--privileged: every device node of the host's /dev, terminals and what is a mount of ours left out."""
    for directory, names, nodes in os.walk("/dev"):
        names[:] = [
            name for name in names if f"{directory}/{name}" not in ("/dev/pts", "/dev/shm", "/dev/mqueue")
        ]
        for name in sorted(nodes):
            path = f"{directory}/{name}"
            status = os.lstat(path)
            if name in ("console", "ptmx") or not (
                stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)
            ):
                continue
            yield {
                "path": path,
                "type": "b" if stat.S_ISBLK(status.st_mode) else "c",
                "major": os.major(status.st_rdev),
                "minor": os.minor(status.st_rdev),
                "fileMode": stat.S_IMODE(status.st_mode),
                "uid": status.st_uid,
                "gid": status.st_gid,
            }


def etc_files(record: Record, places: list[tuple[Network, Endpoint]]) -> dict[str, str]:
    """The texts of hostname, hosts and resolv.conf; with the host's network, the host's own resolv.conf.

    `places` are the networks it is on, its way out first.
    """
    host_text = resolve.host_resolv_conf()
    addresses = [address for _, endpoint in places for address in endpoint["addresses"]]
    asked = (record["options"]["dns"], record["options"]["dns_search"], record["options"]["dns_options"])
    servers = [network["pools"][0]["gateway"] for network, _ in places if network["name"] != ledger.DEFAULT]
    if record["network"] == "host" and not any(asked):
        resolv = host_text
    elif servers:  # any of them answers for all networks of the container
        options = ["ndots:0", *(option for option in asked[2] if option != "ndots:0")]
        resolv = resolve.resolv_conf(host_text, servers[:1], asked[1], options)
    else:
        resolv = resolve.resolv_conf(host_text, *asked)
    return {
        "hostname": record["hostname"] + "\n",
        "hosts": resolve.hosts_file(record["hostname"], addresses, _extra_hosts(record, places)),
        "resolv.conf": resolv,
    }


def _extra_hosts(record: Record, places: list[tuple[Network, Endpoint]]) -> list[tuple[str, str]]:
    """--add-host; host-gateway is the host's address on the container's first network, or of the host itself."""
    gateway = places[0][0]["pools"][0]["gateway"] if places else "127.0.0.1"
    return [
        (name, gateway if address == "host-gateway" else address)
        for name, address in record["options"]["extra_hosts"]
    ]


def rewrite_etc(
    paths: Paths,
    record: Record,
    before: list[tuple[Network, Endpoint]],
    after: list[tuple[Network, Endpoint]],
) -> None:
    """The files of /etc of a running container follow its networks; one that somebody has changed is left alone.

    They are written in place: what is mounted in the container is the file, not its name.
    """
    directory = paths.container(record["id"])
    old, new = etc_files(record, before), etc_files(record, after)
    for name, text in new.items():
        with contextlib.suppress(OSError), open(f"{directory}/{name}", "r+", encoding="utf-8") as file:
            if text != old[name] == file.read():
                file.seek(0)
                file.truncate()
                file.write(text)


def all_capabilities() -> list[str]:
    """Every capability that the host can give: its bounding set."""
    return capabilities.effective_set(privileged=True)


def kernel_view(state: State) -> dict[str, object]:
    """What the kernel holds for a running container: its limits and the capability sets of its first process."""
    limits = {}
    for file in ("memory.max", "memory.swap.max", "cpu.max", "cpu.weight", "cpuset.cpus", "pids.max"):
        with contextlib.suppress(OSError):
            limits[file] = cgroups.read(state["cgroup"], file).strip()
    sets = {name: f"{mask:016x}" for name, mask in capabilities.read_sets(state["pid"]).items()}
    return {"Limits": limits, "Capabilities": sets}
