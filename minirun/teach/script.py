"""`--explain=sh`: a shell script that makes the same container by hand, written from the acts of the real run.

Three shells one after the other, for the command line, the shim and the first process, and each act stands where it
stood; what the process that makes the network did beside the shim stands with the shim's:

    the script   names of its own, a trap that puts everything away
    shim         its own mount namespace; network, overlay, files of /etc, control group
    init         PID 1: namespaces, mounts, pivot_root, privileges, exec

A shell cannot run the host's programs once the host's tree is out of reach.  So it stays with its working directory
in the old tree, which the kernel keeps as long as somebody stands in it, and names the programs from there; their
interpreter too, because ELF files name it by an absolute path.

See  unshare(1), pivot_root(8), setpriv(1), ld.so(8)
"""

from __future__ import annotations

import re
import shlex
import textwrap
from typing import TYPE_CHECKING

from minirun.linux import cgroup_controllers
from minirun.network import firewall
from minirun.printable import printable
from minirun.teach import acts, flags, narrate
from minirun.teach.events import Act, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

    from minirun.teach.names import Names

_COMMENTS = {
    "bpf": "Device rules are a BPF program; no command of Debian's loads one, so this container may open any device.",
    "seccomp": "A seccomp filter would be loaded here; no command does that, so every system call stays open.",
    "keyctl": "A keyring of its own: keyctl session (package keyutils).",
}
_WIDTH = 100


class Writer:
    """Collects the acts and writes the script to `out` when the run is over."""

    def __init__(self, out: TextIO, names: Names, words: str) -> None:
        self.out, self.names, self.words = out, names, words
        self.acts: list[Act] = []
        self.whys: dict[str, str] = {}

    def notify(self, event: Step | Act) -> None:
        if isinstance(event, Step):
            self.whys[event.name] = event.why
            return
        self.names.learn(repr(event.args))
        if not event.errno:
            self.acts.append(event)

    def finish(self) -> None:
        """Write it, unless the run ended before its program began."""
        if any(act.call == "execve" for act in self.acts):
            text = "\n".join(Script(self.acts, self.names, self.whys, self.words).lines())
            self.out.write((printable(text) if self.out.isatty() else text) + "\n")
        self.out.flush()


class Script:
    """The text, part by part."""

    def __init__(self, made: list[Act], names: Names, whys: dict[str, str], words: str) -> None:
        self.acts, self.names, self.whys, self.words = made, names, whys, words
        self.network = Network([act for act in made if act.role == "net"])

    def lines(self) -> Iterator[str]:
        """All of it."""
        yield from self._opening()
        yield from self.network.variables()
        yield from self._trap()
        yield from _file("shim", self._shim())
        yield from _file("init", self._init())
        yield from _file("inside", self._inside())
        yield ""
        yield from _comment(
            "The shim's mounts go with its mount namespace, when the last process in there ends."
        )
        yield 'unshare --mount --propagation slave sh -eu "$C/shim"'

    def _opening(self) -> Iterator[str]:
        yield "#!/bin/sh"
        yield f"# The container of   {self.words}"
        yield "#"
        yield from _comment(
            "made without minirun.  Every command stands for an act of that run, as `minirun run --explain` tells "
            "it.  The names are this script's own, so that it can run beside the original or after it.  It needs "
            "root, util-linux, iproute2, nftables, and the image's layers where they are now.  minirun resolves "
            "each path inside the image with openat2(2), which a shell cannot: use it with images you trust."
        )
        yield from (
            "set -eu",
            "umask 022",
            "PATH=$PATH:/usr/sbin:/sbin",
            "",
            f"ID={self.names.id[:12]}-$$",
            'C=$(mktemp -d "/var/tmp/$ID.XXXXXX")',
            "R=$C/merged",
            "S=$C/run",
            f"G={self.names.cgroups}/minirun/$ID",
            f"L={self.names.paths.layers}",
            "export ID C R S G L",
            'mkdir "$S"',
        )

    def _trap(self) -> Iterator[str]:
        yield from (
            "",
            "put_away() {",
            "    code=$?",
            '    if [ -d "$G" ]; then',
            '        echo 1 > "$G/cgroup.kill"',
            '        until rmdir "$G" 2> /dev/null; do sleep 0.1; done',
            "    fi",
            '    rmdir "${G%/*}" 2> /dev/null || true   # the last container takes it along',
        )
        yield from (f"    {line}" for line in self.network.put_away())
        yield from ('    rm -rf "$C"', '    exit "$code"', "}")
        yield from ("trap put_away EXIT", "trap 'exit 130' INT", "trap 'exit 143' TERM")

    # ---- the shim

    def _shim(self) -> Iterator[str]:
        if self.network.acts:
            yield from self._heading("network")
            yield from self.network.commands(self.names)
        # the copy into a new volume grows beside it, and is moved; here it is made in its place
        yield from self._section([act for act in self._of("shim", "overlay") if act.call != "rename"])
        yield from self._heading("bundle")
        for act in self._of("shim", "bundle"):
            yield from self._write(act)
        yield from self._cgroup()
        yield from self._heading("fork")
        yield 'exec unshare --pid --fork --kill-child sh -eu "$C/init"'

    def _write(self, act: Act) -> Iterator[str]:
        """A file of /etc, with this container's own address in it."""
        path, text = act.args
        yield f"# {act.why}"
        yield f"cat > {self.names.substitute(path)} <<END"
        yield from self.network.rename(re.sub(r"([$`\\])", r"\\\1", text)).splitlines()
        yield "END"

    def _cgroup(self) -> Iterator[str]:
        made = self._of("shim", "cgroup")
        limits = [act for act in made if act.call == "write" and self.names.id in act.args[0]]
        yield from self._heading("cgroup")
        controllers = _controllers(made, limits)
        yield 'mkdir -p "${G%/*}"'
        if controllers:
            yield from _comment("groups below can only use what is passed down to them")
            text = shlex.quote(" ".join(f"+{name}" for name in controllers))
            yield f"echo {text} > {self.names.cgroups}/cgroup.subtree_control"
            yield f'echo {text} > "${{G%/*}}/cgroup.subtree_control"'
        yield 'mkdir "$G"   # a directory is a cgroup'
        yield from self._commands(limits)
        if any(act.call == "bpf" for act in made):
            yield from _comment(_COMMENTS["bpf"])

    # ---- init

    def _init(self) -> Iterator[str]:
        """PID 1 until it has its namespaces."""
        yield from _comment("PID 1 of the new pid namespace.  0 stands for whoever writes it.")
        yield 'echo 0 > "$G/cgroup.procs"'
        entered = self._of("init", "enter_namespaces")
        yield from self._heading("enter_namespaces")
        words = ["exec"]
        for act in entered:
            if act.call == "setns":
                words.append(acts.command(act))
        for act in entered:
            if act.call == "unshare":
                words.append(acts.command(act).replace("--mount", "--mount --propagation unchanged"))
        yield f'{self.names.substitute(" ".join(words))} sh -eu "$C/inside"'

    def _inside(self) -> Iterator[str]:
        """PID 1 in its namespaces, to the end."""
        for phase in ("set_kernel_knobs", "set_names", "detach_mounts", "mount_filesystems", "make_devices"):
            yield from self._section(self._of("init", phase))
        yield from self._terminal()
        yield from self._section(self._of("init", "seal_paths"))
        yield from self._section([act for act in self._of("init", "set_limits") if act.call == "prlimit64"])
        yield from self._pivot()
        yield from self._privileges()

    def _terminal(self) -> Iterator[str]:
        if made := self._of("init", "open_terminal"):
            yield from self._heading("open_terminal")
            yield from _comment("minirun makes a new terminal; a script uses the one that it is run from")
            yield from self._commands([act for act in made if act.call != "mount"])
            yield 'mount --bind "$(tty)" $R/dev/console'

    def _pivot(self) -> Iterator[str]:
        yield from self._heading("pivot_root")
        yield from _comment(
            "We stand in the host's /usr while the root changes, and so its programs stay within reach: by names "
            "without a / in front, and with their own loader and libraries."
        )
        yield "cd /usr"
        yield 'pivot_root "$R" "$R"'
        yield "loader=$(echo lib/*/ld-linux-*.so.*)"
        yield 'host="$loader --library-path ${loader%/*}"'
        yield "$host bin/umount -l ..   # the host's tree; nothing leads there any more but where we stand"

    def _privileges(self) -> Iterator[str]:
        made = [act for act in self.acts if act.role == "init"]
        for call in ("keyctl", "seccomp"):
            if any(act.call == call for act in made):
                yield from _comment(_COMMENTS[call])
        for phase in ("drop_bounding", "change_user", "set_capabilities", "execute"):
            yield from self._heading(phase)
        yield ""
        yield "exec $host bin/setpriv \\"
        yield from (f"    {option} \\" for option in _setpriv_options(made))
        execve = next(act for act in made if act.call == "execve")
        directory = next(act.args[0] for act in made if act.phase == "find_program" and act.call == "fchdir")
        yield f"    $host bin/env -i -C {shlex.quote(directory)} \\"
        yield from (f"    {shlex.quote(variable)} \\" for variable in execve.args[2])
        yield f"    {shlex.join(execve.args[1])}"

    # ---- pieces

    def _of(self, role: str, phase: str) -> list[Act]:
        return [act for act in self.acts if act.role == role and act.phase == phase]

    def _heading(self, phase: str) -> Iterator[str]:
        yield ""
        yield f"# ---- {phase} ".ljust(_WIDTH, "-")
        yield from _comment(self.whys.get(phase, ""))

    def _section(self, made: list[Act]) -> Iterator[str]:
        """The commands of one step, under its heading."""
        if made:
            yield from self._heading(made[0].phase)
            yield from self._commands(made)

    def _commands(self, made: Iterable[Act]) -> Iterator[str]:
        """Commands with their reasons; those with the same reason together."""
        group: list[Act] = []
        for act in made:
            if group and (group[0].call, group[0].why) != (act.call, act.why):
                yield from self._one(group)
                group = []
            group.append(act)
        if group:
            yield from self._one(group)

    def _one(self, group: list[Act]) -> Iterator[str]:
        if group[0].why:
            yield from _comment(group[0].why)
        yield from narrate.fold([self.names.substitute(acts.command(act)) for act in group])


class Network:
    """Bridges, veths and tables as those of the run, under other names and, if need be, in other subnets.

    The run may have found a bridge or the tables made already.  The script makes its own in any case: minirun takes
    them away with their last container, and does not know of this one.
    """

    def __init__(self, made: list[Act]) -> None:
        self.acts = made
        self.texts = [str(act.args[0]) for act in made if act.call in ("netlink", "nft")]
        self.table = self._find(r"(?:table|element) (?:inet|bridge) (\S+)")
        veths = r"ip link add (\S+) group (\d+) master (\S+)"
        found = [match.groups() for text in self.texts if (match := re.search(veths, text))]
        self.links = [
            Link(number or "", veth, group, bridge, self._prefix(bridge))
            for number, (veth, group, bridge) in enumerate(found)
        ]

    def _find(self, pattern: str) -> str:
        return next((found[1] for text in self.texts if (found := re.search(pattern, text))), "")

    def _prefix(self, bridge: str) -> str:
        """The part of the addresses that all on a bridge share, as 172.17 of a /16."""
        pattern = rf"ip address replace ([\d.]+)/(\d+) broadcast \+ dev {re.escape(bridge)}$"
        match = next((found for text in self.texts if (found := re.search(pattern, text))), None)
        return ".".join(match[1].split(".")[: int(match[2]) // 8]) if match else ""

    def rename(self, text: str) -> str:
        """`text` with the script's names and addresses for the run's."""
        if self.table:
            text = re.sub(rf"\b(inet|bridge) {re.escape(self.table)}(?![\w-])", r"\1 $TABLE", text)
        for link in self.links:
            text = link.rename(text)
        return text

    def variables(self) -> Iterator[str]:
        if not self.links:
            return
        yield from ("", "TABLE=minirun-sh-$$")
        for link in self.links:
            yield from link.variables()

    def put_away(self) -> Iterator[str]:
        for link in self.links:
            yield f'ip link delete "{link.veth}" 2> /dev/null || true'
            yield f'ip link delete "{link.bridge}" 2> /dev/null || true'
        if self.links:
            yield 'nft delete table inet "$TABLE" 2> /dev/null || true'
            yield 'nft delete table bridge "$TABLE" 2> /dev/null || true'

    def commands(self, names: Names) -> Iterator[str]:
        """The commands of the run's network process, without those that only moved that process about."""
        if self.table and not any("chain postrouting" in text for text in self.texts):
            yield from _comment("the run found its tables made already")
            yield from ("nft -f - <<END", *firewall.rules("$TABLE").splitlines(), "END")
        for link in self.links:
            if not any(f"ip link add {link.old_bridge} " in text for text in self.texts):
                yield from _comment("the run found its bridge made already")
                yield f"ip link add {link.bridge} up group {link.group} type bridge"
        inside = False
        for act in self.acts:
            if act.call == "setns":
                inside = str(act.args[0]).endswith("/netns")
            elif act.call == "unshare":
                yield from _comment(act.why)
                yield "touch $S/netns"
                yield "unshare --net=$S/netns true"
            elif act.call == "iptables":
                yield from _comment(
                    "the run also let its bridge through iptables here, where a chain drops by its policy"
                )
            elif act.call in ("netlink", "nft", "write") and " link delete " not in str(act.args[0]):
                yield from _comment(act.why)
                text = self._renamed(act, names)
                if inside and act.call == "write":  # /proc/sys/net is that of whoever opens it
                    text = f"nsenter --net=$S/netns sh -c {shlex.quote(text)}"
                yield from (line.removeprefix("    ") for line in text.splitlines())
        if any("map names4" not in text and " names4 " in text for text in self.texts):
            yield from _comment(
                "the network's name server is a process of minirun's: here nobody answers for names"
            )

    def _renamed(self, act: Act, names: Names) -> str:
        return self.rename(names.substitute(acts.command(act)))


class Link:
    """One bridge with one veth, and the shell variables that stand for them."""

    def __init__(self, number: object, veth: str, group: str, bridge: str, prefix: str) -> None:
        self.old_veth, self.old_group, self.old_bridge, self.prefix = veth, group, bridge, prefix
        self.bridge, self.veth = f"$BRIDGE{number}", f"$VETH{number}"
        self.group, self.net, self.number = f"$GROUP{number}", f"$NET{number}", number

    def rename(self, text: str) -> str:
        text = re.sub(rf"\bgroup {self.old_group}\b", f"group {self.group}", text)
        text = text.replace(f"/conf/{self.old_bridge}/", f"/conf/{self.bridge}/")
        for old, new in ((self.old_veth, self.veth), (self.old_bridge, self.bridge)):
            text = re.sub(rf"(?<![\w/$-]){re.escape(old)}(?![\w-])", new, text)
        if not self.prefix:
            return text
        return re.sub(rf"(?<![\d.]){re.escape(self.prefix)}\.(?=\d)", f"{self.net}.", text)

    def variables(self) -> Iterator[str]:
        upper, _, last = self.prefix.rpartition(".")
        end = 31 if upper == "172" else 254
        others = f"$(seq {int(last) + 1 if int(last) < end else 1} {end})"
        number = self.number
        yield from (
            f"BRIDGE{number}=shbr$${number} VETH{number}=shve$${number} GROUP{number}=$${number}",
            f"for last in {last} {others}; do   # the first subnet that this host has no route to",
            f"    NET{number}={upper + '.' if upper else ''}$last",
            f'    ip route show table all | grep -q "\\(^\\|[^0-9.]\\){self.net}\\." || break',
            "done",
            f"export BRIDGE{number} VETH{number} TABLE GROUP{number} NET{number}",
        )


# ---- small parts ----------------------------------------------------------------------------------------------


def _comment(text: str) -> Iterator[str]:
    return (f"# {line}" for line in textwrap.wrap(text, _WIDTH - 2))


def _file(name: str, lines: Iterable[str]) -> Iterator[str]:
    """A here-document that writes one of the three shells' scripts."""
    yield ""
    yield f"cat > \"$C/{name}\" <<'END_OF_{name.upper()}'"
    yield from lines
    yield f"END_OF_{name.upper()}"


def _controllers(made: list[Act], limits: list[Act]) -> list[str]:
    """What the group needs passed down: what its limits ask for, what the run switched on, what is always on."""
    found = {act.args[0].rpartition("/")[2].partition(".")[0] for act in limits}
    for act in made:
        if act.call == "write" and act.args[0].endswith("/cgroup.subtree_control"):
            found |= {word.lstrip("+") for word in act.args[1].split()}
    return sorted((found - {"cgroup"}) | (cgroup_controllers.ACCOUNTED & cgroup_controllers.available()))


def _setpriv_options(made: list[Act]) -> Iterator[str]:
    """The options of setpriv(1) that do what these acts did."""
    dropped, raised, quiet = [], [], False
    for act in made:
        option = acts.arguments(act).get("option") if act.call == "prctl" else ""
        if option == "PR_CAPBSET_DROP":
            dropped.append(acts.setpriv_name(act.args[1]))
        elif option == "PR_CAP_AMBIENT" and flags.AMBIENT.get(act.args[1], "").endswith("RAISE"):
            raised.append(acts.setpriv_name(act.args[2]))
        quiet = quiet or option == "PR_SET_NO_NEW_PRIVS"
    for act in made:
        if act.call in ("setgroups", "setresgid", "setresuid"):
            yield acts.command(act).removeprefix("setpriv ")
        elif act.call == "capset" and act.phase == "set_capabilities":
            names = [acts.setpriv_name(number) for number in range(64) if act.args[2] >> number & 1]
            yield ",".join(["--inh-caps=-all", *(f"+{name}" for name in names)])
    yield ",".join(["--ambient-caps=-all", *(f"+{name}" for name in raised)])
    if dropped:
        yield "--bounding-set=" + ",".join(f"-{name}" for name in dropped)
    if quiet:
        yield "--no-new-privs"
