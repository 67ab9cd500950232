"""The words of `--device` and `--device-cgroup-rule`: which devices of the host a container gets.

    /dev/fuse              the node under its own name, and all may be done with it
    /dev/sda:/dev/disk:r   under another name, to be read
    acme.com/radio=0       what a file of /etc/cdi describes
    c 42:* rw              no node, but those that the container makes itself may be used

See      engine/host_devices.py for what the host has; linux/devices.py for the rules in the kernel
"""

from __future__ import annotations

import re

from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from minirun.engine.record_types import DeviceMapping, RunOptions

_LETTERS = frozenset("rwm")
_CDI = re.compile(
    r"[A-Za-z]([\w.-]*[A-Za-z0-9])?/[A-Za-z]([\w.-]*[A-Za-z0-9])?=[A-Za-z0-9]([\w.:-]*[A-Za-z0-9])?", re.ASCII
)


def is_cdi(text: str) -> bool:
    """Whether it is the name of a CDI device, vendor/class=name: see engine/cdi.py."""
    return _CDI.fullmatch(text) is not None


def mapping(text: str) -> DeviceMapping:
    """`--device HOST[:CONTAINER][:rwm]`.  Raises UsageError quoting it."""
    source, *rest = text.split(":")
    access = rest.pop() if rest and (_is_access(rest[-1]) or len(rest) == 2) else "rwm"
    made: DeviceMapping = {"source": source, "destination": rest[0] if rest else source, "access": access}
    if len(rest) > 1:
        raise UsageError(f'invalid device specification: "{text}"', "as in /dev/sda:/dev/disk:r")
    _check_mapping(made)
    return made


def _is_access(text: str) -> bool:
    return bool(text) and len(set(text)) == len(text) and _LETTERS.issuperset(text)


def _check_mapping(one: DeviceMapping) -> None:
    if not _is_access(one["access"]):
        raise UsageError(f'invalid --device: bad mode specified: "{one["access"]}"', "some of r, w and m")
    for path in (one["source"], one["destination"]):
        if not path.startswith("/"):
            raise UsageError(f'invalid --device: "{path}" is not an absolute path', "as in /dev/fuse")


def rule(text: str) -> dict[str, Any]:
    """`c 42:* rwm` as config.json has it.  Raises UsageError quoting it.

    >>> rule("c 42:* rw")
    {'allow': True, 'type': 'c', 'major': 42, 'access': 'rw'}
    """
    kind, _, rest = text.partition(" ")
    numbers, _, access = rest.partition(" ")
    major, colon, minor = numbers.partition(":")
    if kind not in ("a", "b", "c") or not colon or not access or len(access) > 3 or set(access) - _LETTERS:
        raise _bad_rule(text)
    made: dict[str, Any] = {"allow": True, "type": kind}
    for key, word in (("major", major), ("minor", minor)):
        if word != "*":
            made[key] = _number(word, text)
    if kind == "a" and (len(made) > 2 or set(access) != _LETTERS):
        raise UsageError(f"invalid device cgroup rule '{text}': type a is every device", "a *:* rwm")
    return {**made, "access": access}


def _number(word: str, text: str) -> int:
    if not (word.isascii() and word.isdigit()) or len(word) > 10 or int(word) >= 2**32:
        raise _bad_rule(text)
    return int(word)


def _bad_rule(text: str) -> UsageError:
    return UsageError(f"invalid device cgroup format '{text}'", "as in c 42:* rmw")


def check(options: RunOptions) -> None:
    """The same of options that come from no command line.  Raises UsageError."""
    for one in options["devices"]:
        _check_mapping(one)
    for name in options["cdi_devices"]:
        if not is_cdi(name):
            raise UsageError(f'invalid CDI device: "{name}"', "as in vendor.com/class=name")
    rules(options["device_cgroup_rules"])


def rules(texts: Iterable[str]) -> list[dict[str, Any]]:
    return [rule(text) for text in texts]
