"""The words of `minirun run` before click sees them."""

import pytest

from minirun.cli.run import spell_out

VALUED = {"-e", "--env", "--name", "-v"}


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
    assert list(spell_out(before.split(), VALUED)) == after.split()
