"""--format, --filter, sizes and ages: the words of every command that lists things."""

import contextlib
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirun.cli import filters, format, units
from minirun.cli.template import parse
from minirun.errors import UsageError

VALUE = {
    "Name": "box",
    "Tags": ["a", "b"],
    "Labels": {"tier": "web", "a.b": "dotted"},
    "Running": True,
    "Pid": 42,
    "Health": None,
    "State": {"Status": "up"},
}

# ---- templates --------------------------------------------------------------------------------------------

TEMPLATES = {
    "{{.Name}} is {{ .State.Status }}": "box is up",
    "{{json .Tags}} {{json .Labels}}": '["a","b"] {"tier":"web","a.b":"dotted"}',
    "{{upper .Name}} {{.Name | title}} {{lower (upper .Name)}}": "BOX Box box",
    '{{join .Tags ","}} {{len .Tags}} {{index .Tags 1}} {{slice .Name 0 2}}': "a,b 2 b bo",
    '{{index .Labels "a.b"}}|{{index .Labels "none"}}|': "dotted||",
    "{{range .Tags}}<{{.}}{{$.Name}}>{{end}}": "<abox><bbox>",
    "{{range $key, $value := .Labels}}{{$key}}={{$value}};{{end}}": "a.b=dotted;tier=web;",
    "{{range .Health}}x{{else}}none{{end}}": "none",
    "{{if .Health}}sick{{else if .Running}}well{{else}}gone{{end}}": "well",
    '{{if and (eq .Name "x" "box") (not .Health)}}yes{{end}}': "yes",
    "{{with .State}}{{.Status}}{{end}}": "up",
    "{{.Name}}\\t{{.Pid}}\\n": "box\t42\n",
    "{{println .Name .Pid}}": "box 42\n",
    '{{printf "%-5s|%03d|%v|%q" .Name .Pid .Tags .Name}}': 'box  |042|[a b]|"box"',
    "{{.Tags}} {{.Labels}} {{.Running}} {{.Health}}": "[a b] map[a.b:dotted tier:web] true <no value>",
    "a {{- .Pid -}} b{{/* not this */}}": "a42b",
    '{{"}}"}}{{`"`}}': '}}"',
}


@pytest.mark.parametrize(("template", "shown"), TEMPLATES.items())
def test_templates_are_gos(template: str, shown: str) -> None:
    assert parse(template)(VALUE) == shown


BAD_TEMPLATES = {
    "{{.Nosuch}}": 'there is no field "Nosuch"',
    "{{.Name.Length}}": "'box' has no fields",
    "{{shout .Name}}": 'there is no function "shout"',
    "{{upper .Pid}}": '"upper" cannot take 42',
    "{{index .Tags 7}}": '"index" cannot take',
    "{{range .Name}}{{end}}": "is not a list or a map",
    "{{.Name": "without }}",
    "{{if .Name}}x": r"\{\{end\}\} is missing",
    "x{{end}}": "nothing is open",
    "{{.Name .Pid}}": "one word too many",
    "{{(.Name}}": r"\) is missing",
    "{{}}": "something is missing",
    "{{%}}": "is not understood",
    "{{$x}}": "there is no variable",
    "{{" + "(" * 5000 + "}}": "nested too deeply",
}


@pytest.mark.parametrize(("template", "message"), BAD_TEMPLATES.items(), ids=range(len(BAD_TEMPLATES)))
def test_a_bad_template_is_told_by_its_part(template: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(template)(VALUE)


def test_a_missing_field_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError) as caught:
        parse("{{.State.Pid}}")(VALUE)
    assert caught.value.hint == "fields: Status"


WORDS = [
    "{{",
    "}}",
    "-",
    ".Name",
    ".Tags",
    ".Health",
    ".X",
    "$",
    ":=",
    ",",
    "(",
    ")",
    "|",
    "1",
    '"%d"',
    "true",
]
WORDS += ["json", "join", "slice", "index", "printf", "eq", "lt", "if", "else", "end", "range", "with", "x"]


@given(st.lists(st.sampled_from(WORDS), max_size=12))
def test_whatever_the_template_there_is_no_traceback(words: list[str]) -> None:
    for template in (" ".join(words), "{{" + " ".join(words) + "}}"):
        with contextlib.suppress(UsageError):
            parse(template)(VALUE)


@given(st.text(), st.text(alphabet="[]^-!*?a/"), st.text(alphabet="a-/]"))
def test_whatever_the_filter_there_is_no_traceback(text: str, pattern: str, name: str) -> None:
    assert filters.matches(pattern, name) in (True, False)
    for read in (filters.until, filters.boolean, lambda word: filters.parse([word], ("label",))):
        with contextlib.suppress(UsageError):
            read(text)


# ---- tables -----------------------------------------------------------------------------------------------

ROWS = [{"ID": "1", "Name": "long name", "Labels": "x"}, {"ID": "22", "Name": "b", "Labels": "y"}]
HEADINGS = {"ID": "BOX ID", "Name": "NAME", "Labels": "LABELS"}


def shown(form: str) -> list[str]:
    return list(format.lines(ROWS, form, HEADINGS, ["ID", "Name"]))


@pytest.mark.parametrize("form", ["", "table"])
def test_the_usual_table(form: str) -> None:
    assert shown(form) == ["BOX ID   NAME", "1        long name", "22       b"]


def test_a_table_of_ones_own_has_headings() -> None:
    assert shown(r"table {{.Name}}\t{{upper .Labels}}!") == [
        "NAME        LABELS!",
        "long name   X!",
        "b           Y!",
    ]


def test_json_is_one_object_a_line() -> None:
    assert shown("json")[1] == '{"ID":"22","Name":"b","Labels":"y"}'


def test_a_template_is_filled_in_for_each_row() -> None:
    assert shown("{{.ID}}={{.Name}}") == ["1=long name", "22=b"]


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
