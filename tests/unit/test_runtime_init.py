"""The child of the fork: what it may not do, whatever happens in it."""

import errno
import os
import sys

import pytest

from minirun.errors import MinirunError, ProgramNotInvocable
from minirun.linux import syscalls
from minirun.runtime import init, joining, process
from minirun.runtime.sync import Sync


@pytest.fixture
def steps():
    """steps(step, ...) runs them as init does; raises what they report."""

    def steps(*steps):
        sync = Sync()
        pid = process.fork(lambda: init.main(None, sync, steps))
        sync.in_parent()
        try:
            sync.expect_exec()
        finally:
            sync.close()
            code = process.exit_code(os.waitpid(pid, 0)[1])
        return code

    return steps


def test_nothing_can_be_imported_any_more(steps, tmp_path, monkeypatch):
    (tmp_path / "trap_of_the_image.py").write_text("import os; os._exit(66)")
    monkeypatch.syspath_prepend(tmp_path)

    def imports(_plan, _sync):
        import trap_of_the_image  # noqa: F401

    # Python says one or the other: pytest makes errors of warnings
    with pytest.raises(MinirunError, match=r"No module named 'trap_of_the_image'|meta_path is empty"):
        steps(imports)
    assert sys.path[0] == str(tmp_path)  # the parent's is as it was


@pytest.mark.parametrize(
    "error", [ValueError("odd"), KeyboardInterrupt("odd"), SystemExit("odd"), EOFError("odd")]
)
def test_any_exception_ends_the_child_and_is_reported(steps, error):
    def goes_wrong(_plan, _sync):
        raise error

    with pytest.raises(MinirunError, match=r"minirun has made a mistake: odd \(in goes_wrong\)"):
        steps(goes_wrong)


def test_a_failed_call_is_reported_with_its_place_among_the_steps(steps):
    def first(_plan, _sync):
        pass

    def second(_plan, _sync):
        raise syscalls.SyscallError(1, "mount", "/proc")

    with pytest.raises(MinirunError, match=r"mount\(2\) /proc: Operation not permitted") as caught:
        steps(first, second)
    assert caught.value.step == "second (step 2 of 2)"


@pytest.mark.parametrize(
    ("number", "reason"), [(errno.EACCES, "Permission denied"), (errno.ENOENT, "this kernel has none")]
)
def test_a_wish_that_the_kernel_refuses_is_told_without_a_call_and_a_step(steps, number, reason):
    def fails(_plan, _sync):
        with init.wished("the OOM score cannot be set to -500"):
            raise syscalls.SyscallError(number, "write", "/proc/self/oom_score_adj")

    with pytest.raises(MinirunError, match=f"^the OOM score cannot be set to -500: {reason}$") as caught:
        steps(fails)
    assert "CAP_SYS_RESOURCE" in caught.value.hint
    assert not caught.value.step


def test_a_step_after_a_failed_one_is_not_made(steps, tmp_path):
    def fails(_plan, _sync):
        raise ProgramNotInvocable("no")

    with pytest.raises(ProgramNotInvocable):
        steps(fails, lambda _plan, _sync: (tmp_path / "made").touch())
    assert not (tmp_path / "made").exists()


def test_a_child_whose_steps_end_has_failed(steps):
    """The last step is an execve that does not return; one that does must not look like success."""
    assert steps(lambda _plan, _sync: None) == 1


def test_who_joins_gives_up_the_same_privileges_in_the_same_order():
    names = [step.__name__ for step in init.PRIVILEGES]
    assert [step.__name__ for step in joining.PRIVILEGES] == names
    create = [step.__name__ for step in init.CREATE]
    beside = [step.__name__ for step in joining.CREATE_BESIDE]
    assert [name for name in beside if name not in ("enter_pid_namespace", "lead_session")] == create
