"""search and manifest inspect: what a registry has, without pulling it."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from minirun.cli import manifestgroup, searching
from minirun.errors import MinirunError, NotFoundError, UnsupportedError, UsageError
from minirun.image import reference
from minirun.image import search as searched
from minirun.image.manifests import BYTES_MAX
from minirun.image.published import ENTRIES_MAX, described, document
from minirun.image.search import Found, search, split
from minirun.image.settings import Settings
from minirun.paths import Paths
from tests.image_tars import digest
from tests.registries import Odd


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")  # all of the system's authorities take 50 ms each time


@pytest.fixture
def odd() -> Iterator[Odd]:
    server = Odd()
    yield server
    server.close()


def has(odd: Odd, path: str, content: object, **headers: str) -> None:
    odd.tell(path, (200, headers, json.dumps(content).encode()))


# ---- search -----------------------------------------------------------------------------------------------

LONG = "Alpine Linux with a complete package index, and\nonly 5 MB in size!"
RESULTS = {
    "results": [
        {"name": "me/alpine", "description": "", "star_count": 3},
        {"name": "alpine", "description": LONG, "star_count": 11000, "is_official": True},
        {"name": "you/alpine", "star_count": None, "description": None},
        {"name": 7},
        {"name": "x" * 1000},
    ]
}


def ask(odd: Odd, tmp_path: Path, term: str, *options: str) -> Result:
    paths = Paths(str(tmp_path / "root"), str(tmp_path / "state"))
    return CliRunner().invoke(searching.search_command, [*options, f"{odd.host}/{term}"], obj=paths)


def test_what_a_registry_finds_is_listed_by_its_stars(odd: Odd, tmp_path: Path) -> None:
    has(odd, "/v1/search?q=alpine&n=25", RESULTS)
    lines = ask(odd, tmp_path, "alpine").output.splitlines()
    wide = len(odd.host) + len("/you/alpine")
    assert lines == [
        f"{'NAME':{wide}}   {'DESCRIPTION':45}   STARS     OFFICIAL",
        f"{odd.host + '/alpine':{wide}}   Alpine Linux with a complete package index, …   11000     [OK]",
        f"{odd.host}/me/alpine    {'':45}   3",
        f"{odd.host}/you/alpine   {'':45}   0",
    ]


def test_fields_and_whole_descriptions(odd: Odd, tmp_path: Path) -> None:
    has(odd, "/v1/search?q=alpine&n=7", RESULTS)
    one = ["--limit", "7", "-f", "is-official=true", "-f", "stars=3"]
    assert json.loads(ask(odd, tmp_path, "alpine", *one, "--no-trunc", "--format", "json").output) == {
        "Name": f"{odd.host}/alpine",
        "Description": LONG.replace("\n", " "),
        "StarCount": "11000",
        "IsOfficial": "true",
    }
    form = "{{.Name}}={{.StarCount}}{{.IsOfficial}}"
    assert ask(odd, tmp_path, "alpine", *one, "--format", form).output == f"{odd.host}/alpine=11000[OK]\n"


@pytest.mark.parametrize("no_search", [404, 403, 405, 200])
def test_a_registry_without_a_search_has_its_catalogue_looked_through(odd: Odd, no_search: int) -> None:
    """A page for people is none, either."""
    odd.tell("/v1/search?q=NGI&n=25", (no_search, {}, b"<html>"))
    has(
        odd,
        "/v2/_catalog",
        {"repositories": ["team/nginx", "alpine"]},
        Link="</v2/_catalog?last=b>; rel=next",
    )
    has(odd, "/v2/_catalog?last=b", {"repositories": ["nginx-old"]})
    found = search(f"{odd.host}/NGI", Settings())
    assert found == [Found(f"{odd.host}/nginx-old"), Found(f"{odd.host}/team/nginx")]


def test_a_catalogue_is_listed_up_to_the_limit(odd: Odd) -> None:
    has(odd, "/v2/_catalog", {"repositories": [f"r{number}" for number in range(9)]})
    assert [one.name for one in search(f"{odd.host}/", Settings(), 2)] == [f"{odd.host}/r0", f"{odd.host}/r1"]


def test_a_registry_that_lets_nobody_look_says_so(odd: Odd) -> None:
    odd.tell("/v2/_catalog", (403, {}, b'{"errors": [{"code": "DENIED", "message": "no listing"}]}'))
    with pytest.raises(MinirunError, match="_catalog said: 403 DENIED: no listing"):
        search(f"{odd.host}/x", Settings())


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"results": [7]}', b'{"results": {"a": 1}}'])
def test_results_that_make_no_sense(odd: Odd, body: bytes) -> None:
    odd.tell("/v1/search?q=x&n=25", (200, {}, body))
    if body == b"[]":
        assert search(f"{odd.host}/x", Settings()) == []
        return
    with pytest.raises(MinirunError, match=r"not valid JSON|not a list of objects"):
        search(f"{odd.host}/x", Settings())


def test_docker_hub_has_no_catalogue(odd: Odd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searched, "_HUB", odd.host)
    with pytest.raises(NotFoundError, match="v1/search"):
        search("nginx", Settings())
    has(odd, "/v1/search?q=me%2Fnginx&n=25", {"results": [{"name": "me/nginx"}]})
    assert search("docker.io/me/nginx", Settings()) == search("me/nginx", Settings()) == [Found("me/nginx")]


TERMS = {
    "nginx": ("", "nginx"),
    "library/nginx": ("", "library/nginx"),
    "docker.io/nginx": ("", "nginx"),
    "index.docker.io/nginx": ("", "nginx"),
    "quay.io/a/b": ("quay.io", "a/b"),
    "localhost/x": ("localhost", "x"),
    "[::1]:5000/": ("[::1]:5000", ""),
}


@pytest.mark.parametrize("term", TERMS)
def test_the_registry_in_a_term(term: str) -> None:
    assert split(term) == TERMS[term]


@pytest.mark.parametrize("term", ["http://x/y", "a b.c/d", ".x/y"])
def test_a_term_that_names_no_registry(term: str) -> None:
    with pytest.raises(UsageError, match="invalid"):
        search(term, Settings())


@pytest.mark.parametrize(
    "options", [["--limit", "0"], ["--limit=101"], ["-f", "stars=x"], ["-f", "nosuch=1"]]
)
def test_options_that_make_no_sense(odd: Odd, tmp_path: Path, options: list[str]) -> None:
    assert isinstance(ask(odd, tmp_path, "x", *options).exception, UsageError)
    assert odd.seen == []


# ---- manifest inspect -------------------------------------------------------------------------------------

OCI = "application/vnd.oci.image."
CONFIG = json.dumps({"architecture": "arm64", "os": "linux", "variant": "v8", "config": {}}).encode()
MANIFEST: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": f"{OCI}manifest.v1+json",
    "config": {"mediaType": f"{OCI}config.v1+json", "digest": digest(CONFIG), "size": len(CONFIG)},
    "layers": [],
}
CONTENT = json.dumps(MANIFEST).encode()
ENTRY = {"mediaType": MANIFEST["mediaType"], "digest": digest(CONTENT), "size": len(CONTENT)}
PLATFORM = {"architecture": "s390x", "os": "linux"}
INDEX = {
    "schemaVersion": 2,
    "mediaType": f"{OCI}index.v1+json",
    "manifests": [{**ENTRY, "platform": PLATFORM}],
}


@pytest.fixture
def serving(odd: Odd) -> reference.Reference:
    """The name of an image; the index that leads to it is `:all`."""
    for path in ("latest", digest(CONTENT)):
        odd.tell(f"/v2/tool/manifests/{path}", (200, {}, CONTENT))
    has(odd, "/v2/tool/manifests/all", INDEX)
    odd.tell(f"/v2/tool/blobs/{digest(CONFIG)}", (200, {}, CONFIG))
    return reference.parse(f"{odd.host}/tool")


def test_a_manifest_as_the_registry_has_it(serving: reference.Reference) -> None:
    assert document(serving, Settings()) == MANIFEST
    assert document(reference.parse(f"{serving.name}:all"), Settings()) == INDEX
    assert document(reference.parse(f"{serving.name}@{digest(CONTENT)}"), Settings()) == MANIFEST


def test_a_manifest_with_all_that_is_known_of_it(serving: reference.Reference) -> None:
    assert described(serving, Settings()) == {
        "Ref": f"{serving.name}:latest",
        "Descriptor": {**ENTRY, "platform": {"architecture": "arm64", "os": "linux", "variant": "v8"}},
        "Raw": base64.b64encode(CONTENT).decode(),
        "OCIManifest": MANIFEST,
    }


def test_each_manifest_of_an_index(serving: reference.Reference) -> None:
    """What the index says of the platform holds."""
    found = described(reference.parse(f"{serving.name}:all"), Settings())
    assert [(one["Ref"], one["Descriptor"]["platform"]) for one in found] == [
        (f"{serving.name}:all@{digest(CONTENT)}", PLATFORM)
    ]


def inspect(tmp_path: Path, *words: str) -> Result:
    paths = Paths(str(tmp_path / "root"), str(tmp_path / "state"))
    return CliRunner().invoke(manifestgroup.inspect_command, words, obj=paths)


def test_docker_indents_a_manifest_and_a_list_in_two_ways(
    serving: reference.Reference, tmp_path: Path
) -> None:
    assert inspect(tmp_path, serving.name).output == json.dumps(MANIFEST, indent="\t") + "\n"
    assert inspect(tmp_path, "--insecure", f"{serving.name}:all").output == json.dumps(INDEX, indent=3) + "\n"
    assert inspect(tmp_path, "-v", f"{serving.name}:all").output.startswith("[\n\t{\n\t\t")


def test_manifests_that_are_not_there_or_not_kept(serving: reference.Reference, tmp_path: Path) -> None:
    assert str(inspect(tmp_path, f"{serving.name}:x").exception) == f"no such manifest: {serving.name}:x"
    assert isinstance(inspect(tmp_path, "list", serving.name).exception, UnsupportedError)


@pytest.mark.parametrize(
    "body", [b"[]", b"7", b'{"manifests": 7}', b'{"manifests": [{}]}', b'{"config": {"size": 1}}']
)
def test_a_manifest_that_makes_no_sense(odd: Odd, body: bytes) -> None:
    odd.tell("/v2/tool/manifests/latest", (200, {}, body))
    with pytest.raises(MinirunError):
        described(reference.parse(f"{odd.host}/tool"), Settings())


def test_an_index_of_more_than_can_be_described_is_not_cut_in_silence(odd: Odd) -> None:
    entry = {"mediaType": "m", "digest": digest(b""), "size": 0}
    has(odd, "/v2/tool/manifests/latest", {"manifests": [entry] * (ENTRIES_MAX + 1)})
    with pytest.raises(UnsupportedError, match="has 101 manifests, and 100 at most"):
        described(reference.parse(f"{odd.host}/tool"), Settings())


def test_a_config_that_is_too_large_is_told_as_that(odd: Odd) -> None:
    config = {"digest": digest(b"x"), "size": BYTES_MAX + 1}
    has(odd, "/v2/tool/manifests/latest", {"config": config})
    with pytest.raises(MinirunError, match=r"the config sha256:\w+ is larger than"):
        described(reference.parse(f"{odd.host}/tool"), Settings())


def test_an_insecure_registry_keeps_what_else_is_said_of_it() -> None:
    from minirun.image.settings import Registry

    settings = Settings({"a": Registry(mirrors=("m",), ca="c"), "b": Registry()}).trusting("a")
    assert (settings.is_insecure("a"), settings.mirrors("a"), settings.ca("a")) == (True, ["m"], "c")
    assert not settings.is_insecure("b")
