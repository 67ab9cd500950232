"""Messages become events: numbered, timed from the first, and each process with its role."""

import json

from minirun.teach.events import Act, Register, Step

CLI, SHIM, OTHER = 10, 11, 12


def message(**more: object) -> bytes:
    return json.dumps({"time": 5.0, "pid": 1, "phase": "", "call": "mkdir", "args": [], **more}).encode()


def step(name: str, **more: object) -> bytes:
    return json.dumps({"time": 5.0, "pid": 1, "step": name, "why": "a\n    reason", **more}).encode()


def test_events_are_numbered_and_timed_from_the_first():
    register = Register(CLI, SHIM)
    events = [register.event(message(time=time), CLI) for time in (5.0, 5.25)]
    assert [(event.seq, event.time) for event in events] == [(1, 0.0), (2, 0.25)]


def test_the_pid_is_the_senders_and_not_what_it_believes():
    assert Register(CLI, SHIM).event(message(pid=1), OTHER).pid == OTHER


def test_those_that_are_known():
    register = Register(CLI, SHIM)
    assert [register.event(message(), pid).role for pid in (CLI, SHIM)] == ["cli", "shim"]


def test_who_begins_with_a_step_of_init_is_init():
    assert Register(CLI, SHIM).event(step("await_placement"), OTHER).role == "init"


def test_who_begins_with_another_step_makes_the_network():
    assert Register(CLI, SHIM).event(step("network"), OTHER).role == "net"


def test_a_role_stays():
    register = Register(CLI, SHIM)
    register.event(step("await_placement"), OTHER)
    assert register.event(message(phase="network"), OTHER).role == "init"


def test_a_steps_reason_is_one_line():
    event = Register(CLI, SHIM).event(step("fork", stopped=True), SHIM)
    assert isinstance(event, Step)
    assert (event.name, event.why, event.stopped) == ("fork", "a reason", True)


def test_a_call_that_failed_has_its_errno():
    event = Register(CLI, SHIM).event(message(errno=13), CLI)
    assert isinstance(event, Act)
    assert (event.errno, event.result) == (13, 0)
