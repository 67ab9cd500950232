"""`--device` and `--device-cgroup-rule`: the words, as Docker reads them."""

import pytest

from minirun.engine.options import devices, run_options
from minirun.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/dev/fuse", ("/dev/fuse", "/dev/fuse", "rwm")),
        ("/dev/fuse:r", ("/dev/fuse", "/dev/fuse", "r")),
        ("/dev/fuse:/dev/x", ("/dev/fuse", "/dev/x", "rwm")),
        ("/dev/fuse:/dev/x:mr", ("/dev/fuse", "/dev/x", "mr")),
    ],
)
def test_a_device_has_a_place_inside_and_an_access(text, expected):
    assert tuple(devices.mapping(text).values()) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("fuse", '"fuse" is not an absolute path'),
        ("/dev/fuse:x", '"x" is not an absolute path'),
        ("/dev/fuse:/dev/x:rx", 'bad mode specified: "rx"'),
        ("/dev/fuse:/dev/x:rr", 'bad mode specified: "rr"'),
        ("/dev/fuse:/dev/x:", 'bad mode specified: ""'),
        ("/dev/fuse:/dev/x:r:w", "invalid device specification"),
        ("", "is not an absolute path"),
    ],
)
def test_what_is_no_device_is_quoted(text, sentence):
    with pytest.raises(UsageError, match=sentence):
        devices.mapping(text)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("nvidia.com/gpu=all", True),
        ("acme.com/radio_x=0:1", True),
        ("/dev/fuse", False),
        ("acme.com/radio", False),
        ("acme.com/=0", False),
        ("9.com/radio=0", False),
        ("acme.com/radio=0-", False),
    ],
)
def test_the_name_of_a_device_of_a_vendors(text, is_one):
    assert devices.is_cdi(text) == is_one


def test_a_name_that_is_none_is_refused_among_options_too():
    with pytest.raises(UsageError, match='invalid CDI device: "x"'):
        run_options.check({**run_options.defaults("busybox"), "cdi_devices": ["x"]})


def test_a_rule_is_config_jsons():
    assert devices.rule("b 8:1 r") == {"allow": True, "type": "b", "major": 8, "minor": 1, "access": "r"}
    assert devices.rule("a *:* rwm") == {"allow": True, "type": "a", "access": "rwm"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c",
        "c 1",
        "c 1:3",
        "x 1:3 r",
        "c 1:3 x",
        "c 1:3 rwmr",
        "c a:3 r",
        "c 1:-1 r",
        "c 1:99999999999 r",
        "c  1:3 r",
    ],
)
def test_what_is_no_rule_is_quoted(text):
    with pytest.raises(UsageError, match=f"invalid device cgroup format '{text}'".replace("*", r"\*")):
        devices.rule(text)


def test_options_are_held_to_the_same_rules():
    one = {"source": "/dev/x", "destination": "x", "access": "r"}
    with pytest.raises(UsageError, match='"x" is not an absolute path'):
        run_options.check({**run_options.defaults("busybox"), "devices": [one]})
    with pytest.raises(UsageError, match="type a is every device"):
        run_options.check({**run_options.defaults("busybox"), "device_cgroup_rules": ["a 1:3 r"]})
