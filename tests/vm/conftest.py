"""The vm tier: limits, for which a kernel with cgroup v2 and its controllers is needed.

On a host that has them the tests run like any others. Elsewhere one guest (scripts/vm) runs all of them in one
pytest of its own. That one hands each report over as a line of JSON, and here it becomes the report of the test
with the same name, so that outside everything looks as if it had run here: progress, output, summary.

    here                                        in the guest
    before the first test: start scripts/vm --> pytest NODE-IDS
    (tests of other tiers run meanwhile)
    wait for the reports of each test <-------- reports.jsonl, a line for setup, call and teardown each
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.leaks import cgroup2_mount
from tests.support import CHECKOUT

NEEDED = {"cpu", "io", "memory", "pids"}
# Seconds without a report until the guest is given up.
PATIENCE = 600
REPORTS = "MINIRUN_VM_REPORTS"


def has_controllers() -> bool:
    """Does this kernel's cgroup2 mount hold the controllers that the tests limit with?"""
    mount = cgroup2_mount()
    return mount is not None and set((mount / "cgroup.controllers").read_text().split()) >= NEEDED


class Guest:
    """The running guest and what it has reported so far."""

    def __init__(self, node_ids: list[str], directory: Path) -> None:
        self.directory = directory
        self.reports = directory / "reports.jsonl"
        self.output = directory / "output"
        self.reports.touch()
        self.position = 0
        self.waiting: dict[str, list[dict[str, object]]] = {}
        # In the guest only tmpfs can hold an overlay's upper directory, hence --basetemp.
        pytest_there = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "--color=no",
            "--basetemp=/run/pytest",
            *node_ids,
        ]
        environment = {**os.environ, REPORTS: str(self.reports), "MINIRUN_VM_SHARE": str(directory)}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [CHECKOUT / "scripts" / "vm", *pytest_there],
                cwd=CHECKOUT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def reports_of(self, node_id: str) -> list[dict[str, object]]:
        """The reports of one test, up to its teardown. Raises RuntimeError when the guest ends or hangs before."""
        deadline = time.monotonic() + PATIENCE
        while True:
            ended = self.process.poll() is not None
            self._read()
            reports = self.waiting.get(node_id, [])
            if reports and reports[-1]["when"] == "teardown":
                return reports
            if ended or time.monotonic() > deadline:
                raise RuntimeError(
                    f"the guest {'ended' if ended else 'hangs'}:\n{self.output.read_text()[-5000:]}"
                )
            time.sleep(0.1)

    def close(self) -> None:
        """Ends the guest if it still runs, and removes its directory."""
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait()
        shutil.rmtree(self.directory)

    def _read(self) -> None:
        with self.reports.open("rb") as file:
            file.seek(self.position)
            for line in file:
                # A line without its end is still being written.
                if not line.endswith(b"\n"):
                    break
                self.position += len(line)
                report = json.loads(line)
                self.waiting.setdefault(report["nodeid"], []).append(report)


guest_key = pytest.StashKey[Guest]()


def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """Outside: the test's reports come from the guest. Everywhere else None, which lets pytest run the test itself."""
    if item.get_closest_marker("vm") is None or has_controllers():
        return None
    if os.geteuid() != 0:
        item.add_marker(pytest.mark.skip(reason="needs root to start the guest"))
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in _reports(item):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _reports(item: pytest.Item) -> list[pytest.TestReport]:
    """What the guest says about `item`; a failure with the guest's last words when it says nothing."""
    try:
        return [
            _restored(item.config, data) for data in item.session.stash[guest_key].reports_of(item.nodeid)
        ]
    except RuntimeError as error:
        return [pytest.TestReport(item.nodeid, item.location, {}, "failed", str(error), when="call")]


def _restored(config: pytest.Config, data: dict[str, object]) -> pytest.TestReport:
    report: pytest.TestReport = config.hook.pytest_report_from_serializable(config=config, data=data)
    # The place of a skip is a tuple, for which JSON has no word.
    if isinstance(report.longrepr, list):
        report.longrepr = tuple(report.longrepr)
    return report


def _start_guest(session: pytest.Session) -> None:
    """For all vm tests that were selected.  It has one processor, so it runs beside the unit tier."""
    chosen = [item.nodeid for item in session.items if item.get_closest_marker("vm")]
    if chosen and os.geteuid() == 0 and not session.config.option.collectonly:
        session.stash[guest_key] = Guest(chosen, Path(tempfile.mkdtemp(prefix="minirun-guest.")))


class Messenger:
    """Inside: hands each report out at once."""

    def __init__(self, config: pytest.Config, path: str) -> None:
        self.config, self.path = config, path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        with open(self.path, "a") as file:
            file.write(json.dumps(data) + "\n")
            file.flush()
            # hostfs brings a file to the host when it is synced.
            os.fsync(file.fileno())


def pytest_collection_finish(session: pytest.Session) -> None:
    if not has_controllers():
        _start_guest(session)
    elif path := os.environ.get(REPORTS):
        session.config.pluginmanager.register(Messenger(session.config, path))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Outside: the guest ends by itself after the last test; an interrupted run ends it."""
    if (guest := session.stash.get(guest_key, None)) is not None:
        guest.close()
