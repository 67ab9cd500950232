"""`compose up` in front of its containers: what they print is shown, and they end with it.

    main thread    makes the containers, starts them in order, waits; a Ctrl-C comes here
    follower       in a thread: shows lines and ends (log_lines.py), and says when the last one has ended

The first Ctrl-C, or SIGTERM, stops the services in reverse order; another one kills them.  What a container's end is
to bring about (--abort-on-container-exit) comes the same way: as an interrupt.

See  compose/following.py, compose/lifecycle.py
"""

from __future__ import annotations

import contextlib
import signal
import threading

from minirun.cli.compose import options
from minirun.cli.compose.log_lines import LogLines, short_name
from minirun.cli.printing import say
from minirun.compose import existing, labels, lifecycle, observed, order
from minirun.compose.choice import Choice
from minirun.compose.following import Follower
from minirun.engine import containers
from minirun.errors import ConflictError, MinirunError, NotFoundError, UsageError, sentence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from minirun.cli.compose.group import Compose
    from minirun.cli.compose.report_lines import Shown
    from minirun.compose.language.model import Project
    from minirun.compose.observed import Container
    from minirun.engine.record_types import Record

_INTERRUPTED = 130
_WATCH = "watch"  # stands among the ids of containers: what has not ended
_LAST_WORDS_SECONDS = 5.0  # in which what has been stopped is heard of
_LOOK_SECONDS = 0.2  # between two looks whether all is over; a signal is heard at once


class Ends:
    """What the end of a container brings about, and the exit code of the whole."""

    def __init__(self, words: dict[str, Any]) -> None:
        self.on_exit: bool = words["abort_on_container_exit"]
        self.on_failure: bool = words["abort_on_container_failure"]
        self.service: str = words["exit_code_from"]
        self.is_aborting = False  # one has ended all
        self.is_over = False  # they are being stopped, and more ends bring nothing about
        self.code = 0
        self._has_code = False

    def ended(self, service: str, code: int) -> bool:
        """A container of `service` has ended for good; returns whether all are to be stopped now."""
        is_first = not self.is_over and (self.on_exit or (self.on_failure and code != 0))
        if is_first:
            self.is_aborting = self.is_over = True
            self.code = code if not self.service else self.code
        if self.service == service and not self._has_code:
            self.code, self._has_code = code, True
        return is_first


class Lines(LogLines):
    """Shows the lines and ends of the services that are attached to, and knows when the last that counts has ended."""

    def __init__(self, attached: set[str], monitored: set[str], ends: Ends, **manners: bool) -> None:
        super().__init__(**manners)
        self.attached = attached
        self.monitored = monitored
        self.ends = ends
        self.under_way: set[str] = set()  # ids of containers of those that are monitored
        self.follower: Follower | None = None

    def line(self, record: Record, stream: str, text: str, time: str) -> None:
        if _service(record) in self.attached:
            super().line(record, stream, text, time)

    def started(self, record: Record) -> None:
        if _service(record) in self.monitored:
            self.under_way.add(record["id"])

    def ended(self, record: Record, exit_code: int, restarting: bool) -> None:
        if _service(record) in self.attached:
            super().ended(record, exit_code, restarting)
        if restarting or _service(record) not in self.monitored:
            return
        self.under_way.discard(record["id"])
        if self.ends.ended(_service(record), exit_code):
            self.flush()
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        elif not self.under_way and self.follower:
            self.follower.stop()


def _service(record: Record) -> str:
    return record["labels"].get(labels.SERVICE, "")


def run(compose: Compose, project: Project, choice: Choice, words: dict[str, Any]) -> int:
    """Returns the exit code: 130 after Ctrl-C, else that of the container that has ended all, else 0."""
    attached = attached_services(project, choice, words)
    if words["watch"]:
        from minirun.compose import watching_rules

        watching_rules.rules_of(project, choice.services)  # what cannot be is told before anything is done
    quiet = {name: words[name] for name in ("quiet_pull", "quiet_build")}
    with options.report(compose, "up", **quiet) as report:
        choice.start = False
        made = lifecycle.up(compose.session, project, choice, report, compose.session.spawn)
        if compose.dry_run:
            say("end of 'compose up' output, interactive run is not supported in dry-run mode")
            return 0
        report.go_between_lines()
        found = [one for one in made if not one.is_one_off]
        return _Front(compose, project, choice, report, words, attached).run(found)


def attached_services(project: Project, choice: Choice, words: dict[str, Any]) -> set[str]:
    """Whose output is shown.  Raises UsageError for --attach of a service that does not come up."""
    if words["attach"]:
        attached = set(words["attach"])
        selected = set(order.selected(project, choice.services, dependencies=choice.dependencies))
        if strange := attached - selected:
            names = ", ".join(sorted(strange))
            raise UsageError(f"cannot attach to services not included in up: {names}")
    else:
        chosen = order.selected(project, choice.services, dependencies=words["attach_dependencies"])
        attached = {name for name in chosen if project.services[name].get("attach", True)}
    return attached - set(words["no_attach"])


class _Front:
    """The time between the first start and the last end."""

    def __init__(
        self,
        compose: Compose,
        project: Project,
        choice: Choice,
        report: Shown,
        words: dict[str, Any],
        attached: set[str],
    ) -> None:
        self.compose, self.project, self.choice, self.report = compose, project, choice, report
        self.paths = compose.session
        self.quiet_build: bool = words["quiet_build"]
        self.is_watched: bool = words["watch"]
        self.ends = Ends(words)
        self.over = threading.Event()  # the follower has ended
        self.lines = Lines(
            attached,
            set(choice.services) or attached or set(project.services),
            self.ends,
            colours=compose.colours() and not words["no_color"],
            prefixes=not words["no_log_prefix"],
            timestamps=words["timestamps"],
        )

    def run(self, found: list[Container]) -> int:
        with Follower(
            self.paths, self.project.name, self.lines, self.lines.attached | self.lines.monitored
        ) as follower:
            self.lines.follower = follower
            self._attach(follower, found)
            threading.Thread(target=self._follow, args=(follower,), daemon=True).start()
            try:
                return self._stay(follower)
            finally:
                follower.stop()
                self.over.wait()

    def _follow(self, follower: Follower) -> None:
        """In its thread.  Not join() is waited with: interrupted, it takes a thread for ended (bpo-45274)."""
        try:
            follower.run()
        finally:
            self.over.set()

    def _attach(self, follower: Follower, found: list[Container]) -> None:
        shown = [one.record for one in found if one.service in self.lines.attached]
        self.lines.register(shown)
        if shown:
            say(f"Attaching to {', '.join(sorted(map(short_name, shown)))}")
        for one in found:
            if one.is_up:
                follower.add(one.record, tail=0)
            else:
                follower.expected.add(one.id)
            if one.service in self.lines.monitored:
                self.lines.under_way.add(one.id)
        if self.is_watched:  # a rebuild or a restart ends containers, and not the whole
            follower.expected.add(_WATCH)
            self.lines.under_way.add(_WATCH)

    def _stay(self, follower: Follower) -> int:
        # not what Ctrl-C does: in the background of a script that is ignored
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            self._start()
            if not self.lines.under_way:
                follower.stop()  # there was nothing to start
            with self._meanwhile() as wait:
                while not self.over.is_set():
                    wait(_LOOK_SECONDS)
        except KeyboardInterrupt:
            follower.expected.discard(_WATCH)
            self.lines.under_way.discard(_WATCH)
            self._stop()
            self.over.wait(_LAST_WORDS_SECONDS)
            return self.ends.code if self.ends.is_aborting else _INTERRUPTED
        finally:
            signal.signal(signal.SIGTERM, before)
        return self.ends.code

    @contextlib.contextmanager
    def _meanwhile(self) -> Iterator[Callable[[float], object]]:
        """What passes some seconds: with --watch, what has changed is looked after in them."""
        if not self.is_watched:
            yield self.over.wait
            return
        from minirun.cli.compose import watch

        services = tuple(self.choice.services)
        with watch.begin(self.compose, self.project, services, quiet=self.quiet_build) as watching:
            yield watching.step

    def _start(self) -> None:
        """In order, each when what it depends on is as it wants it; nothing is made or changed any more."""
        choice = Choice(
            self.choice.services,
            recreate="never",
            recreate_dependencies="never",
            dependencies=self.choice.dependencies,
            scale=self.choice.scale,
            ignore_orphans=True,
            pull="never",
            build=False,
            at_once=self.choice.at_once,
        )
        lifecycle.up(self.paths, self.project, choice, self.report, self.paths.spawn)

    def _stop(self) -> None:
        """What was asked for, in reverse order; with one more interrupt it is killed."""
        self.ends.is_over = True
        aborting = self.ends.is_aborting
        self.report.announce(
            "Aborting on container exit..."
            if aborting
            else "Gracefully Stopping... press Ctrl+C again to force"
        )
        killing = threading.Event()

        def kill(*_: object) -> None:
            if not killing.is_set():
                killing.set()
                self.report.is_hushed = True  # nobody has to be told now that it had to be killed
                threading.Thread(target=self._kill).start()

        numbers = [one for one in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(one) != signal.SIG_IGN]
        before = {number: signal.signal(number, kill) for number in numbers}
        try:
            with contextlib.suppress(NotFoundError):  # they have been removed meanwhile
                existing.stop(
                    self.paths,
                    self.project.name,
                    self.choice.services,
                    self.report,
                    self.choice.timeout_seconds,
                )
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _kill(self) -> None:
        """All at once, beside the stop that waits for them."""
        for one in observed.containers_of(self.paths, self.project.name):
            if one.is_up and (not self.choice.services or one.service in self.choice.services):
                resource = f"Container {one.name}"
                self.report.working(resource, "Killing")
                try:
                    containers.kill(self.paths, one.record)
                except ConflictError:
                    continue  # it has ended just now
                except (MinirunError, OSError) as error:
                    self.report.failed(resource, sentence(error))
                else:
                    self.report.done(resource, "Killed")
