"""`compose explain`: a plan in words."""

from typing import Any

from minirun.compose import explanation, plan
from minirun.compose.choice import Choice
from tests.unit.test_compose_plan import facts, planned, project, service, there


def lines(*words: Any, **choice: Any) -> list[str]:
    return list(explanation.text(planned(*words, **choice)))


def test_what_changes_stands_with_its_reasons_and_what_stays_comes_last() -> None:
    wanted = project({"web": service(after={"db": "healthy"}), "db": service()})
    assert lines(wanted, there("web-1 old", "db-1")) == [
        "container p-web-1  is made anew and is started, once db is healthy: its configuration has changed",
        "p-db-1: stays as it is",
    ]


def test_nothing_there() -> None:
    assert lines(project({"web": service()}), there()) == [
        "network   p_default  is made",
        "container p-web-1    is made and is started",
    ]


def test_several_reasons_stand_below_each_other() -> None:
    made = lines(project({"web": service()}), there("web-1 old image"))
    assert [line.strip() for line in made] == [
        "container p-web-1  is made anew and is started: its configuration has changed",
        "image old -> busybox",
    ]
    assert made[1].index("image") == made[0].index("its configuration")


def test_nothing_to_do() -> None:
    wanted = project({"web": service(), "db": service()})
    assert lines(wanted, there("web-1", "db-1")) == [
        "p-db-1, p-web-1: stay as they are",
        "up would change nothing",
    ]


def test_a_change_is_told_key_by_key() -> None:
    wanted = project({"web": service()})
    found = there("web-1 old")
    found.containers[0].record["options"]["annotations"]["io.minirun.compose.configuration"] = (
        '{"environment": {"DEBUG": "0"}}'
    )
    known = facts(wanted)
    known.configurations["web"] = '{"environment": {"DEBUG": "1"}}'
    made = plan.up(wanted, found, known, Choice())
    assert next(explanation.text(made)).endswith("is made anew and is started: environment DEBUG 0 -> 1")


def test_images_that_are_not_here_come_first() -> None:
    made = planned(project({"web": service()}), there())
    made.images = [("demo-web", "built")]
    assert next(explanation.text(made)) == "image     demo-web   is built"
