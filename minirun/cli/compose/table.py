"""Every command of `minirun compose`: where it is, and its line in `minirun compose --help`.

See  cli/command_table.py
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minirun.cli.command_table import Table

_HERE = "minirun.cli.compose"

COMMANDS: Table = {
    "attach": (f"{_HERE}.attach:attach_command", "See the output of a service's container, and type into it"),
    "build": (f"{_HERE}.build:build_command", "Build or rebuild services"),
    "commit": (f"{_HERE}.archives:commit_command", "Create a new image from a service's container"),
    "config": (f"{_HERE}.config:config_command", "Show the files as one, in canonical form"),
    "cp": (f"{_HERE}.copying:cp_command", "Copy files between a service's container and here"),
    "create": (f"{_HERE}.up:create_command", "Create containers for services"),
    "down": (f"{_HERE}.down:down_command", "Stop and remove containers and networks"),
    "events": (f"{_HERE}.events:events_command", "Receive real time events from containers"),
    "exec": (f"{_HERE}.execute:exec_command", "Execute a command in a running container"),
    "explain": (f"{_HERE}.explain:explain_command", "Tell what `up` would do and why, and do nothing"),
    "export": (f"{_HERE}.archives:export_command", "Export a container's file system as a tar archive"),
    "graph": (f"{_HERE}.graph:graph_command", "Draw services, networks, volumes and ports"),
    "images": (f"{_HERE}.images:images_command", "List images that the containers use"),
    "kill": (f"{_HERE}.stopping:kill_command", "Kill the containers of services"),
    "logs": (f"{_HERE}.logs:logs_command", "View what containers printed"),
    "ls": (f"{_HERE}.ls:ls_command", "List projects"),
    "pause": (f"{_HERE}.stopping:pause_command", "Freeze services"),
    "port": (f"{_HERE}.top:port_command", "Print the public port of a service's port"),
    "ps": (f"{_HERE}.ps:ps_command", "List containers"),
    "pull": (f"{_HERE}.pull:pull_command", "Download the images of services"),
    "push": (f"{_HERE}.push:push_command", "Upload the images of services"),
    "restart": (f"{_HERE}.stopping:restart_command", "Restart the containers of services"),
    "rm": (f"{_HERE}.stopping:rm_command", "Remove stopped containers"),
    "run": (f"{_HERE}.run:run_command", "Run a command once, in a container of a service"),
    "scale": (f"{_HERE}.up:scale_command", "Say how many containers services have"),
    "start": (f"{_HERE}.stopping:start_command", "Start services"),
    "stats": (f"{_HERE}.stats:stats_command", "Display what containers use, once a second"),
    "stop": (f"{_HERE}.stopping:stop_command", "Stop services"),
    "top": (f"{_HERE}.top:top_command", "Display the running processes"),
    "unpause": (f"{_HERE}.stopping:unpause_command", "Let frozen services go on"),
    "up": (f"{_HERE}.up:up_command", "Create and start containers"),
    "version": (f"{_HERE}.version:version_command", "Show the version"),
    "volumes": (f"{_HERE}.volumes:volumes_command", "List volumes"),
    "wait": (f"{_HERE}.wait:wait_command", "Block until containers stop"),
    "watch": (f"{_HERE}.watch:watch_command", "Follow changes of files: copy, rebuild, restart"),
    "why": (f"{_HERE}.why:why_command", "Say why a service does not come up"),
}
