"""registries.toml: what it may hold, and that what is wrong in it is named."""

from pathlib import Path

import pytest

from minirun.errors import MinirunError
from minirun.image import settings
from minirun.image.tarstream import LIMITS
from minirun.paths import DEFAULT_REGISTRIES

EXAMPLE = """
[registry."docker.io"]
mirrors = ["127.0.0.1:5000", "mirror.example/hub/cache", "[::1]:5000"]
[registry."127.0.0.1:5000"]
insecure = true
ca = "/etc/ssl/our-ca.pem"
[limits]
ratio = 1_000
"""


def loaded(directory: Path, text: str) -> settings.Settings:
    path = directory / "registries.toml"
    path.write_text(text)
    return settings.load(str(path))


def test_the_file_of_the_documentation_is_read(tmp_path: Path) -> None:
    found = loaded(tmp_path, EXAMPLE)
    assert found.mirrors("docker.io") == ["127.0.0.1:5000", "mirror.example/hub/cache", "[::1]:5000"]
    assert found.is_insecure("127.0.0.1:5000")
    assert found.ca("127.0.0.1:5000") == "/etc/ssl/our-ca.pem"
    assert (found.limits.ratio, found.limits.entries) == (1000, LIMITS.entries)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('"20GB"', 20 << 30),
        ('"1.5g"', 3 << 29),
        ('"512 MiB"', 512 << 20),
        ('"100kb"', 100 << 10),
        ('"7b"', 7),
        ("4096", 4096),
        ('"15%"', 150),
        ('"0%"', 0),
    ],
)
def test_how_large_the_cache_of_builds_may_become(text: str, found: int, tmp_path: Path) -> None:
    assert loaded(tmp_path, f"[build]\ncache = {text}").cache_bytes(1000) == found


def test_a_tenth_of_the_disk_is_the_caches_if_nothing_is_said(tmp_path: Path) -> None:
    assert loaded(tmp_path, "").cache_bytes(1000) == 100


def test_a_host_that_is_not_named_has_nothing_special(tmp_path: Path) -> None:
    found = loaded(tmp_path, EXAMPLE)
    assert (found.mirrors("quay.io"), found.is_insecure("127.0.0.1:5001"), found.ca("quay.io")) == (
        [],
        False,
        "",
    )


def test_without_the_usual_file_there_are_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    missing = str(tmp_path / "registries.toml")
    monkeypatch.setattr(settings, "DEFAULT_REGISTRIES", missing)
    assert settings.load(missing).limits is LIMITS
    assert DEFAULT_REGISTRIES == "/etc/minirun/registries.toml"


def test_a_file_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(MinirunError, match=r"other.toml: No such file"):
        settings.load(str(tmp_path / "other.toml"))


WRONG = {
    "registry = 1": "registry: not a table",
    "[registries]": "registries: no such key",
    "build = 1": "build: not a table",
    "[build]\ncash = 1": "build.cash: no such key",
    '[build]\ncache = "much"': "build.cache: 'much' is not an amount",
    "[build]\ncache = -1": "build.cache: '-1' is not an amount",
    '[registry."https://x"]': "not a host",
    '[registry."x"]\ninsecur = true': r'registry."x".insecur: no such key',
    '[registry."x"]\ninsecure = "yes"': r'registry."x".insecure: not true or false',
    '[registry."x"]\nmirrors = "y"': r'registry."x".mirrors: not a list',
    '[registry."x"]\nmirrors = ["http://y"]': "without http://",
    '[registry."x"]\nmirrors = ["y/../z"]': "is not HOST",
    '[registry."x"]\nca = 1': r'registry."x".ca: not the path',
    "[limits]\nratio = 0": "limits.ratio: 0 is not a whole number",
    "[limits]\nentries = true": "limits.entries: True",
    "[limits]\nunpacked_bytes = 1.5": "limits.unpacked_bytes: 1.5",
    "[limits]\nbytes = 1": "limits.bytes: no such key",
    "[registry": "not valid TOML",
    "\udcff": "not valid TOML",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_named_with_its_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "registries.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(MinirunError, match=rf"registries.toml: .*{WRONG[text]}"):
        settings.load(str(path))


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(MinirunError, match="Is a directory"):
        settings.load(str(tmp_path))
