"""The words of `--pid`, `--ipc`, `--uts` and `--cgroupns`: which namespaces a container does not have for itself.

    {"pid": "container:db", "uts": "host"}         kind, as config.json has it -> whose; not named is its own

See      namespaces(7); engine/namespaces.py for what comes of it
"""

from __future__ import annotations

from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from minirun.engine.record_types import RunOptions

_OPTIONS = {"pid": "--pid", "ipc": "--ipc", "uts": "--uts", "cgroup": "--cgroupns"}
_WORDS = {
    "pid": ("host", "container:NAME"),
    "ipc": ("none", "shareable", "host", "container:NAME"),
    "uts": ("host",),
    "cgroup": ("host",),
}


def all_of(*, pid: str = "", ipc: str = "", uts: str = "", cgroupns: str = "") -> dict[str, str]:
    """What is given, but for what is the default: "", "private".  Raises UsageError quoting the bad word."""
    given = {"pid": pid, "ipc": ipc, "uts": uts, "cgroup": cgroupns}
    made = {kind: mode for kind, mode in given.items() if mode not in ("", "private")}
    _check_words(made)
    return made


def _check_words(modes: Mapping[str, str]) -> None:
    for kind, mode in modes.items():
        if kind not in _WORDS:
            raise UsageError(f"there is no option namespaces.{kind}", f"there are {', '.join(_WORDS)}")
        of_container = mode.startswith("container:") and mode != "container:"
        if ("container:NAME" if of_container else mode) not in _WORDS[kind]:
            words = ", ".join(("private", *_WORDS[kind]))
            raise UsageError(f'{_OPTIONS[kind]}: invalid {kind.upper()} mode: "{mode}"', f"there are {words}")


def check(options: RunOptions) -> None:
    """What a container may not say of a namespace that is the host's.  Raises UsageError."""
    modes = options["namespaces"]
    _check_words(modes)
    if modes.get("uts") == "host":
        for key in ("hostname", "domainname"):
            if options[key]:
                raise UsageError(f"conflicting options: {key} and the UTS mode", "it would be the host's")
