"""JSON without the json module reads and writes what the json module does."""

import json
import math
import subprocess
import sys

import pytest

from minirun import jsontext

VALUES = [
    None,
    True,
    False,
    0,
    -17,
    2**70,
    1.5,
    -1e-300,
    "",
    'quote " backslash \\ newline \n null \0 slash /',
    "ÄÖ€ 日本 \U0001f600",
    [],
    {},
    [[], {}, [[]]],
    {"a": [1, {"b": None}], "": {"c": []}},
    {"z": 1, "a": {"y": 2, "b": [3]}},
]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("indent", [None, 2, 4])
def test_writes_as_json_does(value, indent):
    assert jsontext.dumps(value, indent=indent or 0) == json.dumps(value, indent=indent)


@pytest.mark.parametrize("value", VALUES)
def test_sorts_keys_as_json_does(value):
    assert jsontext.dumps(value, sort_keys=True) == json.dumps(value, sort_keys=True)


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("encode", [str, str.encode])
def test_reads_as_json_does(value, encode):
    text = " \n" + json.dumps(value, indent=1, ensure_ascii=False) + "\r\n\t"
    assert jsontext.loads(encode(text)) == value


@pytest.mark.parametrize("text", ["", " ", "{", "[1,]", "nul", "1 2", '{"a" 1}', '"\x01"', "\xa0 1", b"\xff"])
def test_refuses_what_json_refuses(text):
    with pytest.raises(ValueError, match=r".") as theirs:
        json.loads(text)
    with pytest.raises(type(theirs.value)) as ours:
        jsontext.loads(text)
    assert str(ours.value) == str(theirs.value)


def test_refuses_it_also_where_json_was_never_imported():
    code = "from minirun import jsontext\ntry: jsontext.loads('{')\nexcept ValueError as error: print(error)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.startswith("Expecting property name")


@pytest.mark.parametrize("text", [b"\xef\xbb\xbf[1]", "[1]".encode("utf-16"), "[1]".encode("utf-32-le")])
def test_reads_the_encodings_json_reads(text):
    assert jsontext.loads(text) == [1]


def test_constants_that_are_no_json_are_read_as_json_does():
    assert jsontext.loads("[Infinity, -Infinity]") == [math.inf, -math.inf]


@pytest.mark.parametrize("value", [{1: 2}, b"bytes", object()])
def test_what_json_has_no_place_for_is_refused(value):
    with pytest.raises(TypeError):
        jsontext.dumps(value)
