"""`system`: its commands, and `system df`: where the disk space is.

    TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE
    Images          3         1         124.5MB   58.31MB (46%)
    Containers      2         1         12.29kB   4.096kB (33%)
    Local Volumes   2         2         31.1MB    0B (0%)
    Build Cache     12        0         210MB     210MB (100%)

SIZE of images is what they take up: each unpacked layer once, and the packed ones, which push and save send.  The
build cache has what builds have kept and no image has.  RECLAIMABLE is what `image prune -a` would bring back, `rm` of
the containers that do not run and of the volumes that no container uses, `builder prune`.

By hand  du -sh /var/lib/minirun/images /var/lib/minirun/layers /var/lib/minirun/containers/*/upper
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from minirun.build import usage as build_usage
from minirun.cli import builder, format, images, ps, units
from minirun.cli.commands import LazyGroup, Session
from minirun.cli.printing import say
from minirun.engine import containers, volumes
from minirun.engine.view import sizes
from minirun.image import usage
from minirun.image.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from minirun.build.usage import Entry
    from minirun.cli.format import Row
    from minirun.engine.record_types import Record, Volume

system_group = LazyGroup(
    "system",
    "Manage minirun.",
    {
        "info": ("minirun.cli.info:info_command", "Display system-wide information"),
        "events": ("minirun.cli.events:events_command", "Get real time events"),
        "prune": ("minirun.cli.pruning:system_prune_command", "Remove unused data"),
        "df": ("minirun.cli.system:df_command", "Show what takes up disk space"),
        "restore": ("minirun.cli.boot:restore_command", "Start the containers whose restart policy wants it"),
        "shutdown": ("minirun.cli.boot:shutdown_command", "Stop all containers until the next restore"),
        "install-service": ("minirun.cli.boot:install_command", "Have systemd restore containers at boot"),
        "uninstall-service": ("minirun.cli.boot:uninstall_command", "Take minirun.service away"),
        "reset": ("minirun.cli.boot:reset_command", "Remove all containers, images, volumes and networks"),
    },
)
_HEADINGS = {
    "Type": "TYPE",
    "TotalCount": "TOTAL",
    "Active": "ACTIVE",
    "Size": "SIZE",
    "Reclaimable": "RECLAIMABLE",
}
_IMAGE_HEADINGS = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "Size": "SIZE",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
    "Containers": "CONTAINERS",
}
_CONTAINER_HEADINGS = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "LocalVolumes": "LOCAL VOLUMES",
    "Size": "SIZE",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "Names": "NAMES",
}

_VOLUME_HEADINGS = {"Name": "VOLUME NAME", "Links": "LINKS", "Size": "SIZE"}
_CACHE_HEADINGS = {
    "ID": "CACHE ID",
    "Type": "CACHE TYPE",
    "Size": "SIZE",
    "CreatedSince": "CREATED",
    "LastUsedSince": "LAST USED",
    "Shared": "SHARED",
}


@click.command("df", short_help="Show what takes up disk space")
@click.option("-v", "--verbose", is_flag=True, help="Each image, container and volume.")
@click.option("--format", "form", default="", help="json, 'table {{.Type}}', '{{.Size}}'.")
@click.pass_obj
def df_command(session: Session, verbose: bool, form: str) -> None:
    """Show what images, containers and volumes take up on disk, and how much of it could be had back."""
    store, records = Store(session), containers.all_containers(session)
    if verbose:
        lines = _details(session, store, records, form)
    else:
        cached = build_usage.entries(session)
        rows = [
            _images_row(store, {record["image_id"] for record in records}, cached),
            _containers_row(session, records),
            _volumes_row(session),
            _row("Build Cache", len(cached), 0, sum(entry.own_size for entry in cached), 0),
        ]
        lines = iter(format.lines(rows, form, _HEADINGS, list(_HEADINGS)))
    for line in lines:
        say(line)


def _images_row(store: Store, used: set[str], cached: list[Entry]) -> Row:
    """`used`: the ids of those that a container was made from; layers that builds alone keep are no image's."""
    names = list(images.sound(store.images()))
    ids = {image.id for image in names}
    builds = {entry.layer for entry in cached if not entry.shared}
    footprint = {name: size for name, size in usage.footprint(store.paths).items() if name not in builds}
    needed = {name for image in names if image.id in used for name in usage.parts(image)}
    kept = sum(size for name, size in footprint.items() if name in needed)
    return _row("Images", len(ids), len(ids & used), sum(footprint.values()), kept)


def _containers_row(session: Session, records: list[Record]) -> Row:
    written = {record["id"]: sizes.written(session, record) for record in records}
    running = [record["id"] for record in records if record["state"]["status"] == "running"]
    kept = sum(written[container_id] for container_id in running)
    return _row("Containers", len(records), len(running), sum(written.values()), kept)


def _volumes_row(session: Session) -> Row:
    used = volumes.users(session)
    found = {volume["name"]: _volume_size(session, volume) for volume in volumes.list_all(session)}
    kept = {name: size for name, size in found.items() if name in used}
    return _row("Local Volumes", len(found), len(kept), sum(found.values()), sum(kept.values()))


def _volume_size(session: Session, volume: Volume) -> int:
    return sizes.tree(volumes.data(session, volume["name"]))


def _row(kind: str, total: int, active: int, size: int, kept: int) -> Row:
    share = f" ({(size - kept) * 100 // size}%)" if size else ""
    return {
        "Type": kind,
        "TotalCount": str(total),
        "Active": str(active),
        "Size": units.size(size, 4),
        "Reclaimable": units.size(size - kept, 4) + share,
    }


def _details(session: Session, store: Store, records: list[Record], form: str) -> Iterator[str]:
    image_rows, container_rows = _image_rows(store, records), _container_rows(store, records)
    volume_rows = list(_volume_rows(session))
    if form:
        from minirun.cli.gotemplate import values

        tables = {
            "Images": image_rows,
            "Containers": container_rows,
            "Volumes": volume_rows,
            "BuildCache": _cache_rows(session),
        }
        rows = {name: [format.fields(row) for row in found] for name, found in tables.items()}
        yield from format.lines([values.Struct(rows)], form, {}, ())
        return
    yield "Images space usage:\n"
    yield from format.lines(image_rows, "", _IMAGE_HEADINGS, list(_IMAGE_HEADINGS))
    packed = sum(size for name, size in usage.footprint(store.paths).items() if name.startswith("sha256:"))
    yield f"\nPacked layers and descriptions of these images: {units.size(packed, 4)}"
    yield "\nContainers space usage:\n"
    yield from format.lines(container_rows, "", _CONTAINER_HEADINGS, list(_CONTAINER_HEADINGS))
    yield "\nLocal Volumes space usage:\n"
    yield from format.lines(volume_rows, "", _VOLUME_HEADINGS, list(_VOLUME_HEADINGS))
    cached = build_usage.entries(session)
    total = units.size(sum(entry.own_size for entry in cached), 4)
    yield f"\nBuild cache usage: {total}\n"
    yield from format.lines(_cache_rows(session), "", _CACHE_HEADINGS, list(_CACHE_HEADINGS))


def _image_rows(store: Store, records: list[Record]) -> list[Row]:
    names = list(images.sound(store.images()))
    shared = usage.shared_sizes(names)
    users = [record["image_id"] for record in records]
    return [
        {
            **images.row(image),
            "Size": units.size(image.size, 4),
            "SharedSize": units.size(shared[image.id], 4),
            "UniqueSize": units.size(image.size - shared[image.id], 4),
            "Containers": str(users.count(image.id)),
        }
        for image in names
    ]


def _container_rows(store: Store, records: list[Record]) -> list[Row]:
    return [
        {
            **ps.row(record, []),
            "Size": units.size(sizes.written(store.paths, record), 4),
        }
        for record in records
    ]


def _volume_rows(session: Session) -> Iterator[Row]:
    from minirun.cli.volumes import row

    used = volumes.users(session)
    for volume in volumes.list_all(session):
        links = len(used.get(volume["name"], ()))
        size = units.size(_volume_size(session, volume), 4)
        yield {**row(session, volume), "Links": str(links), "Size": size}


def _cache_rows(session: Session) -> list[Row]:
    now = time.time()
    return [
        {
            **builder.row(entry),
            "CacheType": entry.kind,  # Docker's name for it here
            "CreatedSince": units.ago(entry.created),
            "LastUsedSince": f"{units.duration(now - entry.used)} ago",
        }
        for entry in build_usage.entries(session)
    ]
