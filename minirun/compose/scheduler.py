"""Doing many things side by side, each when what it has to come after has ended.

One thread for each, so that what an act does can be read from top to bottom; at most `at_once` of them work.  The
first that fails stops the rest: those that work are waited for, those that wait are told, the others never begin.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from minirun.errors import none_left

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    Act = Callable[[], object]

_PATIENCE_SECONDS = 1.0  # that acts have to end after a Ctrl-C; what they leave, the next command completes
_LOOK_SECONDS = 0.2  # between two looks whether a signal has come: Python handles them in this thread


class Stopped(Exception):
    """Raised by an act that has waited until another one failed: nothing is wrong with itself."""


class Scheduler:
    """The state of one run; `is_stopped` is for acts that wait."""

    def __init__(self, at_once: int = 0) -> None:
        self.room = threading.Semaphore(at_once) if at_once > 0 else None
        self.changed = threading.Condition()
        self.ended: set[Any] = set()
        self.working = 0
        self.failures: list[Exception] = []
        self.is_stopped = False

    def run(self, acts: Mapping[Any, tuple[Act, Iterable[Any]]]) -> None:
        """Do `acts`: {key: (what to do, the keys of those it comes after)}.  Raises the first failure, at the end.

        A KeyboardInterrupt stops the rest in the same way, and is raised when those that work have ended, or soon.
        """
        left = {key: (act, set(after)) for key, (act, after) in acts.items()}
        try:
            self._run(left)
        except BaseException as error:
            self.stop()
            self._wait_for_all(time.monotonic() + _PATIENCE_SECONDS)
            if _is_interrupt(error):
                raise KeyboardInterrupt from error
            raise
        if self.failures:
            raise self.failures[0]

    def stop(self) -> None:
        """Begin nothing more, and tell those that wait."""
        with self.changed:
            self.is_stopped = True
            self.changed.notify_all()

    def _run(self, left: dict[Any, tuple[Act, set[Any]]]) -> None:
        with self.changed:
            while True:
                ready = [key for key, (_, after) in left.items() if after <= self.ended]
                for key in ready if not self.is_stopped else ():
                    self._begin(key, left.pop(key)[0])
                if not self.working:
                    return  # all are done, or the rest waits for one that failed
                self.changed.wait(_LOOK_SECONDS)

    def _begin(self, key: Any, act: Act) -> None:
        self.working += 1
        try:
            threading.Thread(target=self._work, args=(key, act), daemon=True).start()
        except RuntimeError as error:
            if _is_interrupt(error):
                raise  # it has begun, and counts itself out
            self.working -= 1
            raise none_left("threads") from None

    def _work(self, key: Any, act: Act) -> None:
        failure: Exception | None = None
        try:
            if self.room:
                with self.room:
                    act()
            else:
                act()
        except Exception as error:  # it is raised in the thread that asked for all this
            failure = error
        with self.changed:
            self.working -= 1
            if failure is None:
                self.ended.add(key)
            else:
                self.is_stopped = True
                if not isinstance(failure, Stopped):
                    self.failures.append(failure)
            self.changed.notify_all()

    def _wait_for_all(self, deadline: float) -> None:
        with self.changed:
            while self.working and time.monotonic() < deadline:
                self.changed.wait(_LOOK_SECONDS)


def _is_interrupt(error: BaseException) -> bool:
    """Whether Ctrl-C came while the threading module had a lock in neither hand: it then tells of the lock instead."""
    return isinstance(error, RuntimeError) and isinstance(error.__context__, KeyboardInterrupt)
