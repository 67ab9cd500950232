"""Options of Docker's `run`, `create` and `network connect` that minirun has not, with the reason; and those that only
say what is so anyway.

They are not shown by --help.  Whoever types one hears why it is not there, not that it might have been another word.
"""

from __future__ import annotations

import click

from minirun.errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_REASONS = {
    "--driver-opt": "a bridge has no options for one container alone",
    "--gpus": "no device driver is known here; --device gives a node of /dev",
    "--isolation": "it is for containers of Windows",
    "--link-local-ip": "a container has the addresses of its networks alone",
    "--storage-opt": "an overlay has no size of its own; put --root on a file system with quotas",
}
_FLAGS = {"--use-api-socket": "there is no daemon, so there is no socket that could be given"}
_AS_IT_IS = {
    "--runtime": (("minirun-oci",), "the runtime is minirun's own"),
    "--userns": (("", "host"), "users are the host's; there is no other user namespace yet"),
    "--volume-driver": (("", "local"), "local is the one that there is"),
}


_OF_RUN = ("--gpus", "--isolation", "--link-local-ip", "--storage-opt", *_FLAGS, *_AS_IT_IS)
_OF_CONNECT = ("--driver-opt", "--link-local-ip")


def of_run(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the command knows them, and gets none of them."""
    return _known(_OF_RUN, command)


def of_connect(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same for `network connect`."""
    return _known(_OF_CONNECT, command)


def _known(names: tuple[str, ...], command: Callable[..., Any]) -> Callable[..., Any]:
    for name in names:
        flag = name in _FLAGS
        command = click.option(name, is_flag=flag, hidden=True, expose_value=False, callback=_look)(command)
    return command


def _look(_ctx: click.Context, option: click.Parameter, value: str | bool | None) -> None:
    """Raises UnsupportedError when the option was given, and does not only say what is so anyway."""
    name = option.opts[0]
    if value is None or value is False:
        return
    accepted, reason = _AS_IT_IS.get(name, ((), ""))
    if value not in accepted:
        words = name if value is True else f"{name} {value}"
        raise UnsupportedError(f"{words} is not in minirun: {reason or {**_REASONS, **_FLAGS}[name]}")
