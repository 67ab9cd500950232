"""Device rules: the BPF program, run in a small machine, against an evaluator that is obviously right."""

import itertools
import struct

import pytest

from minirun.errors import UsageError
from minirun.linux import devices

pytestmark = pytest.mark.unit

DEFAULT_RULES = [{"allow": False, "access": "rwm"}, *devices.ALLOWED]  # as `minirun run` has them

BITS = {"m": 1, "r": 2, "w": 4}


def rule(text):
    """ "+c 1:3 rw" as config.json has it; + allows, - denies."""
    sign_type, numbers, access = text.split()
    pairs = zip(("major", "minor"), numbers.split(":"), strict=True)
    found = {key: int(number) for key, number in pairs if number != "*"}
    return {"allow": sign_type[0] == "+", "type": sign_type[1], "access": access, **found}


def expected(rules, kind, major, minor, access):
    """Each letter by itself: the last rule that speaks of it decides."""

    def speaks(entry, letter):
        if entry.get("type", "a") == "a":
            return True
        same = entry["type"] == kind
        same = same and entry.get("major", major) == major and entry.get("minor", minor) == minor
        return same and letter in entry["access"]

    def decided(letter):
        return next((entry["allow"] for entry in reversed(rules) if speaks(entry, letter)), False)

    return all(decided(letter) for letter in access)


def run(program, kind, major, minor, access):
    """What the kernel would get from the program."""
    wanted = sum(BITS[letter] for letter in access)
    context = struct.pack("=III", wanted << 16 | {"b": 1, "c": 2}[kind], major, minor)
    registers, place = [0] * 11, 0
    while True:
        code, both, offset, immediate = struct.unpack_from("=BBhi", program, place * 8)
        target = both & 15
        place += 1
        if code == 0x95:
            return bool(registers[0])
        if code == 0x61:
            registers[target] = struct.unpack_from("=I", context, offset)[0]
        elif code == 0xB7:
            registers[target] = immediate
        elif code == 0x54:
            registers[target] &= immediate
        elif code == 0x74:
            registers[target] >>= immediate
        elif {0x05: True, 0x55: registers[target] != immediate, 0x45: registers[target] & immediate}[code]:
            place += offset


LISTS = {
    "none": [],
    "default": DEFAULT_RULES,
    "a hole in a wildcard": ["-a *:* rwm", "+c *:* rwm", "-c 1:3 w"],
    "a hole filled again": ["+a *:* rwm", "-c 1:* rwm", "+c 1:3 r"],
    "later wins": ["+c 1:3 rw", "-c 1:3 w", "+c 1:3 m"],
    "a later wildcard wins": ["+c 1:3 rwm", "-c *:* w"],
    "all but one": ["+a *:* rwm", "-b 8:0 rwm"],
    "a resets": ["+c 1:3 rwm", "-a *:* rwm", "+b 8:* r"],
    "only a minor": ["+c *:3 r"],
    "types are apart": ["+b 1:3 rwm"],
}
REQUESTS = [
    (kind, major, minor, access)
    for kind, (major, minor), access in itertools.product(
        "bc",
        [(1, 1), (1, 3), (8, 0), (8, 16), (136, 7), (10, 229)],
        ["r", "w", "m", "rw", "rm", "rwm"],
    )
]


@pytest.mark.parametrize("name", LISTS)
def test_the_program_decides_as_the_rules_say(name):
    rules = [rule(entry) if isinstance(entry, str) else entry for entry in LISTS[name]]
    program = devices.program(rules)
    for request in REQUESTS:
        assert run(program, *request) == expected(rules, *request), request


@pytest.mark.parametrize(
    ("request_", "allowed"),
    [
        (("c", 1, 3, "rw"), True),
        (("c", 136, 99, "rw"), True),
        (("c", 1, 1, "r"), False),
        (("c", 1, 1, "m"), True),
        (("b", 8, 0, "r"), False),
        (("c", 10, 229, "rw"), False),
    ],
)
def test_the_default_rules(request_, allowed):
    assert run(devices.program(DEFAULT_RULES), *request_) == allowed


@pytest.mark.parametrize(
    ("rules", "everything"),
    [
        (["+a *:* rwm"], True),
        (["+a *:* rwm", "+c 1:3 rwm"], True),
        (["+a *:* rwm", "-c 1:3 rwm"], False),
        (["+c 1:3 rwm"], False),
        ([], False),
    ],
)
def test_rules_that_deny_nothing_are_seen(rules, everything):
    assert devices.allows_all([rule(entry) for entry in rules]) == everything


def test_a_missing_type_is_all():
    assert devices.decisions([{"allow": False, "access": "rwm"}]) == ([], False)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"allow": True, "type": "x", "access": "r"}, 'type "x"'),
        ({"allow": True, "type": "c", "access": "rx"}, 'access "rx"'),
        ({"allow": True, "type": "c"}, 'access ""'),
        ({"allow": True, "type": "a", "major": 1, "minor": 3, "access": "rwm"}, "every device"),
        ({"allow": True, "type": "a", "access": "r"}, "every device"),
    ],
)
def test_rules_that_make_no_sense(bad, message):
    with pytest.raises(UsageError, match=message):
        devices.program([bad])
