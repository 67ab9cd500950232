"""Files of variables.  What each line gives was asked of Docker Compose 5.6.1."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirun.compose.language import dotenv
from minirun.compose.language.problems import ComposeError

ENVIRONMENT = {"A": "a", "EMPTY": ""}


def read(text: str) -> dict[str, str]:
    return dotenv.read(text, ENVIRONMENT.get, lambda name: None)


LINES = {
    "K=v": {"K": "v"},
    "K = v ": {"K": "v"},
    "K: v": {"K": "v"},
    "export K=v": {"K": "v"},
    "exported=v": {"exported": "v"},
    "K=": {"K": ""},
    "# c\n\n  # c\nK=v": {"K": "v"},
    "K=v # c": {"K": "v"},
    "K=v#c": {"K": "v#c"},
    "K= # c": {"K": "# c"},
    "K=a b": {"K": "a b"},
    "K='a b' # c": {"K": "a b"},
    "K='$A\\n'": {"K": "$A\\n"},
    "K='it\\'s'": {"K": "it's"},
    'K="a\\tb\\n$A"': {"K": "a\tb\na"},
    'K="\\$A \\\\ \\" \\c"': {"K": '$A \\ " \\c'},
    'K="\\0101\\09"': {"K": "A\\9"},
    'K="a\nb"\nL=c': {"K": "a\nb", "L": "c"},
    'K="a" L=b': {"K": "a", "L": "b"},
    "K=$A-${NO:-d}-$$": {"K": "a-d-$"},
    "K=1\nL=${K}2": {"K": "1", "L": "12"},
    "A=b\nK=$A": {"A": "b", "K": "a"},
    "A\nNO\nEMPTY\n": {"A": "a", "EMPTY": ""},
    "A": {"A": "a"},
    "K=1\nK=2": {"K": "2"},
    "K=v\r\nL=w\r\n": {"K": "v", "L": "w"},
    "k.e-y[0]=v": {"k.e-y[0]": "v"},
    "1K=v": {"1K": "v"},
    "": {},
}


@pytest.mark.parametrize("text", LINES)
def test_lines(text: str) -> None:
    assert read(text) == LINES[text]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("K=v\nK V=w", 2, '"K V" has a space in it'),
        ("K/=v", 1, "/ cannot be in the name of a variable"),
        ("\n\nK='v\n\n", 3, "this quote is never closed"),
        ("K=${", 1, "write $$ for a plain $"),
        ("K=${NO?so}", 1, "required variable NO is missing a value: so"),
        ("export ", 1, "export wants the name of a variable"),
    ],
)
def test_bad_lines(text: str, line: int, message: str) -> None:
    with pytest.raises(dotenv.Unreadable) as caught:
        read(text)
    assert caught.value.line == line
    assert message in str(caught.value)


RAW = {
    "K='$A' # c": {"K": "'$A' # c"},
    "K= v ": {"K": " v "},
    "# c\n  K=v": {"K": "v"},
    "A\nNO": {"A": "a"},
    "K=a=b\r\n": {"K": "a=b"},
}


@pytest.mark.parametrize("text", RAW)
def test_raw_lines(text: str) -> None:
    assert dotenv.read_raw(text, ENVIRONMENT.get) == RAW[text]


@pytest.mark.parametrize("text", ["K =v", "=v"])
def test_bad_raw_lines(text: str) -> None:
    with pytest.raises(dotenv.Unreadable, match="is no name of a variable"):
        dotenv.read_raw(text, ENVIRONMENT.get)


def test_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "e").write_bytes(b"\xef\xbb\xbfK=v")
    assert dotenv.read_file(f"{tmp_path}/e", {}.get, print) == {"K": "v"}


@pytest.mark.parametrize(("content", "line"), [(b"K=v\nL=\xff", 2), (b"K='v", 1)])
def test_bad_file_is_named_with_the_line(tmp_path: Path, content: bytes, line: int) -> None:
    (tmp_path / "e").write_bytes(content)
    with pytest.raises(ComposeError) as caught:
        dotenv.read_file(f"{tmp_path}/e", {}.get, print)
    assert caught.value.message.startswith(f"{tmp_path}/e:{line}:1: ")


def test_later_file_wins_and_sees_the_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("K=1\nL=1")
    (tmp_path / "b").write_text("K=2\nM=$L")
    paths = [f"{tmp_path}/a", f"{tmp_path}/b"]
    assert dotenv.merged(paths, {}, print) == {"K": "2", "L": "1", "M": "1"}


@given(st.text(alphabet="KA=:'\"\\#$ {}\n\tn0é"))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read(text)
    except dotenv.Unreadable:
        pass


@given(st.text().filter(lambda text: "\0" not in text))
def test_single_quotes_keep_any_text(value: str) -> None:
    if "\\" not in value:
        assert read("K='" + value.replace("'", "\\'") + "'") == {"K": value}
