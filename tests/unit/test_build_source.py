"""The lines of a Dockerfile that an error or a warning points at."""

import pytest

from minirun.build.source import Source, excerpt

FILE = Source("Dockerfile", "".join(f"line {number}\n" for number in range(1, 8)))


@pytest.mark.parametrize(
    ("start", "end", "shown"),
    [
        (1, 1, "*123"),
        (4, 4, "23*456"),
        (7, 7, "56*7"),
        (3, 4, "2*3*45"),
        (4, 99, "3*4*5*6*7"),
        (8, 8, ""),
        (0, 0, ""),
    ],
)
def test_the_lines_around_are_shown_and_those_meant_are_marked(start: int, end: int, shown: str) -> None:
    lines = [line for line in excerpt(FILE, start, end) if "|" in line]
    assert "".join(f"{'*' if '>>>' in line else ''}{line[-1]}" for line in lines) == shown


def test_the_picture() -> None:
    assert excerpt(Source("a/Dockerfile", "FROM x\n\nRUN false"), 3, 3) == [
        *("a/Dockerfile:3", "--------------------"),
        *("   1 |     FROM x", "   2 |", "   3 | >>> RUN false", "--------------------"),
    ]


def test_of_a_long_instruction_the_middle_is_left_out() -> None:
    long = Source("Dockerfile", "RUN <<EOF\n" + "true\n" * 1000 + "EOF\n")
    lines = excerpt(long, 1, 1002)
    assert len(lines) < 50
    assert "     | ..." in lines
