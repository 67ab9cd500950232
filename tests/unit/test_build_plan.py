"""From a Dockerfile to the steps that are to be done, without doing any of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from minirun.build import dockerfile, plan, stages
from minirun.build.nodes import CopyStep, RunStep, Step, WorkdirStep
from minirun.build.plan import Plan
from minirun.errors import MinirunError, NotFoundError
from minirun.runtime.spec import DEFAULT_PATH


class FakeImage:
    """As much of an image as a plan looks at."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.document = {"architecture": "amd64", "os": "linux", "history": [{"created_by": "base"}]}
        self.diff_ids = ["sha256:" + "a" * 64]


IMAGES = {
    "base": {"Env": ["PATH=/bin", "FROM_BASE=yes"], "Cmd": ["sh"]},
    "trigger": {"Env": [], "OnBuild": ["ARG X=1", "RUN echo $X", "COPY --from=base /a /b"]},
}


def planned(
    text: str,
    *,
    target: str = "",
    args: Mapping[str, str] | None = None,
    contexts: Sequence[str] = (),
    looked_up: list[str] | None = None,
    **more: Any,
) -> Plan:
    def image(name: str, platform: str) -> Any:
        if looked_up is not None:
            looked_up.append(name)
        if name not in IMAGES:
            raise NotFoundError(f"no image {name}")
        return FakeImage(IMAGES[name])

    file = dockerfile.parse(text.encode())
    settings = plan.Settings(
        target=target, build_args=args or {}, platform="", contexts=contexts, image=image, **more
    )
    return Plan(*stages.stages(file), settings, file.escape)


def runs(found: Plan) -> list[RunStep]:
    return [node for node in found.nodes() if isinstance(node, RunStep)]


def labels(found: Plan) -> list[str]:
    return [node.label for node in found.nodes()]


# ---- stages -----------------------------------------------------------------------------------------------


def test_only_what_the_target_needs_is_planned() -> None:
    looked_up: list[str] = []
    found = planned(
        "FROM nowhere AS a\nRUN a\nFROM base AS b\nRUN b\nFROM base\nCOPY --from=b /x /", looked_up=looked_up
    )
    base = "[b 1/2] FROM docker.io/library/base:latest"
    assert labels(found) == [base, "[b 2/2] RUN b", "[stage-2 2/2] COPY --from=b /x /"]
    assert looked_up == ["base"]


def test_a_target_is_a_name_in_any_case_or_a_number() -> None:
    text = "FROM base AS One\nRUN 1\nFROM base AS two\nRUN 2"
    assert [step.args[-1] for step in runs(planned(text, target="ONE"))] == ["1"]
    assert [step.args[-1] for step in runs(planned(text, target="0"))] == ["1"]


def test_an_unknown_target_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(MinirunError) as raised:
        planned("FROM base AS one\nFROM base AS two", target="three")
    assert str(raised.value) == "target stage 'three' could not be found"
    assert raised.value.hint == "the file has one, two"


def test_a_number_of_many_digits_is_no_stage() -> None:
    with pytest.raises(MinirunError, match="could not be found"):
        planned("FROM base", target="9" * 5000)


def test_a_stage_from_a_stage_goes_on_where_that_ends() -> None:
    found = planned("FROM base AS a\nARG X=1\nENV E=2\nWORKDIR /w\nFROM a\nRUN x")
    step = runs(found)[0]
    assert step.env == {"PATH": "/bin", "FROM_BASE": "yes", "X": "1", "E": "2"}
    assert step.workdir == "/w"
    assert isinstance(step.parent, WorkdirStep)


def test_a_thousand_stages_that_read_from_each_other() -> None:
    text = "FROM base AS s0\nRUN x\n"
    text += "".join(
        f"FROM base AS s{n + 1}\nRUN --mount=type=bind,from=s{n},target=/m x\nCOPY --from=s{n} /a /\n"
        for n in range(1000)
    )
    assert len(runs(planned(text))) == 1001


def test_a_thousand_stages_from_each_other() -> None:
    text = "FROM base AS s0\n" + "".join(f"FROM s{n} AS s{n + 1}\nENV N={n}\n" for n in range(1500))
    assert runs(planned(f"{text}RUN x"))[0].env["N"] == "1499"


@pytest.mark.parametrize(
    "text",
    [
        "FROM base AS a\nCOPY --from=a /x /y",
        "FROM base AS a\nCOPY --from=b /x /y\nFROM base AS b\nCOPY --from=a /x /y",
        "FROM base AS a\nRUN --mount=from=b,target=/x true\nFROM a AS b",
    ],
)
def test_stages_in_a_circle_are_refused(text: str) -> None:
    with pytest.raises(MinirunError, match="circular dependency detected on stage: "):
        planned(text, target="a")


def test_a_stage_is_found_by_its_number() -> None:
    found = planned("FROM base\nRUN 0\nFROM base\nCOPY --from=0 /x /")
    copy = next(node for node in found.nodes() if isinstance(node, CopyStep))
    assert copy.source.node is runs(found)[0]


def test_copy_from_an_image_looks_it_up() -> None:
    looked_up: list[str] = []
    planned("FROM scratch\nCOPY --from=base /x /", looked_up=looked_up)
    assert looked_up == ["base"]


def test_what_is_copied_from_an_image_that_no_stage_begins_with_has_a_title() -> None:
    found = planned("FROM scratch\nCOPY --from=base /x /\nRUN --mount=from=scratch,target=/m x")
    assert "FROM docker.io/library/base:latest" in labels(found)
    assert "FROM scratch" in labels(found)


def test_an_image_of_a_build_context_is_shown_by_its_own_name() -> None:
    found = planned("FROM one\nRUN x", image_contexts={"one": "base"})
    assert labels(found)[0] == "[1/2] FROM docker.io/library/base:latest"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("builder", "no stage is called builder (did you mean bilder?); the file has bilder"),
        ("python", "no stage is called python; the file has bilder"),
        ("ghcr.io/own/builder", ""),
    ],
)
def test_copy_from_what_is_neither_stage_nor_image_says_which_stages_there_are(name: str, hint: str) -> None:
    with pytest.raises(MinirunError, match=f"no image {name}") as raised:
        planned(f"FROM base AS bilder\nFROM base\nCOPY --from={name} /x /")
    assert raised.value.hint == hint


def test_a_named_context_stands_in_for_a_stage_and_for_an_image() -> None:
    found = planned(
        "FROM scratch AS src\nFROM scratch\nCOPY --from=src /x /\nCOPY --from=base / /",
        contexts=["src", "base"],
    )
    assert [node.source.context for node in found.nodes() if isinstance(node, CopyStep)] == ["src", "base"]


def test_an_image_that_is_not_there_says_in_which_line() -> None:
    with pytest.raises(MinirunError, match="no image nowhere") as raised:
        planned("# a comment\nFROM nowhere")
    assert raised.value.line == 2  # type: ignore[attr-defined]


def test_from_scratch_has_a_path_and_a_directory() -> None:
    config = planned("FROM scratch").target.config
    assert config == {"Env": [f"PATH={DEFAULT_PATH}"], "WorkingDir": "/"}


# ---- ARG and ENV ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "args", "expected"),
    [
        ("ARG V=1\nFROM base\nRUN x", {}, None),
        ("ARG V=1\nFROM base\nARG V\nRUN x", {}, "1"),
        ("ARG V=1\nFROM base\nARG V=2\nRUN x", {}, "2"),
        ("ARG V=1\nFROM base\nARG V\nRUN x", {"V": "3"}, "3"),
        ("FROM base\nARG V=2\nRUN x", {"V": "3"}, "3"),
        ("FROM base\nRUN x", {"V": "3"}, None),
        ("FROM base\nARG V\nRUN x", {}, None),
        ("FROM base\nARG V=1\nENV V=2\nRUN x", {"V": "3"}, "2"),
        ("FROM base\nENV V=2\nARG V=1\nRUN x", {}, "1"),
        ("FROM base\nARG A=1\nARG V=$A$A\nRUN x", {}, "11"),
        ("FROM base\nENV V=1\nENV V=2 W=$V\nRUN x", {}, "2"),
    ],
)
def test_what_an_argument_is_worth_in_a_run(text: str, args: dict[str, str], expected: str | None) -> None:
    assert runs(planned(text, args=args))[0].env.get("V") == expected


def test_values_of_a_line_see_the_environment_before_it() -> None:
    assert runs(planned("FROM base\nENV A=1\nENV A=2 B=$A\nRUN x"))[0].env["B"] == "1"


def test_arguments_are_in_no_config() -> None:
    assert planned("FROM base\nARG A=1").target.config["Env"] == ["PATH=/bin", "FROM_BASE=yes"]


def test_a_global_argument_chooses_the_base() -> None:
    looked_up: list[str] = []
    planned("ARG NAME=nowhere\nFROM ${NAME}", args={"NAME": "base"}, looked_up=looked_up)
    assert looked_up == ["base"]


def test_a_base_of_nothing_says_where_the_argument_belongs() -> None:
    with pytest.raises(MinirunError, match="should not be blank") as raised:
        planned("FROM $NAME")
    assert "before the first FROM" in raised.value.hint


def test_proxies_reach_a_run_and_leave_no_trace() -> None:
    found = planned("FROM base\nRUN x", args={"HTTP_PROXY": "http://x", "other": "y"})
    assert runs(found)[0].hidden_env == dict.fromkeys(("HTTP_PROXY", "http_proxy"), "http://x")
    assert "HTTP_PROXY" not in runs(found)[0].env
    assert all("HTTP_PROXY" not in line["created_by"] for line, _ in found.target.history)


def test_platform_arguments_are_there_when_asked_for() -> None:
    step = runs(planned("FROM base\nARG TARGETARCH\nARG BUILDPLATFORM\nRUN x"))[0]
    assert step.env["BUILDPLATFORM"] == f"linux/{step.env['TARGETARCH']}"
    assert "TARGETOS" not in step.env


def test_an_onbuild_trigger_runs_first_and_is_not_handed_on() -> None:
    found = planned("FROM trigger\nRUN y")
    assert [step.args[-1] for step in runs(found)] == ["echo $X", "y"]
    assert "OnBuild" not in found.target.config
    assert runs(found)[0].env["X"] == "1"


# ---- config and history -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('FROM base\nENTRYPOINT ["e"]', None),
        ('FROM base\nCMD ["c"]\nENTRYPOINT ["e"]', ["c"]),
        ('FROM base\nENTRYPOINT ["e"]\nCMD ["c"]', ["c"]),
        ('FROM base AS a\nCMD ["c"]\nFROM a\nENTRYPOINT ["e"]', None),
        ("FROM base\nENV A=1", ["sh"]),
    ],
)
def test_entrypoint_takes_an_inherited_command_away(text: str, expected: list[str] | None) -> None:
    assert planned(text).target.config.get("Cmd") == expected


def test_history_has_a_line_for_each_instruction() -> None:
    text = "FROM base\nARG A=1\nENV E=$A\nWORKDIR /w\nWORKDIR sub\nWORKDIR /\nRUN x\nCOPY a b\nUSER 5\nLABEL l=$E"
    found = planned(text).target.history
    assert [(line["created_by"], step is not None) for line, step in found] == [
        ("ARG A=1", False),
        ("ENV E=1", False),
        ("WORKDIR /w", True),
        ("WORKDIR /w/sub", True),
        ("WORKDIR /", False),
        ("RUN |1 A=1 /bin/sh -c x # buildkit", True),
        ("COPY a b # buildkit", True),
        ("USER 5", False),
        ("LABEL l=1", False),
    ]


def test_the_shell_is_the_stage_s_own() -> None:
    step = runs(planned('FROM base\nSHELL ["/bin/bash", "-ec"]\nRUN x\nRUN ["y", "z"]'))
    assert [one.args for one in step] == [["/bin/bash", "-ec", "x"], ["y", "z"]]


def test_a_heredoc_alone_is_the_script() -> None:
    found = runs(planned("FROM base\nRUN <<EOF\na $b\nEOF\nRUN <<X\n#!/bin/x\ny\nX\nRUN cat <<A\nz\nA"))
    assert found[0].args == ["/bin/sh", "-c", "a $b\n"]
    assert (found[1].args[-1], found[1].files) == ("/dev/pipes/X", [("X", "#!/bin/x\ny\n")])
    assert found[2].args == ["/bin/sh", "-c", "cat <<A\nz\nA"]


def test_words_of_a_copy_are_expanded() -> None:
    found = planned("FROM base\nARG D=/to\nCOPY --chown=$D <<A <<'B' x$D ${D}/\na $D\nA\nb $D\nB")
    step = next(node for node in found.nodes() if isinstance(node, CopyStep))
    assert (step.sources, step.target, step.chown) == (["x/to"], "/to/", "/to")
    assert step.files == [("A", b"a /to\n"), ("B", b"b $D\n")]


def test_labels_of_the_command_line_are_the_target_s_alone() -> None:
    found = planned("FROM base AS a\nLABEL l=1\nFROM a", labels={"l": "2", "m": "3"})
    assert found.target.config["Labels"] == {"l": "2", "m": "3"}
    assert found.states[0].config["Labels"] == {"l": "1"}


def test_what_wants_a_permission_is_refused_without_it() -> None:
    with pytest.raises(MinirunError, match=r"security\.insecure is not allowed"):
        planned("FROM base\nRUN --security=insecure x")
    step: Step = runs(planned("FROM base\nRUN --security=insecure x", insecure_allowed=True))[0]
    assert isinstance(step, RunStep)
    assert step.insecure


def test_a_named_image_stands_in_for_a_stage() -> None:
    looked_up: list[str] = []
    text = "FROM nowhere AS one\nRUN 1\nFROM one\nRUN 2"
    found = planned(text, image_contexts={"one": "base"}, looked_up=looked_up)
    assert (looked_up, [step.args[-1] for step in runs(found)]) == (["base"], ["2"])


def test_nothing_stands_on_a_directory() -> None:
    with pytest.raises(MinirunError, match="FROM src: --build-context says that this is a directory"):
        planned("FROM src", contexts=["src"])


def test_more_layers_than_can_be_mounted_are_refused_with_their_line() -> None:
    text = "FROM base" + "\nRUN x" * 499  # and one of the base
    assert len(runs(planned(text))) == 499
    with pytest.raises(MinirunError, match="this would be layer 501, and overlayfs takes no more") as raised:
        planned(text + "\nRUN x")
    assert raised.value.line == 501  # type: ignore[attr-defined]


def test_a_run_needs_a_machine_that_can() -> None:
    assert planned("FROM base\nCOPY a b", can_run=lambda platform: False)
    with pytest.raises(MinirunError, match="cannot run programs for linux/amd64"):
        planned("FROM base\nRUN x", can_run=lambda platform: False)


def test_what_nobody_asks_for_is_known() -> None:
    found = planned("ARG A\nFROM base\nARG B\nRUN x", args={"A": "1", "B": "2", "C": "3", "http_proxy": "4"})
    assert {"A", "B", "C", "http_proxy"} - found.consumed == {"C"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("RUN  a   b", "RUN a b"),
        ("RUN --network=none a \\\n && b", "RUN --network=none a && b"),
        ("RUN <<E\necho a\necho b\nE", "RUN <<E (echo a...)"),
        ("RUN <<E\n\necho a\nE", "RUN <<E (echo a)"),
        ("COPY <<E /x\na\nE", "COPY <<E /x"),
    ],
)
def test_a_step_is_shown_on_one_line(text: str, shown: str) -> None:
    assert labels(planned(f"FROM base\n{text}"))[-1] == f"[2/2] {shown}"
