"""The guide's commands, character for character, in a shell where `docker` is minirun.

What they build and run is the application of tests/guide/python; the images it begins with are the stand-ins of
scripts/rootfs.  Where the guide pushes to ghcr.io, a registry on loopback has to do.  Its other Dockerfile, and what a
second build does anew, are in test_build_guide.py.
"""

import json
import shutil
import signal
from pathlib import Path

import pytest

from tests import registries
from tests.containers import eventually
from tests.shell import Shell
from tests.support import CHECKOUT, run
from tests.terminals import Terminal

GUIDE = CHECKOUT / "tests" / "guide"
PATIENCE = 300  # seconds: packages come over the network
DATABASE = "-e POSTGRES_USER=user -e POSTGRES_PASSWORD=pass -e POSTGRES_DB=mydb"
URL = "postgres://user:pass@db:5432/mydb"


@pytest.fixture(scope="module")
def project(minirun_session, stand_ins, tmp_path_factory):
    """A shell in the application's directory, with its image built as the guide says."""
    stand_ins("python"), stand_ins("postgres")
    base = tmp_path_factory.mktemp("guide")
    shell = Shell(minirun_session, shutil.copytree(GUIDE / "python", base / "myapp"), base / "bin")
    shell("docker build -t myapp:1.0.0 .", timeout=PATIENCE)
    return shell


@pytest.fixture
def shell(project, minirun):
    """The same; containers, networks and volumes of a test go after it."""
    yield project
    project.end()
    minirun.remove_all()
    minirun("network", "prune", "-f", check=True)
    minirun("volume", "prune", "-f", "--all", check=True)


def curl(path: str = "/") -> str:
    return run("curl", "-s", f"http://localhost:8000{path}").stdout


def ready(shell: Shell, name: str) -> None:
    """The database in that container takes connections over the network."""
    eventually(
        lambda: shell(f"docker exec {name} pg_isready -h 127.0.0.1 -U user", check=False).code == 0, 60
    )


# ---- one container ----------------------------------------------------------------------------------------


def test_tag_and_push(shell, tmp_path):
    with registries.serving(tmp_path / "registry") as registry:
        name = f"{registry.host}/myorg/myapp:1.0.0"
        shell(f"docker tag myapp:1.0.0 {name}")
        shell(f"docker push {name}")
        assert registry.inspect("myorg/myapp:1.0.0")["Name"] == f"{registry.host}/myorg/myapp"


def test_run_in_the_foreground(shell):
    client = shell.spawn("docker run --rm -p 8000:8000 myapp:1.0.0")
    assert eventually(curl) == "hello from appuser, no database\n"
    client.send_signal(signal.SIGINT)
    assert client.wait(10) == 0  # that of the application, which ends in order
    assert shell("docker ps -aq").stdout == ""


RUN = """docker run -d \\
  --name myapp \\
  -p 8000:8000 \\
  -e DATABASE_URL=postgres://user:pass@db:5432/mydb \\
  myapp:1.0.0"""


def test_run_in_the_background_and_look_at_it(shell, tmp_path):
    shell(RUN)
    with open(tmp_path / "log", "w+b") as log:
        follower = shell.spawn("docker logs -f myapp", stdout=log, stderr=log)
        assert eventually(lambda: curl("/health")) == "ok\n"
        eventually(lambda: b'"GET /health HTTP/1.1" 200' in Path(log.name).read_bytes())
        with Terminal(shell.command("exec docker exec -it myapp /bin/bash")) as terminal:
            terminal.expect("appuser@")
            terminal.press("echo $DATABASE_URL from $PWD; exit\r")
            terminal.expect("exit\r\n")  # the terminal's echo
            code, rest = terminal.wait()
        assert (code, rest.endswith(f"{URL} from /app\r\nexit\r\n")) == (0, True)
        shell("docker stop myapp && docker rm myapp")
        assert follower.wait(10) == 0
    assert shell("docker ps -aq").stdout == ""


# ---- volumes and networks ---------------------------------------------------------------------------------


def test_a_volume_outlives_its_container(shell):
    volume = "-v db_data:/var/lib/postgresql/data"
    shell(f"docker run -d --name first {volume} {DATABASE} postgres:16")
    ready(shell, "first")
    shell("docker exec first psql -U user -d mydb -c 'CREATE TABLE kept AS SELECT 42 AS row'")
    shell("docker stop first && docker rm first")

    client = shell.spawn("docker run -v db_data:/var/lib/postgresql/data postgres:16")
    name = eventually(lambda: shell("docker ps -q").stdout.strip())
    ready(shell, name)
    query = f"docker exec {name} psql -tA -U user -d mydb -c 'SELECT row FROM kept'"
    assert shell(query).stdout == "42\n"
    shell(f"docker stop {name}")
    assert client.wait(10) == 0


def test_a_directory_is_shared_with_the_container(shell):
    source = shell.directory / "src"
    source.mkdir()
    (source / "page.txt").write_text("first\n")
    line = "docker run -v $(pwd)/src:/app/src myapp:1.0.0"
    assert shell(f"{line} cat src/page.txt").stdout == "first\n"
    (source / "page.txt").write_text("second\n")
    assert shell(f"{line} cat src/page.txt").stdout == "second\n"


def test_an_application_reaches_its_database_by_name(shell):
    shell("docker network create mynet")
    shell(f"docker run -d {DATABASE} --network mynet --name db postgres:16")
    ready(shell, "db")
    shell(f"docker run -d -e DATABASE_URL={URL} --network mynet --name app myapp:1.0.0")
    ask = "import urllib.request as r; print(r.urlopen('http://app:8000').read().decode(), end='')"
    look = f'docker exec app python -c "{ask}"'
    eventually(lambda: shell(look, check=False).code == 0)
    assert shell(look).stdout == "hello from appuser, visit 2\n"


# ---- healthy, and safe ------------------------------------------------------------------------------------

# curl(1) is not in the slim image, there as here
HEALTHCHECK = """FROM myapp:1.0.0
USER root
RUN apt-get update && apt-get install -y --no-install-recommends curl && rm -rf /var/lib/apt/lists/*
USER appuser
HEALTHCHECK --interval=30s --timeout=10s --retries=3 \\
  CMD curl -f http://localhost:8000/health || exit 1
"""


def test_healthcheck(shell):
    shell("docker build -t healthy -", input=HEALTHCHECK, timeout=PATIENCE)
    shell("docker run -d --name healthy --health-interval 0.5s healthy")
    status = "docker inspect -f '{{.State.Health.Status}}' healthy"
    assert eventually(lambda: shell(status).stdout.replace("starting\n", ""), 30) == "healthy\n"
    written = json.loads(shell("docker image inspect -f '{{json .Config.Healthcheck}}' healthy").stdout)
    assert (written["Interval"], written["Timeout"], written["Retries"]) == (30 * 10**9, 10 * 10**9, 3)


def test_read_only(shell):
    shell("docker run -d --name myapp -p 8000:8000 --read-only myapp:1.0.0")
    assert eventually(curl) == "hello from appuser, no database\n"
    refused = shell("docker exec -u root myapp touch /app/new", check=False)
    assert "Read-only file system" in refused.stderr


def status(shell: Shell, field: str) -> str:
    pid = shell("docker inspect -f '{{.State.Pid}}' myapp").stdout.strip()
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{field}:"))


def test_one_capability(shell):
    shell("docker run -d --name myapp -p 8000:8000 --cap-drop ALL --cap-add NET_BIND_SERVICE myapp:1.0.0")
    assert eventually(curl) == "hello from appuser, no database\n"
    assert int(status(shell, "CapBnd"), 16) == 1 << 10  # CAP_NET_BIND_SERVICE
    assert (status(shell, "CapEff"), status(shell, "Uid")) == ("0" * 16, "1000")


def test_limits(shell):
    shell("docker run -d --name myapp -p 8000:8000 --memory 512m --cpus 1 myapp:1.0.0")
    assert eventually(curl) == "hello from appuser, no database\n"
    form = "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}"
    assert shell(f"docker inspect -f '{form}' myapp").stdout == f"{512 << 20} {10**9}\n"
    *_, limit = shell("docker stats --no-stream --format '{{.MemUsage}}' myapp").stdout.split()
    assert limit == "512MiB"


# ---- compose ----------------------------------------------------------------------------------------------


@pytest.fixture
def compose(shell):
    """The shell in the directory with the guide's docker-compose.yml; what compose has made goes after the test."""
    yield shell
    shell("docker compose down -v")


def up(shell: Shell) -> str:
    shell("docker compose up -d", timeout=PATIENCE)
    return eventually(curl)


def test_compose_keeps_the_rows_until_down_with_volumes(compose, minirun):
    assert up(compose) == "hello from appuser, visit 1\n"
    assert curl() == "hello from appuser, visit 2\n"
    compose("docker compose down")
    assert minirun("ps", "-aq").stdout == ""
    assert minirun("network", "ls", "-q", "--filter", "name=myapp").stdout == ""
    assert up(compose) == "hello from appuser, visit 3\n"
    compose("docker compose down -v")
    assert minirun("volume", "ls", "-q").stdout == ""
    assert up(compose) == "hello from appuser, visit 1\n"


def test_compose_starts_the_application_when_its_database_is_healthy(compose, minirun):
    up(compose)
    form = "{{.State.StartedAt}} {{with .State.Health}}{{.Status}} {{(index .Log 0).End}}{{end}}"
    database = minirun("inspect", "-f", form, "myapp-db-1", check=True).stdout.split()
    application = minirun("inspect", "-f", "{{.State.StartedAt}}", "myapp-web-1", check=True).stdout.strip()
    assert database[1] == "healthy"
    assert database[0] < database[2] < application


def test_compose_follows_the_logs_of_both(compose, tmp_path):
    up(compose)
    with open(tmp_path / "log", "w+b") as log:
        follower = compose.spawn("docker compose logs -f", stdout=log)
        assert curl("/health") == "ok\n"
        eventually(lambda: b'"GET /health HTTP/1.1" 200' in Path(log.name).read_bytes())
        lines = Path(log.name).read_text().splitlines()
        assert {line.partition("|")[0] for line in lines} == {"db-1   ", "web-1  "}
        follower.send_signal(signal.SIGINT)
        assert follower.wait(10) == 130
