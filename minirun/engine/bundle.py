"""Step 6 of 13: what was asked for becomes an OCI bundle, a directory with a config.json.

Made in the shim each time the container starts, and no sooner: the image's /etc/passwd, which says who `-u web` is,
can be read only once the overlay is mounted.  Docker's defaults meet the options here.  Below, nobody knows what an
image, a volume or a network is.  Above, a mount is a wish, in the record; here it becomes an entry for mount(2).

    record        what was asked (its options), and what image and host added          container.json
    etc.py        the container's own hostname, hosts, resolv.conf                     beside it
    config.json   what runtime/ makes a process of, or runc would: the bundle is OCI's

See      runtime-spec bundle.md and config.md; runtime/spec.py for Docker's defaults
By hand  minirun inspect -f '{{json .Spec}}' NAME
Left out an AppArmor profile that nobody asked for, and SELinux labels: Docker adds them where the host has them
Next     runtime/spec.py
"""

from __future__ import annotations

import os

from minirun import files
from minirun.engine import etc, host_devices, records, sandbox, users, volumes
from minirun.engine.options import mounts, security
from minirun.errors import UnsupportedError
from minirun.linux import inroot, seccomp
from minirun.runtime import spec
from minirun.runtime.state import OCI_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from minirun.engine.record_types import Record
    from minirun.paths import Paths
    from minirun.runtime.config import Config, Linux, MountEntry, Process, Rlimit

INIT_IN_CONTAINER = "/sbin/docker-init"  # where Docker puts it, and `ps` shows it
_VERSION_FOR_OTHERS = (
    "1.0.2"  # crun before 1.9 knows no later one, and all that is asked for is in it or ignored
)
_INIT_PROGRAMS = (  # static ones: the image need not have a C library, or another
    "/usr/bin/tini-static",
    "/usr/bin/catatonit",
    "/usr/bin/docker-init",
    "/usr/libexec/podman/catatonit",
)


def write(paths: Paths, record: Record, rootfs: str) -> None:
    """Write config.json and the /etc files into the container's directory, which is its bundle.

    `rootfs` is the mounted overlay.  A container in another's network has that one's names: its files of /etc.
    Raises MinirunError for what cannot be so on this host, ConflictError when the other container does not run.
    """
    directory = paths.container(record["id"])
    etc_directory = directory
    if sandbox.is_shared(record):
        host = sandbox.host_of(paths, record)
        record["hostname"] = host["hostname"]
        etc_directory = paths.container(host["id"])
    else:
        if record.get("links"):
            from minirun.engine import (
                default_links,
            )  # for the few that are linked without a network of their own

            record["linked"] = default_links.resolve(paths, record)
        etc.write(directory, record, sandbox.endpoints_of(paths, record["id"]))
    network = sandbox.namespace(paths, record)
    config = configure(record, etc_directory, rootfs, network)
    if record["namespaces"]:
        from minirun.engine import namespaces  # for the few that share others than the network's

        namespaces.share(paths, record, config)
    files.write_json(f"{directory}/config.json", config)


def configure(record: Record, etc_directory: str, rootfs: str, network: str) -> Config:
    """config.json for the record.

    `etc_directory` has its files of /etc; `network` is the path of a namespace to join, "" for a new one, or "host".
    """
    config: Config = {
        "ociVersion": _VERSION_FOR_OTHERS if record["options"]["runtime"] else OCI_VERSION,
        "process": process(record, rootfs),
        "root": {"path": rootfs, "readonly": record["options"]["readonly"]},
        "hostname": record["hostname"],
        "mounts": list(_mounts(record, etc_directory)),
        # state.json has them, too: whoever finds the container by its id alone learns whose it is.
        "annotations": {
            "io.minirun.name": record["name"],
            "io.minirun.image": record["image"],
            **record["options"]["annotations"],
        },
        "linux": _linux(record, network),
    }
    if record["options"]["domainname"]:
        config["domainname"] = record["options"]["domainname"]
    if record["options"]["cdi_devices"]:
        from minirun.engine import cdi  # for the few that have a device which a vendor describes

        cdi.inject(config, record["options"]["cdi_devices"])
    return config


def _linux(record: Record, network: str) -> Linux:
    """Namespaces, cgroup, and what may be seen and done: all that --privileged is about."""
    privileged = record["options"]["privileged"]
    nodes, rules = host_devices.of_options(record["options"])
    unmasked = security.has_open_paths(record["options"]["security_opt"], privileged)
    made: Linux = {
        "namespaces": spec.default_namespaces(network),
        "cgroupsPath": records.cgroup(record),
        "resources": {
            **record["options"]["resources"],
            "unified": record["options"]["cgroup_conf"],
            "devices": rules,
        },
        "sysctl": record["options"]["sysctls"],
        "devices": nodes,
        # /proc/kcore is the host's memory, /proc/sysrq-trigger reboots it: no namespace keeps those apart.
        "maskedPaths": [] if unmasked else spec.masked_paths(),
        "readonlyPaths": [] if unmasked else list(spec.READONLY_PATHS),
    }
    profile = record["options"]["seccomp"]
    if profile == {} and not privileged:  # whoever is privileged has a filter only by asking for one
        profile = seccomp.default_profile()
    if profile:
        # Docker's profile allows some calls only to those who have the capability for them.
        arch = seccomp.native_arch()
        made["seccomp"] = seccomp.docker_profile_to_oci(profile, record["capabilities"], arch)
    return made


def process(record: Record, rootfs: str) -> Process:
    """The program: who, where, with what.  `exec` uses it as well, with the words of its own in the record."""
    options = record["options"]
    made = spec.default_process(record["args"], record["capabilities"])
    # Users and groups are the image's, so its files are read, and from inside: a symlink in the image that leads
    # to the host's /etc/passwd is followed below `rootfs` (openat2(2), RESOLVE_IN_ROOT).
    # HOME is the runtime's to find: a passwd that is mounted there is not in this tree.
    made["user"], _ = users.resolve(
        record["user"],
        inroot.read_in_root(rootfs, "/etc/passwd"),
        inroot.read_in_root(rootfs, "/etc/group"),
        options["groups"],
    )
    made["cwd"] = record["cwd"] or "/"
    linked = record["linked"]["env"] if "linked" in record else []
    made["env"] = environment([*linked, *record["env"]], record["hostname"], options["tty"])
    made["terminal"] = options["tty"]
    made["noNewPrivileges"] = options["no_new_privileges"]
    made["rlimits"] = [_unsigned(limit) for limit in options["rlimits"]]
    if profile := security.apparmor_profile(options["security_opt"]):
        made["apparmorProfile"] = profile
    if options["oom_score_adj"]:
        made["oomScoreAdj"] = options["oom_score_adj"]
    if options["init"]:
        # PID 1 has to wait(2) for orphans, and the kernel drops signals that it has no handler for: pid_namespaces(7).
        made["args"] = [INIT_IN_CONTAINER, "--", *record["args"]]
    return made


def _unsigned(limit: Rlimit) -> Rlimit:
    """config.json has numbers without a sign, and RLIM_INFINITY for the option's -1: getrlimit(2)."""
    return {**limit, "soft": limit["soft"] % 2**64, "hard": limit["hard"] % 2**64}


def environment(entries: list[str], hostname: str, tty: bool) -> list[str]:
    """PATH, HOSTNAME and TERM as Docker sets them, unless `entries` does; in Docker's order, too.

    An entry without = takes the variable away.

    >>> environment(["HOME=/srv"], "web", tty=False)[1:]
    ['HOSTNAME=web', 'HOME=/srv']
    """
    defaults = {"PATH": spec.DEFAULT_PATH, "HOSTNAME": hostname, **({"TERM": "xterm"} if tty else {})}
    merged = {name: f"{name}={value}" for name, value in defaults.items()}
    merged.update((entry.partition("=")[0], entry) for entry in entries)
    return [entry for entry in merged.values() if "=" in entry]


# ---- mounts -------------------------------------------------------------------------------------------------------


def _mounts(record: Record, etc_directory: str) -> Iterator[MountEntry]:
    """The default file systems, the /etc files, and what `-v` and `--tmpfs` add; a user's mount replaces ours."""
    own = volumes.mount_entries(record)
    wanted = {mount["destination"] for mount in own}
    yield from _default_mounts(record, wanted)
    names = ("resolv.conf", "hostname", "hosts")
    # the files are the container's own, but a place to write is what --read-only takes away
    sealed = ["ro"] if record["options"]["readonly"] else []
    ours = [_bind(f"{etc_directory}/{name}", f"/etc/{name}", "rprivate", *sealed) for name in names]
    if record["options"]["init"]:
        ours.append(_bind(_init_program(), INIT_IN_CONTAINER, "ro"))
    # What is mounted on /a hides what was mounted on /a/b before, so the shallow ones come first.
    yield from sorted(
        [*(mount for mount in ours if mount["destination"] not in wanted), *own],
        key=lambda mount: mounts.depth(mount["destination"]),
    )


def _default_mounts(record: Record, wanted: set[str]) -> Iterator[MountEntry]:
    """/proc, /dev, /sys and what is in them; not those whose places a user `wanted`."""
    options = record["options"]
    cgroups = security.has_writable_cgroups(options["security_opt"], options["privileged"])
    for mount in spec.default_mounts():
        if mount["destination"] in wanted or ("/dev" in wanted and mount["destination"].startswith("/dev/")):
            continue
        words = mount.get("options", [])
        if mount["destination"] == "/dev/shm" and record["options"]["shm_size"]:
            mount["options"] = [*words, f"size={record['options']['shm_size']}"]  # the last one counts
        elif record["options"]["privileged"] if mount["destination"] != "/sys/fs/cgroup" else cgroups:
            mount["options"] = [word for word in words if word != "ro"]
        yield mount


def _bind(source: str, destination: str, *options: str) -> MountEntry:
    return {"destination": destination, "type": "bind", "source": source, "options": ["rbind", *options]}


def _init_program() -> str:
    """A static init of the host that reaps zombies and passes signals on."""
    for path in _INIT_PROGRAMS:
        if os.path.exists(path):
            return path
    raise UnsupportedError("--init needs tini or catatonit on this machine", "apt-get install tini")
