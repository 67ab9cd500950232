"""minirun started with descriptors 0, 1 or 2 closed, as cron and daemons do."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
from minirun.cli import printing, stdio
stdio.fill()
printing.say("out"); printing.say("err", err=True); sys.stdin.read()
places = [os.readlink(f"/proc/self/fd/{fd}") for fd in range(3)]
open(sys.argv[1], "w").write(" ".join(map(str, (places.count("/dev/null"), *map(os.get_inheritable, range(3))))))
"""


@pytest.mark.parametrize(
    ("closed", "missing"), [("", 0), (">&-", 1), ("2>&-", 1), ("<&-", 1), ("<&- >&- 2>&-", 3)]
)
def test_dev_null_takes_the_place_of_what_is_missing(closed: str, missing: int, tmp_path: Path) -> None:
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", PROGRAM, str(tmp_path / "told")]
    done = subprocess.run(command, input="", text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "" if "2>&-" in closed else "err\n")
    assert (tmp_path / "told").read_text() == f"{missing} True True True"
