"""--platform: what people write, what runs what, and which image of an index is taken."""

import json
from pathlib import Path
from typing import Any

import pytest

from minirun.errors import MinirunError, NotFoundError, UnsupportedError, UsageError
from minirun.image import manifests, names, platforms, pull_policy, reference
from minirun.image.image import Image
from minirun.image.progress import Lines
from minirun.image.store import Store
from tests.image_tars import config_of, digest, store_in

NORMAL = {
    "linux/amd64": "linux/amd64",
    "linux/x86_64": "linux/amd64",
    "linux/amd64/v1": "linux/amd64",
    "linux/amd64/v3": "linux/amd64/v3",
    "arm64": "linux/arm64",
    "aarch64": "linux/arm64",
    "linux/arm64/v8": "linux/arm64",
    "linux/arm64/8": "linux/arm64",
    "linux/arm": "linux/arm/v7",
    "linux/arm/v7": "linux/arm/v7",
    "linux/arm/6": "linux/arm/v6",
    "armhf": "linux/arm/v7",
    "armel": "linux/arm/v6",
    "i386": "linux/386",
    "Linux/AMD64": "linux/amd64",
    "windows/amd64": "windows/amd64",
    "linux/made-up": "linux/made-up",
}


@pytest.mark.parametrize(("text", "normal"), NORMAL.items())
def test_every_spelling_becomes_one(text: str, normal: str) -> None:
    assert platforms.show(platforms.parse(text)) == normal


@pytest.mark.parametrize(
    "text", ["", "/", "linux/", "nosuch", "linux/arm/v7/x", "linux/*", "linux/a\x1bb", "é"]
)
def test_what_is_no_platform_is_quoted(text: str) -> None:
    with pytest.raises(UsageError) as error:
        platforms.parse(text)
    assert error.value.message.startswith(f"invalid platform {text!r}")


def test_a_system_alone_means_this_machine() -> None:
    assert platforms.parse("linux")[1] == platforms.own()[1]


COMPATIBLE = {
    "linux/amd64/v3": ["amd64/v3", "amd64/v2", "amd64", "386"],
    "linux/amd64": ["amd64", "386"],
    "linux/arm/v8": ["arm/v8", "arm/v7", "arm/v6", "arm/v5"],
    "linux/arm/v6": ["arm/v6", "arm/v5"],
    "linux/arm64": ["arm64", "arm/v8", "arm/v7", "arm/v6", "arm/v5"],
    "linux/arm64/v8.1": ["arm64/v8.1", "arm64", "arm/v8", "arm/v7", "arm/v6", "arm/v5"],
    "linux/riscv64": ["riscv64"],
    "linux/arm/strange": ["arm/strange"],
    "linux/arm/v4": ["arm/v4"],
    "linux/arm64/v8.0": ["arm64/v8.0", "arm64", "arm/v8", "arm/v7", "arm/v6", "arm/v5"],
}


@pytest.mark.parametrize(("text", "expected"), COMPATIBLE.items())
def test_a_machine_takes_what_is_older_too(text: str, expected: list[str]) -> None:
    found = [platforms.show(platform) for platform in platforms.compatible(platforms.parse(text))]
    assert found == [f"linux/{name}" for name in expected]


def test_arm64_v9_is_also_the_v8_it_grew_from() -> None:
    found = [
        variant for _, architecture, variant in platforms.compatible(platforms.parse("linux/arm64/v9.1"))
    ]
    assert found[:4] == ["v9.1", "v9", "v8.6", "v8.5"]


@pytest.mark.parametrize(
    ("flags", "variant"),
    [
        ("fpu", ""),
        ("cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3", "v2"),
        ("avx avx2 bmi1 bmi2 f16c fma abm movbe xsave", ""),
    ],
)
def test_the_level_of_a_processor_is_the_last_it_has_whole(
    flags: str, variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platforms, "_cpu_flags", lambda: set(flags.split()))
    assert platforms._amd64_variant() == variant


ODD = [
    None,
    [],
    "linux",
    {},
    {"os": "linux"},
    {"os": 1, "architecture": "amd64"},
    {"os": "a\n", "architecture": "b"},
]


@pytest.mark.parametrize("description", ODD)
def test_an_odd_description_is_unknown(description: Any) -> None:
    assert platforms.of(description) == platforms.UNKNOWN


# ---- indexes ----------------------------------------------------------------------------------------------


def entry(platform: str, **fields: Any) -> dict[str, Any]:
    """An entry of an index; the digest tells which it is."""
    names = dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
    described = {"platform": names} if platform else {}
    return {
        "mediaType": manifests.MANIFEST,
        "digest": digest(platform.encode()),
        "size": 7,
        **described,
        **fields,
    }


def chosen(wanted: str, *entries: dict[str, Any]) -> str:
    return str(manifests._choose({"manifests": list(entries)}, platforms.parse(wanted))["digest"])


CHOICES = {
    "the exact variant": ("linux/arm/v6", ["linux/arm/v7", "linux/arm/v6"], "linux/arm/v6"),
    "the next lower": ("linux/arm/v8", ["linux/arm/v5", "linux/arm/v6"], "linux/arm/v6"),
    "no variant is the plain one": ("linux/arm64/v8", ["linux/amd64", "linux/arm64"], "linux/arm64"),
    "v8 is the plain one": ("linux/arm64", ["linux/amd64", "linux/arm64/v8"], "linux/arm64/v8"),
    "a lower level": (
        "linux/amd64/v3",
        ["linux/amd64/v4", "linux/amd64/v2", "linux/amd64"],
        "linux/amd64/v2",
    ),
    "its own before 32 bits": ("linux/amd64", ["linux/386", "linux/amd64"], "linux/amd64"),
    "32 bits at last": ("linux/amd64", ["linux/386", "linux/arm64"], "linux/386"),
    "one that does not say": ("linux/amd64", ["linux/arm64", ""], ""),
    "an alias": ("linux/amd64", ["linux/x86_64"], "linux/x86_64"),
}


@pytest.mark.parametrize("name", CHOICES)
def test_an_index_gives(name: str) -> None:
    wanted, offered, expected = CHOICES[name]
    assert chosen(wanted, *map(entry, offered)) == digest(expected.encode())


def test_what_is_not_offered_is_an_error_that_lists_what_is() -> None:
    with pytest.raises(
        UnsupportedError, match="not there for linux/riscv64: it offers linux/amd64, linux/arm64"
    ):
        chosen("linux/riscv64", entry("linux/arm64"), entry("linux/amd64"))


ATTESTED = {"vnd.docker.reference.type": "attestation-manifest"}


@pytest.mark.parametrize("beside", [entry("unknown/unknown"), entry("", annotations=ATTESTED)])
def test_an_attestation_is_never_chosen(beside: dict[str, Any]) -> None:
    assert chosen("linux/amd64", beside, entry("linux/amd64")) == digest(b"linux/amd64")
    for wanted in ("linux/amd64", "unknown/unknown"):
        with pytest.raises(UnsupportedError, match="it offers none"):
            chosen(wanted, beside)


def serving(*documents: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """A descriptor of the first document, and a fetch that knows them all by digest."""
    contents = [json.dumps(document).encode() for document in documents]
    by_digest = {digest(content): content for content in contents}
    first = {"digest": digest(contents[0]), "size": len(contents[0])}
    return first, lambda descriptor: by_digest[descriptor["digest"]]


def index_of(*contents: dict[str, Any]) -> dict[str, Any]:
    entries = [{**serving(content)[0], "mediaType": content["mediaType"]} for content in contents]
    return {"schemaVersion": 2, "mediaType": manifests.INDEX, "manifests": entries}


MANIFEST = {
    "schemaVersion": 2,
    "mediaType": manifests.MANIFEST,
    "config": {"digest": digest(b"config"), "size": 6},
    "layers": [],
}


def test_an_index_in_an_index_is_followed() -> None:
    inner = index_of(MANIFEST)
    manifest = manifests.for_platform(*serving(index_of(inner), inner, MANIFEST))
    assert manifest.config["digest"] == digest(b"config")


def test_indexes_without_an_end_are_refused() -> None:
    chain = [MANIFEST]
    for _ in range(6):
        chain.insert(0, index_of(chain[0]))
    with pytest.raises(MinirunError, match="without an end"):
        manifests.for_platform(*serving(*chain))


def test_an_index_that_leads_to_itself_is_refused() -> None:
    looping = json.dumps({"mediaType": manifests.INDEX, "manifests": [entry("")]}).encode()
    with pytest.raises(MinirunError, match="without an end"):
        manifests.for_platform({}, lambda descriptor: looping)


def test_an_entry_without_a_digest_is_refused() -> None:
    with pytest.raises(MinirunError, match="'digest'"):
        chosen("linux/amd64", {"platform": {"os": "linux", "architecture": "amd64"}, "size": 1})


# ---- the store --------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_in(tmp_path)


def add(store: Store, name: str, architecture: str, **fields: str) -> Image:
    document = {**json.loads(config_of([])), "architecture": architecture, **fields}
    with store.adding():
        return names.add_image(store.layout, store.layout.add_json(document), [], reference.parse(name))


OWN = platforms.own()[1]
OTHER = "s390x" if OWN != "s390x" else "amd64"


@pytest.fixture
def pulled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a registry, that has every image for OTHER only, was asked for."""
    asked: list[str] = []

    def pull(name: reference.Reference, store: Store, progress: object, platform: Any) -> Image:
        asked.append(platforms.show(platform) if platform else "")
        return add(store, str(name), OTHER)

    monkeypatch.setattr("minirun.image.pull.pull", pull)
    return asked


def test_an_image_of_the_platform_is_not_pulled_again(store: Store, pulled: list[str]) -> None:
    image = add(store, "tool", OTHER)
    assert pull_policy.ensure(store, "tool", platform=f"linux/{OTHER}").id == image.id
    assert pulled == []


def test_an_image_of_another_platform_is_as_good_as_missing(store: Store, pulled: list[str]) -> None:
    add(store, "tool", OWN)
    assert pull_policy.ensure(store, "tool", platform=f"linux/{OTHER}").document["architecture"] == OTHER
    assert pulled == [f"linux/{OTHER}"]


def test_an_image_of_another_platform_is_named_when_no_other_can_be_had(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> Image:
        raise NotFoundError("nobody answers", "a hint")

    monkeypatch.setattr("minirun.image.pull.pull", unreachable)
    add(store, "tool", OWN)
    with pytest.raises(NotFoundError) as error:
        pull_policy.ensure(store, "tool", platform=f"linux/{OTHER}")
    expected = f"the image tool:latest here is for linux/{OWN}, linux/{OTHER} is wanted, and nobody answers"
    assert error.value.message == expected


def test_pull_never_says_which_platform_is_there(store: Store, pulled: list[str]) -> None:
    image = add(store, "tool", OWN)
    for text in ("tool", image.id):
        with pytest.raises(NotFoundError) as error:
            pull_policy.ensure(store, text, policy="never", platform=f"linux/{OTHER}")
        assert error.value.message == (
            f"image with reference {text} was found but does not match"
            f" the specified platform: wanted linux/{OTHER}, actual: linux/{OWN}"
        )
    assert pulled == []


def test_an_id_is_not_pulled_for_its_platform(store: Store, pulled: list[str]) -> None:
    with pytest.raises(NotFoundError, match="does not match the specified platform"):
        pull_policy.ensure(store, add(store, "tool", OWN).id, platform=f"linux/{OTHER}")
    assert pulled == []


def test_a_config_without_a_variant_answers_to_any(store: Store, pulled: list[str]) -> None:
    add(store, "tool", "arm")
    add(store, "other", "arm", variant="v7")
    pull_policy.ensure(store, "tool", platform="linux/arm/v6")
    assert pulled == []
    pull_policy.ensure(store, "other", platform="linux/arm/v6")
    assert pulled == ["linux/arm/v6"]


def test_an_image_of_another_machine_is_warned_of(store: Store) -> None:
    add(store, "tool", OTHER)
    lines: list[str] = []
    pull_policy.ensure(store, "tool", progress=Lines(lines.append))
    assert lines == [
        f"WARNING: The requested image's platform (linux/{OTHER}) does not match the detected host platform"
        f" ({platforms.show(platforms.own())}) and no specific platform was requested"
    ]


def test_no_warning_of_what_was_asked_for(store: Store) -> None:
    add(store, "tool", OTHER)
    add(store, "own", OWN)
    lines: list[str] = []
    pull_policy.ensure(store, "tool", progress=Lines(lines.append), platform=OTHER)
    pull_policy.ensure(store, "own", progress=Lines(lines.append))
    assert lines == []


def test_a_registry_with_another_platform_than_asked_is_warned_of(store: Store, pulled: list[str]) -> None:
    lines: list[str] = []
    image = pull_policy.ensure(store, "tool", progress=Lines(lines.append), platform="linux/mips")
    assert lines[-1] == (
        "WARNING: Pulled image with specified platform (linux/mips), "
        f"but the resulting image's configured platform (linux/{OTHER}) does not match"
    )
    with pytest.raises(NotFoundError, match="wanted linux/mips"):
        image.require("linux/mips")


def test_the_index_of_the_store_says_the_variant(store: Store) -> None:
    image = add(store, "tool", "arm", variant="v6")
    assert image.entry["platform"] == {"os": "linux", "architecture": "arm", "variant": "v6"}
