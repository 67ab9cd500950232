"""`compose logs`: the lines of several containers, of those that run and those that start later."""

import contextlib
import subprocess

import pytest

from tests.compose_services import labels, serve
from tests.containers import eventually

WAITING = (
    "echo ready; until [ -e /go ]; do sleep 0.1; done; "  # a program that does the rest when it is let go
)


@pytest.fixture
def follow(minirun, tmp_path):
    """follow() -> what `compose logs -f` has printed so far, as a function, and its process."""
    with contextlib.ExitStack() as stack:

        def follow(*words):
            file = stack.enter_context((tmp_path / "printed").open("wb"))
            command = ("compose", "-p", "demo", "logs", "-f", *words)
            process = stack.enter_context(minirun.spawn(*command, stdout=file, stderr=subprocess.STDOUT))
            stack.callback(process.kill)
            return (tmp_path / "printed").read_text, process

        yield follow


def logs(minirun, *words):
    return minirun("compose", "-p", "demo", "logs", *words, check=True)


def ended(minirun, *words, **places):
    """serve(), and wait until it has ended."""
    minirun("wait", serve(minirun, "demo", *words, **places).id, check=True)


def let_go(printed, container):
    """What waits goes on, when it is followed."""
    eventually(lambda: "ready" in printed())
    container.exec("touch", "/go")


def test_lines_come_in_the_order_in_which_they_were_printed_after_names_of_one_width(minirun):
    ended(minirun, "web", "busybox", "echo", "one")
    ended(minirun, "database", "busybox", "echo", "two")
    ended(minirun, "web", "busybox", "echo", "three", number=2)
    assert logs(minirun).stdout == "web-1       | one\ndatabase-1  | two\nweb-2       | three\n"


def test_what_went_to_standard_error_can_be_searched_as_well(minirun):
    ended(minirun, "web", "busybox", "sh", "-c", "echo err >&2; sleep 0.1; printf rest")
    result = logs(minirun, "--no-log-prefix")
    assert (result.stdout, result.stderr) == ("err\nrest\n", "")


def test_tail_counts_for_each_container(minirun):
    for service in "ab":
        ended(minirun, service, "busybox", "sh", "-c", "echo 1; echo 2; echo 3")
    assert logs(minirun, "--tail", "1").stdout == "a-1  | 3\nb-1  | 3\n"


def test_only_the_services_asked_for_are_shown(minirun):
    for service in "ab":
        ended(minirun, service, "busybox", "echo", service)
    assert logs(minirun, "b").stdout == "b-1  | b\n"


def test_index_means_one_of_a_service(minirun):
    for number in (1, 2):
        ended(minirun, "web", "busybox", "echo", str(number), number=number)
    assert logs(minirun, "--index", "2", "web").stdout == "web-2  | 2\n"


def test_a_container_that_run_made_is_left_out(minirun):
    minirun("run", *labels("demo", "web", oneoff="True"), "busybox", "echo", "once", check=True)
    assert logs(minirun).stdout == ""


def test_colours_come_in_the_order_of_docker_compose(minirun):
    for service in "ab":
        ended(minirun, service, "busybox", "echo", service)
    result = minirun("compose", "-p", "demo", "--ansi", "always", "logs", check=True)
    assert result.stdout == "\x1b[36ma-1  | \x1b[0ma\n\x1b[33mb-1  | \x1b[0mb\n"


def test_no_color_means_none(minirun):
    ended(minirun, "a", "busybox", "echo", "a")
    command = ("compose", "-p", "demo", "--ansi", "always", "logs", "--no-color")
    assert minirun(*command, check=True).stdout == "a-1  | a\n"


def test_following_ends_with_the_last_container(minirun, follow):
    web = serve(minirun, "demo", "web", "busybox", "sh", "-c", f"{WAITING} exit 3")
    printed, process = follow()
    let_go(printed, web)
    assert process.wait(10) == 0
    assert printed() == "web-1  | ready\nweb-1 exited with code 3\n"


def test_a_container_that_starts_later_is_followed_from_its_first_line(minirun, follow):
    serve(minirun, "demo", "web", "busybox", "sh", "-c", "echo ready; sleep 100")
    printed, _ = follow()
    eventually(printed)
    name = ("--name", "demo-job-1", "--rm")
    minirun("run", *name, *labels("demo", "job"), "busybox", "echo", "done", check=True)
    eventually(lambda: printed() == "web-1  | ready\njob-1  | done\njob-1 exited with code 0\n")


def test_one_that_is_started_again_tells_nothing_twice(minirun, follow):
    ended(minirun, "job", "busybox", "sh", "-c", "date +%s.%N")
    serve(minirun, "demo", "web", "busybox", "sh", "-c", "echo ready; sleep 100")
    printed, _ = follow()
    eventually(lambda: "ready" in printed())
    minirun("start", "-a", "demo-job-1", check=True)
    eventually(lambda: "exited" in printed())
    first, second = logs(minirun, "--no-log-prefix", "job").stdout.splitlines()
    assert printed() == f"job-1  | {first}\nweb-1  | ready\njob-1  | {second}\njob-1 exited with code 0\n"


def test_a_restart_policy_is_told(minirun, follow):
    words = ("--restart", "on-failure:1", "busybox", "sh", "-c", f"{WAITING} exit 2")
    web = serve(minirun, "demo", "web", *words)
    printed, process = follow()
    let_go(printed, web)
    assert process.wait(20) == 0
    ends = [line for line in printed().splitlines() if "exited" in line]
    assert ends == ["web-1 exited with code 2 (restarting)", "web-1 exited with code 2"]


def test_another_project_is_not_followed(minirun, follow):
    web = serve(minirun, "demo", "web", "busybox", "sh", "-c", WAITING)
    printed, process = follow()
    eventually(printed)
    minirun("wait", serve(minirun, "other", "web", "busybox", "echo", "other").id, check=True)
    let_go(printed, web)
    process.wait(10)
    assert printed() == "web-1  | ready\nweb-1 exited with code 0\n"


def test_what_keeps_no_log_is_heard_while_it_is_followed(minirun, follow):
    program = "while sleep 0.2; do echo unlogged; done"
    serve(minirun, "demo", "web", "--log-driver", "none", "busybox", "sh", "-c", program)
    printed, _ = follow()
    eventually(lambda: "web-1  | unlogged\n" in printed())


def test_no_line_is_lost_while_logs_are_put_aside(minirun, follow):
    program = f"{WAITING} i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); done"
    kept = ("--log-opt", "max-size=20k", "--log-opt", "max-file=10")
    both = [serve(minirun, "demo", "web", *kept, "busybox", "sh", "-c", program, number=n) for n in (1, 2)]
    printed, process = follow()
    for web in both:
        let_go(printed, web)
    process.wait(20)
    for number in (1, 2):
        own = [
            line.partition("| ")[2] for line in printed().splitlines() if line.startswith(f"web-{number}  ")
        ]
        assert own == ["ready", *map(str, range(3000))]


def test_those_that_have_ended_are_waited_for_as_they_may_be_started(minirun, follow):
    ended(minirun, "job", "busybox", "sh", "-c", "[ ! -e /twice ] || echo again; touch /twice")
    printed, process = follow()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    minirun("start", "demo-job-1", check=True)
    assert process.wait(10) == 0
    assert printed() == "job-1  | again\njob-1 exited with code 0\n"


def test_logs_f_goes_on_with_the_one_that_is_made_anew(compose):
    demo = compose(
        "services: {a: {image: busybox, init: true, command: \"sh -c 'echo $$TURN; exec sleep 1000'\", "
        'environment: {TURN: "${TURN}"}}}'
    )
    demo("up", "-d", check=True, env={"TURN": "one"})
    with demo.spawn("logs", "-f", stdout=subprocess.PIPE) as following:
        assert following.stdout.readline() == b"a-1  | one\n"
        demo("up", "-d", check=True, env={"TURN": "two"})
        assert b"exited with code" in following.stdout.readline()
        assert following.stdout.readline() == b"a-1  | two\n"
        demo("down", "-t", "0", check=True)
