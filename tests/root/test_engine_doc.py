"""The example of docs/engine.md runs as it stands, and leaves nothing behind."""

import re
import sys

from tests.support import CHECKOUT, run


def test_the_example_of_the_documentation_runs(minirun, tmp_path):
    text = (CHECKOUT / "docs/engine.md").read_text()
    example = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]
    assert len([line for line in example.splitlines() if line.strip()]) <= 25
    script = tmp_path / "example.py"
    script.write_text(
        example.replace("/var/lib/minirun", str(minirun.root)).replace("/run/minirun", str(minirun.state))
    )
    result = run(
        sys.executable, script, env={"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    )
    assert (result.code, result.stdout) == (0, "web.lab\nit ended with 0\n")
    assert minirun("ps", "-aq").stdout == ""
    assert "lab" not in minirun("network", "ls", "--format", "{{.Name}}").stdout.split()
