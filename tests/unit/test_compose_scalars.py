"""What plain words of a compose file stand for, as Docker Compose reads them."""

import math

import pytest

from minirun.compose.language import scalars

# Each asked of Docker Compose 5.6.1 as a value of `environment`.
AS_TEXT = {
    "12": "12",
    "1_000": "1000",
    "1__0": "10",
    "_1": "_1",
    "+5": "5",
    "-0": "-0",
    "017": "15",
    "-017": "-15",
    "0o17": "15",
    "0O17": "15",
    "08": "8",
    "0o8": "0o8",
    "09.5": "9.5",
    "0b11": "3",
    "-0b1": "-1",
    "0x1F": "31",
    "0X1f": "31",
    "1.10": "1.1",
    ".5": "0.5",
    "1.": "1",
    "1e3": "1000",
    "1e5": "100000",
    "1e6": "1e+06",
    "1e20": "1e+20",
    "1e400": "1e400",
    "0.0001": "0.0001",
    "0.00001": "1e-05",
    "0.1e-7": "1e-08",
    "1_0.5_0": "10.5",
    "1234567.5": "1.2345675e+06",
    "123456789.0": "1.23456789e+08",
    "12345678901234567890": "12345678901234567890",
    "123456789012345678901234567890": "1.2345678901234568e+29",
    "1,000": "1,000",
    "22:22": "22:22",
    "yes": "yes",
    "on": "on",
    "NO": "NO",
    "y": "y",
    "=": "=",
    "true": "true",
    "False": "false",
}


@pytest.mark.parametrize("written", AS_TEXT)
def test_word_where_text_is_wanted(written: str) -> None:
    assert scalars.as_text(scalars.resolve(written)) == AS_TEXT[written]


@pytest.mark.parametrize("written", ["", "~", "null", "Null", "NULL"])
def test_nothing(written: str) -> None:
    assert scalars.resolve(written) is None


@pytest.mark.parametrize(("written", "value"), [(".inf", math.inf), ("-.INF", -math.inf)])
def test_infinity(written: str, value: float) -> None:
    assert scalars.resolve(written) == value


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [("12", "int", 12), ("1", "float", 1.0), ("True", "bool", True), ("~", "null", None)],
)
def test_tag(text: str, kind: str, value: scalars.Scalar) -> None:
    assert scalars.as_kind(text, kind) == value


@pytest.mark.parametrize(("text", "kind"), [("yes", "bool"), ("x", "int"), ("1.5", "int"), ("", "int")])
def test_tag_that_does_not_fit(text: str, kind: str) -> None:
    with pytest.raises(ValueError, match=f"is no {kind}"):
        scalars.as_kind(text, kind)
