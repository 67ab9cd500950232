"""stop, rm, update and the others that act on several: each failure is told, with what to do about it."""

import pytest

from minirun.cli import inspecting, stopping
from minirun.errors import ConflictError, MinirunError, NotFoundError


def test_one_of_several_fails_and_its_hint_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    def act(name: str) -> None:
        if name == "two":
            raise ConflictError("two runs", "stop it first")
        if name == "three":
            raise OSError(30, "Read-only file system", "/x")

    assert stopping.for_each(("one", "two", "three", "four"), act) == 1
    out, err = capsys.readouterr()
    assert out == "one\nfour\n"
    assert err == "minirun: two runs\n  hint:  stop it first\nminirun: /x: Read-only file system\n"


@pytest.mark.parametrize(("fine", "code"), [(NotFoundError, 0), (None, 1), (ConflictError, 1)])
def test_a_failure_that_is_fine_counts_as_none(fine: type[MinirunError] | None, code: int) -> None:
    def act(name: str) -> None:
        raise NotFoundError(f"no such container: {name}")

    assert stopping.for_each(("one",), act, fine) == code


def test_inspect_tells_the_hint_of_what_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    def look(name: str) -> dict[str, str]:
        if name == "b":
            raise NotFoundError("no such image: b", "minirun images")
        return {"Name": name}

    assert inspecting.show(("b", "a"), "json", look) == 1
    out, err = capsys.readouterr()
    assert (out, err) == ('[{"Name": "a"}]\n', "minirun: no such image: b\n  hint:  minirun images\n")
