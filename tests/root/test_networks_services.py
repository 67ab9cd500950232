"""Real services that find each other by name: nginx, PostgreSQL, and an application that uses both."""

from collections.abc import Iterator

import pytest

from tests import containers
from tests.containers import Container, eventually
from tests.netlab import netns, visit
from tests.support import Minirun, run

PATIENCE = 600  # seconds: packages come from wherever this machine's apt takes them

INSTALL = """set -e
    apt-get update
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y --no-install-recommends nginx-light postgresql curl
    echo 'a page' >/var/www/html/index.html
    cd /etc/postgresql/*/main
    echo "listen_addresses = '*'" >>postgresql.conf
    echo 'host all all samenet trust' >>pg_hba.conf
"""
DATABASE = "exec su postgres -c 'exec /usr/lib/postgresql/*/bin/postgres -D /etc/postgresql/*/main'"
SERVER = "exec nginx -g 'daemon off;'"


@pytest.fixture
def services(minirun: Minirun, debian: str) -> Iterator[Container]:
    """The application, with web and db on its network."""
    minirun("run", "--name", "made", debian, "sh", "-c", INSTALL, timeout=PATIENCE, check=True)
    minirun("commit", "made", "stack", check=True)
    minirun("network", "create", "shop", check=True)
    containers.start(minirun, "--name", "db", "stack", "sh", "-c", DATABASE, network="shop")
    words = ("--name", "web1", "--network-alias", "web", "-p", "8080:80")
    containers.start(minirun, *words, "stack", "sh", "-c", SERVER, network="shop")
    yield containers.start(minirun, "--name", "app", "stack", "sleep", "1000", network="shop")
    minirun.remove_all()
    minirun("network", "rm", "shop", check=True)
    minirun("rmi", "stack", check=True)


def test_an_application_uses_a_web_server_and_a_database_by_name(services: Container) -> None:
    def select() -> str:
        words = ("psql", "-h", "db", "-U", "postgres", "-Atc", "select 6 * 7")
        return services.exec(*words).stdout

    assert eventually(select, 60) == "42\n"
    assert services.exec("curl", "-s", "http://web/").stdout == "a page\n"
    assert services.exec("getent", "hosts", "web").stdout.split()[1] == "web"
    assert run("curl", "-s", "http://127.0.0.1:8080/").stdout == "a page\n"
    assert visit(netns(services), "127.0.0.1", 8080) == ""
