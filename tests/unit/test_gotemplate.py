"""Templates: what Debian's docker does not know yet, the words of errors, and that each comes to an end.

That the rest is as Go has it, tests/interop/test_templates.py says.
"""

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirun.cli import template
from minirun.cli.gotemplate import api_types, evaluation, quoting, values
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

TEMPLATES = {
    "{{.Name}} is {{ .State.Status }}": "box is up",
    "{{json .Tags}} {{json .Labels}}": '["a","b"] {"a.b":"dotted","tier":"web"}',
    "{{upper .Name}} {{.Name | title}} {{lower (upper .Name)}}": "BOX Box box",
    '{{join .Tags ","}} {{len .Tags}} {{index .Tags 1}} {{slice .Name 0 2}}': "a,b 2 b bo",
    "{{range $key, $value := .Labels}}{{$key}}={{$value}};{{end}}": "a.b=dotted;tier=web;",
    "{{if .Health}}sick{{else if .Running}}well{{else}}gone{{end}}": "well",
    "{{.Tags}} {{.Labels}} {{.Running}} {{.Health}}": "[a b] map[a.b:dotted tier:web] true <no value>",
    "{{.Nosuch}} {{.Nosuch.Field}} {{if .Nosuch}}x{{end}}": "<no value> <no value> ",
    # Go 1.22 and later
    "{{range 3}}{{.}}{{end}} {{range $i := 2}}{{$i}}{{end}}": "012 01",
    "{{with .Health}}a{{else with .Name}}{{.}}{{else}}c{{end}}": "box",
    "{{with .Health}}a{{else with .Nosuch}}b{{else}}c{{end}}": "c",
    '{{join .Labels "+"}} {{join .Health ","}}': "dotted+web ",
}


@pytest.mark.parametrize(("text", "shown"), TEMPLATES.items())
def test_templates_are_gos(text: str, shown: str) -> None:
    assert parse(text)(VALUE) == shown


BAD_TEMPLATES = {
    "{{shout .Name}}": 'template:1:3: {{shout .Name}}: there is no function "shout"',
    "a\n  {{upper .Pid}}": 'template:2:5: {{upper .Pid}}: "upper": it wants text, not the int 42',
    "{{.Name.Length}}": 'template:1:3: {{.Name.Length}}: the string "box" has no fields, so no "Length"',
    "{{index .Tags 7}}": 'template:1:3: {{index .Tags 7}}: "index": there is no number 7 in 2',
    "{{range .Name}}{{end}}": (
        'template:1:9: {{range .Name}}: the string "box" is no list and no map to go through'
    ),
    "{{.Name": "template:1:1: {{.Name: it has {{ without }}",
    "{{if .Name}}x": "template:1:3: {{if .Name}}: {{end}} is missing for {{if}}",
    "x{{end}}": 'template:1:4: {{end}}: nothing is open that "end" could belong to',
    "{{.Name .Pid}}": 'template:1:3: {{.Name .Pid}}: "Name" is no method, so it takes no arguments',
    "{{(.Name}}": 'template:1:9: {{(.Name}}: ")" is missing',
    "{{}}": "template:1:3: {{}}: something is missing in the action",
    "{{%}}": 'template:1:3: {{%}}: "%" is not understood',
    "{{$x}}": "template:1:3: {{$x}}: there is no variable $x",
    "{{range $i, $x := 3}}{{end}}": (
        "template:1:9: {{range $i, $x := 3}}: a number is gone through with one variable"
    ),
    "{{break}}": "template:1:3: {{break}}: {{break}} outside of {{range}}",
    '{{template "x"}}': 'template:1:3: {{template "x"}}: there is no template "x"',
    '{{"a': 'template:1:1: {{"a: it has {{ without }}',
    '{{"a}}': 'template:1:3: {{"a}}: the text that begins with " does not end',
    "{{99999999999999999999}}": (
        "template:1:3: {{99999999999999999999}}: 99999999999999999999 does not fit into 64 bits"
    ),
    "{{len .Pid .Name}}": 'template:1:3: {{len .Pid .Name}}: "len" takes 1 and not 2 arguments',
    "{{" + "(" * 5000 + "1" + ")" * 5000 + "}}": "template: it is nested too deeply",
}


@pytest.mark.parametrize(("text", "message"), BAD_TEMPLATES.items(), ids=range(len(BAD_TEMPLATES)))
def test_what_is_wrong_is_told_with_line_column_and_action(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)(VALUE)
    assert str(caught.value) == message


def test_an_unknown_function_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError) as caught:
        parse("{{shout .Name}}")
    assert caught.value.hint.startswith(
        "functions: and call eq ge gt html index join js json le len lower lt ne not"
    )


# ---- types ------------------------------------------------------------------------------------------------


def test_what_json_leaves_out_is_there_and_what_no_type_has_is_not() -> None:
    facts = {
        "Id": "4f",
        "HostConfig": {"CapAdd": None},
        "Config": {"Labels": {"a": "b"}},
        "Kernel": {"Cgroup": "/x"},
    }
    fill = template.inspection
    assert fill("{{if .State}}x{{end}}[{{.Path}}]{{.Args}}")(facts) == "[][]"
    assert (
        fill("{{.ID}} {{.HostConfig.CapAdd}} {{.Config.Healthcheck}} {{.Kernel.Cgroup}}")(facts)
        == "4f [] <nil> /x"
    )
    assert fill("{{.Id}} {{json .Config}}")(facts) == '4f {"Labels":{"a":"b"}}'
    for text in ("{{.Nope}}", "{{.HostConfig.Nope}}", "{{.Id}} {{.HostConfig.Nope}}"):
        with pytest.raises(UsageError, match='there is no field "Nope"'):
            fill(text)(facts)


def test_of_two_ways_to_fail_the_one_is_told_that_got_further() -> None:
    facts = {"Id": "4f", "HostConfig": {}, "Config": {"Labels": {"a": "b"}}}
    for text in ("{{.Config.Labels.x}} {{.Nope}}", "{{.Id}} {{.HostConfig.CapAdd}}"):
        with pytest.raises(UsageError, match=r'there is no field "(Nope|CapAdd)"'):
            template.inspection(text)(facts)


def test_info_version_and_events_have_types_too() -> None:
    event = {
        "Type": "container",
        "Action": "start",
        "Actor": {"ID": "4f", "Attributes": {"name": "one"}},
        "time": 7,
    }
    shown = "{{.Type}} {{.Actor.Attributes.name}} {{.Actor.Attributes.nosuch}} {{.Time}} [{{.ID}}] {{json .Actor}}"
    assert template.of_type(shown, "Event")(event) == (
        'container one <no value> 7 [] {"ID":"4f","Attributes":{"name":"one"}}'
    )
    assert template.of_type("{{.NFd}} {{.Swarm.LocalNodeState}} {{.Warnings}}", "Info")({}) == "0  []"
    assert template.of_type("{{.Server}}{{if .Server}}x{{end}}", "Version")({}) == "<nil>"
    with pytest.raises(UsageError, match='there is no field "Nope"'):
        template.of_type("{{.Nope}}", "Info")({"ID": ""})


@pytest.mark.parametrize("name", api_types.TYPES)
def test_a_type_speaks_of_types_that_there_are(name: str) -> None:
    assert isinstance(api_types.typed({}, name), values.Struct)
    for field in api_types.TYPES[name].split():
        kind = (
            field.partition(":")[2].replace("*", "").replace("[]", "").replace("{}", "").replace("{Port}", "")
        )
        assert kind in api_types.TYPES or kind in ("string", "int", "bool", "any", "time"), field


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("2026-11-30T01:02:03.5Z", "2026-11-30 01:02:03.5 +0000 UTC"),
        ("2026-11-30T01:02:03Z", "2026-11-30 01:02:03 +0000 UTC"),
        ("0001-01-01T00:00:00Z", "0001-01-01 00:00:00 +0000 UTC"),
        ("2026-11-30T01:02:03.120000000Z", "2026-11-30 01:02:03.12 +0000 UTC"),
        ("soon", "soon"),
    ],
)
def test_a_moment_is_printed_as_go_prints_it(written: str, shown: str) -> None:
    facts = {"IPAM": {}, "Created": written}
    assert template.inspection("{{.Created}} {{json .Created}}")(facts) == f'{shown} "{written}"'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('a"b\\', r'"a\"b\\"'),
        ("\n\t\x1b\x00", r'"\n\t\x1b\x00"'),
        ("äé€😀", '"äé€😀"'),
        ("\u00ad\u2028", r'"\u00ad\u2028"'),
        ("\udcff", r'"\xff"'),
    ],
)
def test_quotes_are_gos(text: str, shown: str) -> None:
    assert quoting.quote(text) == shown


# ---- each comes to an end -----------------------------------------------------------------------------------

ENDLESS = {
    "{{range 9999999999999}}{{end}}": "does not seem to come to an end",
    "{{range 9999999999999}}{{continue}}{{end}}": "does not seem to come to an end",
    "{{range 99999}}{{range 99999}}x{{end}}{{end}}": "does not seem to come to an end",
    '{{define "t"}}{{template "t"}}{{end}}{{template "t"}}': "too deep into each other",
    '{{define "a"}}{{template "b" .}}{{end}}{{block "b" .}}{{if .Name}}{{template "a" .}}{{end}}{{end}}': "too deep",
    "{{$x := .Name}}{{range 99}}{{$x = print $x $x}}{{end}}": "is too long|come to an end",
    '{{$x := printf "%999999d" 1}}{{range 999}}{{$x}}{{end}}': "does not seem to come to an end",
    '{{printf "%1000000d%1000000d%1000000d%1000000d%1000000d" 1 2 3 4 5}}': "longer than 4194304 letters",
    '{{printf "%1000000s" (split (printf "%9999d" 1) "")}}': "longer than 4194304 letters",
    '{{join (split (printf "%99999d" 1) "") (printf "%99999d" 1)}}': "longer than 4194304 letters",
    "{{pad .Name 9999999 0}}": "cannot pad with 9999999 spaces",
    '{{$x := split (printf "%999999d" 1) ""}}{{range 9999}}{{len (slice $x 0)}}{{end}}': "come to an end",
}


@pytest.mark.parametrize(("text", "message"), ENDLESS.items(), ids=range(len(ENDLESS)))
def test_a_template_without_end_is_ended(text: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "BUDGET", evaluation.BUDGET // 16)
    with pytest.raises(UsageError, match=message):
        parse(text)(VALUE)


def test_it_is_ended_within_seconds() -> None:
    begin = time.monotonic()
    with pytest.raises(UsageError, match="does not seem to come to an end"):
        parse("{{range 9999999999999}}{{.}}{{end}}")(VALUE)
    assert time.monotonic() - begin < 20


def test_a_long_loop_that_ends_is_let_go_on() -> None:
    assert len(parse("{{range 50000}}{{.}},{{end}}")(VALUE)) == 288890


WORDS = [
    "{{",
    "}}",
    "-",
    ".Name",
    ".Tags",
    ".Health",
    ".X",
    ".",
    "$",
    "$x",
    ":=",
    "=",
    ",",
    "(",
    ")",
    "|",
    "1",
    "-1.5",
]
WORDS += [
    '"%d"',
    "`%5v`",
    "'a'",
    "true",
    "nil",
    "json",
    "join",
    "slice",
    "index",
    "printf",
    "eq",
    "lt",
    "and",
    "or",
]
WORDS += [
    "if",
    "else",
    "end",
    "range",
    "with",
    "define",
    "template",
    "block",
    "break",
    "continue",
    "/*",
    "*/",
    "\n",
]


@settings(deadline=20_000)
@given(st.lists(st.sampled_from(WORDS), max_size=14), st.booleans())
def test_whatever_the_words_there_is_text_or_one_error(words: list[str], inside: bool) -> None:
    fill_in("{{" + " ".join(words) + "}}" if inside else " ".join(words))


@settings(deadline=20_000)
@given(
    st.text(max_size=40), st.text(alphabet="{}-.$:=|()\"'`\\%*[]0123456789xeEdsqvjson Name\n", max_size=40)
)
def test_whatever_the_letters_there_is_text_or_one_error(some: str, likely: str) -> None:
    for text in (
        some,
        likely,
        "{{" + likely + "}}",
        "{{printf `" + likely.replace("`", "") + "` .Name .Pid .Tags}}",
    ):
        fill_in(text)


def fill_in(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert isinstance(parse(text)(VALUE), str)


@settings(deadline=None, max_examples=40)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    )
)
def test_whatever_the_value_it_is_printed(value: object) -> None:
    for text in (
        "{{.}}",
        "{{json .}}",
        '{{printf "%v %d %q %+v %#v %x" . . . . . .}}',
        "{{range .}}{{.}}{{end}}",
    ):
        with contextlib.suppress(UsageError):
            assert isinstance(parse(text)(value), str)
