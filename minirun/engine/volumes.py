"""Volumes: directories that outlive containers, and who uses them.

    {root}/volumes/NAME/volume.json    what it is: name, created, labels, anonymous
                       /_data          what containers see
                       /filling        the image's files on their way into it: see filling.py
                  /.new-*              one that is being made, under the lock
                  /.gone-*             one that is being deleted

A volume comes and goes in one rename, so it is there whole or not at all; what a crash leaves has a name with a dot,
and whoever looks next clears it.

There is no list of users: a volume is in use when a container's record names it.  So whoever adds a record that
names volumes, and whoever removes a volume, does it under one lock (`changing`), taken before that of the records.

By hand  ls /var/lib/minirun/volumes; jq .mounts /var/lib/minirun/containers/*/container.json
Next     filling.py
"""

from __future__ import annotations

import contextlib
import errno
import os

from minirun import files, jsontext
from minirun.engine import events, filling, records
from minirun.engine.options import mounts
from minirun.errors import ConflictError, MinirunError, NotFoundError
from minirun.linux import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from minirun.engine.record_types import MountPoint, Record, Volume
    from minirun.paths import Paths
    from minirun.runtime.config import MountEntry

ANONYMOUS = "com.docker.volume.anonymous"  # Docker's label, which `volume prune` and scripts look for
_NEW, _GONE = ".new-", ".gone-"


@contextlib.contextmanager
def changing(paths: Paths) -> Iterator[None]:
    """The lock under which volumes come and go, and containers that use them come."""
    with files.locked(f"{paths.volumes}/.lock"):
        for name in files.names_in(paths.volumes):
            if name.startswith(_NEW):  # whoever was making it held this lock
                files.remove_tree(f"{paths.volumes}/{name}")
        yield


def data(paths: Paths, name: str) -> str:
    """The directory that containers see."""
    return f"{paths.volumes}/{name}/_data"


# ---- what there is ------------------------------------------------------------------------------------------


def list_all(paths: Paths) -> list[Volume]:
    """All volumes by name.  What is half made or half removed is none, and is cleared."""
    found = []
    names = sorted(name for name in files.names_in(paths.volumes) if name != ".lock")
    for name in names:
        with contextlib.suppress(NotFoundError):
            found.append(find(paths, name))
    if len(found) < len(names):
        with changing(paths):
            for name in names:
                _clear_half_made(f"{paths.volumes}/{name}")
        sweep(paths)
    return found


def _clear_half_made(volume: str) -> None:
    """Remove a directory with nothing in it, or an empty _data: it is no volume, and nobody will miss it."""
    if not os.path.exists(f"{volume}/volume.json"):
        for directory in (f"{volume}/_data", volume):
            with syscalls.tolerating(errno.ENOENT, errno.ENOTDIR, errno.ENOTEMPTY):
                os.rmdir(directory)


def find(paths: Paths, name: str) -> Volume:
    """Raises NotFoundError."""
    try:
        if name.startswith(".") or "/" in name or len(os.fsencode(name)) > 255:  # no directory is called so
            raise FileNotFoundError
        volume: Volume = files.read_json(f"{paths.volumes}/{name}/volume.json")
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(f"No such volume: {name}", "`minirun volume ls` lists them all") from None
    return volume


def users(paths: Paths) -> dict[str, list[str]]:
    """{name of a volume: ids of the containers that use it}, stopped ones too."""
    records.require_sound(paths)
    found: dict[str, list[str]] = {}
    for record in records.list_all(paths):
        for name in _names(record):
            found.setdefault(name, []).append(record["id"])
    return found


def _names(record: Record) -> list[str]:
    """The volumes of a container, each once."""
    return list(dict.fromkeys(mount["name"] for mount in record["mounts"] if mount.get("name")))


# ---- coming -------------------------------------------------------------------------------------------------


def new_name() -> str:
    """Of an anonymous volume: 64 hexadecimal digits."""
    return os.urandom(32).hex()


def create(
    paths: Paths,
    name: str = "",
    labels: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
) -> Volume:
    """Make a volume, or find the one that has the name; without a name an anonymous one.

    `options` are those of the local driver: options/volume_options.py.  Raises UsageError for what can be no name.
    """
    if name:
        mounts.check_name(name)
    if options:
        from minirun.engine.options import volume_options

        volume_options.check(options)
    with changing(paths):
        return _ensure(paths, name or new_name(), labels or {}, options, anonymous=not name)


def _ensure(
    paths: Paths,
    name: str,
    labels: dict[str, str],
    options: dict[str, str] | None = None,
    *,
    anonymous: bool,
) -> Volume:
    try:
        return find(paths, name)
    except NotFoundError:
        pass
    volume: Volume = {
        "name": name,
        "created": records.now(),
        "labels": {**labels, **({ANONYMOUS: ""} if anonymous else {})},
        "anonymous": anonymous,
    }
    if options:
        volume["options"] = options
    _make(paths, volume)
    _emit(paths, name, "create")
    return volume


def _make(paths: Paths, volume: Volume) -> None:
    """The directories and volume.json.  Data that somebody has put into its place by hand stays."""
    final = f"{paths.volumes}/{volume['name']}"
    if os.path.isdir(final):
        return _write(final, volume)
    new = f"{paths.volumes}/{_NEW}{os.urandom(8).hex()}"
    try:
        _write(new, volume)
        syscalls.rename(new, final, why="a volume is there whole or not at all")
    except BaseException:
        files.remove_tree(new)
        raise


def _write(directory: str, volume: Volume) -> None:
    for path, mode in ((directory, 0o700), (f"{directory}/_data", 0o755)):
        with syscalls.tolerating(errno.EEXIST):
            syscalls.mkdir(path, mode, why="a volume: a directory that outlives containers")
    syscalls.chmod(f"{directory}/_data", 0o755, why="who is not root inside may enter it")
    text = jsontext.dumps(volume, indent=2) + "\n"
    syscalls.creat(f"{directory}/volume.json", text, durable=True, why="what it is")


def add_container(paths: Paths, record: Record, *, starts: bool) -> int:
    """Write a new container's record with all its mounts, and make the volumes that are not there yet.

    They go into `record["mounts"]`: what was asked for, and what other containers and the image bring.
    `starts` and what is returned are as records.add() has them.  Raises UsageError, NotFoundError, ConflictError
    with nothing made.
    """
    with changing(paths):
        inherited = list(_inherited(paths, record["options"]["volumes_from"]))
        given = [mount.copy() for mount in record["options"]["mounts"]]
        record["mounts"] = mounts.joined(given, inherited, record["image_volumes"])
        for number, mount in enumerate(record["mounts"]):
            _locate(paths, mount)
            if mount["kind"] == "image" or mount["subpath"] or options_of(paths, mount):
                from minirun.engine import mount_sources  # few have any

                mount_sources.locate(paths, record, number, mount)
        missing = [name for name in _names(record) if not _is_there(paths, name)]
        start = records.add(paths, record, starts=starts)
        try:
            _make_all(paths, record)
        except BaseException:  # a full disk: neither the container nor the volumes that are for it may stay
            files.remove_tree(paths.container(record["id"]))
            for name in filter(lambda name: _is_there(paths, name), missing):
                files.remove_tree(f"{paths.volumes}/{name}")
                _emit(paths, name, "destroy")
            raise
    return start


def options_of(paths: Paths, mount: MountPoint) -> dict[str, str]:
    """What is mounted for the volume: what it has if there is one already, else what the mount says."""
    if not mount["name"]:
        return {}
    try:
        return find(paths, mount["name"]).get("options", {})
    except NotFoundError:
        return mount["volume_options"]


def _is_there(paths: Paths, name: str) -> bool:
    return os.path.lexists(f"{paths.volumes}/{name}")


def _inherited(paths: Paths, volumes_from: Iterable[str]) -> Iterator[MountPoint]:
    for words in volumes_from:
        name, mode = mounts.volumes_from(words)
        yield from mounts.inherit(records.find(paths, name)["mounts"], mode)


def _locate(paths: Paths, mount: MountPoint) -> None:
    """A name for an anonymous volume, and where it is on the host.  A source of --mount has to be there."""
    if mount["kind"] == "volume":
        mount["name"] = mount["name"] or new_name()
        mount["source"] = data(paths, mount["name"])
    elif mount["kind"] == "bind" and mount["origin"] == "--mount" and not os.path.exists(mount["source"]):
        raise MinirunError(
            f'invalid mount config for type "bind": bind source path does not exist: {mount["source"]}',
            "-v makes a directory that is missing, --mount does not",
        )


def _make_all(paths: Paths, record: Record) -> None:
    """The volumes of a container that are not there yet."""
    for mount in record["mounts"]:
        if mount.get("name"):
            options = mount["volume_options"]
            _ensure(paths, mount["name"], mount["labels"], options, anonymous=mount["anonymous"])


# ---- in use -------------------------------------------------------------------------------------------------


def prepare(paths: Paths, record: Record) -> None:
    """Before a container runs, its overlay mounted: make what is missing of its mounts, fill new volumes."""
    _make_hosts_directories(record)
    if _names(record):
        _prepare_volumes(paths, record)
    if any(mount["place"] for mount in record["mounts"]):
        from minirun.engine import mount_sources

        mount_sources.prepare(paths, record)


def _prepare_volumes(paths: Paths, record: Record) -> None:
    with changing(paths):
        _make_all(paths, record)  # whoever made the container may have been killed before they were
    fill(paths, record)
    for mount in record["mounts"]:
        if mount.get("name"):
            attributes = {"container": record["id"], "destination": mount["destination"], "driver": "local"}
            writable = "true" if is_writable(mount) else "false"
            attributes |= {"propagation": "", "read/write": writable}
            events.emit(paths, "volume", "mount", mount["name"], attributes)


def fill(paths: Paths, record: Record) -> None:
    """Give volumes that are empty what the image has in their places; the overlay is mounted on `merged`.

    Only before a container's first run: what it has removed later does not come back.
    """
    merged = f"{paths.container(record['id'])}/merged"
    for mount in record["mounts"]:
        if mount.get("name"):
            wanted = mount["copy"] and not record["state"]["started"]
            filling.fill(f"{paths.volumes}/{mount['name']}", merged if wanted else "", mount["destination"])


def _make_hosts_directories(record: Record) -> None:
    """`-v` makes a host directory that is not there, as Docker does."""
    for mount in record["mounts"]:
        if (
            mount.get("kind") == "bind"
            and mount["origin"] != "--mount"
            and not os.path.exists(mount["source"])
        ):
            try:
                os.makedirs(mount["source"], 0o755)
            except OSError as error:
                link = os.path.islink(mount["source"])
                reason = "it is a link that leads nowhere" if link else error.strerror
                raise MinirunError(f"cannot make the directory {mount['source']} for -v: {reason}") from None


def emit_unmounted(paths: Paths, record: Record) -> None:
    """The event that a container does not use its volumes any more."""
    for name in _names(record):
        _emit(paths, name, "unmount", container=record["id"])


def is_writable(mount: MountPoint) -> bool:
    return "ro" not in mount["options"]


def mount_entries(record: Record) -> list[MountEntry]:
    """The mounts as config.json has them."""
    return [
        {
            "destination": mount["destination"],
            "type": "tmpfs" if mount["kind"] == "tmpfs" else "bind",
            "source": mount["place"] or mount["source"],
            "options": _recursively_read_only(mount["options"]),
        }
        for mount in record["mounts"]
    ]


def _recursively_read_only(options: list[str]) -> list[str]:
    """With "ro" what is mounted below is read-only as well, where the kernel can; "rw" says that it need not."""
    if "ro" in options and "rbind" in options and "rw" not in options and _has_mount_setattr():
        return [*options, "rro"]
    return options


def _has_mount_setattr() -> bool:
    """Linux 5.12"""
    major, minor = os.uname().release.split("-")[0].split(".")[:2]
    return (int(major), int(minor)) >= (5, 12)


# ---- going --------------------------------------------------------------------------------------------------


def remove(paths: Paths, name: str, *, force: bool = False) -> None:
    """Take a volume away.  Raises ConflictError when a container uses it, NotFoundError (not with `force`)."""
    with changing(paths):
        try:
            find(paths, name)
        except NotFoundError:
            if force:
                return
            raise
        if holders := users(paths).get(name):
            raise ConflictError(
                f"remove {name}: volume is in use - [{', '.join(holders)}]", "remove the containers first"
            )
        _put_aside(paths, name)
    sweep(paths)


def remove_unused(paths: Paths, names: Iterable[str]) -> list[str]:
    """Take away those of the volumes that no container uses.  Returns their names."""
    gone = []
    try:
        with changing(paths):
            used = users(paths)
            for name in names:
                if name not in used and os.path.isdir(f"{paths.volumes}/{name}"):
                    _put_aside(paths, name)
                    gone.append(name)
    finally:
        sweep(paths)
    return gone


def remove_anonymous(paths: Paths, record: Record) -> None:
    """The anonymous volumes of a container that has gone, unless another one uses them, too."""
    names = [mount["name"] for mount in record["mounts"] if mount.get("anonymous")]
    if names:
        remove_unused(paths, names)


def _put_aside(paths: Paths, name: str) -> None:
    """In one rename it is gone for everybody; what is in it may take longer."""
    aside = f"{paths.volumes}/{_GONE}{os.urandom(8).hex()}"
    syscalls.rename(f"{paths.volumes}/{name}", aside, why="it is gone for everybody at once")
    _emit(paths, name, "destroy")


def sweep(paths: Paths) -> None:
    """Delete what was put aside, and what those left behind who were killed in here."""
    for name in files.names_in(paths.volumes):
        if name.startswith(_GONE):
            syscalls.remove_tree(f"{paths.volumes}/{name}", why="nobody can use it any more")


def _emit(paths: Paths, name: str, action: str, **attributes: str) -> None:
    events.emit(paths, "volume", action, name, {**attributes, "driver": "local"})
