"""Every command of `minirun`: where it is, and its line in `minirun --help`.

A command's module is imported when it is called, and not before, so that `ps` does not pay for what `pull` imports;
help and completion read the table and import nothing.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    import click

    Table = dict[str, tuple[str, str]]  # name -> (module:function, help line)

COMMANDS: Table = {
    "run": ("minirun.cli.run:run_command", "Create and run a new container from an image"),
    "create": ("minirun.cli.starting:create_command", "Create a new container from an image"),
    "start": ("minirun.cli.starting:start_command", "Start one or more stopped containers"),
    "attach": (
        "minirun.cli.starting:attach_command",
        "See the output of a running container, and type into it",
    ),
    "exec": ("minirun.cli.execute:exec_command", "Execute a command in a running container"),
    "ps": ("minirun.cli.ps:ps_command", "List containers"),
    "events": ("minirun.cli.events:events_command", "Get real time events"),
    "logs": ("minirun.cli.logs:logs_command", "Fetch the logs of a container"),
    "stop": ("minirun.cli.stopping:stop_command", "Stop one or more running containers"),
    "restart": ("minirun.cli.stopping:restart_command", "Restart one or more containers"),
    "kill": ("minirun.cli.stopping:kill_command", "Kill one or more running containers"),
    "wait": ("minirun.cli.stopping:wait_command", "Block until containers stop, then print their exit codes"),
    "pause": ("minirun.cli.stopping:pause_command", "Freeze all processes of one or more containers"),
    "unpause": ("minirun.cli.stopping:unpause_command", "Let frozen containers go on"),
    "rename": ("minirun.cli.stopping:rename_command", "Give a container another name"),
    "stats": ("minirun.cli.stats:stats_command", "Display what containers use, once a second"),
    "update": ("minirun.cli.update:update_command", "Change the limits of one or more containers"),
    "cp": ("minirun.cli.copying:cp_command", "Copy files between a container and here"),
    "diff": ("minirun.cli.copying:diff_command", "Show what a container has changed in its file system"),
    "top": ("minirun.cli.top:top_command", "Display the running processes of a container"),
    "port": ("minirun.cli.top:port_command", "List port mappings of a container"),
    "rm": ("minirun.cli.stopping:rm_command", "Remove one or more containers"),
    "inspect": ("minirun.cli.inspecting:inspect_command", "Return low-level information on containers"),
    "build": ("minirun.cli.build:build_command", "Build an image from a Dockerfile"),
    "pull": ("minirun.cli.images:pull_command", "Download an image from a registry"),
    "push": ("minirun.cli.registries:push_command", "Upload an image to a registry"),
    "login": ("minirun.cli.registries:login_command", "Authenticate to a registry"),
    "logout": ("minirun.cli.registries:logout_command", "Log out from a registry"),
    "manifest": ("minirun.cli.manifestgroup:manifest_group", "See manifests in a registry"),
    "search": ("minirun.cli.searching:search_command", "Search a registry for images"),
    "save": ("minirun.cli.archives:save_command", "Save one or more images to a tar archive"),
    "load": ("minirun.cli.archives:load_command", "Load an image from a tar archive or STDIN"),
    "import": ("minirun.cli.archives:import_command", "Make an image from a tar archive of a file system"),
    "export": ("minirun.cli.archives:export_command", "Export a container's file system as a tar archive"),
    "commit": ("minirun.cli.archives:commit_command", "Create a new image from a container's changes"),
    "images": ("minirun.cli.images:images_command", "List images"),
    "rmi": ("minirun.cli.removing:rmi_command", "Remove one or more images"),
    "tag": ("minirun.cli.images:tag_command", "Give an image another name"),
    "history": ("minirun.cli.imageinspect:history_command", "Show the history of an image"),
    "container": ("minirun.cli.containergroup:container_group", "Manage containers"),
    "image": ("minirun.cli.imagegroup:image_group", "Manage images"),
    "network": ("minirun.cli.networks:network_group", "Manage networks"),
    "volume": ("minirun.cli.volumes:volume_group", "Manage volumes"),
    "compose": (
        "minirun.cli.compose.group:compose_group",
        "Run several containers, as a file describes them",
    ),
    "info": ("minirun.cli.info:info_command", "Display system-wide information"),
    "version": ("minirun.cli.info:version_command", "Show the version"),
    "doctor": ("minirun.cli.doctor:doctor_command", "Check whether this machine can run containers"),
    "completion": ("minirun.cli.completion:completion_command", "Print a shell's completion script"),
    "builder": ("minirun.cli.builder:builder_group", "Manage builds"),
    "buildx": ("minirun.cli.builder:buildx_group", "Manage builds, under the newer name"),
    "system": ("minirun.cli.system:system_group", "Show what minirun takes up"),
}
ALIASES = {  # another name of Docker's -> the name in the group
    "container ps": "ls",
    **{f"{group} list": "ls" for group in ("container", "image", "network", "volume")},
    **{f"{group} remove": "rm" for group in ("container", "image", "network", "volume")},
}


def load(place: str) -> click.Command:
    """The click command at `module:name`."""
    module, _, name = place.partition(":")
    command: click.Command = getattr(importlib.import_module(module), name)
    return command
