"""Words as Go's flags have them, before click sees them."""

import click
import pytest

from minirun.cli import commands, flag_values

RUN = click.Command(
    "run",
    context_settings={"allow_interspersed_args": False},
    params=[
        *(click.Option([name], is_flag=True) for name in ("--rm", "-i", "-t", "--init")),
        click.Option(["-d", "--detach"], is_flag=True),
        click.Option(["--sig-proxy/--no-sig-proxy"], default=True),
        *(click.Option(names) for names in (["-e", "--env"], ["--name"], ["-p", "--publish"])),
        click.Option(["--explain"], is_flag=False, flag_value="text"),
        click.Argument(["words"], nargs=-1),
    ],
)
BUILD = click.Command("build", params=RUN.params)


def spelt(before: str, command: click.Command = RUN) -> str:
    return " ".join(flag_values.spell_out(command, before.split()))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("--explain busybox true", "--explain=text busybox true"),
        ("--explain=sh busybox", "--explain=sh busybox"),
        ("--rm --explain -it busybox", "--rm --explain=text -it busybox"),
        ("busybox prog --explain", "busybox prog --explain"),
        ("-e --explain busybox", "-e --explain busybox"),
        ("--name --explain busybox", "--name --explain busybox"),
        ("-ite A --explain busybox", "-ite A --explain=text busybox"),
        ("-eA --explain busybox", "-eA --explain=text busybox"),
        ("--env=A --explain busybox", "--env=A --explain=text busybox"),
        ("-- busybox --explain", "-- busybox --explain"),
    ],
)
def test_a_bare_explain_before_the_image_means_text(before: str, after: str) -> None:
    assert spelt(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("--rm=true busybox", "--rm busybox"),
        ("--rm=false -d=1 busybox", "-d busybox"),
        ("--detach=T busybox", "--detach busybox"),
        ("-it=false busybox", "-i busybox"),
        ("-itd=true busybox", "-it -d busybox"),
        ("--sig-proxy=false busybox", "--no-sig-proxy busybox"),
        ("--sig-proxy=TRUE busybox", "--sig-proxy busybox"),
        ("busybox prog --rm=true", "busybox prog --rm=true"),
        ("--env=true busybox", "--env=true busybox"),
        ("-e --rm=true busybox", "-e --rm=true busybox"),
        ("--nosuch=true -x=1 busybox", "--nosuch=true -x=1 busybox"),
    ],
)
def test_a_flag_may_have_a_value_as_in_go(before: str, after: str) -> None:
    assert spelt(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("-p=80:80 busybox", "-p 80:80 busybox"),
        ("-e=A=b busybox", "-e A=b busybox"),
        ("-ite=A=b busybox", "-ite A=b busybox"),
        ("-eA=b busybox", "-eA=b busybox"),
        ("-e A=b busybox", "-e A=b busybox"),
    ],
)
def test_a_value_may_stand_after_a_letter_and_an_equals_sign(before: str, after: str) -> None:
    assert spelt(before) == after


def test_options_may_come_after_the_words_of_most_commands() -> None:
    assert spelt("dir --rm=false -- --rm=false", BUILD) == "dir -- --rm=false"


def test_h_is_help_where_it_is_nothing_else() -> None:
    host = click.Command("run", params=[click.Option(["-h", "--hostname"])])
    assert (spelt("-h"), spelt("-h web", host)) == ("--help", "-h web")
    assert spelt("busybox -h") == "busybox -h"


@pytest.mark.parametrize("word", ["--rm=maybe", "--rm=", "-it=2", "--sig-proxy=yes"])
def test_what_is_neither_true_nor_false_is_refused(word: str) -> None:
    with pytest.raises(click.BadOptionUsage, match="true or false"):
        spelt(f"{word} busybox")


@pytest.mark.parametrize("words", [["run", "--rm=maybe", "x"], ["ps", "-a=maybe"], ["network", "ls", "-q=2"]])
def test_it_is_so_of_each_command(words, monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["minirun", "--debug=true", *words])
    monkeypatch.setattr("os.geteuid", lambda: 1)
    assert commands.call(None) in (2, 125)
    told = capsys.readouterr().err
    usage = " ".join(word for word in words if word.isalpha() and word != "x")
    assert told.startswith(f"Usage: minirun {usage} [OPTIONS]")
    assert "true or false" in told


@pytest.mark.parametrize("words", [[], ["container"], ["network"], ["image"]])
def test_a_group_alone_helps_as_docker(words, monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["minirun", *words])
    monkeypatch.setattr("os.geteuid", lambda: 1)
    assert commands.call(None) == 0
    told = capsys.readouterr()
    assert (told.out, told.err.count("Usage:")) == ("", 1)
