"""What Compose tells, as lines: ` Container p-db-1 Created ` for a log, JSON for a program, or next to nothing.

A build shows its own lines between these (report_builds.py).

See  docker compose --progress plain, whose lines these are, with the blank at the end that its scripts may count on
Next report_terminal.py
"""

from __future__ import annotations

import threading

from minirun.cli.printing import say
from minirun.compose.report import Report
from minirun.image.progress import Progress as Pull

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from minirun.build.progress import Progress as Build
    from minirun.cli.compose.report_builds import Builds

DRY_RUN = " DRY-RUN MODE - "


class Shown(Report):
    """What all of them have in common; by itself it is that of --progress quiet, which has warnings alone."""

    build_mode = "quiet"  # of build_progress.show()
    quiet_build = quiet_pull = False  # --quiet-build, --quiet-pull
    dry_run = False
    is_hushed = False  # no more remarks

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.RLock()
        self._builds: Builds | None = None
        self._said: set[str] = set()

    def say(self, text: str) -> None:
        """Once: a command may look twice at the same thing."""
        with self._lock:
            if text not in self._said and not self.is_hushed:
                self._said.add(text)
                self.write(text)

    def write(self, text: str) -> None:
        """A sentence, among the rest."""
        say(f"minirun: {text}", file=self._stream)

    def announce(self, text: str) -> None:
        """What an interrupt brings about."""

    def go_between_lines(self) -> None:
        """From now on containers print to the same place."""

    def build(self, resource: str) -> Build:
        """All builds share one display, which their steps come into as they are told."""
        from minirun.cli.compose.report_builds import Builds

        with self._lock:
            if not self._builds:
                mode = "quiet" if self.quiet_build else self.build_mode
                self._builds = Builds(mode, self._stream, self._lock)
            return self._builds.of(resource.rpartition(" ")[2])

    def pause(self) -> None:
        """Somebody else is about to write to the same terminal."""
        self._end_builds()

    def close(self) -> None:
        """Nothing more is shown of what is going on now."""
        self._end_builds()

    def _end_builds(self) -> None:
        with self._lock:
            if self._builds:
                self._builds.close()
                self._builds = None


class Lines(Shown):
    """A line for each piece of news."""

    build_mode = "plain"

    def __init__(self, stream: TextIO, *, dry_run: bool = False) -> None:
        super().__init__(stream)
        self.dry_run = dry_run
        self._prefix = DRY_RUN if dry_run else ""
        self._is_between_lines = False

    def announce(self, text: str) -> None:
        self._tell("Compose", "Stopping", text)

    def go_between_lines(self) -> None:
        self._is_between_lines = True

    def working(self, resource: str, text: str) -> None:
        self._tell(resource, text)

    def done(self, resource: str, text: str) -> None:
        if not (self._is_between_lines and text == "Running"):  # that was told before
            self._tell(resource, text)

    def warn(self, resource: str, text: str) -> None:
        self._tell(resource, text)

    def failed(self, resource: str, text: str) -> None:
        self._tell(resource, "Error", text)

    def pull(self, resource: str) -> Pull:
        return Pull() if self.quiet_pull else Layers(self)

    def layer(self, name: str, status: str) -> None:
        """News of a layer that is pulled."""
        self._tell(name, status)

    def _tell(self, resource: str, text: str, details: str = "") -> None:
        with self._lock:
            say(f"{self._prefix} {resource} {text} {details}", file=self._stream)


class Layers(Pull):
    """What a pull tells, without the bytes that it counts."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def layer(self, name: str, status: str) -> None:
        self._lines.layer(name, status)


class Json(Shown):
    """A line of JSON for each piece of news."""

    build_mode = "rawjson"

    def __init__(self, stream: TextIO, *, dry_run: bool = False) -> None:
        super().__init__(stream)
        self.dry_run = dry_run
        self._base: dict[str, object] = {"dry-run": True} if dry_run else {}

    def working(self, resource: str, text: str) -> None:
        self._write(resource, "Working", text)

    def done(self, resource: str, text: str) -> None:
        self._write(resource, "Done", text)

    def warn(self, resource: str, text: str) -> None:
        self._write(resource, "Warning", text)

    def failed(self, resource: str, text: str) -> None:
        self._write(resource, "Error", "Error", details=text)

    def write(self, text: str) -> None:
        import json

        told = {"level": "warning", "msg": text}
        say(json.dumps(told, separators=(",", ":"), ensure_ascii=False), file=self._stream)

    def announce(self, text: str) -> None:
        self._write("Compose", "Working", "Stopping", details=text)

    def pull(self, resource: str) -> Pull:
        return Pull() if self.quiet_pull else JsonLayers(self, resource)

    def layer(self, resource: str, name: str, status: str, done: int = 0, total: int = 0) -> None:
        """News of a layer that is pulled for the image `resource`."""
        amounts = {"current": done, "total": total, "percent": min(100 * done // total, 100)} if total else {}
        state = "Done" if status in LAYER_DONE else "Working"
        self._write(name, state, status, parent=resource, **amounts)

    def _write(self, name: str, status: str, text: str, *, parent: str = "", **more: object) -> None:
        import json

        told = {**self._base, "id": name} | ({"parent_id": parent} if parent else {})
        told |= {"status": status, "text": text} | {key: value for key, value in more.items() if value}
        with self._lock:
            say(json.dumps(told, separators=(",", ":"), ensure_ascii=False), file=self._stream)


LAYER_DONE = ("Pull complete", "Already exists", "Pushed", "Layer already exists")


class JsonLayers(Pull):
    """What a pull tells; the bytes when they have become a hundredth more."""

    def __init__(self, report: Json, resource: str) -> None:
        self._report = report
        self._resource = resource
        self._told: dict[str, tuple[str, int]] = {}

    def layer(self, name: str, status: str) -> None:
        self._report.layer(self._resource, name, status)

    def advance(self, name: str, status: str, done: int, total: int) -> None:
        percent = 100 * done // total if total else 0
        if self._told.get(name) != (status, percent):
            self._told[name] = (status, percent)
            self._report.layer(self._resource, name, status, done, total)
