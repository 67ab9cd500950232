"""`--explain=sh`: a shell script that makes the same container by hand, written from the acts of the real run.

Three shells one after the other, for the command line, the shim and the first process, and each act stands where it
stood; what the process that makes the network did beside the shim stands with the shim's:

    the script   names of its own, a trap that puts everything away
    shim         its own mount namespace; network, overlay, files of /etc, control group
    init         PID 1: namespaces, mounts, pivot_root, privileges, exec

A shell cannot run the host's programs once the host's tree is out of reach.  So it stays with its working directory
in the old tree, which the kernel keeps as long as somebody stands in it, and names the programs from there; their
interpreter too, because ELF files name it by an absolute path.

See  unshare(1), pivot_root(8), setpriv(1), ld.so(8); script_network.py for the networks
"""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING

from minirun.linux import cgroup_controllers
from minirun.printable import printable
from minirun.teach import acts, flags, narrate
from minirun.teach.events import Act, Step
from minirun.teach.script_network import WIDTH, Network, comment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

    from minirun.teach.names import Names

_COMMENTS = {
    "bpf": "Device rules are a BPF program; no command of Debian's loads one, so this container may open any device.",
    "seccomp": "A seccomp filter would be loaded here; no command does that, so every system call stays open.",
    "keyctl": "A keyring of its own: keyctl session (package keyutils).",
}


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
        yield from comment(
            "The shim's mounts go with its mount namespace, when the last process in there ends."
        )
        yield 'unshare --mount --propagation slave sh -eu "$C/shim"'

    def _opening(self) -> Iterator[str]:
        yield "#!/bin/sh"
        yield f"# The container of   {self.words}"
        yield "#"
        yield from comment(
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
        if groups := self._groups_v1():
            yield f"    for group in {' '.join(groups)}; do"
            yield '        rmdir "$group" "${group%/*}" 2> /dev/null || true'
            yield "    done"
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
        in_v1 = self._cgroups_v1()
        here = [act for act in made if act not in in_v1]
        limits = [act for act in here if act.call == "write" and self.names.id in act.args[0]]
        yield from self._heading("cgroup")
        controllers = _controllers(here, limits)
        yield 'mkdir -p "${G%/*}"'
        if controllers:
            yield from comment("groups below can only use what is passed down to them")
            text = shlex.quote(" ".join(f"+{name}" for name in controllers))
            yield f"echo {text} > {self.names.cgroups}/cgroup.subtree_control"
            yield f'echo {text} > "${{G%/*}}/cgroup.subtree_control"'
        yield 'mkdir "$G"   # a directory is a cgroup'
        yield from self._commands(limits)
        yield from self._make_v1([act for act in in_v1 if self.names.id in act.args[0]])
        if any(act.call == "bpf" for act in made):
            yield from comment(_COMMENTS["bpf"])

    def _cgroups_v1(self) -> list[Act]:
        """The acts that make and fill groups in v1 hierarchies; none but on a hybrid host."""
        made = [act for act in self._of("shim", "cgroup") if act.call in ("mkdir", "write")]
        return [act for act in made if not act.args[0].startswith(f"{self.names.cgroups}/")]

    def _groups_v1(self) -> list[str]:
        """The groups that these acts make, as the script calls them."""
        made = [
            act.args[0] for act in self._cgroups_v1() if act.call == "mkdir" and self.names.id in act.args[0]
        ]
        return [self.names.substitute(path) for path in made]

    def _make_v1(self, made: list[Act]) -> Iterator[str]:
        """A group in each hierarchy, and its limits; the one above may be new, and a new cpuset is empty."""
        if made:
            yield from comment("cgroup v1 holds controllers here: a group of the same path in each hierarchy")
        for act in made:
            if act.call != "mkdir":
                yield from self._commands([act])
                continue
            group = self.names.substitute(act.args[0])
            above = os.path.dirname(group)
            yield f"mkdir -p {above}"
            top = os.path.dirname(above)
            if os.path.exists(f"{top}/cpuset.cpus"):
                yield f"for file in cpus mems; do cat {top}/cpuset.$file > {above}/cpuset.$file; done"
            yield f"mkdir {group}"

    # ---- init

    def _init(self) -> Iterator[str]:
        """PID 1 until it has its namespaces."""
        yield from comment("PID 1 of the new pid namespace.  0 stands for whoever writes it.")
        yield 'echo 0 > "$G/cgroup.procs"'
        yield from (f"echo 0 > {group}/tasks" for group in self._groups_v1())
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
            yield from comment("minirun makes a new terminal; a script uses the one that it is run from")
            yield from self._commands([act for act in made if act.call != "mount"])
            yield 'mount --bind "$(tty)" $R/dev/console'

    def _pivot(self) -> Iterator[str]:
        yield from self._heading("pivot_root")
        yield from comment(
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
                yield from comment(_COMMENTS[call])
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
        yield f"# ---- {phase} ".ljust(WIDTH, "-")
        yield from comment(self.whys.get(phase, ""))

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
            yield from comment(group[0].why)
        yield from narrate.fold([self.names.substitute(acts.command(act)) for act in group])


# ---- small parts ----------------------------------------------------------------------------------------------


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
