"""Step 3 of 13: from options to a record, and from a record to a running container.

    image     find the image, pull it if it is not here, unpack its layers
    record    container.json: what was asked for, whole, and beside it what the image and this host make of it
    order     the shim does the rest: network, overlay, bundle, runtime

Whatever can be refused is refused before anything is made; from the record on, whoever finds a container half made
can tell what is to be put away (cleanup.py).

See      image-spec config.md, for what an image may say about its containers
By hand  jq . /var/lib/minirun/containers/ID/container.json
Next     engine/shim/start.py
"""

from __future__ import annotations

import os

from minirun.engine import channel, events, records, sandbox, volumes
from minirun.engine.attached import Attached
from minirun.engine.options import limits, policies, run_options
from minirun.errors import MinirunError, NotFoundError, UsageError
from minirun.linux import capabilities, cgroup_controllers, signals, trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.engine.record_types import LinkedTo, Record, RunOptions
    from minirun.engine.shim.spawn import Shim
    from minirun.image.image import Image
    from minirun.image.progress import Progress
    from minirun.paths import Paths


def prepare(
    paths: Paths, options: RunOptions, progress: Progress, *, starts: bool = False
) -> tuple[Record, int]:
    """Everything that can fail before anything exists; then the record, under its name, on disk.

    `starts`: it will be started at once.  The second is then the descriptor of its start lock, which order() wants
    (records.order_start() tells why); else -1.
    """
    from minirun.engine import images  # a start of what exists needs none

    run_options.check(options)
    # A limit that this kernel cannot set, or a network that is not there, is found before an image is pulled.
    cgroup_controllers.require(limits.files(options["resources"], options["cgroup_conf"]))
    limits.require_parent(options["cgroup_parent"])
    network, shared = sandbox.resolve(paths, options), _shared_namespaces(paths, options)
    links = _links(paths, options)
    if options["cdi_devices"]:
        from minirun.engine import cdi

        cdi.find(options["cdi_devices"])
    image = _find_image(paths, options, progress)
    trace.step("record", "what was asked for, written down: container.json")
    with images.lease(paths):  # a prune beside us would remove layers that no record names yet
        record = make_record(options, image, network, shared)
        if links:
            record["links"] = links
        start = volumes.add_container(paths, record, starts=starts)
    events.of_container(paths, record, "create")
    return record, start


def _find_image(paths: Paths, options: RunOptions, progress: Progress) -> Image:
    from minirun.engine import images

    trace.step("image", "a name becomes a manifest, a config and layers, each checked against its digest")
    image = images.ensure(paths, options["image"], options["pull"], progress, options["platform"])
    if options["platform"]:
        image.require(options["platform"])
    image.layer_paths()  # unpacks those that are not, and waits for it
    for mount in options["mounts"]:
        if mount["kind"] == "image":
            images.ensure(paths, mount["source"], options["pull"], progress).layer_paths()
    return image


def _shared_namespaces(paths: Paths, options: RunOptions) -> dict[str, str]:
    """Of other kinds than the network's."""
    if not options["namespaces"]:
        return {}
    from minirun.engine import namespaces

    return namespaces.resolve(paths, options)


def _links(paths: Paths, options: RunOptions) -> list[LinkedTo]:
    """Those on the default bridge, which are not the name server's."""
    if not any(attachment.get("links") for attachment in options["attachments"]):
        return []
    from minirun.engine import default_links

    return default_links.find(paths, options)


def make_record(options: RunOptions, image: Image, network: str, shared: dict[str, str]) -> Record:
    """The options, and beside them what the image's config and this host make of them, Docker's way.

    A later change of the image, its tag or this program's defaults does not reach a container that is there: all that
    it needs is in its record.
    """
    config = image.config
    container_id = records.new_id()
    entrypoint, command = program(options, config)
    of_host = "host" in (network, shared.get("uts"))
    health = policies.merged(options["health"], policies.of_image(config.get("Healthcheck")))
    return {
        "version": records.VERSION,
        "options": options,
        "id": container_id,
        "name": options["name"],
        "created": records.now(),
        "image": image.reference or options["image"],
        "image_id": image.id,
        "layers": image.layer_paths(),
        "entrypoint": entrypoint or None,
        "args": entrypoint + command,
        "env": environment(config.get("Env") or [], options["env"]),
        "cwd": options["workdir"] or _working_directory(config),
        "user": options["user"] or config.get("User") or "",
        "labels": {**(config.get("Labels") or {}), **options["labels"]},
        "exposed": exposed(options, config),
        "stop_signal": options["stop_signal"] or _stop_signal_of(image) or "SIGTERM",
        "health": health,
        "image_volumes": list(config.get("Volumes") or ()) if options["image_volumes"] else [],
        "hostname": options["hostname"] or (os.uname().nodename if of_host else container_id[:12]),
        "mounts": [],
        "namespaces": shared,
        "network": network,
        "attachments": options["attachments"],
        # cut to what this host can give: config.json may not ask for more (capabilities(7), bounding set)
        "capabilities": capabilities.effective_set(
            options["cap_add"], options["cap_drop"], options["privileged"]
        ),
        "restart_count": 0,
        "stopped_by_hand": False,
        "state": records.new_state(),
    }


def _working_directory(config: dict[str, Any]) -> str:
    path: str = config.get("WorkingDir") or ""
    if path and not path.startswith("/"):
        raise MinirunError(
            f'the image\'s working directory "{path}" is not an absolute path', "-w names another"
        )
    return path


def _stop_signal_of(image: Image) -> str:
    """What it says, or "".  Raises UsageError where that is none: such a container could only be killed."""
    name: str = image.config.get("StopSignal") or ""
    if name and not signals.named(name):
        hint = "--stop-signal TERM, or another, stands in for it"
        raise UsageError(
            f'the image {image.reference or image.id} names a stop signal that is none: "{name}"', hint
        )
    return name


def exposed(options: RunOptions, config: dict[str, Any]) -> list[str]:
    """What can be reached by neighbours, and is published by -P: the image's EXPOSE, --expose, and what -p names."""
    named = [f"{port['container_port']}/{port['protocol']}" for port in options["ports"]]
    of_image = [port if "/" in port else f"{port}/tcp" for port in config.get("ExposedPorts") or {}]
    return list(dict.fromkeys([*of_image, *options["exposed"], *named]))


def program(options: RunOptions, config: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Entrypoint and command.  A given entrypoint takes the image's Cmd away with its Entrypoint, as in Docker: the one
    holds arguments that were meant for the other.  [""] is how to say none; [] is none that leaves the Cmd there.

    >>> program({"entrypoint": None, "args": ["-v"]}, {"Entrypoint": ["nginx"], "Cmd": ["-g", "daemon off;"]})
    (['nginx'], ['-v'])
    """
    given = options["entrypoint"]
    entrypoint = (config.get("Entrypoint") or []) if given is None else given
    command = options["args"] or (not given and config.get("Cmd")) or []
    if entrypoint == [""]:
        entrypoint = []
    if not entrypoint + command:
        raise UsageError(
            "no command specified", f"the image {options['image']} names none: add one after the image"
        )
    return entrypoint, command


def environment(image: list[str], given: list[str]) -> list[str]:
    """The image's variables with those of the command line over them, each name once; one without = is to be none.

    >>> environment(["PATH=/bin", "A=1", "B=1"], ["A=2", "B"])
    ['PATH=/bin', 'A=2', 'B']
    """
    for variable in image:
        if variable.startswith("="):
            raise MinirunError(f'the image has a variable without a name: "{variable}"')
    return list({entry.partition("=")[0]: entry for entry in [*image, *given]}.values())


def order(
    paths: Paths,
    record: Record,
    shim: Shim,
    size: tuple[int, int],
    streams: list[str],
    *,
    once: bool,
    start: int = -1,
) -> Attached:
    """Tell the shim to start it; returns our end of the connection to it.

    `start` is what prepare() returned; it is closed.  `size` is the terminal's (rows, columns), (0, 0) without one;
    `streams` what we want to see of stdout and stderr, nothing when we leave; `once`: the program's input ends with
    ours.
    """
    try:
        trace.step("order", "from here on the shim is the container's parent")
    except trace.Cancelled as error:
        # it knows the whole runtime, which a run has no other use for here
        from minirun.engine import cleanup

        cleanup.abandon(paths, record["id"], error)
        raise
    content = {
        "root": paths.root,
        "state": paths.state,
        "id": record["id"],
        "rows": size[0],
        "columns": size[1],
        "streams": streams,
        "once": once,
    }
    if start < 0:
        try:
            start = records.order_start(paths.container(record["id"]))
        except FileNotFoundError:
            raise NotFoundError(f"No such container: {record['id']}") from None
    # The lock travels with the order: at any moment one of us holds it, so nobody takes the container for abandoned.
    channel.send_descriptors(shim.sock, channel.ORDER, content, [start])
    os.close(start)
    trace.announce("sendmsg", [f"start {record['id']}"], "the shim has waited on its socket for this")
    return Attached(shim.sock)
