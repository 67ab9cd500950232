"""create, start, run, exec, kill, delete: the life of a container.

See  runtime-spec runtime.md "Lifecycle"; runc create.go, exec.go, delete.go for the words and the order
"""

from __future__ import annotations

import os

from minirun import files
from minirun.cli import foreground
from minirun.cli.oci import limits, reporting
from minirun.errors import MinirunError, NotFoundError, UnsupportedError, UsageError
from minirun.linux import signals
from minirun.runtime import container, process, schema, state, validate

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from minirun.cli.arguments import Given
    from minirun.runtime.config import Process, User
    from minirun.runtime.sync import Created


_DIGITS_MAX = 10  # of an id, or of a descriptor: 2**32, and int() takes no more than 4300


def create(options: Given) -> int:
    _write_pid_file(options, _create(options, _process(options)).pid)
    return 0


def run(options: Given) -> int:
    """create and start; unless detached also wait, pass signals on, and delete."""
    asked, master = _process(options), -1
    if options.detach or not asked.get("terminal"):
        created = _create(options, asked)
    else:
        created, master = _with_own_terminal(lambda console: _make(options, asked, console))
    _write_pid_file(options, created.pid)
    if not options.detach:
        foreground.hold_signals()
    container.start(options.root, options.id)
    try:
        created.sync.expect_exec()
        if options.detach:
            return 0
        return foreground.wait(created.pid, master)
    finally:
        if not options.detach and not options.keep:
            container.delete(options.root, options.id, force=True)


def start(options: Given) -> None:
    container.start(options.root, options.id)


def kill(options: Given) -> None:
    container.kill(options.root, options.id, signal_number(options.signal), all_processes=options.all)


def delete(options: Given) -> None:
    """With --force what is gone already is success, as runc has it: an engine may have to try twice."""
    for name in _matching(options.root, options.id) if options.regex else [options.id]:
        try:
            container.delete(options.root, name, force=options.force)
        except NotFoundError:
            if not options.force:
                raise


def _matching(root: str, pattern: str) -> list[str]:
    """The ids in which the regular expression is found, as crun has it."""
    import re

    try:
        known = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(f'--regex: "{pattern}" is no regular expression: {error}') from None
    return [name for name in state.all_ids(root) if known.search(name)]


def execute(options: Given) -> int:
    created, master = _execute(options)
    _write_pid_file(options, created.pid, delete=False)
    if options.detach:
        return 0
    return foreground.wait(created.pid, master)


# ---- what they share ----------------------------------------------------------------------------------------


def _process(options: Given) -> Process:
    """What config.json says of it, for what is to be known before anything is made."""
    return container.load_config(options.bundle, options.config)["process"]


def _create(options: Given, asked: Process) -> Created:
    wants = bool(asked.get("terminal"))
    if wants != bool(options.console_socket):
        raise UsageError(
            "the container wants a terminal, so a --console-socket is needed"
            if wants
            else "--console-socket is only for a container with a terminal (process.terminal)"
        )
    console = _connect(options.console_socket) if wants else None
    return _make(options, asked, console)


def _make(options: Given, asked: Process, console: socket.socket | None) -> Created:
    _warn(options, asked, "config.json")
    try:
        return container.create(
            options.root,
            options.id,
            options.bundle,
            console=console,
            keyring=not options.no_new_keyring,
            config_file=options.config,
            own_cgroup=_own_cgroup(options),
            preserved=_preserved(options),
        )
    except (UsageError, UnsupportedError) as error:  # the layers below name the options of `minirun run`
        raise type(error)(limits.in_config(error.message), error.hint) from error


def _warn(options: Given, asked: Process, where: str) -> None:
    for name in validate.unknown_capabilities(asked):
        reporting.warn(options, f"{where}: {name} is not known here, and is left out")


def _preserved(options: Given) -> int:
    """Raises UsageError when one of --preserve-fds is not there: another one would be in its place."""
    if not options.preserve_fds.isdecimal() or len(options.preserve_fds) > _DIGITS_MAX:
        raise UsageError(f'--preserve-fds: "{options.preserve_fds}" is not a number of descriptors')
    count = int(options.preserve_fds)
    for fd in range(3, 3 + count):
        try:
            given = os.get_inheritable(fd)  # what this program opens itself closes at execve
        except OSError:
            given = False
        if not given:
            raise UsageError(f"--preserve-fds {count}: descriptor {fd} is not open")
    return count


def _own_cgroup(options: Given) -> bool:
    """Whether it gets control groups.  Raises UnsupportedError for options that are not to be had here."""
    if options.no_pivot:
        raise UnsupportedError(
            "--no-pivot: the root is always changed by pivot_root(2): out of a chroot(2) there are ways",
            "a host that runs from its initramfs has to switch_root(8) to another file system first",
        )
    if options.rootless == "true":
        raise UnsupportedError("--rootless true: minirun-oci is run by root, who can make control groups")
    if options.systemd_cgroup or options.cgroup_manager == "systemd":
        option = "--systemd-cgroup" if options.systemd_cgroup else "--cgroup-manager systemd"
        raise UnsupportedError(
            f"{option}: minirun makes control groups itself and asks no systemd for them yet",
            "let the engine use its cgroupfs driver",
        )
    return bool(options.cgroup_manager != "disabled")


def _with_own_terminal(make: Callable[[socket.socket], Created]) -> tuple[Created, int]:
    """What `make` has made of a console's socket, and the master of the terminal that came back through it."""
    import socket

    from minirun.runtime import terminal

    ours, theirs = socket.socketpair()
    created = make(theirs)
    theirs.close()
    return created, terminal.receive_master(ours)


def _execute(options: Given) -> tuple[Created, int]:
    from minirun.runtime import joining

    process_spec, preserved = _exec_process(options), _preserved(options)
    schema.check_process(process_spec, "the process")
    _warn(options, process_spec, "the process")

    def make(console: socket.socket | None) -> Created:
        return joining.execute(options.root, options.id, process_spec, console=console, preserved=preserved)

    if process_spec.get("terminal") and not options.console_socket:
        return _with_own_terminal(make)
    return make(_connect(options.console_socket) if process_spec.get("terminal") else None), -1


def _exec_process(options: Given) -> Process:
    """The process to start: a whole one from --process, or the container's with some things changed."""
    if options.process:
        try:
            whole: Process = files.read_json(options.process)
        except (OSError, ValueError) as error:
            raise UsageError(f"--process {options.process}: {getattr(error, 'strerror', error)}") from None
        schema.check_process(whole, f"--process {options.process}")
        return whole
    base = state.read_config(options.root, options.id)["process"]
    if not options.args:
        raise UsageError("exec needs a command, or --process FILE")
    changed = base.copy()
    changed.update({"args": options.args, "terminal": options.tty, "env": base.get("env", []) + options.env})
    if options.cwd:
        changed["cwd"] = options.cwd
    changed["user"] = _exec_user(options, changed.get("user", {}))
    if options.cap:
        sets = changed.get("capabilities", {})
        changed["capabilities"] = {
            **sets,
            "bounding": [*sets.get("bounding", []), *options.cap],
            "effective": [*sets.get("effective", []), *options.cap],
            "permitted": [*sets.get("permitted", []), *options.cap],
        }
    if options.apparmor:
        changed["apparmorProfile"] = options.apparmor
    if options.no_new_privs:
        changed["noNewPrivileges"] = True
    return changed


def _exec_user(options: Given, base: User) -> User:
    """The container's with what is said changed, and nothing else: as in runc, whoever says a uid keeps the groups."""
    changed = base.copy()
    if options.user:
        uid, _, gid = options.user.partition(":")
        changed["uid"] = _id(uid, "--user")
        if gid:
            changed["gid"] = _id(gid, "--user")
    if options.additional_gids:
        more = [_id(gid, "--additional-gids") for gid in options.additional_gids]
        changed["additionalGids"] = [*base.get("additionalGids", []), *more]
    return changed


def _id(text: str, option: str) -> int:
    if not text.isdecimal() or len(text) > _DIGITS_MAX:
        raise UsageError(f'{option}: "{text}" is not the number of a user or group')
    return int(text)


def _connect(path: str) -> socket.socket:
    import socket

    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.connect(path)
    except OSError as error:
        raise MinirunError(f"--console-socket {path}: {error.strerror}") from None
    return sock


def _write_pid_file(options: Given, pid: int, *, delete: bool = True) -> None:
    """For who asked; without it nobody could watch the process, so it does not stay, and its container neither."""
    if not options.pid_file:
        return
    try:
        files.write_whole(os.path.abspath(options.pid_file), str(pid).encode())
    except OSError as error:
        if delete:
            container.delete(options.root, options.id, force=True)
        else:
            process.kill_and_wait(pid)
        raise MinirunError(f"--pid-file {options.pid_file}: {error.strerror}") from None


def signal_number(text: str) -> int:
    """9, KILL and SIGKILL are the same signal.  UsageError for what is none."""
    number = signals.named(text)
    if number is None:
        raise UsageError(f'unknown signal "{text}"')
    return number
