"""--cache-to and --cache-from: what one machine has built, another does not build again."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.registries import Server
from tests.support import Minirun, Result

DOCKERFILE = """\
FROM busybox AS tool
RUN --network=none echo tool > /tool; rm /bin/vi
FROM busybox
WORKDIR /app
COPY a .
RUN --network=none rm /app/a /bin/uname; echo made > made
COPY --from=tool /tool /tool
"""


class Machine:
    """A minirun with a root of its own, in which there is busybox and nothing else."""

    def __init__(self, place: Path, busybox: Path) -> None:
        self.minirun = Minirun(root=place / "root", state=place / "state")
        self.minirun("load", "-i", busybox, check=True)

    def build(self, context: Path, *words: str, check: bool = True) -> Result:
        return self.minirun("build", "--progress=plain", "-t", "app", *words, context, check=check)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    place = tmp_path / "context"
    place.mkdir()
    (place / "Dockerfile").write_text(DOCKERFILE)
    (place / "a").write_text("a")
    return place


@pytest.fixture
def here(tmp_path: Path, busybox_tar: Path) -> Machine:
    return Machine(tmp_path / "here", busybox_tar)


@pytest.fixture
def there(tmp_path: Path, busybox_tar: Path) -> Machine:
    return Machine(tmp_path / "there", busybox_tar)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "registry").mkdir()
    server = Server(tmp_path / "registry")
    yield server
    server.stop()


def done(result: Result) -> list[str]:
    """The steps that were not in the cache."""
    names, cached = {}, set()
    for line in result.stderr.splitlines():
        number, _, rest = line.partition(" ")
        if rest.startswith("["):
            names[number] = rest
        elif rest == "CACHED":
            cached.add(number)
    return [name for number, name in names.items() if number not in cached and "internal" not in name]


def image_id(machine: Machine) -> str:
    return json.loads(machine.minirun("image", "inspect", "app", check=True).stdout)[0]["Id"]


def test_all_of_it_by_a_directory(here: Machine, there: Machine, context: Path, tmp_path: Path) -> None:
    here.build(context, "--cache-to", f"type=local,dest={tmp_path}/cache,mode=max")
    assert done(there.build(context, "--cache-from", f"type=local,src={tmp_path}/cache")) == []
    assert image_id(here) == image_id(there)
    shown = there.minirun(
        "run", "--rm", "--network=none", "app", "sh", "-c", "ls /app /tool; ls /bin/uname", check=False
    )
    assert shown.stdout.split() == ["/tool", "/app:", "made"]


def test_what_was_taken_over_is_in_the_cache_from_then_on(
    here: Machine, there: Machine, context: Path, tmp_path: Path
) -> None:
    here.build(context, "--cache-to", f"type=local,dest={tmp_path}/cache,mode=max")
    there.build(context, "--cache-from", f"type=local,src={tmp_path}/cache")
    shutil.rmtree(tmp_path / "cache")
    assert done(there.build(context)) == []


def test_min_has_the_layers_of_the_result_only(
    here: Machine, there: Machine, context: Path, tmp_path: Path
) -> None:
    here.build(context, "--cache-to", f"type=local,dest={tmp_path}/cache")
    missing = done(there.build(context, "--cache-from", f"type=local,src={tmp_path}/cache"))
    assert missing == ["[tool 2/2] RUN --network=none echo tool > /tool; rm /bin/vi"]


@pytest.mark.parametrize("words", ["{}/me/cache:x", "type=registry,ref={}/me/cache:x"])
def test_by_a_registry(words: str, here: Machine, there: Machine, context: Path, registry: Server) -> None:
    where = words.format(registry.host)
    option = where if "=" in where else f"type=registry,ref={where}"
    here.build(context, "--cache-to", f"{option},mode=max")
    assert done(there.build(context, "--cache-from", where)) == []


@pytest.mark.parametrize("words", [("--cache-to", "type=inline"), ("--build-arg", "BUILDKIT_INLINE_CACHE=1")])
def test_by_the_image_itself(
    words: tuple[str, str], here: Machine, there: Machine, context: Path, registry: Server
) -> None:
    name = f"{registry.host}/me/app:1"
    here.build(context, *words, "-t", name, "--push", "--output", f"type=image,name={name}")
    missing = done(there.build(context, "--cache-from", name))
    assert missing == ["[tool 2/2] RUN --network=none echo tool > /tool; rm /bin/vi"]


def test_what_has_changed_is_built(here: Machine, there: Machine, context: Path, tmp_path: Path) -> None:
    here.build(context, "--cache-to", f"type=local,dest={tmp_path}/cache,mode=max")
    (context / "a").write_text("b")
    missing = done(there.build(context, "--cache-from", f"type=local,src={tmp_path}/cache"))
    assert [name.partition("]")[2].split()[0] for name in missing] == ["COPY", "RUN", "COPY"]


def test_a_cache_that_is_not_there_is_no_error(there: Machine, context: Path, tmp_path: Path) -> None:
    words = ("--cache-from", f"type=local,src={tmp_path}/nothing", "--cache-from", "127.0.0.1:1/no/cache")
    result = there.build(context, *words)
    assert "importing cache manifest from" in result.stderr
    assert result.stderr.count("ERROR: ") == 2


@pytest.mark.parametrize("damage", ["index.json", "layer", "config"])
def test_a_cache_that_is_damaged_is_no_error(
    damage: str, here: Machine, there: Machine, context: Path, tmp_path: Path
) -> None:
    here.build(context, "--cache-to", f"type=local,dest={tmp_path}/cache,mode=max")
    for blob in (
        [tmp_path / "cache/index.json"]
        if damage == "index.json"
        else (tmp_path / "cache/blobs/sha256").iterdir()
    ):
        is_document = blob.read_bytes().startswith(b"{")
        if is_document == (damage != "layer"):
            blob.write_bytes(b"{}" if is_document else b"rubbish")
    assert len(done(there.build(context, "--cache-from", f"type=local,src={tmp_path}/cache"))) == 5


def test_a_directory_has_the_last_cache_only(here: Machine, context: Path, tmp_path: Path) -> None:
    sizes = []
    for content in ("1", "2", "3"):
        (context / "a").write_text(content)
        here.build(context, "--cache-to", f"type=local,dest={tmp_path}/cache,mode=max")
        sizes.append(len(os.listdir(tmp_path / "cache/blobs/sha256")))
    assert len(set(sizes)) == 1


def test_a_cache_that_cannot_be_written_is_an_error_unless_it_may_be(
    here: Machine, context: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    words = f"type=local,dest={tmp_path}/file/cache"
    assert here.build(context, "--cache-to", words, check=False).code == 1
    assert here.build(context, "--cache-to", f"{words},ignore-error=true").code == 0


def test_nothing_of_an_export_stays_in_the_store(here: Machine, context: Path, tmp_path: Path) -> None:
    here.build(context)
    before = set(os.listdir(here.minirun.root / "images/blobs/sha256"))
    here.build(context, "--cache-to", f"type=local,dest={tmp_path}/cache,mode=max")
    here.minirun("image", "prune", "-f", check=True)
    assert set(os.listdir(here.minirun.root / "images/blobs/sha256")) == before
