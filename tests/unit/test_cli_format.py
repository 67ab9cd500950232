"""--format, --filter, sizes and ages: the words of every command that lists things."""

import contextlib
import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirun.cli import filters, format, units
from minirun.errors import UsageError


@given(st.text(), st.text(alphabet="[]^-!*?a/"), st.text(alphabet="a-/]"))
def test_whatever_the_filter_there_is_no_traceback(text: str, pattern: str, name: str) -> None:
    assert filters.matches(pattern, name) in (True, False)
    for read in (filters.until, filters.boolean, lambda word: filters.parse([word], ("label",))):
        with contextlib.suppress(UsageError):
            read(text)


# ---- tables -----------------------------------------------------------------------------------------------

ROWS = [
    {"ID": "1", "Name": "long name", "Labels": format.Labels({"tier": "web", "com.example.some-name": "x"})},
    {"ID": "22", "Name": "b", "Labels": format.Labels({})},
]
HEADINGS = {"ID": "BOX ID", "Name": "NAME", "Labels": "LABELS"}


def shown(form: str) -> list[str]:
    return list(format.lines(ROWS, form, HEADINGS, ["ID", "Name"]))


@pytest.mark.parametrize("form", ["", "table", " table "])
def test_the_usual_table(form: str) -> None:
    assert shown(form) == ["BOX ID    NAME", "1         long name", "22        b"]


def test_a_table_of_ones_own_has_headings() -> None:
    assert shown(r"table {{.Name}}\t{{upper .Labels}}!") == [
        "NAME        LABELS!",
        "long name   TIER=WEB,COM.EXAMPLE.SOME-NAME=X!",
        "b           !",
    ]


def test_headings_go_through_the_template_and_functions_leave_them() -> None:
    form = r'table{{truncate .Name 2}}\t{{if .ID}}{{json .ID}}{{end}}\t{{.Label "com.example.some-name"}}'
    assert shown(form) == ["NAME      BOX ID    some name", 'lo        "1"       x', 'b         "22"']


def test_a_field_that_no_row_has_is_an_error_with_those_there_are() -> None:
    for form in ("{{.Nope}}", r"table {{.ID}}\t{{.Nope}}"):
        with pytest.raises(UsageError, match='there is no field "Nope"') as caught:
            shown(form)
        assert caught.value.hint == "fields: ID Name Labels Label"


def test_json_is_one_object_a_line_in_the_order_of_the_names() -> None:
    assert shown("json") == shown("{{json .}}")
    assert shown("json")[1] == '{"ID":"22","Labels":"","Name":"b"}'


def test_a_template_is_filled_in_for_each_row() -> None:
    assert shown(r"{{.ID}}\t{{.Name}}\n") == ["1\tlong name\n", "22\tb\n"]


def test_a_label_is_asked_for_by_its_name() -> None:
    assert shown('{{.Label "tier"}}|{{.Label "com.example.some-name"}}|{{"nosuch" | .Label}}') == [
        "web|x|",
        "||",
    ]


def test_a_label_without_its_name_is_an_error() -> None:
    with pytest.raises(UsageError, match='"Label" takes one text'):
        shown("{{.Label}}")


def test_what_a_label_holds_stays_in_its_column() -> None:
    rows = [{"Labels": format.Labels({"a": "x\n\x1b[2J"})}]
    lines = list(format.lines(rows, 'table {{.Label "a"}}', {"Labels": "LABELS"}, []))
    assert lines == ["a", "x\\n\\x1b[2J"]


# ---- filters ----------------------------------------------------------------------------------------------


def test_filters_are_gathered_by_key() -> None:
    assert filters.parse(["label=a", "label=b=c", "until=1h"], ("label", "until")) == {
        "label": ["a", "b=c"],
        "until": ["1h"],
    }


@pytest.mark.parametrize(("word", "message"), [("colour=red", "'colour'"), ("label", "no =")])
def test_an_unknown_filter_is_refused(word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        filters.parse([word], ("label",))


PATTERNS = [("al*", "alpine", True), ("al*", "alpine/git", False), ("*/git", "alpine/git", True)]
PATTERNS += [("a?pine", "alpine", True), ("[a-c]lpine", "alpine", True), ("a.pine", "alpine", False)]
PATTERNS += [("[^b]lpine", "alpine", True), ("[^a]lpine", "alpine", False)]


@pytest.mark.parametrize(("pattern", "text", "expected"), PATTERNS)
def test_a_star_stops_at_a_slash(pattern: str, text: str, expected: bool) -> None:
    assert filters.matches(pattern, text) is expected


def test_a_time_is_a_date_a_number_or_so_long_ago() -> None:
    assert filters.until("2024-01-01T00:00:00Z") == 1704067200
    assert filters.until("1704067200") == 1704067200
    assert filters.until("1h30m") == pytest.approx(time.time() - 5400, abs=5)
    with pytest.raises(UsageError, match="'yesterday' is not a time"):
        filters.until("yesterday")


# ---- sizes and ages ---------------------------------------------------------------------------------------

SIZES = {
    0: "0B",
    999: "999B",
    1000: "1kB",
    4_850_000: "4.85MB",
    124_000_000: "124MB",
    999_600: "1MB",
    1_430_000_000: "1.43GB",
    3 * 10**15: "3PB",
}


@pytest.mark.parametrize(("count", "shown"), SIZES.items())
def test_sizes_are_dockers(count: int, shown: str) -> None:
    assert units.size(count) == shown


def test_four_digits_where_docker_shows_four() -> None:
    assert units.size(12_345_678, 4) == "12.35MB"


AGES = {
    timedelta(0): "Less than a second ago",
    timedelta(seconds=5): "5 seconds ago",
    timedelta(seconds=70): "About a minute ago",
    timedelta(minutes=59): "59 minutes ago",
    timedelta(minutes=70): "About an hour ago",
    timedelta(hours=47): "47 hours ago",
    timedelta(days=3): "3 days ago",
    timedelta(days=20): "2 weeks ago",
    timedelta(days=70): "2 months ago",
    timedelta(days=800): "2 years ago",
}


@pytest.mark.parametrize(("age", "shown"), AGES.items())
def test_ages_are_dockers(age: timedelta, shown: str) -> None:
    assert units.ago((datetime.now(UTC) - age).isoformat()) == shown


def test_what_is_no_time_is_not_available() -> None:
    assert (units.ago(""), units.when("soon"), units.ago("0001-01-01T00:00:00Z")) == ("N/A", "N/A", "N/A")


@pytest.mark.parametrize(
    ("values", "name", "found"),
    [
        (["^v"], "v1", True),
        (["^v"], "nv", False),
        (["a$", "b$"], "xb", True),
        (["ow"], "town", True),
        (["(?i)^x", "(?i)^V"], "v1", True),
        ([], "any", True),
    ],
)
def test_the_filter_of_names_is_a_regular_expression(values: list[str], name: str, *, found: bool) -> None:
    assert filters.finder(values)(name) is found


@pytest.mark.parametrize("text", ["(", "[", "*x", "a{99999999999999999999}"])
def test_what_is_no_regular_expression_is_quoted(text: str) -> None:
    with pytest.raises(UsageError, match=f"^invalid filter: '{re.escape(text)}' is no regular expression"):
        filters.finder(["a", text, "b)"])
