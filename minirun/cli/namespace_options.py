"""The options of `run` and `create` about namespaces that a container shares.

Next  engine/options/namespaces.py
"""

from __future__ import annotations

import click

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from minirun.engine.record_types import RunOptions

_OPTIONS = (
    click.option("--pid", default="", help="Whose processes it sees: host, container:NAME."),
    click.option("--ipc", default="", help="Whose shared memory: none, shareable, host, container:NAME."),
    click.option("--uts", default="", help="Whose host name: host."),
    click.option("--cgroupns", default="", help="How it sees cgroups: private, host."),
)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the command takes them all, under the names that `apply` knows."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def apply(words: Mapping[str, Any], options: RunOptions) -> None:
    """The words of `run` and `create` about namespaces into the options."""
    modes = {name: words[name] for name in ("pid", "ipc", "uts", "cgroupns") if words[name]}
    if modes:
        from minirun.engine.options import namespaces

        options["namespaces"] = namespaces.all_of(**modes)
