"""What a person and an image say about health and restarts."""

import pytest

from minirun.engine.options import policies
from minirun.errors import MinirunError, UsageError
from minirun.image import manifests

IMAGE = {
    "Test": ["CMD", "curl", "localhost"],
    "Interval": 5_000_000_000,
    "Retries": 7,
    "StartPeriod": 1_500_000_000,
}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("1m30s", 90),
        ("1.5h", 5400),
        ("100ms", 0.1),
        ("1000us", 0.001),
        (".5s", 0.5),
        ("0", 0),
        ("0s", 0),
    ],
)
def test_a_duration_is_read_as_go_does(text: str, seconds: float):
    assert policies.duration(text, "--health-interval") == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "5x", "5s5", "999999999h", "1m 30s", "٣s ", "1e3s"])
def test_what_is_no_duration_is_quoted(text: str):
    with pytest.raises(UsageError, match=f'invalid duration "{text}" for --health-timeout'):
        policies.duration(text, "--health-timeout")


def test_a_duration_is_not_negative():
    with pytest.raises(UsageError, match="--health-interval cannot be negative"):
        policies.duration("-1ns", "--health-interval")


TIMES = {"interval": "Interval", "timeout": "Timeout", "start_period": "StartPeriod"}
TIMES |= {"start_interval": "StartInterval"}


@pytest.mark.parametrize(("name", "key"), TIMES.items())
def test_a_time_below_a_millisecond_is_refused_in_dockers_words(name: str, key: str):
    with pytest.raises(UsageError, match=f"{key} in Healthcheck cannot be less than 1ms"):
        policies.health(**{name: "1ns"})


def test_a_millisecond_is_the_shortest():
    assert policies.health(interval="1ms")["interval"] == 0.001


@pytest.mark.parametrize("key", TIMES.values())
def test_an_image_may_not_say_less_either(key: str):
    with pytest.raises(UsageError, match=f"{key} in Healthcheck cannot be less than 1ms"):
        policies.merged(None, policies.of_image({**IMAGE, key: 1}))


@pytest.mark.parametrize("words", [{"interval": "1s"}, {"disable": True}])
def test_the_command_line_makes_a_bad_image_run(words: dict[str, object]):
    assert policies.merged(policies.health(**words), policies.of_image({**IMAGE, "Interval": 1}))


@pytest.mark.parametrize(
    ("text", "policy"),
    [("", ("no", 0)), ("no", ("no", 0)), ("always", ("always", 0)), ("on-failure:3", ("on-failure", 3))],
)
def test_a_restart_policy(text: str, policy: tuple[str, int]):
    assert tuple(policies.restart(text).values()) == policy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("often", "unknown policy 'often'"),
        (":3", "no policy provided before colon"),
        ("on-failure:few", "must be an integer"),
        ("on-failure:", "must be an integer"),
        ("on-failure:-1", "cannot be negative"),
        ("always:3", "can only be used with 'on-failure'"),
    ],
)
def test_what_is_no_restart_policy_is_told(text: str, words: str):
    with pytest.raises(UsageError, match=words):
        policies.restart(text)


def test_the_options_become_settings():
    made = policies.health(command="true", interval="2s", retries=4)
    assert (made["test"], made["interval"], made["retries"]) == (["CMD-SHELL", "true"], 2, 4)
    assert made["timeout"] == 0  # not said


def test_without_options_there_are_no_settings():
    assert policies.health(command=None, retries=None, disable=False) is None


def test_no_check_and_a_check_exclude_each_other():
    with pytest.raises(UsageError, match="--no-healthcheck conflicts with --health"):
        policies.health(command="true", disable=True)


def test_the_image_says_nanoseconds():
    made = policies.of_image(IMAGE)
    assert (made["interval"], made["start_period"], made["timeout"]) == (5, 1.5, 0)


def test_the_command_line_replaces_what_it_says_and_no_more():
    made = policies.merged(policies.health(interval="1s"), policies.of_image(IMAGE))
    assert (made["test"], made["interval"], made["retries"]) == (IMAGE["Test"], 1, 7)


@pytest.mark.parametrize("test", [[], ["CMD"], ["PING", "localhost"]])
def test_what_cannot_be_run_is_no_check(test: list[str]):
    assert policies.merged(None, policies.of_image({"Test": test})) is None


def test_the_image_alone_is_enough():
    assert policies.merged(None, policies.of_image(IMAGE))["test"] == IMAGE["Test"]


def test_no_healthcheck_is_stronger_than_the_image():
    made = policies.merged(policies.health(disable=True), policies.of_image(IMAGE))
    assert made["test"] == ["NONE"]


def test_settings_without_a_command_are_nothing():
    assert policies.merged(policies.health(interval="1s"), None) is None


@pytest.mark.parametrize(
    "healthcheck",
    [
        [],
        {"Test": "true"},
        {"Test": [1]},
        {"Interval": "5s"},
        {"Interval": -1},
        {"Retries": 2**63},
        {"Retries": 1.5},
    ],
)
def test_an_odd_healthcheck_is_refused_with_its_image(healthcheck: object):
    document = {"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": []}}
    with pytest.raises(MinirunError, match=r"config\.Healthcheck is missing or odd"):
        manifests.checked_config({**document, "config": {"Healthcheck": healthcheck}}, 0)
