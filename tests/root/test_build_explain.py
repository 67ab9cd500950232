"""`build --explain-cache`: why a step was done, to the file and the line; and what would keep it from being done."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import Minirun

DOCKERFILE = """FROM busybox AS tools
RUN echo tool > /tool
FROM busybox
ARG VERSION=1
COPY . /app
RUN : pip install -r requirements.txt
RUN echo $VERSION
COPY --from=tools /tool /tool
"""

Explain = Callable[..., list[str]]


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / ".dockerignore").write_text("Dockerfile\n.dockerignore\n")
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "src/main.py").write_text("".join(f"line {number}\n" for number in range(100)))
    (tmp_path / "requirements.txt").write_text("flask\n")
    return tmp_path


@pytest.fixture
def explain(minirun: Minirun, context: Path) -> Iterator[Explain]:
    """explain() builds and returns what is said of it."""

    def explain(*words: str) -> list[str]:
        flags = ("--network", "none", "--progress", "none", "--explain-cache")
        told = minirun("build", *flags, *words, context, check=True).stderr.splitlines()
        return [line for line in told if line]

    yield explain
    minirun("builder", "prune", "-af")


def of(told: list[str], step: str) -> str:
    """The line about one step."""
    return next(line for line in told if step in line and not line.startswith("hint"))


def hints(told: list[str]) -> list[str]:
    return [line for line in told if line.startswith("hint")]


def test_the_first_build_finds_nothing_and_the_second_all(explain: Explain) -> None:
    assert all(line.startswith("MISS") and line.endswith(": never built before") for line in explain())
    assert all(line.startswith("HIT") for line in explain())


def test_a_changed_file_is_named_with_the_number_of_its_lines(explain: Explain, context: Path) -> None:
    explain()
    source = context / "src/main.py"
    source.write_text(source.read_text().replace("line 5\n", "five\n").replace("line 60\n", ""))
    (context / "src/new.py").write_text("")
    told = explain()
    assert of(told, "COPY . /app").endswith(": src/main.py changed (content, 2 lines), src/new.py is new")
    assert of(told, "pip install").endswith(": follows a step that ran again")
    assert of(told, "RUN echo tool").startswith("HIT")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda context: (context / "src/main.py").chmod(0o600), "src/main.py changed (mode 644, now 600)"),
        (lambda context: (context / "src/main.py").unlink(), "src/main.py is gone"),
        (lambda context: (context / "src/new").symlink_to("x"), "src/new is new"),
    ],
)
def test_what_about_a_file_has_changed(
    explain: Explain, context: Path, change: Callable[[Path], None], reason: str
) -> None:
    explain()
    change(context)
    assert of(explain(), "COPY . /app").endswith(f": {reason}")


def test_an_argument_is_told_with_both_values(explain: Explain) -> None:
    explain()
    told = explain("--build-arg", "VERSION=2")
    assert of(told, "RUN echo $VERSION").endswith(": ARG VERSION: was 1, is 2")
    assert of(told, "COPY . /app").startswith("HIT")


def test_another_command_is_told(explain: Explain, context: Path) -> None:
    explain()
    (context / "Dockerfile").write_text(DOCKERFILE.replace("echo tool", "echo tools"))
    told = explain()
    assert ": the command is another one, before it was /bin/sh -c echo tool" in of(told, "RUN echo tools")
    assert ": what it reads of another stage" in of(told, "COPY --from")


def test_a_step_that_stands_first_now_is_not_on_another_base(explain: Explain, context: Path) -> None:
    two = "FROM busybox\nCOPY requirements.txt /r\nCOPY src /s\n"
    (context / "Dockerfile").write_text(two)
    explain()
    lines = two.splitlines()
    (context / "Dockerfile").write_text("\n".join([lines[0], lines[2], lines[1]]))
    assert of(explain(), "COPY src /s").endswith(": follows another step than before")


def test_what_is_read_from_a_stage_that_was_pruned_is_the_same(explain: Explain, minirun: Minirun) -> None:
    explain()
    minirun("builder", "prune", "-af", check=True)
    assert of(explain(), "COPY --from").endswith(": its result was not in the cache any more")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("ARG VERSION=1\n", "", ": ARG VERSION: was 1, is not set"),
        ("RUN echo $VERSION", "RUN echo  $VERSION", ": the command differs in its blanks"),
    ],
)
def test_what_about_the_file_has_changed(
    explain: Explain, context: Path, old: str, new: str, reason: str
) -> None:
    explain()
    (context / "Dockerfile").write_text(DOCKERFILE.replace(old, new))
    assert reason in of(explain(), "RUN echo $VERSION")


def test_another_host_is_told_as_it_is_given(explain: Explain) -> None:
    explain()
    assert "--add-host: was none, is foo:1.2.3.4" in of(explain("--add-host", "foo:1.2.3.4"), "RUN echo tool")


def test_a_stage_that_is_left_out_of_the_cache_says_by_what(explain: Explain) -> None:
    explain()
    assert of(explain("--no-cache-filter", "tools"), "RUN echo tool").endswith(": --no-cache-filter")


def test_no_cache_is_a_reason(explain: Explain) -> None:
    explain()
    assert all(line.endswith(": --no-cache") for line in explain("--no-cache") if line.startswith("MISS"))


def test_what_was_pruned_is_said_to_be_gone(explain: Explain, minirun: Minirun) -> None:
    explain()
    minirun("builder", "prune", "-af", check=True)
    assert of(explain(), "COPY . /app").endswith(": its result was not in the cache any more")


def test_an_order_that_would_keep_an_installation_is_hinted_at(explain: Explain, context: Path) -> None:
    explain()
    (context / "src/main.py").write_text("")
    [hint] = hints(explain())
    assert hint == (
        "hint: 'RUN : pip install -r requirements.txt' would have been kept with 'COPY requirements.txt .' "
        "before it and 'COPY . /app' behind it"
    )


def test_a_file_that_is_another_one_each_time_is_hinted_at(explain: Explain, context: Path) -> None:
    told: list[str] = []
    for number in range(5):
        (context / "build.log").write_text(f"{number}\n")
        told = hints(explain())
    assert any(line.startswith("hint: build.log was another one in each of the last ") for line in told)


def test_what_an_ignore_file_could_leave_out_is_hinted_at(explain: Explain, context: Path) -> None:
    (context / ".git").mkdir()
    (context / ".git/index").write_text("x" * 5000)
    expected = "hint: 'COPY . /app' brings in .git (5000 bytes): .dockerignore could leave it out"
    assert hints(explain()) == [expected]


def test_a_dockerfile_that_copies_itself_is_hinted_at(explain: Explain, context: Path) -> None:
    (context / ".dockerignore").unlink()
    explain()
    (context / "Dockerfile").write_text(f"{DOCKERFILE}\n# a comment")
    assert "hint: 'COPY . /app' copies Dockerfile, too: .dockerignore could leave it out" in explain()


def test_a_build_that_fails_says_why_it_ran_its_steps(minirun: Minirun, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nCOPY src /s\nRUN false\nRUN true\n")
    failed = minirun("build", "--network", "none", "--progress", "none", "--explain-cache", context)
    told = [line for line in failed.stderr.splitlines() if line.startswith("MISS")]
    assert failed.code == 1
    assert told == [
        "MISS  [2/4] COPY src /s: never built before",
        "MISS  [3/4] RUN false: never built before",
    ]
    minirun("builder", "prune", "-af")
