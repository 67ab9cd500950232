"""minirun-oci: the command line that engines expect of an OCI runtime.

The runtime spec defines no command line; this one is runc's, as containerd's shim, conmon and dockerd use it.
It needs neither click nor the engine, and starts in a few milliseconds.

See  features of runc(8); runtime-spec runtime.md "Operations"
"""

from __future__ import annotations

import argparse
import os
import signal
import sys

from minirun import __version__, files
from minirun.errors import InitError, MinirunError, ProgramNotFound, ProgramNotInvocable, UsageError
from minirun.linux import interpreter, syscalls
from minirun.runtime import container, process, spec, state

DEFAULT_STATE = "/run/minirun"


def main() -> None:
    sys.exit(_run(sys.argv[1:]))


def _run(argv: list[str]) -> int:
    options = _parser().parse_args(argv)
    try:
        interpreter.secure()
        return int(options.command(options) or 0)
    except (MinirunError, OSError) as error:
        _report(options, error)
        return _exit_code(error)


def _exit_code(error: Exception) -> int:
    if isinstance(error, ProgramNotFound):
        return 127
    return 126 if isinstance(error, ProgramNotInvocable) else 1


def _report(options: argparse.Namespace, error: Exception) -> None:
    """To the log that the engine named, and to stderr for people."""
    text = str(error)
    if isinstance(error, InitError):
        text += f" (while: {error.step})"
    hint = getattr(error, "hint", "")
    print(f"minirun-oci: {text}" + (f"\n  hint: {hint}" if hint else ""), file=sys.stderr)
    if options.log:
        _log(options, text)


def _log(options: argparse.Namespace, text: str) -> None:
    import json
    import time

    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = {"level": "error", "msg": text, "time": now}
    with open(options.log, "a") as log:
        if options.log_format == "json":
            log.write(json.dumps(line) + "\n")
        else:
            log.write(f'time="{now}" level=error msg={json.dumps(text)}\n')


# ---- the commands -------------------------------------------------------------------------------------------


def create(options: argparse.Namespace) -> int:
    created = _create(options)
    _write_pid_file(options, created.pid)
    return 0


def run(options: argparse.Namespace) -> int:
    """create and start; unless detached also wait, pass signals on, and delete."""
    master = -1
    if options.detach or not _wants_terminal(options.bundle):
        created = _create(options)
    else:
        created, master = _create_with_own_terminal(options)
    _write_pid_file(options, created.pid)
    container.start(options.root, options.id)
    try:
        created.sync.expect_exec()
        if options.detach:
            return 0
        from minirun.cli import foreground  # select and termios, for those who stay

        return foreground.wait(created.pid, master)
    finally:
        if not options.detach and not options.keep:
            container.delete(options.root, options.id, force=True)


def start(options: argparse.Namespace) -> None:
    container.start(options.root, options.id)


def show_state(options: argparse.Namespace) -> None:
    _print_json(state.read(options.root, options.id))


def kill(options: argparse.Namespace) -> None:
    container.kill(options.root, options.id, signal_number(options.signal), everybody=options.all)


def delete(options: argparse.Namespace) -> None:
    try:
        container.delete(options.root, options.id, force=options.force)
    except MinirunError as error:
        if not (options.force and "does not exist" in error.message):
            raise


def execute(options: argparse.Namespace) -> int:
    created, master = _execute(options)
    _write_pid_file(options, created.pid)
    if options.detach:
        return 0
    from minirun.cli import foreground

    return foreground.wait(created.pid, master)


def list_containers(options: argparse.Namespace) -> None:
    states = [state.read(options.root, name) for name in state.all_ids(options.root)]
    if options.quiet:
        print("".join(f"{one['id']}\n" for one in states), end="")
    elif options.format == "json":
        _print_json(states)
    else:
        print(f"{'ID':<20} {'PID':<8} {'STATUS':<10} {'BUNDLE':<30} CREATED")
        for one in states:
            print(f"{one['id']:<20} {one['pid']:<8} {one['status']:<10} {one['bundle']:<30} {one['created']}")


def write_spec(options: argparse.Namespace) -> None:
    path = os.path.join(options.bundle, "config.json")
    if os.path.exists(path):
        raise MinirunError(f"{path} exists already", "move it away first")
    files.write_json(path, spec.default_config())


# ---- what they share ----------------------------------------------------------------------------------------


def _create(options: argparse.Namespace) -> container.Created:
    wants = _wants_terminal(options.bundle)
    if wants != bool(options.console_socket):
        raise UsageError(
            "the container wants a terminal, so a --console-socket is needed"
            if wants
            else "--console-socket is only for a container with a terminal (process.terminal)"
        )
    console = _connect(options.console_socket) if wants else None
    keyring = not options.no_new_keyring
    return container.create(options.root, options.id, options.bundle, console=console, keyring=keyring)


def _create_with_own_terminal(options: argparse.Namespace) -> tuple[container.Created, int]:
    import socket

    from minirun.runtime import terminal

    ours, theirs = socket.socketpair()
    created = container.create(options.root, options.id, options.bundle, console=theirs)
    theirs.close()
    return created, terminal.receive_master(ours)


def _execute(options: argparse.Namespace) -> tuple[container.Created, int]:
    process_spec = _exec_process(options)
    if not process_spec.get("terminal"):
        return container.execute(options.root, options.id, process_spec), -1
    if options.console_socket:
        console = _connect(options.console_socket)
        return container.execute(options.root, options.id, process_spec, console=console), -1
    import socket

    from minirun.runtime import terminal

    ours, theirs = socket.socketpair()
    created = container.execute(options.root, options.id, process_spec, console=theirs)
    theirs.close()
    return created, terminal.receive_master(ours)


def _exec_process(options: argparse.Namespace):  # type: ignore[no-untyped-def]
    """The process to start: a whole one from --process, or the container's with some things changed."""
    if options.process:
        return files.read_json(options.process)
    base = container.load_config(state.read(options.root, options.id)["bundle"])["process"]
    if not options.args:
        raise UsageError("exec needs a command, or --process FILE")
    changed = {**base, "args": options.args, "terminal": options.tty, "env": base.get("env", []) + options.env}
    if options.cwd:
        changed["cwd"] = options.cwd
    if options.user:
        uid, _, gid = options.user.partition(":")
        changed["user"] = {"uid": int(uid), "gid": int(gid or 0)}
    return changed


def _connect(path: str):  # type: ignore[no-untyped-def]
    import socket

    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.connect(path)
    except OSError as error:
        raise MinirunError(f"--console-socket {path}: {error.strerror}") from None
    return sock


def _wants_terminal(bundle: str) -> bool:
    return bool(container.load_config(bundle)["process"].get("terminal"))


def _write_pid_file(options: argparse.Namespace, pid: int) -> None:
    if options.pid_file:
        files.write_whole(os.path.abspath(options.pid_file), str(pid).encode())


def _print_json(value: object) -> None:
    import json

    print(json.dumps(value, indent=2))


def signal_number(text: str) -> int:
    """9, KILL and SIGKILL are the same signal.  UsageError for what is none."""
    name = text.upper().removeprefix("SIG")
    if name.isdigit() and 0 <= int(name) <= 64:
        return int(name)
    try:
        return int(signal.Signals[f"SIG{name}"])
    except KeyError:
        raise UsageError(f'unknown signal "{text}"') from None


# ---- the command line ---------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="minirun-oci", description="Run containers from OCI bundles.")
    version = f"minirun-oci version {__version__}\nspec: {state.OCI_VERSION}"
    parser.add_argument("--version", "-v", action="version", version=version)
    parser.add_argument("--root", default=DEFAULT_STATE, help="directory of the containers' state")
    parser.add_argument("--log", help="file that gets error messages")
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    parser.add_argument("--debug", action="store_true", help="accepted; errors are always told in full")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_create(commands, "create", create, "make a container that waits for start")
    run_parser = _add_create(commands, "run", run, "create, start, wait and delete")
    run_parser.add_argument("--detach", "-d", action="store_true")
    run_parser.add_argument("--keep", action="store_true", help="leave the container's state behind")
    _add(commands, "start", start, "let a created container's program begin")
    _add(commands, "state", show_state, "print the state as JSON")
    kill_parser = _add(commands, "kill", kill, "send a signal (default TERM)")
    kill_parser.add_argument("--all", "-a", action="store_true", help="to every process of the container")
    kill_parser.add_argument("signal", nargs="?", default="TERM")
    delete_parser = _add(commands, "delete", delete, "remove a stopped container")
    delete_parser.add_argument("--force", "-f", action="store_true", help="kill it first")
    _add_exec(commands)
    list_parser = commands.add_parser("list", help="list the containers")
    list_parser.add_argument("--format", "-f", choices=("table", "json"), default="table")
    list_parser.add_argument("--quiet", "-q", action="store_true")
    list_parser.set_defaults(command=list_containers)
    spec_parser = commands.add_parser("spec", help="write a config.json to start from")
    spec_parser.add_argument("--bundle", "-b", default=".")
    spec_parser.set_defaults(command=write_spec)
    return parser


def _add(commands, name, command, text):  # type: ignore[no-untyped-def]
    parser = commands.add_parser(name, help=text)
    parser.add_argument("id")
    parser.set_defaults(command=command)
    return parser


def _add_create(commands, name, command, text):  # type: ignore[no-untyped-def]
    parser = _add(commands, name, command, text)
    parser.add_argument("--bundle", "-b", default=".")
    parser.add_argument("--console-socket")
    parser.add_argument("--pid-file")
    parser.add_argument("--no-new-keyring", action="store_true")
    return parser


def _add_exec(commands):  # type: ignore[no-untyped-def]
    parser = _add(commands, "exec", execute, "start another process in a running container")
    parser.add_argument("--process", "-p", help="file with the process as JSON")
    parser.add_argument("--detach", "-d", action="store_true")
    parser.add_argument("--tty", "-t", action="store_true")
    parser.add_argument("--console-socket")
    parser.add_argument("--pid-file")
    parser.add_argument("--cwd")
    parser.add_argument("--user", "-u", help="UID[:GID]")
    parser.add_argument("--env", "-e", action="append", default=[])
    parser.add_argument("args", nargs=argparse.REMAINDER)
