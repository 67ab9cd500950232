"""`compose watch`: files that change are copied into containers, or have images built and containers made anew.

    watching_rules.py   which change asks for what
    watching_files.py   what has changed
    syncing.py          files into a container
    here                changes are gathered until it has been quiet for half a second; then what they ask for is done,
                        in this order: rebuild, sync, restart, exec

Whoever watches calls step() again and again; there is no thread.

See  compose-spec develop.md; docs.docker.com "Use Compose Watch"
Next watching_rules.py
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from minirun.compose import existing, hooks, images, labels, lifecycle, observed, syncing, watching_rules
from minirun.compose.choice import Choice
from minirun.compose.watching_files import Files
from minirun.engine import prune
from minirun.errors import MinirunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager

    from minirun.compose.language.model import Project
    from minirun.compose.report import Report
    from minirun.compose.watching_rules import Batch, Rule
    from minirun.engine.attached import Write
    from minirun.engine.shim.spawn import Spawn
    from minirun.paths import Paths

QUIET_SECONDS = 0.5  # Compose's
_MANY = 1000  # changes at once that are worth a word


class Watch:
    """The services of one project are watched from when it is made, until close().

    `say` shows a line of Compose's, `write` what a program of `exec` prints; `reporting` gives what shows the rest, for
    the length of a with block: one for each time that something is done.
    Raises UsageError where nothing is to be watched, and MinirunError where `initial_sync` does not work.
    """

    def __init__(
        self,
        paths: Paths,
        project: Project,
        services: Sequence[str],
        reporting: Callable[[], AbstractContextManager[Report]],
        say: Callable[[str], object],
        write: Write,
        spawn: Spawn | None = None,
        *,
        prune_images: bool = True,
    ) -> None:
        self.paths, self.project, self.reporting, self.spawn = paths, project, reporting, spawn
        self.say, self.write = say, write
        self.prune_images = prune_images
        self.rules, warnings = watching_rules.rules_of(project, services)
        for warning in warnings:
            say(warning)
        self.files = Files((rule.path for rule in self.rules), self._is_left_out)
        self._changed: dict[str, None] = {}
        self._quiet_at = 0.0
        try:
            for service, pairs in watching_rules.at_first(self.rules).items():
                self._sync(service, pairs)
        except BaseException:
            self.files.close()
            raise
        say("Watch enabled")

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.files.close()

    def _is_left_out(self, directory: str) -> bool:
        return all(rule.is_blind_to(directory) for rule in self.rules)

    def step(self, timeout_seconds: float) -> None:
        """Wait for changes at most so long, and do what those ask for after which it has been quiet."""
        waiting = (
            min(timeout_seconds, max(self._quiet_at - time.monotonic(), 0.0))
            if self._changed
            else timeout_seconds
        )
        poll = select.poll()
        poll.register(self.files.fd, select.POLLIN)
        if poll.poll(waiting * 1000):
            found = [path for path in self.files.read() if any(rule.is_about(path) for rule in self.rules)]
            if found:
                self._changed.update(dict.fromkeys(found))
                self._quiet_at = time.monotonic() + QUIET_SECONDS
        elif self._changed and time.monotonic() >= self._quiet_at:
            changed, self._changed = list(self._changed), {}
            self._act(changed)

    def _act(self, changed: list[str]) -> None:
        """What goes wrong is told, and the watch goes on: the next change may mend it."""
        if len(changed) > _MANY:
            self.say("Large batch of file changes detected. If you just switched branches, this is expected.")
        try:
            with self.reporting() as report:
                self._carry_out(watching_rules.batch(self.rules, changed), report)
        except MinirunError as error:
            hint = f" ({error.hint})" if error.hint else ""
            self.say(f"Error handling changed files: {error.message}{hint}")

    def _carry_out(self, batch: Batch, report: Report) -> None:
        if batch.rebuild:
            self._rebuild(batch.rebuild, report)
        for service, pairs in batch.sync.items():
            self.say(f'Syncing service "{service}" after {len(pairs)} changes were detected')
            self._sync(service, pairs)
        if batch.restart:
            existing.restart(self.paths, self.project.name, batch.restart, report, spawn=self.spawn)
            self.say(f"service(s) {_quoted(batch.restart)} restarted")
        for rule in batch.execute:
            self._execute(rule)

    def _sync(self, service: str, pairs: list[tuple[str, str]]) -> None:
        """Into all its containers, those too that do not run; `pairs` are (path here, path there)."""
        for container in observed.look(self.paths, self.project.name).of(service):
            syncing.sync(self.paths, container.record, pairs)

    def _execute(self, rule: Rule) -> None:
        for container in observed.look(self.paths, self.project.name).of(rule.service):
            if container.status == "running":
                hooks.run(self.paths, container.record, [rule.hook], self.write)

    def _rebuild(self, services: list[str], report: Report) -> None:
        self.say(f"Rebuilding service(s) {_quoted(services)} after changes were detected...")
        try:
            for name in images.build_order(self.project, services):
                images.build(self.paths, self.project, self.project.services[name], report)
        except MinirunError as error:
            self.say(f"Build failed. Error: {error.message}")
            raise
        self.say(f"service(s) {_quoted(services)} successfully built")
        choice = Choice(services, recreate="force", dependencies=False, ignore_orphans=True, build=False)
        lifecycle.up(self.paths, self.project, choice, report, self.spawn)
        if self.prune_images:
            prune.unused_images(self.paths, lambda _, found: found.get(labels.PROJECT) == self.project.name)


def _quoted(services: Iterable[str]) -> str:
    """`["api" "web"]`, as Go shows a list."""
    return f"[{' '.join(f'{chr(34)}{name}{chr(34)}' for name in services)}]"
