"""Whether options have the types that record_types.py says, for those who are no command line and have no type checker.

A shape is plain data, because typing costs more at start-up than all the rest of a check:

    str int float bool      a value of that type; a bool is no number, a whole number is a float as well
    "always", None          this very value
    (shape, shape)          any of these
    [shape]                 a list of such
    {str: shape}            a dictionary with any keys
    {"key": shape}          a dictionary with these keys; one that ends in ? may be missing
    object                  anything

An option has the type of its default; `_OTHERS` says what a default cannot say.  A test holds all of it against
record_types.py.
"""

from __future__ import annotations

import os

from minirun.engine.options import logging, policies
from minirun.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Shape = Any

STREAMS = ("stdin", "stdout", "stderr")
PULL = ("missing", "always", "never")
RESTART = {"name": policies.POLICIES, "maximum": int}
HEALTH = {
    "test": [str],
    "interval": float,
    "timeout": float,
    "start_period": float,
    "start_interval": float,
    "retries": int,
}
ATTACHMENT = {
    "network": str,
    "aliases": [str],
    "ipv4": str,
    "ipv6": str,
    "mac": str,
    "links?": [[str]],
    "link_local?": [str],
    "driver_opts?": {str: str},
    "gw_priority?": int,
}
PORT = {"host_ip": str, "host_ports": [int], "container_port": int, "protocol": ("tcp", "udp")}
MOUNT = {
    "kind": ("bind", "volume", "tmpfs", "image"),
    "name": str,
    "source": str,
    "subpath": str,
    "layers": [str],
    "place": str,
    "destination": str,
    "options": [str],
    "copy": bool,
    "anonymous": bool,
    "labels": {str: str},
    "volume_options": {str: str},
    "origin": str,
    "mode": str,
}
DEVICE = {"source": str, "destination": str, "access": str}
_RATES = [{"major": int, "minor": int, "rate": int}]
RESOURCES = {  # what limits.resources() makes
    "memory?": {
        "limit?": int,
        "swap?": int,
        "reservation?": int,
        "swappiness?": int,
        "disableOOMKiller?": bool,
    },
    "cpu?": {
        "quota?": int,
        "period?": int,
        "shares?": int,
        "cpus?": str,
        "mems?": str,
        "realtimePeriod?": int,
        "realtimeRuntime?": int,
    },
    "pids?": {"limit?": int},
    "blockIO?": {
        "weight?": int,
        "weightDevice?": [{"major": int, "minor": int, "weight": int}],
        "throttleReadBpsDevice?": _RATES,
        "throttleWriteBpsDevice?": _RATES,
        "throttleReadIOPSDevice?": _RATES,
        "throttleWriteIOPSDevice?": _RATES,
    },
}
_OTHERS = {
    "entrypoint": ([str], None),
    "attached": [STREAMS],
    "mounts": [MOUNT],
    "attachments": [ATTACHMENT],
    "ports": [PORT],
    "extra_hosts": [[str]],
    "resources": RESOURCES,
    "devices": [DEVICE],
    "rlimits": [{"type": str, "soft": int, "hard": int}],
    "seccomp": ({str: object}, None),
    "stop_timeout": (int, None),
    "restart": RESTART,
    "health": (HEALTH, None),
    "log": {"driver": logging.DRIVERS, "options": {str: str}},
    "pull": PULL,
}


def of_options(defaults: Mapping[str, Any]) -> Shape:
    """The shape of RunOptions."""
    return {name: _OTHERS[name] if name in _OTHERS else _like(value) for name, value in defaults.items()}


def _like(default: object) -> Shape:
    if isinstance(default, list):
        return [str]
    return {str: str} if isinstance(default, dict) else type(default)


def check(value: object, shape: Shape, where: str) -> None:
    """Raises UsageError naming what is wrong in `value`, which the caller calls `where`."""
    if isinstance(shape, tuple):
        _check_any(value, shape, where)
    elif isinstance(shape, list):
        _require(isinstance(value, list), value, shape, where)
        _check_items(value, shape[0], where)  # type: ignore[arg-type]
    elif isinstance(shape, dict):
        _require(isinstance(value, dict), value, shape, where)
        _check_keys(value, shape, where)  # type: ignore[arg-type]
    else:
        _require(_is_a(value, shape), value, shape, where)
        if isinstance(value, str):
            check_text(value, where)


def _check_items(values: Sequence[object], shape: Shape, where: str) -> None:
    for number, one in enumerate(values):
        check(one, shape, f"{where}[{number}]")


def _check_any(value: object, shapes: Sequence[Shape], where: str) -> None:
    """The error of a list or dictionary that is nearly right is worth more than "is neither of these"."""
    inner = [one for one in shapes if isinstance(one, (list, dict)) and isinstance(value, type(one))]
    if inner:
        check(value, inner[0], where)
    else:
        _require(any(_is_a(value, one) for one in shapes), value, shapes, where)
        if isinstance(value, str):
            check_text(value, where)


def _check_keys(value: Mapping[Any, object], shape: Shape, where: str) -> None:
    if str in shape:
        for key, one in value.items():
            check(key, str, f"a key of {where}")
            check(one, shape[str], f"{where}.{key}")
        return
    inside = f"{where}." if where else ""
    names = {key.removesuffix("?"): key for key in shape}
    for key in value:
        if key not in names:
            raise UsageError(f"there is no option {inside}{key}", f"there are {', '.join(names)}")
    for name, key in names.items():
        if name in value:
            check(value[name], shape[key], inside + name)
        elif key == name:
            raise UsageError(f"the option {inside}{name} is missing", f"it is {_words(shape[key])}")


def _is_a(value: object, shape: Shape) -> bool:
    if shape is object:
        return True
    if not isinstance(shape, type):
        return type(value) is type(shape) and value == shape
    if shape in (int, float):
        return type(value) is int or type(value) is shape
    return isinstance(value, shape)


def refuse_text(**lists: object) -> None:
    """What is to be several words and is one str would be taken for its letters.  Raises UsageError naming it."""
    for name, value in lists.items():
        if isinstance(value, str):
            check(value, [str], name)


def check_text(text: str, where: str) -> None:
    """Text that programs, files and the kernel can be given.  Raises UsageError."""
    if "\0" in text:
        raise UsageError(f"the option {where} has a NUL in it: {_short(text)}", "nothing can be called so")
    if text.isascii():
        return
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        raise UsageError(
            f"the option {where} cannot be written in UTF-8: {_short(text)}", "it has half a surrogate pair"
        ) from None


def _require(holds: bool, value: object, shape: Shape, where: str) -> None:
    if not holds:
        raise UsageError(f"invalid value for the option {where}: {_short(value)}", f"it is {_words(shape)}")


def _short(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:59]}..."


_NAMES = {str: "a str", int: "an int", float: "a number", bool: "True or False", object: "anything"}


def _words(shape: Shape) -> str:
    """What is expected, for the hint."""
    if isinstance(shape, tuple):
        return " or ".join(_words(one) for one in shape)
    if isinstance(shape, list):
        return f"a list, in which each is {_words(shape[0])}"
    if isinstance(shape, dict):
        return "a dictionary" if str in shape else f"a dictionary of {', '.join(shape)}"
    return _NAMES[shape] if isinstance(shape, type) else repr(shape)
