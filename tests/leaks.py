"""What a container could leave behind on the host, seen without minirun's help: the leak check of the root tier."""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.limits import cgroup2_mount, v1_mounts
from tests.support import Minirun

# Seconds: cgroups, network namespaces and lazily unmounted filesystems go a little after their last process.
PATIENCE = 2.0


def snapshot(minirun: Minirun) -> dict[str, set[str]]:
    """Everything that must be the same before and after a test, by kind."""
    return {
        "mounts": set(mounts()),
        "cgroups": set(cgroups()),
        "links": {link["ifname"] for link in json.loads(_output("ip", "-j", "link"))},
        "nft rules": set(nft_rules()),
        "processes": set(processes(minirun.state)),
        "run directory": set(tree(minirun.state)),
        "containers": set(tree(minirun.root / "containers")),
    }


def leaked(before: dict[str, set[str]], minirun: Minirun) -> dict[str, list[str]]:
    """What differs from `before`, as "+ new" and "- gone" by kind; waits a little for it to become nothing."""
    deadline = time.monotonic() + PATIENCE
    while (difference := _difference(before, snapshot(minirun))) and time.monotonic() < deadline:
        time.sleep(0.05)
    return difference


def _difference(before: dict[str, set[str]], after: dict[str, set[str]]) -> dict[str, list[str]]:
    found = {
        kind: [f"+ {item}" for item in sorted(after[kind] - before[kind])]
        + [f"- {item}" for item in sorted(before[kind] - after[kind])]
        for kind in before
    }
    return {kind: items for kind, items in found.items() if items}


def mounts() -> Iterator[str]:
    """Mount points with their types. See proc_pid_mountinfo(5)."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ")
        point = left.split()[4]
        # The safe copy of Python, made once a boot: no container's.
        if not point.startswith("/run/minirun-python"):
            yield f"{point} {right.split()[0]}"


# Others keep processes in groups of v1 hierarchies, as whatever has started the tests may, and make and remove them.
_OF_OTHERS = {
    path for top in v1_mounts().values() for path in top.iterdir() if not path.name.startswith("minirun")
}


def cgroups() -> Iterator[str]:
    """Every cgroup in every hierarchy, except minirun's own parent directory, which may stay."""
    for top in filter(None, [cgroup2_mount(), *v1_mounts().values()]):
        for directory, names, _ in os.walk(top):
            names[:] = [name for name in names if Path(directory, name) not in _OF_OTHERS]
            if os.path.basename(directory) != "minirun":
                yield directory


def nft_rules() -> Iterator[str]:
    """The lines of the ruleset, each with the table it is in, without counter values."""
    table = ""
    for line in _output("nft", "list", "ruleset").splitlines():
        table = line.removesuffix(" {") if line.startswith("table ") else table
        if line.strip() not in ("", "}"):
            yield f"{table}: {re.sub(r'packets [0-9]+ bytes [0-9]+', '', line).strip()}"


def processes(state: Path) -> Iterator[str]:
    """Processes named minirun:..., and those that name our state directory; children of this process, too."""
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            # "PID (NAME) STATE PARENT": the name may hold spaces and brackets. See proc_pid_stat(5).
            name, _, rest = (directory / "stat").read_text().partition(" (")[2].rpartition(") ")
            command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        state_letter, parent = rest.split()[:2]
        ours = int(parent) == os.getpid()
        if state_letter == "Z" and not ours:
            continue  # it has ended; some machines' PID 1 takes seconds to notice its adopted children
        if ours or name.startswith("minirun") or str(state) in command:
            yield f"{directory.name} {name} {command}".rstrip()


def tree(top: Path) -> Iterator[str]:
    """Every path below `top`; lock files may stay, for removing them safely is harder than keeping them."""
    for directory, names, files in os.walk(top):
        yield from (os.path.join(directory, name) for name in [*names, *files] if not name.endswith("lock"))


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
