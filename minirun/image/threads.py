"""Threads, where the kernel may give none: `ulimit -u`, a control group's pids.max, kernel.threads-max.

See  clone(2) EAGAIN; setrlimit(2) RLIMIT_NPROC
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from minirun.errors import none_left

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from concurrent.futures import Future
    from typing import Any


def start(thread: threading.Thread) -> None:
    """thread.start(), or MinirunError."""
    try:
        thread.start()
    except RuntimeError:
        raise none_left("threads") from None


class Pool(ThreadPoolExecutor):
    """Its jobs wait for each other where the kernel gives fewer threads, and MinirunError says that it gives none."""

    def _adjust_thread_count(self) -> None:
        """The job is in the queue already, and a thread there is may have taken it: it must not get lost."""
        try:
            super()._adjust_thread_count()
        except RuntimeError:
            if not self._threads:
                raise

    def submit(self, act: Callable[..., Any], /, *words: Any, **named: Any) -> Future[Any]:
        try:
            return super().submit(act, *words, **named)
        except RuntimeError:
            raise none_left("threads") from None
