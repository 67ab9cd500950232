"""post_start and pre_stop: programs that run in a container just after it has started, just before it is stopped.

See  compose-spec 05-services.md "post_start"
"""

from __future__ import annotations

from minirun.compose import labels
from minirun.engine import containers
from minirun.errors import MinirunError, ProgramError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from minirun.engine.attached import Attached, Write
    from minirun.engine.record_types import Record
    from minirun.paths import Paths


def run(paths: Paths, record: Record, hooks: Sequence[dict[str, Any]], write: Write) -> None:
    """Run the hooks one after another; what they print goes to `write`.

    Raises MinirunError for the first that fails, and those behind it do not run.
    """
    for hook in hooks:
        _run_one(paths, record, hook, write)


def _run_one(paths: Paths, record: Record, hook: dict[str, Any], write: Write) -> None:
    service = record["labels"].get(labels.SERVICE, record["name"])
    printed: list[bytes] = []

    def hear(stream: str, data: bytes) -> None:
        printed.append(data)
        write(stream, data)

    try:
        with _execute(paths, record, hook) as attached:
            end = attached.follow(hear)
    except ProgramError as error:
        raise MinirunError(f"{service} hook cannot be run: {error}", error.hint) from error
    if end.code:
        said = b"".join(printed).decode("utf-8", "replace").strip()
        raise MinirunError(
            f"{service} hook exited with status {end.code}{f': {said}' if said else ''}",
            f"it was: {' '.join(hook['command'])}",
        )


def _execute(paths: Paths, record: Record, hook: dict[str, Any]) -> Attached:
    environment = hook.get("environment") or {}
    return containers.execute(
        paths,
        record,
        hook["command"],
        env=[f"{name}={value}" for name, value in environment.items() if value is not None],
        user=hook.get("user") or "",
        workdir=hook.get("working_dir") or "",
        privileged=bool(hook.get("privileged")),
    )
