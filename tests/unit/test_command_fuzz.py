"""Whatever words `run`, `create` and `exec` are given: an exit code and a sentence, and nobody sees a traceback."""

import contextlib
import io
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import Phase, given, settings

from minirun import jsontext
from minirun.cli import commands, execute, run, starting
from minirun.engine import create
from minirun.engine.options import run_options
from minirun.errors import UsageError
from tests.command_words import complaint, lines, options
from tests.fuzzing import fuzz

IMAGE = SimpleNamespace(reference="busybox", id="sha256:0", config={"Cmd": ["sh"]}, layer_paths=list)
CODES = (0, 125)


def prepare(_session: Any, asked: Any, *_: Any) -> Any:
    """What create.prepare() does up to the record, without a store and a network."""
    run_options.check(asked)
    record = create.make_record(asked, IMAGE, asked["network"], {})  # type: ignore[arg-type]
    jsontext.loads(jsontext.dumps(record))
    return record


def execute_none(_session: Any, _record: Any, args: Any, *, env: Any, **_: Any) -> int:
    run_options.check_program(args, env)
    return 0


@pytest.fixture(scope="module", autouse=True)
def nothing_is_started() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "run", lambda *arguments: 0 if prepare(*arguments) else 1)
        patch.setattr(run, "spawn", lambda: None)
        patch.setattr(starting.engine, "create", prepare)
        patch.setattr(execute.containers, "find", lambda *_: {})
        patch.setattr(execute, "execute", execute_none)
        patch.setattr(commands.Session, "secure", lambda _self: None)
        patch.setattr(sys, "stdin", io.StringIO())
        yield


def call(*words: str) -> tuple[int, str]:
    """The exit code and what was said of a command line, in a directory of its own."""
    told = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory() as directory,
        contextlib.chdir(directory),
        contextlib.redirect_stderr(told),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        patch.setattr(sys, "argv", ["minirun", "--root", directory, "--state", directory, *words])
        code = commands.call(None)
        left = [path.name for path in Path(directory).iterdir()]
    return code, told.getvalue() + "".join(f"left: {name}" for name in left)


@pytest.mark.parametrize("command", ["run", "create", "exec"])
def test_any_words_in_any_option(command: str) -> None:
    @given(lines(command, without=("--explain", "--step", "--break", "--cidfile")))
    @settings(parent=fuzz(150), phases=[Phase.generate])  # to make one of 200 KB smaller takes minutes
    def check(words: list[str]) -> None:
        code, told = call(command, *words, "busybox", "true")
        assert complaint(code, told, CODES) == "", told[:3000]

    check()


@pytest.mark.parametrize("command", ["run", "exec"])  # those of create are among those of run
def test_each_option_with_words_of_each_length(command: str) -> None:
    """Every option is there: what hypothesis draws may leave one out."""
    for option in options(command):
        for word in ("", "\udcff", "9" * 5000, "x=/" + "y" * 200_000):
            if not option.is_flag and option.opts[0] not in ("--explain", "--break", "--cidfile"):
                name = max(option.opts, key=len)
                words = [f"{name}={word}"] if name.startswith("--") else [name, word]
                code, told = call(command, *words, "busybox", "true")
                assert complaint(code, told, CODES) == "", (words[0][:60], told[:3000])


@pytest.mark.parametrize("name", ["SIGFOO", "0", "65", "RTMIN+31"])
def test_a_stop_signal_of_an_image_that_is_none_is_told_when_a_container_is_made(name: str) -> None:
    config = {"Cmd": ["sh"], "StopSignal": name}
    image = SimpleNamespace(reference="odd", id="sha256:0", config=config, layer_paths=list)
    asked = run_options.defaults("odd")
    with pytest.raises(UsageError, match="the image odd names a stop signal that is none"):
        create.make_record(asked, image, "none", {})  # type: ignore[arg-type]
    asked["stop_signal"] = "TERM"
    assert create.make_record(asked, image, "none", {})["stop_signal"] == "TERM"  # type: ignore[arg-type]
