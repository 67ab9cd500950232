"""`minirun container`: the commands for containers once more, gathered as Docker gathers them."""

from __future__ import annotations

from minirun.cli.command_table import COMMANDS
from minirun.cli.commands import LazyGroup

_SAME = (
    *(
        "attach",
        "commit",
        "cp",
        "create",
        "diff",
        "exec",
        "export",
        "inspect",
        "kill",
        "logs",
        "pause",
        "port",
    ),
    *("rename", "restart", "rm", "run", "start", "stats", "stop", "top", "unpause", "update", "wait"),
)

container_group = LazyGroup(
    "container",
    "Manage containers.",
    {
        "ls": COMMANDS["ps"],
        **{name: COMMANDS[name] for name in _SAME if name in COMMANDS},
        "inspect": (
            "minirun.cli.inspecting:container_inspect_command",
            "Display detailed information on one or more containers",
        ),
        "prune": ("minirun.cli.pruning:container_prune_command", "Remove all stopped containers"),
    },
)
