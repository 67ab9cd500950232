"""How networks, volumes and containers are made, and made anew.

Next     running.py
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from minirun.compose import labels, names, network_options, secrets, service_options, volume_options
from minirun.compose.running import remove_record, stop_record
from minirun.compose.work import Work, resource, told
from minirun.engine import containers, images, networks, volumes
from minirun.errors import ConflictError, NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from minirun.compose.actions import Action
    from minirun.engine.record_types import MountPoint, Record, RunOptions


def _create_network(work: Work, action: Action) -> None:
    with told(work, action):
        networks.create(work.paths, action.name, **_network(work, action))


def _network(work: Work, action: Action) -> network_options.NetworkOptions:
    assert work.project
    assert work.facts
    return network_options.make(work.project, action.key, work.facts.network_hashes[action.key])


def _remake_network(work: Work, action: Action) -> None:
    """Its containers have been stopped; they are made anew afterwards."""
    with told(work, action):
        for record in list(work.records.values()):
            with contextlib.suppress(ConflictError, NotFoundError):  # it is not on it
                networks.disconnect(work.paths, action.name, record)
        networks.remove(work.paths, action.name)
        networks.create(work.paths, action.name, **_network(work, action))


def _create_volume(work: Work, action: Action) -> None:
    assert work.project
    assert work.facts
    with told(work, action):
        wanted = volume_options.make(work.project, action.key, work.facts.volume_hashes[action.key])
        volumes.create(work.paths, **wanted)


# ---- containers ---------------------------------------------------------------------------------------------------


def _create(work: Work, action: Action) -> None:
    with told(work, action):
        work.records[action.service, action.number] = _make(work, action, _options(work, action))


def _options(work: Work, action: Action) -> RunOptions:
    assert work.project
    assert work.facts
    service = work.project.services[action.service]
    with _of_service(action):
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


@contextlib.contextmanager
def _of_service(action: Action) -> Iterator[None]:
    """What the engine cannot take says whose it is: the engine speaks of the options of `run`."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f'service "{action.service}": {error.message}', error.hint) from error


def _make(work: Work, action: Action, options: RunOptions) -> Record:
    """Its image is here: images.py has seen to that."""
    assert work.project
    options["pull"] = "never"
    service, pull = work.project.services[action.service], work.report.pull(resource(action))
    with _of_service(action):
        return secrets.create_with(work.paths, options, work.project, service, pull)


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
    with told(work, action):
        record = _make(work, action, options)
        try:
            stop_record(work, old)
        except BaseException:
            remove_record(work, record, with_volumes=True)  # the old one stays, with those that they share
            raise
        remove_record(work, old, with_volumes=work.choice.renew_anonymous_volumes)
        containers.rename(work.paths, record, action.name)
        work.records[action.service, action.number] = containers.find(work.paths, record["id"])


def _image_volumes(work: Work, action: Action) -> list[str]:
    assert work.facts
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
    with told(work, action):
        containers.rename(work.paths, action.container.record, action.name)
        work.records[action.service, action.number] = containers.find(work.paths, action.container.id)


ACTS: dict[str, Callable[[Work, Action], None]] = {
    "create network": _create_network,
    "remake network": _remake_network,
    "create volume": _create_volume,
    "create": _create,
    "remake": _remake,
    "rename": _rename,
}
