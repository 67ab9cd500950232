"""The Vagrantfile, as Debian's Vagrant reads it."""

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.support import CHECKOUT, run


def test_the_vagrantfile_is_valid(program: Callable[[str], str], tmp_path: Path) -> None:
    # Vagrant writes beside the file it reads, and into its home.
    shutil.copy(CHECKOUT / "Vagrantfile", tmp_path)
    environment = {"VAGRANT_HOME": str(tmp_path / "home"), "VAGRANT_CWD": str(tmp_path)}
    result = run(program("vagrant"), "validate", env=environment, cwd=tmp_path)
    assert result.code == 0
    assert "validated successfully" in result.stdout
