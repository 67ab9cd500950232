"""What the containers of a project print, as they print it: those that run, and those that start later.

One poll loop for all of them, no threads.  It is told

    of lines    by inotify, one instance for the logs of all: a user may have only 128 of them
    of ends     by each container's shim, which also tells whether a restart policy has it run again
    of starts   by the engine's events

so a line is never missed, not even the first of a container that starts, nor told twice: a log is read on from where
it was read to, through restarts.  A container that keeps no log is heard through its shim, from when it is noticed.

    follower = Follower(paths, "demo", listener)        what starts from now on is heard of
    for record in ...: follower.add(record, tail=10)    what there is already
    follower.run()                                      until none of them runs any more

See  engine/logs/reader.py, engine/events.py, engine/channel.py; cli/compose/log_lines.py shows what is told
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import os
import select
import time

from minirun import files
from minirun.compose import labels
from minirun.engine import channel, control, events, records
from minirun.engine.logs import reader, tail
from minirun.errors import NotFoundError
from minirun.linux import inotify, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Collection, Iterator
    from typing import Any

    from minirun.engine.record_types import Record
    from minirun.paths import Paths

    Line = tuple[str, str, str]  # its time, the stream, the text without its newline

_LONGEST = 1 << 20  # letters of a line without a newline, after which it is broken
_SHIM_LOST = 137  # as if killed: it was


class Listener:
    """Hears of the containers; what is not of interest need not be written."""

    def line(self, record: Record, stream: str, text: str, time: str) -> None:
        """A whole line of "stdout" or "stderr", without its newline; `time` as it stands in the log."""

    def missed(self, record: Record) -> None:
        """Lines were lost here: the log was put aside and removed faster than it was read."""

    def started(self, record: Record) -> None:
        """A container has started that was not heard of before, or not since its end."""

    def ended(self, record: Record, exit_code: int, restarting: bool) -> None:
        """Its program has ended, and all it printed was told; `restarting`: it will run again, by its policy."""

    def flush(self) -> None:
        """That was all for now."""


class Follower:
    """Tells `listener` of one project's containers, or of those of `services` alone; not of `compose run`'s."""

    def __init__(
        self, paths: Paths, project: str, listener: Listener, services: Collection[str] = (), until: str = ""
    ) -> None:
        self.paths, self.project, self.services = paths, project, set(services)
        self.listener = listener
        self.until = until  # a time as in the log: nothing that is newer
        self.deadline: float | None = None  # time.time() at which run() ends
        self.expected: set[str] = set()  # ids of containers that are going to start: run() waits for them
        self.output = -1  # a descriptor; run() ends when nobody reads it any more
        self.changes = inotify.Inotify()
        self._known: dict[str, _Container] = {}
        self._begun = records.now()
        self._stopped = False
        self._wake_reader, self._wake_writer = os.pipe()
        files.make_private(paths.root)
        self._news_came = self.changes.part(paths.root, tail.FOLLOWED)
        self._news = tail.Tail(events.path(paths), changes=self._news_came)
        self._news.go(self._news.size())

    def close(self) -> None:
        for one in self._known.values():
            one.close()
        self._news.close()
        self.changes.close()
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stop(self) -> None:
        """Make run() return.  May be called from another thread, or by a signal's handler."""
        self._stopped = True
        os.write(self._wake_writer, b"!")

    # ---- which containers -----------------------------------------------------------------------------------

    def add(self, record: Record, *, since: str = "", tail: int = reader.ALL) -> None:
        """Follow a container that there is, from `since` (a time as in the log) or its last `tail` lines on."""
        with syscalls.tolerating(errno.ENOENT):  # it has just been removed
            one = _Container(self, record, since, tail)
            one.connect()
            self._known[record["id"]] = one

    def is_followed(self, given: dict[str, str]) -> bool:
        """Whether a container with these labels is one of those we tell of."""
        mine = given.get(labels.PROJECT) == self.project and given.get(labels.ONE_OFF) != "True"
        return mine and (not self.services or given.get(labels.SERVICE) in self.services)

    def _hear_events(self) -> None:
        if self._news_came.heard:
            self._news.look()
        while block := self._news.read():
            for event in tail.parse(block):
                if event["Type"] == "container" and self.is_followed(event["Actor"]["Attributes"]):
                    self._hear_event(event)

    def _hear_event(self, event: dict[str, Any]) -> None:
        container_id = event["Actor"]["ID"]
        known = self._known.get(container_id)
        if event["Action"] == "start":
            self.expected.discard(container_id)
            if known:
                known.began()
            else:
                self._discover(container_id, event["timeNano"])
        elif event["Action"] == "create":
            self.expected.add(container_id)  # somebody makes one anew, say
        elif event["Action"] == "die" and known:
            known.died(int(event["Actor"]["Attributes"]["exitCode"]))
        elif event["Action"] == "destroy":
            self.expected.discard(container_id)
            if known and not known.sock:
                known.close()
                del self._known[container_id]

    def _discover(self, container_id: str, started: int) -> None:
        """Follow one that has started just now: all of its log if it is new, else from the start on."""
        with contextlib.suppress(NotFoundError), syscalls.tolerating(errno.ENOENT):  # it is gone already
            record = records.read(self.paths, container_id)
            moment = min(record["state"]["started"] or "~", _as_in_log(started))
            one = _Container(self, record, "" if record["created"] >= self._begun else moment, reader.ALL)
            self._known[container_id] = one
            one.began()

    # ---- the loop -------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Tell of what is there, oldest lines first; then of what comes, until nothing runs or is expected."""
        self._tell_history()
        while not self._stopped and (self.expected or any(one.sock for one in self._known.values())):
            if self.deadline is not None and time.time() >= self.deadline:
                break
            self._wait()
        for one in self._known.values():
            one.tell_rest()
        self.listener.flush()

    def tell_now(self) -> None:
        """Tell of what is there already, and no more."""
        self._tell_history()
        for one in self._known.values():
            one.tell_rest()
        self.listener.flush()

    def _tell_history(self) -> None:
        def dated(one: _Container) -> Iterator[tuple[str, _Container, Line]]:
            return ((line[0], one, line) for line in one.lines())

        merged = heapq.merge(*map(dated, self._known.values()), key=lambda found: found[0])
        for moment, one, (_, stream, text) in merged:
            self.listener.line(one.record, stream, text, moment)
        self.listener.flush()

    def _wait(self) -> None:
        """Sleep until something happens, and tell of it."""
        poll = select.poll()
        for fd in (self.changes.fd, self._wake_reader):
            poll.register(fd, select.POLLIN)
        if self.output >= 0:
            poll.register(self.output, 0)  # only whether its reader has gone
        for one in self._known.values():
            if one.sock:
                poll.register(one.sock, select.POLLIN)
        left = None if self.deadline is None else max(0.0, self.deadline - time.time()) * 1000 + 1
        ready = {fd for fd, _ in poll.poll(left)}
        self._stopped = self._stopped or self.output in ready
        self.changes.sort()
        self._tell_news(ready)
        self.listener.flush()

    def _tell_news(self, ready: set[int]) -> None:
        """Of all that has happened, also of what is heard meanwhile: the kernel says it only once."""
        while True:
            for one in list(self._known.values()):
                if one.changes.heard:
                    one.tell()
                if one.sock and one.sock.fileno() in ready:
                    one.hear_shim()
            self._hear_events()
            ready = set()
            if not any(one.changes.heard for one in self._known.values()):
                return


class _Container:
    """One container: where its log is read, and the connection to its shim while it has one."""

    def __init__(self, follower: Follower, record: Record, since: str, last: int) -> None:
        self.follower, self.record = follower, record
        self.listener = follower.listener
        self.sock: socket.socket | None = None
        self.code: int | None = None  # of its last end, as the events say it
        self.is_over = False  # it has ended, and the shim did not tell us how: the events will
        self.pending = {"stdout": "", "stderr": ""}  # the beginnings of lines
        directory = follower.paths.container(record["id"])
        self.changes = follower.changes.part(directory, tail.FOLLOWED)
        self.reader: reader.Reader | None = None
        if record["options"]["log"]["driver"] != "none":
            self.reader = reader.Reader(
                directory, since=since, until=follower.until, tail=last, changes=self.changes
            )

    def close(self) -> None:
        if self.reader:
            self.reader.close()
        if self.sock:
            self.sock.close()

    def connect(self) -> None:
        self.sock = control.connect(self.follower.paths, self.record)
        if self.sock and not self.reader:
            channel.send_json(self.sock, channel.ATTACH, ["stdout", "stderr"])

    # ---- lines ----------------------------------------------------------------------------------------------

    def tell(self) -> None:
        """Of all lines that are there now."""
        if not self.reader:
            self.changes.heard.clear()
            return
        self.reader.tail.look()
        for moment, stream, text in self.lines():
            self.listener.line(self.record, stream, text, moment)
        if self.reader.tail.missed:
            self.reader.tail.missed = False
            self.listener.missed(self.record)

    def tell_rest(self) -> None:
        """What was printed last, without a newline."""
        for stream, text in self.pending.items():
            if text:
                self.pending[stream] = ""
                self.listener.line(self.record, stream, text, records.now())

    def lines(self) -> Iterator[Line]:
        for entries in self.reader.now() if self.reader else ():
            for entry in entries:
                yield from self._whole(entry["time"], entry["stream"], entry["log"])

    def _whole(self, moment: str, stream: str, text: str) -> Iterator[Line]:
        """The line that `text` ends, if it does."""
        text = self.pending[stream] + text
        if text.endswith("\n") or len(text) > _LONGEST:
            self.pending[stream] = ""
            yield moment, stream, text.removesuffix("\n")
        else:
            self.pending[stream] = text

    # ---- the shim -------------------------------------------------------------------------------------------

    def began(self) -> None:
        """It has started; where it was followed already, by its restart policy, there is nothing new in that."""
        while self.sock and _is_readable(self.sock):
            self.hear_shim()
        if self.sock:
            return
        with contextlib.suppress(NotFoundError):
            self.record = records.read(self.follower.paths, self.record["id"])
        self.listener.started(self.record)
        self.code = None
        self.connect()
        self.is_over = not self.sock
        self.tell()

    def died(self, code: int) -> None:
        self.code = code
        if self.is_over:
            self.is_over = False
            self._end(code, restarting=False)

    def hear_shim(self) -> None:
        """One message of it."""
        assert self.sock
        kind, content = channel.receive(self.sock)
        if kind == channel.EXITED:
            end = channel.Exit(content)
            if end.last:
                self._hang_up()
            self._end(end.code, restarting=not end.last)
        elif kind in (channel.STDOUT, channel.STDERR):
            stream = "stdout" if kind == channel.STDOUT else "stderr"
            for piece in content.decode(errors="replace").splitlines(keepends=True):
                for moment, _, text in self._whole(records.now(), stream, piece):
                    self.listener.line(self.record, stream, text, moment)
        elif not kind:
            self._hang_up()
            self._end_untold()

    def _end_untold(self) -> None:
        """The shim has gone before it let us in, or was killed: the events say how it ended, or else the record."""
        if self.code is None:
            try:
                state = records.read(self.follower.paths, self.record["id"])["state"]
            except NotFoundError:
                self.is_over = True
                return
            self.code = state["exit_code"] if state["status"] == "exited" else _SHIM_LOST
        self._end(self.code, restarting=False)

    def _hang_up(self) -> None:
        if self.sock:
            self.sock.close()
            self.sock = None

    def _end(self, code: int, *, restarting: bool) -> None:
        self.tell()
        self.tell_rest()
        self.listener.ended(self.record, code, restarting)


def _is_readable(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _as_in_log(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"
