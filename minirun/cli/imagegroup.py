"""`minirun image`: the commands for images once more, gathered as Docker gathers them."""

from __future__ import annotations

from minirun.cli.command_table import COMMANDS
from minirun.cli.commands import LazyGroup

image_group = LazyGroup(
    "image",
    "Manage images.",
    {
        "ls": COMMANDS["images"],
        "build": COMMANDS["build"],
        "pull": COMMANDS["pull"],
        "push": COMMANDS["push"],
        "tag": COMMANDS["tag"],
        "rm": COMMANDS["rmi"],
        "prune": ("minirun.cli.removing:prune_command", "Remove unused images"),
        "inspect": (
            "minirun.cli.imageinspect:inspect_command",
            "Display detailed information on one or more images",
        ),
        "history": COMMANDS["history"],
        "layers": (
            "minirun.cli.layers:layers_command",
            "Show what each layer of an image adds, changes and removes",
        ),
        "save": COMMANDS["save"],
        "load": COMMANDS["load"],
        "import": COMMANDS["import"],
    },
)
