"""What `build --call` answers from the Dockerfile alone."""

import json

import pytest

from minirun.build import calls, dockerfile, options
from minirun.build.options import BuildOptions
from minirun.errors import MinirunError

TEXT = """FROM busybox AS one
# VERSION of the program
ARG VERSION=1.2
# dev has a debugger
FROM one AS dev
RUN --mount=type=secret,id=s,required=true --mount=type=cache,target=/c --mount=type=ssh true
"""
FILE = dockerfile.parse(TEXT.encode())


def asked(call: str, form: str = "", target: str = "") -> BuildOptions:
    made = options.defaults(".")
    made.update({"call": call, "call_format": form, "target": target})
    return made


def test_targets_are_a_table() -> None:
    assert calls.report(FILE, asked("targets")).splitlines() == [
        "TARGET          DESCRIPTION",
        "one",
        "dev (default)   has a debugger",
    ]


def test_an_outline_says_what_a_build_may_be_given() -> None:
    assert calls.report(FILE, asked("outline")).split("\n\n") == [
        "TARGET:      dev\nDESCRIPTION: has a debugger",
        "BUILD ARG   VALUE   DESCRIPTION\nVERSION     1.2     of the program",
        "SECRET   REQUIRED\ns        true",
        "SSH       REQUIRED\ndefault   false",
        "CACHE MOUNT\n/c",
    ]


def test_both_are_json_if_that_is_asked_for() -> None:
    assert json.loads(calls.report(FILE, asked("outline", "json", "one")))["args"][0]["value"] == "1.2"
    names = [one["name"] for one in json.loads(calls.report(FILE, asked("targets", "json")))["targets"]]
    assert names == ["one", "dev"]


def test_a_check_has_rules_and_hints() -> None:
    found = calls.check(dockerfile.parse(b"from busybox\nRUN a\nCMD b"), asked("check"), None)
    rules = {warning.rule for warning in found}
    assert {"JSONArgsRecommended", "ConsistentInstructionCasing"} <= rules
    assert {"hint:UnpinnedImage", "hint:RootUser"} <= rules


def test_an_unknown_target_is_an_error() -> None:
    with pytest.raises(MinirunError, match="three"):
        calls.report(FILE, asked("outline", target="three"))
