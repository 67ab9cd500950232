"""Many things side by side, each behind those it comes after."""

import threading

import pytest

from minirun.compose.scheduler import Scheduler, Stopped


def test_each_act_comes_behind_those_it_is_after() -> None:
    done: list[str] = []
    acts = {
        "c": (lambda: done.append("c"), ["a", "b"]),
        "b": (lambda: done.append("b"), ["a"]),
        "a": (lambda: done.append("a"), []),
    }
    Scheduler().run(acts)
    assert done == ["a", "b", "c"]


def test_what_comes_after_nothing_goes_side_by_side() -> None:
    both = threading.Barrier(2, timeout=10)
    Scheduler().run({"a": (both.wait, []), "b": (both.wait, [])})
    assert not both.broken


def test_no_more_work_at_once_than_were_asked_for() -> None:
    most = at_work = 0
    lock = threading.Lock()

    def act() -> None:
        nonlocal most, at_work
        with lock:
            at_work += 1
            most = max(most, at_work)
        threading.Event().wait(0.01)
        with lock:
            at_work -= 1

    Scheduler(2).run({number: (act, []) for number in range(8)})
    assert most == 2


def fail() -> None:
    raise ValueError("it failed")


def test_the_first_failure_is_raised_and_what_comes_after_it_never_begins() -> None:
    done: list[str] = []
    with pytest.raises(ValueError, match="it failed"):
        Scheduler().run({"a": (fail, []), "b": (lambda: done.append("b"), ["a"])})
    assert done == []


def test_those_that_wait_are_told_of_a_failure() -> None:
    scheduler = Scheduler()
    waits = threading.Event()
    told = threading.Event()

    def wait() -> None:
        waits.set()
        while not scheduler.is_stopped:
            threading.Event().wait(0.01)
        told.set()
        raise Stopped

    def fail_later() -> None:
        waits.wait(10)
        fail()

    with pytest.raises(ValueError, match="it failed"):
        scheduler.run({"waits": (wait, []), "fails": (fail_later, [])})
    assert told.is_set()


def test_an_interrupt_waits_for_those_that_work() -> None:
    scheduler = Scheduler()
    done: list[str] = []

    def act() -> None:
        while not scheduler.is_stopped:
            threading.Event().wait(0.01)
        done.append("put away")

    def interrupted(left):  # type: ignore[no-untyped-def]
        scheduler._begin("a", left.pop("a")[0])
        raise KeyboardInterrupt

    scheduler._run = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        scheduler.run({"a": (act, [])})
    assert done == ["put away"]


def test_an_interrupt_between_two_locks_of_a_thread_that_begins_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begin = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        begin(thread)
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("cannot release un-acquired lock")

    monkeypatch.setattr(threading.Thread, "start", start)
    done: list[str] = []
    scheduler = Scheduler()
    with pytest.raises(KeyboardInterrupt):
        scheduler.run({"a": (lambda: done.append("a"), []), "b": (lambda: done.append("b"), ["a"])})
    assert done == ["a"]
    assert scheduler.working == 0
