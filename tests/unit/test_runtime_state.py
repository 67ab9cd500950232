"""state.json, the status that is looked up, and the conversation over two pipes."""

import os

import pytest

from minirun.errors import ConflictError, InitError, MinirunError, NotFoundError, ProgramNotFound
from minirun.linux import processes
from minirun.runtime import process, state
from minirun.runtime.sync import Sync


@pytest.fixture
def reserved(tmp_path):
    """The state root with one container `x` of this very process."""
    root = str(tmp_path)
    os.close(state.reserve(root, "x"))
    made = state.new("x", {"annotations": {"a": "b"}}, "/bundle", "/rootfs", "/minirun/x")
    made.update(status="created", pid=os.getpid(), start_time=processes.start_time(os.getpid()))
    state.write(root, made)
    return root


def test_a_fifo_means_created_and_none_running(reserved):
    assert state.read(reserved, "x")["status"] == "created"
    os.unlink(state.fifo_path(reserved, "x"))
    assert state.read(reserved, "x")["status"] == "running"


def test_another_process_with_the_same_pid_is_not_it(reserved):
    made = state.read(reserved, "x")
    made["start_time"] -= 1
    state.write(reserved, made)
    assert (state.read(reserved, "x")["status"], state.read(reserved, "x")["pid"]) == ("stopped", 0)


def test_an_id_is_given_once_also_while_it_runs(reserved):
    with pytest.raises(ConflictError, match="in use"):
        state.reserve(reserved, "x")
    os.unlink(state.fifo_path(reserved, "x"))
    with pytest.raises(ConflictError, match="in use"):
        state.reserve(reserved, "x")
    assert not os.path.exists(state.fifo_path(reserved, "x"))


def test_discarding_leaves_what_is_not_ours(reserved):
    (open(f"{reserved}/x/shim.lock", "w")).close()
    state.discard(reserved, "x")
    assert os.listdir(f"{reserved}/x") == ["shim.lock"]
    with pytest.raises(NotFoundError, match="does not exist"):
        state.read(reserved, "x")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "ä", "a\0"])
def test_ids_that_could_name_another_directory_are_refused(name):
    with pytest.raises(MinirunError, match="invalid container ID"):
        state.directory("/run/x", name)


def test_all_ids_are_those_with_a_state(reserved):
    os.mkdir(f"{reserved}/half")
    assert state.all_ids(reserved) == ["x"]
    assert state.all_ids(f"{reserved}/nosuch") == []


# ---- the conversation with the child


def talk(child):
    """The parent's Sync of a child that does `child(sync)`."""
    sync = Sync()

    def act():
        sync.in_child()
        child(sync)
        return 0

    pid = process.fork(act)
    sync.in_parent()
    return sync, pid


def test_words_go_both_ways():
    sync, pid = talk(
        lambda sync: (
            sync.wait_for("placed"),
            sync.notify("namespaced"),
            sync.wait_for("go on"),
            sync.notify("ready"),
        )
    )
    sync.send("placed")
    sync.expect("namespaced")
    sync.send("go on")
    sync.expect("ready")
    sync.expect_exec()
    sync.close()
    assert os.waitpid(pid, 0)[1] == 0


def test_a_failed_call_arrives_with_its_step():
    report = {
        "kind": "call",
        "step": "pivot_root (step 11 of 21)",
        "call": "mount(2)",
        "errno": 1,
        "path": "/proc",
    }
    sync, pid = talk(lambda sync: sync.report(**report))
    with pytest.raises(InitError, match=r"mount\(2\) /proc: Operation not permitted") as caught:
        sync.expect("ready")
    assert caught.value.step == "pivot_root (step 11 of 21)"
    sync.close()
    os.waitpid(pid, 0)


def test_a_program_that_is_not_found_arrives_as_that():
    sync, pid = talk(lambda sync: sync.report(kind="not found", message="no such thing"))
    with pytest.raises(ProgramNotFound, match="no such thing"):
        sync.expect_exec()
    sync.close()
    os.waitpid(pid, 0)


def test_a_child_that_dies_without_a_word_is_noticed():
    sync, pid = talk(lambda sync: os._exit(9))
    with pytest.raises(MinirunError, match="ended before"):
        sync.expect("ready")
    sync.send("placed")  # nobody listens: no SIGPIPE, no error
    sync.close()
    assert process.exit_code(os.waitpid(pid, 0)[1]) == 9


def test_a_child_never_returns_into_the_parents_code(capfd):
    pid = os.getpid()
    status = os.waitpid(process.fork(lambda: 1 // 0), 0)[1]
    assert process.exit_code(status) == 125
    assert "minirun has made a mistake: integer division or modulo by zero" in capfd.readouterr().err
    assert os.getpid() == pid


@pytest.mark.parametrize(("status", "code"), [(0, 0), (7 << 8, 7), (9, 137), (15, 143), (0x80 | 6, 134)])
def test_a_wait_status_as_a_shell_says_it(status, code):
    assert process.exit_code(status) == code
