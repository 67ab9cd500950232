"""`compose why`: from facts made by hand to the first cause."""

from typing import Any

import pytest

from minirun.compose import labels, why
from minirun.compose.observed import Container, Observed
from minirun.compose.why import Problem, Story
from minirun.errors import NotFoundError
from tests.compose_projects import project, service


class Facts:
    """All is well on this machine, but for what is said."""

    def __init__(self, **wrong: Any) -> None:
        self.wrong = wrong

    def has_image(self, service: Any) -> bool:
        return service["name"] not in self.wrong.get("images", [])

    def log(self, container: Container) -> list[str]:
        return [f"last words of {container.service}"]

    def wrong_name(self, container: Container, name: str) -> Problem | None:
        return Problem("NXDOMAIN", "look there") if name in self.wrong.get("names", []) else None

    def wrong_port(self, published: int, protocol: str) -> Problem | None:
        return Problem("nothing listens", "listen") if published in self.wrong.get("ports", []) else None


def container(name: str, status: str = "running", exit_code: int = 0, **more: Any) -> Container:
    """`health` is a status, `probe` what the last probe printed."""
    health = {"status": more["health"], "log": []} if more.get("health") else None
    if health and "probe" in more:
        health["log"] = [{"exit_code": 1, "output": more["probe"]}]
    return Container(
        {
            "name": f"demo-{name}-1",
            "labels": {labels.SERVICE: name, labels.NUMBER: "1"},
            "args": ["serve", "--all"],
            "health": {"test": ["CMD-SHELL", "nc -z localhost"]} if health else None,
            "stopped_by_hand": more.get("by_hand", False),
            "options": {"ports": [{"host_ports": [8000], "protocol": "tcp"}] if more.get("port") else []},
            "state": {
                "status": status,
                "pid": 0,
                "exit_code": exit_code,
                "error": more.get("error", ""),
                "oom_killed": more.get("oom_killed", False),
                "health": health,
            },
        }  # type: ignore[typeddict-item]
    )


WANTED = {
    "web": service(depends_on={"api": {"condition": "service_healthy", "required": True}}),
    "api": service(
        depends_on={
            "db": {"condition": "service_healthy", "required": True},
            "init": {"condition": "service_completed_successfully", "required": True},
            "extra": {"condition": "service_started", "required": False},
        }
    ),
    "db": service(),
    "init": service(),
    "extra": service(),
}
GOOD = {
    "web": container("web"),
    "api": container("api", health="healthy"),
    "db": container("db", health="healthy"),
    "init": container("init", "exited"),
    "extra": container("extra"),
}


def told(*services: str, wrong: dict[str, Any] | None = None, **others: Container | None) -> Story:
    """All as it should be, but for the `others`; None: it has no container."""
    found = [one for one in {**GOOD, **others}.values() if one]
    return why.tell(project(WANTED), Observed(found, {}, {}), Facts(**wrong or {}), services)


def cause(*services: str, **others: Any) -> str:
    return told(*services, **others).causes[0].sentence


# ---- all is well --------------------------------------------------------------------------------------------------


def test_of_a_project_that_is_well_there_is_nothing_to_tell() -> None:
    assert told() == Story([], [])


def test_of_a_service_that_is_well_it_is_told_what_was_found() -> None:
    story = told("api")
    assert (story.causes, story.steps[0].found) == ([], "running, healthy; finds db; finds extra")


def test_a_service_that_is_not_there_is_refused() -> None:
    with pytest.raises(NotFoundError, match="no such service: wbe"):
        told("wbe")


def test_a_project_without_containers_needs_no_steps() -> None:
    story = told(**dict.fromkeys(GOOD))
    assert (story.steps, story.causes[0].advice) == ([], "minirun compose up -d")


# ---- the service itself -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (None, "db has no container: nobody has made it yet"),
        (container("db", "created"), "db was made, and not started"),
        (container("db", "paused"), "db is paused"),
        (container("db", "created", error="port is taken"), "db could not be started: port is taken"),
        (container("db", "exited", 3), "db has ended with 3"),
        (container("db", "exited", 139), "db has ended with 139 (SIGSEGV: its program crashed)"),
        (container("db", "exited", 143, by_hand=True), "db was stopped by hand"),
        (container("db", "exited", 127), "db has no such program as its command names: serve --all"),
        (container("db", "restarting", 1), "db has ended with 1, and is started again and again"),
        (
            container("db", "exited", 137, oom_killed=True),
            "db needed more memory than it may have, and was killed",
        ),
        (
            container("db", health="unhealthy", probe="refused\n"),
            "db is unhealthy: its probe `nc -z localhost` exited 1: refused",
        ),
        (container("db", health="starting"), "db runs and is not healthy yet; nobody has probed it yet"),
    ],
)
def test_what_is_wrong_with_a_service(found: Container | None, sentence: str) -> None:
    assert cause("db", db=found) == sentence


def test_an_image_that_is_not_here_is_to_be_pulled() -> None:
    story = told("db", db=None, wrong={"images": ["db"]})
    assert story.causes[0] == why.Cause(
        "db has no container, and its image busybox is not here", "minirun compose pull db"
    )


def test_a_name_that_leads_nowhere_is_a_cause() -> None:
    assert cause("api", wrong={"names": ["db"]}) == "api runs and does not find db: NXDOMAIN"


def test_the_name_of_what_has_ended_is_not_asked_for() -> None:
    assert told("api", wrong={"names": ["init"]}).causes == []


def test_a_port_at_which_nobody_answers_is_a_cause() -> None:
    sentence = cause("web", web=container("web", port=True), wrong={"ports": [8000]})
    assert sentence == "web runs, but nobody answers at its port 8000: nothing listens"


# ---- what it waits for --------------------------------------------------------------------------------------------


def test_the_first_cause_is_at_the_end_of_the_way() -> None:
    waiting = {name: container(name, "created") for name in ("web", "api")}
    story = told("web", **waiting, db=container("db", "exited", 1))
    assert [(step.depth, step.service, step.state) for step in story.steps] == [
        (0, "web", why.WAITS),
        (1, "api", why.WAITS),
        (2, "db", why.BAD),
    ]
    assert story.causes[0].sentence == "db has ended with 1; web needs it"


def test_what_it_waits_for_is_said() -> None:
    story = told("api", api=container("api", "created"), db=container("db", health="starting"))
    assert story.steps[0].found == "created: waits, for db has not become healthy"


def test_an_init_container_that_has_failed_is_the_cause() -> None:
    found = cause("api", api=container("api", "created"), init=container("init", "exited", 2))
    assert found == "init has ended with 2; api needs it"


def test_what_is_not_required_keeps_nothing() -> None:
    assert cause("api", api=container("api", "exited", 4), extra=None) == "api has ended with 4"


def test_what_runs_though_what_it_needs_has_gone_leads_there_too() -> None:
    story = told("api", db=container("db", "exited", 1))
    assert story.steps[0].found == "running, healthy, but db has not become healthy"


def test_the_end_of_the_log_is_shown_of_what_is_not_well() -> None:
    assert told("db", db=container("db", "exited", 1)).steps[0].details == ["log: last words of db"]


def test_without_a_name_all_that_are_not_well_are_told_with_their_causes() -> None:
    story = told(db=container("db", "exited", 1), extra=container("extra", "exited", 2))
    assert [one.sentence for one in story.causes] == ["db has ended with 1", "extra has ended with 2"]
