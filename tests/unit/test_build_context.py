"""Where a context comes from, which file is its Dockerfile, and what it does not show."""

import gzip
import io
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from minirun.build import context, scratch
from minirun.build.tree import Context
from minirun.errors import MinirunError
from minirun.paths import Paths

Load = Callable[..., tuple[Context, str, str]]


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(str(tmp_path / "root"), str(tmp_path / "state"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A context, in the present directory."""
    made = tmp_path / "here"
    (made / "sub").mkdir(parents=True)
    (made / "Dockerfile").write_text("FROM one")
    (made / "sub/Dockerfile").write_text("FROM sub")
    monkeypatch.chdir(made)
    return made


@pytest.fixture
def load(paths: Paths) -> Iterator[Load]:
    """load(".", dockerfile="x") -> the context, its Dockerfile, what that is called."""
    made: list[Context] = []

    def load(where: str, stdin: bytes = b"", dockerfile: str = "") -> tuple[Context, str, str]:
        found, text, name = context.load(paths, where, io.BytesIO(stdin), dockerfile=dockerfile)
        made.append(found)
        return found, text.decode(), name

    yield load
    for one in made:
        one.close()
    assert [name for name in scratch.files.names_in(f"{paths.root}/build/tmp") if name != ".lock"] == []


def tar(**members: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            info.uid, info.gid = os.geteuid(), os.getegid()
            archive.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def names(found: Context) -> list[str]:
    return sorted(os.listdir(f"/proc/self/fd/{found.fd}"))


def test_a_directory_is_read_where_it_is(here: Path, load: Load):
    found, text, name = load(".")
    assert (text, name, found.path, found.owner) == ("FROM one", "Dockerfile", ".", (0, 0))
    assert os.path.samestat(os.fstat(found.fd), os.stat(here))


def test_its_key_is_that_of_the_directory_however_it_is_called(here: Path, load: Load):
    assert load(".")[0].key == load(str(here))[0].key == load("sub/..")[0].key != load("sub")[0].key != ""


@pytest.mark.parametrize("name", ["Dockerfile", "dockerfile", "Containerfile"])
def test_without_f_there_are_three_names(here: Path, load: Load, name: str):
    (here / "Dockerfile").rename(here / name)
    assert load(".")[1:] == ("FROM one", name)


def test_f_is_seen_from_the_present_directory(here: Path, load: Load):
    assert load("sub", dockerfile="Dockerfile")[1:] == ("FROM one", "Dockerfile")
    assert load("sub", dockerfile="sub/Dockerfile")[1:] == ("FROM sub", "sub/Dockerfile")
    (here / "sub/other").touch()
    with pytest.raises(MinirunError, match="other: No such file or directory") as raised:
        load("sub", dockerfile="other")
    assert raised.value.hint == "-f is looked for in the present directory, not in the context"


def test_f_may_lead_out_of_the_context(here: Path, load: Load, tmp_path: Path):
    (tmp_path / "outside").write_text("FROM outside")
    assert load(".", dockerfile="../outside")[1] == "FROM outside"


def test_the_dockerfile_may_come_by_standard_input(here: Path, load: Load):
    found, text, name = load(".", b"FROM stdin", "-")
    assert (text, name, found.path) == ("FROM stdin", "Dockerfile", ".")


def test_standard_input_may_be_the_dockerfile_alone(here: Path, load: Load):
    found, text, _ = load("-", b"FROM alone")
    assert (text, names(found), found.key) == ("FROM alone", [], "")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_standard_input_may_be_an_archive(load: Load, pack: Callable[[bytes], bytes]):
    content = tar(Dockerfile="FROM tar", other="FROM other", **{".dockerignore": "x\n"})
    found, text, _ = load("-", pack(content))
    assert (text, names(found)) == ("FROM tar", [".dockerignore", "Dockerfile", "other"])
    assert found.hides("x")
    assert load("-", pack(content), "other")[1] == "FROM other"


def test_a_file_may_be_an_archive(load: Load, tmp_path: Path):
    (tmp_path / "x.bin").write_bytes(tar(Dockerfile="FROM file"))
    assert load(str(tmp_path / "x.bin"))[1] == "FROM file"


def hidden(found: Context) -> list[str]:
    return [name for name in ("one", "two", "three") if found.hides(name)]


def test_the_patterns_beside_the_dockerfile_come_before_the_context_s(here: Path, load: Load):
    (here / ".dockerignore").write_text("one\n")
    assert hidden(load(".")[0]) == ["one"]
    (here / "Dockerfile.dockerignore").write_text("two\n")
    assert hidden(load(".")[0]) == ["two"]
    assert hidden(load(".", dockerfile="Dockerfile")[0]) == ["two"]
    assert hidden(load(".", dockerfile="sub/Dockerfile")[0]) == ["one"]
    (here / "sub/Dockerfile.dockerignore").write_text("three\n")
    assert hidden(load(".", dockerfile="sub/Dockerfile")[0]) == ["three"]
    assert hidden(load(".", b"FROM x", "-")[0]) == ["one"]


def test_podman_s_name_for_the_patterns_is_known(here: Path, load: Load):
    (here / ".dockerignore").write_text("one\n")
    (here / ".containerignore").write_text("two\n")
    assert hidden(load(".")[0]) == ["two"]


def test_a_dockerfile_that_is_left_out_is_used(here: Path, load: Load):
    (here / ".dockerignore").write_text("*\n")
    found, text, _ = load(".")
    assert text == "FROM one"
    assert found.hides("Dockerfile")


def fifo(here: Path) -> None:
    (here / "Dockerfile").unlink()
    os.mkfifo(here / "Dockerfile")


def led_out(here: Path) -> None:
    (here / "Dockerfile").unlink()
    (here / "Dockerfile").symlink_to("/etc/passwd")


# what is wrong: how it comes, the words of load, and what is said
WRONG: dict[str, tuple[Callable[[Path], object], tuple[object, ...], str]] = {
    "no Dockerfile": (lambda here: (here / "Dockerfile").unlink(), (".",), r"\.: Dockerfile: No such file"),
    "no context": (lambda here: None, ("nowhere",), 'path "nowhere" not found'),
    "a file": (lambda here: None, ("Dockerfile",), "Dockerfile: neither a directory nor an archive"),
    "a fifo": (fifo, (".",), r"\.: Dockerfile: not a file"),
    "a link out of it": (led_out, (".",), r"\.: Dockerfile: No such file or directory"),
    "a directory": (lambda here: None, (".", b"", "sub"), "sub: Is a directory"),
    "both": (lambda here: None, ("-", b"", "-"), "cannot both be standard input"),
    "nothing": (lambda here: None, ("-",), "standard input is empty"),
    "f and a Dockerfile": (lambda here: None, ("-", b"FROM x", "x"), "is a Dockerfile itself"),
    "a cut archive": (
        lambda here: None,
        ("-", gzip.compress(tar(a="b"))[:40]),
        "standard input: .*cut short",
    ),
    "no Dockerfile in it": (lambda here: None, ("-", tar(a="b")), "standard input: Dockerfile: No such file"),
    "a pattern": (
        lambda here: (here / ".dockerignore").write_text("[a"),
        (".",),
        r"\.dockerignore: the pattern '\[a'",
    ),
    "an exception": (
        lambda here: (here / ".dockerignore").write_text("!"),
        (".",),
        "illegal exclusion pattern",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_sentence_and_nothing_is_left(here: Path, load: Load, case: str):
    change, words, expected = WRONG[case]
    change(here)
    with pytest.raises(MinirunError, match=expected):
        load(*words)


def test_a_named_context_is_a_directory_or_an_archive(here: Path, paths: Paths):
    (here / "sub/.dockerignore").write_text("one\n")
    for value in ("sub", "x.tar"):
        (here / "x.tar").write_bytes(tar(**{".dockerignore": "one\n"}))
        found = context.named(paths, value)
        assert hidden(found) == ["one"]
        found.close()
    with pytest.raises(MinirunError, match="neither a directory nor an archive"):
        context.named(paths, "Dockerfile")


def test_what_a_killed_build_has_left_is_cleared_and_what_is_in_use_is_not(paths: Paths):
    left, used = scratch.Scratch(paths), scratch.Scratch(paths)
    Path(left.path, "file").touch()
    os.close(left.fd)
    scratch.clear(paths)
    assert set(os.listdir(f"{paths.root}/build/tmp")) == {".lock", os.path.basename(used.path)}
    used.close()
    assert os.listdir(f"{paths.root}/build/tmp") == [".lock"]
