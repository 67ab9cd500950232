"""`compose run`, `exec` and `attach`: in front of one container of a project."""

from collections.abc import Callable

import pytest

from tests.compose import Compose
from tests.terminals import Terminal

Make = Callable[..., Compose]

FILE = """
services:
  web:
    image: busybox
    command: echo usual
    environment: {A: file, B: file}
    ports: ["18473:80"]
    cap_add: [NET_ADMIN]
    restart: always
    depends_on: {db: {condition: service_healthy}}
    volumes: [data:/data]
  db:
    image: busybox
    command: sleep 1000
    init: true
    healthcheck: {test: "true", interval: 0.1s}
  box:
    image: busybox
    command: sleep 1000
    init: true
volumes: {data: {}}
"""


@pytest.fixture
def demo(compose: Make) -> Compose:
    return compose(FILE)


def once(demo: Compose, *words: str) -> str:
    """What the command printed, run in a container that goes afterwards."""
    return demo("run", "--rm", "-q", *words, check=True).stdout


def test_run_starts_what_the_service_depends_on_and_waits_for_it(demo: Compose) -> None:
    assert once(demo, "web") == "usual\n"
    assert demo.containers()["db-1"]["State"]["Health"]["Status"] == "healthy"


def test_no_deps_starts_nothing_else(demo: Compose) -> None:
    assert once(demo, "--no-deps", "web") == "usual\n"
    assert demo.containers() == {}


def test_its_exit_code_is_the_commands(demo: Compose) -> None:
    assert demo("run", "--rm", "box", "sh", "-c", "exit 7").code == 7


def test_a_program_that_is_not_there(demo: Compose) -> None:
    assert demo("run", "--rm", "box", "nosuch").code == 127


def test_input_from_a_pipe_goes_to_the_command(demo: Compose) -> None:
    result = demo("run", "--rm", "-T", "-q", "box", "cat", check=True, input="typed\n")
    assert result.stdout == "typed\n"


def test_variables_over_those_of_the_file(demo: Compose) -> None:
    (demo.directory / "more.env").write_text("B=more\nC='lit $A'\n")
    words = ("-e", "A=here", "--env-from-file", "more.env", "box", "sh", "-c", 'echo "$A,$B,$C"')
    assert once(demo, *words) == "here,more,lit $A\n"


def test_the_words_that_change_the_service(demo: Compose) -> None:
    words = ("--entrypoint", "sh -c", "-u", "3:4", "-w", "/tmp", "-l", "k=v", "box", "id -u; pwd; exit 0")
    assert once(demo, *words) == "3\n/tmp\n"


def test_its_container_has_a_name_and_labels_of_its_own_and_no_ports(demo: Compose) -> None:
    demo("run", "--no-deps", "web", check=True)
    [(name, made)] = demo.containers().items()
    assert name.startswith("web-run-")
    assert made["Config"]["Labels"]["com.docker.compose.oneoff"] == "True"
    assert made["HostConfig"]["PortBindings"] == {}
    assert made["HostConfig"]["RestartPolicy"]["Name"] == "no"


def test_service_ports_are_published_when_they_are_asked_for(demo: Compose) -> None:
    demo("run", "-d", "-P", "--no-deps", "--name", "one", "web", "sleep", "1000", check=True)
    assert demo.containers()["one"]["HostConfig"]["PortBindings"] == {
        "80/tcp": [{"HostIp": "", "HostPort": "18473"}]
    }
    demo.minirun("rm", "-f", "one", check=True)


def test_publish_and_mounts_and_capabilities(demo: Compose) -> None:
    words = (
        "-p",
        "127.0.0.1:18474:81",
        "-v",
        "./here:/there",
        "--cap-drop",
        "NET_ADMIN",
        "--cap-add",
        "SYS_TIME",
    )
    demo("run", "-d", "--no-deps", "--name", "one", *words, "web", "sleep", "1000", check=True)
    host = demo.containers()["one"]["HostConfig"]
    assert host["PortBindings"] == {"81/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18474"}]}
    assert (host["CapAdd"], host["CapDrop"]) == (["SYS_TIME"], ["NET_ADMIN"])
    assert demo.minirun("exec", "one", "ls", "-d", "/there", "/data", check=True).stdout == "/data\n/there\n"
    demo.minirun("rm", "-f", "one", check=True)


def test_detached_it_prints_the_id(demo: Compose) -> None:
    printed = demo("run", "-d", "--name", "one", "box", check=True).stdout
    assert printed == f"{demo.containers()['one']['Id']}\n"
    demo.minirun("rm", "-f", "one", check=True)


def test_run_is_no_part_of_the_service(demo: Compose) -> None:
    demo("up", "-d", "box", check=True)
    demo("run", "-d", "--name", "one", "box", check=True)
    assert "Running" in demo("up", "-d", "box", check=True).stderr
    demo.minirun("rm", "-f", "one", check=True)


def test_run_has_a_terminal_where_there_is_one(demo: Compose) -> None:
    with Terminal(["env", "-C", str(demo.directory), *demo.command("run", "--rm", "box", "sh")]) as shown:
        shown.expect("# ")
        shown.press("tty; exit 5\r")
        code, output = shown.wait()
        assert shown.is_as_before()
    assert (code, "/dev/pts/0" in output) == (5, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nosuch",), "no such service: nosuch"),
        (("-l", "x", "box"), 'label must be set as KEY=VALUE: "x"'),
        (("-P", "-p", "80", "box"), "--service-ports and --publish are incompatible"),
        (("-p", "x", "box"), 'invalid port "x"'),
        (("--pull", "x", "box"), 'invalid --pull option "x"'),
        (("--env-from-file", "nosuch", "box"), "--env-from-file nosuch: No such file or directory"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_made(
    demo: Compose, words: tuple[str, ...], message: str
) -> None:
    result = demo("run", *words)
    assert (result.code, message in result.stderr) == (1, True)
    assert demo.objects("network") == []


# ---- exec and attach ------------------------------------------------------------------------------------------


def test_exec_runs_one_more_program(demo: Compose) -> None:
    demo("up", "-d", "box", check=True)
    result = demo(
        "exec", "-e", "A=x", "-w", "/tmp", "-u", "3", "box", "sh", "-c", "echo $A; pwd; id -u; exit 4"
    )
    assert (result.code, result.stdout) == (4, "x\n/tmp\n3\n")


def test_exec_in_one_of_several(demo: Compose) -> None:
    demo("up", "-d", "--scale", "box=2", "box", check=True)
    second = demo.containers()["box-2"]["Id"][:12]
    assert demo("exec", "-T", "--index", "2", "box", "hostname", check=True).stdout == f"{second}\n"
    assert 'service "box" is not running container #7' in demo("exec", "--index", "7", "box", "true").stderr


def test_exec_where_nothing_runs(demo: Compose) -> None:
    result = demo("exec", "box", "true")
    assert (result.code, 'service "box" is not running' in result.stderr) == (1, True)


def test_exec_has_a_terminal_where_there_is_one(demo: Compose) -> None:
    demo("up", "-d", "box", check=True)
    with Terminal(["env", "-C", str(demo.directory), *demo.command("exec", "box", "tty")]) as shown:
        code, output = shown.wait()
    assert (code, output.strip()) == (0, "/dev/pts/0")


def test_attach_shows_and_has_the_exit_code(compose: Make) -> None:
    demo = compose(
        "services: {box: {image: busybox, command: sh -c 'read x; echo got $$x; exit 6', stdin_open: true}}"
    )
    demo("up", "-d", check=True)
    result = demo("attach", "box", input="it\n")
    assert (result.code, result.stdout) == (6, "got it\n")
