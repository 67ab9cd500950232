"""`minirun image layers` as a person, a program and a browser get it."""

import hashlib
import io
import json
import os
import re
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from minirun.cli import layers_text
from minirun.cli.layers import layers_command
from minirun.cli.layers_words import instruction, printable
from minirun.errors import MinirunError
from minirun.image import names, reference
from minirun.image.image import Image
from minirun.image.store import Store
from tests.image_tars import config_of, directory, entry, hard_link, store_in, symlink, tar

HOSTILE = "</script><img src=x onerror=alert(1)>"
LAYERS = [
    tar(
        directory("bin"),
        entry("bin/sh", b"x" * 4_850_000, mode=0o755),
        symlink("bin/ash", "sh"),
        entry("cache/old", b"y" * 2000),
        entry("motd", b"hi"),
    ),
    tar(entry("motd", b"ho"), entry("cache/.wh.old"), entry("su", b"12345"), hard_link("sush", "su")),
]
HISTORY = [
    {"created_by": "/bin/sh -c #(nop) ADD file:abc in / ", "created": "2024-01-01T00:00:00Z"},
    {"created_by": "ENV A=b", "empty_layer": True},
    {"created_by": "RUN /bin/sh -c rm cache/old # buildkit"},
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_in(tmp_path)


def put(store: Store, layers: list[bytes], history: Any = None, name: str = "demo") -> Image:
    """An image of these layers with this history."""
    document = {**json.loads(config_of(layers)), "history": history}
    with store.adding():
        blobs = [store.layout.add_blob([layer]) for layer in layers]
        config = store.layout.add_blob([json.dumps(document).encode()])
        media = "application/vnd.oci.image.layer.v1.tar"
        return names.add_image(
            store.layout, config, [{"mediaType": media, **blob} for blob in blobs], reference.parse(name)
        )


def run(store: Store, *arguments: str) -> Result:
    return CliRunner().invoke(layers_command, arguments, obj=store.paths)


def lines(store: Store, *arguments: str) -> list[str]:
    """What is printed, with single spaces."""
    result = run(store, "demo", *arguments)
    assert result.exit_code == 0, result.exception
    return [" ".join(line.split()) for line in result.output.splitlines()]


def failure(result: Result) -> str:
    assert isinstance(result.exception, MinirunError)
    return result.exception.message


# ---- text -------------------------------------------------------------------------------------------------


def test_the_summary_names_the_layers_their_makers_and_what_weighs_most(store: Store) -> None:
    put(store, LAYERS, HISTORY)
    told = lines(store)
    assert told[0].startswith("demo:latest 2 layers, ")
    assert re.fullmatch(r"layer 1 of 2 [0-9a-f]{12} 4.85MB \+6", told[3])
    assert told[4:6] == ["ADD file:abc in /", "4.85MB + bin/sh"]
    assert "2kB + cache/old ! covered by layer 2" in told
    assert "ENV A=b (no layer)" in told
    assert "RUN rm cache/old" in told


def test_the_summary_says_what_is_wasted_and_by_whom(store: Store) -> None:
    put(store, [LAYERS[0], tar(entry("motd", b"ho")), tar(entry("cache/.wh.old"))])
    assert "2kB ! wasted: layers 2 and 3 cover 2 files of this one" in lines(store)


def test_the_summary_of_a_layer_without_bytes(store: Store) -> None:
    put(store, [tar(directory("a"), symlink("b", "a"), entry("empty")), tar(entry(".wh.b"))])
    told = lines(store)
    assert "3 without content" in told
    assert "- b symlink" in told


def test_the_tree_draws_every_entry(store: Store) -> None:
    put(store, LAYERS[:1])
    told = lines(store, "--tree")
    assert told[4:-2] == [
        "4.85MB + ├── bin/",
        "+ │ ├── ash -> sh",
        "4.85MB + │ └── sh",
        "2kB + ├── cache/",
        "2kB + │ └── old",
        "2B + └── motd",
    ]


def test_the_tree_shows_removals_changes_and_hard_links(store: Store) -> None:
    put(store, LAYERS)
    told = lines(store, "--tree")
    assert "- │ └── old (covers 2kB below)" in told
    assert "2B ~ ├── motd (covers 2B below)" in told
    assert "+ └── sush = su" in told


def test_sizes_are_aligned(store: Store) -> None:
    put(store, LAYERS)
    told = [line for line in run(store, "demo", "--tree").output.splitlines() if "── " in line]
    assert {line[8] for line in told} == {"B", " "}  # where sizes end
    assert {line[11] for line in told} == {"+", "~", "-", " "}


def test_a_pipe_gets_neither_colours_nor_bars(store: Store) -> None:
    put(store, LAYERS)
    assert not set("\x1b█▒") & set(run(store, "demo").output)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert layers_text.Pen(Terminal())("added", "bin") == "\x1b[32mbin\x1b[0m"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_that_wants_no_colours_gets_none(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv(name, value)
    assert layers_text.Pen(Terminal())("added", "bin") == "bin"


def test_a_name_cannot_steer_the_terminal(store: Store) -> None:
    put(store, [tar(entry("a\x1b[31m\nb"), entry("caf\udce9"))], [{"created_by": "RUN \x1b]0;x\x07"}])
    told = run(store, "demo", "--tree").output
    assert "a\\x1b[31m\\nb".replace("\\n", "\\x0a") in told
    assert "caf\\xe9" in told
    assert "\x1b" not in told


@pytest.mark.parametrize(
    ("name", "shown"),
    [("naïve", "naïve"), ("\u202egpj", "\\u202egpj"), ("a\\x1b", "a\\\\x1b"), ("\U000e0001", "\\U000e0001")],
)
def test_printable(name: str, shown: str) -> None:
    assert printable(name) == shown


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ('/bin/sh -c #(nop)  CMD ["sh"]', 'CMD ["sh"]'),
        ("/bin/sh -c apt-get   update", "RUN apt-get update"),
        ("RUN /bin/sh -c apt-get update # buildkit", "RUN apt-get update"),
        ("COPY a b # buildkit", "COPY a b"),
        ("RUN true", "RUN true"),
        (None, ""),
        (7, "7"),
    ],
)
def test_a_history_line_is_shown_as_its_dockerfile_had_it(written: object, shown: str) -> None:
    assert instruction({"created_by": written}) == shown


# ---- JSON -------------------------------------------------------------------------------------------------


def document(store: Store) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(run(store, "demo", "--json").output)
    return told


def test_json_tells_all(store: Store) -> None:
    image = put(store, LAYERS, HISTORY)
    told = document(store)
    assert (told["id"], told["bytes"], told["wasted"]) == (image.id, 4_852_009, 2002)
    lower, upper = told["layers"]
    assert [lower["number"], lower["created_by"]] == [1, HISTORY[0]["created_by"]]
    assert lower["counts"] == {"added": 6, "changed": 0, "attributes": 0, "removed": 0}
    entries = {entry["path"]: entry for entry in upper["entries"]}
    assert entries["/cache/old"]["change"] == "removed"
    assert entries["/cache/old"]["hides"] == 2000
    assert entries["/sush"]["hard_link_to"] == "/su"


def test_json_has_kind_size_mode_and_owner(store: Store) -> None:
    put(store, LAYERS[:1])
    entries = {entry["path"]: entry for entry in document(store)["layers"][0]["entries"]}
    assert entries["/bin/sh"] == {
        "path": "/bin/sh",
        "change": "added",
        "kind": "file",
        "size": 4_850_000,
        "mode": "0755",
        "uid": 0,
        "gid": 0,
    }
    assert entries["/bin/ash"]["target"] == "sh"


# ---- HTML -------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """The elements of a page as (tag, attributes), and the text of its scripts and style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.image = json.loads(self.texts[-2])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.lasttag in ("script", "style") and data.strip():
            self.texts.append(data)


@pytest.fixture
def page(store: Store) -> Page:
    history = [*HISTORY, {"created_by": f"<!--<script>{HOSTILE}", "empty_layer": True}]
    put(store, [tar(entry(f"a/{HOSTILE}", b"xyz"), entry("caf\udce9")), LAYERS[1]], history)
    return Page(run(store, "demo", "--html").output)


def test_the_page_holds_the_whole_image(page: Page) -> None:
    lower, upper = page.image["layers"]
    names = [row[1] for row in lower["entries"]]
    assert names == ["a", "<", "script><img src=x onerror=alert(1)>", "caf\\xe9"]
    assert [row[0] for row in lower["entries"]] == [-1, 0, 1, -1]  # each one's directory
    assert upper["number"] == 2
    assert [step["layer"] for step in page.image["steps"]] == [0, None, 1, None]


def test_a_hostile_name_is_no_element(page: Page) -> None:
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == 2
    assert "img" not in tags


def test_the_page_loads_nothing(page: Page) -> None:
    for tag, attributes in page.elements:
        assert tag not in ("link", "img", "iframe", "object", "base")
        assert not {name for name in attributes if name in ("src", "href", "style") or name.startswith("on")}
    assert "url(" not in page.texts[0]
    assert "@import" not in page.texts[0]


def test_the_policy_allows_this_style_and_this_script_only(page: Page) -> None:
    policy = next(
        attributes["content"] or "" for tag, attributes in page.elements if "http-equiv" in attributes
    )
    assert policy.startswith("default-src 'none';")
    allowed = [b64decode(found) for found in re.findall(r"'sha256-([^']+)'", policy)]
    style, _, script = page.texts
    assert allowed == [hashlib.sha256(text.encode()).digest() for text in (style, script)]


def test_a_name_that_looks_like_a_place_of_the_template_is_left_alone(store: Store) -> None:
    put(store, [tar(entry("{{title}}"))])
    assert Page(run(store, "demo", "--html").output).image["layers"][0]["entries"][0][1] == "{{title}}"


def test_the_page_goes_to_a_file(store: Store, tmp_path: Path) -> None:
    put(store, LAYERS)
    assert run(store, "demo", "--html", "-o", str(tmp_path / "page.html")).output == ""
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


# ---- errors -----------------------------------------------------------------------------------------------


def test_no_such_image(store: Store) -> None:
    assert failure(run(store, "nothing")) == "No such image: nothing"


def test_two_forms_at_once(store: Store) -> None:
    assert "different forms" in failure(run(store, "--json", "--tree", "demo"))


def test_a_file_that_cannot_be_written(store: Store) -> None:
    put(store, LAYERS)
    assert failure(run(store, "--html", "-o", "/nonexistent/page.html", "demo")) == (
        "/nonexistent/page.html: No such file or directory"
    )


def test_layers_are_unpacked_when_they_were_not(store: Store) -> None:
    put(store, LAYERS)
    assert not os.path.exists(store.paths.layers)
    assert run(store, "demo").exit_code == 0
    assert os.path.isdir(store.paths.layers)
