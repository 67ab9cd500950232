"""docs/guide.md shows every command of the guide."""

import re

from tests.support import CHECKOUT


def test_every_command_of_the_guide_is_on_the_page() -> None:
    page = re.sub(r" \\\n +", " ", (CHECKOUT / "docs" / "guide.md").read_text())
    commands = (CHECKOUT / "tests" / "guide" / "commands.txt").read_text().splitlines()
    assert [line for line in commands if line.replace("docker", "minirun") not in page] == []
