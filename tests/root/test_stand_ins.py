"""The images that scripts/rootfs makes for the guide do what Dockerfiles expect of those whose names they have."""

import json
import os

import pytest

from tests import trees
from tests.containers import eventually


@pytest.fixture
def inside(minirun, stand_ins):
    """inside("python", "pip", "--version") -> Result of the command in that image, without a network."""

    def inside(recipe, *command, options=()):
        words = ["run", "--rm", "--network", "none", *options, stand_ins(recipe), *command]
        return minirun(*words, timeout=300)

    return inside


@pytest.mark.parametrize(
    ("recipe", "name"),
    [
        ("python", "python:3.11-slim"),
        ("golang", "golang:1.22"),
        ("distroless", "gcr.io/distroless/static:nonroot"),
        ("postgres", "postgres:16"),
        ("postgres", "postgres:16-alpine"),
    ],
)
def test_each_has_the_guides_name_and_says_that_it_is_a_stand_in(minirun, stand_ins, recipe, name):
    stand_ins(recipe)
    labels = minirun("image", "inspect", "-f", "{{json .Config.Labels}}", name, check=True).stdout
    assert json.loads(labels)["io.minirun.stand-in"].startswith("a stand-in made by minirun: ")
    assert "a stand-in made by minirun: " in minirun("history", "--no-trunc", name, check=True).stdout


def test_they_stand_on_one_base(minirun, stand_ins):
    names = [stand_ins(recipe) for recipe in ("python", "golang", "postgres")]
    lowest = minirun("image", "inspect", "-f", "{{index .RootFS.Layers 0}}", *names, check=True)
    assert len(set(lowest.stdout.split())) == 1


def test_python_pip_and_venv_are_where_a_dockerfile_looks(inside):
    script = """set -e
        python -c 'import ssl, sqlite3, lzma, ctypes, sys; print(sys.version.split()[0])'
        echo $PYTHON_VERSION
        pip --version
        python -m venv --system-site-packages /venv && /venv/bin/python -c 'import pip'
        test -d /usr/local/lib/python3.11/site-packages && id games"""
    result = inside("python", "sh", "-c", script)
    assert result.code == 0
    version, told = result.stdout.split()[:2]
    assert version == told
    assert version.startswith("3.11.")


def test_pip_installs_for_the_system(inside, tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "one"\nversion = "1"\n')
    (tmp_path / "one.py").write_text("print('imported')\n")
    script = "pip install --no-build-isolation --no-index /one && cd / && python -c 'import one'"
    result = inside("python", "sh", "-c", script, options=["-v", f"{tmp_path}:/one"])
    assert result.stdout.endswith("imported\n")


def test_go_is_the_version_that_it_says(minirun, inside, stand_ins):
    version = inside("golang", "go", "version").stdout.split()[2]
    label = '{{index .Config.Labels "io.minirun.stand-in"}}'
    said = minirun("image", "inspect", "-f", label, stand_ins("golang"), check=True).stdout
    assert version.startswith("go1.22.")
    assert f"Go {version.removeprefix('go')} of" in said
    assert inside("golang", "pwd").stdout == "/go\n"


def test_distroless_is_data_only(minirun, stand_ins):
    layer = minirun("image", "inspect", "-f", "{{.GraphDriver.Data.LowerDir}}", stand_ins("distroless"))
    tree = trees.of(layer.stdout.strip())
    programs = [name for name, entry in tree.items() if entry["type"] == "file" and entry["mode"] & 0o111]
    assert [name for name in programs if not name.startswith("etc/update-motd.d/")] == []
    assert {"etc/ssl/certs/ca-certificates.crt", "usr/share/zoneinfo/Europe/Berlin", "tmp"} <= set(tree)


def test_distroless_runs_a_static_program_as_nonroot(inside):
    busybox = ["-v", "/bin/busybox:/busybox"]
    script = "id -u; id -un; pwd; stat -c %U:%a /home/nonroot; test -w /tmp && echo $SSL_CERT_FILE"
    lines = inside("distroless", "/busybox", "sh", "-c", script, options=busybox).stdout.splitlines()
    certificates = "/etc/ssl/certs/ca-certificates.crt"
    assert lines == ["65532", "nonroot", "/home/nonroot", "nonroot:700", certificates]


# ---- the database -----------------------------------------------------------------------------------------


@pytest.fixture
def database(start, stand_ins):
    """database("-e", "POSTGRES_PASSWORD=x") -> a container that takes connections over the network."""

    def database(*options, words=(), network="none"):
        container = start(*options, stand_ins("postgres"), *words, network=network)
        eventually(lambda: container.exec("pg_isready", "-h", "127.0.0.1").code == 0, 60)
        return container

    return database


def query(container, sql, user="postgres", name="postgres"):
    return container.exec("psql", "-tA", "-h", "/var/run/postgresql", "-U", user, "-d", name, "-c", sql)


def test_a_database_is_made_with_user_name_and_password(database):
    settings = {"USER": "user", "PASSWORD": "pass", "DB": "mydb", "INITDB_ARGS": "--data-checksums"}
    container = database(
        *(word for name, value in settings.items() for word in ("-e", f"POSTGRES_{name}={value}")),
        words=["-c", "max_connections=17"],
    )
    asked = "SELECT current_database(), current_user, current_setting('max_connections')"
    assert query(container, asked, "user", "mydb").stdout == "mydb|user|17\n"
    assert query(container, "SHOW data_checksums", "user", "mydb").stdout == "on\n"
    assert container.status("Uid").split()[0] == "999"


@pytest.mark.parametrize(("password", "code"), [("right", 0), ("wrong", 2)])
def test_over_the_network_the_password_counts(database, password, code):
    container = database("-e", "POSTGRES_PASSWORD=right", network="bridge")
    address = container.inspect("{{.NetworkSettings.IPAddress}}")
    url = f"postgres://postgres:{password}@{address}/postgres"
    assert container.exec("psql", url, "-c", "SELECT 1").code == code


def test_scripts_run_once_in_the_order_of_their_names(minirun, database, tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "1.sql").write_text("CREATE TABLE t (x text); INSERT INTO t VALUES ('sql');")
    (tmp_path / "2.sh").write_text(
        "sql -c \"INSERT INTO t VALUES ('sourced as $(id -un)')\" --dbname postgres\n"
    )
    (tmp_path / "3.txt").write_text("ignored")
    options = ["-e", "POSTGRES_HOST_AUTH_METHOD=trust", "-v", f"{tmp_path}:/docker-entrypoint-initdb.d:ro"]
    container = database(*options)
    assert query(container, "SELECT x FROM t").stdout == "sql\nsourced as postgres\n"
    minirun("restart", container.id, check=True)
    eventually(lambda: container.exec("pg_isready").code == 0, 30)
    assert query(container, "SELECT count(*) FROM t").stdout == "2\n"
    assert "Skipping initialization" in container.logs().stdout


def test_a_password_may_come_in_a_file(database, tmp_path):
    (tmp_path / "secret").write_text("from a file\n")
    os.chmod(tmp_path, 0o755)
    container = database("-e", "POSTGRES_PASSWORD_FILE=/secret", "-v", f"{tmp_path}/secret:/secret:ro")
    assert query(container, "SELECT rolpassword IS NOT NULL FROM pg_authid WHERE rolsuper").stdout == "t\n"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ([], "the superuser has no password"),
        (["-e", "POSTGRES_PASSWORD=a", "-e", "POSTGRES_PASSWORD_FILE=/b"], "only one of them may be"),
    ],
)
def test_without_a_clear_password_nothing_starts(inside, settings, said):
    result = inside("postgres", options=settings)
    assert result.code == 1
    assert said in result.stderr


def test_another_program_is_run_as_it_is(inside):
    assert inside("postgres", "id", "-un").stdout == "root\n"
    assert inside("postgres", "--version").stdout.startswith("postgres (PostgreSQL) 15")


def test_stop_lets_the_database_end_in_order(minirun, database):
    container = database("-e", "POSTGRES_PASSWORD=x")
    minirun("stop", container.id, check=True)
    assert container.inspect("{{.State.ExitCode}}") == "0"
    assert "database system is shut down" in container.logs().stderr
