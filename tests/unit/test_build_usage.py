"""What builds keep on disk: what is counted, and what goes."""

import fcntl
import json
import os
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from minirun.build import usage
from minirun.build.usage import Keep
from minirun.cli import builder, pruning, system
from minirun.cli.commands import Session
from minirun.engine import prune
from minirun.image.store import Store
from tests.image_tars import add_image, entry, store_in, tar

HOUR = 3600


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_in(tmp_path)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """The same place."""
    return Session(str(tmp_path / "root"), str(tmp_path / "state"))


def step(
    store: Store, number: int, *, size: int = 100, layer: str = "", hours: int = 0, made: bool = True
) -> str:
    """A record, used so long ago, and its layer; returns its key."""
    layer, key = layer or f"{number:064x}", f"{number + 0xA00:064x}"
    cache = Path(store.paths.build_cache)
    cache.mkdir(parents=True, exist_ok=True)
    record = {
        "created": "2024-01-02T03:04:05Z",
        "step": f"RUN {number}",
        "layer": layer,
        "diff_id": "",
        "size": size,
    }
    path = cache / f"{key}.{layer}.json"
    path.write_text(json.dumps(record))
    os.utime(path, (time.time() - hours * HOUR,) * 2)
    if made:
        (Path(store.paths.layers) / layer).mkdir(parents=True, exist_ok=True)
        (Path(store.paths.layers) / f"{layer}.json").write_text(json.dumps({"diff_id": "", "size": size}))
    return key


def layers(store: Store) -> list[str]:
    return sorted(name for name in os.listdir(store.paths.layers) if "." not in name)


def of_image(store: Store) -> str:
    """An image, and the name of its one layer."""
    image = add_image(store, tar(entry("a", b"12345")))
    return os.path.basename(image.layer_paths()[0])


# ---- what is there ----------------------------------------------------------------------------------------


def test_steps_are_listed_those_used_last_first(store: Store) -> None:
    old, new = step(store, 1, hours=2), step(store, 2, size=7)
    found = usage.entries(store.paths)
    assert [entry.id for entry in found] == [new, old]
    assert (found[0].description, found[0].size, found[0].kind) == ("RUN 2", 7, "regular")


def test_a_layer_of_two_steps_counts_once(store: Store) -> None:
    step(store, 1, layer="a" * 64)
    step(store, 2, layer="a" * 64)
    assert sum(entry.own_size for entry in usage.entries(store.paths)) == 100


def test_what_an_image_has_is_the_images(store: Store) -> None:
    step(store, 1, layer=of_image(store))
    [entry] = usage.entries(store.paths)
    assert (entry.shared, entry.own_size) == (True, 0)


def test_a_record_that_cannot_be_read_is_listed_and_can_go(store: Store) -> None:
    step(store, 1)
    path = next(Path(store.paths.build_cache).iterdir())
    path.write_text("{")
    assert [entry.description for entry in usage.entries(store.paths)] == ["(cannot be read)"]
    assert len(usage.prune(store.paths)) == 1


def mount(store: Store, key: str, *, size: int = 100, hours: int = 0) -> Path:
    """A cache mount, used so long ago."""
    place = Path(store.paths.build) / "mounts" / key / "0"
    (place / "data").mkdir(parents=True)
    (place / "data/file").write_bytes(bytes(size))
    (place / "cache.json").write_text(json.dumps({"id": "/root/.cache"}))
    os.utime(place, (time.time() - hours * HOUR,) * 2)
    return place


def test_cache_mounts_are_listed_with_what_is_in_them(store: Store) -> None:
    mount(store, "abc", size=1234)
    [entry] = usage.entries(store.paths)
    assert (entry.id, entry.kind, entry.size) == ("abc-0", "exec.cachemount", 1234)
    assert entry.description == "cached mount /root/.cache"


# ---- what goes --------------------------------------------------------------------------------------------


def test_prune_takes_the_steps_and_then_their_layers(store: Store) -> None:
    step(store, 1)
    step(store, 2)
    assert len(usage.prune(store.paths)) == 2
    assert usage.entries(store.paths) == []
    assert layers(store) == []


def test_a_layer_stays_while_another_step_has_it(store: Store) -> None:
    step(store, 1, layer="a" * 64, hours=5)
    step(store, 2, layer="a" * 64)
    assert len(usage.prune(store.paths, lambda entry: entry.description == "RUN 1")) == 1
    assert layers(store) == ["a" * 64]


def test_cache_mounts_go_but_not_one_that_is_in_use(store: Store) -> None:
    free, used = mount(store, "abc"), mount(store, "def")
    lock = os.open(used, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_SH)
    assert [entry.id for entry in usage.prune(store.paths)] == ["abc-0"]
    assert (free.exists(), used.exists()) == (False, True)
    os.close(lock)


@pytest.mark.parametrize(("every", "left"), [(False, 1), (True, 0)])
def test_what_images_have_goes_only_with_all(every: bool, left: int, store: Store) -> None:
    layer = of_image(store)
    step(store, 1, layer=layer)
    step(store, 2)
    usage.prune(store.paths, every=every)
    assert len(usage.entries(store.paths)) == left
    assert layers(store) == [layer]


@pytest.mark.parametrize(
    ("keep", "left"),
    [
        (Keep(reserved=250), [3, 2]),
        (Keep(reserved=300), [3, 2, 1]),
        (Keep(most=100), [3]),
        (Keep(most=1), []),
        (Keep(reserved=200, most=100), [3, 2]),
        (Keep(free=1), [3, 2, 1]),
        (Keep(free=1 << 62), []),
        (Keep(reserved=100, free=1 << 62), [3]),
        (Keep(), []),
    ],
)
def test_the_longest_unused_goes_first_until_enough_is_left(
    keep: Keep, left: list[int], store: Store
) -> None:
    for number in (1, 2, 3):
        step(store, number, hours=10 - number)
    usage.prune(store.paths, keep=keep)
    assert [entry.description for entry in usage.entries(store.paths)] == [f"RUN {number}" for number in left]


@pytest.mark.parametrize(
    ("keep", "total", "free", "kept"),
    [
        (Keep(most=100), 300, 0, 100),
        (Keep(most=100, free=50), 300, 50, 100),
        (Keep(most=100, free=50), 120, 10, 80),
        (Keep(free=50), 120, 10, 80),
        (Keep(free=50), 120, 60, 120),
        (Keep(reserved=90, free=50), 120, 10, 90),
    ],
)
def test_how_much_stays(keep: Keep, total: int, free: int, kept: int) -> None:
    assert keep.bytes_of(total, free) == kept


def settings(tmp_path: Path, cache: str) -> Session:
    (tmp_path / "registries.toml").write_text(f'[build]\ncache = "{cache}"')
    return Session(str(tmp_path / "root"), str(tmp_path / "state"), str(tmp_path / "registries.toml"))


@pytest.mark.parametrize(("cache", "left"), [("250b", 2), ("300b", 3), ("0%", 0), ("50%", 3)])
def test_after_a_build_the_cache_is_no_larger_than_it_may_be(
    cache: str, left: int, store: Store, tmp_path: Path
) -> None:
    for number in (1, 2, 3):
        step(store, number, hours=10 - number)
    step(store, 4, layer=of_image(store), size=10_000)
    usage.trim(settings(tmp_path, cache))
    assert len(usage.entries(store.paths)) == left + 1


# ---- the commands -----------------------------------------------------------------------------------------


def run(command: click.Command, session: Session, *args: str, input: str = "") -> Result:
    return CliRunner().invoke(command, args, obj=session, input=input, catch_exceptions=False)


def test_du(store: Store, session: Session) -> None:
    step(store, 1, size=5_000_000)
    step(store, 2, layer=of_image(store), size=1000, hours=3)
    lines = run(builder.du_command, session).output.splitlines()
    assert lines[0].split() == ["ID", "RECLAIMABLE", "SIZE", "LAST", "ACCESSED"]
    assert lines[1].split()[:3] == ["000000000000", "true", "5MB"]
    assert lines[2].split()[1:] == ["true", "1kB*", "3", "hours", "ago"]
    assert [line.split() for line in lines[3:]] == [
        *(["Shared:", "1kB"], ["Private:", "5MB"], ["Reclaimable:", "5MB"], ["Total:", "5.001MB"]),
    ]


def test_du_tells_all_of_one(store: Store, session: Session) -> None:
    key = step(store, 1)
    step(store, 2)
    output = run(builder.du_command, session, "--verbose", "--filter", f"id={key}").output
    assert "Description:    RUN 1\n" in output
    assert "RUN 2" not in output
    assert "Created at:     2024-01-02 03:04:05 +0000 UTC" in output


def test_du_fills_in_a_template(store: Store, session: Session) -> None:
    step(store, 1)
    assert (
        run(builder.du_command, session, "--format", "{{.Type}} {{.Description}}").output == "regular RUN 1\n"
    )


def test_builder_prune_says_what_went(store: Store, session: Session) -> None:
    key = step(store, 1, size=2000)
    assert run(builder.prune_command, session, "-f").output == (
        f"Deleted build cache objects:\n{key}\n\nTotal reclaimed space: 2kB\n"
    )


def test_builder_prune_asks(store: Store, session: Session) -> None:
    step(store, 1)
    with pytest.raises(Exception, match="cancelled"):
        run(builder.prune_command, session, input="n\n")
    assert len(usage.entries(store.paths)) == 1
    assert (
        "WARNING! This will remove all dangling build cache."
        in run(builder.prune_command, session, input="y\n").output
    )
    assert usage.entries(store.paths) == []


def test_builder_prune_of_what_was_not_used_for_a_day(store: Store, session: Session) -> None:
    step(store, 1, hours=25)
    step(store, 2, hours=23)
    run(builder.prune_command, session, "-f", "--filter", "until=24h")
    assert [entry.description for entry in usage.entries(store.paths)] == ["RUN 2"]


@pytest.mark.parametrize("option", ["--keep-storage", "--reserved-space", "--max-used-space"])
def test_builder_prune_leaves_so_much(option: str, store: Store, session: Session) -> None:
    for number in (1, 2, 3):
        step(store, number, size=1024, hours=10 - number)
    run(builder.prune_command, session, "-f", option, "2kb")
    assert len(usage.entries(store.paths)) == 2


def test_system_df_has_a_row_and_takes_nothing_from_it_for_the_images(store: Store, session: Session) -> None:
    of_image(store)
    step(store, 1, size=3_000_000)
    lines = run(
        system.df_command, session, "--format", "{{.Type}}: {{.TotalCount}} {{.Size}} {{.Reclaimable}}"
    ).output
    assert "Build Cache: 1 3MB 3MB (100%)" in lines
    assert "Images: 1 3" not in lines
    assert "RUN" not in lines


def test_system_df_lists_each(store: Store, session: Session) -> None:
    step(store, 1, size=3_000_000)
    output = run(system.df_command, session, "-v").output
    assert "Build cache usage: 3MB" in output
    assert "CACHE ID" in output


@pytest.mark.parametrize(
    ("args", "left"), [((), 0), (("--filter", "until=24h"), 1), (("--filter", "label=a"), 2)]
)
def test_system_prune_takes_it_along(
    args: tuple[str, ...], left: int, store: Store, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "system", lambda *_, **__: {})  # the rest of it needs root
    step(store, 1, hours=25)
    step(store, 2)
    output = run(pruning.system_prune_command, session, "-f", *args).output
    assert len(usage.entries(store.paths)) == left
    assert ("Deleted build cache objects:" in output) == (left < 2)


def test_there_is_one_builder(session: Session, store: Store) -> None:
    assert run(builder.ls_command, session).output.splitlines()[1].split() == ["default*", "minirun"]
    step(store, 1)
    assert "Platforms:" in run(builder.inspect_command, session).output
    with pytest.raises(Exception, match='no builder "mine" found'):
        run(builder.inspect_command, session, "mine")
