"""`ps`: how a command is shown, and how wide text is."""

import json

import pytest

from minirun.cli import format, ps, widths

# (program and arguments, what COMMAND shows, what it shows with --no-trunc); Docker's values
COMMANDS = [
    (["sleep", "100"], '"sleep 100"', '"sleep 100"'),
    (["sh", "-c", 'echo "a"'], r'''"sh -c 'echo \"a\"'"''', r'''"sh -c 'echo \"a\"'"'''),
    (["sh", "-c", "it's so"], '''"sh -c 'it's so'"''', '''"sh -c 'it's so'"'''),
    (["echo", "", "x"], '"echo  x"', '"echo  x"'),
    (["printf", r"a\nb\t"], r'"printf a\\nb\\t"', r'"printf a\\nb\\t"'),
    (["a\nb\tc\x1b"], r'"a\nb\tc\x1b"', r'"a\nb\tc\x1b"'),
    (["01234567890123456789"], '"01234567890123456789"', '"01234567890123456789"'),
    (["012345678901234567890"], '"0123456789012345678…"', '"012345678901234567890"'),
    (["docker-entrypoint.sh", "postgres"], '"docker-entrypoint.s…"', '"docker-entrypoint.sh postgres"'),
    (["日本語日本語日本語日本語"], '"日本語日本語日本語…"', '"日本語日本語日本語日本語"'),
    (["日本語日本語日本語a日"], '"日本語日本語日本語a…"', '"日本語日本語日本語a日"'),
    (["x\u00adé"], r'"x\u00adé"', r'"x\u00adé"'),
    ([], '""', '""'),
]


@pytest.mark.parametrize(("args", "short", "whole"), COMMANDS)
def test_a_command_keeps_its_quotes_and_is_cut_to_twenty_columns(
    args: list[str], short: str, whole: str
) -> None:
    words = ps.command_words({"args": args})  # type: ignore[arg-type, typeddict-item]
    assert (ps.shown_command(words), ps.shown_command(words, whole=True)) == (short, whole)


def test_a_wide_letter_takes_two_columns_in_a_table_too() -> None:
    assert format.table([["NAME", "X"], ["日本語日本語", "1"], ["abc", "2"]]) == [
        "NAME           X",
        "日本語日本語   1",
        "abc            2",
    ]


@pytest.mark.parametrize("columns", range(2, 9))
def test_what_is_cut_fits(columns: int) -> None:
    for text in ("abcdefghijkl", "日本語日本語", "a日b本c語", "äöüäöüäöü"):
        assert widths.width(widths.ellipsis(text, columns)) <= columns
        assert widths.ellipsis(text, 99) == text


@pytest.mark.parametrize(
    ("form", "needed"),
    [
        *(("{{.Size}}", True), ("table {{.Names}} {{.Size}}", True), ("{{json .}}", True), ("json", False)),
        *(("", False), ("{{.Names}}", False), ("{{json .Names}}", False), ("{{.Sizes}}", False)),
    ],
)
def test_sizes_are_measured_for_those_who_look(form: str, needed: bool) -> None:
    assert bool(ps._NEEDS_SIZE.search(form)) is needed


def test_a_row_has_dockers_fields() -> None:
    """Those of Docker 28's `ps --format json`, but for Platform, which is null there."""
    wanted = {
        *(
            "Command",
            "CreatedAt",
            "ID",
            "Image",
            "Labels",
            "LocalVolumes",
            "Mounts",
            "Names",
            "Networks",
            "Ports",
        ),
        *("RunningFor", "Size", "State", "Status"),
    }
    assert set(ps._HEADINGS) == wanted
    assert json.loads(next(iter(format.lines([dict.fromkeys(wanted, "")], "json", {}, [])))).keys() == wanted
