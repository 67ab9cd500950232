"""A day's work with containers: a database, a web server, crowds of containers, crowds of commands."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.containers import eventually, http_get, process_status

PATIENCE = 300  # seconds: packages come from wherever this machine's apt takes them
PACKAGES = "postgresql nginx-light"

# The server is PID 1 and belongs to postgres; its data is on /data, made when there is none yet.
POSTGRES = """
    cd /usr/lib/postgresql/*/bin
    chown postgres /data
    [ -s /data/PG_VERSION ] || su postgres -c "$PWD/initdb -D /data -A trust"
    exec setpriv --reuid=postgres --regid=postgres --init-groups ./postgres -D /data -k /tmp
"""
HEALTH = ("--health-cmd", "pg_isready -h /tmp", "--health-interval", "1s", "--health-start-period", "30s")


def at_once(acts: list[Callable[[], object]]) -> None:
    """Each in a thread of its own; comes back when all are done."""
    threads = [threading.Thread(target=act) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# ---- a database and a web server


@pytest.fixture(scope="module")
def services(minirun_session, debian):
    """Debian with PostgreSQL and nginx, made as people do: install, commit."""
    script = f"""set -e
        apt-get update
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {PACKAGES}
        rm -rf /var/lib/apt/lists/*"""
    minirun_session("run", "--name", "making", debian, "sh", "-c", script, timeout=PATIENCE, check=True)
    minirun_session("commit", "making", "services", check=True)
    minirun_session("rm", "making", check=True)
    yield "services"
    minirun_session("rmi", "-f", "services", check=True)


@pytest.fixture
def database(minirun, start, services):
    """A PostgreSQL that answers, its data on the volume `rows`."""
    words = ("--name", "db", *HEALTH, "--stop-signal", "SIGINT", "-v", "rows:/data", services)
    container = start(*words, "sh", "-c", POSTGRES)
    eventually(lambda: container.inspect("{{.State.Health.Status}}") == "healthy", 60)
    yield container
    minirun("rm", "-f", "db", check=True)
    minirun("volume", "rm", "rows", check=True)


def sql(minirun, words):
    return minirun("exec", "db", "psql", "-h", "/tmp", "-U", "postgres", "-Atc", words, check=True).stdout


def started_again(minirun):
    minirun("start", "db", check=True)
    ready = ("exec", "db", "pg_isready", "-q", "-h", "/tmp")
    eventually(lambda: minirun(*ready).code == 0, 30)


def test_a_database_has_its_rows_after_a_stop_and_a_start(minirun, database):
    sql(minirun, "create table t (n int); insert into t select generate_series(1, 1000)")
    minirun("stop", "db", check=True)
    assert database.inspect("{{.State.Status}} {{.State.ExitCode}}") == "exited 0"
    started_again(minirun)
    assert sql(minirun, "select count(*), sum(n) from t") == "1000|500500\n"


def test_a_database_whose_shim_is_killed_has_every_row_it_committed(minirun, database, tmp_path):
    sql(minirun, "create table t (n int)")
    told = tmp_path / "told"
    insert = 'for n in $(seq 1 100000); do psql -qh /tmp -U postgres -c "insert into t values ($n)" && echo $n; done'
    with open(told, "wb") as output:
        writer = minirun.spawn("exec", "db", "sh", "-c", insert, stdout=output, stderr=subprocess.DEVNULL)
    eventually(lambda: len(told.read_text().splitlines()) > 20, 30)
    os.kill(int(database.status("PPid")), signal.SIGKILL)
    writer.wait(30)
    how = "{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}"
    assert database.inspect(how) == "exited 137 shim lost"
    committed = int(told.read_text().splitlines()[-1])
    started_again(minirun)
    count, highest = sql(minirun, "select count(*), max(n) from t").strip().split("|")
    assert int(count) == int(highest) >= committed


def test_a_web_server_shows_what_is_put_into_its_bind_mount(minirun, start, services, tmp_path):
    tmp_path.chmod(0o755)  # nginx reads it as www-data
    (tmp_path / "index.html").write_text("first\n")
    words = ("--name", "web", "-v", f"{tmp_path}:/var/www/html:ro", services, "nginx", "-g", "daemon off;")
    container = start(*words, network="bridge")
    address = container.inspect("{{.NetworkSettings.IPAddress}}")
    eventually(lambda: http_get(address).endswith("first\n"))
    minirun("stop", "web", check=True)
    (tmp_path / "index.html").write_text("second\n")
    minirun("start", "web", check=True)
    address = container.inspect("{{.NetworkSettings.IPAddress}}")
    eventually(lambda: http_get(address).endswith("second\n"))


# ---- crowds of containers


def listed(minirun, template):
    return minirun("ps", "--no-trunc", "--format", template, check=True).stdout.splitlines()


def removed(minirun):
    """Removes all there are, without a word; returns those that are left."""
    ids = minirun("ps", "-a", "-q", "--no-trunc", check=True).stdout.split()
    assert minirun("rm", "-f", *ids, timeout=300).stderr == ""
    return minirun("ps", "-a", "-q", check=True).stdout


def test_two_hundred_containers_one_after_another(minirun):
    made = [
        minirun("run", "-d", "--network", "none", "busybox", "sleep", "1000", check=True).stdout.strip()
        for _ in range(200)
    ]
    assert sorted(listed(minirun, "{{.ID}}")) == sorted(made)
    assert len(set(listed(minirun, "{{.Names}}"))) == 200
    assert all(status.startswith("Up ") for status in listed(minirun, "{{.Status}}"))
    assert removed(minirun) == ""


def test_fifty_containers_at_once_have_addresses_of_their_own(minirun):
    words = minirun.command("run", "-d", "busybox", "sleep", "1000")
    started = [subprocess.Popen(words, stdout=subprocess.PIPE) for _ in range(50)]
    ids = [process.communicate(timeout=120)[0].decode().strip() for process in started]
    assert [process.returncode for process in started] == [0] * 50
    assert sorted(listed(minirun, "{{.ID}}")) == sorted(ids)
    template = "{{.State.Status}} {{.Name}} {{.NetworkSettings.IPAddress}}"
    seen = [line.split() for line in minirun("inspect", "-f", template, *ids, check=True).stdout.splitlines()]
    assert {status for status, _, _ in seen} == {"running"}
    assert len({name for _, name, _ in seen}) == len({address for _, _, address in seen}) == 50
    assert removed(minirun) == ""


# ---- crowds of commands


def outcomes(minirun, *words):
    """What twenty of the same command at the same time print as errors, and how they end."""
    command = minirun.command(*words)
    running = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(20)
    ]
    errors = [process.communicate(timeout=60)[1].decode() for process in running]
    return [(process.returncode, error) for process, error in zip(running, errors, strict=True)]


def test_twenty_starts_of_one_container_start_it_once(minirun):
    minirun("create", "--name", "one", "--network", "none", "busybox", "sleep", "1000", check=True)
    ended = outcomes(minirun, "start", "one")
    assert any(code == 0 for code, _ in ended)
    assert {error for code, error in ended if code} <= {"minirun: container one is already running\n"}
    assert len(listed(minirun, "{{.ID}}")) == 1


def test_twenty_stops_of_one_container_end_it_once(minirun, start):
    start("--name", "one", "busybox", "sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.1; done")
    assert {code for code, _ in outcomes(minirun, "stop", "one")} == {0}
    assert minirun("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "one").stdout == "exited 3\n"
    minirun("start", "one", check=True)


def test_twenty_removals_of_one_container_remove_it_once(minirun, start):
    start("--name", "one", "busybox", "sleep", "1000")
    ended = outcomes(minirun, "rm", "-f", "one")
    assert {code for code, _ in ended} <= {0, 1}
    assert all("No such container" in error for code, error in ended if code)
    assert minirun("ps", "-a", "-q").stdout == ""


def test_starts_stops_and_removals_of_one_container_at_the_same_time(minirun):
    """Whatever comes of it: each command ends soon and says one sentence, and afterwards nothing is locked."""
    words = ("--name", "one", "--network", "none", "--stop-timeout", "1", "busybox", "sleep", "1000")
    minirun("create", *words, check=True)
    commands = [("start", "one"), ("stop", "one"), ("rm", "-f", "one")]
    running = [
        minirun.spawn(*commands[number % 3], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for number in range(20)
    ]
    for process in running:
        assert b"Traceback" not in process.communicate(timeout=60)[1]
    assert {process.returncode for process in running} <= {0, 1, 125}
    minirun("rm", "-f", "one")
    minirun("create", *words, check=True)
    minirun("start", "one", check=True)
    assert len(listed(minirun, "{{.ID}}")) == 1


def footprint(shim: str) -> tuple[int, int, int]:
    """What a shim has: descriptors, children, kilobytes of memory."""
    children = Path(f"/proc/{shim}/task/{shim}/children").read_text().split()
    memory = int(process_status(shim, "VmRSS").split()[0])
    return len(os.listdir(f"/proc/{shim}/fd")), len(children), memory


def test_a_thousand_execs_leave_nothing_in_the_shim(minirun, start):
    container = start("--name", "busy", "busybox", "sleep", "1000")
    shim = container.status("PPid")
    command = minirun.command("exec", "busy", "true")

    def run(count: int) -> None:
        for _ in range(count):
            subprocess.run(command, check=True)

    at_once([lambda: run(20)] * 3)  # what is loaded and kept once, is
    before = footprint(shim)
    at_once([lambda: run(334)] * 3)
    eventually(lambda: footprint(shim)[:2] == before[:2])
    assert footprint(shim)[2] - before[2] < 1024
    assert minirun("top", "busy").stdout.count("\n") == 2
