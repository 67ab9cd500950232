"""The same Dockerfiles for Docker's BuildKit and for minirun: tree, config, history, layers and failures are the same.

The builds are in tests/build_cases/. Where the two differ, DIFFERENCES says in which lines and why, and
docs/differences.md has the same table for people: a difference that has gone is an error here, too. What Docker 20.10
is too old for is in test_build_fixtures.py.
"""

import contextlib
import io
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.build_cases import copying, failing, metadata, running, stages, variables
from tests.buildkit import Builder, BuildKit, Case, Ours, Outcome, differences
from tests.docker import Docker
from tests.support import CHECKOUT, Minirun

THAT_WORK: dict[str, Case] = {
    **metadata.CASES,
    **variables.CASES,
    **copying.CASES,
    **running.CASES,
    **stages.CASES,
}
CASES = {**THAT_WORK, **failing.CASES}

LATER = "later BuildKits do as minirun"

# name -> what each line that differs looks like, and why
DIFFERENCES: dict[str, tuple[str, str]] = {
    "WORKDIR with a slash at its end": ("config WorkingDir|history: .*WORKDIR", LATER),
    "ARG that is declared twice": (r"history: .*\|2 A=2 A=2", LATER),
    "ARG of the stage before": (r"history: .*RUN \|1 A=1", LATER),
    "ARG that names one of its own line": ("config Env: .*'C=b'|history: .*(B=b|C=b)", LATER),
    "a file into a directory called dot": ("'d(/f)?'", LATER),
    "devices of a stage": ("'d/[bc]'", LATER),
    "an ignore file with exceptions by wildcards": ("'x/p(/.*)?': only in the second", LATER),
    "mode with special bits": ("'[fg]': mode", LATER),
    "ADD of an archive with an owner": ("'owned/in': owner 3:4 and 9:9", LATER),
    "mount: a place that was not there": ("'(m|m/n|t)': only in the first", LATER),
    "a tar on standard input and -f": (
        "'x/no': only in the first",
        "Docker's own documentation says that contexts of every kind obey it",
    ),
    "groups of RUN": (
        "'tmp/groups'",
        "CVE-2022-36109: who is in no supplementary group can get past what is forbidden to the group; so in `run`",
    ),
    "several sources over one file": (
        "exit code 0 and 1",
        "the Dockerfile reference wants a directory there, and all but the last would be lost",
    ),
    "capabilities of a file": (
        "'(f|added)': xattrs",
        "Docker loses them on the way from the client to the daemon; what COPY --from copies keeps them in both",
    ),
    "owner that is not there": (
        "exit code 0 and 1",
        "the Dockerfile reference says that it fails; root's is not what was asked for",
    ),
}

Outcomes = dict[str, Outcome]


def build_all(builder: Builder, names: list[str]) -> Outcomes:
    """All of them, several at a time: one after the other takes Docker three times as long."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), ThreadPoolExecutor(4) as pool:
        return dict(zip(names, pool.map(lambda name: builder.build(name, CASES[name]), names), strict=True))


@pytest.fixture(scope="session")
def selected(request: pytest.FixtureRequest) -> list[str]:
    """The cases that this run of pytest asks for."""
    calls = [
        item.callspec
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
    ]
    wanted = {call.params.get("case") for call in calls}
    return [name for name in CASES if name in wanted]


@pytest.fixture(scope="session")
def by_docker(
    docker: Docker, busybox_for_docker: Path, tmp_path_factory: pytest.TempPathFactory, selected: list[str]
) -> Outcomes:
    docker("load", "-i", busybox_for_docker)
    return build_all(BuildKit(tmp_path_factory.mktemp("by-docker"), docker), selected)


@pytest.fixture(scope="session")
def by_minirun(busybox_tar: Path, tmp_path_factory: pytest.TempPathFactory, selected: list[str]) -> Outcomes:
    base = tmp_path_factory.mktemp("by-minirun")
    minirun = Minirun(root=base / "root", state=base / "state")
    minirun("load", "-i", busybox_tar, check=True)
    return build_all(Ours(base, minirun), selected)


@pytest.mark.parametrize("case", THAT_WORK)
def test_minirun_builds_what_buildkit_builds(by_docker: Outcomes, by_minirun: Outcomes, case: str) -> None:
    assert by_docker[case].code == 0, by_docker[case].said
    lines = differences(by_docker[case], by_minirun[case])
    if case in DIFFERENCES:
        assert lines, "they agree by now: take it out of DIFFERENCES and docs/differences.md"
        pattern, _ = DIFFERENCES[case]
        lines = [line for line in lines if not re.match(pattern, line)]
    assert lines == []


@pytest.mark.parametrize("case", failing.CASES)
def test_minirun_refuses_what_buildkit_refuses(by_docker: Outcomes, by_minirun: Outcomes, case: str) -> None:
    wanted = failing.CASES[case]
    assert by_docker[case].code == by_minirun[case].code == 1
    assert wanted.fails.lower() in by_docker[case].said.lower()
    assert (wanted.ours or wanted.fails).lower() in by_minirun[case].said.lower()
    assert "Traceback" not in by_minirun[case].said


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_difference_is_told_in_the_documentation(name: str) -> None:
    page = (CHECKOUT / "docs" / "differences.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith(f"| {name} |")]
    assert len(rows) == 1
    assert rows[0].endswith(f"| {DIFFERENCES[name][1]} |")
