"""`logs` as people use it: what a container printed, from its files, as it prints, and when the disk is full."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.containers import eventually, process_status
from tests.support import run

COUNT = "i=0; while [ $i -lt {} ]; do i=$((i+1)); echo $i; done"


def counted(last):
    return "".join(f"{number}\n" for number in range(1, last + 1))


@pytest.fixture
def finished(minirun, start):
    """finished("--log-opt", "max-size=1k", "busybox", "echo", "x") -> the container, when it has ended."""

    def finished(*words):
        container = start(*words)
        minirun("wait", container.id, check=True)
        return container

    return finished


@pytest.fixture
def follow(minirun):
    """follow(container) -> `minirun logs -f` of it, its output in pipes."""
    with contextlib.ExitStack() as stack:

        def follow(container):
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            follower = stack.enter_context(minirun.spawn("logs", "-f", container.id, **pipes))
            stack.callback(follower.kill)
            return follower

        yield follow


def log_of(container) -> Path:
    return container.minirun.root / "containers" / container.id / "log.json"


def test_each_stream_comes_out_where_it_went_in(finished):
    result = finished("busybox", "sh", "-c", "echo out; echo err >&2; printf tail").logs()
    assert (result.stdout, result.stderr) == ("out\ntail", "err\n")


def test_timestamps_and_details_stand_before_each_line(finished, minirun):
    words = ("--log-opt", "labels=who", "--log-opt", "env=E", "-l", "who=me", "-e", "E=1")
    container = finished(
        *words, "busybox", "sh", "-c", "head -c 40000 /dev/zero | tr '\\0' x; echo; echo two"
    )
    first, second = minirun("logs", "-t", "--details", container.id, check=True).stdout.splitlines()
    stamp, details, text = first.split(" ")
    assert len(stamp) == len("2026-01-01T00:00:00.000000000Z")
    assert details == "E=1,who=me"
    assert text == "x" * 40000
    assert second.endswith(" E=1,who=me two")


def test_times_of_the_log_can_be_asked_for(finished, minirun):
    container = finished("busybox", "sh", "-c", "echo one; sleep 0.05; echo two; sleep 0.05; echo three")
    times = [line.split(" ")[0] for line in minirun("logs", "-t", container.id).stdout.splitlines()]
    assert minirun("logs", "--since", times[1], container.id).stdout == "two\nthree\n"
    assert minirun("logs", "--until", times[1], container.id).stdout == "one\ntwo\n"
    assert minirun("logs", "--since", "1h", "--until", times[0], container.id).stdout == "one\n"
    assert minirun("logs", "--since", "0s", container.id).stdout == ""


def test_a_moment_that_is_none_is_said_so(finished, minirun):
    result = minirun("logs", "--since", "yesterday", finished("busybox", "true").id)
    assert (result.code, result.stderr.splitlines()[0]) == (
        1,
        'minirun: invalid value for "since": failed to parse value as time or duration: "yesterday"',
    )


def test_what_is_not_kept_cannot_be_read(finished, minirun):
    container = finished("--log-driver", "none", "busybox", "echo", "x")
    result = minirun("logs", container.id)
    assert (result.code, result.stderr) == (
        1,
        "minirun: configured logging driver does not support reading\n",
    )
    assert not log_of(container).exists()


def test_lines_go_to_a_syslog_and_are_kept(finished, minirun, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
        service.bind(str(tmp_path / "log"))
        options = ("--log-opt", f"syslog-address=unix://{tmp_path}/log", "--log-opt", "tag={{.Name}}")
        container = finished("--name", "web", "--log-driver", "syslog", *options, "busybox", "echo", "hello")
        service.settimeout(5)
        assert re.search(rb"^<30>.* web\[\d+\]: hello\n$", service.recv(1000))
    assert minirun("logs", container.id).stdout == "hello\n"
    assert container.inspect("{{.HostConfig.LogConfig.Type}}") == "syslog"
    refused = minirun("start", container.id)
    assert refused.code == 1
    assert "failed to initialize logging driver" in refused.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--log-driver", "nosuch"], 'logger: no log driver named "nosuch" is registered'),
        (["--log-opt", "max-seize=1m"], "unknown log opt 'max-seize' for json-file log driver"),
        (["--log-opt", "max-size=x"], "invalid size: 'x'"),
        (["--log-driver", "none", "--log-opt", "max-size=1m"], "invalid logging opts for driver none"),
    ],
)
def test_options_that_make_no_sense_fail_before_anything_is_made(minirun, words, message):
    result = minirun("run", *words, "busybox", "true")
    assert (result.code, result.stderr.splitlines()[0]) == (125, f"minirun: {message}")


def test_a_container_without_a_log_has_an_empty_one(minirun):
    id = minirun("create", "--network", "none", "busybox", "true", check=True).stdout.strip()
    result = minirun("logs", "-f", id)
    assert (result.stdout, result.stderr, result.code) == ("", "", 0)


def test_a_terminals_lines_come_back_as_they_were(finished):
    container = finished("-t", "busybox", "printf", "a\\033[1mb\\n")
    printed = subprocess.run(container.minirun.command("logs", container.id), capture_output=True, check=True)
    assert printed.stdout == b"a\033[1mb\r\n"


def test_files_put_aside_are_read_in_order(finished, minirun):
    words = ("--log-opt", "max-size=10k", "--log-opt", "max-file=100")
    container = finished(*words, "busybox", "sh", "-c", COUNT.format(2000))
    assert len(list(log_of(container).parent.glob("log.json*"))) > 10
    assert container.logs().stdout == counted(2000)
    assert minirun("logs", "-n", "1", container.id).stdout == "2000\n"
    assert minirun("logs", "--tail", "500", container.id).stdout == "".join(
        f"{number}\n" for number in range(1501, 2001)
    )


def test_every_line_is_json_for_others(finished):
    container = finished("busybox", "printf", 'a"\\\\\\001\\377\\n')
    (line,) = log_of(container).read_text().splitlines()
    assert json.loads(line)["log"] == 'a"\\\x01�\n'


def test_the_log_goes_on_when_the_container_is_started_again(finished, minirun):
    container = finished("busybox", "echo", "x")
    minirun("start", container.id, check=True)
    minirun("wait", container.id, check=True)
    assert container.logs().stdout == "x\nx\n"


# ---- -f ---------------------------------------------------------------------------------------------------


def test_following_shows_what_comes_and_ends_with_the_container(start, minirun):
    container = start("busybox", "sh", "-c", "echo one; read x </dev/stdin; sleep 0.3; echo two")
    began = time.monotonic()
    result = minirun("logs", "-f", container.id, timeout=20)
    assert (result.stdout, result.code) == ("one\ntwo\n", 0)
    assert time.monotonic() - began < 5


def test_following_ends_when_the_shim_is_killed(start, minirun, follow):
    container = start("busybox", "sh", "-c", "echo one; sleep 100")
    follower = follow(container)
    assert follower.stdout.readline() == b"one\n"
    os.kill(int(process_status(container.pid, "PPid")), signal.SIGKILL)
    assert follower.wait(10) == 0
    minirun("ps", "-a")


def test_two_followers_have_all_the_lines_of_a_log_that_is_put_aside_again_and_again(start, follow):
    words = ("--log-opt", "max-size=200k", "--log-opt", "max-file=200")
    container = start(*words, "busybox", "sh", "-c", "sleep 0.3; " + COUNT.format(60_000))
    followers = [follow(container), follow(container)]
    for follower in followers:
        out, err = follower.communicate(timeout=60)
        assert (out.decode(), err) == (counted(60_000), b"")
    assert len(list(log_of(container).parent.glob("log.json*"))) > 10


def test_following_goes_on_over_a_restart_by_the_policy(start, minirun):
    words = ("--restart", "on-failure:2", "busybox", "sh", "-c", "sleep 0.2; echo again; exit 1")
    assert minirun("logs", "-f", start(*words).id, timeout=30).stdout == "again\n" * 3


def test_a_follower_that_stops_reading_holds_nobody_up(start, minirun, follow):
    container = start("busybox", "sh", "-c", "sleep 0.3; " + COUNT.format(50_000))
    follower = follow(container)
    minirun("wait", container.id, check=True, timeout=20)
    assert follower.poll() is None  # its pipe is full
    assert follower.communicate(timeout=20)[0].decode() == counted(50_000)


def test_a_follower_whose_reader_leaves_ends_quietly(start, follow):
    container = start("busybox", "sh", "-c", "echo one; sleep 100")
    follower = follow(container)
    assert follower.stdout.readline() == b"one\n"
    follower.stdout.close()
    follower.wait(10)
    assert follower.stderr.read() == b""


def test_until_ends_following(start, minirun):
    container = start("busybox", "sh", "-c", "echo one; sleep 100")
    until = f"{time.time() + 0.3:.3f}"
    result = minirun("logs", "-f", "--until", until, container.id, timeout=10)
    assert (result.stdout, result.code) == ("one\n", 0)


def test_interrupted_it_ends_as_a_shell_expects(start, follow):
    container = start("busybox", "sh", "-c", "echo one; sleep 100")
    follower = follow(container)
    assert follower.stdout.readline() == b"one\n"
    follower.send_signal(signal.SIGINT)
    assert follower.wait(10) == 130
    assert follower.stderr.read().strip() == b""


# ---- size and speed -----------------------------------------------------------------------------------------


def test_much_output_costs_the_shim_no_memory(start):
    words = ("--log-opt", "max-size=5m", "--log-opt", "max-file=2", "busybox", "sh", "-c")
    container = start(
        *words, "yes | head -c 10000000; echo; yes xxxxxxxxxxxxxxxxxxxx | head -c 90000000; sleep 100"
    )
    shim = process_status(container.pid, "PPid")
    sizes = eventually(
        lambda: log_of(container).with_suffix(".json.1").exists() and process_status(shim, "VmRSS")
    )
    before = int(sizes.split()[0])
    eventually(lambda: idle(shim), 60)
    assert int(process_status(shim, "VmHWM").split()[0]) - before < 12_000  # kB
    assert sum(file.stat().st_size for file in log_of(container).parent.glob("log.json*")) < 11_000_000


def idle(pid) -> bool:
    """Whether it has used no processor for a moment."""

    def ticks() -> str:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11]

    before = ticks()
    time.sleep(0.3)
    return ticks() == before


def test_the_last_lines_of_a_large_log_come_at_once(finished, minirun):
    container = finished("busybox", "echo", "end")
    line = b'{"log":"' + b"x" * 99 + b'\\n","stream":"stdout","time":"2026-01-01T00:00:00.000000000Z"}\n'
    end = log_of(container).read_bytes()
    with log_of(container).open("wb") as file:
        for _ in range(200):
            file.write(line * 5000)
        file.write(end)
    began = time.monotonic()
    assert minirun("logs", "-n", "1", container.id).stdout == "end\n"
    assert time.monotonic() - began < 2  # to parse all of it takes longer


# ---- a full disk --------------------------------------------------------------------------------------------


@pytest.fixture
def small_containers(minirun):
    """The directory of containers on a disk of 4 MB, while no container is there; its path."""
    directory = minirun.root / "containers"
    directory.mkdir(exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", "size=4m,mode=0711", "tmpfs", directory, check=True)
    yield directory
    minirun.remove_all()
    run("umount", "-l", directory, check=True)


def test_a_full_disk_stops_no_container_and_the_log_says_what_is_missing(small_containers, start, minirun):
    script = "yes 0123456789 | head -n 200000; echo full; read x < /tmp/go; echo room; sleep 100"
    container = start("--tmpfs", "/tmp", "busybox", "sh", "-c", "mkfifo /tmp/go; " + script)
    eventually(lambda: os.statvfs(small_containers).f_bavail == 0)
    log = small_containers / container.id / "log.json"
    eventually(lambda: idle(process_status(container.pid, "PPid")))
    assert container.inspect("{{.State.Running}}") == "true"
    size = log.stat().st_size
    run("mount", "-o", "remount,size=8m", small_containers, check=True)
    assert container.exec("sh", "-c", "echo > /tmp/go").code == 0
    eventually(lambda: log.stat().st_size > size)
    result = container.logs()
    assert result.stdout.endswith("room\n")
    assert re.search(r"minirun: \d+ lines .* were lost here: No space left on device", result.stderr)
