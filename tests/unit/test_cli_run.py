"""The words of `minirun run` before click sees them."""

import pytest

from minirun.cli.container_options import spell_out

VALUED = {"-e", "--env", "--name", "-v"}
FLAGS = {"--rm", "-d", "--init"}


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
    assert list(spell_out(before.split(), VALUED, FLAGS)) == after.split()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("--rm=true busybox", "--rm busybox"),
        ("--rm=false -d=1 busybox", "-d busybox"),
        ("--rm=maybe busybox", "--rm=maybe busybox"),
        ("busybox prog --rm=true", "busybox prog --rm=true"),
        ("--env=true busybox", "--env=true busybox"),
    ],
)
def test_a_flag_may_have_a_value_as_in_go(before: str, after: str) -> None:
    assert list(spell_out(before.split(), VALUED, FLAGS)) == after.split()
