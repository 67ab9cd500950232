"""Tools that hold images, minirun among them, each through its own command line and in directories of its own.

A peer takes archives in, gives them out, pulls from a registry and pushes to it, and shows the tree it unpacks, so
that tests can pair any two.
"""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from minirun.image.store import Store
from minirun.paths import Paths
from tests import trees
from tests.support import Minirun, run

FORMS = ("docker-archive", "oci-archive")
SKOPEO = ("skopeo", "--insecure-policy", "copy")


class Peer:
    """One tool.  `name` is canonical: docker.io/me/tool:1."""

    forms: tuple[str, ...] = FORMS  # that it writes; it reads what minirun writes in any form

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()

    def take(self, archive: Path, form: str, name: str) -> None:
        raise NotImplementedError

    def give(self, archive: Path, form: str, name: str) -> None:
        raise NotImplementedError

    def pull(self, name: str) -> None:
        """`name` begins with a loopback registry, in both."""
        raise NotImplementedError

    def push(self, name: str, new_name: str) -> None:
        raise NotImplementedError

    def tree(self, name: str) -> trees.Tree:
        raise NotImplementedError

    def close(self) -> None:
        """Give back what is not in its directory."""


class MinirunPeer(Peer):
    """`minirun save` and `load`."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.minirun = Minirun(root=directory / "root", state=directory / "state")
        self.store = Store(Paths(str(self.minirun.root), str(self.minirun.state)))

    def take(self, archive: Path, form: str, name: str) -> None:
        self.minirun("load", "-i", archive, check=True)

    def give(self, archive: Path, form: str, name: str) -> None:
        self.minirun("save", "--format", form.replace("oci-archive", "oci"), "-o", archive, name, check=True)

    def pull(self, name: str) -> None:
        self.minirun("pull", name, check=True)

    def push(self, name: str, new_name: str) -> None:
        self.minirun("tag", name, new_name, check=True)
        self.minirun("push", new_name, check=True)

    def tree(self, name: str) -> trees.Tree:
        return trees.of_layers(self.store.get(name).layer_paths())


class Umoci(Peer):
    """A layout in a directory; umoci itself knows neither tars nor registries: tar(1) and skopeo move it."""

    forms = ("oci-archive",)

    def take(self, archive: Path, form: str, name: str) -> None:
        shutil.rmtree(self.directory)
        self.directory.mkdir()
        run("tar", "-xf", archive, "-C", self.directory, check=True)

    def give(self, archive: Path, form: str, name: str) -> None:
        run("tar", "-cf", archive, "-C", self.directory, ".", check=True)

    def pull(self, name: str) -> None:
        """Packed anew by gzip where it was not: umoci 0.4 knows no zstd."""
        options = ("--src-tls-verify=false", "--dest-compress-format=gzip")
        run(*SKOPEO, *options, f"docker://{name}", f"oci:{self.directory}:{name}", check=True)

    def push(self, name: str, new_name: str) -> None:
        source = f"oci:{self.directory}:{name}"
        run(*SKOPEO, "--dest-tls-verify=false", source, f"docker://{new_name}", check=True)

    def tree(self, name: str) -> trees.Tree:
        with self.bundle(name) as bundle:
            return trees.of(bundle / "rootfs")

    @contextlib.contextmanager
    def bundle(self, name: str) -> Iterator[Path]:
        """What `umoci unpack` makes; `umoci repack` makes a layer of what is changed in it."""
        place = self.directory.with_name(f"{self.directory.name}-bundle")
        run("umoci", "unpack", "--image", f"{self.directory}:{name}", place, check=True)
        yield place
        shutil.rmtree(place)


class Skopeo(Umoci):
    """Keeps a layout as well; what it holds, umoci unpacks."""

    forms = FORMS

    def take(self, archive: Path, form: str, name: str) -> None:
        source = f"{form}:{archive}:{name}"
        run(*SKOPEO, source, f"oci:{self.directory}:{name}", check=True)

    def give(self, archive: Path, form: str, name: str) -> None:
        run(*SKOPEO, f"oci:{self.directory}:{name}", f"{form}:{archive}:{name}", check=True)

    def pull(self, name: str) -> None:
        """Every layer as it is packed."""
        options = ("--src-tls-verify=false", f"docker://{name}")
        run(*SKOPEO, *options, f"oci:{self.directory}:{name}", check=True)

    def tree(self, name: str) -> trees.Tree:
        """umoci unpacks a copy, packed anew by gzip where it was not."""
        copy = Umoci(self.directory.with_name(f"{self.directory.name}-gzip"))
        layout = f"oci:{self.directory}:{name}"
        run(*SKOPEO, "--dest-compress-format=gzip", layout, f"oci:{copy.directory}:{name}", check=True)
        tree = copy.tree(name)
        shutil.rmtree(copy.directory)
        return tree


class Podman(Peer):
    """`podman save` and `load`, private, with overlays as its storage."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.runroot = Path(tempfile.mkdtemp(prefix="podman."))  # may have 50 characters at most

    def __call__(self, *words: str | Path) -> str:
        places = {"--root": self.directory / "root", "--runroot": self.runroot, "--tmpdir": self.runroot}
        options = [word for pair in places.items() for word in pair]
        return run("podman", *options, "--storage-driver", "overlay", *words, check=True).stdout

    def take(self, archive: Path, form: str, name: str) -> None:
        assert name in self("load", "-i", archive)

    def give(self, archive: Path, form: str, name: str) -> None:
        self("save", "--format", form, "-o", archive, name)

    def pull(self, name: str) -> None:
        self("pull", "--tls-verify=false", name)

    def push(self, name: str, new_name: str) -> None:
        self("push", "--tls-verify=false", name, f"docker://{new_name}")

    def tree(self, name: str) -> trees.Tree:
        mounted = self("image", "mount", name).strip()
        try:
            tree = trees.of(mounted)
        finally:
            self("image", "umount", name)
        return {path: entry for path, entry in tree.items() if path}  # the root's own mode podman makes up

    def close(self) -> None:
        for place in ("root/overlay", "root"):  # podman mounts its storage on itself, to make it private
            subprocess.run(["umount", self.directory / place], capture_output=True, check=False)
        shutil.rmtree(self.runroot)


KINDS = {"minirun": MinirunPeer, "skopeo": Skopeo, "podman": Podman, "umoci": Umoci}
