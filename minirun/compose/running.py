"""What is done to containers that are there, and how networks, volumes and images go.

What an act finds done already, by a command that was killed say, it leaves.

See  carry_out.py
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from minirun import jsontext
from minirun.compose import labels
from minirun.compose.work import Work, resource, told
from minirun.engine import containers
from minirun.errors import ConflictError, MinirunError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from minirun.compose.actions import Action
    from minirun.engine.record_types import Record


def _leave(work: Work, action: Action) -> None:
    if action.why and action.container and action.container.is_up:  # `start` says nothing of what it leaves
        work.report.done(resource(action), "Running")


def _start(work: Work, action: Action) -> None:
    with told(work, action):
        _start_record(work, action)


def _start_record(work: Work, action: Action) -> None:
    record = work.records[action.service, action.number]
    containers.start(work.paths, record, spawn=work.spawn).close()
    _run_hooks(work, record, "post_start")


def _run_hooks(work: Work, record: Record, key: str) -> None:
    """`post_start` or `pre_stop`, as the container was made with it: no file is needed."""
    configuration = labels.configuration(record)
    found: list[dict[str, Any]] = (jsontext.loads(configuration).get(key) if configuration else None) or []
    if found:
        from minirun.compose import hooks  # most have none

        try:
            hooks.run(work.paths, record, found, _quiet)
        except MinirunError as error:
            if key == "pre_stop":
                service = record["labels"].get(labels.SERVICE, "")
                error.hint += f"; `minirun compose kill {service}` ends it without"
            raise


def _quiet(_stream: str, _data: bytes) -> None:
    """What a hook prints is not shown, as in Compose."""


def _stop(work: Work, action: Action) -> None:
    assert action.container
    if not action.container.is_up:
        return
    with told(work, action, "stop"):
        stop_record(work, action.container.record)


def stop_record(work: Work, record: Record) -> None:
    if containers.is_under_way(record):
        _run_hooks(work, record, "pre_stop")
    given = work.choice.timeout_seconds
    remark = containers.stop(work.paths, record, given)
    if remark and (record["options"]["stop_timeout"] if given is None else given) != 0:  # somebody has waited
        work.report.say(remark)


def _remove(work: Work, action: Action) -> None:
    assert action.container
    _stop(work, action)
    with told(work, action):
        remove_record(work, action.container.record, with_volumes=work.choice.renew_anonymous_volumes)


def remove_record(work: Work, record: Record, *, with_volumes: bool) -> None:
    with contextlib.suppress(NotFoundError):  # somebody was quicker, or --rm was
        containers.remove(work.paths, record, force=True, with_volumes=with_volumes)


def _restart(work: Work, action: Action) -> None:
    assert action.container
    with told(work, action):
        stop_record(work, action.container.record)
        _start_record(work, action)


def _kill(work: Work, action: Action) -> None:
    assert action.container
    with told(work, action):
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
    from minirun.compose import conditions  # of those that only stop something nobody waits

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


# ---- what goes with a project ------------------------------------------------------------------------------------


def _remove_network(work: Work, action: Action) -> None:
    from minirun.engine import networks

    with _removing(work, action), contextlib.suppress(NotFoundError):
        networks.remove(work.paths, action.name)


def _remove_volume(work: Work, action: Action) -> None:
    from minirun.engine import volumes

    with _removing(work, action):
        volumes.remove(work.paths, action.name, force=True)


def _remove_image(work: Work, action: Action) -> None:
    from minirun.engine import images

    with _removing(work, action):
        images.remove(work.paths, action.name)


@contextlib.contextmanager
def _removing(work: Work, action: Action) -> Iterator[None]:
    """What somebody else uses stays, and that is no failure."""
    work.report.working(resource(action), "Removing")
    try:
        yield
    except ConflictError:
        work.report.warn(resource(action), "Resource is still in use")
    except NotFoundError as error:
        work.report.warn(resource(action), error.message)
    else:
        work.report.done(resource(action), "Removed")


ACTS: dict[str, Callable[[Work, Action], None]] = {
    "leave": _leave,
    "start": _start,
    "stop": _stop,
    "restart": _restart,
    "kill": _kill,
    "pause": _pause,
    "unpause": _unpause,
    "wait": _wait,
    "remove": _remove,
    "remove network": _remove_network,
    "remove volume": _remove_volume,
    "remove image": _remove_image,
}
