"""`minirun network map` as a person and a browser get it, from hand-made facts."""

import hashlib
import io
from base64 import b64decode
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from minirun.cli import netmap_html, netmap_text
from minirun.cli import netmap_words as words
from minirun.cli.layers_text import Pen
from minirun.cli.netmap import map_command
from minirun.engine.diagnose import netmap
from minirun.engine.diagnose.findings import Remark
from minirun.engine.diagnose.netmap import Map, MapEndpoint, MapNetwork, Unattached
from minirun.engine.diagnose.snapshot import Counter, Drop, Link, Published
from minirun.errors import MinirunError
from minirun.paths import Paths

HOSTILE = "x</text><script>alert(1)</script>\x1b[31m"


def member(number: int = 2, **others: Any) -> MapEndpoint:
    facts = MapEndpoint(
        id=f"{number:064x}",
        name=f"c{number}",
        image="docker.io/library/busybox:latest",
        status="running",
        pid=1000 + number,
        netns=f"net:[{number}]",
        interface=f"vethac12{number:04x}",
        inside="eth0",
        addresses=[f"172.18.0.{number}"],
        mac=f"02:42:ac:12:00:{number:02x}",
        default_route=True,
        aliases=[],
        broken="",
        others=[],
        sharers=[],
        ports=[],
    )
    return facts._replace(**others)


def drawn(*members: MapEndpoint, **others: Any) -> MapNetwork:
    facts = MapNetwork(
        id="1" * 64,
        name="shop",
        bridge="mr-111111111111",
        there=True,
        internal=False,
        subnets=["172.18.0.0/16"],
        gateways=["172.18.0.1"],
        dns_port=4000,
        dns_pid=77,
        foreign_firewalls=[],
        members=[*members],
    )
    return facts._replace(**others)


def whole(*networks: MapNetwork, **others: Any) -> Map:
    facts = Map(
        links=[Link("eth0", True, "", "", "", ["192.0.2.10/24"])],
        default_routes=[("eth0", "192.0.2.1")],
        forwarding={4: True, 6: False},
        table="minirun",
        families=["inet", "bridge"],
        networks=[*networks],
        unattached=[],
        drops=[],
        remarks=[],
    )
    return facts._replace(**others)


def port(host_port: int = 8080, container_port: int = 80, **others: Any) -> Published:
    facts = Published("tcp", "0.0.0.0", host_port, "172.18.0.2", container_port, Counter(3, 180))
    return facts._replace(**others)


def text(found: Map, width: int = 100) -> list[str]:
    pen = Pen(io.StringIO())
    pen.width = width
    return list(netmap_text.render(found, pen))


def joined(found: Map, width: int = 100) -> str:
    return "\n".join(text(found, width))


# ---- text ---------------------------------------------------------------------------------------------------------


def test_the_picture() -> None:
    web = member(2, name="web", ports=[port()])
    api = member(3, name="api", others=[("vault", "eth1")])
    vault = drawn(member(4, name="api", inside="eth1", default_route=False), name="vault", internal=True)
    assert text(whole(drawn(web, api), vault)) == [
        "the world outside",
        "│",
        "├─ eth0  192.0.2.10/24  default route by 192.0.2.1",
        "│  the host forwards: IPv4 on, IPv6 off",
        "│",
        "├─ published by table inet minirun",
        "│  0.0.0.0:8080/tcp ──► web  172.18.0.2:80  3 packets, 180B",
        "│",
        "└─┬─ shop ── bridge mr-111111111111, 2 containers",
        "  │  gateway 172.18.0.1/16; names: process 77 answers at port 4000",
        "  │  out: masqueraded as 192.0.2.10",
        "  │  in: answers, and what is published; other networks are outside, too",
        "  ├─ vethac120002 ◄═══ eth0  web  172.18.0.2  02:42:ac:12:00:02",
        "  │                          busybox, pid 1002 in net:[2]",
        "  └─ vethac120003 ◄═══ eth0  api  172.18.0.3  02:42:ac:12:00:03",
        "                             busybox, pid 1003 in net:[3], also on vault as eth1",
        "",
        "  ┌─ vault ── bridge mr-111111111111, 1 container",
        "  │  gateway 172.18.0.1/16; names: process 77 answers at port 4000",
        "  │  internal: nothing goes out and nothing comes in; the host is outside, too",
        "  └─ vethac120004 ════ eth1  api  172.18.0.4  02:42:ac:12:00:04",
        "                             busybox, pid 1004 in net:[4]",
        "",
        "◄═══ veth, the container's way out   ════ veth   ═╳══ broken",
    ]


def test_what_is_on_no_network_and_what_has_no_container() -> None:
    unattached = [
        Unattached("h", "busybox", "running", "host"),
        Unattached("s", "busybox", "running", "container:web"),
    ]
    drawn_text = text(whole(drawn(), unattached=unattached))
    assert "  shop  172.18.0.0/16" in drawn_text
    assert "  h  busybox  is in the host's own" in drawn_text
    assert "  s  busybox  shares the network of web" in drawn_text


def test_what_was_dropped_is_named_by_the_rule() -> None:
    drops = [Drop("bridge", "prerouting", "not its address", Counter(6, 528))]
    assert "  6 packets, 528B  not its address  (bridge, prerouting)" in text(whole(drops=drops))


def test_what_does_not_agree_is_marked_there_and_told_below() -> None:
    remark = Remark("shop", "c2", "its veth is missing", "minirun restart c2")
    drawn_text = joined(whole(drawn(member(2, broken="missing"), member(3)), remarks=[remark]))
    assert "vethac120002 ═╳══ eth0  c2  172.18.0.2  02:42:ac:12:00:02  !" in drawn_text
    assert "172.18.0.3  02:42:ac:12:00:03\n" in drawn_text
    assert (
        "1 thing is not as it should be\n  ! shop, c2: its veth is missing\n      try: minirun restart c2"
        in drawn_text
    )


def test_a_port_that_the_table_has_not() -> None:
    drawn_text = text(whole(drawn(member(ports=[port(counter=None)]))))
    assert any(line.endswith("! not in the table") for line in drawn_text)


def test_a_missing_table_is_said_of_the_network() -> None:
    assert "its rules are missing" in joined(whole(drawn(member()), families=["bridge"]))


def test_a_missing_bridge_and_a_dead_name_server() -> None:
    drawn_text = joined(whole(drawn(member(), there=False, dns_pid=0)))
    assert "no bridge mr-111111111111" in drawn_text
    assert "names: nobody answers" in drawn_text


def test_a_host_without_a_way_out() -> None:
    assert "no default route: nothing leads out" in joined(whole(drawn(member()), default_routes=[]))


@pytest.mark.parametrize("width", [80, 100, 200])
def test_no_line_is_wider_than_the_terminal_or_100(width: int) -> None:
    long = member(
        3,
        name="n" * 90,
        addresses=["172.18.0.3", "fd00:1111:2222:3333:4444:5555:6666:7777"],
        aliases=["a" * 60],
        ports=[port(host_ip="::", container_ip="fd00:1111:2222:3333:4444:5555:6666:7777")],
    )
    remark = Remark("shop", "n" * 90, "something " * 20, "minirun ps")
    assert max(map(len, text(whole(drawn(member(), long), remarks=[remark]), width))) <= min(width, 100)


def test_columns_are_aligned_whatever_the_names() -> None:
    drawn_text = text(whole(drawn(member(2, name="a"), member(3, name="b" * 60), member(4, name="c" * 20))))
    lines = [line for line in drawn_text if "◄═══ eth0" in line]
    assert len({line.index("172.18.") for line in lines}) == 1
    assert "b…" in lines[1]


def test_a_hundred_containers_take_two_lines_each() -> None:
    drawn_text = text(whole(drawn(*(member(number) for number in range(2, 102)))))
    first = next(number for number, line in enumerate(drawn_text) if "◄═══ eth0" in line)
    assert drawn_text[first + 200] == ""


def test_what_would_steer_the_terminal_is_shown() -> None:
    drawn_text = joined(whole(drawn(member(image=HOSTILE))))
    assert "\x1b" not in drawn_text
    assert "\\x1b[31m" in drawn_text


# ---- words --------------------------------------------------------------------------------------------------------


def test_neighbours_of_a_range_are_one_row() -> None:
    found = list(words.rows([port(8081, 81), port(8080, 80), port(8083, 83)]))
    assert [(row.outside, row.inside) for row in found] == [
        ("0.0.0.0:8080-8081/tcp", "172.18.0.2:80-81"),
        ("0.0.0.0:8083/tcp", "172.18.0.2:83"),
    ]
    assert found[0].counter == Counter(6, 360)


def test_a_missing_port_is_not_hidden_in_a_range() -> None:
    found = list(words.rows([port(8080, 80), port(8081, 81, counter=None)]))
    assert [row.counter for row in found] == [Counter(3, 180), None]


def test_ipv6_is_written_in_brackets() -> None:
    (row,) = words.rows([port(host_ip="::", container_ip="fd00::2")])
    assert (row.outside, row.inside) == ("[::]:8080/tcp", "[fd00::2]:80")


@pytest.mark.parametrize(("packets", "said"), [(0, "no packet yet"), (1, "1 packet, 60B")])
def test_counters(packets: int, said: str) -> None:
    assert words.counted(Counter(packets, 60)) == said


# ---- the page -----------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """The elements of a page, and the text of its style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.style = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["style"]:
            self.style += data


def page(**others: Any) -> str:
    web = member(2, name="web", ports=[port()], image=HOSTILE)
    vault = drawn(member(4, broken="down"), name="vault", internal=True)
    remark = Remark("vault", "c4", HOSTILE, HOSTILE)
    shop = drawn(web, *(member(number) for number in range(5, 45)))
    return netmap_html.page(whole(shop, vault, drawn(name="idle"), remarks=[remark], **others))


def picture(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])


def test_the_page_is_well_formed() -> None:
    assert Page(page()).open == []
    assert picture(page()).tag.endswith("svg")


def test_the_picture_has_a_box_for_each_container_and_tells_of_it() -> None:
    boxes = [part for part in picture(page()).iter() if "member" in part.get("class", "").split()]
    assert len(boxes) == 42
    drawn_text = "".join(boxes[0].itertext())
    assert "web" in drawn_text
    assert "172.18.0.2" in drawn_text
    assert "published: 0.0.0.0:8080/tcp to 172.18.0.2:80" in drawn_text


def test_nothing_reaches_out_of_the_picture() -> None:
    drawing = picture(page())
    *_, width, height = map(float, drawing.get("viewBox", "").split())
    rects = [part for part in drawing.iter() if part.tag.endswith("rect")]
    assert all(float(rect.get("x", 0)) + float(rect.get("width", 0)) <= width for rect in rects)
    assert all(float(rect.get("y", 0)) + float(rect.get("height", 0)) <= height for rect in rects)


def test_boxes_do_not_overlap() -> None:
    spaces = [part for part in picture(page()).iter() if "space" in part.get("class", "").split()]
    boxes = sorted(tuple(float(part.get(name, 0)) for name in ("x", "y", "height")) for part in spaces)
    for (x, y, height), (next_x, next_y, _) in pairwise(boxes):
        assert x != next_x or y + height <= next_y


def test_a_published_port_leads_to_its_container() -> None:
    elements = Page(page()).elements
    (to,) = [attributes["href"] or "" for tag, attributes in elements if tag == "a"]
    assert to[1:] in [attributes.get("id") for _, attributes in elements]


def test_a_hostile_name_is_no_element() -> None:
    assert "script" not in [tag for tag, _ in Page(page()).elements]
    assert "\x1b" not in page()


def test_the_page_loads_nothing() -> None:
    found = Page(page())
    for tag, attributes in found.elements:
        assert tag not in ("link", "img", "image", "iframe", "object", "base", "use")
        assert not {name for name in attributes if name in ("src", "style") or name.startswith("on")}
        assert (attributes.get("href") or "#").startswith("#")
    assert "url(" not in found.style
    assert "@import" not in found.style


def test_the_policy_allows_this_style_only() -> None:
    found = Page(page())
    policy = next(
        attributes["content"] or "" for _, attributes in found.elements if "http-equiv" in attributes
    )
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    digest = b64decode(policy.partition("sha256-")[2].partition("'")[0])
    assert digest == hashlib.sha256(found.style.encode()).digest()


def test_a_page_of_nothing_at_all() -> None:
    assert Page(netmap_html.page(whole(links=[], default_routes=[], families=[]))).open == []


# ---- the command --------------------------------------------------------------------------------------------------


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    monkeypatch.setattr(netmap, "gather", lambda paths, names: whole(drawn(member())))
    return CliRunner().invoke(map_command, arguments, obj=Paths("/nowhere"))


def test_a_pipe_gets_no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    output = run(monkeypatch).output
    assert output.startswith("the world outside\n")
    assert "\x1b" not in output


def test_the_page_goes_to_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert run(monkeypatch, "--html", "-o", str(tmp_path / "map.html")).output == ""
    assert (tmp_path / "map.html").read_text().startswith("<!doctype html>")


def test_a_file_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    error = run(monkeypatch, "-o", "/nonexistent/map").exception
    assert isinstance(error, MinirunError)
    assert error.message == "/nonexistent/map: No such file or directory"
