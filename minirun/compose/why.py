"""`compose why`: what keeps a service from coming up, walked from it to the first cause.

    its own state       no container, not started, ended, restarting, unhealthy
    what it waits for   each that is not as it has to be is walked in the same way
    where it runs       the names of others that it needs, and its published ports

Everything is judged from facts (why_facts.py), so the tests of this file need no container.  The first cause is the
last thing on the way down that is not kept from anything by something else.

Next  why_facts.py
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple, Protocol

from minirun.compose import graph, order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from minirun.compose.language.model import Project, Service
    from minirun.compose.observed import Container, Observed

OK, WAITS, BAD = "ok", "waits", "bad"
_SIGNALS = {137: "SIGKILL", 139: "SIGSEGV: its program crashed", 143: "SIGTERM"}
_LINES = 5  # of a log
_REQUIRED = {
    "service_started": "started",
    "service_healthy": "healthy",
    "service_completed_successfully": "ended with 0",
}


class Problem(NamedTuple):
    """Something that was looked at and is not as it should be."""

    found: str
    advice: str


class Facts(Protocol):
    """What has to be asked of the machine, one at a time, for some of it takes a moment."""

    def has_image(self, service: Service) -> bool: ...

    def log(self, container: Container) -> list[str]:
        """The last lines of its log."""

    def wrong_name(self, container: Container, name: str) -> Problem | None:
        """What it gets told about a name, where that leads nowhere."""

    def wrong_port(self, published: int, protocol: str) -> Problem | None:
        """Why nobody answers at a port that it publishes."""


class Step(NamedTuple):
    """One service on the way; `details` are lines of probes and logs."""

    depth: int
    service: str
    state: str
    found: str
    details: list[str]


class Cause(NamedTuple):
    """One sentence, and what to do."""

    sentence: str
    advice: str


class Story(NamedTuple):
    steps: list[Step]
    causes: list[Cause]  # the first one first; none: all is well


def tell(project: Project, there: Observed, facts: Facts, services: Sequence[str] = ()) -> Story:
    """The way of each of these services, none: of all that are not well, and the first cause."""
    order.selected(project, services, dependencies=False)  # raises NotFoundError
    walk = _Walk(project, there, facts)
    found = list(services) or [
        name for name in order.of_project(project, project.services) if not walk.is_well(name)
    ]
    if found and not there.services():
        return Story([], [Cause(f"no service of {project.name} has a container", "minirun compose up -d")])
    causes = dict.fromkeys(cause for name in found if (cause := walk.service(name, 0)))
    if len(services) == 1:
        causes = dict.fromkeys(_with_effect(cause, services[0]) for cause in causes)
    return Story(walk.steps, list(causes))


def _with_effect(cause: Cause, name: str) -> Cause:
    """What it is to the service that was asked about, where it is the cause of another's."""
    if cause.sentence.startswith(f"{name} "):
        return cause
    return Cause(f"{cause.sentence}; {name} needs it", cause.advice)


class _Walk:
    def __init__(self, project: Project, there: Observed, facts: Facts) -> None:
        self.project, self.there, self.facts = project, there, facts
        self.steps: list[Step] = []
        self.causes: dict[str, Cause | None] = {}  # of services that were walked
        self.checked: list[str] = []  # of the service that is looked at: what was found right

    def is_well(self, name: str) -> bool:
        """Whether there is nothing to ask about: it runs, or it has ended with 0 and that is what others want."""
        wanted = {
            one["condition"]
            for other in self.project.services.values()
            for target, one in (other.get("depends_on") or {}).items()
            if target == name
        }
        state, _ = graph.condition(self.there.of(name), 1)
        return state == graph.WELL or (state == graph.DONE and wanted <= {"service_completed_successfully"})

    def service(self, name: str, depth: int) -> Cause | None:
        """Walk one; returns what keeps it, None when nothing does.  A service is walked once."""
        if name in self.causes:
            return self.causes[name]
        self.causes[name] = None
        service = self.project.services[name]
        unmet = list(self._unmet(service))
        own = self._own(service)
        self.steps.append(self._step(depth, service, own, unmet))
        found = [cause for other in unmet if (cause := self.service(other, depth + 1))]
        self.causes[name] = found[0] if found else own
        return self.causes[name]

    def _unmet(self, service: Service) -> Iterator[str]:
        """The services that it needs and that are not as it needs them."""
        for name, one in (service.get("depends_on") or {}).items():
            if (
                name in self.project.services
                and one.get("required", True)
                and not self._is_met(name, one["condition"])
            ):
                yield name

    def _is_met(self, name: str, condition: str) -> bool:
        found = self.there.of(name)
        if condition == "service_completed_successfully":
            return bool(found) and all(one.status == "exited" and one.exit_code == 0 for one in found)
        if condition == "service_healthy":
            return bool(found) and all(one.health == "healthy" for one in found)
        return any(one.status in ("running", "exited") and not graph.is_bad(one) for one in found)

    # ---- the service itself ---------------------------------------------------------------------------------------

    def _own(self, service: Service) -> Cause | None:
        """What is wrong with it where all that it waits for is as it has to be."""
        self.checked = []
        found = self.there.of(service["name"])
        if not found:
            return self._not_made(service)
        one = worst(found)
        if one.status == "running" and one.health not in ("unhealthy", "starting"):
            return self._unreachable(service, one)
        return Cause(*_wrong(service, one))

    def _not_made(self, service: Service) -> Cause:
        name = service["name"]
        if self.facts.has_image(service):
            return Cause(f"{name} has no container: nobody has made it yet", f"minirun compose up -d {name}")
        if service.get("build"):
            return Cause(
                f"{name} has no container, and its image is not built", f"minirun compose build {name}"
            )
        image = service.get("image", "")
        return Cause(
            f"{name} has no container, and its image {image} is not here", f"minirun compose pull {name}"
        )

    def _unreachable(self, service: Service, one: Container) -> Cause | None:
        name = service["name"]
        for other in self._to_be_found(service):
            if problem := self.facts.wrong_name(one, other):
                return Cause(f"{name} runs and does not find {other}: {problem.found}", problem.advice)
            self.checked.append(f"finds {other}")
        for port in one.record["options"]["ports"]:
            for published in port["host_ports"]:
                if problem := self.facts.wrong_port(published, port["protocol"]):
                    sentence = f"{name} runs, but nobody answers at its port {published}: {problem.found}"
                    return Cause(sentence, problem.advice)
                self.checked.append(f"port {published} is answered")
        return None

    def _to_be_found(self, service: Service) -> Iterator[str]:
        """What it waits for, runs, and is on a network of its own: their names have to lead somewhere."""
        mine = set(service.get("networks") or {})
        for other in service.get("depends_on") or {}:
            theirs = self.project.services.get(other, {}).get("networks") or {}
            if mine & set(theirs) and any(one.status == "running" for one in self.there.of(other)):
                yield other

    def _step(self, depth: int, service: Service, own: Cause | None, unmet: list[str]) -> Step:
        found = self.there.of(service["name"])
        state, words = graph.condition(found, 1)
        if unmet:
            waits = " and ".join(f"{one} has not {self._wanted(service, one)}" for one in unmet)
            is_up = any(one.is_up for one in found)
            words = f"{words}, but {waits}" if is_up else f"{words or 'not there'}: waits, for {waits}"
            return Step(depth, service["name"], WAITS, words, self._details(found, state))
        if own is None:
            return Step(depth, service["name"], OK, "; ".join([words, *self.checked]), [])
        if state in (graph.WELL, graph.NONE):
            words = own.sentence.removeprefix(f"{service['name']} ")
        return Step(depth, service["name"], BAD, words, self._details(found, state))

    def _wanted(self, service: Service, other: str) -> str:
        word = _REQUIRED[service["depends_on"][other]["condition"]]
        return f"become {word}" if word == "healthy" else word

    def _details(self, found: list[Container], state: str) -> list[str]:
        """Of what has run and is not well: its last probe, the end of its log."""
        if not found or state == graph.WELL:
            return []
        one = worst(found)
        if one.status == "created":
            error = one.record["state"]["error"]
            return [error] if error else []
        lines = [f"probe: {text}" for text in [last_probe(one)] if text and one.is_up]
        return [*lines, *(f"log: {line}" for line in self.facts.log(one)[-_LINES:])]


def worst(found: list[Container]) -> Container:
    """The one of a service's containers that there is most to say of."""
    return max(found, key=lambda one: (graph.is_bad(one), one.status != "running", one.health == "starting"))


def last_probe(container: Container) -> str:
    """`exited 1: connection refused`; "" when nobody has probed yet."""
    health = container.record["state"]["health"]
    if not health or not health["log"]:
        return ""
    probe = health["log"][-1]
    said = " | ".join(line.strip() for line in probe["output"].splitlines() if line.strip())
    return f"exited {probe['exit_code']}{f': {said}' if said else ''}"


def _wrong(service: Service, one: Container) -> tuple[str, str]:
    """(sentence, advice) for a container that is there and does not run as it should."""
    name, state = service["name"], one.record["state"]
    if state["error"]:
        return (
            f"{name} could not be started: {state['error']}",
            f"mend that, then: minirun compose up -d {name}",
        )
    if one.status == "paused":
        return f"{name} is paused", f"minirun compose unpause {name}"
    if one.status == "created":
        return f"{name} was made, and not started", f"minirun compose up -d {name}"
    if one.status in ("exited", "restarting"):
        return _ended(service, one)
    return _unhealthy(service, one)


def _ended(service: Service, one: Container) -> tuple[str, str]:
    name, code = service["name"], one.exit_code
    if one.record["stopped_by_hand"]:
        return f"{name} was stopped by hand", f"minirun compose start {name}"
    again = ", and is started again and again" if one.status == "restarting" else ""
    logs = f"minirun compose logs {name}"
    if one.record["state"]["oom_killed"]:
        return f"{name} needed more memory than it may have, and was killed{again}", "raise its mem_limit"
    if code in (126, 127):
        command = shlex.join(one.record["args"])
        return (
            f"{name} has no such program as its command names: {command}{again}",
            f"mend its command; {logs}",
        )
    if code == 0:
        return f"{name} has ended by itself, with 0{again}: its program had nothing more to do", logs
    signal = f" ({_SIGNALS[code]})" if code in _SIGNALS else ""
    return f"{name} has ended with {code}{signal}{again}", logs


def _unhealthy(service: Service, one: Container) -> tuple[str, str]:
    name, test = service["name"], _test(one)
    probe = last_probe(one)
    if one.health == "starting":
        said = f"; its last probe {probe}" if probe else "; nobody has probed it yet"
        return (
            f"{name} runs and is not healthy yet{said}",
            f"wait, or try: minirun compose exec {name} {_by_hand(test)}",
        )
    return (
        f"{name} is unhealthy: its probe `{_shown(test)}` {probe}",
        f"minirun compose exec {name} {_by_hand(test)}",
    )


def _test(one: Container) -> list[str]:
    """Its health check: ["CMD", program, ...] or ["CMD-SHELL", text]."""
    health = one.record["health"]
    return health["test"] if health else ["NONE"]


def _shown(test: list[str]) -> str:
    return test[1] if test[0] == "CMD-SHELL" else shlex.join(test[1:])


def _by_hand(test: list[str]) -> str:
    """
    >>> _by_hand(["CMD-SHELL", "nc -z localhost 80 || exit 1"])
    "sh -c 'nc -z localhost 80 || exit 1'"
    """
    return shlex.join(["sh", "-c", test[1]] if test[0] == "CMD-SHELL" else test[1:])
