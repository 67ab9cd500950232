"""`compose up` in front of its containers and behind them, and the exit codes that scripts look at."""

import re
import signal
import subprocess
from collections.abc import Callable

from tests.compose import Compose
from tests.containers import eventually
from tests.terminals import Terminal

Make = Callable[..., Compose]

# web ends at once when it is asked to, db is asked later
PAIR = """
services:
  db:
    image: busybox
    command: sh -c "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    healthcheck: {test: "true", interval: 0.1s}
  web:
    image: busybox
    command: sh -c "trap 'exit 3' TERM; echo out; echo err >&2; while :; do sleep 0.05; done"
    depends_on: {db: {condition: service_healthy}}
"""
# one ends by itself, the other one does not
JOB = """
services:
  job: {image: busybox, command: sh -c "echo working; exit 7"}
  box: {image: busybox, command: sleep 1000, init: true, stop_grace_period: 0s}
"""


def without_times(text: str) -> list[str]:
    """The rows of the last picture of a terminal, without colours and times."""
    plain = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", text[text.rindex("[+]") :])
    return [re.sub(r" +\d+\.\ds$", "", line).rstrip() for line in plain.splitlines() if line.strip()]


# ---- behind ---------------------------------------------------------------------------------------------------


def test_detached_it_tells_a_line_for_each_step(compose: Make) -> None:
    demo = compose("services: {web: {image: busybox, command: sleep 1000, init: true}}")
    result = demo("up", "-d", check=True)
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        " Network demo_default Creating ",
        " Network demo_default Created ",
        " Container demo-web-1 Creating ",
        " Container demo-web-1 Created ",
        " Container demo-web-1 Starting ",
        " Container demo-web-1 Started ",
    ]


def test_on_a_terminal_it_is_a_picture(compose: Make) -> None:
    demo = compose("services: {web: {image: busybox, command: sleep 1000, init: true}}")
    with Terminal(["env", "-C", str(demo.directory), "TERM=xterm", *demo.command("up", "-d")]) as shown:
        code, output = shown.wait()
    assert code == 0
    assert without_times(output) == [
        "[+] up 2/2",
        " ✔ Network demo_default Created",
        " ✔ Container demo-web-1 Started",
    ]


def test_wait_returns_when_all_are_healthy(compose: Make) -> None:
    demo = compose(PAIR)
    demo("up", "--wait", check=True)
    assert demo.containers()["db-1"]["State"]["Health"]["Status"] == "healthy"


def test_wait_timeout_is_an_end_of_it(compose: Make) -> None:
    check = "healthcheck: {test: 'false', interval: 30s}"
    demo = compose("services: {web: {image: busybox, command: sleep 1000, init: true, " + check + "}}")
    result = demo("up", "--wait", "--wait-timeout", "1")
    assert (result.code, "application not healthy after 1s" in result.stderr) == (1, True)


def test_no_start_makes_containers_and_starts_none(compose: Make) -> None:
    demo = compose(JOB)
    demo("up", "--no-start", check=True)
    assert demo.states() == {"job-1": "created", "box-1": "created"}


def test_a_dry_run_tells_all_and_does_nothing(compose: Make) -> None:
    demo = compose(PAIR)
    result = demo("up", "-d", "--dry-run", check=True)
    assert " DRY-RUN MODE -  Container demo-web-1 Started \n" in result.stderr
    assert (demo.containers(), demo.objects("network")) == ({}, [])


def test_scale_makes_more_and_takes_the_last_away(compose: Make) -> None:
    demo = compose(JOB)
    demo("up", "-d", "--scale", "box=3", "box", check=True)
    assert set(demo.ids()) == {"box-1", "box-2", "box-3"}
    demo("scale", "box=1", check=True)
    assert set(demo.ids()) == {"box-1"}


# ---- in front -------------------------------------------------------------------------------------------------


def test_what_they_print_comes_with_their_names_until_all_have_ended(compose: Make) -> None:
    demo = compose(
        "services: {a: {image: busybox, command: echo one}, b: {image: busybox, command: 'false'}}"
    )
    result = demo("up", check=True)
    lines = result.stdout.splitlines()
    assert lines[0] == "Attaching to a-1, b-1"
    assert sorted(lines[1:]) == ["a-1  | one", "a-1 exited with code 0", "b-1 exited with code 1"]


def test_standard_error_goes_to_standard_error(compose: Make) -> None:
    demo = compose("services: {a: {image: busybox, command: sh -c 'echo bad >&2'}}")
    assert "a-1  | bad\n" in demo("up", check=True).stderr


def test_the_first_interrupt_stops_all_in_reverse_order(compose: Make) -> None:
    demo = compose(PAIR)
    with demo.spawn("up", stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        eventually(lambda: demo.states().get("web-1") == "running")
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=20)[0].decode()
    assert process.returncode == 130
    assert "Gracefully Stopping... press Ctrl+C again to force" in output
    assert output.index("demo-web-1 Stopped") < output.index("demo-db-1 Stopping")
    assert "db-1   | bye" in output
    assert demo.states() == {"web-1": "exited", "db-1": "exited"}


def test_the_second_interrupt_kills(compose: Make) -> None:
    demo = compose("services: {box: {image: busybox, command: sleep 1000, stop_grace_period: 60s}}")
    with demo.spawn("up", stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        eventually(lambda: demo.states().get("box-1") == "running")
        process.send_signal(signal.SIGINT)
        told = b""
        while b"Stopping \n" not in told:
            told += process.stderr.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130
    assert demo.containers()["box-1"]["State"]["ExitCode"] == 137


def test_an_interrupt_while_something_is_waited_for(compose: Make) -> None:
    file = PAIR.replace('"true", interval: 0.1s', '"false", interval: 60s')
    demo = compose(file)
    with demo.spawn("up", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        eventually(lambda: demo.states().get("db-1") == "running")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 130
    assert demo.states() == {"db-1": "exited", "web-1": "created"}


def test_abort_on_exit_stops_the_others_and_has_the_code(compose: Make) -> None:
    demo = compose(JOB)
    result = demo("up", "--abort-on-container-exit")
    assert result.code == 7
    assert "Aborting on container exit..." in result.stderr
    assert demo.states() == {"job-1": "exited", "box-1": "exited"}


def test_an_abort_where_interrupts_are_ignored(compose: Make) -> None:
    demo = compose(JOB)
    words = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *demo.command("up", "--exit-code-from", "job")]
    assert subprocess.run(words, cwd=demo.directory, capture_output=True, timeout=20).returncode == 7


def test_abort_on_failure_lets_a_good_end_be(compose: Make) -> None:
    demo = compose(
        "services: {good: {image: busybox, command: 'true'}, bad: {image: busybox, command: sh -c 'sleep 1; exit 5'}}"
    )
    assert demo("up", "--abort-on-container-failure").code == 5


def test_exit_code_from_is_that_of_the_service(compose: Make) -> None:
    file = JOB.replace("exit 7", "exit 0").replace(
        "sleep 1000, init: true", "sh -c \"trap 'exit 9' TERM; while :; do sleep 0.05; done\""
    )
    demo = compose(file.replace("0s", "10s"))
    assert demo("up", "--exit-code-from", "box").code == 9


def test_only_what_is_attached_to_is_shown(compose: Make) -> None:
    demo = compose(
        "services: {a: {image: busybox, command: echo one}, b: {image: busybox, command: echo two}}"
    )
    shown = demo("up", "--no-attach", "b", "--no-log-prefix", check=True).stdout
    assert shown.splitlines() == ["Attaching to a-1", "one", "a-1 exited with code 0"]


def test_a_dependency_is_started_but_not_shown(compose: Make) -> None:
    demo = compose(
        "services: {db: {image: busybox, command: sleep 1000, init: true},"
        " web: {image: busybox, command: echo hi, depends_on: [db]}}"
    )
    shown = demo("up", "web", check=True).stdout
    assert shown.splitlines() == ["Attaching to web-1", "web-1  | hi", "web-1 exited with code 0"]
    assert demo.states()["db-1"] == "running"


def test_what_ran_before_is_shown_from_now_on(compose: Make) -> None:
    demo = compose("services: {a: {image: busybox, command: sh -c 'echo early; sleep 1.5; echo late'}}")
    demo("up", "-d", check=True)
    eventually(lambda: "early" in demo("logs").stdout)
    assert demo("up", check=True).stdout.splitlines() == [
        "Attaching to a-1",
        "a-1  | late",
        "a-1 exited with code 0",
    ]


def test_a_dependency_that_fails_is_told_and_the_rest_does_not_start(compose: Make) -> None:
    file = PAIR.replace("interval: 0.1s", "interval: 0.1s, retries: 1").replace('"true"', '"false"')
    demo = compose(file)
    result = demo("up")
    assert result.code == 1
    assert "dependency failed to start: container demo-db-1 is unhealthy" in result.stderr
    assert demo.states()["web-1"] == "created"


def test_control_c_on_a_terminal(compose: Make) -> None:
    demo = compose(PAIR)
    with Terminal(["env", "-C", str(demo.directory), "TERM=xterm", *demo.command("up")]) as shown:
        shown.expect("web-1  | \x1b[0mout")
        shown.press("\x03")
        code, output = shown.wait(20)
        assert shown.is_as_before()
    assert code == 130
    assert "Container demo-db-1 \x1b[32mStopped\x1b[0m" in output
