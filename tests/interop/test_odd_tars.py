"""Tars that are odd and allowed: Docker and minirun make the same of them, as layers, by `import` and by `cp`."""

import io
import os
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.docker import Docker
from tests.image_tars import directory, docker_archive, entry, hard_link, symlink, tar
from tests.support import Minirun

Listed = dict[str, tuple[int, int, bytes, str]]

BELOW = [
    *(directory("./", 0o700, uid=9), directory("usr"), directory("usr/lib", 0o750, uid=3)),
    *(symlink("lib", "usr/lib"), symlink("abs", "/usr/lib"), entry("usr/lib/old", b"old")),
    *(directory("there", 0o751, uid=7), directory("gone"), entry("gone/x"), directory("cut"), entry("cut/x")),
]
ABOVE = [
    *(
        directory("/", 0o711, uid=5),
        directory("/a"),
        entry("/a/absolute", b"1"),
        entry("//a///slashes", b"2"),
    ),
    *(entry("a/../dots", b"3"), entry("/../above", b"4"), entry("../../out", b"5")),
    *(hard_link("linked", "/a/absolute"), hard_link("a/again", "../../dots")),
    *(symlink("short", "a"), entry("short/by-link", b"6"), symlink("s/abs", "/a"), entry("s/abs/far", b"7")),
    *(entry(".wh.gone"), entry("cut/.wh..wh..opq"), entry("cut/new", b"8"), entry("a/.wh..wh.aufs")),
]
COPIED = [
    *(directory("./", 0o700, uid=9), directory("there", 0o711, uid=6), entry("/lib/one", b"1")),
    *(entry("abs/new/two", b"2"), hard_link("three", "/usr/lib/old"), hard_link("four", "lib/old")),
    *(directory("//deep"), entry("deep/../five", b"5"), entry("usr/lib/old", b"new")),
]
_OURS = {".dockerenv", "dev", "etc", "proc", "sys"}  # that Docker makes for a container


class Side:
    """Docker or minirun, by its command line."""

    def __init__(self, command: Callable[..., list[str]], directory: Path) -> None:
        self.command = command
        self.directory = directory
        directory.mkdir()

    def __call__(self, *words: str | Path, input: bytes = b"") -> bytes:
        command = self.command(*map(str, words))
        return subprocess.run(command, input=input, capture_output=True, check=True).stdout

    def created(self, image: str) -> str:
        return self("create", "--network", "none", image, "x").decode().strip()

    def tree(self, container: str) -> Listed:
        """Mode, owner, content and link target of all that is in it; the last container of its image, and it goes."""
        found: Listed = {}
        with tarfile.open(fileobj=io.BytesIO(self("cp", f"{container}:/.", "-"))) as archive:
            for info in archive:
                name = info.name.strip("/").removeprefix("./")
                file = None if info.issym() else archive.extractfile(info)
                target = info.linkname if info.issym() else ""
                if name.split("/")[0] not in _OURS:
                    found[name] = (info.mode & 0o7777, info.uid, file.read() if file else b"", target)
        self("rm", container)
        return found

    def all(self) -> dict[str, object]:
        self("load", input=docker_archive(tar(*BELOW), tar(*ABOVE), tags=["odd:1"]))
        self("import", "-", "odd:2", input=tar(*BELOW))
        found: dict[str, object] = {
            "layers": self.tree(self.created("odd:1")),
            "import": self.tree(self.created("odd:2")),
        }
        container = self.created("odd:2")
        self("cp", "-", f"{container}:/", input=tar(*COPIED))
        self("cp", f"{self.closed()}/.", f"{container}:/there")
        here = self.closed()
        self("cp", f"{container}:/usr/lib/.", here)
        found["directory of the host"] = (stat.S_IMODE(here.stat().st_mode), here.stat().st_uid)
        found["cp"] = self.tree(container)
        self("rmi", "odd:1", "odd:2")
        return found

    def closed(self) -> Path:
        """A directory with an owner and a mode that nothing else here has."""
        path = Path(tempfile.mkdtemp(dir=self.directory))
        path.chmod(0o705)
        os.chown(path, 21, 22)
        return path


def test_tars_that_are_odd_are_as_with_docker(
    docker: Docker, minirun_session: Minirun, tmp_path: Path
) -> None:
    """Absolute names, `..`, entries for the root, parents that are links, whiteouts; only contents are copied."""
    theirs = Side(lambda *words: [*docker.client, *words], tmp_path / "docker").all()
    ours = Side(minirun_session.command, tmp_path / "minirun").all()
    assert ours == theirs
    assert {"out", "above", "dots", "a/by-link", "a/far"} <= ours["layers"].keys()  # type: ignore[attr-defined]
