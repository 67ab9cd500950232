"""Restart policies as data."""

import itertools

import pytest

from minirun.engine import restart

RESTARTS_AFTER = {("no", 0): False, ("no", 1): False, ("on-failure", 0): False, ("on-failure", 1): True}
RESTARTS_AFTER |= {(name, code): True for name in ("always", "unless-stopped") for code in (0, 1)}


def policy(name: str, maximum: int = 0) -> dict[str, object]:
    return {"name": name, "maximum": maximum}


def delay(name: str, code: int = 1, **facts: float) -> float | None:
    given = {"restart_count": 0, "up_seconds": 0, "last_delay": 0, "stopped_by_hand": False, "maximum": 0}
    given |= facts
    return restart.delay_after(policy(name, given.pop("maximum")), code, **given)


def record(name: str, code: int = 0, started: str = "2026-01-02T03:04:05Z", **fields: object):
    state = {"started": started, "exit_code": code}
    return {
        "options": {"restart": policy(name)},
        "restart_count": 0,
        "stopped_by_hand": False,
        "state": state,
        **fields,
    }


@pytest.mark.parametrize(("name", "code"), RESTARTS_AFTER)
def test_a_policy_decides_by_the_exit_code(name: str, code: int):
    assert (delay(name, code) is not None) == RESTARTS_AFTER[name, code]


@pytest.mark.parametrize("name", ["on-failure", "always", "unless-stopped"])
def test_what_was_stopped_by_hand_stays_down(name: str):
    assert delay(name, 137, stopped_by_hand=True) is None


def test_on_failure_counts():
    assert delay("on-failure", maximum=2, restart_count=1) is not None
    assert delay("on-failure", maximum=2, restart_count=2) is None


def test_each_delay_is_twice_the_last_up_to_a_minute():
    delays = [0.0]
    for _ in range(12):
        delays.append(delay("always", last_delay=delays[-1]))
    assert delays[1:4] == [0.1, 0.2, 0.4]
    assert all(later == min(2 * earlier, 60) for earlier, later in itertools.pairwise(delays[1:]))
    assert delays[-1] == 60


def test_ten_seconds_up_begin_with_the_first_delay_again():
    assert delay("always", last_delay=6.4, up_seconds=9.9) == 12.8
    assert delay("always", last_delay=6.4, up_seconds=10) == 0.1


def test_always_starts_at_boot_even_what_was_stopped_by_hand():
    assert restart.wanted_at_boot(record("always", stopped_by_hand=True))


def test_unless_stopped_starts_at_boot_unless_stopped():
    assert restart.wanted_at_boot(record("unless-stopped"))
    assert not restart.wanted_at_boot(record("unless-stopped", stopped_by_hand=True))


def test_on_failure_starts_at_boot_what_failed():
    assert restart.wanted_at_boot(record("on-failure", code=137))
    assert not restart.wanted_at_boot(record("on-failure", code=0))


def test_no_policy_no_start_at_boot():
    assert not restart.wanted_at_boot(record("no", code=137))


def test_what_never_ran_is_not_started_at_boot():
    assert not restart.wanted_at_boot(record("always", started=""))


@pytest.mark.parametrize("wrong", [{"name": "on-failure", "maximum": "3"}, {"name": "on-failure"}, {}, None])
def test_a_policy_that_is_none_ends_no_shim(wrong: object):
    """A record may be from when nobody looked."""
    assert restart.delay_after(wrong, 1, 0, 0, 0, False) is None
