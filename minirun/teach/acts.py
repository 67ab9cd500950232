"""What each kernel act is called in the manual, what its arguments mean, and what a person would type for it.

One entry of CALLS for each call that the trace announces: (man page, the names of its arguments, the function that
writes the command).  The commands are those of util-linux, iproute2, nftables and coreutils, and the shell's own;
where no command makes the call, there is a comment that begins with #.

See  mount(8), unshare(1), nsenter(1), setpriv(1), capsh(1), prlimit(1)
"""

from __future__ import annotations

import shlex
import stat
from typing import TYPE_CHECKING, Any

from minirun.linux import capabilities
from minirun.teach import flags

if TYPE_CHECKING:
    from collections.abc import Callable

    from minirun.teach.events import Act

# Steps in which init names paths as the container will see them: on the host they are below the root filesystem.
INSIDE = frozenset(("mount_filesystems", "make_devices", "open_terminal", "seal_paths"))

ROOT = "$R"  # how commands name the container's root filesystem


def man(act: Act) -> str:
    """ "mount(2)"."""
    return CALLS[act.call][0] if act.call in CALLS else f"{act.call}(2)"


def arguments(act: Act) -> dict[str, Any]:
    """The arguments by name, flags spelt out."""
    if act.call not in CALLS:
        return {str(number): value for number, value in enumerate(act.args)}
    named = dict(zip(CALLS[act.call][1], act.args, strict=False))
    return {name: _decoded(act, name, value) for name, value in named.items()}


def command(act: Act) -> str:
    """What a person would type.  Never empty: where nothing can be typed, a comment says what happens."""
    if act.call not in CALLS:
        return f"# {act.call} {' '.join(str(arg) for arg in act.args)}"
    return CALLS[act.call][2](act)


def quote(word: Any) -> str:
    """A word for a shell.  $R stays a variable."""
    text = str(word)
    if text.startswith(ROOT):
        rest = text.removeprefix(ROOT)
        return ROOT + (shlex.quote(rest) if rest else "")
    return shlex.quote(text)


def place(act: Act, path: str) -> str:
    """A path as a command on the host would name it."""
    if act.role == "init" and act.phase in INSIDE:
        return ROOT + ("" if path == "/" else path)
    return path


# ---- arguments by name --------------------------------------------------------------------------------------


def _decoded(act: Act, name: str, value: Any) -> Any:
    decode = _DECODERS.get((act.call, name))
    return decode(act, value) if decode else value


def _sets(_act: Act, value: int) -> list[str]:
    return capabilities.names(value)


def _prctl_argument(act: Act, value: Any) -> Any:
    option = flags.PRCTL.get(act.args[0], "")
    if option == "PR_CAPBSET_DROP":
        return _capability(value)
    if option == "PR_SET_PDEATHSIG":
        return flags.signal_name(value)
    if option == "PR_CAP_AMBIENT":
        return flags.AMBIENT.get(value, value)
    return value


def _prctl_second(act: Act, value: Any) -> Any:
    raised = flags.PRCTL.get(act.args[0]) == "PR_CAP_AMBIENT" and flags.AMBIENT.get(act.args[1], "").endswith(
        "RAISE"
    )
    return _capability(value) if raised else value


def _capability(number: int) -> str:
    return capabilities.names(1 << number)[0]


def _flags(table: dict[int, str]) -> Callable[[Act, int], str]:
    return lambda _act, value: flags.joined(value, table)


_DECODERS: dict[tuple[str, str], Callable[[Act, Any], Any]] = {
    ("mount", "mountflags"): _flags(flags.MOUNT),
    ("umount2", "flags"): _flags(flags.UMOUNT),
    ("unshare", "flags"): _flags(flags.CLONE),
    ("setns", "nstype"): _flags(flags.CLONE),
    ("mount_setattr", "attr_set"): _flags(flags.ATTRIBUTES),
    ("mount_setattr", "attr_clr"): _flags(flags.ATTRIBUTES),
    ("prctl", "option"): lambda _act, value: flags.PRCTL.get(value, value),
    ("prctl", "arg2"): _prctl_argument,
    ("prctl", "arg3"): _prctl_second,
    ("capset", "effective"): _sets,
    ("capset", "permitted"): _sets,
    ("capset", "inheritable"): _sets,
    ("seccomp", "operation"): lambda _act, value: {1: "SECCOMP_SET_MODE_FILTER"}.get(value, value),
    ("seccomp", "flags"): _flags(flags.SECCOMP),
    ("bpf", "command"): lambda _act, value: flags.BPF.get(value, value),
    ("mkdir", "mode"): lambda _act, value: f"{value:04o}",
    ("chmod", "mode"): lambda _act, value: f"{value:04o}",
    ("mknod", "mode"): lambda _act, value: (
        f"{'S_IFBLK' if stat.S_ISBLK(value) else 'S_IFCHR'}|{stat.S_IMODE(value):04o}"
    ),
}


# ---- commands -----------------------------------------------------------------------------------------------


def _mount(act: Act) -> str:
    source, target, kind, bits, data = act.args
    names = flags.names(bits, flags.MOUNT)
    where = quote(place(act, target))
    for name, word in flags.PROPAGATION.items():
        if name in names:
            return f"mount --make-{'r' if 'MS_REC' in names else ''}{word} {where}"
    options = [flags.MOUNT_OPTIONS[name] for name in names if name in flags.MOUNT_OPTIONS]
    if "MS_REMOUNT" in names:
        options = ["remount", *(["bind"] if "MS_BIND" in names else []), *options]
        return f"mount -o {','.join(options)} {where}"
    if "MS_BIND" in names:
        origin = place(act, source) if act.phase in ("seal_paths", "open_terminal") else source
        return f"mount --{'r' if 'MS_REC' in names else ''}bind {quote(origin)} {where}"
    options += [data] if data else []
    given = f" -o {quote(','.join(options))}" if options else ""
    return f"mount -t {kind}{given} {quote(source)} {where}"


def _umount(act: Act) -> str:
    lazily = "-l " if "MNT_DETACH" in flags.names(act.args[1], flags.UMOUNT) else ""
    return f"umount {lazily}{quote(act.args[0])}"


def _unshare(act: Act) -> str:
    words = [flags.NAMESPACE_OPTIONS.get(name, name) for name in flags.names(act.args[0], flags.CLONE)]
    return " ".join(["unshare", *words])


def _setns(act: Act) -> str:
    path, kind = act.args
    names = flags.names(kind, flags.CLONE)
    if str(path).startswith("pid "):
        return " ".join(["nsenter -t", path[4:], *(flags.NAMESPACE_OPTIONS[name] for name in names)])
    return f"nsenter {flags.NAMESPACE_OPTIONS.get(names[0], '--net')}={quote(path)}"


def _prctl(act: Act) -> str:
    named = arguments(act)
    option, second = named["option"], named["arg2"]
    if option == "PR_CAPBSET_DROP":
        return f"capsh --drop={str(second).lower()}"
    if option == "PR_SET_PDEATHSIG":
        return f"setpriv --pdeathsig {second.removeprefix('SIG')}"
    if option == "PR_SET_NO_NEW_PRIVS":
        return "setpriv --no-new-privs"
    if option == "PR_CAP_AMBIENT":
        if second == "PR_CAP_AMBIENT_CLEAR_ALL":
            return "setpriv --ambient-caps=-all"
        return f"setpriv --ambient-caps=+{setpriv_name(act.args[2])}"
    if option == "PR_SET_NAME":
        return f"echo {quote(second)} > /proc/self/comm"
    return f"# prctl({option}, {second})"


def _capset(act: Act) -> str:
    _effective, permitted, inheritable = act.args
    names = ",".join(name.lower() for name in capabilities.names(permitted))
    also = ",".join(name.lower() for name in capabilities.names(inheritable))
    given = f"{names}=ep" if names else "="
    return f"capsh --caps={quote(f'{given} {also}+i' if also else given)}"


def setpriv_name(number: int) -> str:
    """Capability 12 is `net_admin` to setpriv(1)."""
    return _capability(number).removeprefix("CAP_").lower()


def _mknod(act: Act) -> str:
    path, mode, number = act.args
    kind = "b" if stat.S_ISBLK(mode) else "p" if stat.S_ISFIFO(mode) else "c"
    numbers = "" if kind == "p" else " " + number.replace(":", " ")
    return f"mknod -m {stat.S_IMODE(mode):03o} {quote(place(act, path))} {kind}{numbers}"


def _creat(act: Act) -> str:
    path, text = act.args
    path = place(act, path)
    lines = text.splitlines()
    if not lines:
        return f"touch {quote(path)}"
    if len(lines) == 1:
        return f"echo {quote(lines[0])} > {quote(path)}"
    return f"cat > {quote(path)}   # {len(lines)} lines"


def _nft(act: Act) -> str:
    lines = [line for line in act.args[0].splitlines() if line.strip()]
    return "nft -f - <<END\n" + "\n".join(f"    {line}" for line in lines) + "\nEND"


def _iptables(act: Act) -> str:
    program, rules = act.args
    if not rules:
        return str(program)
    return f"{program} --noflush <<END\n" + "\n".join(f"    {line}" for line in rules.splitlines()) + "\nEND"


def _prlimit(act: Act) -> str:
    name, soft, hard = act.args
    return (
        f"prlimit --pid $$ --{name.removeprefix('RLIMIT_').lower()}={flags.limit(soft)}:{flags.limit(hard)}"
    )


def _mount_setattr(act: Act) -> str:
    """mount(8) of util-linux 2.38 sets the flags of one mount only; those below would be named one by one."""
    words = {"MOUNT_ATTR_RDONLY": "ro"}
    names = [name for name in flags.names(act.args[2], flags.ATTRIBUTES) if name in flags.ATTRIBUTES.values()]
    options = [words.get(name, name.removeprefix("MOUNT_ATTR_").lower()) for name in names]
    return f"mount -o remount,bind,{','.join(options)} {quote(place(act, act.args[0]))}"


def _bpf(act: Act) -> str:
    if flags.BPF.get(act.args[0]) == "BPF_PROG_ATTACH":
        return f"# bpftool cgroup attach {quote(act.args[1])} cgroup_device id N multi"
    return f"# a program of {act.args[2]}; bpftool prog load wants it compiled"


def _words(*before: str) -> Callable[[Act], str]:
    """A command whose words are `before` and then the arguments."""
    return lambda act: " ".join([*before, *(quote(argument) for argument in act.args)])


CALLS: dict[str, tuple[str, tuple[str, ...], Callable[[Act], str]]] = {
    "bpf": ("bpf(2)", ("command", "program", "detail"), _bpf),
    "capset": ("capset(2)", ("effective", "permitted", "inheritable"), _capset),
    "chdir": ("chdir(2)", ("path",), _words("cd")),
    "chmod": ("chmod(2)", ("path", "mode"), lambda act: f"chmod {act.args[1]:o} {quote(act.args[0])}"),
    "chown": (
        "chown(2)",
        ("path", "uid", "gid"),
        lambda act: f"chown {act.args[1]}:{act.args[2]} {quote(act.args[0])}",
    ),
    "close_range": (
        "close_range(2)",
        ("first", "last", "flags"),
        lambda act: f"# every descriptor from {act.args[0]} up closes at execve",
    ),
    "copy": (
        "sendfile(2)",
        ("source", "target"),
        lambda act: f"mkdir -p {quote(act.args[1])} && cp -an {quote(act.args[0])}/. {quote(act.args[1])}/",
    ),
    "creat": ("open(2)", ("path", "text"), _creat),
    "execve": (
        "execve(2)",
        ("path", "argv", "envp"),
        lambda act: "exec " + shlex.join([act.args[0], *act.args[1][1:]]),
    ),
    "fchdir": ("chdir(2)", ("path",), lambda act: f"cd {quote(act.args[0])}   # by a descriptor"),
    "fork": ("fork(2)", (), lambda act: f"# process {act.result} begins here"),
    "ioctl": ("netdevice(7)", ("request", "interface", "flag"), lambda act: f"ip link set {act.args[1]} up"),
    "iptables": ("iptables(8)", ("program", "rules"), _iptables),
    "keyctl": ("keyctl(2)", ("operation", "name"), lambda act: f"keyctl session {quote(act.args[1])}"),
    "kill": ("kill(2)", ("pid", "signal"), lambda act: f"kill -{act.args[1]} {act.args[0]}"),
    "mkdir": (
        "mkdir(2)",
        ("path", "mode"),
        lambda act: f"mkdir {quote(place(act, act.args[0]))}",
    ),
    "mknod": ("mknod(2)", ("path", "mode", "device"), _mknod),
    "mount": ("mount(2)", ("source", "target", "filesystemtype", "mountflags", "data"), _mount),
    "mount_setattr": ("mount_setattr(2)", ("path", "flags", "attr_set", "attr_clr"), _mount_setattr),
    "move_mount": (
        "move_mount(2)",
        ("target", "flags"),
        lambda act: f"mount --move COPY {quote(place(act, act.args[0]))}",
    ),
    "netlink": ("rtnetlink(7)", ("request",), lambda act: str(act.args[0])),
    "nft": ("nft(8)", ("script",), _nft),
    "open_tree": ("open_tree(2)", ("path", "flags"), lambda act: f"mount --bind {quote(act.args[0])} COPY"),
    "pivot_root": ("pivot_root(2)", ("new_root", "put_old"), _words("pivot_root")),
    "posix_spawn": ("posix_spawn(3)", ("argv",), lambda act: " ".join(map(quote, act.args[0]))),
    "prctl": ("prctl(2)", ("option", "arg2", "arg3"), _prctl),
    "prlimit64": ("prlimit(2)", ("resource", "soft", "hard"), _prlimit),
    "sendmsg": ("unix(7)", ("text",), lambda act: f"# {act.args[0]}"),
    "rename": ("rename(2)", ("oldpath", "newpath"), _words("mv", "-T")),
    "rmdir": ("rmdir(2)", ("path",), _words("rmdir")),
    "seccomp": (
        "seccomp(2)",
        ("operation", "flags", "program"),
        lambda act: f"# load a filter of {act.args[2]}; no command does this",
    ),
    "setdomainname": ("setdomainname(2)", ("name",), _words("domainname")),
    "setgroups": (
        "setgroups(2)",
        ("groups",),
        lambda act: (
            f"setpriv --groups {','.join(map(str, act.args[0]))}" if act.args[0] else "setpriv --clear-groups"
        ),
    ),
    "sethostname": ("sethostname(2)", ("name",), _words("hostname")),
    "set_mempolicy": (
        "set_mempolicy(2)",
        ("mode", "nodes"),
        lambda act: f"# numactl(8) does this for a command: {' '.join(map(str, act.args))}",
    ),
    "setns": ("setns(2)", ("path", "nstype"), _setns),
    "setresgid": ("setresgid(2)", ("rgid", "egid", "sgid"), lambda act: f"setpriv --regid {act.args[0]}"),
    "setresuid": ("setresuid(2)", ("ruid", "euid", "suid"), lambda act: f"setpriv --reuid {act.args[0]}"),
    "symlink": (
        "symlink(2)",
        ("target", "linkpath"),
        lambda act: f"ln -s {quote(act.args[0])} {quote(place(act, act.args[1]))}",
    ),
    "umount2": ("umount(2)", ("target", "flags"), _umount),
    "unlink": ("unlink(2)", ("path",), _words("rm", "-rf")),
    "unshare": ("unshare(2)", ("flags",), _unshare),
    "write": ("write(2)", ("path", "text"), lambda act: f"echo {quote(act.args[1])} > {quote(act.args[0])}"),
}
