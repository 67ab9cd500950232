"""Secrets and configs: files of the project's that its containers see.

    file:                      the host's file, mounted read-only in its place
    environment:, content:     no file has it: it is written into the container once that is made

A container that was made from other content is made anew: `content_hash` tells.

See      compose-spec 09-secrets.md, 08-configs.md
By hand  minirun exec demo-web-1 cat /run/secrets/password
"""

from __future__ import annotations

import os
import stat

from minirun.engine.options import mounts
from minirun.errors import MinirunError, NotFoundError, UnsupportedError, sentence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from minirun.compose.language.model import Content, Project, Reference, Service
    from minirun.engine.record_types import MountPoint, Record, RunOptions
    from minirun.image.progress import Progress
    from minirun.paths import Paths

_PLACES = {"secret": "/run/secrets/", "config": "/"}  # of a target that is no absolute path
_MODE = "0444"  # of what is written into a container


class Used:
    """One secret or config as a service uses it."""

    def __init__(self, kind: str, reference: Reference, content: Content) -> None:
        self.kind = kind  # secret, config
        self.reference = reference
        self.content = content
        place = os.path.join(_PLACES[kind], reference.get("target") or reference["source"])
        self.place = "/" + os.path.normpath(place).lstrip("/")
        self.file = content.get("file", "")  # "": it is written into the container
        if "\0" in self.place + self.file:
            raise MinirunError(
                f"a path of {kind} {reference['source']} has a NUL in it", "no file has such a name"
            )

    def text(self, project: Project) -> bytes:
        """What is in it.  Raises MinirunError."""
        if self.file:
            return _read(self)
        if "content" in self.content:
            return self.content["content"].encode()
        variable = self.content["environment"]
        if variable not in project.environment:
            raise MinirunError(
                f'environment variable "{variable}" required by {self.kind} "{self.content["name"]}" is not set',
                f"set it, or write it into {project.working_dir}/.env",
            )
        return project.environment[variable].encode()


def _read(used: Used) -> bytes:
    """A directory or a device is mounted as well, and not read: a fifo would keep us waiting, /dev/zero has no end."""
    try:
        if not stat.S_ISREG(os.stat(used.file).st_mode):
            return b""
        with open(used.file, "rb") as file:
            return file.read()
    except FileNotFoundError:
        hint = f"it is the file of the {used.kind} {used.reference['source']}"
        raise NotFoundError(f"{used.kind} file {used.file} does not exist", hint) from None
    except OSError as error:
        raise MinirunError(f"{used.kind} file {used.file}: {error.strerror}") from None


def used_by(project: Project, service: Service) -> Iterator[Used]:
    """All that the service uses."""
    for one in service.get("secrets") or []:
        yield Used("secret", one, project.secrets[one["source"]])
    for one in service.get("configs") or []:
        yield Used("config", one, project.configs[one["source"]])


def check(project: Project, service: Service) -> None:
    """Raises MinirunError for what cannot be had, before anything is made."""
    for one in used_by(project, service):
        if one.content.get("external"):
            raise UnsupportedError(
                f"unsupported external {one.kind} {one.reference['source']}",
                "only a swarm keeps them: name a file, a variable of the environment or a content",
            )
        one.text(project)
        if one.place == "/":
            raise MinirunError(
                f"{one.kind} {one.reference['source']} of service {service['name']} cannot be at /",
                "name a file as its `target`",
            )
        if not one.file and service.get("read_only"):
            raise UnsupportedError(
                f'cannot create {one.kind} "{one.content["name"]}" in read-only service {service["name"]}: '
                "`file` is the sole supported option",
                f"put it into a file, and name that in the {one.kind}'s `file`",
            )


def binds(project: Project, service: Service) -> Iterator[MountPoint]:
    """The mounts of those that are files of the host's."""
    for one in used_by(project, service):
        if one.file:
            made = mounts.point("bind", one.file, one.place, "--mount")
            made["options"].append("ro")
            yield made


def content_hash(project: Project, service: Service) -> str:
    """Of all that is in them, and where; "" for a service that has none.  Raises MinirunError."""
    found = [(one.place, one.text(project)) for one in used_by(project, service)]
    if not found:
        return ""
    import hashlib  # most services have none

    total = hashlib.sha256()
    for place, text in sorted(found):
        total.update(hashlib.sha256(place.encode()).digest() + hashlib.sha256(text).digest())
    return total.hexdigest()


# ---- into the container -------------------------------------------------------------------------------------


def create_with(
    paths: Paths, options: RunOptions, project: Project, service: Service, progress: Progress
) -> Record:
    """A container that has them all, or none is there."""
    from minirun.engine import containers

    record = containers.create(paths, options, progress)
    try:
        inject(paths, record, project, service)
    except BaseException:
        containers.remove(paths, record, force=True, with_volumes=True)
        raise
    return record


def inject(paths: Paths, record: Record, project: Project, service: Service) -> None:
    """Write those that no file has into a container that was made and has not started.  Raises MinirunError."""
    wanted = [one for one in used_by(project, service) if not one.file]
    if not wanted:
        return
    from minirun.engine.files import tree

    with tree.of_container(paths, record) as found:
        for one in wanted:
            try:
                _write(found.root, one, one.text(project))
            except (MinirunError, OSError) as error:
                raise MinirunError(
                    f"cannot write {one.kind} {one.reference['source']} to {one.place} "
                    f"in service {service['name']}: {sentence(error)}",
                    f"the service's `{one.kind}s` say with `target` where it goes",
                ) from error


def _write(root: int, used: Used, text: bytes) -> None:
    """One file, with the directories that it needs.  Links among those that are there are followed inside."""
    from minirun.engine.files import extraction
    from minirun.linux import inroot

    if stat.S_ISDIR(inroot.mode_of(root, used.place)):
        raise MinirunError("there is a directory")
    above, _, rest = used.place.rpartition("/")
    while above and not stat.S_ISDIR(inroot.mode_of(root, above)):
        above, _, name = above.rpartition("/")
        rest = f"{name}/{rest}"
    with inroot.opened(root, above, os.O_RDONLY | os.O_DIRECTORY) as directory:
        extraction.extract([_tar(rest, used.reference, text)], directory, foreign=False)


def _tar(path: str, reference: Reference, text: bytes) -> bytes:
    """The file at `path`, after the directories above it, which then have their mode whatever our umask."""
    import io
    import tarfile
    import time

    now = int(time.time())
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as file:
        for end, letter in enumerate(path):
            if letter == "/" and path[:end]:
                directory = tarfile.TarInfo(path[:end])
                directory.type, directory.mode, directory.mtime = tarfile.DIRTYPE, 0o755, now
                file.addfile(directory)
        info = tarfile.TarInfo(path)
        info.size, info.mtime = len(text), now
        info.uid, info.gid = int(reference.get("uid") or 0), int(reference.get("gid") or 0)
        info.mode = int(reference.get("mode") or _MODE, 8)
        file.addfile(info, io.BytesIO(text))
    return made.getvalue()
