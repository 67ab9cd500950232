"""The guide's two Dockerfiles, character for character, with the guide's commands: built, pushed, run, built again.

The images they begin with are the stand-ins of scripts/rootfs; pip takes its package from the real PyPI.
"""

import re
import shutil
from pathlib import Path

import pytest

from tests import registries, trees
from tests.containers import eventually
from tests.support import CHECKOUT, run

GUIDE = CHECKOUT / "tests" / "guide"
TITLE = re.compile(r"(#\d+) \[[^]]*\d/\d+\] (.*)")  # #7 [builder 2/4] WORKDIR /src
END = re.compile(r"(#\d+) (CACHED|DONE)")
PATIENCE = 300  # seconds: packages come over the network, and a Go compiler compiles its library first


class Project:
    """A directory with a Dockerfile, and how `minirun build` did its steps."""

    def __init__(self, minirun, directory: Path) -> None:
        self.minirun, self.directory = minirun, directory

    def build(self, name: str) -> dict[str, str]:
        """{`COPY . .`: `CACHED` or `DONE`} of what is seen in the progress that people see."""
        words = ["build", "--progress", "plain", "-t", name, self.directory]
        shown = self.minirun(*words, timeout=PATIENCE, check=True).stderr.splitlines()
        titles = dict(found.groups() for line in shown if (found := TITLE.match(line)))
        ends = dict(found.groups() for line in shown if (found := END.match(line)))
        return {title: ends[number] for number, title in titles.items()}

    def write(self, name: str, content: str) -> None:
        (self.directory / name).write_text(content)


@pytest.fixture
def python(minirun, stand_ins, tmp_path):
    stand_ins("python")
    return Project(minirun, shutil.copytree(GUIDE / "python", tmp_path / "python"))


@pytest.fixture
def go(minirun, stand_ins, tmp_path):
    stand_ins("golang"), stand_ins("distroless")
    return Project(minirun, shutil.copytree(GUIDE / "go", tmp_path / "go"))


def curl(path: str, port: int = 8000) -> str:
    return run("curl", "-s", f"http://127.0.0.1:{port}{path}").stdout


# ---- the first Dockerfile: an interpreter -----------------------------------------------------------------


def test_the_application_is_built_and_answers(minirun, python):
    python.build("myapp:1.0.0")
    words = [
        "-d",
        "--name",
        "myapp",
        "-p",
        "8000:8000",
        "-e",
        "DATABASE_URL=postgres://user:pass@db:5432/mydb",
    ]
    minirun("run", *words, "myapp:1.0.0", check=True)
    assert eventually(lambda: curl("/")).startswith("hello from appuser, no database: ")
    assert curl("/health") == "ok\n"
    assert minirun("exec", "myapp", "/bin/bash", "-c", "id -un; pwd").stdout == "appuser\n/app\n"
    assert '"GET /health HTTP/1.1" 200' in minirun("logs", "myapp").stderr
    minirun("stop", "myapp", check=True)
    assert minirun("inspect", "-f", "{{.State.ExitCode}}", "myapp").stdout == "0\n"


def test_it_is_tagged_pushed_and_pulled_again(minirun, python, tmp_path):
    python.build("myapp:1.0.0")
    with registries.serving(tmp_path / "registry") as registry:
        name = f"{registry.host}/myorg/myapp:1.0.0"
        minirun("tag", "myapp:1.0.0", name, check=True)
        minirun("push", name, check=True)
        built = minirun("image", "inspect", "-f", "{{.Id}}", "myapp:1.0.0").stdout
        minirun("rmi", name, "myapp:1.0.0", check=True)
        minirun("pull", name, check=True)
        assert minirun("image", "inspect", "-f", "{{.Id}}", name).stdout == built


def test_each_change_makes_the_lines_after_it_run_again_and_no_others(minirun, python):
    minirun("builder", "prune", "--all", "--force", check=True)  # other tests have built the same
    lines = ["COPY requirements.txt .", "RUN pip install --no-cache-dir -r requirements.txt"]
    lines += ["COPY . .", "RUN adduser --disabled-password appuser"]

    def build(tag):
        steps = python.build(f"myapp:{tag}")
        return [steps[line] for line in lines]

    assert build("1.0.0") == ["DONE"] * 4
    assert build("1.0.0") == ["CACHED"] * 4
    python.write("main.py", (python.directory / "main.py").read_text().replace('"hello"', '"good day"'))
    assert build("1.0.1") == ["CACHED", "CACHED", "DONE", "DONE"]
    python.write("requirements.txt", "bottle~=0.12.0\n")
    assert build("1.0.2") == ["DONE"] * 4


def test_its_config_is_what_the_dockerfile_says(minirun, python):
    python.build("myapp:1.0.0")
    form = "{{.Config.User}} {{.Config.WorkingDir}} {{json .Config.Cmd}} {{json .Config.ExposedPorts}}"
    shown = minirun("image", "inspect", "-f", form, "myapp:1.0.0").stdout
    assert shown == 'appuser /app ["python","main.py"] {"8000/tcp":{}}\n'


# ---- the second: a compiler, and a result without it ------------------------------------------------------


def test_the_result_of_two_stages_is_one_program_on_distroless(minirun, go, stand_ins):
    go.build("server:1.0.0")

    def layers(name):
        form = "{{range .RootFS.Layers}}{{.}} {{end}}"
        return minirun("image", "inspect", "-f", form, name, check=True).stdout.split()

    *below, last = layers("server:1.0.0")
    assert below == layers(stand_ins("distroless"))
    tree = trees.of(minirun.root / "layers" / last.removeprefix("sha256:"))
    assert set(tree) == {"", "app"}
    assert minirun("run", "--rm", "--network", "none", "--entrypoint", "/bin/sh", "server:1.0.0").code == 127


def test_the_program_runs_as_nonroot_and_answers(minirun, go):
    go.build("server:1.0.0")
    minirun("run", "-d", "--name", "server", "-p", "8081:8080", "server:1.0.0", check=True)
    assert eventually(lambda: curl("/", 8081)) == "hello from uid 65532\n"


def test_a_changed_program_is_compiled_again(go):
    go.build("server:1.0.0")
    assert set(go.build("server:1.0.0").values()) == {"CACHED"}
    main = go.directory / "cmd/server/main.go"
    main.write_text(main.read_text().replace("hello", "good day"))
    steps = go.build("server:1.0.1")
    assert steps["WORKDIR /src"] == "CACHED"
    assert steps["RUN go build -o /app ./cmd/server"] == "DONE"
    assert steps["COPY --from=builder /app /app"] == "DONE"
