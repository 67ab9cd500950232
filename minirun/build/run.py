"""One RUN: a program runs in a step's overlay, and what it has changed there is the layer.

The same container as `minirun run` makes, by the same bundle and the same runtime, without what a build has no use for:
no record, no shim, no log.  A child of the build is its parent, and waits for it; the build reads what it prints.

    the build (coordinator)                  the child, with a mount namespace of its own
    -----------------------                  --------------------------------------------
    RunState, Network              --fork--> the step's overlay is mounted (layer.py)
    reads the pipes                          run():  --mount (run_mounts.py), config.json, create, start,
                                                     wait, delete; what was made to mount on goes again (stubs.py)
                                   <-------- exit code; the upper directory becomes the layer

When the build is killed all of it goes: run_state.py tells how.

See      engine/bundle.py, runtime/container.py; buildkit executor/runcexecutor
By hand  minirun run --rm --hostname buildkitsandbox --network none IMAGE sh -c '...'; minirun commit
Next     run_mounts.py
"""

from __future__ import annotations

import os

from minirun import files
from minirun.build.run_mounts import Mounts, Supply
from minirun.build.run_state import PRIVATE
from minirun.build.stubs import Stubs
from minirun.engine import bundle, etc, records, sandbox
from minirun.engine.options import run_options
from minirun.engine.shim import loop
from minirun.engine.shim.child import Child
from minirun.errors import MinirunError, ProgramError, ProgramNotFound
from minirun.linux import capabilities, cgroup_oom, inroot, trace
from minirun.runtime import container, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable
    from typing import Any

    from minirun.build.mounts import Mount
    from minirun.build.run_state import RunState
    from minirun.engine.record_types import Record
    from minirun.engine.shim.loop import Part
    from minirun.runtime.config import Config, Rlimit

    Streams = tuple[int, int, int]

HOSTNAME = "buildkitsandbox"
# /etc/hosts and resolv.conf: what is written there would be lost
_SEALED = ["rbind", "ro", "nosuid", "nodev", "noexec"]


class RunOrder:
    """What one RUN asks for: nothing is left to be expanded or looked up in the Dockerfile."""

    def __init__(
        self,
        args: list[str],
        *,
        env: Iterable[str] = (),
        user: str = "",
        workdir: str = "/",
        mounts: Iterable[Mount] = (),
        files: Iterable[tuple[str, str]] = (),
        network: str = "default",
        insecure: bool = False,
        hostname: str = HOSTNAME,
        extra_hosts: Iterable[list[str]] = (),
        shm_size: int = 0,
        rlimits: Iterable[Rlimit] = (),
        resources: dict[str, Any] | None = None,
    ) -> None:
        self.args = args  # what is executed, the shell of SHELL in front
        self.env = list(env)  # of the image's config, and the ARGs: NAME=value
        self.user = user
        self.workdir = workdir
        self.mounts = list(mounts)
        self.files = list(files)  # (name, text): programs below /dev/pipes, of a heredoc that begins with #!
        self.network = network  # default, none, host
        self.insecure = insecure  # --security=insecure
        self.hostname = hostname
        self.extra_hosts = list(extra_hosts)  # [name, address or "host-gateway"]
        self.shm_size = shm_size  # bytes; 0: the default
        self.rlimits = list(rlimits)
        self.resources = resources or {}  # as config.json's linux.resources


def run(
    state: RunState,
    order: RunOrder,
    merged: str,
    streams: Streams,
    namespace: str = "",
    supply: Supply | None = None,
    console: socket.socket | None = None,
) -> int:
    """Run it to its end.  Returns the exit code: 127 and 126 when it cannot be started, 128 and more for a signal.

    `merged` is where the step's overlay is mounted, in this process's own mount namespace; afterwards it differs by
    what the program has changed, and nothing else.  `streams` are the program's descriptors 0, 1 and 2; `namespace` is
    the path of the network namespace for a RUN with the default network; `supply` is what --mount may take from.  With
    `console` the program has a terminal, whose master is sent over that.  Raises MinirunError, after undoing all.
    """
    run_id = state.new_run()
    directory = f"{state.directory}/{run_id}"
    mounts = Mounts(state.paths, f"{directory}/{PRIVATE}", os.path.dirname(merged), supply or Supply())
    try:
        if order.mounts or order.files:
            why = "what --mount asks for is made in a directory that nobody else sees"
            trace.step("mounts", why, stops=False)
            mounts.make(order.mounts, order.files, order.workdir)
        trace.step("bundle", "config.json: all that the runtime will know about this RUN")
        config = configure(state, order, merged, directory, namespace, mounts, tty=console is not None)
        make_workdir(merged, config)
        files.write_json(f"{directory}/config.json", config)
        stubs = Stubs(merged, [mount["destination"] for mount in config["mounts"]])
        try:
            code = _execute(state, run_id, stubs, streams, mounts, console)
            if code:
                _tell_of_memory(run_id, order, streams[2])
            return code
        finally:
            trace.step("cleanup", "what only a running program needs is given back", stops=False)
            state.end_run(run_id)
            stubs.remove()
    finally:
        mounts.release()
        state.end_run(run_id)


def _execute(
    state: RunState,
    run_id: str,
    stubs: Stubs,
    streams: Streams,
    mounts: Mounts,
    console: socket.socket | None,
) -> int:
    try:
        created = container.create(
            state.directory,
            run_id,
            f"{state.directory}/{run_id}",
            cache=f"{state.paths.cache}/seccomp",
            stdio=None if console else streams,
            console=console,
            die_with_parent=True,
            secrets=mounts.secret_env,
        )
        stubs.made()
        try:
            container.start(state.directory, run_id)
            created.sync.expect_exec()
        finally:
            created.sync.close()
    except ProgramError as error:  # for whoever reads the output this is the program's failure, as in a shell
        os.write(streams[2], f"{error}\n".encode())
        return 127 if isinstance(error, ProgramNotFound) else 126
    return wait(created.pid, mounts.parts)


def _tell_of_memory(run_id: str, order: RunOrder, output: int) -> None:
    """For whoever reads the output of a program that the kernel has killed for its memory; the group is still there."""
    events = cgroup_oom.watch(f"/minirun/{run_id}")
    if events is None:
        return
    if events.kills():
        limit = order.resources.get("memory", {}).get("limit", 0)
        shown = f" ({limit // 1024**2} MiB)" if limit else ""
        os.write(output, f"minirun: a program was killed: it used all of its --memory{shown}\n".encode())
    events.close()


def wait(pid: int, parts: list[Part]) -> int:
    """The exit code of our child, when it has ended; the kernel has killed all others in its pid namespace by then.

    `parts` are served meanwhile.
    """
    ended: list[int] = []
    parts.append(Child(pid, ended.append))
    loop.serve(parts, lambda: bool(ended))
    return process.exit_code(ended[0])


# ---- config.json --------------------------------------------------------------------------------------------------


def configure(
    state: RunState,
    order: RunOrder,
    merged: str,
    directory: str,
    namespace: str,
    mounts: Mounts,
    *,
    tty: bool = False,
) -> Config:
    """The config.json of the RUN, with its files of /etc in `directory`.  Raises MinirunError."""
    record = _record(order, os.path.basename(directory), mounts)
    record["options"]["tty"] = tty
    for name, text in _etc(state, order, record).items():
        files.write_whole(f"{directory}/{name}", text.encode())
        trace.announce("creat", [f"{directory}/{name}", text], f"to be /etc/{name}")
    path = {"default": namespace, "none": "", "host": "host"}[order.network]
    config = bundle.configure(record, directory, merged, path)
    config["mounts"] = [
        _sealed(mount) for mount in config["mounts"] if mount["destination"] != "/etc/hostname"
    ]
    if not any(entry.startswith("HOSTNAME=") for entry in order.env):
        env = config["process"].get("env", [])
        config["process"]["env"] = [entry for entry in env if not entry.startswith("HOSTNAME=")]
    return config


def _etc(state: RunState, order: RunOrder, record: Record) -> dict[str, str]:
    """hosts and resolv.conf.  The first has BuildKit's lines: a RUN may keep it."""
    places = sandbox.endpoints_of(state.paths, state.id) if order.network == "default" else []
    gateway = places[0][0]["pools"][0]["gateway"] if places else "127.0.0.1"
    lines = [f"127.0.0.1\tlocalhost {order.hostname}", "::1\tlocalhost ip6-localhost ip6-loopback"]
    for name, address in order.extra_hosts:
        lines.append(f"{gateway if address == 'host-gateway' else address}\t{name}")
    resolv = etc.texts(record, [])["resolv.conf"]
    return {"hosts": "".join(f"{line}\n" for line in lines), "resolv.conf": resolv}


def _sealed(mount: Any) -> Any:
    if mount["destination"] in ("/etc/hosts", "/etc/resolv.conf"):
        return {**mount, "options": _SEALED}
    return mount


def _record(order: RunOrder, run_id: str, mounts: Mounts) -> Record:
    """The RUN in the shape of a container's record, which is what engine/bundle.py makes a config.json of."""
    options = run_options.defaults("", order.args)
    options.update(
        {
            "network": order.network,
            "privileged": order.insecure,
            "shm_size": order.shm_size,
            "rlimits": order.rlimits,
            "resources": order.resources,
            "image_volumes": False,
            "attachments": [],
        }
    )
    return {
        "version": records.VERSION,
        "options": options,
        "id": run_id,
        "name": run_id,
        "created": records.now(),
        "image": "",
        "image_id": "",
        "layers": [],
        "entrypoint": None,
        "args": order.args,
        "env": [*mounts.env, *order.env],  # the image's own SSH_AUTH_SOCK goes before that of a mount
        "cwd": order.workdir,
        "user": order.user,
        "labels": {},
        "exposed": [],
        "stop_signal": "SIGTERM",
        "health": None,
        "image_volumes": [],
        "hostname": order.hostname,
        "mounts": mounts.points,
        "namespaces": {},
        "network": order.network,
        "attachments": [],
        "capabilities": capabilities.effective_set([], [], order.insecure),
        "restart_count": 0,
        "stopped_by_hand": False,
        "state": records.new_state(),
    }


def make_workdir(merged: str, config: Config) -> None:
    """The working directory, if somebody has removed it: it belongs to who runs there, and stays in the layer."""
    user, path = config["process"]["user"], os.path.normpath(config["process"]["cwd"])
    root = os.open(merged, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        missing = []
        while path != "/" and not inroot.mode_of(root, path):
            missing.append(path)
            path = os.path.dirname(path)
        for place in reversed(missing):
            inroot.make_directory(root, place)
            with inroot.opened(root, place) as fd:
                os.chown(f"/proc/self/fd/{fd}", user["uid"], user["gid"])
    except OSError as error:
        raise MinirunError(f'cannot use "{path}" as the working directory: {error.strerror}') from None
    finally:
        os.close(root)
