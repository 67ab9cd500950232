"""The example of docs/engine.md runs as it stands, and leaves nothing behind."""

import re
import sys

import pytest

from tests.support import CHECKOUT, run

EXAMPLE = re.findall(r"```python\n(.*?)```", (CHECKOUT / "docs/engine.md").read_text(), re.DOTALL)[0]


def run_example(minirun, path, text):
    path.write_text(
        text.replace("/var/lib/minirun", str(minirun.root)).replace("/run/minirun", str(minirun.state))
    )
    return run(
        sys.executable, path, env={"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    )


def left(minirun):
    networks = minirun("network", "ls", "--format", "{{.Name}}").stdout.split()
    return minirun("ps", "-aq").stdout.split() + [name for name in networks if name == "lab"]


def test_the_example_of_the_documentation_runs(minirun, tmp_path):
    assert len([line for line in EXAMPLE.splitlines() if line.strip()]) <= 25
    result = run_example(minirun, tmp_path / "example.py", EXAMPLE)
    assert (result.code, result.stdout) == (0, "web.lab\nit ended with 0\n")
    assert left(minirun) == []


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("busybox", "127.0.0.1:1/nosuch", "127.0.0.1:1"),
        ('"wget", "-qO-"', '"nosuch", "-qO-"', "nosuch"),
    ],
)
def test_where_it_fails_the_error_is_the_last_word_and_nothing_stays(minirun, tmp_path, before, after, words):
    assert before in EXAMPLE
    result = run_example(minirun, tmp_path / "example.py", EXAMPLE.replace(before, after))
    assert result.code == 1
    assert words in result.stderr.splitlines()[-1]
    assert left(minirun) == []
