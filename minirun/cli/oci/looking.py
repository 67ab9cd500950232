"""state, list, ps, events, features, spec: what is to be known, changing nothing.

See  runc list.go, ps.go, events.go for the shapes that programs read
"""

from __future__ import annotations

import os

from minirun import __version__, files, jsontext
from minirun.cli.printing import say, say_line
from minirun.errors import MinirunError, NotFoundError, UsageError
from minirun.linux import cgroup_processes
from minirun.runtime import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from minirun.cli.arguments import Given
    from minirun.linux.cgroup_oom import Events
    from minirun.runtime.config import State

_LONGEST_POLL = 2**31 - 1  # milliseconds, an int of C: poll(2)
_NARROWEST = 12  # letters of a column, as runc's
_HIDDEN = ("start_time", "cgroup")  # of state.json, what only we need


def version(_options: Given) -> None:
    say(f"minirun-oci version {__version__}\nspec: {state.OCI_VERSION}")


def show_state(options: Given) -> None:
    say(jsontext.dumps(_shown(state.read(options.root, options.id)), indent=2))


def _shown(current: State) -> dict[str, object]:
    return {key: value for key, value in current.items() if key not in _HIDDEN}


def list_containers(options: Given) -> None:
    states = list(_states(options.root))
    if options.quiet:
        say("".join(f"{one['id']}\n" for one in states), end="")
    elif options.format == "json":
        say(jsontext.dumps([_shown(one) for one in states]))
    else:
        from minirun.cli import format

        keys = ("id", "pid", "status", "bundle", "created", "owner")
        rows = [[key.upper() for key in keys], *([str(one[key]) for key in keys] for one in states)]  # type: ignore[literal-required]
        for line in format.table(rows, _NARROWEST):
            say_line(line)


def _states(root: str) -> Iterator[State]:
    for name in state.all_ids(root):
        try:
            yield state.read(root, name)
        except NotFoundError:
            pass  # deleted since we looked


def ps(options: Given) -> None:
    """The host's pids of all that is in the container's group, or the lines of ps(1) about them."""
    current = state.read(options.root, options.id)
    pids = cgroup_processes.pids(_group(current)) if current["pid"] else []
    if options.format == "json":
        say(jsontext.dumps(sorted(pids)))
        return
    from minirun.linux import programs

    result = programs.run(["ps", *(options.args or ["-ef"])])
    if result.code:
        raise MinirunError(f"ps: {result.reason}")
    heading, *lines = result.output.splitlines()
    if "PID" not in heading.split():
        raise MinirunError("ps shows no column PID to know the processes by", "let it show one: -o pid,...")
    column = heading.split().index("PID")
    wanted = {str(pid) for pid in pids}
    shown = [line for line in lines if wanted.intersection(line.split()[column : column + 1])]
    say("\n".join([heading, *shown]))


def _group(current: State) -> str:
    if not current["cgroup"]:
        raise MinirunError(f'container "{current["id"]}" has no control group: --cgroup-manager disabled')
    return current["cgroup"]


def events(options: Given) -> None:
    """Lines of JSON until the container ends: what it uses, each --interval, and when the kernel has killed in it."""
    from minirun.engine.options import policies
    from minirun.linux import cgroup_oom, processes

    seconds = policies.duration(options.interval, "--interval")
    if seconds <= 0:
        raise UsageError("--interval has to be more than nothing")
    current = state.read(options.root, options.id)
    state.require(current, "created", "running", "paused")
    if options.stats:
        return _print_statistics(current)
    end = processes.open_pidfd(current["pid"], current["start_time"])
    kills = cgroup_oom.watch(_group(current))
    if end is not None:
        _follow(current, end, kills, seconds)
    return None


def _follow(current: State, end: int, kills: Events | None, seconds: float) -> None:
    import select

    poll = select.poll()
    poll.register(end, select.POLLIN)
    if kills:
        poll.register(kills.fd, kills.wanted)
    seen = kills.kills() if kills else 0
    while True:
        ready = poll.poll(min(seconds * 1000, _LONGEST_POLL))
        try:
            if kills and (now := kills.kills()) > seen:
                for _ in range(now - seen):
                    _print_event(current, "oom")
                seen = now
        except OSError:
            return  # the group has gone
        if any(fd == end for fd, _ in ready):
            return
        if not ready:
            _print_statistics(current)


def _print_statistics(current: State) -> None:
    from minirun.runtime import statistics

    _group(current)
    _print_event(current, "stats", data=statistics.of(current))


def _print_event(current: State, kind: str, **more: object) -> None:
    say(jsontext.dumps({"type": kind, "id": current["id"], **more}))


def show_features(_options: Given) -> None:
    from minirun.runtime import features

    say(jsontext.dumps(features.known(), indent=4))


def write_spec(options: Given) -> None:
    from minirun.runtime import spec

    path = os.path.join(options.bundle, "config.json")
    if os.path.exists(path):
        raise MinirunError(f"{path} exists already", "move it away first")
    files.write_json(path, spec.default_config(), 0o644)
