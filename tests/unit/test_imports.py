"""What a command loads: names, not times.  Start-up is a feature, and one import too many is how it is lost."""

import subprocess
import sys

import pytest

from tests.support import CHECKOUT

SITE = CHECKOUT / ".venv" / "site-packages"
HEAVY = {"pyroute2", "rich", "urllib3", "http", "ssl", "tarfile", "asyncio"}


def loaded(program: str, *argv: str) -> set[str]:
    """The modules in sys.modules after `program`, in an interpreter started as the launchers start theirs."""
    code = f"import sys\nsys.path += sys.argv[1:3]\nsys.argv[:3] = ['minirun']\n{program}\n"
    code += "sys.stderr.write('\\nLOADED ' + ' '.join(sys.modules))"
    words = [sys.executable, "-I", "-S", "-X", "utf8", "-c", code, str(CHECKOUT), str(SITE), *argv]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert "LOADED " in done.stderr, done.stderr
    return set(done.stderr.rpartition("LOADED ")[2].split())


def test_minirun_oci_loads_only_what_makes_a_container():
    names = loaded("import minirun.cli.oci.main")
    unwanted = {
        "click",
        "argparse",
        "socket",
        "json",
        "re",
        "enum",
        "signal",
        "contextlib",
        "shutil",
        "subprocess",
    }
    assert not names & (unwanted | HEAVY)
    assert not {
        name for name in names if name.startswith(("minirun.engine", "minirun.image", "minirun.network"))
    }


def test_the_shim_loads_neither_click_nor_what_images_and_networks_need():
    names = loaded("import minirun.engine.shim.start")
    assert not names & ({"click", "json", "re", "shutil", "subprocess", "typing"} | HEAVY)
    assert not {
        name for name in names if name.startswith(("minirun.cli", "minirun.image", "minirun.network.links"))
    }


@pytest.mark.parametrize(
    "place",
    ["minirun.cli.ps:ps_command", "minirun.cli.run:run_command", "minirun.cli.build:build_command"],
)
def test_ps_run_and_the_words_of_build_load_nothing_heavy(place: str):
    names = loaded(f"from minirun.cli import main, commands, command_table\ncommand_table.load({place!r})")
    assert not names & HEAVY


@pytest.mark.parametrize("place", ["minirun.cli.ps:ps_command", "minirun.cli.execute:exec_command"])
def test_those_who_ask_a_shim_do_not_load_the_runtime(place: str):
    names = loaded(f"from minirun.cli import main, commands, command_table\ncommand_table.load({place!r})")
    assert not names & {"minirun.runtime.container", "minirun.runtime.init"}


@pytest.mark.parametrize(
    "place", ["ps:ps_command", "ls:ls_command", "logs:logs_command", "stopping:stop_command"]
)
def test_looking_at_a_project_reads_no_yaml(place: str):
    program = "from minirun.cli import main, commands, command_table\nfrom minirun.cli.compose import group\n"
    names = loaded(f"{program}command_table.load('minirun.cli.compose.{place}')")
    assert not names & (HEAVY | {"yaml", "minirun.compose.language.loading", "minirun.runtime.container"})


def test_what_a_run_finds_its_image_with_is_not_heavy():
    assert not loaded("import minirun.image.store, minirun.engine.create") & HEAVY


def test_the_shim_forked_ahead_has_not_seen_click():
    names = loaded("import minirun.cli.main")
    assert "click" not in names


def test_a_v2_host_loads_no_code_for_v1():
    """A limit is asked for, the group looked at, and its files: none of it needs to know that there was a v1."""
    program = """
from minirun.linux import cgroup_controllers, cgroup_files, cgroup_oom, cgroups
cgroup_files.mounts = lambda: iter([("/no-such-mount", "cgroup2", "rw,nsdelegate")])
cgroup_controllers.available = lambda: {"memory"}
assert cgroup_controllers.require({"memory.max": "64"}) == {"memory.max": "64"}
assert cgroup_files.keyed("/minirun/x", "memory.events") == {}
assert (cgroups.to_join("/minirun/x"), cgroup_oom.watch("/minirun/x")) == ([], None)
cgroups.delete("/minirun/x")
"""
    assert not {name for name in loaded(program) if "cgroups_v1" in name}
