"""`info` and `version`, compared with what the machine itself says."""

import json
import os
import platform
import re
from typing import Any

from tests.containers import start
from tests.support import Minirun


def info(minirun: Minirun) -> dict[str, Any]:
    found = json.loads(minirun("info", "--format", "json", check=True).stdout)
    assert isinstance(found, dict)
    return found


def test_containers_are_counted_by_their_state(minirun: Minirun) -> None:
    start(minirun, "busybox", "sleep", "100")
    paused = start(minirun, "busybox", "sleep", "100")
    minirun("pause", paused.id, check=True)
    minirun("create", "--network", "none", "busybox", check=True)
    found = info(minirun)
    names = ("Containers", "ContainersRunning", "ContainersPaused", "ContainersStopped")
    assert [found[name] for name in names] == [3, 1, 1, 1]
    minirun("unpause", paused.id, check=True)


def test_the_machine_is_described(minirun: Minirun) -> None:
    found = info(minirun)
    assert found["KernelVersion"] == os.uname().release
    assert found["NCPU"] == os.cpu_count()
    assert found["MemTotal"] == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert found["OperatingSystem"] == platform.freedesktop_os_release()["PRETTY_NAME"]
    assert found["DockerRootDir"] == str(minirun.root)


def test_what_the_kernel_does_not_offer_is_a_warning(minirun: Minirun) -> None:
    found = info(minirun)
    assert found["MemoryLimit"] == ("WARNING: No memory limit support" not in found["Warnings"])
    assert found["Warnings"] == minirun("info", check=True).stderr.splitlines()


def test_the_text_has_dockers_lines(minirun: Minirun) -> None:
    lines = minirun("info", check=True).stdout.splitlines()
    for line in (
        "Server:",
        " Storage Driver: overlay",
        " Logging Driver: json-file",
        f" Root Dir: {minirun.root}",
    ):
        assert line in lines


def test_system_info_is_the_same(minirun: Minirun) -> None:
    words = ("--format", "{{.Name}} {{.Driver}}")
    assert (
        minirun("system", "info", *words).stdout
        == minirun("info", *words).stdout
        == f"{os.uname().nodename} overlay\n"
    )


def test_registries_of_the_configuration_are_shown(minirun: Minirun, tmp_path: Any) -> None:
    config = tmp_path / "registries.toml"
    config.write_text('[registry."docker.io"]\nmirrors = ["m.test"]\n[registry."r.test"]\ninsecure = true\n')
    lines = minirun("--config", config, "info", check=True).stdout.splitlines()
    assert "  https://m.test/" in lines
    assert "  r.test" in lines


def test_version_has_a_client_and_a_server(minirun: Minirun) -> None:
    versions = minirun(
        "version", "--format", "{{.Client.Version}} {{.Server.Version}}", check=True
    ).stdout.split()
    assert versions[0] == versions[1]
    assert f"minirun version {versions[0]}" in minirun("--version", check=True).stdout
    assert re.search(rf"^ Version: +{re.escape(versions[0])}$", minirun("version", check=True).stdout, re.M)


def test_a_field_that_is_not_there_is_told(minirun: Minirun) -> None:
    result = minirun("info", "--format", "{{.Nosuch}}")
    assert result.code == 1
    assert 'there is no field "Nosuch"' in result.stderr
