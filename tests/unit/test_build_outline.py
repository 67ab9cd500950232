"""`--call outline` and `--call targets`: what a Dockerfile can be asked for."""

import pytest

from minirun.build import dockerfile, outline
from minirun.errors import UsageError

FILE = dockerfile.parse(
    b"""# REGISTRY that the bases come from
ARG REGISTRY=docker.io
ARG BASE=${REGISTRY}/base:1
ARG UNUSED=1
# VERSION of all
ARG VERSION=2
FROM ${BASE} AS base
ARG VERSION
# LEVEL of noise
ARG LEVEL=${VERSION}x QUIET
RUN --mount=type=secret,id=token,required --mount=type=secret,target=/run/s/key true
RUN --mount=type=cache,target=/c --mount=type=ssh true

# other does something else
FROM --platform=$BUILDPLATFORM scratch AS other
ARG OTHER=3

# dev has a debugger in it
FROM base AS dev
COPY --from=base /a /b
RUN --mount=type=secret,id=token --mount=type=cache,id=$VERSION,target=/d true
"""
)


def test_targets_are_stages_with_their_descriptions() -> None:
    assert [
        (one["name"], one["base"], one["platform"], one["description"], one["default"], one["line"])
        for one in outline.targets(FILE)
    ] == [
        ("base", "${BASE}", "", "", False, 7),
        ("other", "scratch", "$BUILDPLATFORM", "does something else", False, 15),
        ("dev", "base", "", "has a debugger in it", True, 19),
    ]


def test_arguments_are_those_that_the_target_needs() -> None:
    made = outline.outline(FILE)
    assert (made["name"], made["description"]) == ("dev", "has a debugger in it")
    assert [(one["name"], one["value"], one["description"], one["line"]) for one in made["args"]] == [
        ("REGISTRY", "docker.io", "that the bases come from", 2),
        ("BASE", "docker.io/base:1", "", 3),
        ("VERSION", "2", "of all", 6),
        ("LEVEL", "2x", "of noise", 10),
        ("QUIET", "", "", 10),
    ]


def test_what_is_given_is_the_value() -> None:
    made = outline.outline(FILE, "base", {"REGISTRY": "local", "LEVEL": "9", "VERSION": "7"})
    assert {one["name"]: one["value"] for one in made["args"]} == {
        "REGISTRY": "local",
        "BASE": "local/base:1",
        "VERSION": "7",
        "LEVEL": "9",
        "QUIET": "",
    }


def test_mounts_are_told_once_and_required_if_one_of_them_is() -> None:
    made = outline.outline(FILE)
    assert [(one["name"], one["required"], one["line"]) for one in made["secrets"]] == [
        ("token", True, 11),
        ("key", False, 11),
    ]
    assert made["ssh"] == [{"name": "default", "required": False, "line": 12}]
    assert made["cache"] == [{"id": "/c", "line": 12}, {"id": "$VERSION", "line": 21}]


def test_a_stage_that_needs_nothing_has_its_own_alone() -> None:
    assert [one["name"] for one in outline.outline(FILE, "other")["args"]] == ["OTHER"]


def test_a_target_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        outline.outline(FILE, "bass")
    assert caught.value.message == 'target stage "bass" could not be found (did you mean base?)'
