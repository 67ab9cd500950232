"""The finished image: its config file, made of what the base says and what the steps have made.

    created    of a layer's line: when its step was done, so a build that finds all in the cache makes the same image;
               of a line without a layer: that of the first new layer, or of the layer before it

SOURCE_DATE_EPOCH takes the place of all these times: then the same input gives the same image on any day.

See      image-spec config.md; moby/buildkit exporter/containerimage/writer.go, normalizeLayersAndHistory
By hand  minirun image inspect IMAGE; minirun history IMAGE
"""

from __future__ import annotations

import time

from minirun.build import history
from minirun.image import platforms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minirun.build.cache import Record
    from minirun.build.nodes import Step
    from minirun.build.plan import State

    Json = dict[str, Any]

_FROM_THE_BASE = ("architecture", "os", "variant", "os.version", "os.features")


def document(
    state: State,
    records: dict[Step, Record],
    diff_ids: list[str],
    platform: str,
    epoch: int | None,
    *,
    squashed: bool = False,
) -> Json:
    """The config file of the image that the stage `state` amounts to, image-spec config.md.

    `squashed`: the layers of all steps have become one, the last of `diff_ids`.
    """
    lines = _history(state, records, epoch)
    if squashed:
        for line in lines[len(lines) - len(state.history) :]:
            line["empty_layer"] = True
        lines.append({"created": lines[-1]["created"], "created_by": "", "comment": "squashed"})
    made: Json = {key: state.document[key] for key in _FROM_THE_BASE if state.document.get(key)}
    if not made:
        made = _machine(platform)
    if state.author or state.document.get("author"):
        made["author"] = state.author or state.document["author"]
    created = (
        moment(epoch) if epoch is not None else next((line["created"] for line in reversed(lines)), moment(0))
    )
    config = {key: value for key, value in state.config.items() if value not in (None, "", [], {}, False)}
    return {
        **made,
        "config": config,
        "created": created,
        "history": lines,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }


def _machine(platform: str) -> Json:
    """Of an image that stands on nothing: the platform asked for, or this machine's."""
    found = platforms.parse(platform) if platform else (*platforms.own()[:2], "")
    return {key: value for key, value in zip(("os", "architecture", "variant"), found, strict=True) if value}


def moment(seconds: int) -> str:
    """As image-spec writes times: RFC 3339."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _history(state: State, records: dict[Step, Record], epoch: int | None) -> list[Json]:
    lines = [dict(line) for line in state.document.get("history") or []]
    lines += _missing(lines, state)
    for entry, step in state.history:
        line = dict(entry)
        if epoch is not None:
            line["created"] = moment(epoch)
        if step is not None:
            line.setdefault("created", records[step]["created"])
        lines.append(line)
    _fill_times(lines)
    return [{key: line[key] for key in ("created", *line)} for line in lines]


def _missing(lines: list[Json], state: State) -> list[Json]:
    """A line for each layer of a base that was made without a history, as by `import`."""
    base = state.base_of()
    known = sum(not line.get("empty_layer") for line in lines)
    return [{"created_by": "", "comment": history.COMMENT} for _ in base.diff_ids[known:]]


def _fill_times(lines: list[Json]) -> None:
    """Give a time to each line that has none: the first one behind it, and from there on the last one before it."""
    created = next((line["created"] for line in _after_a_gap(lines)), "") or next(
        (line["created"] for line in reversed(lines) if line.get("created")), moment(0)
    )
    gap = False
    for line in lines:
        if line.get("created"):
            created = line["created"] if gap else created
        else:
            gap = True
            line["created"] = created


def _after_a_gap(lines: list[Json]) -> list[Json]:
    """Those that have a time, behind the first that has none."""
    first = next((index for index, line in enumerate(lines) if not line.get("created")), len(lines))
    return [line for line in lines[first:] if line.get("created")]
