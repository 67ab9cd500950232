"""Carrying out a plan: each action does one thing with the engine, in a thread of its own, and tells of it.

The shims of all containers come from one small process (engine/shim/spawn.py), so a start costs no interpreter.  What
an action finds done already, by a command that was killed say, it leaves; so a plan can be carried out again.

Next     scheduler.py
"""

from __future__ import annotations

import contextlib
import functools
import threading
from typing import TYPE_CHECKING, Any

from minirun import jsontext
from minirun.compose import (
    conditions,
    dry_run,
    hooks,
    labels,
    names,
    network_options,
    secrets,
    service_options,
    volume_options,
)
from minirun.compose.scheduler import Scheduler
from minirun.engine import containers, images, networks, volumes
from minirun.errors import ConflictError, MinirunError, NotFoundError, sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from minirun.compose.actions import Action, Plan
    from minirun.compose.choice import Choice
    from minirun.compose.language.model import Project
    from minirun.compose.observed import Observed
    from minirun.compose.plan import Facts
    from minirun.compose.report import Report
    from minirun.engine.record_types import MountPoint, Record, RunOptions
    from minirun.engine.shim.spawn import Shim, Spawn
    from minirun.paths import Paths


class Work:
    """What all the actions of one command share."""

    def __init__(
        self,
        paths: Paths,
        project: Project,
        there: Observed,
        facts: Facts,
        choice: Choice,
        report: Report,
        spawn: Spawn | None,
    ) -> None:
        self.paths = paths
        self.project = project
        self.facts = facts
        self.choice = choice
        self.report = report
        self.scheduler = Scheduler(choice.at_once)
        self._spawn = spawn
        self._one_spawn = threading.Lock()
        self.records = {
            (one.service, one.number): one.record for one in there.containers if not one.is_one_off
        }

    def spawn(self, expect_network: bool) -> Shim:
        """The process that makes shims hears one request at a time."""
        from minirun.engine.shim import spawn

        with self._one_spawn:
            return (self._spawn or spawn.spawn)(expect_network)

    def record_id(self, service: str) -> str:
        """The first container of another service, for `network_mode: service:x` and its like."""
        found = [key for key in self.records if key[0] == service]
        if not found:
            raise NotFoundError(f"service {service} has no container yet", f"minirun compose up {service}")
        return self.records[min(found)]["id"]


def run(work: Work, plan: Plan) -> None:
    """Do all of it.  Raises the first failure when those that were under way have ended."""
    work.report.expect([resource(action) for action in plan if action.kind != "wait"])
    acts = {action: (functools.partial(_do, work, action), action.after) for action in plan}
    work.scheduler.run(acts)


def resource(action: Action) -> str:
    """As Docker Compose names it: `Container p-web-1`."""
    kind = action.kind.split()[-1]
    return f"{kind.title() if kind in ('network', 'volume', 'image') else 'Container'} {action.name}"


def _do(work: Work, action: Action) -> None:
    if work.report.dry_run:
        dry_run.tell(work.report, action, resource(action))
        return
    try:
        _ACTS[action.kind](work, action)
    except (MinirunError, OSError) as error:
        work.report.failed(resource(action), _failure(action, error))
        raise


def _failure(action: Action, error: Exception) -> str:
    """What the resource's line says; the error itself is the command's last word."""
    if action.kind == "wait" and action.condition != "service_completed_successfully":
        return f"dependency {action.service} failed to start"
    return sentence(error)


@contextlib.contextmanager
def _told(work: Work, action: Action, doing: str, done: str) -> Iterator[None]:
    """`Container p-web-1 Starting`, and `Started` when that was no failure."""
    work.report.working(resource(action), doing)
    yield
    work.report.done(resource(action), done)


# ---- networks and volumes -------------------------------------------------------------------------------------


def _create_network(work: Work, action: Action) -> None:
    with _told(work, action, "Creating", "Created"):
        networks.create(work.paths, action.name, **_network(work, action))


def _network(work: Work, action: Action) -> network_options.NetworkOptions:
    return network_options.make(work.project, action.key, work.facts.network_hashes[action.key])


def _remake_network(work: Work, action: Action) -> None:
    """Its containers have been stopped; they are made anew afterwards."""
    with _told(work, action, "Recreating", "Recreated"):
        for record in list(work.records.values()):
            with contextlib.suppress(ConflictError, NotFoundError):  # it is not on it
                networks.disconnect(work.paths, action.name, record)
        networks.remove(work.paths, action.name)
        networks.create(work.paths, action.name, **_network(work, action))


def _create_volume(work: Work, action: Action) -> None:
    with _told(work, action, "Creating", "Created"):
        wanted = volume_options.make(work.project, action.key, work.facts.volume_hashes[action.key])
        volumes.create(work.paths, **wanted)


def _remove_network(work: Work, action: Action) -> None:
    """What somebody else is on stays, and that is no failure."""
    work.report.working(resource(action), "Removing")
    try:
        networks.remove(work.paths, action.name)
    except ConflictError:
        work.report.warn(resource(action), "Resource is still in use")
    except NotFoundError:
        work.report.done(resource(action), "Removed")
    else:
        work.report.done(resource(action), "Removed")


def _remove_volume(work: Work, action: Action) -> None:
    work.report.working(resource(action), "Removing")
    try:
        volumes.remove(work.paths, action.name, force=True)
    except ConflictError:
        work.report.warn(resource(action), "Resource is still in use")
    else:
        work.report.done(resource(action), "Removed")


def _remove_image(work: Work, action: Action) -> None:
    work.report.working(resource(action), "Removing")
    try:
        images.remove(work.paths, action.name)
    except NotFoundError:
        work.report.warn(resource(action), f"No such image: {action.name}")
    except ConflictError:
        work.report.warn(resource(action), "Resource is still in use")
    else:
        work.report.done(resource(action), "Removed")


# ---- making containers ------------------------------------------------------------------------------------------


def _create(work: Work, action: Action) -> None:
    with _told(work, action, "Creating", "Created"):
        work.records[action.service, action.number] = _make(work, action, _options(work, action))


def _options(work: Work, action: Action) -> RunOptions:
    service = work.project.services[action.service]
    options = service_options.make(work.project, service, number=action.number, record_of=work.record_id)
    options["labels"].update(
        labels.of_container(
            work.project,
            service,
            action.number,
            config_hash=work.facts.config_hashes[action.service],
            image_id=work.facts.image_ids[action.service],
            replaces=action.kind == "remake" and not work.choice.renew_anonymous_volumes,
        )
    )
    options["annotations"][labels.CONFIGURATION] = work.facts.configurations[action.service]
    return options


def _make(work: Work, action: Action, options: RunOptions) -> Record:
    """Its image is here: images.py has seen to that."""
    options["pull"] = "never"
    record = containers.create(work.paths, options, work.report.pull(resource(action)))
    try:
        secrets.inject(work.paths, record, work.project, work.project.services[action.service])
    except BaseException:
        containers.remove(work.paths, record, force=True, with_volumes=True)
        raise
    return record


def _remake(work: Work, action: Action) -> None:
    """The new one is made under another name while the old one runs: what cannot be made harms nobody.

    Whoever is killed in here leaves the old one, or the new one with a name that says in whose place it belongs.
    """
    assert action.container
    old = action.container.record
    options = _options(work, action)
    options["name"] = names.coming(old["id"], action.name)
    if not work.choice.renew_anonymous_volumes:
        options["mounts"] = inherited(options["mounts"], old, _image_volumes(work, action))
    with _told(work, action, "Recreate", "Recreated"):
        record = _make(work, action, options)
        _stop_record(work, action, old)
        _remove_record(work, old, with_volumes=work.choice.renew_anonymous_volumes)
        containers.rename(work.paths, record, action.name)
        work.records[action.service, action.number] = containers.find(work.paths, record["id"])


def _image_volumes(work: Work, action: Action) -> list[str]:
    image = images.store(work.paths).get(work.facts.image_ids[action.service])
    return list(image.config.get("Volumes") or ())


def inherited(wanted: list[MountPoint], old: Record, image_volumes: Iterable[str]) -> list[MountPoint]:
    """The mounts with the anonymous volumes of the container before, each at its place, if one is wanted there."""
    before = {mount["destination"]: mount for mount in old["mounts"] if mount["anonymous"]}
    named = [mount for mount in wanted if not mount["anonymous"]]
    places = {*image_volumes, *(mount["destination"] for mount in wanted if mount["anonymous"])}
    places -= {mount["destination"] for mount in named}
    kept = [mount for place, mount in before.items() if place in places]
    new = [mount for mount in wanted if mount["anonymous"] and mount["destination"] not in before]
    return [*named, *kept, *new]


def _rename(work: Work, action: Action) -> None:
    """One that has lost its way to its name: the command that made it was killed."""
    assert action.container
    with _told(work, action, "Recreate", "Recreated"):
        containers.rename(work.paths, action.container.record, action.name)
        work.records[action.service, action.number] = containers.find(work.paths, action.container.id)


# ---- running and ending -----------------------------------------------------------------------------------------


def _leave(work: Work, action: Action) -> None:
    if action.container and action.container.is_up:
        work.report.done(resource(action), "Running")


def _start(work: Work, action: Action) -> None:
    with _told(work, action, "Starting", "Started"):
        _start_record(work, action)


def _start_record(work: Work, action: Action) -> None:
    record = work.records[action.service, action.number]
    containers.start(work.paths, record, spawn=work.spawn).close()
    if after_start := _hooks(work, action, record, "post_start"):
        hooks.run(work.paths, record, after_start, _quiet)


def _hooks(work: Work, action: Action, record: Record, key: str) -> list[dict[str, Any]]:
    """What the file says, or where none was read, what the container was made with."""
    service: Any = work.project.services.get(action.service)
    if service is None:
        service = jsontext.loads(labels.configuration(record) or "{}")
    return service.get(key) or []


def _quiet(_stream: str, _data: bytes) -> None:
    """What a hook prints is not shown, as in Compose."""


def _stop(work: Work, action: Action) -> None:
    assert action.container
    if not action.container.is_up:
        return
    with _told(work, action, "Stopping", "Stopped"):
        _stop_record(work, action, action.container.record)


def _stop_record(work: Work, action: Action, record: Record) -> None:
    before_stop = _hooks(work, action, record, "pre_stop")
    if before_stop and containers.is_under_way(record):
        hooks.run(work.paths, record, before_stop, _quiet)
    given = work.choice.timeout_seconds
    remark = containers.stop(work.paths, record, given)
    if remark and (record["options"]["stop_timeout"] if given is None else given) != 0:  # somebody has waited
        work.report.say(remark)


def _remove(work: Work, action: Action) -> None:
    assert action.container
    _stop(work, action)
    with _told(work, action, "Removing", "Removed"):
        _remove_record(work, action.container.record, with_volumes=work.choice.renew_anonymous_volumes)


def _remove_record(work: Work, record: Record, *, with_volumes: bool) -> None:
    with contextlib.suppress(NotFoundError):  # somebody was quicker, or --rm was
        containers.remove(work.paths, record, force=True, with_volumes=with_volumes)


def _restart(work: Work, action: Action) -> None:
    assert action.container
    with _told(work, action, "Restarting", "Started"):
        _stop_record(work, action, action.container.record)
        _start_record(work, action)


def _kill(work: Work, action: Action) -> None:
    assert action.container
    with _told(work, action, "Killing", "Killed"):
        containers.kill(work.paths, action.container.record, int(action.condition))


def _pause(work: Work, action: Action) -> None:
    assert action.container
    containers.pause(work.paths, action.container.record)
    work.report.done(resource(action), "Paused")


def _unpause(work: Work, action: Action) -> None:
    assert action.container
    containers.unpause(work.paths, action.container.record)
    work.report.done(resource(action), "Unpaused")


def _wait(work: Work, action: Action) -> None:
    record = work.records[action.service, action.number]
    work.report.working(resource(action), "Waiting")
    try:
        conditions.wait(work.paths, record, action.condition, lambda: work.scheduler.is_stopped)
    except ConflictError as error:
        if not action.required:
            missing = f'optional dependency "{action.service}" failed to start'
            work.report.warn(resource(action), f"Skipped: {missing}")
            work.report.say(f"{missing}: {error.message}")
            return
        completed = action.condition == "service_completed_successfully"
        raise ConflictError(
            error.message if completed else f"dependency failed to start: {error.message}", error.hint
        ) from error
    work.report.done(resource(action), conditions.DONE[action.condition])


_ACTS: dict[str, Callable[[Work, Action], None]] = {
    "create network": _create_network,
    "remake network": _remake_network,
    "create volume": _create_volume,
    "create": _create,
    "remake": _remake,
    "rename": _rename,
    "leave": _leave,
    "start": _start,
    "stop": _stop,
    "restart": _restart,
    "kill": _kill,
    "pause": _pause,
    "remove": _remove,
    "remove network": _remove_network,
    "remove volume": _remove_volume,
    "remove image": _remove_image,
    "unpause": _unpause,
    "wait": _wait,
}
