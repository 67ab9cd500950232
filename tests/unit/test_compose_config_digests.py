"""`compose config --resolve-image-digests`: the digests are those that the registry has now, and nothing is pulled."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from tests.image_tars import add_image, entry, store_in, tar
from tests.paced_registry import PacedRegistry
from tests.support import Minirun, run


def config(directory: Path, *flags: str) -> tuple[str, str, PacedRegistry]:
    """What is printed of one service, its image's name and digest, and who was asked."""
    image = add_image(store_in(directory / "source"), tar(entry("a", b"a")), name="tool")
    minirun = Minirun(directory / "root", directory / "state")
    with PacedRegistry(image) as registry:
        name = f"{registry.host}/tool:1"
        (directory / "compose.yaml").write_text(f"services: {{web: {{image: '{name}', command: ls}}}}\n")
        printed = run(*minirun.command("compose", "config", *flags), cwd=directory, check=True).stdout
    digest = sha256(json.dumps(image.manifest).encode()).hexdigest()
    return printed, f"{name}@sha256:{digest}", registry


@pytest.mark.parametrize("flag", ["--resolve-image-digests", "--lock-image-digests"])
def test_an_image_gets_the_digest_of_its_tag(tmp_path: Path, flag: str) -> None:
    printed, pinned, registry = config(tmp_path, flag)
    assert f"    image: {pinned}\n" in printed
    assert [path for path, _ in registry.asked if "/blobs/" in path] == []


def test_a_file_of_digests_has_nothing_else(tmp_path: Path) -> None:
    printed, pinned, _ = config(tmp_path, "--lock-image-digests")
    assert printed == f"services:\n  web:\n    image: {pinned}\n"
