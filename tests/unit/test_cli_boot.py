"""The unit file as text; systemd's own opinion of it."""

import configparser
import shutil
from pathlib import Path

import pytest

from minirun.cli import boot
from tests.support import CHECKOUT, run

LAUNCHER = str(CHECKOUT / "scripts" / "minirun")


def parsed(*words: str, root: str = "/var/lib/minirun") -> configparser.ConfigParser:
    made = configparser.RawConfigParser(strict=False)
    made.optionxform = str
    made.read_string(boot.unit([*words] or [LAUNCHER], root))
    return made


def test_the_unit_restores_at_boot_and_shuts_down_before_the_end():
    service = parsed("/opt/minirun")["Service"]
    assert service["ExecStart"] == "/opt/minirun system restore"
    assert service["ExecStop"] == "/opt/minirun system shutdown"


def test_the_shims_outlive_the_command_that_started_them():
    service = parsed()["Service"]
    assert (service["Type"], service["RemainAfterExit"], service["KillMode"]) == ("oneshot", "yes", "process")


def test_the_data_root_is_mounted_first():
    assert parsed(root="/srv/my data")["Unit"]["RequiresMountsFor"] == '"/srv/my data"'


@pytest.mark.parametrize(
    ("word", "text"),
    [("plain", "plain"), ("two words", '"two words"'), ("100%", "100%%"), ("a$b", "a$$b"), ('"', '"\\""')],
)
def test_a_word_is_quoted_for_systemd(word: str, text: str):
    assert boot.quoted(word) == text


def test_nothing_is_left_to_fill_in():
    assert "@" not in boot.unit([LAUNCHER], "/var/lib/minirun")


def test_systemd_has_nothing_against_it(tmp_path: Path):
    assert shutil.which("systemd-analyze"), "scripts/setup --tests installs it"
    unit = tmp_path / "minirun.service"
    unit.write_text(boot.unit([LAUNCHER, "--root", "/srv/my data"], "/srv/my data"))
    result = run("systemd-analyze", "verify", unit)
    assert (result.code, result.stderr) == (0, "")
