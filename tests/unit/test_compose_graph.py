"""A project as a graph, and how it is drawn, from projects made by hand."""

import io
import itertools
from typing import Any
from xml.etree import ElementTree

import pytest

from minirun.cli.compose import graph_svg, graph_text
from minirun.cli.layers_text import Pen
from minirun.compose import graph, graph_layout, labels
from minirun.compose.graph import Graph
from minirun.compose.observed import Container, Observed
from minirun.errors import NotFoundError
from tests.compose_projects import project, service

_SVG = "{http://www.w3.org/2000/svg}"


def after(**conditions: str) -> dict[str, Any]:
    return {
        name: {"condition": f"service_{condition}", "required": True}
        for name, condition in conditions.items()
    }


def drawn(services: dict[str, dict[str, Any]], **others: Any) -> Graph:
    return graph.make(project({name: service(**keys) for name, keys in services.items()}, **others))


SHOP: dict[str, dict[str, Any]] = {
    "web": {"depends_on": after(db="healthy", cache="started")},
    "db": {},
    "cache": {},
    "mail": {},
}


def container(name: str, status: str = "running", exit_code: int = 0, health: str = "") -> Container:
    state = {
        "status": status,
        "exit_code": exit_code,
        "error": "",
        "health": {"status": health, "log": []} if health else None,
    }
    return Container({"labels": {labels.SERVICE: name, labels.NUMBER: "1"}, "state": state})  # type: ignore[typeddict-item]


def text(found: Graph) -> list[str]:
    return list(graph_text.render(found, Pen(io.StringIO(), plain=True)))


def svg(found: Graph) -> ElementTree.Element:
    return ElementTree.fromstring(graph_svg.picture(found))


# ---- what there is to draw ----------------------------------------------------------------------------------------


def test_each_service_is_one_level_below_what_it_waits_for() -> None:
    chain = {"c": {"depends_on": after(b="started")}, "b": {"depends_on": after(a="started")}, "a": {}}
    assert [[box.name for box in level] for level in drawn(chain).levels] == [["a"], ["b"], ["c"]]


def test_the_services_that_are_named_come_with_what_they_wait_for() -> None:
    found = graph.make(project({name: service(**keys) for name, keys in SHOP.items()}), ["web"])
    assert {box.name for box in found.boxes} == {"web", "db", "cache"}


def test_a_service_that_is_not_there_is_refused() -> None:
    with pytest.raises(NotFoundError, match="no such service: wbe"):
        graph.make(project({"web": service()}), ["wbe"])


def test_networks_that_nobody_is_on_are_left_out() -> None:
    found = drawn({"web": {"networks": {"front": None}}}, networks={"front": {}, "back": {"internal": True}})
    assert [network.key for network in found.networks] == ["front"]


@pytest.mark.parametrize(
    ("found", "wanted", "expected"),
    [
        ([], 1, (graph.NONE, "")),
        ([container("a")], 1, (graph.WELL, "running")),
        (
            [container("a", health="healthy"), container("a", health="healthy")],
            2,
            (graph.WELL, "2 running, healthy"),
        ),
        ([container("a", health="starting")], 1, (graph.COMING, "health: starting")),
        ([container("a")], 2, (graph.COMING, "1 of 2 running")),
        ([container("a", "created")], 1, (graph.COMING, "created")),
        ([container("a", "exited")], 1, (graph.DONE, "exited (0)")),
        ([container("a", "exited", 3)], 1, (graph.BAD, "exited (3)")),
        ([container("a"), container("a", "restarting", 1)], 2, (graph.BAD, "1 of 2 restarting (1)")),
        ([container("a", health="unhealthy")], 1, (graph.BAD, "unhealthy")),
    ],
)
def test_how_a_service_is(found: list[Container], wanted: int, expected: tuple[str, str]) -> None:
    assert graph.condition(found, wanted) == expected


# ---- where it stands ----------------------------------------------------------------------------------------------


def test_a_level_is_cut_into_rows() -> None:
    layout = graph_layout.make([[f"s{number}" for number in range(13)]], [], 100, 10)
    assert [len(row) for row in layout.rows] == [5, 5, 3]


def test_no_two_of_a_row_overlap() -> None:
    edges = [(f"b{number}", f"a{number % 2}") for number in range(6)] + [("c", "a0"), ("c", "b5")]
    layout = graph_layout.make([["a0", "a1"], [f"b{number}" for number in range(6)], ["c"]], edges, 100, 10)
    for row in layout.rows:
        for one, other in itertools.pairwise(row):
            least = ((10 if one.passing else 100) + (10 if other.passing else 100)) / 2
            assert layout.x[other] - layout.x[one] >= least - 0.001


def test_lines_that_need_not_cross_do_not() -> None:
    layout = graph_layout.make([["a", "b"], ["x", "y"]], [("x", "b"), ("y", "a")], 100, 10)
    assert graph_layout.crossings(layout.rows, layout.lines) == 0


def test_a_line_has_a_place_of_its_own_in_a_row_that_it_passes() -> None:
    layout = graph_layout.make([["a"], ["b"], ["c"]], [("b", "a"), ("c", "b"), ("c", "a")], 100, 10)
    assert [place.passing for place in layout.rows[1]].count(True) == 1


def test_a_graph_without_services_has_no_rows() -> None:
    assert graph_layout.make([], [], 100, 10).rows == []


# ---- as text ------------------------------------------------------------------------------------------------------


def test_rails_lead_from_a_service_to_those_that_wait_for_it() -> None:
    rails = [row.rails for row in graph_text.lay_out(drawn(SHOP))]
    assert rails == ["●", "│ ●", "╰─┴─●", "●"]


def test_a_rail_that_goes_by_is_not_joined() -> None:
    found = drawn(
        {"a": {}, "b": {}, "d": {"depends_on": after(a="started")}, "e": {"depends_on": after(b="started")}}
    )
    assert [row.rails for row in graph_text.lay_out(found)] == ["●", "╰─●", "●", "╰─●"]


def test_the_text_says_what_is_waited_for() -> None:
    assert any("after cache, db is healthy" in line for line in text(drawn(SHOP)))


def test_the_text_shows_how_services_are() -> None:
    found = graph.make(project({"web": service()}), [], Observed([container("web", "exited", 3)], {}, {}))
    assert "✗" in text(found)[1]
    assert "exited (3)" in text(found)[1]


def test_ports_and_volumes_are_in_the_text() -> None:
    port = {"target": 80, "protocol": "tcp", "published": "8000"}
    mount = {"type": "volume", "source": "data", "target": "/data"}
    shown = "\n".join(text(drawn({"web": {"ports": [port], "volumes": [mount]}}, volumes={"data": {}})))
    assert "ports 8000:80" in shown
    assert "volume data at /data" in shown
    assert "volumes   data" in shown


# ---- as a picture -------------------------------------------------------------------------------------------------


def test_the_picture_has_a_box_for_each_service_and_a_line_for_each_edge() -> None:
    made = svg(drawn(SHOP))
    classes = [one.get("class", "").split() for one in made.iter(f"{_SVG}g")]
    assert sum("service" in one for one in classes) == 4
    assert sum(one.get("class", "").startswith("line ") for one in made.iter(f"{_SVG}path")) == 2


def test_what_a_name_has_in_it_stays_text() -> None:
    found = drawn({"web": {"image": "</text><script>alert(1)</script>"}})
    assert not list(svg(found).iter(f"{_SVG}script"))
    assert "<script>" not in graph_svg.picture(found)


def test_the_page_allows_its_own_style_alone() -> None:
    import base64
    import hashlib

    page = graph_svg.page(drawn(SHOP))
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in page


def test_fifty_services_are_drawn() -> None:
    services = {
        f"s{number}": {"depends_on": after(**{f"s{number // 2}": "healthy"})} for number in range(1, 50)
    }
    assert len([one for one in svg(drawn({"s0": {}, **services})).iter() if one.get("class") == "name"]) == 50
