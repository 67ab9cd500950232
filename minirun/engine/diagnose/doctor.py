"""What `doctor` looks at: whether this machine has what containers need, tried rather than looked up.

    an overlay is mounted, a bridge made, a table loaded     in a child with namespaces of its own, and they go with it
    a policy, a setting, a controller                        only read

So nothing on the host is different afterwards.  A check that fails says what will not work and what to do about it.

See      namespaces(7), cgroups(7), overlayfs.rst, nft(8)
By hand  unshare --mount mount -t overlay ...; unshare --net ip link add type bridge; nft list chains
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time

from minirun.engine import overlay
from minirun.engine.diagnose import routes
from minirun.engine.view import host
from minirun.errors import MinirunError, in_words
from minirun.linux import (
    capabilities,
    cgroup_controllers,
    cgroup_files,
    constants,
    interpreter,
    seccomp,
    syscalls,
)
from minirun.linux.constants import AT_FDCWD
from minirun.network import firewall, ledger, nft
from minirun.runtime import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from minirun.paths import Paths

OK, WARN, FAIL = "ok", "warn", "FAIL"  # WARN: containers run, but something is missing

OLDEST_KERNEL = (5, 15)
LITTLE_SPACE, NO_SPACE = 2 << 30, 100 << 20  # bytes
FEW_FILES = 65536  # open at once: a container that wants many gets no more than we may give
_NAMESPACES = {
    "pid": constants.CLONE_NEWPID,
    "mount": constants.CLONE_NEWNS,
    "network": constants.CLONE_NEWNET,
    "uts": constants.CLONE_NEWUTS,
    "ipc": constants.CLONE_NEWIPC,
    "cgroup": constants.CLONE_NEWCGROUP,
}


class Check:
    """One line: what was looked at, how it is, and for a person what that means and what to do."""

    def __init__(self, name: str, status: str, found: str, advice: str = "") -> None:
        self.name = name
        self.status = status
        self.found = found
        self.advice = advice


def checks(paths: Paths) -> Iterator[Check]:
    """All of them, the ground first."""
    yield kernel(os.uname().release)
    yield namespaces()
    yield cgroup2()
    for controller in host.CONTROLLERS:
        yield limit(controller)
    yield overlay_on(paths.root)
    yield space(paths.root)
    yield openat2()
    yield seccomp_filter()
    yield rights(capabilities.bounding())
    yield open_files()
    yield safe_interpreter()
    yield links()
    yield nftables()
    yield forwarding(host.sysctl("net/ipv4/ip_forward"))
    yield others_forward(_open_bridges(paths))
    yield bridged(host.sysctl("net/bridge/bridge-nf-call-ip6tables"))
    yield clock(time.time())


# ---- the kernel -----------------------------------------------------------------------------------------------


def kernel(release: str) -> Check:
    numbers = tuple(int(part) for part in release.split("-")[0].split(".")[:2] if part.isdigit())
    if numbers >= OLDEST_KERNEL:
        return Check("kernel", OK, f"Linux {release}")
    oldest = ".".join(map(str, OLDEST_KERNEL))
    return Check(
        "kernel", WARN, f"Linux {release}", f"minirun is made for {oldest} and newer: update the kernel"
    )


def namespaces() -> Check:
    missing = [name for name, flag in _NAMESPACES.items() if tried(lambda flag=flag: syscalls.unshare(flag))]  # type: ignore[misc]
    if not missing:
        return Check("namespaces", OK, " ".join(_NAMESPACES))
    advice = "run as root outside of containers, on a kernel with CONFIG_NAMESPACES"
    return Check("namespaces", FAIL, f"cannot be made: {' '.join(missing)}", advice)


def cgroup2() -> Check:
    try:
        where = cgroup_files.mount_point()
    except MinirunError as error:
        return Check("cgroup2", FAIL, str(error), error.hint)
    if os.statvfs(where).f_flag & os.ST_RDONLY:
        return Check("cgroup2", FAIL, f"{where} is mounted read-only", f"mount -o remount,rw {where}")
    return Check("cgroup2", OK, where)


def limit(controller: str) -> Check:
    """Whether limits of this kind can be applied; without, containers run unlimited, and asking for one is an error."""
    name = f"limits: {controller}"
    try:
        if controller in cgroup_controllers.available():
            return Check(name, OK, "on cgroup2")
        if holder := cgroup_files.v1_holder(controller):
            return Check(name, OK, f"(cgroup v1, {holder})")
        cgroup_controllers.require({f"{controller}.max": "1"})
    except MinirunError as error:
        return Check(name, WARN, error.message.partition(",")[0], error.hint)
    return Check(name, OK, "on cgroup2")


def openat2() -> Check:
    try:
        os.close(syscalls.openat2(AT_FDCWD, "/", os.O_PATH | os.O_CLOEXEC))
    except OSError as error:
        advice = "Linux 5.6 has it; a seccomp filter of a container around us may forbid it"
        return Check("openat2", FAIL, in_words(error), advice)
    return Check("openat2", OK, "paths can be kept inside a root filesystem")


def seccomp_filter() -> Check:
    """Compile Docker's profile, as a run does, but into a cache that is thrown away."""
    if not host.sysctl("kernel/seccomp/actions_avail"):
        return Check("seccomp", FAIL, "this kernel has no seccomp filters", "it needs CONFIG_SECCOMP_FILTER")
    try:
        with tempfile.TemporaryDirectory() as cache:
            seccomp.compile(seccomp.docker_profile_to_oci(seccomp.default_profile(), []), cache)
    except (MinirunError, OSError) as error:
        return Check(
            "seccomp",
            FAIL,
            in_words(error),
            "apt-get install libseccomp2, or --security-opt seccomp=unconfined",
        )
    return Check("seccomp", OK, "the default profile compiles")


# ---- what we may do -------------------------------------------------------------------------------------------


def rights(bounding: int) -> Check:
    """Root in a container is not root: what a run gives away, and what it takes to prepare it."""
    wanted = {*capabilities.DEFAULT, "CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_RESOURCE"}
    missing = sorted(wanted - set(capabilities.names(bounding)))
    if not missing:
        return Check("capabilities", OK, "all that containers get, and all that it takes to make them")
    needed = "CAP_SYS_ADMIN" in missing
    advice = "run minirun outside of this container, or give it --privileged"
    return Check("capabilities", FAIL if needed else WARN, f"not ours to give: {' '.join(missing)}", advice)


def open_files() -> Check:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= FEW_FILES:
        return Check("open files", OK, f"at most {hard}")
    advice = f"ulimit -Hn {FEW_FILES * 8}, or LimitNOFILE= of the service that starts minirun"
    return Check("open files", WARN, f"at most {hard}, for containers, too", advice)


def safe_interpreter() -> Check:
    if interpreter.is_secure():
        return Check("interpreter", OK, f"runs from {interpreter.DIRECTORY}, which nobody can write")
    return Check(
        "interpreter", FAIL, "a container could overwrite this Python (CVE-2019-5736)", "run minirun as root"
    )


# ---- the disk ---------------------------------------------------------------------------------------------------


def overlay_on(root: str) -> Check:
    """Mount one where containers' will be, in a child's own mount namespace."""
    place = _nearest(root)
    kind = host.file_system(place)
    try:
        directory = tempfile.mkdtemp(prefix=".minirun-doctor-", dir=place)
    except OSError as error:
        return Check("overlay", FAIL, f"{place}: {error.strerror}", "put --root where root may write")
    try:
        problem = tried(lambda: _mount_overlay(directory))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    if problem:
        advice = (
            "modprobe overlay, and put --root on ext4, xfs or tmpfs: an overlay does not go on another one"
        )
        return Check("overlay", FAIL, f"not on {place} ({kind}): {problem}", advice)
    return Check("overlay", OK, f"on {place} ({kind})")


def _nearest(path: str) -> str:
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def _mount_overlay(directory: str) -> None:
    syscalls.unshare(constants.CLONE_NEWNS)
    syscalls.mount(None, "/", None, constants.MS_REC | constants.MS_PRIVATE)
    os.mkdir(f"{directory}/layer")
    overlay.mount(directory, [f"{directory}/layer"])


def space(root: str) -> Check:
    place = _nearest(root)
    disk = os.statvfs(place)
    free, inodes = disk.f_bavail * disk.f_frsize, disk.f_favail
    found = f"{free / 2**30:.1f} GiB free on {place}"
    advice = "minirun system prune, or put --root on a larger disk"
    if disk.f_files and inodes < 10_000:
        return Check("space", WARN, f"{found}, but only {inodes} files more can be made", advice)
    return Check("space", FAIL if free < NO_SPACE else WARN if free < LITTLE_SPACE else OK, found, advice)


# ---- the network ------------------------------------------------------------------------------------------------


def links() -> Check:
    problem = tried(_make_links)
    if problem:
        return Check(
            "bridge, veth", FAIL, problem, "modprobe -a bridge veth; --network host and none do without"
        )
    return Check("bridge, veth", OK, "can be made")


def _make_links() -> None:
    from minirun.network import links, netlink

    syscalls.unshare(constants.CLONE_NEWNET)
    with netlink.open_socket() as sock:
        links.add_bridge(sock, "minirun0", "02:00:00:00:00:01", 0, "")
        links.add_veth(sock, "veth0", "minirun0", 0, "/proc/self/ns/net", "eth0", "02:00:00:00:00:02", "")
        links.open_port(sock, "veth0", "", hairpin=True)
        netlink.add_fdb_entry(sock, "veth0", "02:00:00:00:00:02", "")


def nftables() -> Check:
    problem = tried(_load_table)
    if problem:
        return Check(
            "nftables", FAIL, problem, "apt-get install nftables; --network host and none do without"
        )
    return Check("nftables", OK, "our table loads")


def _load_table() -> None:
    syscalls.unshare(constants.CLONE_NEWNET)
    nft.run(firewall.all_of("minirun", []), lock=-1, why="")


def forwarding(value: str) -> Check:
    if value == "1":
        return Check("forwarding", OK, "net.ipv4.ip_forward is on")
    found = "net.ipv4.ip_forward is off"
    return Check(
        "forwarding",
        WARN,
        found,
        "the first container on the bridge turns it on: if that is not wanted, --network none",
    )


def others_forward(bridges: list[str]) -> Check:
    """Whether somebody else's chain drops by its policy and knows nothing of ours: our table cannot overrule it.

    iptables' own are no trouble: network/foreign_firewalls.py lets our networks through there.
    """
    rules = routes.ruleset()
    for bridge in bridges:
        for chain in routes.dropping_of(rules, bridge, firewall.ANY4):
            if not chain.endswith(" filter FORWARD"):
                found = f"{chain} drops what is forwarded, containers' packets, too"
                advice = f'let ours through: nft insert rule {chain} iifname "{bridge}" accept'
                return Check("firewall", WARN, found, f"{advice}, and the same with oifname")
    return Check("firewall", OK, "no other table drops what is forwarded, or we know the way through")


def _open_bridges(paths: Paths) -> list[str]:
    """Those of networks that lead out; the default one's first."""
    found = ledger.list_all(paths)
    return [network["bridge"] for network in found if network["bridge"] and not network["internal"]]


def bridged(value: str) -> Check:
    """Whether br_netfilter sends bridged frames through the IP hooks: then the answer for ::1 is lost on its way."""
    if value != "1":
        return Check("bridged IPv6", OK, "frames on a bridge are left to the bridge")
    return Check(
        "bridged IPv6",
        WARN,
        "net.bridge.bridge-nf-call-ip6tables is 1: ports published on IPv6 are not reached at ::1",
        "use another address of this host, or set it to 0 where nothing else needs it",
    )


# ---- and the rest -----------------------------------------------------------------------------------------------


def clock(now: float) -> Check:
    """A clock that is behind breaks TLS, and with it every pull."""
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < os.stat(__file__).st_mtime - 86400:
        return Check(
            "clock", WARN, f"{shown} is before this program was installed", "timedatectl set-ntp true"
        )
    return Check("clock", OK, shown)


def tried(act: Callable[[], None]) -> str:
    """Do `act` in a child and see: "" when it worked, else what went wrong.  What it made goes with it."""
    reader, writer = os.pipe()

    def child() -> int:
        try:
            act()
        except (MinirunError, OSError) as error:
            os.write(writer, in_words(error).encode())
            return 1
        return 0

    pid = process.fork(child)
    os.close(writer)
    with open(reader, encoding="utf-8", errors="replace") as file:
        words = file.read().strip()
    _, status = os.waitpid(pid, 0)
    return words or ("" if not status else f"the try ended with {process.exit_code(status)}")
