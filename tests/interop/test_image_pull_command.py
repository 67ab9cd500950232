"""`minirun pull` as a person sees it: all tags, quiet, and the bars on a terminal, from Debian's docker-registry."""

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from minirun.errors import MinirunError
from minirun.image.registry import Registry
from minirun.image.settings import Settings
from minirun.image.store import Store
from minirun.paths import Paths
from tests.image_tars import add_image, entry, store_in, tar
from tests.paced_registry import PacedRegistry
from tests.registries import Odd, Server, serving
from tests.support import Minirun
from tests.terminals import Terminal

LAYERS = (tar(entry("base", b"b" * 50_000)), tar(entry("more", b"m")))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """team/tool:1 has one layer, team/tool:2 another one on top."""
    base = tmp_path_factory.mktemp("registry")
    source = store_in(base / "source")
    with serving(base / "server") as server:
        for tag, layers in (("1", LAYERS[:1]), ("2", LAYERS)):
            add_image(source, *layers, name=f"tool:{tag}")
            server.push(f"oci:{source.paths.images}:docker.io/library/tool:{tag}", f"team/tool:{tag}")
        yield server


@pytest.fixture
def own(tmp_path: Path) -> Minirun:
    """An empty data root."""
    return Minirun(root=tmp_path / "root", state=tmp_path / "state")


def layers(own: Minirun, name: str) -> list[str]:
    """What the bars call them by."""
    image = Store(Paths(str(own.root), str(own.state))).get(name)
    return [layer["digest"][7:19] for layer in image.manifest["layers"]]


def test_all_tags(own: Minirun, registry: Server) -> None:
    result = own("pull", "-a", f"{registry.host}/team/tool", check=True)
    assert result.stdout.splitlines()[-1] == f"{registry.host}/team/tool"
    tags = own("images", "--format", "{{.Tag}}", f"{registry.host}/team/tool").stdout.split()
    assert sorted(tags) == ["1", "2"]


def test_quiet_prints_the_name_alone(own: Minirun, registry: Server) -> None:
    name = f"{registry.host}/team/tool:1"
    assert own("pull", "-q", name, check=True).stdout == f"{name}\n"


def test_a_terminal_shows_the_layers_and_then_the_status(own: Minirun, registry: Server) -> None:
    name = f"{registry.host}/team/tool:2"
    with Terminal(["env", "TERM=xterm", *own.command("pull", name)]) as terminal:
        code, output = terminal.wait()
        assert terminal.is_as_before()
    last = output.rpartition("\x1b[2K")[2]
    assert code == 0
    assert all(f"{layer}: Pull complete" in last for layer in layers(own, name))
    assert "\x1b[?25h" in last
    assert f"Status: Downloaded newer image for {name}\r\n{name}\r\n" in last


def test_run_draws_on_standard_error(own: Minirun, registry: Server) -> None:
    """There is no program in the image, so the run ends with 127: after the bars, on a line of its own."""
    words = ["run", "--rm", "--network", "none", f"{registry.host}/team/tool:1"]
    with Terminal(["env", "TERM=xterm", *own.command(*words)]) as terminal:
        code, output = terminal.wait()
    assert code == 127
    assert "Unable to find image" in output
    assert "Pull complete" in output.rpartition("\x1b[2K")[2]
    assert output.rpartition("\r\nminirun: ")[2].startswith('exec: "sh": executable file not found in $PATH')


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[PacedRegistry]:
    """It stops half way through the only layer of its image."""
    noise = random.Random(1).randbytes(1_000_000)
    image = add_image(store_in(tmp_path / "source"), tar(entry("noise", noise)), name="tool")
    with PacedRegistry(image) as server:
        server.stop_at[image.manifest["layers"][0]["digest"]] = 500_000
        yield server


def test_control_c_leaves_a_terminal_in_order(own: Minirun, slow: PacedRegistry) -> None:
    with Terminal(["env", "TERM=xterm", *own.command("pull", f"{slow.host}/tool")]) as terminal:
        terminal.expect("Downloading [=====")
        terminal.press("\x03")
        code, output = terminal.wait()
        assert terminal.is_as_before()
    assert code == 130
    assert re.search(r": Downloading \[=+> +\] +\S+kB/1MB *\r\n\x1b\[\?25h\r\n$", output)


# ---- lists of tags ----------------------------------------------------------------------------------------

TAGS = "/v2/team/tool/tags/list"


@pytest.fixture
def odd() -> Iterator[Odd]:
    server = Odd()
    yield server
    server.close()


def page(*tags: str, next: str = "") -> tuple[int, dict[str, str], bytes]:
    link = {"Link": f'<{next}>; rel="next"'} if next else {}
    return 200, link, json.dumps({"name": "team/tool", "tags": tags}).encode()


def tags_of(odd: Odd) -> list[str]:
    return Registry(odd.host, "team/tool", Settings()).tags()


def test_tags_come_in_pages(odd: Odd) -> None:
    odd.tell(TAGS, page("1", "2", next=f"{TAGS}?last=2"))
    odd.tell(f"{TAGS}?last=2", page("3"))
    assert tags_of(odd) == ["1", "2", "3"]


def test_pages_in_a_circle_end(odd: Odd) -> None:
    odd.tell(TAGS, page("1", next=TAGS))
    assert tags_of(odd) == ["1"]


def test_a_page_elsewhere_is_not_asked_for(odd: Odd) -> None:
    odd.tell(TAGS, page("1", next=f"http://127.0.0.2:1{TAGS}"))
    with pytest.raises(MinirunError, match="which is elsewhere"):
        tags_of(odd)


def test_a_repository_without_tags_is_told(own: Minirun, odd: Odd) -> None:
    odd.tell(TAGS, (200, {}, b'{"name": "team/tool", "tags": null}'))
    result = own("pull", "-a", f"{odd.host}/team/tool")
    assert (result.code, "has no tags" in result.stderr) == (1, True)
