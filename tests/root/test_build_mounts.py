"""RUN --mount: what the program sees, what it may do there, and that nothing of it is in the layer."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minirun.build import cache_mounts
from minirun.build.ignore import Ignore
from minirun.build.mounts import parse
from minirun.build.run_mounts import Supply
from minirun.build.tree import Tree
from minirun.image.store import Store
from minirun.paths import Paths
from tests.build_steps import Done, Steps
from tests.containers import eventually


def tree(path: Path, *patterns: str) -> Tree:
    """What context.py hands over."""
    ignore = Ignore(patterns) if patterns else None
    return Tree(os.open(path, os.O_PATH | os.O_DIRECTORY), "context", ignore, (0, 0))


@pytest.fixture
def context(tmp_path: Path) -> Path:
    made = tmp_path / "context"
    (made / "sub").mkdir(parents=True)
    (made / "file").write_text("from the context\n")
    (made / "sub" / "deep").write_text("deep\n")
    (made / "up").symlink_to("/../../etc/hostname")
    return made


@pytest.fixture
def stage(tmp_path: Path) -> list[str]:
    """The layers of a stage, lowest first; the upper one hides `gone`."""
    low, high = tmp_path / "low", tmp_path / "high"
    for layer in (low, high):
        layer.mkdir()
    (low / "one").write_text("1\n")
    (low / "gone").write_text("gone\n")
    (high / "two").write_text("2\n")
    os.mknod(high / "gone", 0o020000, 0)
    return [str(low), str(high)]


def run(steps: Steps, script: str, *mounts: str, **options: Any) -> Done:
    return steps(script, mounts=[parse(words) for words in mounts], **options)


# ---- bind -----------------------------------------------------------------------------------------------------------


def test_the_context_is_seen_and_is_not_in_the_layer(steps: Steps, context: Path) -> None:
    supply = Supply({"": tree(context)})
    done = run(steps, "cat /ctx/file /ctx/sub/deep; touch /ctx/new", "target=/ctx", supply=supply)
    assert done.stdout == "from the context\ndeep\n"
    assert "Read-only file system" in done.stderr
    assert done.changes() == set()


@pytest.mark.parametrize(("source", "target", "seen"), [("file", "/f", "/f"), ("sub", "/s/t", "/s/t/deep")])
def test_a_file_or_a_directory_of_it(
    steps: Steps, context: Path, source: str, target: str, seen: str
) -> None:
    done = run(steps, f"cat {seen}", f"source={source},target={target}", supply=Supply({"": tree(context)}))
    assert done.stdout in ("from the context\n", "deep\n")
    assert done.changes() == set()


def test_what_is_written_is_thrown_away(steps: Steps, context: Path) -> None:
    supply = Supply({"": tree(context)})
    script = "echo more >> /ctx/file; rm -r /ctx/sub; cat /ctx/file; ls /ctx"
    done = run(steps, script, "target=/ctx,rw", supply=supply)
    assert done.stdout == "from the context\nmore\nfile\nup\n"
    assert (context / "file").read_text() == "from the context\n"
    assert (context / "sub" / "deep").exists()
    assert done.changes() == set()


def test_a_file_that_may_be_written_is_thrown_away_as_well(steps: Steps, context: Path) -> None:
    supply = Supply({"": tree(context)})
    done = run(steps, "echo x > /f; cat /f", "source=file,target=/f,rw", supply=supply)
    assert (done.stdout, (context / "file").read_text()) == ("x\n", "from the context\n")


@pytest.mark.parametrize("rights", ["", ",rw"])
def test_a_stage_is_seen_as_one_tree(steps: Steps, stage: list[str], rights: str) -> None:
    done = run(steps, "ls /m; cat /m/*", f"from=s,target=/m{rights}", supply=Supply({"s": stage}))
    assert done.stdout == "one\ntwo\n1\n2\n"


def test_a_stage_without_a_layer_is_empty(steps: Steps) -> None:
    assert run(steps, "ls -A /m | wc -l", "from=s,target=/m", supply=Supply({"s": []})).stdout == "0\n"


@pytest.mark.parametrize("source", ["nothing", "file/x", "up"])
def test_a_source_that_is_not_there_is_said(steps: Steps, context: Path, source: str) -> None:
    done = run(steps, "true", f"source={source},target=/m", supply=Supply({"": tree(context)}))
    assert done.error == f'"/{source}": not found'


def test_a_link_in_the_context_leads_to_what_is_in_it(steps: Steps, context: Path) -> None:
    (context / "etc").mkdir()
    (context / "etc" / "hostname").write_text("inside\n")
    done = run(steps, "cat /m", "source=up,target=/m", supply=Supply({"": tree(context)}))
    assert done.stdout == "inside\n"


def test_a_context_of_a_user_is_roots(steps: Steps, context: Path) -> None:
    for path in (context, *context.rglob("*")):
        os.chown(path, 1000, 1001, follow_symlinks=False)
    os.chown(context / "file", 5, 6)
    script = "stat -c '%u:%g' /ctx /ctx/sub/deep /ctx/file"
    done = run(steps, script, "target=/ctx", supply=Supply({"": tree(context)}))
    assert done.stdout == "0:0\n0:0\n5:6\n"


def test_a_context_that_only_its_owner_may_enter_is_open(steps: Steps, context: Path) -> None:
    os.chmod(context, 0o700)
    os.chmod(context / "sub", 0o700)
    done = run(
        steps, "cat /ctx/file; ls /ctx/sub", "target=/ctx", user="7:7", supply=Supply({"": tree(context)})
    )
    assert done.stdout == "from the context\n"
    assert "Permission denied" in done.stderr


@pytest.mark.parametrize(
    ("patterns", "seen"),
    [
        (["file"], "sub sub/deep sub/other up"),
        (["sub"], "file up"),
        (["**/deep"], "file sub sub/other up"),
        (["sub", "!sub/deep"], "file sub sub/deep up"),
        (["sub", "!sub/nothing"], "file up"),
        (["*"], ""),
        (["*", "!up"], "up"),
        (["nothing"], "file sub sub/deep sub/other up"),
    ],
)
@pytest.mark.parametrize("rights", ["", ",rw"])
def test_what_is_ignored_is_not_seen(
    steps: Steps, context: Path, patterns: list[str], seen: str, rights: str
) -> None:
    (context / "sub" / "other").touch()
    supply = Supply({"": tree(context, *patterns)})
    done = run(steps, "cd /ctx; find . -mindepth 1 | sort", f"target=/ctx{rights}", supply=supply)
    assert done.stdout.replace("./", "").split() == seen.split()


def test_what_is_ignored_below_a_source_is_not_seen(steps: Steps, context: Path) -> None:
    (context / "sub" / "a" / "b").mkdir(parents=True)
    (context / "sub" / "a" / "b" / "x.log").touch()
    (context / "link").symlink_to("sub/a")
    supply = Supply({"": tree(context, "**/*.log", "sub/deep")})
    for source, seen in [("sub", "a a/b"), ("sub/a", "b"), ("link", "b"), ("sub/a/../a/b", "")]:
        done = run(steps, "cd /m; find . -mindepth 1 | sort", f"source={source},target=/m", supply=supply)
        assert done.stdout.replace("./", "").split() == seen.split()


def test_what_is_ignored_is_no_source(steps: Steps, context: Path) -> None:
    done = run(steps, "true", "source=sub,target=/m", supply=Supply({"": tree(context, "sub")}))
    assert done.error == '"/sub": not found'


def test_a_directory_with_something_ignored_has_its_own_mode(steps: Steps, context: Path) -> None:
    os.chmod(context / "sub", 0o3711)
    os.utime(context / "sub", ns=(10**18, 10**18))
    supply = Supply({"": tree(context, "sub/deep")})
    done = run(steps, "stat -c '%a %u %Y' /ctx/sub", "target=/ctx", supply=supply)
    assert done.stdout == "3711 0 1000000000\n"


def test_a_target_is_made_and_goes_again_with_its_parents(steps: Steps, context: Path) -> None:
    supply = Supply({"": tree(context)})
    done = run(steps, "ls /a/b/c > /dev/null", "target=/a/b/c", "source=sub,target=/x/y", supply=supply)
    assert done.changes() == set()


def test_what_the_program_puts_beside_a_target_stays(steps: Steps, context: Path) -> None:
    done = run(steps, "touch /a/b/mine", "target=/a/b/c", supply=Supply({"": tree(context)}))
    assert done.changes() == {"a", "a/b", "a/b/mine"}


def test_a_relative_target_begins_at_the_working_directory(steps: Steps, context: Path) -> None:
    done = run(steps, "cat /w/m/file", "target=m", workdir="/w", supply=Supply({"": tree(context)}))
    assert done.stdout == "from the context\n"
    assert done.changes() == {"w"}


@pytest.mark.parametrize("target", ["/", "/a/..", "."])
def test_the_root_is_no_target(steps: Steps, target: str) -> None:
    assert "invalid mount target" in run(steps, "true", f"type=tmpfs,target={target}").error


# ---- tmpfs, scripts -------------------------------------------------------------------------------------------------


def test_a_tmpfs_covers_what_is_there_and_has_its_size(steps: Steps) -> None:
    script = "touch /etc/x; ls /etc; mount | grep ' /etc '"
    done = run(steps, script, "type=tmpfs,target=/etc,size=1m")
    assert done.stdout.startswith("hosts\nresolv.conf\nx\n")
    assert "size=1024k" in done.stdout
    assert done.changes() == set()


def test_a_script_is_a_program_below_dev_pipes(steps: Steps) -> None:
    done = steps("/dev/pipes/EOF", "", files=[("EOF", "#!/bin/sh\necho script $0\n")])
    assert done.stdout == "script /dev/pipes/EOF\n"
    assert done.changes() == set()


# ---- secret -----------------------------------------------------------------------------------------------------


@pytest.fixture
def secret(tmp_path: Path) -> Supply:
    (tmp_path / "token").write_text("x7Kd-q9w\n")
    return Supply(secrets={"token": {"file": str(tmp_path / "token")}})


def test_a_secret_is_a_file_for_root_alone(steps: Steps, secret: Supply) -> None:
    script = "cd /run/secrets; cat token; stat -c %a:%u:%g token; mount | grep secrets"
    done = run(steps, script, "type=secret,id=token", supply=secret)
    assert done.stdout.startswith(
        "x7Kd-q9w\n400:0:0\ntmpfs on /run/secrets/token type tmpfs (ro,nosuid,nodev,noexec"
    )
    assert done.changes() == set()


def test_a_secret_has_the_place_and_rights_that_are_asked_for(steps: Steps, secret: Supply) -> None:
    words = "type=secret,id=token,target=/s/t,mode=0440,uid=5,gid=6"
    assert run(steps, "stat -c %a:%u:%g /s/t", words, supply=secret).stdout == "440:5:6\n"


def test_a_secret_is_a_variable_and_in_no_file(steps: Steps, secret: Supply) -> None:
    script = "echo $TOKEN; ls /run/secrets; grep -r x7Kd-q9w /proc/1/mountinfo"
    done = run(steps, script, "type=secret,id=token,env=TOKEN", supply=secret)
    assert done.stdout == "x7Kd-q9w\n"
    assert "No such file" in done.stderr


def test_no_secret_is_on_the_disk_while_it_is_used(steps: Steps, secret: Supply, paths: Paths) -> None:
    mounts = [parse("type=secret,id=token,env=TOKEN"), parse("type=secret,id=token,target=/t")]
    pid, directory = steps.start("echo up; sleep 1000", mounts=mounts, supply=secret)
    eventually(lambda: "up" in (directory / "stdout").read_text())
    found = subprocess.run(
        ["grep", "-rl", "x7Kd-q9w", steps.state.directory, directory / "upper", paths.root]
    )
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    assert found.returncode == 1


def test_a_secret_that_was_not_given_is_missed_only_if_required(steps: Steps) -> None:
    assert run(steps, "ls /run/secrets 2>&1; true", "type=secret,id=x").code == 0
    assert run(steps, "true", "type=secret,id=x,required").error == "secret x: not found"


# ---- ssh ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[tuple[str, list[bytes]]]:
    """An agent that answers each message by its number, and remembers these."""
    heard: list[bytes] = []
    path = str(tmp_path / "agent")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    thread = threading.Thread(target=serve, args=(listener, heard), daemon=True)
    thread.start()
    yield path, heard
    listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    listener.close()


def serve(listener: socket.socket, heard: list[bytes]) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        with client:
            while data := client.recv(4096):
                heard.append(data)
                client.sendall(b"\0\0\0\1" + bytes([data[4] + 1]))


@pytest.mark.parametrize(("number", "passed"), [("013", True), ("021", False)])
def test_the_agent_is_asked_for_what_does_not_change_it(
    steps: Steps, agent: tuple[str, list[bytes]], debian: str, number: str, passed: bool
) -> None:
    perl = (
        "use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new($ENV{SSH_AUTH_SOCK}) or die $!; "
        f'print $s "\\0\\0\\0\\1\\{number}"; $s->flush; sysread $s, my $a, 99; print unpack("H*", $a), "\\n"; '
    )
    layers = Store(steps.state.paths).get(debian).layer_paths()
    done = steps(
        "/usr/bin/perl",
        "-e",
        perl,
        layers=layers,
        mounts=[parse("type=ssh")],
        supply=Supply(ssh={"default": {"socket": agent[0]}}),
    )
    assert done.stdout == ("000000010c\n" if passed else "0000000105\n")
    assert bool(agent[1]) == passed


def test_the_socket_has_the_place_and_rights_that_are_asked_for(
    steps: Steps, agent: tuple[str, list[bytes]]
) -> None:
    supply = Supply(ssh={"a": {"socket": agent[0]}})
    script = "stat -c %a:%u:%g /s /run/buildkit/ssh_agent.1; echo $SSH_AUTH_SOCK"
    words = ["type=ssh,id=a,target=/s,mode=0666,uid=5,gid=6", "type=ssh,id=a"]
    done = run(steps, script, *words, supply=supply)
    assert done.stdout == "666:5:6\n600:0:0\n/s\n"
    assert done.changes() == set()


def test_keys_in_files_get_an_agent_of_their_own(steps: Steps, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    supply = Supply(ssh={"default": {"keys": [str(key)]}})
    done = run(steps, "test -S $SSH_AUTH_SOCK && echo there", "type=ssh", supply=supply)
    assert done.stdout == "there\n"
    assert b"ssh-agent\0-D" not in b"".join(
        path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")
    )


# ---- cache --------------------------------------------------------------------------------------------------------

CACHE = "type=cache,target=/c"


@pytest.fixture(autouse=True)
def no_caches_stay(paths: Paths) -> Iterator[None]:
    yield
    for one in cache_mounts.list_all(paths):
        assert cache_mounts.remove(one)


def test_a_cache_is_there_again_for_the_next(steps: Steps) -> None:
    assert run(steps, "ls -A /c; touch /c/x", CACHE).stdout == ""
    done = run(steps, "ls -A /c", "type=cache,target=/other,id=/c", "type=cache,target=/c")
    assert done.stdout == "x\n"
    assert done.changes() == set()


def test_another_id_mode_or_owner_is_another_cache(steps: Steps) -> None:
    run(steps, "touch /c/x", CACHE)
    for words in ("id=y", "mode=0700", "uid=7"):
        assert run(steps, "ls -A /c", f"{CACHE},{words}").stdout == ""


def test_a_new_cache_has_the_mode_and_owner_that_are_asked_for(steps: Steps) -> None:
    done = run(steps, "stat -c %a:%u:%g /c", f"{CACHE},mode=0750,uid=7,gid=8")
    assert done.stdout == "750:7:8\n"


def test_a_cache_begins_with_what_it_is_taken_from(steps: Steps, stage: list[str]) -> None:
    done = run(steps, "cat /c/one; echo x > /c/one", f"{CACHE},from=s", supply=Supply({"s": stage}))
    assert done.stdout == "1\n"
    assert run(steps, "cat /c/one", f"{CACHE},from=s", supply=Supply({"s": stage})).stdout == "x\n"
    assert Path(stage[0], "one").read_text() == "1\n"


def test_a_cache_may_be_read_only(steps: Steps) -> None:
    assert "Read-only file system" in run(steps, "touch /c/x", f"{CACHE},ro").stderr


@pytest.mark.parametrize(
    ("sharing", "directories", "together"), [("shared", 1, True), ("private", 2, True), ("locked", 1, False)]
)
def test_two_at_a_time(steps: Steps, paths: Paths, sharing: str, directories: int, together: bool) -> None:
    mounts = [parse(f"{CACHE},sharing={sharing}")]
    first, directory = steps.start("echo up; sleep 1000", mounts=mounts)
    eventually(lambda: "up" in (directory / "stdout").read_text())
    second, other = steps.start("echo up", mounts=mounts)
    if together:
        eventually(lambda: "up" in (other / "stdout").read_text())
    else:
        time.sleep(0.3)
        assert (other / "stdout").read_text() == ""
    os.kill(first, 9)  # a lock goes with who holds it
    assert os.waitpid(second, 0)[1] == 0
    os.waitpid(first, 0)
    assert len(cache_mounts.list_all(paths)) == directories


def test_one_cache_at_two_places_is_locked_once(steps: Steps) -> None:
    words = ["type=cache,target=/a,id=x,sharing=locked", "type=cache,target=/b,id=x,sharing=locked"]
    assert run(steps, "touch /a/f; ls /b", *words).stdout == "f\n"


def test_a_cache_in_use_is_not_removed(steps: Steps, paths: Paths) -> None:
    pid, directory = steps.start("echo up; sleep 1000", mounts=[parse(CACHE)])
    eventually(lambda: "up" in (directory / "stdout").read_text())
    (one,) = cache_mounts.list_all(paths)
    assert (one.id, cache_mounts.remove(one)) == ("/c", False)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    assert eventually(lambda: cache_mounts.remove(one))
