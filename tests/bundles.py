"""OCI bundles: a directory with a root filesystem and a config.json that minirun-oci wrote and a test changed."""

import json
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import CHECKOUT, Result, patched, run


@dataclass(frozen=True)
class Oci:
    """The real minirun-oci with a state directory of its own: oci("create", "--bundle", bundle, "x")."""

    root: Path
    patch: str = ""  # a line of Python that takes a safeguard away, see support.WithoutCure

    def command(self, *arguments: str | Path) -> list[str]:
        launcher = (
            patched("minirun.cli.oci.main", self.patch)
            if self.patch
            else [CHECKOUT / "scripts" / "minirun-oci"]
        )
        return [str(word) for word in (*launcher, "--root", self.root, *arguments)]

    def __call__(self, *arguments: str | Path, check: bool = False, timeout: float = 60) -> Result:
        return run(*self.command(*arguments), check=check, timeout=timeout)

    def state(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("state", name, check=True).stdout)
        return found

    def detached(self, *arguments: str | Path) -> None:
        """For create and run -d: the container inherits our streams, and would hold a captured pipe open."""
        null = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(self.command(*arguments), check=True, timeout=60, **null)

    def remove_all(self) -> None:
        for name in self("list", "-q", check=True).stdout.split():
            self("delete", "--force", name, check=True)


def unpack(image: Path, rootfs: Path) -> None:
    """The only layer of an OCI layout tar, as files."""
    with tarfile.open(image) as archive:

        def blob(descriptor: dict[str, str]) -> bytes:
            file = archive.extractfile("blobs/sha256/" + descriptor["digest"].removeprefix("sha256:"))
            assert file
            return file.read()

        index = archive.extractfile("index.json")
        assert index
        manifest = json.loads(blob(json.load(index)["manifests"][0]))
        rootfs.mkdir(parents=True)
        subprocess.run(["tar", "-xzf", "-", "-C", rootfs], input=blob(manifest["layers"][0]), check=True)


def make(oci: Oci, image: Path, path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A bundle at `path`; `change` may alter the config.json that `minirun-oci spec` wrote."""
    unpack(image, path / "rootfs")
    oci("spec", "--bundle", path, check=True)
    config = json.loads((path / "config.json").read_text())
    config["process"]["terminal"] = False
    change(config)
    (path / "config.json").write_text(json.dumps(config))
    return path
