"""Real programs of a real distribution, over the real network: Debian, its package manager, a web server."""

import pytest

from tests.containers import eventually, http_get

PATIENCE = 300  # seconds: packages come from wherever this machine's apt takes them


def test_the_package_manager_installs_a_program_that_runs(minirun, debian):
    script = "apt-get update && apt-get install -y hello && hello"
    result = minirun("run", "--rm", debian, "bash", "-c", script, timeout=PATIENCE)
    assert result.code == 0
    assert result.stdout.endswith("Hello, world!\n")


@pytest.fixture
def nginx(minirun, start, debian):
    """nginx out of a Debian package, in the foreground, and the address it answers at."""
    script = """set -e
        apt-get update
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends nginx-light
        echo 'a page' >/var/www/html/index.html
        ln -sf /dev/stdout /var/log/nginx/access.log
        exec nginx -g 'daemon off;'"""
    container = start("--name", "web", debian, "sh", "-c", script, network="bridge")
    address = container.inspect("{{.NetworkSettings.IPAddress}}")
    eventually(lambda: http_get(address), PATIENCE)
    return container, address


def test_a_web_server_runs_answers_is_entered_and_stopped(minirun, nginx):
    container, address = nginx
    assert http_get(address).startswith("HTTP/1.1 200 OK")
    assert http_get(address).endswith("a page\n")
    assert "nginx: worker" in container.exec("sh", "-c", "cat /proc/[0-9]*/cmdline").stdout.replace("\0", " ")
    assert '"GET / HTTP/1.0" 200' in container.logs().stdout
    assert minirun("stop", "web").stderr == ""
    assert container.inspect("{{.State.Status}} {{.State.ExitCode}}") == "exited 0"
    assert http_get(address) == ""


def test_users_of_the_distribution_are_found(minirun, debian):
    run = ("run", "--rm", "--network", "none")
    assert (
        minirun(*run, "-u", "www-data", debian, "id").stdout
        == "uid=33(www-data) gid=33(www-data) groups=33(www-data)\n"
    )
    assert minirun(*run, "-u", "nobody:games", debian, "id", "-gn").stdout == "games\n"


def test_a_shell_with_libc_sees_an_ordinary_system(minirun, debian):
    script = "getent hosts localhost; locale -a | head -1; test -w /tmp && mktemp; ls -ld /tmp | cut -c1-10"
    lines = minirun("run", "--rm", debian, "bash", "-c", script).stdout.splitlines()
    assert "localhost" in lines[0]
    assert lines[-1] == "drwxrwxrwt"
